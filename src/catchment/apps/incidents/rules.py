"""What an answer of the incident endpoints is, what a row of it says, and whose incident it is. Pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

import msgspec

from catchment import Answer, DecodeError, Meaning, Partition, Record, read_http

__all__ = [
    "MOST_ID",
    "PRIORITIES",
    "SOURCES",
    "SUBJECTS",
    "Identity",
    "Incident",
    "attribute",
    "employee_in",
    "identities_of",
    "incident",
    "ip_of",
    "no_employee",
    "read_incidents",
    "read_map",
]

SUBJECTS: Mapping[str, str] = {
    "denial": "reported_by",
    "intrusion": "internal_ip",
    "executable": "machine_ip",
    "misuse": "employee_id",
    "unauthorized": "employee_id",
    "probing": "ip",
    "other": "identifier",
}
"""Each type, with the member that says whose incident it is. `source_ip` never does: it is the attacker's."""

SOURCES = ("denial", "intrusion")
"""The types that name their source."""

PRIORITIES = ("low", "medium", "high", "critical")

MOST_ID = 2**53 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_SECONDS = Decimal(253_402_300_800)  # the year 10000
_MICROSECOND = Decimal("0.000001")


class Identity(Record):
    """Whose an IP address is."""

    ip: str
    employee_id: int


class Incident(Record):
    """One security incident as its endpoint tells it, and the employee whom it is attributed to.

    timestamp: epoch seconds, digit for digit; occurred_at: the same, cut to microseconds. employee_id_given: the
    upstream's own member `employee_id`. identifier_kind: `int` for a number, `digits` for a text that spells one, `ip`.
    """

    type: str
    priority: Literal["low", "medium", "high", "critical"]
    timestamp: Decimal
    occurred_at: datetime
    reported_by: int | None = None
    source_ip: str | None = None
    internal_ip: str | None = None
    machine_ip: str | None = None
    ip: str | None = None
    employee_id_given: int | None = None
    identifier: str | None = None
    identifier_kind: Literal["int", "digits", "ip"] | None = None
    employee_id: int | None = None
    attributed_at: datetime | None = None
    attributed_from: Literal["direct", "map"] | None = None


# -- answers --------------------------------------------------------------------------------------------------------


def read_incidents(answer: Answer, partition: Partition) -> Meaning:
    """What the answer of a type's endpoint is: data only with a list of results."""
    if answer.status != 200:
        return _read_status(answer, partition)
    listed = _json(answer.body, _listed) is _LISTED
    return Meaning.data() if listed else Meaning.transient("no list of results")


_LISTED = object()


def _listed(found: dict[str, Any]) -> object:
    """What stands for an object while a body is looked through: its values, all in memory, would be many times it."""
    return _LISTED if isinstance(found.get("results"), list) else None


def read_map(answer: Answer, partition: Partition) -> Meaning:
    """What the answer of the identity endpoint is: data only if it is one object."""
    if answer.status != 200:
        return _read_status(answer, partition)
    return Meaning.data() if isinstance(_json(answer.body), dict) else Meaning.transient("no map of identities")


def _read_status(answer: Answer, partition: Partition) -> Meaning:
    """Too many requests are a fault that passes, after the same few tries; what is not found is looked for again."""
    if answer.status == 429:
        return Meaning.transient("429")
    if answer.status == 404:
        return Meaning.refused("404", scheduled=True)
    return read_http(answer, partition)


def _json(body: bytes, instead: Callable[[dict[str, Any]], object] | None = None) -> Any:
    """The body's value, None where it is no JSON. NaN passes: the record that has it is refused later, alone.

    instead: what is put in the place of each object.
    """
    try:
        return json.loads(body, object_hook=instead)
    except (ValueError, RecursionError):
        return None


# -- rows -----------------------------------------------------------------------------------------------------------


def identities_of(body: Any, partition: Partition) -> Iterable[Mapping[str, Any]]:  # noqa: ARG001 (a feed's shape)
    """The pairs of the identity map."""
    if not isinstance(body, dict):
        raise DecodeError("no map of identities")
    return ({"ip": ip, "employee_id": employee} for ip, employee in body.items())


def no_employee(identity: Identity) -> str:
    """Why a pair of the map cannot be, "" when it can."""
    if not is_ip(identity.ip):
        return "ip is no IP address"
    return "" if 1 <= identity.employee_id <= MOST_ID else f"employee_id is not from 1 to {MOST_ID}"


def incident(row: Mapping[str, Any], partition: Partition) -> Mapping[str, Any]:
    """The fields of an incident that its endpoint tells. ValueError or KeyError for a row that is none."""
    kind = partition["type"]
    moment = _seconds(row["timestamp"])
    fields: dict[str, Any] = {"type": kind, "priority": row["priority"], "timestamp": moment}
    fields["occurred_at"] = _EPOCH + timedelta(microseconds=int(moment.quantize(_MICROSECOND, ROUND_DOWN) * 10**6))
    subject = row[SUBJECTS[kind]]
    if kind == "other":
        fields["identifier"], fields["identifier_kind"] = str(subject), _identifier_kind(subject)
    elif kind in ("misuse", "unauthorized"):
        fields["employee_id_given"] = _employee(subject)
    else:
        fields[SUBJECTS[kind]] = _employee(subject) if kind == "denial" else _address(subject, SUBJECTS[kind])
    if kind in SOURCES:
        fields["source_ip"] = _text(row["source_ip"], "source_ip")
    return fields


def _seconds(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("timestamp is no number")
    if not 0 <= value < _MOST_SECONDS:
        raise ValueError("timestamp is no number of seconds since 1970")
    return Decimal(value)


def _employee(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ID:
        raise ValueError(f"an employee's id is a whole number from 1 to {MOST_ID}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value


def _address(value: Any, name: str) -> str:
    if not (isinstance(value, str) and is_ip(value)):
        raise ValueError(f"{name} is no IP address")
    return value


def _identifier_kind(value: Any) -> str:
    if isinstance(value, str) and is_ip(value):
        return "ip"
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MOST_ID)):
        _employee(int(value))
        return "digits"
    if isinstance(value, str):
        raise ValueError("identifier is neither an employee's id nor an IP address")
    _employee(value)
    return "int"


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# -- whose it is ----------------------------------------------------------------------------------------------------


def employee_in(record: Incident) -> int | None:
    """The employee whom the incident names itself; None where only an IP address leads to one."""
    if record.type == "other":
        return None if record.identifier_kind == "ip" or record.identifier is None else int(record.identifier)
    return record.reported_by or record.employee_id_given


def ip_of(record: Incident) -> str:
    """The address whose owner the incident belongs to; only of one that names no employee."""
    return record.internal_ip or record.machine_ip or record.ip or record.identifier or ""


def attribute(record: Incident, lookup: Any, before: Incident | None) -> Incident:
    """The incident with its employee, as it stands after this look at the map.

    An id in it needs no map. An employee who was found once stays, whoever has the address now. An address that the
    map does not have leaves the incident unattributed, until a later map has it.
    """
    if (named := employee_in(record)) is not None:
        return _attributed(record, named, record.occurred_at, "direct")
    if before is not None and before.employee_id is not None:
        return _attributed(record, before.employee_id, before.attributed_at, before.attributed_from)
    found = lookup(ip_of(record))
    if found is None:
        return _attributed(record, None, None, None)
    return _attributed(record, found.employee_id, lookup.at, "map")


def _attributed(record: Incident, employee: int | None, at: datetime | None, source: str | None) -> Incident:
    replace: Callable[..., Incident] = msgspec.structs.replace
    return replace(record, employee_id=employee, attributed_at=at, attributed_from=source)
