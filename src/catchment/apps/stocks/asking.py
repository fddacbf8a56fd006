"""What the stocks app's own routes are asked: one table of their parameters, and what they come to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta

from catchment.web import AsOf, Parameter, judge_parameters, parse_as_of

from .options import symbol

__all__ = ["COVERAGE", "ROWS", "STATISTICS", "Asked", "read"]

Filter = tuple[str, str, Any]
Pairs = Sequence[tuple[str, str]]

_IDLE = Parameter("Taken, without effect.", "1")
_DATES = {
    "start_date": Parameter("First day, YYYY-MM-DD, included.", "2026-01-01", kind=date),
    "end_date": Parameter("Last day, YYYY-MM-DD, included.", "2026-12-31", kind=date),
}
_STATE = {
    "adjust": Parameter(
        "By what prices before an event are adjusted; 409 where the splits or dividends are not collected.",
        "none",
        kind=Literal["none", "splits", "all"],
        default="none",
    ),
    "as_of": Parameter("As it was: a moment, a date or a revision.", "2026-01-31", reads=parse_as_of),
}
COVERAGE = {"symbol": Parameter("One symbol.", "IBM", reads=symbol, default="")}
ROWS = {
    **_DATES,
    **COVERAGE,
    "limit": Parameter("Rows on a page.", 10, kind=Annotated[int, Meta(ge=1, le=1000)], default=5, also="size"),
    "page": Parameter("Which page.", 1, kind=Annotated[int, Meta(ge=1, le=1_000_000)], default=1),
    "include": Parameter(
        "More members, separated by commas; 409 for `adjusted_close` where none was ever collected.",
        "high",
        kind=list[Literal["high", "low", "adjusted_close", "provisional"]],
        default=(),
        commas=True,
    ),
    **_STATE,
}
STATISTICS = {
    **{name: replace(item, required=True) for name, item in _DATES.items()},
    "symbol": replace(COVERAGE["symbol"], also="symbols", required=True),
    **_STATE,
    **dict.fromkeys(("size", "limit", "page"), _IDLE),
}


@dataclass(frozen=True)
class Asked:
    """The parameters, read; `errors` says what is wrong with them, and then the defaults stand instead."""

    start_date: date | None = None
    end_date: date | None = None
    symbol: str = ""
    limit: int = ROWS["limit"].default
    page: int = ROWS["page"].default
    include: tuple[str, ...] = ()
    adjust: str = "none"
    as_of: AsOf | None = None
    errors: tuple[str, ...] = ()

    @property
    def filters(self) -> list[Filter]:
        wanted: list[tuple[str, str, Any]] = [
            ("date", "gte", self.start_date),
            ("date", "lte", self.end_date),
            ("symbol", "eq", self.symbol or None),
        ]
        return [item for item in wanted if item[2] is not None]

    @property
    def by_symbol(self) -> list[Filter]:
        return self.filters[-1:] if self.symbol else []


def read(pairs: Pairs, known: Mapping[str, Parameter]) -> Asked:
    """What the parameters ask for. Never raises: what is wrong is in `errors`."""
    values, faults = judge_parameters(pairs, known)
    errors = [fault.message for fault in faults]
    if known is STATISTICS and {"symbol", "symbols"} <= {name for name, _ in pairs}:
        errors.append("symbols: symbol is given too")
    asked = Asked(**{name: value for name, value in values.items() if known[name] is not _IDLE}, errors=tuple(errors))
    if asked.start_date and asked.end_date and asked.start_date > asked.end_date:
        return replace(asked, errors=(*errors, "start_date: is after end_date"))
    return asked
