from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from catchment.apps.police.standin import Police, Switches, service
from catchment.clock import FakeClock
from catchment.standin import Request, serve_in_thread

from .conftest import START, ask, options

MEMBERS = {
    "age_range", "outcome", "involved_person", "self_defined_ethnicity", "gender", "legislation",
    "outcome_linked_to_object_of_search", "datetime", "removal_of_more_than_outer_clothing", "outcome_object",
    "location", "operation", "officer_defined_ethnicity", "type", "operation_name", "object_of_search",
}  # fmt: skip
NEWEST = "2026-01"


def get(police: Police, path: str, *, at: datetime = START, number: int = 1, **query: str):
    """The answer of the service, without sockets; switches among the query go by `switch_NAME`."""
    switched = {name.removeprefix("switch_"): value for name, value in query.items() if name.startswith("switch_")}
    query = {name: value for name, value in query.items() if not name.startswith("switch_")}
    target = f"/api{path}?" + "&".join(f"{name}={value}" for name, value in query.items())
    request = Request("GET", f"/api{path}", query, {}, b"", at, number, target)
    return police.answer(request, Switches(**switched))


def stops(police: Police, force: str = "leicestershire", date: str = NEWEST, **more):
    return json.loads(get(police, "/stops-force", force=force, date=date, **more).body)


@pytest.fixture
def tiny() -> Police:
    return service(options())


def test_tiny_publishes_three_forces_for_three_months_and_nothing_is_missing(tiny):
    listed = json.loads(get(tiny, "/crimes-street-dates").body)
    assert [row["date"] for row in listed] == ["2026-01", "2025-12", "2025-11"]
    assert all(row["stop-and-search"] == ["avon-and-somerset", "cambridgeshire", "leicestershire"] for row in listed)
    for row in listed:
        for force in row["stop-and-search"]:
            records = stops(tiny, force, row["date"])
            assert len(records) == 20
            assert all(set(record) == MEMBERS for record in records)
    assert json.loads(get(tiny, "/crime-last-updated").body) == {"date": "2026-01-01"}
    assert [row["id"] for row in json.loads(get(tiny, "/forces").body)] == listed[0]["stop-and-search"]


def test_months_follow_the_uk_clock(tiny):
    eve = datetime(2026, 3, 31, 22, 59, tzinfo=UTC)
    for at, newest in ((eve, "2026-01"), (eve.replace(hour=23), "2026-02")):
        assert json.loads(get(tiny, "/crimes-street-dates", at=at).body)[0]["date"] == newest
    assert json.loads(get(tiny, "/crimes-street-dates", switch_lag=3).body)[0]["date"] == "2025-12"


def test_same_variant_same_bytes_other_variant_other_bytes():
    bodies = [
        get(service(options(variant=n)), "/stops-force", force="leicestershire", date=NEWEST).body for n in (1, 1, 2)
    ]
    assert bodies[0] == bodies[1] != bodies[2]


def test_every_record_belongs_to_its_local_month():
    small = service(options("small"))
    before = 0
    for month in ("2025-05", "2025-10", "2025-12"):
        for force in ("avon-and-somerset", "cambridgeshire", "leicestershire"):
            for record in stops(small, force, month):
                moment = datetime.fromisoformat(record["datetime"])
                assert record["datetime"].endswith("+00:00")
                assert moment.astimezone(ZoneInfo("Europe/London")).strftime("%Y-%m") == month
                before += moment.strftime("%Y-%m") != month
    assert before > 0


def test_small_has_a_late_publisher_copies_and_one_crowd_of_sixty():
    small = service(options("small"))
    listed = json.loads(get(small, "/crimes-street-dates").body)
    assert len(listed) == 36
    assert len(listed[0]["stop-and-search"]) == 2
    assert len(listed[5]["stop-and-search"]) == 3
    crowd = Counter(map(str, stops(small, "avon-and-somerset", "2025-10")))
    assert sum(crowd.values()) == 300
    assert crowd.most_common(1)[0][1] == 60
    usual = Counter(map(str, stops(small, "cambridgeshire", "2025-10")))
    assert 300 - len(usual) >= 15
    assert usual.most_common(1)[0][1] < 10


def test_distributions_are_about_as_observed():
    records = stops(service(options()), switch_records=4000)
    share = {
        name: sum(wanted(record) for record in records) / 4000
        for name, wanted in {
            "person": lambda record: record["type"] == "Person search",
            "male": lambda record: record["gender"] == "Male",
            "nothing": lambda record: record["outcome"] == "A no further action disposal",
            "arrest": lambda record: record["outcome"] == "Arrest",
            "drugs": lambda record: "Drugs" in str(record["legislation"]),
            "unplaced": lambda record: record["location"] is None,
        }.items()
    }
    said = {"person": 0.69, "male": 0.86, "nothing": 0.68, "arrest": 0.16, "drugs": 0.58, "unplaced": 0.2}
    assert share == pytest.approx(said, abs=0.05)


def test_medium_lists_44_forces_and_the_transport_police_only_in_the_list():
    medium = service(options("medium"))
    forces = {row["id"] for row in json.loads(get(medium, "/forces").body)}
    listed = json.loads(get(medium, "/crimes-street-dates").body)
    assert len(forces) == len(listed[5]["stop-and-search"]) == 44
    assert "btp" in listed[5]["stop-and-search"]
    assert "btp" not in forces
    assert len(listed[0]["stop-and-search"]) == 30
    assert len(stops(medium, "btp", "2025-10")) == 400


def test_large_has_one_month_of_twenty_thousand():
    large = service(options("large"))
    assert len(stops(large, "metropolitan", "2025-10")) == 20_000
    assert len(stops(large, "metropolitan", "2025-09")) == 400


@pytest.mark.parametrize(
    ("path", "query", "status", "body"),
    [
        ("/stops-force", {"force": "leicestershire", "date": "2026-02"}, 200, b"[]"),
        ("/stops-force", {"force": "atlantis", "date": NEWEST}, 200, b"[]"),
        ("/stops-force", {"force": "leicestershire", "date": "2025-10"}, 502, b""),
        ("/stops-force", {"force": "leicestershire", "date": "2025-13"}, 404, b""),
        ("/stops-force", {"date": NEWEST}, 400, b"Bad Request"),
        ("/stops-no-location", {"force": "leicestershire", "date": "2025-10"}, 404, b""),
        ("/stops-no-location", {"date": NEWEST}, 400, b"Bad Request"),
        ("/stops-street", {"lat": "x", "lng": "1"}, 400, b"Bad Request"),
        ("/stops-street", {"lng": "1"}, 400, b"Bad Request"),
        ("/stops-street", {"lat": "40", "lng": "-74"}, 200, b"[]"),
        ("/stops-street", {"poly": "52,0:53,0"}, 502, b""),
        ("/stops-street", {"lat": "52", "lng": "0", "date": "2020-01"}, 404, b""),
        ("/stops-at-location", {"location_id": "x"}, 400, b"Bad Request"),
        ("/forces/atlantis", {}, 404, b"Not Found"),
        ("/forces/btp", {}, 404, b"Not Found"),
        ("/nowhere", {}, 404, b"Not Found"),
    ],
)
def test_what_is_not_there(tiny, path, query, status, body):
    answer = get(tiny, path, **query)
    assert (answer.status, answer.body) == (status, body)


def test_a_missing_or_misspelt_date_silently_means_the_newest_month(tiny):
    assert json.loads(get(tiny, "/stops-force", force="leicestershire", dte="2025-11").body) == stops(tiny)
    assert stops(tiny, date="2025-11", switch_ignore_date=True) == stops(tiny)
    assert stops(tiny, date="2025-11") != stops(tiny)


@pytest.mark.parametrize(("said", "status"), [("[]", 200), ("404", 404), ("500", 500), ("502", 502)])
def test_an_unpublished_month_answers_as_its_era(tiny, said, status):
    more = {"force": "leicestershire", "switch_paused_force": "leicestershire", "switch_unpublished": said}
    assert get(tiny, "/stops-force", date=NEWEST, **more).status == status
    listed = json.loads(get(tiny, "/crimes-street-dates", **more).body)
    assert all("leicestershire" not in row["stop-and-search"] for row in listed)


def test_places(tiny):
    records = stops(tiny)
    unplaced = json.loads(get(tiny, "/stops-no-location", force="leicestershire", date=NEWEST).body)
    assert unplaced == [record for record in records if record["location"] is None]
    place = next(record["location"] for record in records if record["location"])
    lat, lng = float(place["latitude"]), float(place["longitude"])
    near = json.loads(get(tiny, "/stops-street", lat=str(lat), lng=str(lng), date=NEWEST).body)
    assert place in [record["location"] for record in near]
    square = ":".join(f"{lat + dy},{lng + dx}" for dy, dx in ((-1, -1), (-1, 1), (1, 1), (1, -1)))
    around = json.loads(get(tiny, "/stops-street", poly=square, date=NEWEST).body)
    assert all(record in around for record in near)
    street = place["street"]["id"]
    there = json.loads(get(tiny, "/stops-at-location", location_id=str(street), date=NEWEST).body)
    assert {record["location"]["street"]["id"] for record in there} == {street}


def test_outcome_styles_key_order_and_slashes(tiny):
    plain = stops(tiny, switch_records=300)
    absent = stops(tiny, switch_records=300, switch_outcome_style="absent")
    false = stops(tiny, switch_records=300, switch_outcome_style="false")
    none = [record for record in plain if record["outcome"] == ""]
    assert none
    assert all(record["outcome_object"] == {"id": "", "name": ""} for record in none)
    assert sum(record["outcome"] is False for record in false) == len(none)
    assert all("outcome_object" not in record for record in absent)
    assert list(stops(tiny, switch_key_order="sorted")[0]) == sorted(MEMBERS)
    escaped = get(tiny, "/stops-force", force="leicestershire", date=NEWEST, switch_escape_slashes=True).body
    assert rb"English\/Welsh" in escaped
    assert json.loads(escaped) == stops(tiny)


def test_reads_of_a_month_may_differ_from_the_n_th_on(tiny):
    first = stops(tiny)
    turned = {"switch_removed_since": 3, "switch_added_since": 4, "switch_changed_since": 5}
    counts = [len(stops(tiny, **turned)) for _ in range(3)]
    assert counts == [20, 19, 20]
    assert stops(tiny, **turned)[0]["object_of_search"] == "Corrected by the force"
    tiny.reset()
    assert stops(tiny, **turned) == first


def test_one_of_the_crowd_goes_first():
    small = service(options("small"))
    left = Counter(map(str, stops(small, "avon-and-somerset", "2025-10", switch_removed_since=1)))
    assert left.most_common(1)[0][1] == 59
    assert sum(left.values()) == 299


def test_one_record_of_a_wrong_type(tiny):
    assert [record["involved_person"] for record in stops(tiny, switch_wrong_type=True)].count("yes") == 1


def test_a_force_has_a_page_of_its_own(tiny):
    detail = json.loads(get(tiny, "/forces/leicestershire").body)
    assert (detail["id"], detail["name"]) == ("leicestershire", "Leicestershire Police")


@pytest.mark.parametrize(("switch", "fault"), [("slow", "drip"), ("hang", "hang"), ("html", "html")])
def test_misbehaviour_by_switch_is_a_fault(tiny, switch, fault):
    answer = get(tiny, "/stops-force", force="leicestershire", date=NEWEST, **{f"switch_{switch}": True})
    assert answer.fault.name == fault


@pytest.mark.parametrize(
    ("form", "value"),
    [("none", ""), ("seconds", "2"), ("date", "Tue, 10 Mar 2026 12:00:02 GMT")],
)
def test_the_rate_limit_refuses_with_each_retry_after(form, value):
    switches = {"rate_limit": True, "rate_burst": 2, "retry_after": form}
    with serve_in_thread(service(options()), clock=FakeClock(START), switches=switches) as running:
        answers = [ask(running.url, "/api/forces") for _ in range(3)]
        assert [raw.status for raw in answers] == [200, 200, 429]
        assert answers[2].header("Retry-After") == value
        running.control.advance(1)
        assert ask(running.url, "/api/forces").status == 200


def test_misbehaviour_by_switch_on_the_wire():
    target = f"/api/stops-force?force=leicestershire&date={NEWEST}"
    with serve_in_thread(service(options()), clock=FakeClock(START)) as running:
        running.control.set(error_every=2, error_status=502)
        assert [ask(running.url, target).status for _ in range(4)] == [200, 502, 200, 502]
        running.control.set(error_every=0, truncated=True)
        raw = ask(running.url, target)
        assert len(raw.body) < int(raw.header("Content-Length"))
        running.control.set(truncated=False, html=True)
        assert ask(running.url, target).body.startswith(b"<!DOCTYPE html>")
        running.control.set(html=False, single_object=True)
        assert set(ask(running.url, target).json()) == MEMBERS
        assert ask(running.url, "/api/forces?" + "x" * 4_094).status == 400
        form = ask(
            running.url,
            "/api/stops-street",
            "Content-Type: application/x-www-form-urlencoded",
            method="POST",
            body=b"lat=52&lng=0",
        )
        assert form.json() == []
        assert (
            ask(running.url, "/api/stops-street", "Content-Type: application/json", method="POST", body=b"{}").status
            == 400
        )


def test_each_recorded_file_is_served_with_its_exact_rows(samples):
    police = service(options(samples=samples))
    listed = {row["date"]: row["stop-and-search"] for row in json.loads(get(police, "/crimes-street-dates").body)}
    files = sorted((samples / "police" / "csv").glob("*.csv"))
    assert len(files) == 26
    for path in files:
        month, force = path.name[:7], path.name[8:].removesuffix("-stop-and-search.csv")
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        records = stops(police, force, month)
        assert force in listed[month]
        assert len(records) == len(rows)
        assert len({json.dumps(record) for record in records}) == len({tuple(row.values()) for row in rows})
        assert [record["datetime"] for record in records] == [row["Date"] for row in rows]


def test_recorded_rows_have_the_types_of_the_recorded_json(samples):
    police = service(options(samples=samples))
    model = stops(police, "city-of-london", "2023-01")
    assert len(model) == 165
    kinds = {name: {type(record[name]) for record in model} | {type(None)} for name in model[0]}
    for record in stops(police, "city-of-london", "2019-01") + stops(police, "sussex", "2019-05"):
        assert list(record) == list(model[0])
        assert all(type(value) in kinds[name] | {bool} for name, value in record.items())
        assert record["location"] is None or type(record["location"]["street"]["id"]) is int
    assert len({json.dumps(record) for record in stops(police, "sussex", "2019-05")}) == 634


def test_recorded_reference(samples):
    police = service(options(samples=samples))
    listed = json.loads(get(police, "/crimes-street-dates").body)
    assert [len(listed), listed[0]["date"], listed[0]["stop-and-search"]] == [37, "2023-01", ["city-of-london"]]
    recorded = json.loads((samples / "police/reference/crimes-street-dates_2016-12_2019-11.json").read_bytes())
    assert [(row["date"], sorted(row["stop-and-search"])) for row in recorded] == [
        (row["date"], row["stop-and-search"]) for row in listed[1:]
    ]
    assert len(json.loads(get(police, "/forces").body)) == 44
    single = json.loads(
        get(police, "/stops-force", force="leicestershire", date="2018-06", switch_single_object=True).body
    )
    assert single["location"]["street"]["id"] == 883415
    assert len(stops(police, "kent", "2018-06")) == 20
    earlier = json.loads(get(police, "/crimes-street-dates", at=datetime(2019, 8, 1, tzinfo=UTC)).body)
    assert earlier[0]["date"] == "2019-08"
