"""Whose an incident is, from poll to poll: by id, by the map of the same poll or the last good one, or nobody's."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from collecting import by_partition
from reporting import NOW, Reporting, incidents_in, reporting, results

FEED = "incidents/incidents"
WEEK = NOW.timestamp()
MAP = "/identities/"
PROBING = "/incidents/probing/"
HERS, HIS = "17.0.0.1", "17.0.0.2"


def probe(ip: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    return {"priority": "high", "ip": ip, "timestamp": WEEK - seconds, **more}


def whose(reported: Reporting, kind: str = "probing") -> dict[str, int | None]:
    """Address or id -> the employee, as stored."""
    rows = reported.collected.sql(
        "SELECT coalesce(ip, internal_ip, machine_ip, identifier), employee_id FROM incidents_incidents WHERE type = ?",
        kind,
    )
    return dict(rows)


def history(reported: Reporting) -> list[Any]:
    """The versions of the only probing incident, oldest first: employee, from what."""
    (key,) = reported.collected.sql("SELECT _key FROM incidents_incidents WHERE type = 'probing'")[0]
    found = reported.get(f"/v1/incidents/incidents/{key}/history").json()["data"]
    return [(item["record"]["employee_id"], item["record"]["attributed_from"]) for item in reversed(found)]


def counted(reported: Reporting) -> tuple[int, int]:
    """How many incidents of this type the report has, and how many belong to nobody."""
    headers = reported.get("/incidents?type=probing").headers
    return int(headers["x-incidents-total"]), int(headers["x-incidents-unattributed"])


def nobodys(reported: Reporting) -> set[str | None]:
    """The addresses of probing incidents that belong to nobody."""
    listed = reported.get("/incidents/unattributed?limit=1000").json()["incidents"]
    return {item.get("ip") for item in listed if item["type"] == "probing"}


def test_identifiers_lead_directly_or_by_the_map_and_what_is_none_is_a_reject(tmp_path):
    """Acceptance 3."""
    with reporting(tmp_path) as reported:
        names = [378950, "378950", HERS, "abc", 97]
        rows = [
            {"priority": "low", "identifier": name, "timestamp": WEEK - number} for number, name in enumerate(names)
        ]
        reported.serve("/incidents/other/", results(*rows))
        reported.serve(MAP, {HERS: 904})
        counts = by_partition(reported.poll(0), FEED)["type=other"].counts
        assert (counts.new, counts.rejected) == (4, 1)
        found = reported.collected.sql(
            "SELECT identifier, identifier_kind, employee_id, attributed_from FROM incidents_incidents"
            " WHERE type = 'other' ORDER BY timestamp DESC"
        )
        assert found == [
            ("378950", "int", 378950, "direct"),
            ("378950", "digits", 378950, "direct"),
            (HERS, "ip", 904, "map"),
            ("97", "int", 97, "direct"),
        ]
        ((raw,),) = reported.collected.sql("SELECT raw FROM _reject")
        assert json.loads(raw)["identifier"] == "abc"


@pytest.mark.parametrize("kind", ["denial", "intrusion"])
def test_the_source_of_an_incident_is_nobody_it_belongs_to(tmp_path, kind):
    """Acceptance 4: it is in the map, and another employee's."""
    with reporting(tmp_path, switches={"known_source": True}) as reported:
        assert reported.poll(0).complete
        people = {record["ip"]: record["employee_id"] for record in listed(reported, "identities")}
        found = [item for item in listed(reported, "incidents") if item["type"] == kind]
        assert len(found) == 10
        for item in found:
            assert item["employee_id"] == (item["reported_by"] or people[item["internal_ip"]])
        assert any(people[item["source_ip"]] != item["employee_id"] for item in found)


def listed(reported: Reporting, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reported.get(f"/v1/incidents/{name}?limit=1000").json()["data"]
    return found


def test_an_unknown_address_is_kept_counted_and_looked_up_at_each_new_map(tmp_path):
    """Acceptance 5."""
    with reporting(tmp_path) as reported:
        reported.serve(PROBING, results(probe(HERS)))
        reported.serve(MAP, {HIS: 5})
        assert reported.poll(0).complete
        assert counted(reported) == (0, 1)
        assert HERS in nobodys(reported)
        assert reported.poll().complete  # nothing new: nobody is found, and polling ends
        revision = reported.collected.revision("incidents")
        reported.serve(MAP, {HIS: 5, HERS: 904})
        assert reported.poll().complete
        assert counted(reported) == (1, 0)
        assert reported.report("/incidents?type=probing")["904"]["high"]["incidents"][0]["ip"] == HERS
        assert history(reported) == [(None, None), (904, "map")]
        assert reported.collected.revision("incidents") > revision
        assert HERS not in nobodys(reported)


def test_many_addresses_are_away_for_some_polls_and_then_back(tmp_path):
    """Acceptance 5, as it was reported of the upstream: 40 % of the map gone, and there again."""
    switches = {"mode": "stable", "map_missing": 40, "map_missing_polls": 2}
    with reporting(tmp_path, size="small", switches=switches) as reported:
        away = []
        for _ in range(3):
            assert reported.poll().complete
            away.append(int(reported.get().headers["x-incidents-unattributed"]))
        assert away[0] > 300
        assert away[1] <= away[0] + 10
        assert away[2] == 0
        assert int(reported.get().headers["x-incidents-total"]) == reported.collected.number(
            "SELECT count(*) FROM incidents_incidents"
        )


def test_the_map_of_the_same_poll_is_the_one_that_counts(tmp_path):
    with reporting(tmp_path) as reported:
        for employee in (904, 97):
            reported.serve(MAP, {HERS: employee})
            reported.serve(PROBING, results(probe(HERS, employee)))
            assert reported.poll().complete
            assert whose(reported) == {HERS: employee}


def test_without_a_new_map_the_last_good_one_counts_for_a_day(tmp_path):
    """Acceptance 7."""
    with reporting(tmp_path) as reported:
        reported.serve(MAP, {HERS: 904, HIS: 97})
        reported.serve(PROBING, results(probe(HERS)))
        assert reported.poll(0).complete
        reported.collected.control.faults(
            {"path": MAP, "fault": "status", "status": 500}, rule(results(probe(HERS, 1)))
        )
        summary = reported.poll(23 * 60)
        assert {result.verdict for result in summary.results if result.feed == "incidents/identities"} == {"failed"}
        assert counted(reported) == (1, 0)
        reported.collected.control.faults(
            {"path": MAP, "fault": "status", "status": 500},
            rule(results(probe(HERS, 1), probe(HIS, 2))),
        )
        reported.poll(60)
        assert whose(reported) == {HERS: 904, HIS: None}  # who was found stays; who is new is not looked up any more
        assert counted(reported) == (1, 1)
        direct = reported.collected.number("SELECT count(*) FROM incidents_incidents WHERE attributed_from = 'direct'")
        assert direct >= 30
        reported.collected.control.faults(
            {"path": MAP, "fault": "status", "status": 200, "body": json.dumps({HIS: 97})},
            rule(results(probe(HERS, 1), probe(HIS, 2))),
        )
        assert reported.poll().complete
        assert whose(reported) == {HERS: 904, HIS: 97}


def rule(body: Any, path: str = PROBING) -> dict[str, Any]:
    return {"path": path, "fault": "status", "status": 200, "body": json.dumps(body)}


def test_a_map_that_is_the_same_for_days_does_not_grow_old(tmp_path):
    with reporting(tmp_path) as reported:
        reported.serve(MAP, {HERS: 904})
        for hours in range(0, 96, 24):
            reported.serve(PROBING, results(probe(HERS, hours)))
            assert reported.poll(24 * 60).complete
            assert whose(reported) == {HERS: 904}


def test_an_address_that_moves_takes_no_old_incident_with_it(tmp_path):
    """Acceptance 14."""
    with reporting(tmp_path) as reported:
        reported.serve(MAP, {HERS: 904})
        reported.serve(PROBING, results(probe(HERS, 10)))
        reported.poll(0)
        reported.serve(MAP, {HERS: 97})
        reported.serve(PROBING, results(probe(HERS, 10), probe(HERS, 5)))
        assert reported.poll().complete
        found = reported.report("/incidents?type=probing")
        assert list(found) == ["97", "904"]
        kept = found["904"]["high"]["incidents"]
        assert [item["timestamp"] for item in kept] == [json.dumps(WEEK - 10)]
        (version,) = reported.collected.sql(
            "SELECT _version FROM incidents_incidents WHERE type = 'probing' AND employee_id = 904"
        )
        assert version == (1,)


def test_an_incident_that_comes_back_is_still_whose_it_was(tmp_path):
    """Acceptance 14, of one that an answer has left out meanwhile, while its address moved."""
    with reporting(tmp_path) as reported:
        reported.serve(MAP, {HERS: 904})
        reported.serve(PROBING, results(probe(HERS, 10), probe(HIS, 5)))
        reported.poll(0)
        reported.serve(MAP, {HERS: 97})
        reported.serve(PROBING, results(probe(HIS, 5)))
        assert reported.poll().complete
        assert whose(reported) == {HIS: None}
        reported.serve(PROBING, results(probe(HERS, 10), probe(HIS, 5)))
        summary = reported.poll()
        assert by_partition(summary, FEED)["type=probing"].counts.back == 1
        assert whose(reported) == {HERS: 904, HIS: None}


def test_another_map_altogether_changes_nobody_who_was_found(tmp_path):
    with reporting(tmp_path, switches={"mode": "stable"}) as reported:
        reported.poll(0)
        before, revision = reported.report(), reported.collected.revision("incidents")
        reported.serve(MAP, {"17.255.0.1": 1})
        assert reported.collected.run(again=True).complete
        assert reported.collected.number("SELECT count(*) FROM incidents_identities") == 1
        assert reported.report() == before
        assert reported.collected.revision("incidents") == revision


BAD_ROWS = {
    "an unknown priority": {"priority": "severe"},
    "a text as timestamp": {"timestamp": "text"},
    "milliseconds": {"timestamp": "ms"},
    "no number": {"timestamp": "nan"},
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_row_that_cannot_be_is_a_reject_and_the_others_are_stored(tmp_path, name):
    """Acceptance 16."""
    with reporting(tmp_path, switches=BAD_ROWS[name]) as reported:
        summary = reported.poll(0)
        assert summary.complete
        counts = by_partition(summary, FEED)["type=denial"].counts
        assert (counts.received, counts.new, counts.rejected) == (10, 9, 1)
        assert reported.collected.number("SELECT count(*) FROM _reject WHERE count = 1") == 7
        assert int(reported.get().headers["x-incidents-total"]) == 63


def test_a_bad_row_in_every_poll_keeps_no_week_for_ever(tmp_path):
    """Each poll is another week; of each type one row cannot be."""
    with reporting(tmp_path, switches=BAD_ROWS["an unknown priority"]) as reported:
        for _ in range(4):
            assert reported.poll().complete
            assert int(reported.get().headers["x-incidents-total"]) == 63
        assert reported.collected.number("SELECT count(*) FROM incidents_incidents_version") == 3 * 63


def test_two_equal_incidents_are_two_and_a_second_look_at_them_changes_nothing(tmp_path):
    """Acceptance 12."""
    with reporting(tmp_path, switches={"mode": "stable", "equal": True}) as reported:
        assert reported.poll(0).complete
        first = reported.get()
        assert int(first.headers["x-incidents-total"]) == reported.collected.number(
            "SELECT count(*) FROM incidents_incidents"
        )
        texts = [json.dumps(item) for item in incidents_in(reported.report())]
        assert len(texts) - len(set(texts)) == 7
        revision = reported.collected.revision("incidents")
        summary = reported.collected.run(again=True)
        assert {result.verdict for result in summary.results} == {"unchanged"}
        assert reported.collected.revision("incidents") == revision
        again = reported.get()
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
        reported.collected.clock.advance(timedelta(seconds=59))
        assert reported.collected.run(again=True).complete
        assert reported.collected.revision("incidents") == revision


def test_equal_incidents_that_move_places_are_the_same(tmp_path):
    """Acceptance 12: the order of a body says nothing."""
    with reporting(tmp_path, switches={"mode": "stable", "equal": True}) as reported:
        reported.poll(0)
        revision = reported.collected.revision("incidents")
        reported.collected.control.set(unordered=True)
        summary = reported.collected.run(again=True)
        assert {result.verdict for result in summary.results if result.feed == FEED} == {"complete"}
        assert reported.collected.revision("incidents") == revision
