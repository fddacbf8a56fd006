"""The report as a client reads it: its shape, its numbers, its pages, and what stands in its headers."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from forkserver import server
from recorded import REPORT, of
from reporting import NOW, PRIORITIES, TYPES, Reporting, incidents_in, reporting, results

from catchment.apps.incidents import app
from catchment.clock import FileClock
from catchment.settings import load_settings
from catchment.store.engines import database_of
from catchment.store.store import prepare

WEEK = NOW.timestamp()


@pytest.fixture(scope="module")
def small(engine, tmp_path_factory):
    """One poll at the size of the upstream. Nothing in it is changed."""
    with reporting(tmp_path_factory.mktemp("small"), size="small") as reported:
        assert reported.poll(0).complete
        yield reported


def upstream_rows(reported: Reporting) -> dict[str, list[dict]]:
    """What each type's endpoint answered, with every number as it was written."""
    found = {}
    for kind in TYPES:
        (digest,) = reported.collected.sql(
            "SELECT digest FROM _exchange WHERE partition = ? ORDER BY id DESC LIMIT 1", f"type={kind}"
        )[0]
        body = reported.server._reader
        with body.snapshot() as snapshot:
            found[kind] = json.loads(snapshot.body(digest), parse_float=str)["results"]
    return found


def moments(listed: list[dict]) -> list[float]:
    return [float(item["timestamp"]) for item in listed]


# -- shape ----------------------------------------------------------------------------------------------------------


def test_every_employee_has_four_lists_and_the_lists_ascend(small):
    """Acceptance 1."""
    report = small.report()
    ids = [int(employee) for employee in report]
    assert ids == sorted(ids)
    assert [str(number) for number in ids] != sorted(report)  # as numbers, not as texts
    for lists in report.values():
        assert list(lists) == PRIORITIES
        for priority, part in lists.items():
            assert list(part) == ["count", "incidents"]
            assert part["count"] == len(part["incidents"])
            assert {item["priority"] for item in part["incidents"]} <= {priority}
            assert moments(part["incidents"]) == sorted(moments(part["incidents"]))
        assert any(part["count"] for part in lists.values())
    merged = [part["incidents"] for lists in report.values() for part in lists.values()]
    assert any(len({item["type"] for item in listed}) > 1 for listed in merged)


def test_numeric_order_is_no_order_of_texts(tmp_path):
    """Acceptance 1: 97 before 904 before 1467."""
    with reporting(tmp_path) as reported:
        people = [1467, 97, 904]
        rows = [{"priority": "low", "employee_id": who, "timestamp": WEEK - who} for who in people]
        reported.serve("/incidents/misuse/", results(*rows))
        reported.poll(0)
        assert list(reported.report("/incidents?type=misuse")) == ["97", "904", "1467"]


def test_each_incident_is_what_its_endpoint_told_with_its_type(small):
    """Acceptance 2: digit for digit, and only the members that a type has."""
    told = [{**row, "type": kind} for kind, rows in upstream_rows(small).items() for row in rows]
    served = incidents_in(small.report())
    assert len(served) == len(told) == 2_100
    order = json.dumps
    assert sorted(map(order, served)) == sorted(map(order, told))  # members in the same order too


NUMBERS = ["1658264566.2610762", "1658264566.2610763", "1658264566.26", "1658264566.260", "1658264566", "0.1", "0"]


def test_a_timestamp_leaves_as_it_came(tmp_path):
    """Acceptance 2: two that differ in the seventh decimal are two; what is equal is written as it was."""
    rows = [f'{{"priority":"low","employee_id":904,"timestamp":{number}}}' for number in NUMBERS]
    with reporting(tmp_path) as reported:
        reported.serve("/incidents/misuse/", f'{{"results":[{",".join(rows)}]}}')
        reported.poll(0)
        text = reported.get("/incidents?type=misuse").text
        listed = reported.report("/incidents?type=misuse")["904"]["low"]
        # 1658264566.26 and 1658264566.260 are one number: two equal incidents, in the spelling of one of them.
        assert listed["count"] == len(NUMBERS)
        for number in ("1658264566.2610762", "1658264566.2610763", "0.1"):
            assert text.count(f'"timestamp":{number},') == 1


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_lists_are_in_the_order_that_is_asked_for(small, order):
    report = small.report(f"/incidents?order={order}")
    for item in report.values():
        for part in item.values():
            found = moments(part["incidents"])
            assert found == sorted(found, reverse=order == "desc")
    assert len(incidents_in(report)) == 2_100


def test_equal_moments_are_by_type_and_then_key(tmp_path):
    with reporting(tmp_path) as reported:
        row = {"priority": "low", "employee_id": 904, "timestamp": WEEK}
        reported.serve("/incidents/unauthorized/", results(row, row))
        reported.serve("/incidents/misuse/", results(row))
        reported.serve("/incidents/other/", results({"priority": "low", "identifier": "904", "timestamp": WEEK}))
        reported.poll(0)
        (lists,) = reported.report("/incidents?employee_id=904").values()
        kinds = [item["type"] for item in lists["low"]["incidents"]]
        assert kinds == ["misuse", "other", "unauthorized", "unauthorized"]
        assert lists["low"]["incidents"][1]["identifier"] == "904"
        (lists,) = reported.report("/incidents?employee_id=904&order=desc").values()
        assert [item["type"] for item in lists["low"]["incidents"]] == kinds[::-1]


HOSTILE = '","type":"x"}]}, "<script>", \\u0022 \\ud83e\\udd8a'


def test_a_source_is_a_text_whatever_is_in_it(tmp_path):
    with reporting(tmp_path) as reported:
        body = json.dumps(
            results({"priority": "low", "reported_by": 904, "timestamp": WEEK, "source_ip": HOSTILE}),
            ensure_ascii=False,
        )
        reported.serve("/incidents/denial/", body)
        reported.poll(0)
        assert incidents_in(reported.report("/incidents?type=denial"))[0]["source_ip"] == HOSTILE


# -- parameters -----------------------------------------------------------------------------------------------------


def test_employees_are_chosen_and_an_unknown_one_is_an_empty_report(small):
    first, second = list(small.report())[5:7]
    assert list(small.report(f"/incidents?employee_id={second}&employee_id={first}")) == [first, second]
    for nobody in ("1", "0", "-5", "9999999999999999"):
        assert small.report(f"/incidents?employee_id={nobody}") == {}
    hundred = "&".join(f"employee_id={employee}" for employee in list(small.report())[:100])
    assert len(small.report(f"/incidents?{hundred}")) == 100


def test_priorities_and_types_are_chosen_and_the_other_lists_are_empty(small):
    report = small.report("/incidents?priority=critical,low&type=other,probing")
    found = incidents_in(report)
    assert {item["priority"] for item in found} == {"low", "critical"}
    assert {item["type"] for item in found} == {"other", "probing"}
    assert {part["count"] for lists in report.values() for part in (lists["medium"], lists["high"])} == {0}
    everything = [item for item in incidents_in(small.report()) if item["type"] in ("other", "probing")]
    assert len(found) == sum(item["priority"] in ("low", "critical") for item in everything)


def test_since_is_included_and_until_is_not(small):
    times = sorted(moments(incidents_in(small.report())))
    since, until = times[10], times[20]
    found = moments(incidents_in(small.report(f"/incidents?since={since!r}&until={until!r}")))
    assert sorted(found) == times[10:20]
    day = small.report("/incidents?since=2026-03-09T13:00:00%2B01:00&until=2026-03-10T12:00:00Z")
    assert len(incidents_in(day)) == sum(moment >= WEEK - 86_400 for moment in times)


@pytest.mark.parametrize("path", ["/incidents", "/incidents/", "/", "/incidents/unattributed", "/incidents/status"])
def test_what_is_asked_wrongly_is_a_problem(small, path):
    answer = small.get(f"{path}?colour=red")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "colour" in answer.json()["detail"]
    for method in ("POST", "DELETE"):
        refused = small.get(path, method=method)
        assert refused.status_code in (404, 405), refused.text
    if path != "/":
        assert small.get(path, method="POST").headers["allow"] == "GET, HEAD, OPTIONS"


def test_the_report_has_three_addresses_and_one_tag(small):
    answers = [small.get(path) for path in ("/incidents", "/incidents/", "/")]
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1
    assert small.get("/", headers={"accept": "text/html"}).headers["location"] == "/openapi.json"
    head = small.get("/", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


# -- headers --------------------------------------------------------------------------------------------------------


def test_the_headers_count_and_say_how_old_it_is(small):
    small.collected.clock.advance(timedelta(minutes=7))
    answer = small.get()
    assert answer.headers["x-incidents-employees"] == str(len(answer.json()))
    assert answer.headers["x-incidents-total"] == "2100"
    assert answer.headers["x-incidents-unattributed"] == "0"
    assert answer.headers["x-collected-at"] == "2026-03-10T12:00:00Z"
    assert answer.headers["x-age"] == "420"
    assert answer.headers["x-stale"] == "false"
    assert parsedate_to_datetime(answer.headers["last-modified"]) == NOW
    again = small.get(headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-incidents-total"] == "2100"
    small.collected.clock.advance(timedelta(minutes=39))
    stale = small.get()
    assert (stale.headers["x-age"], stale.headers["x-stale"]) == ("2760", ",".join(sorted(TYPES)))
    assert stale.headers["etag"] == answer.headers["etag"]


def test_the_types_that_are_too_old_are_named(tmp_path):
    """Acceptance 6: after 45 minutes, in an answer that is kept and in a 304 too."""
    with reporting(tmp_path) as reported:
        reported.poll(0)
        reported.collected.control.faults(
            *({"path": f"/incidents/{kind}/", "fault": "status", "status": 404} for kind in ("probing", "misuse"))
        )
        for minutes, named in ((30, "false"), (15, "false"), (15, "misuse,probing")):
            reported.poll(minutes)
            answers = [reported.get(), reported.get(), reported.get("/incidents/unattributed")]
            again = reported.get(headers={"if-none-match": answers[0].headers["etag"]})
            assert again.status_code == 304
            assert [answer.headers["x-stale"] for answer in (*answers, again)] == [named] * 4
        assert reported.get("/v1/incidents/incidents").headers["x-stale"] == "true"


# -- before there is anything ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/incidents", "/", "/incidents/unattributed"])
def test_before_the_first_poll_it_says_so_at_once(tmp_path, path):
    """Acceptance 8."""
    with reporting(tmp_path) as reported:
        answers = [reported.get(path) for _ in range(5)]
        for answer in answers:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
            assert answer.headers["content-type"] == "application/problem+json"
        assert min(answer.elapsed for answer in answers) < timedelta(milliseconds=50)
        assert reported.collected.control.log() == []
        assert reported.poll().complete
        assert reported.get(path).status_code == 200


def test_a_dead_upstream_takes_nothing_away(tmp_path):
    """Acceptance 8: the last good data, however old."""
    with reporting(tmp_path) as reported:
        reported.poll()
        before = reported.get()
        reported.collected.control.faults({"fault": "drop"})
        for _ in range(3):
            assert not reported.poll(600).complete
        after = reported.get()
        assert (after.status_code, after.content) == (200, before.content)
        assert int(after.headers["x-age"]) >= 3 * 600 * 60


def test_without_a_map_there_is_no_report_yet_and_without_a_type_neither(tmp_path):
    """Acceptance 8."""
    with reporting(tmp_path) as reported:
        reported.collected.control.set(map_body="html")
        reported.poll()
        assert reported.get().status_code == 503
        reported.collected.control.set(map_body="good", body="html")
        reported.poll()
        assert reported.get().status_code == 200  # the types have last good data by now, and the map has come
    with reporting(tmp_path / "other") as reported:
        reported.collected.control.set(body="html")
        reported.poll()
        assert reported.get().status_code == 503
        reported.collected.control.set(concern="denial")
        reported.poll()
        assert reported.get().status_code == 200


# -- pages ----------------------------------------------------------------------------------------------------------


def following(answer: httpx.Response) -> str:
    """The address of the next page; "" on the last."""
    link = answer.headers.get("link", "")
    assert not link or link.endswith('>; rel="next"')
    return link.partition(">")[0].removeprefix("<")


def walked(reported: Reporting, url: str, between=lambda: None) -> list[httpx.Response]:
    """Every page from this one on."""
    pages = []
    while url:
        answer = reported.get(url)
        assert answer.status_code == 200, answer.text
        pages.append(answer)
        url = following(answer)
        between()
    return pages


@pytest.mark.parametrize("limit", [1_000, 333, 5_000])
def test_pages_are_the_report_in_pieces(small, limit):
    whole = small.get("/incidents?type=denial,other&order=desc")
    pages = walked(small, f"/incidents?type=denial,other&order=desc&limit={limit}")
    merged = {employee: lists for page in pages for employee, lists in page.json().items()}
    assert json.dumps(merged) == json.dumps(whole.json())
    assert [len(page.json()) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    for page in pages:
        for name in ("x-incidents-employees", "x-incidents-total", "x-incidents-unattributed", "last-modified"):
            assert page.headers[name] == whole.headers[name]


def test_a_walk_sees_one_snapshot_while_polls_commit(tmp_path):
    """Acceptance 15."""
    with reporting(tmp_path, size="small") as reported:
        reported.poll(0)
        before = reported.report()
        polls = iter(range(3))

        def between() -> None:
            if next(polls, None) is not None:
                assert reported.poll(4).complete is True
                assert reported.collected.run(again=True).complete

        pages = walked(reported, "/incidents?limit=100", between)
        merged = [pair for page in pages for pair in json.loads(page.content, parse_float=str).items()]
        assert [employee for employee, _ in merged] == list(before)
        assert dict(merged) == before
        assert {page.headers["last-modified"] for page in pages} == {pages[0].headers["last-modified"]}
        assert reported.report() != before


def test_a_walk_is_over_after_a_quarter_of_an_hour(tmp_path):
    with reporting(tmp_path) as reported:
        reported.poll(0)
        url = following(reported.get("/incidents?limit=5"))
        reported.collected.clock.advance(timedelta(minutes=15))
        assert reported.get(url).status_code == 200
        reported.collected.clock.advance(timedelta(seconds=1))
        answer = reported.get(url)
        assert (answer.status_code, answer.json()["type"]) == (410, "/problems/history-gone")


@pytest.mark.parametrize("change", ["order=desc", "type=misuse", "cursor=AAAA", "employee_id=904"])
def test_a_cursor_is_good_for_its_own_walk_alone(small, change):
    url = following(small.get("/incidents?limit=5"))
    cursor = parse_qs(urlsplit(url).query)["cursor"][0]
    bad = f"/incidents?{change}" if change.startswith("cursor") else f"/incidents?{change}&cursor={cursor}"
    assert small.get(bad).status_code == 400
    assert small.get(f"/incidents/unattributed?cursor={cursor}").status_code == 400
    assert len(small.get(f"/incidents?cursor={cursor}").json()) == 5  # without a limit, that of the page before
    assert len(small.get(f"/incidents?limit=7&cursor={cursor}").json()) == 7


def test_a_poll_that_is_committing_holds_up_no_reader(tmp_path):
    """Acceptance 9: the report is whole while the next one is half written; how fast, `./run bench incidents` says."""
    with reporting(tmp_path / "data", size="small") as reported:
        assert reported.poll(0).complete
        gate, clock, fired = tmp_path / "gate", tmp_path / "clock", tmp_path / "fired"
        os.mkfifo(gate)
        FileClock(clock).set(NOW + timedelta(minutes=30))
        values = reported.collected.environment | {"CATCHMENT_CLOCK": f"file:{clock}"}
        values |= {"CATCHMENT_FAILPOINTS_GATE": str(gate), "CATCHMENT_FAILPOINTS_LOG": str(fired)}
        poll = server().start(tmp_path, ("collect", "incidents"), values, points="versions.written:2:hold")
        with gate.open("wb"):  # it reads from here on: one type is committed, another one half
            assert fired.read_text() == "versions.written:2:hold\n"
            assert reported.collected.sql("SELECT count(*), count(DISTINCT type) FROM incidents_incidents_version") == [
                (300, 1)
            ]
            whole, page = reported.get(), reported.get("/incidents?limit=100")
            assert (whole.headers["x-incidents-total"], len(incidents_in(whole.json()))) == ("2100", 2_100)
            assert list(page.json()) == list(whole.json())[:100]
            assert reported.get("/incidents/status").json()["poll"]["running"]
        assert poll.end() == 0, poll.text
        assert reported.get().content != whole.content


# -- who belongs to nobody ------------------------------------------------------------------------------------------


def test_the_unattributed_are_listed_by_time_in_pages_of_one_snapshot(tmp_path):
    with reporting(tmp_path, size="small") as reported:
        reported.collected.control.set(map_missing=40)
        reported.poll(0)
        whole = reported.get("/incidents/unattributed?limit=1000").json()
        expected = int(reported.get().headers["x-incidents-unattributed"])
        assert 300 < whole["count"] == len(whole["incidents"]) == expected
        assert {item["type"] for item in whole["incidents"]} == {"intrusion", "executable", "probing", "other"}
        times = [(item["timestamp"], item["type"]) for item in whole["incidents"]]
        assert times == sorted(times)
        assert len(reported.get("/incidents/unattributed").json()["incidents"]) == 100
        polls = iter(range(1))

        def between() -> None:
            if next(polls, None) is not None:
                assert reported.collected.run(again=True).complete

        pages = walked(reported, "/incidents/unattributed?limit=150", between)
        assert [item for page in pages for item in page.json()["incidents"]] == whole["incidents"]
        assert {page.json()["count"] for page in pages} == {whole["count"]}
        assert all(len(page.json()["incidents"]) == 150 for page, _ in pairwise(pages))


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_page_of_the_unattributed_has_a_size(small, limit):
    assert small.get(f"/incidents/unattributed?limit={limit}").status_code == 400


# -- recorded -------------------------------------------------------------------------------------------------------


def test_a_recorded_poll_is_served_with_everybody_found(tmp_path, samples):
    """Acceptance 20: 1,842 incidents, all attributed, none from its source."""
    with reporting(tmp_path, samples=samples) as reported:
        assert reported.poll(0).complete
        answer = reported.get()
        served = incidents_in(json.loads(answer.content, parse_float=str))
        assert len(served) == 1_842 == int(answer.headers["x-incidents-total"])
        assert answer.headers["x-incidents-unattributed"] == "0"
        by_type = reported.collected.sql("SELECT type, count(*) FROM incidents_incidents GROUP BY type")
        files = {Path(name).stem.partition("_")[0]: rows for name, rows in of("incidents", "incidents").items()}
        assert dict(by_type) == files
        ((known,),) = reported.collected.sql("SELECT count(*) FROM incidents_identities")
        assert [known] == list(of("incidents", "identities").values())
        recorded = samples / "incidents"
        people = json.loads((recorded / "identities_2022-07-26.json").read_bytes())
        for employee, lists in reported.report().items():
            for part in lists.values():
                for item in part["incidents"]:
                    subject = next(item[name] for name in SUBJECTS if name in item)
                    assert str(people.get(subject, subject)) == employee
        shape = json.loads((recorded / "downstream_report_2022-07-26_a.json").read_bytes())
        assert {tuple(lists) for lists in shape.values()} == {tuple(PRIORITIES)}
        parts = [part for lists in shape.values() for part in lists.values()]
        assert {tuple(part) for part in parts} == {("count", "incidents")}
        assert sum(part["count"] for part in parts) == len(incidents_in(shape)) == sum(of("incidents", REPORT).values())


SUBJECTS = ("reported_by", "internal_ip", "machine_ip", "employee_id", "ip", "identifier")


def test_what_cannot_be_asked_is_400_before_there_is_anything(tmp_path):
    with reporting(tmp_path) as reported:
        prepare(database_of(load_settings(reported.collected.environment, folder=tmp_path, environ={}).database), [app])
        assert reported.get("/incidents").status_code == 503
        for path in ("/incidents?foo=1", "/incidents/unattributed?foo=1"):
            assert reported.get(path).status_code == 400
