"""The police app's own routes on what was really collected: sums that add up, months that are there or not."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from asgi_client import Client, patient_front
from collecting import Collecting, by_partition, collecting

from catchment.apps.police.records import ALIASES, CATEGORIES, KNOWN_FORCES
from catchment.errors import UsageError
from catchment.settings import load_settings

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
BREAKDOWN, COVERAGE, STOPS = "/police/v1/breakdown", "/police/v1/coverage", "/v1/police/stops"


def asking(police: Collecting) -> Callable[[str], httpx.Response]:
    """Asks the API over what was collected; each time as a server that has just started."""

    def ask(url: str) -> httpx.Response:
        settings = load_settings(police.environment, folder=police.folder, environ={})
        front = patient_front([police.app], settings, police.clock)
        try:
            return Client(front, "192.0.2.7").get(url)
        finally:
            front.close()

    return ask


@pytest.fixture(scope="module")
def collected(engine, tmp_path_factory):
    """Three forces with 400 records a month; one of them has not published the newest month."""
    folder = tmp_path_factory.mktemp("police")
    with collecting("police", folder, now=NOW, switches={"records": 400, "late": 1}) as police:
        assert not police.run().complete
        yield police


@pytest.fixture(scope="module")
def ask(collected):
    return asking(collected)


def counted(collected: Collecting, field: str, where: str = "1 = 1") -> Counter:
    rows = collected.sql(f"SELECT {field}, count(*) FROM police_stops WHERE {where} GROUP BY 1")
    return Counter(dict(rows))


def test_a_breakdown_says_what_the_records_say(collected, ask):
    """Acceptance 16: the counts of every field, with the rest, are the total."""
    found = ask(f"{BREAKDOWN}?top=100").json()
    assert found["total"] == 8 * 400
    assert found["force_months"] == 8
    assert tuple(found["breakdown"]) == CATEGORIES
    for field, values in found["breakdown"].items():
        assert {item["value"]: item["count"] for item in values} == counted(collected, field)
        assert sum(item["count"] for item in values) + found["other"][field] == found["total"]
    assert found["as_of_revision"] == collected.revision("stops")


def test_the_most_frequent_come_first_and_what_is_not_recorded_last(ask):
    values = ask(f"{BREAKDOWN}?by=object_of_search").json()["breakdown"]["object_of_search"]
    *recorded, without = values
    assert without == {"value": None, "label": "(not recorded)", "count": without["count"]}
    assert recorded == sorted(recorded, key=lambda item: (-item["count"], item["value"]))


@pytest.mark.parametrize("top", [1, 2, 3])
def test_what_is_not_among_the_most_frequent_is_counted_together(ask, top):
    found = ask(f"{BREAKDOWN}?by=legislation,gender&top={top}").json()
    for field in ("legislation", "gender"):
        values = found["breakdown"][field]
        assert sum(item["value"] is not None for item in values) == min(top, 4 if field == "legislation" else 2)
        assert sum(item["count"] for item in values) + found["other"][field] == found["total"]


FILTERS = {
    "force=leicestershire": "force = 'leicestershire'",
    "force__in=leicestershire,cambridgeshire&month=2026-01": "force IN ('leicestershire', 'cambridgeshire')"
    " AND month = '2026-01'",
    "gender__isnull=true": "gender IS NULL",
    "outcome_linked=true": "outcome_linked_to_object_of_search = 1",
    "removal__ne=false": "removal_of_more_than_outer_clothing IS DISTINCT FROM 0",
    "datetime__gte=2026-01-01": "datetime >= '2026-01-01'",
    "force=northern-ireland": "1 = 0",
}


@pytest.mark.parametrize(("query", "where"), FILTERS.items())
def test_every_filter_of_the_list_selects_what_is_broken_down(collected, ask, query, where):
    found = ask(f"{BREAKDOWN}?by=type&{query}").json()
    assert {item["value"]: item["count"] for item in found["breakdown"]["type"]} == counted(collected, "type", where)
    listed = ask(f"{STOPS}?count=exact&limit=1&{query}").json()
    assert listed["meta"]["count"] == found["total"]


def test_what_is_selected_and_not_collected_is_named(collected, ask):
    ((key,),) = collected.sql("SELECT key FROM _partition WHERE verdict = 'pending'")
    late = dict(pair.split("=") for pair in key.split(","))
    assert late["month"] == "2026-01"
    found = ask(f"{BREAKDOWN}?by=type").json()
    assert (found["complete"], found["pending"]) == (False, [late])
    assert ask(f"{BREAKDOWN}?by=type&month__lt=2026-01").json()["complete"]
    assert ask(f"{BREAKDOWN}?by=type&force={late['force']}").json()["pending"] == [late]
    assert ask(f"{BREAKDOWN}?by=type&force__ne={late['force']}").json()["complete"]
    assert ask(f"{BREAKDOWN}?by=type&month__in=2025-12,2025-11").json()["complete"]


WRONG = {
    f"{BREAKDOWN}?by=colour": (400, "by"),
    f"{BREAKDOWN}?by=type,type": (400, "by"),
    f"{BREAKDOWN}?by=datetime": (400, "by"),
    f"{BREAKDOWN}?by=": (400, "by"),
    f"{BREAKDOWN}?top=0": (400, "top"),
    f"{BREAKDOWN}?top=101": (400, "top"),
    f"{BREAKDOWN}?top=x": (400, "top"),
    f"{BREAKDOWN}?top=1&top=2": (400, "top"),
    f"{BREAKDOWN}?colour=red": (400, "colour"),
    f"{BREAKDOWN}?limit=5": (400, "limit"),
    f"{BREAKDOWN}?month=2023-13": (400, "month"),
    f"{BREAKDOWN}?month=2023-1": (400, "month"),
    f"{BREAKDOWN}?month__gte=2023": (400, "month__gte"),
    f"{BREAKDOWN}?as_of=x": (400, "as_of"),
    f"{BREAKDOWN}?as_of=99999": (400, "as_of"),
    f"{BREAKDOWN}?force=atlantis": (404, "force"),
    f"{BREAKDOWN}?force__in=kent,atlantis": (404, "force__in"),
    f"{COVERAGE}?force=atlantis": (404, "force"),
    f"{COVERAGE}?from=2023-13": (400, "from"),
    f"{COVERAGE}?to=2023-1": (400, "to"),
    f"{COVERAGE}?to=": (400, "to"),
    f"{COVERAGE}?from=2026-01&to=2025-12": (400, "from"),
    f"{COVERAGE}?from=0001-01": (400, "from"),
    f"{COVERAGE}?colour=red": (400, "colour"),
    f"{COVERAGE}?force=kent&force=kent": (400, "force"),
}


@pytest.mark.parametrize(("url", "expected"), WRONG.items())
def test_what_cannot_be_answered_is_a_problem_that_names_the_parameter(ask, url, expected):
    answer = ask(url)
    assert (answer.status_code, answer.headers["content-type"]) == (expected[0], "application/problem+json")
    assert expected[1] in answer.json()["detail"]


def test_coverage_says_how_each_month_of_each_force_stands(collected, ask):
    cells = ask(COVERAGE).json()["cells"]
    forces = ("avon-and-somerset", "cambridgeshire", "leicestershire")
    assert [cell["force"] for cell in cells] == [force for force in forces for _ in range(36)]
    months = [cell["month"] for cell in cells[:36]]
    assert (months[0], months[-1]) == ("2026-01", "2023-02")
    assert months == sorted(months, reverse=True)
    there = [cell for cell in cells if cell["month"] >= "2025-11"]
    assert Counter((cell["state"], cell["records"], cell["reason"]) for cell in there) == {
        ("complete", 400, ""): 8,
        ("pending", None, "not listed"): 1,
    }
    assert all(cell["collected_at"] == "2026-03-20T04:00:00.000000Z" for cell in there if cell["records"])
    assert {cell["reason"] for cell in cells if cell["month"] < "2025-11"} == {"not listed"}


def test_coverage_of_one_force_and_a_span(ask):
    cells = ask(f"{COVERAGE}?force=btp&from=2025-12&to=2026-02").json()["cells"]
    assert [(cell["force"], cell["month"], cell["state"], cell["reason"]) for cell in cells] == [
        ("btp", month, "pending", "not listed") for month in ("2026-02", "2026-01", "2025-12")
    ]


def test_before_anything_is_collected_nothing_is_complete(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        police.run(feeds=["forces"])
        ask = asking(police)
        found = ask(f"{BREAKDOWN}?by=type").json()
        assert (found["total"], found["complete"], found["breakdown"]) == (0, False, {"type": []})
        assert ask(COVERAGE).json() == {"cells": []}


def test_a_force_of_which_nothing_is_known_is_not_complete_however_it_is_named(tmp_path):
    with collecting("police", tmp_path, now=NOW, FORCES="leicestershire") as police:
        assert police.run().complete
        ask = asking(police)
        for query, complete in {
            "force=leicestershire": True,
            "force__in=leicestershire": True,
            "force=kent": False,
            "force__in=kent": False,
            "force__in=kent,leicestershire": False,
            "force__in=kent,leicestershire&force=leicestershire": True,
            "force__in=kent,leicestershire&force__ne=kent": True,
        }.items():
            found = ask(f"{BREAKDOWN}?by=type&{query}").json()
            assert (found["complete"], found["pending"]) == (complete, []), query


def test_months_begin_with_the_year_one(tmp_path):
    with collecting("police", tmp_path, now=NOW, FORCES="leicestershire") as police:
        police.run()
        ask = asking(police)
        for url, name in {
            f"{BREAKDOWN}?month=0000-01": "month",
            f"{COVERAGE}?from=0000-12": "from",
            f"{COVERAGE}?to=0000-12": "to",
        }.items():
            answer = ask(url)
            assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (400, name)
        months = [cell["month"] for cell in ask(f"{COVERAGE}?force=leicestershire&to=0001-02").json()["cells"]]
        assert months == ["0001-02", "0001-01"]
        with pytest.raises(UsageError, match="month=0000-01 is no month"):
            police.run(only={"month": ["0000-01"]})


def test_a_breakdown_of_then_says_what_was_said_then(tmp_path):
    """Acceptance 8: the record that ended is counted at the old moment and the old revision."""
    with collecting("police", tmp_path, now=NOW, FORCES="leicestershire") as police:
        police.run()
        before = police.revision("stops")
        police.clock.advance(timedelta(days=30))
        police.control.set(removed_since=1)
        police.run(only={"force": ["leicestershire"], "month": ["2026-01"]})
        ask = asking(police)
        assert ask(f"{BREAKDOWN}?by=type").json()["total"] == 59
        old = ask(f"{BREAKDOWN}?by=type&as_of={before}").json()
        assert (old["total"], old["as_of_revision"]) == (60, before)
        assert ask(f"{BREAKDOWN}?by=type&as_of=2026-04-01T00:00:00Z").json()["total"] == 60


def test_a_breakdown_of_a_moment_says_the_revision_that_held_then(tmp_path):
    """And what was missing then: one month was collected, the others later."""
    with collecting("police", tmp_path, now=NOW, FORCES="leicestershire") as police:
        police.run(only={"force": ["leicestershire"], "month": ["2026-01"]})
        first = police.revision("stops")
        police.clock.advance(timedelta(days=1))
        police.run()
        ask = asking(police)
        now = ask(f"{BREAKDOWN}?by=type").json()
        assert (now["complete"], now["as_of_revision"]) == (True, police.revision("stops"))
        then = ask(f"{BREAKDOWN}?by=type&as_of=2026-03-20T12:00:00Z").json()
        assert then["as_of_revision"] == first < now["as_of_revision"]
        assert (then["complete"], [item["month"] for item in then["pending"]]) == (False, ["2025-11", "2025-12"])
        assert ask(f"{BREAKDOWN}?by=type&as_of={first}").json() == then
        before = ask(f"{BREAKDOWN}?by=type&as_of=2026-03-19").json()
        assert (before["total"], before["as_of_revision"], len(before["pending"])) == (0, 0, 3)


def test_a_breakdown_waits_for_the_forces_that_are_configured(tmp_path):
    """A force that was named once, and never had, keeps nothing of the others incomplete; asked for, it is pending."""
    with collecting("police", tmp_path, now=NOW, FORCES="leicestershire") as police:
        assert police.run().complete
        police.control.faults({"path": "/api/stops-force", "fault": "html"})
        assert not police.run(only={"force": ["cambridgeshire"], "month": ["2026-01"]}).complete
        ask = asking(police)
        assert ask(f"{BREAKDOWN}?by=type").json()["complete"]
        for force, months in (("cambridgeshire", 3), ("avon-and-somerset", 3)):
            found = ask(f"{BREAKDOWN}?by=type&force={force}").json()
            assert (found["total"], found["complete"]) == (0, False)
            assert [item["force"] for item in found["pending"]] == [force] * months
        police.values["FORCES"] = "leicestershire,avon-and-somerset"
        found = asking(police)(f"{BREAKDOWN}?by=type").json()
        assert {item["force"] for item in found["pending"]} == {"avon-and-somerset"}


def test_breakdowns_have_an_etag_and_read_the_store_alone(collected, ask):
    requests = len(collected.control.log())
    first, second = ask(f"{BREAKDOWN}?by=type"), ask(f"{BREAKDOWN}?by=type")
    assert first.headers["etag"] == second.headers["etag"]
    assert len(collected.control.log()) == requests


def test_the_forces_that_are_known_are_those_that_were_recorded(samples):
    """Acceptance 15: the transport police are among them."""
    recorded = {
        row["id"] for row in httpx.Response(200, content=(samples / "police/reference/forces.json").read_bytes()).json()
    }
    assert set(KNOWN_FORCES) == recorded | {"btp"}


def test_the_filters_of_stops_have_their_aliases_in_the_description(ask):
    listed = ask("/openapi.json").json()["paths"][STOPS]["get"]["parameters"]
    assert {"outcome_linked", "removal__isnull", "outcome_linked_to_object_of_search"} <= {
        item["name"] for item in listed
    }


@pytest.mark.sqlite  # its plan
def test_an_index_serves_what_is_asked_of_one_force(collected):
    with sqlite3.connect(collected.folder / "catchment.sqlite") as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT type, count(*) FROM police_stops WHERE force = 'kent' GROUP BY type"
        ).fetchall()
    assert any("USING INDEX" in row[-1] for row in plan)


def test_a_row_that_can_no_longer_be_read_keeps_its_record_and_no_other(tmp_path):
    """What else went from the month in the same answer is gone; coverage says what stays."""
    with collecting("police", tmp_path, now=NOW) as police:
        police.run()
        police.control.set(wrong_type=True, removed_since=1, removed_count=1)
        results = by_partition(police.run(again=True), "police/stops").values()
        kept = "kept, as they may be rows that cannot be read: 1"
        assert {(each.verdict, each.reason) for each in results} == {("complete", kept)}
        counts = [each.counts for each in results]
        assert (sum(each.rejected for each in counts), sum(each.gone for each in counts)) == (9, 9)
        assert police.number("SELECT count(*) FROM police_stops") == 180 - 9
        cells = asking(police)(f"{COVERAGE}?from=2025-11&to=2026-01").json()["cells"]
        assert {(cell["state"], cell["records"], cell["reason"]) for cell in cells} == {("complete", 19, kept)}
        police.control.set(wrong_type=False)
        results = by_partition(police.run(again=True), "police/stops").values()
        assert {(each.counts.received, each.counts.same, each.reason) for each in results} == {(19, 19, "")}


def test_coverage_counts_the_records_that_lie_outside_their_month(samples, tmp_path):
    """A recorded month of Avon and Somerset has four rows of other local months."""
    then, force = datetime(2023, 3, 20, tzinfo=UTC), "avon-and-somerset"
    with collecting("police", tmp_path, now=then, samples=samples, FORCES=force) as police:
        police.run(only={"force": [force], "month": ["2019-04"]})
        (cell,) = asking(police)(f"{COVERAGE}?force={force}&from=2019-04&to=2019-04").json()["cells"]
        assert (cell["state"], cell["records"], cell["reason"]) == ("complete", 674, "outside_month: 4")


def test_the_description_of_a_breakdown_has_every_filter(ask):
    """Each is taken as it is described."""
    (told,) = (item["get"] for path, item in ask("/openapi.json").json()["paths"].items() if path == BREAKDOWN)
    described = {item["name"] for item in told["parameters"]}
    fields = ("force", "month", "datetime", *CATEGORIES[:-1], "operation", *ALIASES, *ALIASES.values())
    assert {"by", "top", "as_of", *fields} <= described
    assert {f"{name}__isnull" for name in (*CATEGORIES[:-1], "operation", *ALIASES.values())} <= described
    values = {"force": "leicestershire", "month": "2026-01", "datetime": "2026-01-31T12:00:00Z", "as_of": "2026-03-20"}
    for name in described - {"by", "top"}:
        given = values.get(name, "true" if name.endswith("__isnull") or name in (*ALIASES, *ALIASES.values()) else "x")
        answer = ask(f"{BREAKDOWN}?by=gender&{name}={'true' if name == 'operation' else given}")
        assert answer.status_code == 200, answer.text
