"""What a request for the report asks for: its parameters, read into one frozen value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from catchment.web import QueryError

from .rules import PRIORITIES, SUBJECTS

__all__ = ["MEANINGS", "UNATTRIBUTED", "Asked", "asked_for", "nothing_asked_for", "unattributed_asked_for"]

MOST_EMPLOYEES_NAMED = 100
MOST_ON_PAGE, MOST_UNATTRIBUTED, DEFAULT_UNATTRIBUTED = 5_000, 1_000, 100

MEANINGS = {
    "employee_id": f"Only this employee; may be given up to {MOST_EMPLOYEES_NAMED} times.",
    "priority": f"Only these, separated by commas: {', '.join(PRIORITIES)}. The others have count 0.",
    "type": f"Only these, separated by commas: {', '.join(SUBJECTS)}.",
    "since": "From this moment on, included: RFC 3339 with a zone, or epoch seconds.",
    "until": "Up to this moment, excluded: RFC 3339 with a zone, or epoch seconds.",
    "order": "`asc` (default) or `desc`, by timestamp, inside the lists.",
    "limit": f"Employees on a page, 1 to {MOST_ON_PAGE}; without it everything.",
    "cursor": "The next page's, from the header Link.",
}
UNATTRIBUTED = {
    "limit": f"Incidents on a page, 1 to {MOST_UNATTRIBUTED}; default {DEFAULT_UNATTRIBUTED}.",
    "cursor": MEANINGS["cursor"],
}

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which incidents are meant, in which order, and how much of them.

    priorities, types: () for all. since, until: epoch seconds. limit: None for everything.
    """

    employees: tuple[int, ...] = ()
    priorities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: Decimal | None = None
    until: Decimal | None = None
    descending: bool = False
    limit: int | None = None
    cursor: str = ""

    @property
    def purpose(self) -> str:
        """What a cursor of this walk is good for: nothing that is asked otherwise."""
        bounds = (self.since, self.until)
        return f"report {self.employees} {self.priorities} {self.types} {bounds} {self.descending}"


def asked_for(pairs: Pairs) -> Asked:
    """What the parameters of the report mean. QueryError: 400 for one that is unknown, doubled or wrong."""
    found = _read(pairs, MEANINGS, _REPORT)
    asked = Asked(**{_FIELDS.get(name, name): value for name, value in found.items()})
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise QueryError("since: is not before until", parameter="since")
    return asked


def unattributed_asked_for(pairs: Pairs) -> Asked:
    """What the parameters of the list of unattributed incidents mean. QueryError as for the report."""
    rules = {"limit": _number(MOST_UNATTRIBUTED), "cursor": _cursor}
    return Asked(**{"limit": DEFAULT_UNATTRIBUTED, **_read(pairs, UNATTRIBUTED, rules)})


def nothing_asked_for(pairs: Pairs) -> None:
    """Returns if there are no parameters. QueryError if there are."""
    _read(pairs, {}, {})


def _read(pairs: Pairs, known: Mapping[str, str], rules: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name not in known:
            near = get_close_matches(name[:80], known, n=1, cutoff=0.4)
            hint = f"; the nearest is {near[0]}" if near else f"; there are {', '.join(known) or 'none'}"
            raise QueryError(f"unknown parameter {name[:60]}{hint}", kind="unknown-parameter", parameter=name[:60])
        if name in found and name != "employee_id":
            raise QueryError(f"{name} is given twice", parameter=name)
        try:
            value = rules[name](text)
        except ValueError as error:
            raise QueryError(f"{name}: {error}", parameter=name) from error
        found[name] = (*found.get(name, ()), value) if name == "employee_id" else value
    employees = tuple(dict.fromkeys(found.get("employee_id", ())))
    if len(employees) > MOST_EMPLOYEES_NAMED:
        raise QueryError(f"employee_id: more than {MOST_EMPLOYEES_NAMED} are named", parameter="employee_id")
    return found | ({"employee_id": employees} if employees else {})


def _number(most: int) -> Callable[[str], int]:
    def rule(text: str) -> int:
        if not re.fullmatch(r"[1-9][0-9]{0,15}", text) or int(text) > most:
            raise ValueError(f"{text[:60]!r} is not a whole number from 1 to {most}")
        return int(text)

    return rule


def _employee(text: str) -> int:
    """Any whole number: of an id that nobody can have there are no incidents."""
    if not re.fullmatch(r"-?[0-9]{1,16}", text):
        raise ValueError(f"{text[:60]!r} is not a whole number")
    return int(text)


def _words(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def rule(text: str) -> tuple[str, ...]:
        names = text.split(",")
        if stray := next((name for name in names if name not in known), None):
            raise ValueError(f"{stray[:60]!r} is none of {', '.join(known)}")
        if "" in names:
            raise ValueError("names nothing")
        return tuple(name for name in known if name in names)

    return rule


_EPOCH_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _moment(text: str) -> Decimal:
    """Epoch seconds, exact."""
    if _EPOCH_SECONDS.fullmatch(text):
        return Decimal(text)
    found = _RFC_3339.fullmatch(text)
    if found is None:
        raise ValueError("is neither RFC 3339 with a zone (a + is written %2B) nor epoch seconds")
    try:
        whole = datetime.fromisoformat(f"{found[1]}{found[3]}".upper()) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no moment of the calendar") from None
    return whole.days * 86_400 + whole.seconds + Decimal(f"0{found[2] or ''}")


def _order(text: str) -> bool:
    if text not in ("asc", "desc"):
        raise ValueError(f"{text[:60]!r} is neither asc nor desc")
    return text == "desc"


def _cursor(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text


_REPORT: Mapping[str, Callable[[str], Any]] = {
    "employee_id": _employee,
    "priority": _words(PRIORITIES),
    "type": _words(tuple(SUBJECTS)),
    "since": _moment,
    "until": _moment,
    "order": _order,
    "limit": _number(MOST_ON_PAGE),
    "cursor": _cursor,
}
_FIELDS = {"employee_id": "employees", "priority": "priorities", "type": "types", "order": "descending"}
