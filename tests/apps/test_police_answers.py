"""Months that are not out yet, not whole, not what was asked for, or not allowed now."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from collecting import Collecting, by_partition, collecting

from catchment.apps.police import stops
from catchment.apps.police.answers import OURS
from catchment.apps.police.records import Stop
from catchment.apps.police.standin import PUBLISHERS
from catchment.clock import parse_moment
from catchment.decode import decode
from catchment.errors import UsageError
from catchment.model import model_digest
from catchment.partitions import Partition
from catchment.runs import Summary

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
STOPS = "police/stops"
PATH = "/api/stops-force"
MONTHS = ("2026-01", "2025-12", "2025-11")
FORCES = ("avon-and-somerset", "cambridgeshire", "leicestershire")


def verdicts(summary: Summary) -> dict[str, str]:
    return {key: result.verdict or "" for key, result in by_partition(summary, STOPS).items()}


# -- quirks of records ----------------------------------------------------------------------------------------------

STYLES = {
    "empty outcome": {"outcome_style": "empty"},
    "false outcome": {"outcome_style": "false"},
    "no outcome object": {"outcome_style": "absent"},
    "escaped slashes": {"escape_slashes": True},
    "members in reverse": {"key_order": "reversed"},
}


@pytest.mark.parametrize("switches", STYLES.values(), ids=STYLES)
def test_every_way_of_writing_a_record_is_accepted(tmp_path, switches):
    """Acceptance 10."""
    with collecting("police", tmp_path, now=NOW, switches={**switches, "records": 400}) as police:
        assert police.run().complete
        assert police.number("SELECT count(*) FROM police_stops") == 9 * 400
        assert police.sql("SELECT * FROM _reject") == []
        for quirk in ("latitude IS NULL", "outcome IS NULL", "gender IS NULL", "datetime NOT LIKE '%.000000Z'"):
            assert police.number(f"SELECT count(*) FROM police_stops WHERE {quirk}") > 0, quirk
        assert police.number("SELECT count(*) FROM police_stops WHERE outcome IN ('', 'false', '0')") == 0


def test_a_missing_outcome_is_the_same_however_it_is_written(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        police.run()
        police.control.set(outcome_style="false")
        summary = police.run(again=True)
        results = by_partition(summary, STOPS).values()
        assert sum(result.counts.new + result.counts.gone for result in results) == 0
        assert {result.verdict for result in results} <= {"complete", "unchanged"}
        assert police.number("SELECT count(*) FROM police_stops_version") == 0


def test_a_record_of_a_wrong_type_is_a_reject_and_the_others_are_stored(tmp_path):
    """Acceptance 10."""
    with collecting("police", tmp_path, now=NOW, switches={"wrong_type": True}) as police:
        for result in by_partition(police.run(), STOPS).values():
            counts = result.counts
            assert result.verdict == "complete"
            assert (counts.received, counts.new, counts.rejected) == (20, 19, 1)
            assert counts.received == counts.new + counts.changed + counts.same + counts.duplicate + counts.rejected
        rejects = police.sql("SELECT raw, path FROM _reject")
        assert len(rejects) == 9
        assert all(b'"involved_person":"yes"' in raw for raw, _ in rejects)
        assert {path for _, path in rejects} == {"involved_person"}


FLAT = Partition((("force", "btp"), ("month", "2026-01")))
RECORD = {
    **dict.fromkeys(name for name in Stop.__struct_fields__ if name not in OURS),
    "datetime": "2026-01-02T00:00:00+00:00",
    "outcome": "Arrest",
    "outcome_object": {"id": "bu-arrest", "name": "Arrest"},
    "location": {"latitude": "52.1", "longitude": "0.1", "street": {"id": 7, "name": "On or near"}},
}
WRONG = {
    "location false": ({"location": False}, "location is no object"),
    "location 0": ({"location": 0}, "location is no object"),
    "location a text": ({"location": "x"}, "location is no object"),
    "location without a street": ({"location": {"latitude": "1", "longitude": "1"}}, "location has no street"),
    "outcome object false": ({"outcome_object": False}, "outcome_object is no object"),
    "outcome object a list": ({"outcome_object": []}, "outcome_object is no object"),
    "outcome true": ({"outcome": True}, "Expected `str | null`, got `bool`"),
}


@pytest.mark.parametrize(("members", "reason"), WRONG.values(), ids=WRONG)
def test_a_member_of_another_type_is_a_reject_that_names_it(members, reason):
    body = json.dumps([RECORD, {**RECORD, **members}, 5]).encode()
    first, second, third = decode(stops, FLAT, body, known=(), model=model_digest(stops))
    read = json.loads("{" + first.doc)
    names = ("latitude", "longitude", "street_id", "street_name", "outcome_id")
    assert [read[name] for name in names] == ["52.1", "0.1", 7, "On or near", "bu-arrest"]
    assert (second.reason, third.reason) == (reason, "is no object")


@pytest.mark.parametrize("name", sorted({*RECORD} - {"outcome_object"}))
def test_only_the_outcome_object_may_be_absent(name):
    def left_out(gone: str) -> bytes:
        return json.dumps([{other: value for other, value in RECORD.items() if other != gone}]).encode()

    (found,) = decode(stops, FLAT, left_out(name), known=(), model=model_digest(stops))
    assert found.reason == f"missing '{name}'"
    (found,) = decode(stops, FLAT, left_out("outcome_object"), known=(), model=model_digest(stops))
    assert '"outcome_id":null' in found.doc


def test_a_member_that_is_called_otherwise_rewrites_no_month(tmp_path):
    with collecting("police", tmp_path, now=NOW, FORCES="cambridgeshire") as police:
        police.run()
        before, revision = police.documents("police_stops"), police.revision("stops")
        stored = police.sql("SELECT _doc FROM police_stops WHERE month = '2026-01'")
        renamed = [{**RECORD, "gender_of_person": json.loads(document)["gender"]} for (document,) in stored]
        for row in renamed:
            del row["gender"]
        police.control.faults({"path": PATH, "fault": "status", "status": 200, "body": json.dumps(renamed)})
        summary = police.run(again=True, feeds=["stops"])
        results = by_partition(summary, STOPS).values()
        assert {result.verdict for result in results} == {"failed"}
        assert {result.reason for result in results} == {
            "drift: 20 of 20 records cannot be read, the first: missing 'gender'"
        }
        assert not summary.complete
        assert (police.documents("police_stops"), police.revision("stops")) == (before, revision)


# -- months that are not out ----------------------------------------------------------------------------------------


def test_an_unlisted_month_costs_no_request_and_is_collected_when_it_is_listed(tmp_path):
    with collecting("police", tmp_path, now=NOW, switches={"late": 2}) as police:
        summary = police.run()
        found = verdicts(summary)
        pending = {key for key, verdict in found.items() if verdict == "pending"}
        assert pending
        assert not summary.complete
        asked = {f"force={entry['query']['force']},month={entry['query']['date']}" for entry in police.asked(PATH)}
        assert asked == set(found) - pending
        stored = police.sql("SELECT DISTINCT force, month FROM police_stops")
        assert {f"force={force},month={month}" for force, month in stored} == asked
        police.control.set(late=0)
        police.clock.advance(timedelta(days=1))
        summary = police.run()
        assert {key for key, verdict in verdicts(summary).items() if verdict == "complete"} == pending
        assert police.number("SELECT count(*) FROM police_stops") == 180


def emptied(police: Collecting) -> None:
    """From now on months answer `[]`, whatever the list says."""
    police.control.faults({"path": PATH, "fault": "status", "status": 200, "body": "[]"})


def test_an_empty_answer_is_never_an_empty_month(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        emptied(police)
        summary = police.run()
        assert set(verdicts(summary).values()) == {"pending"}
        assert not summary.complete
        police.control.faults()
        police.clock.advance(timedelta(days=1))
        assert police.run().complete
        assert police.number("SELECT count(*) FROM police_stops") == 180


def test_a_full_month_that_answers_empty_keeps_its_records(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        police.run()
        emptied(police)
        assert set(verdicts(police.run(again=True)).values()) == {"partial"}
        assert police.number("SELECT count(*) FROM police_stops") == 180
        assert police.number("SELECT count(*) FROM police_stops_version") == 0


def test_a_month_is_read_weekly_while_it_is_young_and_monthly_after(tmp_path):
    with collecting("police", tmp_path, now=NOW, POLICE_BUDGET="1000/second") as police:
        asked = []
        # The days on and before which something can happen: a run on every day would say the same, slowly.
        for day in (0, 6, 7, 13, 14, *range(21, 91, 7), 91, 98, 120, 121):
            # A second later each day: what is more than a burst waits for a moment.
            police.clock.advance(NOW + timedelta(days=day, seconds=day) - police.clock.now())
            police.control.clock(NOW.isoformat())  # the upstream stands still: no new month
            police.run()
            asked += [day] * (len(police.asked(PATH)) - len(asked))
        days = sorted(set(asked))
        assert all(asked.count(day) == 9 for day in days)
        young = [day for day in days if day <= 91]
        assert {later - day for day, later in itertools.pairwise(young)} == {7}
        assert days[-1] == young[-1] + 30


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ({"force": ["atlantis"]}, "force=atlantis is not in the list"),
        ({"month": ["2023-13"]}, "month=2023-13 is no month"),
    ],
)
def test_naming_what_there_is_not_is_said_and_no_month_is_asked(tmp_path, only, said):
    with collecting("police", tmp_path, now=NOW) as police:
        with pytest.raises(UsageError, match=said):
            police.run(only=only)
        assert police.asked(PATH) == []


# -- answers that are no month ---------------------------------------------------------------------------------------

BROKEN = {
    "truncated": ({"fault": "truncate"}, "incomplete"),
    "html with 200": ({"fault": "html"}, ""),
    "an object": ({"fault": "status", "status": 200, "body": "{}"}, ""),
    "an object with an error": ({"fault": "status", "status": 200, "body": '{"error": "try later"}'}, ""),
    "half an array": ({"fault": "status", "status": 200, "body": '[{"type": "Person search"}'}, ""),
    "nothing": ({"fault": "empty"}, ""),
    "a wrong sum": ({"fault": "gzip-crc"}, "encoding"),
    "reset": ({"fault": "reset"}, "incomplete"),
}


@pytest.mark.parametrize(("fault", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_fails_and_empties_no_month(tmp_path, fault, reason):
    """Acceptance 14."""
    with collecting("police", tmp_path, now=NOW, FORCES="leicestershire") as police:
        police.run()
        before = police.sql("SELECT * FROM police_stops ORDER BY _key")
        assert len(before) == 60
        police.control.faults({"path": PATH, **fault})
        summary = police.run(again=True)
        results = by_partition(summary, STOPS).values()
        assert {result.verdict for result in results} == {"failed"}
        assert all(result.reason.startswith(reason) for result in results), [result.reason for result in results]
        assert not summary.complete
        assert police.sql("SELECT * FROM police_stops ORDER BY _key") == before
        police.control.faults()
        assert police.run().complete


def test_a_force_that_always_breaks_leaves_the_others_alone(tmp_path):
    """Acceptance 13."""
    broken = "cambridgeshire"
    fault = {"path": PATH, "query": {"force": broken}, "fault": "status", "status": 500}
    with collecting("police", tmp_path, now=NOW) as police:
        police.run()
        police.control.faults(fault)
        summary = police.run(again=True)
        for key, verdict in verdicts(summary).items():
            assert verdict == ("failed" if broken in key else "unchanged")
        assert not summary.complete
        asked = [entry for entry in police.asked(PATH) if entry["query"]["force"] == broken]
        assert len(asked) == 3 + 3 * 5  # each month once while it was well, then five tries
        stored = dict(police.sql("SELECT force, count(*) FROM police_stops GROUP BY force"))
        assert stored == dict.fromkeys(FORCES, 60)
        ages = dict(police.sql("SELECT key, collected_at FROM _partition WHERE feed = 'police/stops'"))
        assert all(parse_moment(at) <= NOW + timedelta(minutes=1) for key, at in ages.items() if broken in key)


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "least"), [("7", 7), ("date:7", 7), ("", 2), ("soon", 2)])
def test_a_429_is_waited_for_and_is_no_failure(tmp_path, said, least):
    """Acceptance 7."""
    fault = {"path": PATH, "call": 3, "fault": "status", "status": 429, "retry_after": said}
    with collecting("police", tmp_path, now=NOW, POLICE_BUDGET="1000/second") as police:
        police.control.faults(fault)
        assert police.run().complete
        log = police.asked(PATH)
        assert [entry["status"] for entry in log].count(429) == 1
        assert len(log) == 10
        (refused,) = (entry for entry in log if entry["status"] == 429)
        at = parse_moment(refused["at"])
        late = [parse_moment(entry["at"]) - at for entry in log if entry["number"] > refused["number"]]
        # Those that were under way already come at once, the rest after the wait.
        at_once = [span for span in late if span < timedelta(milliseconds=500)]
        assert len(at_once) <= 3
        assert all(span >= timedelta(seconds=least) for span in late if span not in at_once)


def test_the_declared_budget_keeps_the_upstream_from_complaining(tmp_path):
    switches = {"window": 12, "late": 0, "records": 2}
    with collecting("police", tmp_path, now=NOW, size="small", switches=switches) as police:
        assert police.run().complete
        assert {entry["status"] for entry in police.control.log()} == {200}
        assert len(police.asked(PATH)) == 36
        assert police.control.max_open() <= 4


def test_everybody_is_collected_by_a_word(tmp_path):
    switches = {"window": 1, "late": 0, "records": 3}
    with collecting("police", tmp_path, now=NOW, size="medium", switches=switches, FORCES="all") as police:
        assert police.run().complete
        stored = police.sql("SELECT DISTINCT force FROM police_stops ORDER BY force")
        assert [force for (force,) in stored] == sorted(PUBLISHERS)
        assert "btp" in PUBLISHERS
