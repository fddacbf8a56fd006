from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from catchment.apps.incidents.standin import PASSWORD, USER, Incidents, Switches, service
from catchment.apps.incidents.standin_data import SIZES, TYPES
from catchment.clock import FakeClock
from catchment.errors import UsageError
from catchment.standin import Request, serve_in_thread

from .conftest import START, ask, options

AUTHORIZATION = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
MAP = "/identities/"


def get(said: Incidents, path: str = "/incidents/denial/", *, at: datetime = START, parallel: int = 1, **switches):
    """The answer of the service, without sockets."""
    headers = {"authorization": AUTHORIZATION}
    return said.answer(Request("GET", path, {}, headers, b"", at, 1, path, parallel), Switches(**switches))


def rows(said: Incidents, kind: str = "denial", **more) -> list[dict]:
    return json.loads(get(said, f"/incidents/{kind}/", **more).body)["results"]


def people(said: Incidents, **switches) -> dict[str, int]:
    return json.loads(get(said, MAP, **switches).body)


@pytest.fixture
def tiny() -> Incidents:
    return service(options())


@pytest.fixture
def small() -> Incidents:
    return service(options("small"))


MEMBERS = {
    "denial": ["priority", "reported_by", "timestamp", "source_ip"],
    "intrusion": ["priority", "internal_ip", "timestamp", "source_ip"],
    "executable": ["priority", "machine_ip", "timestamp"],
    "misuse": ["priority", "employee_id", "timestamp"],
    "unauthorized": ["priority", "employee_id", "timestamp"],
    "probing": ["priority", "ip", "timestamp"],
    "other": ["priority", "identifier", "timestamp"],
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_type_has_its_members_over_the_trailing_week_in_order(small, kind):
    found = rows(small, kind)
    assert len(found) == 300
    assert {tuple(row) for row in found} == {tuple(MEMBERS[kind])}
    moments = [row["timestamp"] for row in found]
    assert moments == sorted(moments)
    assert START.timestamp() - 7 * 86400 <= moments[0] < moments[-1] <= START.timestamp()
    assert {row["priority"] for row in found} == {"low", "medium", "high", "critical"}
    assert max(len(repr(moment).partition(".")[2]) for moment in moments) == 7


def test_the_map_is_one_to_one_and_the_source_is_never_in_it(small):
    pairs = people(small)
    assert len(pairs) == len(set(pairs.values())) == 5_000
    assert all(ip.startswith("17.") for ip in pairs)
    assert not {row["source_ip"] for kind in ("denial", "intrusion") for row in rows(small, kind)} & set(pairs)
    assert {row["internal_ip"] for row in rows(small, "intrusion")} <= set(pairs)
    assert {row["reported_by"] for row in rows(small)} <= set(pairs.values())


def test_nobody_has_many_incidents_and_other_names_by_id_ip_and_digits(small):
    pairs = people(small)
    named = [row["identifier"] for row in rows(service(options("medium")), "other")]
    texts = [name for name in named if isinstance(name, str)]
    assert 0.4 < len(texts) / len(named) < 0.6
    assert 0 < sum(text.isdigit() for text in texts) < 0.05 * len(named)
    subjects = [row[MEMBERS[kind][1]] for kind in TYPES for row in rows(small, kind)]
    employees = Counter(pairs.get(subject, subject) for subject in subjects)
    assert max(employees.values()) <= 7


def test_each_poll_is_a_week_of_its_own_and_a_reset_begins_again(tiny):
    first, second = rows(tiny), rows(tiny)
    assert not {row["timestamp"] for row in first} & {row["timestamp"] for row in second}
    tiny.reset()
    assert rows(tiny) == first


def test_a_sliding_week_keeps_what_it_had_and_gets_new_ones_by_the_minute(small):
    def week(minutes: float) -> list[dict]:
        return rows(small, at=START + timedelta(minutes=minutes), mode="stable")

    first, same, later = week(0), week(0.9), week(120)
    assert 295 <= len(first) <= 305
    assert first == same
    kept = [row for row in first if row in later]
    assert kept == later[: len(kept)]
    assert len(first) - len(kept) == pytest.approx(120 * 300 / (7 * 1440), abs=4)
    assert len(later) > len(kept)


def test_same_variant_same_bytes_other_variant_other_bytes():
    bodies = [get(service(options(variant=number))).body for number in (1, 1, 2)]
    assert bodies[0] == bodies[1] != bodies[2]


def test_another_edition_of_the_map_shares_no_address(small):
    first, second = people(small), people(small, map_edition=1)
    assert not set(first) & set(second)
    assert set(first.values()) == set(second.values())


def test_addresses_are_missing_for_some_polls_and_then_there_again(small):
    sizes = [len(people(small, map_missing=40, map_missing_polls=2)) for _ in range(3)]
    assert sizes == [3000, 3000, 5000]
    assert len(people(small)) == 5_000


def test_a_moved_address_is_another_employees(tiny):
    before, after = people(tiny), people(tiny, map_moved=2)
    differing = [ip for ip in before if before[ip] != after[ip]]
    assert differing == list(before)[:2]
    assert sorted(before.values()) == sorted(after.values())


@pytest.mark.parametrize("body", ["list", "html", "truncated", "text-ids", "empty"])
def test_a_broken_map_is_no_object_of_numbers(tiny, body):
    answer = get(tiny, MAP, map_body=body)
    assert answer.status == 200
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    assert not (isinstance(said, dict) and said and all(isinstance(value, int) for value in said.values()))


def test_only_the_right_user_is_let_in(tiny):
    assert get(tiny, password="another").status == 401
    nobody = tiny.answer(Request("GET", "/incidents/denial/", {}, {}, b"", START, 1), Switches())
    assert nobody.status == 401


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_without_its_slash_a_path_is_redirected_also_elsewhere(tiny, status):
    here = get(tiny, "/incidents/denial", redirect=status)
    assert (here.status, dict(here.headers)["Location"]) == (status, "/incidents/denial/")
    there = get(tiny, MAP, redirect=status, redirect_to="http://other.example:81")
    assert (there.status, dict(there.headers)["Location"]) == (status, "http://other.example:81/identities/")


def test_a_status_is_for_its_type_and_its_call(tiny):
    switches = {"concern": "probing", "status": 503, "call": 2}
    statuses = [get(tiny, f"/incidents/{kind}/", **switches).status for kind in ("probing", "denial", "probing")]
    assert statuses == [200, 200, 503]


@pytest.mark.parametrize("body", ["html", "truncated", "no-results"])
def test_a_spoiled_body_holds_no_list(tiny, body):
    try:
        said = json.loads(get(tiny, body=body).body)
    except ValueError:
        said = {}
    assert "results" not in said


SPOILED = {
    "priority": ({"priority": "severe"}, lambda row: row["priority"] == "severe"),
    "text": ({"timestamp": "text"}, lambda row: isinstance(row["timestamp"], str)),
    "ms": ({"timestamp": "ms"}, lambda row: row["timestamp"] > 1e12),
    "nan": ({"timestamp": "nan"}, lambda row: row["timestamp"] != row["timestamp"]),
}


@pytest.mark.parametrize("name", SPOILED)
def test_the_first_incident_is_spoiled_and_no_other(tiny, name):
    switches, spoiled = SPOILED[name]
    assert [spoiled(row) for row in rows(tiny, **switches)] == [True, *[False] * 9]


def test_equal_incidents_an_empty_list_a_known_source_and_no_order(tiny):
    doubled = rows(tiny, equal=True)
    assert len(doubled) == 11
    assert doubled[0] == doubled[1]
    assert rows(tiny, body="empty-list") == []
    assert {row["source_ip"] for row in rows(tiny, known_source=True)} <= set(people(tiny))
    moments = [row["timestamp"] for row in rows(tiny, unordered=True)]
    assert moments != sorted(moments)


def test_an_answer_is_late_in_proportion_to_what_is_open(tiny):
    assert get(tiny).fault is None
    fault = get(tiny, parallel_s=1.6, late_s=0.5, parallel=2).fault
    assert (fault.name, fault.pause_s) == ("late", pytest.approx(3.7))


def test_a_late_answer_is_whole_and_comes_over_a_socket(tiny):
    with serve_in_thread(tiny, clock=FakeClock(START), switches={"late_s": 0.01}) as running:
        said = ask(running.url, MAP, f"Authorization: {AUTHORIZATION}")
        assert len(said.json()) == SIZES["tiny"].identities
        assert running.control.log()[0]["fault"] == "late"


def test_a_wrong_switch_is_told(tiny):
    with serve_in_thread(tiny, clock=FakeClock(START)) as running:
        for switches in ({"map_missing": 101}, {"redirect_to": "there"}, {"concern": "theft"}):
            with pytest.raises(UsageError):
                running.control.set(**switches)


def test_a_recorded_poll_is_served_as_it_came(samples):
    said = service(options(samples=samples, now=datetime(2022, 7, 26, 21, tzinfo=UTC)))
    counts = {kind: len(rows(said, kind)) for kind in TYPES}
    assert sum(counts.values()) == 1_842
    assert (counts["probing"], counts["other"]) == (19, 323)
    assert len(people(said)) == 5_000
    recorded = samples / "incidents" / "poll_2022-07-26T2050Z" / "denial.json"
    assert get(said).body == recorded.read_bytes()
    assert rows(said, priority="severe")[0]["priority"] == "severe"


def test_recordings_that_are_not_there_are_told(tmp_path):
    with pytest.raises(UsageError, match="no recordings of incidents"):
        service(options(samples=tmp_path))
