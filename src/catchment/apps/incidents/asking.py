"""What a request for the report asks for: its parameters, read into one frozen value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from catchment.web import Parameter, QueryError, read_parameters

from .rules import PRIORITIES, SUBJECTS

__all__ = ["REPORT", "UNATTRIBUTED", "Asked", "asked_for", "unattributed_asked_for"]

_EPOCH_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _epoch_seconds(text: str) -> Decimal:
    """The moment in epoch seconds, exact."""
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


_CURSOR = Parameter("The next page's, from the header Link.", default="")
_Id = Annotated[int, Meta(ge=1 - 10**16, le=10**16 - 1)]
"""Any whole number: of an id that nobody can have there are no incidents."""


def _moment(words: str) -> Parameter:
    return Parameter(f"{words}: RFC 3339 with a zone, or epoch seconds.", "2022-07-24T00:00:00Z", reads=_epoch_seconds)


def _words(known: Sequence[str], words: str) -> Parameter:
    word = Annotated[str, Meta(extra_json_schema={"enum": list(known)})]
    return Parameter(f"Only these, separated by commas{words}.", known[0], kind=list[word], default=(), commas=True)


REPORT = {
    "employee_id": Parameter(
        "Only this employee; may be given up to 100 times.",
        904,
        kind=Annotated[list[_Id], Meta(max_length=100)],
        default=(),
    ),
    "priority": _words(PRIORITIES, "; the others have count 0"),
    "type": _words(tuple(SUBJECTS), ""),
    "since": _moment("From this moment on, included"),
    "until": _moment("Up to this moment, excluded"),
    "order": Parameter("By timestamp, inside the lists.", "desc", kind=Literal["asc", "desc"], default="asc"),
    "limit": Parameter("Employees on a page; without it everything.", 100, kind=Annotated[int, Meta(ge=1, le=5000)]),
    "cursor": _CURSOR,
}
UNATTRIBUTED = {
    "limit": Parameter("Incidents on a page.", 100, kind=Annotated[int, Meta(ge=1, le=1000)], default=100),
    "cursor": _CURSOR,
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
    given = read_parameters(pairs, REPORT)
    asked = Asked(
        employees=tuple(dict.fromkeys(given["employee_id"])),
        priorities=tuple(name for name in PRIORITIES if name in given["priority"]),
        types=tuple(name for name in SUBJECTS if name in given["type"]),
        descending=given["order"] == "desc",
        **{name: given[name] for name in ("since", "until", "limit", "cursor")},
    )
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise QueryError("since: is not before until", parameter="since")
    return asked


def unattributed_asked_for(pairs: Pairs) -> Asked:
    """What the parameters of the list of unattributed incidents mean. QueryError as for the report."""
    return Asked(**read_parameters(pairs, UNATTRIBUTED))
