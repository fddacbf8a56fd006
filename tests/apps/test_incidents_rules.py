"""What a row of an endpoint says, whose incident it is, and what a request asks for: rules without I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from catchment.apps.incidents.asking import asked_for, unattributed_asked_for
from catchment.apps.incidents.rules import (
    Identity,
    Incident,
    attribute,
    employee_in,
    identities_of,
    incident,
    ip_of,
    no_employee,
    read_incidents,
    read_map,
)
from catchment.clock import render_moment
from catchment.decode import load_json
from catchment.errors import DecodeError, QueryError
from catchment.exchange import Answer
from catchment.partitions import Partition

pytestmark = pytest.mark.storeless

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
BASE = {"priority": "high", "timestamp": Decimal("1658264566.2610762")}


def of(kind: str) -> Partition:
    return Partition((("type", kind),))


def record(kind: str, **members: object) -> Incident:
    """The record that a row of this type becomes, as the collector makes it."""
    row = load_json(msgspec.json.encode({**BASE, "timestamp": 1658264566.2610762, **members}))
    return msgspec.convert(incident(row, of(kind)), Incident)


class Lookup:
    """A map as a rule is given it, that remembers what it was asked."""

    def __init__(self, **people: int) -> None:
        self.people = {ip.replace("_", "."): employee for ip, employee in people.items()}
        self.at = AT
        self.asked: list[str] = []

    def __call__(self, ip: str) -> Identity | None:
        self.asked.append(ip)
        return Identity(ip, self.people[ip]) if ip in self.people else None


# -- rows -----------------------------------------------------------------------------------------------------------


def test_a_timestamp_keeps_every_digit_and_its_moment_is_cut():
    """Acceptance 2: seven decimals are more than microseconds."""
    found = record("misuse", employee_id=904)
    assert found.timestamp == Decimal("1658264566.2610762")
    assert render_moment(found.occurred_at) == "2022-07-19T21:02:46.261076Z"
    almost = incident({"priority": "low", "timestamp": Decimal("1.9999999"), "employee_id": 1}, of("misuse"))
    assert render_moment(almost["occurred_at"]) == "1970-01-01T00:00:01.999999Z"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param("1658264566.2", "no number", id="text"),
        pytest.param(True, "no number", id="true"),
        pytest.param(None, "no number", id="null"),
        pytest.param(Decimal("1658264566261.5"), "no number of seconds", id="milliseconds"),
        pytest.param(-1, "no number of seconds", id="negative"),
        pytest.param(Decimal("1e5000"), "no number of seconds", id="beyond all"),
    ],
)
def test_a_timestamp_that_is_none_is_refused(value, reason):
    """Acceptance 16."""
    with pytest.raises(ValueError, match=reason):
        incident({**BASE, "timestamp": value, "employee_id": 1}, of("misuse"))


@pytest.mark.parametrize("kind", ["denial", "misuse", "unauthorized", "other"])
@pytest.mark.parametrize("value", [True, False, 0, -7, 2**53, Decimal("1.5"), Decimal("1.0"), None, [904]], ids=repr)
def test_an_id_is_a_whole_number_up_to_2_53(kind, value):
    members = dict.fromkeys(("reported_by", "employee_id", "identifier"), value)
    with pytest.raises(ValueError, match=r"whole number|identifier is neither"):
        incident({**BASE, **members, "source_ip": "8.8.8.8"}, of(kind))
    largest = dict.fromkeys(members, 2**53 - 1)
    assert incident({**BASE, **largest, "source_ip": "8.8.8.8"}, of(kind))


@pytest.mark.parametrize(
    ("identifier", "kind", "employee"),
    [(378950, "int", 378950), ("378950", "digits", 378950), ("17.127.126.103", "ip", None)],
    ids=["number", "digits", "address"],
)
def test_an_identifier_is_an_id_or_an_address(identifier, kind, employee):
    """Acceptance 3."""
    found = record("other", identifier=identifier)
    assert (found.identifier, found.identifier_kind) == (str(identifier), kind)
    assert employee_in(found) == employee
    assert employee is not None or ip_of(found) == identifier


@pytest.mark.parametrize(
    "identifier", ["abc", "", " 378950", "3٣", "17.127.126", "17.127.126.256", "0", "9" * 17, "-1"]
)
def test_an_identifier_of_another_form_is_refused(identifier):
    """Acceptance 3."""
    with pytest.raises(ValueError, match=r"identifier is neither|whole number"):
        incident({**BASE, "identifier": identifier}, of("other"))


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("denial", {"reported_by": 1}),
        ("intrusion", {"source_ip": "8.8.8.8"}),
        ("intrusion", {"internal_ip": 17, "source_ip": "8.8.8.8"}),
        ("denial", {"reported_by": 1, "source_ip": None}),
        ("probing", {"machine_ip": "17.1.1.1"}),
    ],
    ids=["no source", "no address", "a number for an address", "null", "another type's member"],
)
def test_a_row_without_what_its_type_has_is_refused(kind, members):
    with pytest.raises((ValueError, KeyError)):
        incident({**BASE, **members}, of(kind))


def test_pairs_of_the_map_are_checked_one_by_one():
    rows = list(identities_of({"17.1.1.1": 904, "17.1.1.2": 2**53}, Partition()))
    assert [no_employee(Identity(**row)) == "" for row in rows] == [True, False]
    assert no_employee(Identity("nobody", 1)) == "ip is no IP address"
    with pytest.raises(DecodeError, match="no map of identities"):
        list(identities_of([["17.1.1.1", 904]], Partition()))


# -- answers --------------------------------------------------------------------------------------------------------

BODIES = {
    "a list": (b'{"results":[{}]}', "data", "transient"),
    "nothing in it": (b'{"results":[]}', "data", "transient"),
    "a map": (b'{"17.1.1.1":904}', "transient", "data"),
    "an array": (b'[["17.1.1.1",904]]', "transient", "transient"),
    "cut off": (b'{"results":[{"prio', "transient", "transient"),
    "a page": (b"<html>Back soon</html>", "transient", "transient"),
    "nothing": (b"", "transient", "transient"),
    "no UTF-8": (b'{"results":["\xff"]}', "transient", "transient"),
    "deep": (b"[" * 200_000, "transient", "transient"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_200_is_judged_by_its_shape(name):
    body, of_type, of_map = BODIES[name]
    answer = Answer(200, body, AT)
    # A list of results is an object too: that it is no map of identities its pairs say, and all of them are rejects.
    of_map = "data" if body.startswith(b'{"results":[') and of_type == "data" else of_map
    assert (read_incidents(answer, of("denial")).kind, read_map(answer, Partition()).kind) == (of_type, of_map)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "transient"), (500, "transient"), (503, "transient"), (401, "auth"), (403, "auth"), (404, "refused")],
)
def test_a_status_says_what_it_says_of_both(status, kind):
    answer = Answer(status, b"{}", AT)
    assert {read_incidents(answer, of("other")).kind, read_map(answer, Partition()).kind} == {kind}


# -- whose it is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("denial", {"reported_by": 904, "source_ip": "17.0.0.9"}),
        ("misuse", {"employee_id": 904}),
        ("unauthorized", {"employee_id": 904}),
        ("other", {"identifier": 904}),
        ("other", {"identifier": "904"}),
    ],
    ids=["denial", "misuse", "unauthorized", "other", "other as text"],
)
def test_a_direct_id_needs_no_map(kind, members):
    """Acceptance 4: the source may be anybody's address."""
    lookup = Lookup(**{"17_0_0_9": 5})
    found = attribute(record(kind, **members), lookup, None)
    assert (found.employee_id, found.attributed_from, found.attributed_at) == (904, "direct", found.occurred_at)
    assert lookup.asked == []


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("intrusion", {"internal_ip": "17.0.0.1", "source_ip": "17.0.0.9"}),
        ("executable", {"machine_ip": "17.0.0.1"}),
        ("probing", {"ip": "17.0.0.1"}),
        ("other", {"identifier": "17.0.0.1"}),
    ],
    ids=["intrusion", "executable", "probing", "other"],
)
def test_an_address_is_looked_up_and_its_source_never(kind, members):
    """Acceptance 4."""
    lookup = Lookup(**{"17_0_0_1": 904, "17_0_0_9": 5})
    found = attribute(record(kind, **members), lookup, None)
    assert (found.employee_id, found.attributed_from, found.attributed_at) == (904, "map", AT)
    assert lookup.asked == ["17.0.0.1"]


def test_who_was_found_once_stays_and_who_was_not_is_looked_up_again():
    """Acceptance 5 and 14."""
    told = record("probing", ip="17.0.0.1")
    unknown = attribute(told, Lookup(), None)
    assert (unknown.employee_id, unknown.attributed_from, unknown.attributed_at) == (None, None, None)
    found = attribute(told, Lookup(**{"17_0_0_1": 904}), unknown)
    moved = attribute(told, Lookup(**{"17_0_0_1": 5}), found)
    gone = attribute(told, Lookup(), moved)
    assert found == moved == gone
    assert found.employee_id == 904


# -- what is asked --------------------------------------------------------------------------------------------------


def test_parameters_are_read():
    pairs = [
        *(("employee_id", "904"), ("employee_id", "97"), ("employee_id", "904")),
        *(("priority", "critical,low"), ("type", "probing"), ("order", "desc"), ("limit", "5000")),
        *(("since", "2022-07-19T21:02:46.2610762+01:00"), ("until", "1658264567")),
    ]
    found = asked_for(pairs)
    assert (found.employees, found.priorities, found.types) == ((904, 97), ("low", "critical"), ("probing",))
    assert (found.since, found.until) == (Decimal("1658260966.2610762"), Decimal(1658264567))
    assert (found.descending, found.limit) == (True, 5000)
    assert unattributed_asked_for([]).limit == 100


WRONG = [
    *(("limit", text) for text in ("0", "5001", "-1", "1.5", "ten", "", "٣", "1_000", " 5")),
    *(("employee_id", text) for text in ("abc", "", "-", "1e3", "10000000000000000")),
    *(("priority", text) for text in ("severe", "", "low,", "LOW", "low,severe")),
    *(("type", text) for text in ("theft", "", ",")),
    *(("since", text) for text in ("yesterday", "2022-07-19", "2022-07-19T21:02:46", "2022-02-30T00:00:00Z", "-1", "")),
    *(("order", text) for text in ("up", "", "ASC")),
    *(("cursor", ""), ("colour", "red"), ("employee", "904")),
]


@pytest.mark.parametrize(("name", "text"), WRONG, ids=[f"{name}={text}" for name, text in WRONG])
def test_a_wrong_parameter_is_named(name, text):
    with pytest.raises(QueryError, match=name) as caught:
        asked_for([(name, text)])
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("since", "10"), ("until", "10")], "since: is not before until"),
        ([("limit", "5"), ("limit", "5")], "limit is given twice"),
        ([("employee_id", str(number)) for number in range(1, 102)], "more than 100 are given"),
    ],
    ids=["nothing between", "twice", "too many"],
)
def test_parameters_that_cannot_be_together_are_refused(pairs, said):
    with pytest.raises(QueryError, match=said):
        asked_for(pairs)


@pytest.mark.parametrize(
    ("kind", "name"), [("intrusion", "internal_ip"), ("executable", "machine_ip"), ("probing", "ip")]
)
def test_an_address_that_leads_to_an_employee_has_to_be_one(kind, name):
    row = {"priority": "low", "timestamp": 1, name: "not-an-address", "source_ip": "205.196.248.174"}
    with pytest.raises(ValueError, match=f"{name} is no IP address"):
        incident(row, Partition((("type", kind),)))
