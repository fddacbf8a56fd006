"""Months that are not out, are gone, are shrunk or were answered for another: what each answer means."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from asgi_client import Client, patient_front
from collecting import Collecting, by_partition, collecting
from forkserver import Ended, run
from httpx import Response

from catchment.apps.police.answers import OURS, read_stops
from catchment.apps.police.records import Stop
from catchment.apps.police.standin import PUBLISHERS
from catchment.cli import INCOMPLETE
from catchment.clock import FileClock, parse_moment
from catchment.exchange import Answer
from catchment.partitions import Partition
from catchment.runs import Result, Summary
from catchment.settings import load_settings

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
STOPS, PATH, LIST = "police/stops", "/api/stops-force", "/api/crimes-street-dates"
ONE = "leicestershire"


def verdicts(summary: Summary) -> dict[str, str | None]:
    return {key: result.verdict for key, result in by_partition(summary, STOPS).items()}


def one(police: Collecting, month: str, force: str = ONE) -> Result:
    """The result of naming one force and month."""
    summary = police.run(only={"force": [force], "month": [month]})
    return by_partition(summary, STOPS)[f"force={force},month={month}"]


def called(police: Collecting, *arguments: str) -> Ended:
    """`catchment` on the same stand-in, data folder and moment, to its end."""
    clock = police.folder / "clock"
    FileClock(clock).set(police.clock.now())
    environment = {"PATH": os.environ["PATH"], **police.environment, "CATCHMENT_CLOCK": f"file:{clock}"}
    return run(police.folder, arguments, environment)


def asked(police: Collecting, url: str) -> Response:
    """What the API on this data answers to anybody."""
    front = patient_front(
        [police.app], load_settings(police.environment, folder=police.folder, environ={}), police.clock
    )
    try:
        return Client(front, "192.0.2.7").get(url)
    finally:
        front.close()


def stored(police: Collecting) -> int:
    return police.number("SELECT count(*) FROM police_stops")


# -- the table of answers ------------------------------------------------------------------------------------------

LISTED, UNLISTED, NEWER, OLDER, UNKNOWN = "", "unlisted", "newer", "older", "unknown"
ABSENT = {"[]": (200, b"[]"), "404": (404, b""), "500": (500, b""), "502": (502, b"")}
MEANINGS = [
    *[(absent, listing, "pending") for absent in ABSENT for listing in (UNLISTED, NEWER)],
    *[(absent, OLDER, "refused") for absent in ABSENT],
    ("[]", LISTED, "data"),
    ("[]", UNKNOWN, "pending"),
    *[(status, listing, "transient") for status in ("404", "500", "502") for listing in (LISTED, UNKNOWN)],
    *[("503", listing, "transient") for listing in (LISTED, UNLISTED, NEWER, OLDER, UNKNOWN)],
    *[("400", listing, "refused") for listing in (LISTED, UNLISTED, NEWER, OLDER, UNKNOWN)],
    *[("429", listing, "throttled") for listing in (LISTED, UNLISTED, OLDER)],
    *[("records", listing, "data") for listing in (LISTED, UNLISTED, NEWER, OLDER, UNKNOWN)],
]


@pytest.mark.parametrize(("said", "listing", "kind"), MEANINGS, ids=lambda value: value or "listed")
def test_an_answer_means_what_the_list_lets_it_mean(said, listing, kind):
    status, body = ABSENT[said] if said in ABSENT else (int(said) if said.isdigit() else 200, b'[{"type":null}]')
    partition = Partition((("force", ONE), ("month", "2026-01")), listing)
    meaning = read_stops(Answer(status, body, NOW, {}, 0), partition)
    assert meaning.kind == kind
    assert meaning.forever == (kind == "refused" and said != "400")


# -- not out -------------------------------------------------------------------------------------------------------


def test_an_unlisted_month_is_pending_however_it_is_answered_and_collected_when_it_is_listed(tmp_path):
    """Acceptance 4."""
    with collecting("police", tmp_path, now=NOW, switches={"late": 1}) as police:
        (key,) = [key for key, verdict in verdicts(police.run()).items() if verdict == "pending"]
        force, month = (pair.partition("=")[2] for pair in key.split(","))
        for number, answer in enumerate(ABSENT, start=1):
            police.control.set(unpublished=answer)
            result = one(police, month, force)
            assert (result.verdict, result.reason) == ("pending", "not listed")
            assert len([entry for entry in police.asked(PATH) if entry["query"]["force"] == force]) == 2 + number
            police.clock.advance(DAY)
        assert police.number("SELECT count(*) FROM police_stops WHERE force = ? AND month = ?", force, month) == 0
        police.control.set(late=0)
        summary = police.run()
        assert verdicts(summary)[key] == "complete"
        assert summary.complete
        assert stored(police) == 180


def test_a_month_newer_than_the_list_is_asked_for_once_when_it_is_named(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        police.run()
        assert one(police, "2026-02").verdict == "pending"
        assert len(police.asked(PATH)) == 10
        police.clock.advance(DAY)
        assert police.run().complete  # nobody waits for it
        assert len(police.asked(PATH)) == 10


def test_a_month_before_the_window_is_asked_for_once_and_never_again(tmp_path):
    """Acceptance 5."""
    with collecting("police", tmp_path, now=NOW, POLICE_BUDGET="1000/second") as police:
        first = called(police, "collect", "police", "--only", f"force={ONE}", "--only", "month=2020-01")
        assert first.code == INCOMPLETE == 3, first.text
        summary = police.run(only={"force": [ONE], "month": ["2020-01"]})
        assert not summary.complete
        assert verdicts(summary) == {f"force={ONE},month=2020-01": "refused"}
        for day in range(1, 31):
            police.clock.advance(DAY)
            police.control.clock(NOW.isoformat())  # the upstream stands still: no new month
            police.run(feeds=["availability", "stops"], only={} if day % 10 else {"force": [ONE], "month": ["2020-01"]})
        assert [entry["query"]["date"] for entry in police.asked(PATH)].count("2020-01") == 1


def test_the_list_alone_decides_which_month_is_two_before(tmp_path):
    """Acceptance 1: the month that is asked for is that of the present one in the UK."""
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    with collecting("police", tmp_path, now=late, FORCES=ONE) as police:
        assert police.run(only={"month": ["-2"]}).complete
        assert [entry["query"]["date"] for entry in police.asked(PATH)] == ["2026-05"]


# -- empty, shrunk, of another month -------------------------------------------------------------------------------


def test_a_listed_month_without_records_is_complete_when_it_is_said_twice(tmp_path):
    with collecting("police", tmp_path, now=NOW, switches={"records": 0, "window": 1}, FORCES=ONE) as police:
        assert set(verdicts(police.run()).values()) == {"pending"}
        police.clock.advance(23 * HOUR)
        assert not police.run().complete
        assert len(police.asked(PATH)) == 1
        police.clock.advance(2 * HOUR)
        summary = police.run()
        assert set(verdicts(summary).values()) == {"complete"}
        assert summary.complete
        assert stored(police) == 0
        assert len(police.asked(PATH)) == 2


@pytest.mark.parametrize(("left", "verdict"), [(0, "partial"), (9, "partial"), (10, "complete")])
def test_a_month_that_lost_more_than_half_is_believed_a_day_later(tmp_path, left, verdict):
    """Acceptance 17."""
    with collecting("police", tmp_path, now=NOW, switches={"window": 1}, FORCES=ONE) as police:
        police.run()
        police.control.set(removed_since=1, removed_count=20 - left)
        assert set(verdicts(police.run(again=True)).values()) == {verdict}
        assert stored(police) == (20 if verdict == "partial" else left)
        police.clock.advance(23 * HOUR)
        police.run()
        assert stored(police) == (20 if verdict == "partial" else left)
        police.clock.advance(2 * HOUR)
        assert police.run().complete
        assert stored(police) == left
        gone = police.number("SELECT count(*) FROM police_stops_version WHERE _gone = 1")
        assert gone == 20 - left


def test_a_month_that_comes_back_was_never_gone(tmp_path):
    with collecting("police", tmp_path, now=NOW, switches={"window": 1}, FORCES=ONE) as police:
        police.run()
        police.control.faults({"path": PATH, "fault": "status", "status": 200, "body": "[]"})
        assert not police.run(again=True).complete
        police.control.faults()
        police.clock.advance(25 * HOUR)
        assert police.run().complete
        assert police.number("SELECT count(*) FROM police_stops_version") == 0


@pytest.mark.parametrize(("outside", "verdict"), [(1, "complete"), (2, "complete"), (3, "failed")])
def test_a_record_of_the_evening_before_belongs_to_its_local_month_and_a_few_others_may_be_of_any(
    tmp_path, outside, verdict
):
    """Acceptance 11. Half of the records may lie outside the month, not more."""
    inside = ["2019-03-31T23:30:00+00:00", "2019-04-30T22:59:59+00:00"]
    others = [f"2019-03-31T22:{minute}:00+00:00" for minute in range(10, 10 + outside)]
    told = dict.fromkeys(name for name in Stop.__struct_fields__ if name not in OURS) | {"location": None}
    body = json.dumps([told | {"datetime": moment} for moment in (*inside, *others)])
    then = datetime(2019, 6, 20, tzinfo=UTC)
    with collecting("police", tmp_path, now=then, FORCES=ONE) as police:
        police.control.faults({"path": PATH, "fault": "status", "status": 200, "body": body})
        assert one(police, "2019-04").verdict == verdict
        months = police.sql("SELECT month, count(*) FROM police_stops GROUP BY month")
        assert months == ([("2019-04", 2 + outside)] if verdict == "complete" else [])


def test_an_answer_for_another_month_stores_nothing(tmp_path):
    """Acceptance 17."""
    with collecting("police", tmp_path, now=NOW, switches={"ignore_date": True}, FORCES=ONE) as police:
        found = by_partition(police.run(), STOPS)
        assert {key[-7:]: result.verdict for key, result in found.items()} == {
            "2026-01": "complete",
            "2025-12": "failed",
            "2025-11": "failed",
        }
        reason = found[f"force={ONE},month=2025-12"].reason
        assert reason == "guard: 20 of 20 records lie outside the month: the date was ignored"
        assert police.sql("SELECT DISTINCT month FROM police_stops") == [("2026-01",)]


# -- the list itself -----------------------------------------------------------------------------------------------


def test_the_list_is_asked_for_once_a_slot_however_often_somebody_collects(tmp_path):
    """Each run here is a collector that starts anew, as after a crash."""
    with collecting("police", tmp_path, now=NOW, switches={"records": 1}, FORCES=ONE) as police:
        for only in ({}, {"force": [ONE]}, {"force": [ONE], "month": ["2026-01"]}):
            police.run(only=only)
        assert len(police.asked(LIST)) == 1
        police.clock.advance(DAY)
        for _ in range(2):
            police.run(retry=False)
        assert len(police.asked(LIST)) == 2
        police.run(again=True)
        assert len(police.asked(LIST)) == 3


BROKEN_LIST = {"path": LIST, "fault": "status", "status": 500}


def test_without_any_list_every_month_of_the_calendar_is_asked_for(tmp_path):
    with collecting("police", tmp_path, now=NOW, switches={"window": 36, "records": 1}, FORCES=ONE) as police:
        police.control.faults(BROKEN_LIST)
        summary = police.run()
        assert not summary.complete
        months = sorted({entry["query"]["date"] for entry in police.asked(PATH)})
        assert (len(months), months[0], months[-1]) == (36, "2023-04", "2026-03")
        # The two newest are not published: what is empty says nothing then.
        assert sorted(verdicts(summary).values()) == ["complete"] * 34 + ["pending"] * 2
        assert stored(police) == 34


def test_the_last_good_list_is_used_for_seven_days(tmp_path):
    with collecting("police", tmp_path, now=NOW, switches={"records": 1}, FORCES=ONE) as police:
        assert police.run().complete
        police.control.faults(BROKEN_LIST)
        for day in (1, 6):
            police.clock.advance(NOW + day * DAY - police.clock.now())
            assert len(verdicts(police.run(again=True))) == 3
        police.clock.advance(NOW + 8 * DAY - police.clock.now())
        assert len(verdicts(police.run(again=True))) == 36
        police.control.faults()
        police.clock.advance(DAY)
        assert len(verdicts(police.run(again=True))) == 3


def test_a_month_that_leaves_the_list_keeps_its_records(tmp_path):
    """Acceptance 15."""
    with collecting("police", tmp_path, now=NOW, FORCES=ONE) as police:
        police.run()
        police.control.set(window=2)
        police.clock.advance(31 * DAY)
        police.control.clock(NOW.isoformat())
        summary = police.run()
        assert summary.complete
        assert sorted(key[-7:] for key in verdicts(summary)) == ["2025-12", "2026-01"]
        assert police.number("SELECT count(*) FROM police_stops WHERE month = '2025-11'") == 20
        assert police.number("SELECT count(*) FROM police_stops_version") == 0


def test_the_transport_police_can_be_collected(tmp_path):
    """Acceptance 15."""
    with collecting("police", tmp_path, now=NOW, size="medium", switches={"window": 1, "late": 0}) as police:
        summary = police.run(only={"force": ["btp"]})
        assert verdicts(summary) == {"force=btp,month=2026-01": "complete"}
        assert police.sql("SELECT DISTINCT force FROM police_stops") == [("btp",)]


def test_one_force_that_breaks_leaves_the_others_complete_and_keeps_what_it_had(tmp_path):
    """Acceptance 13."""
    switches = {"window": 1, "late": 0, "records": 5}
    with collecting(
        "police", tmp_path, now=NOW, size="medium", switches=switches, FORCES="all", POLICE_BUDGET="1000/second"
    ) as police:
        assert police.run().complete
        police.control.faults({"path": PATH, "query": {"force": "kent"}, "fault": "status", "status": 500})
        police.clock.advance(DAY)
        found = verdicts(police.run(again=True))
        assert found.pop("force=kent,month=2026-01") == "failed"
        assert (len(found), set(found.values())) == (len(PUBLISHERS) - 1, {"unchanged"})
        assert stored(police) == 5 * len(PUBLISHERS)
        ((kept, others),) = police.sql(
            "SELECT min(CASE WHEN key LIKE 'force=kent,%' THEN collected_at END),"
            " min(CASE WHEN key NOT LIKE 'force=kent,%' THEN collected_at END)"
            " FROM _partition WHERE feed = 'police/stops'"
        )
        assert kept < others
        # What is served says how old it is: as old as its oldest part, which is that force's.
        answers = [asked(police, f"{path}?force=kent") for path in ("/v1/police/stops", "/police/v1/breakdown")]
        age = int((police.clock.now() - parse_moment(kept)).total_seconds())
        assert age >= DAY.total_seconds()
        assert [answer.headers["x-age"] for answer in answers] == [str(age)] * 2
        assert (answers[0].json()["data"][0]["force"], answers[1].json()["total"]) == ("kent", 5)
        (cell,) = asked(police, "/police/v1/coverage?force=kent&from=2026-01").json()["cells"]
        assert (cell["state"], cell["records"], cell["collected_at"]) == ("failed", 5, kept)


@pytest.mark.parametrize(("dedupe", "records"), [("", 921), ("count", 921), ("collapse", 634)])
def test_equal_records_are_counted_or_collapsed(samples, tmp_path, dedupe, records):
    """Acceptance 18."""
    then = datetime(2023, 3, 20, 4, 0, tzinfo=UTC)
    values = {"FORCES": "sussex", "POLICE_DEDUPE": dedupe}
    with collecting("police", tmp_path, now=then, samples=samples, **values) as police:
        assert police.run(only={"force": ["sussex"], "month": ["2019-05"]}).complete
        assert stored(police) == records
