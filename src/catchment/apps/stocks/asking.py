"""What the stocks app's own routes are asked: their parameters, each with its rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from catchment.web import AsOf, QueryError, parse_as_of

from .options import symbol

__all__ = [
    "COVERAGE_PARAMETERS",
    "MEANINGS",
    "ROW_PARAMETERS",
    "STATISTICS_IDLE",
    "STATISTICS_PARAMETERS",
    "Asked",
    "read",
]

Filter = tuple[str, str, Any]
Pairs = Sequence[tuple[str, str]]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTEGER = re.compile(r"[1-9][0-9]{0,8}")

MAX_LIMIT, MAX_PAGE = 1000, 1_000_000
DEFAULT_LIMIT, DEFAULT_PAGE = 5, 1

ROW_PARAMETERS = ("start_date", "end_date", "symbol", "limit", "size", "page", "include", "adjust", "as_of")
STATISTICS_PARAMETERS = ("start_date", "end_date", "symbol", "symbols", "adjust", "as_of")
STATISTICS_IDLE = ("size", "limit", "page")
COVERAGE_PARAMETERS = ("symbol",)
INCLUDES = ("high", "low", "adjusted_close", "provisional")


@dataclass(frozen=True)
class Asked:
    """The parameters, read; `errors` says what is wrong with them, and then the defaults stand instead."""

    start: date | None = None
    end: date | None = None
    symbol: str = ""
    limit: int = DEFAULT_LIMIT
    page: int = DEFAULT_PAGE
    include: frozenset[str] = frozenset()
    adjust: str = "none"
    as_of: AsOf | None = None
    errors: tuple[str, ...] = field(default=())

    @property
    def filters(self) -> list[Filter]:
        wanted: list[tuple[str, str, Any]] = [
            ("date", "gte", self.start),
            ("date", "lte", self.end),
            ("symbol", "eq", self.symbol or None),
        ]
        return [item for item in wanted if item[2] is not None]

    @property
    def by_symbol(self) -> list[Filter]:
        return self.filters[-1:] if self.symbol else []


def read(pairs: Pairs, known: Sequence[str], *, idle: Sequence[str] = ()) -> Asked:
    """What the parameters ask for. Never raises: what is wrong is in `errors`. idle: names that have no effect."""
    given, errors = _distinct(pairs, [*known, *idle])
    values: dict[str, Any] = {}
    for name in (name for name in given if name not in idle):
        target, rule = _RULES[name]
        try:
            value = rule(given[name])
        except (ValueError, QueryError) as error:
            said = error.message if isinstance(error, QueryError) else str(error)
            errors.append(f"{name}: {said.removeprefix(f'{name}: ')}")
            continue
        if values.setdefault(target, value) != value:
            errors.append(f"{name}: says something else than its alias")
            del values[target]
    if values.get("start") and values.get("end") and values["start"] > values["end"]:
        errors.append("start_date: is after end_date")
    return Asked(**values, errors=tuple(errors))


def _distinct(pairs: Pairs, known: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    given: dict[str, str] = {}
    errors = []
    for name, text in pairs:
        if name not in known:
            errors.append(f"unknown parameter: {name[:40]}")
        elif name in given:
            errors.append(f"{name}: is given twice")
        elif not text:
            errors.append(f"{name}: is empty")
        else:
            given[name] = text
    return given, errors


def _date(text: str) -> date:
    if not _DATE.fullmatch(text):
        raise ValueError("is not a date, YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None


def _number(highest: int) -> Callable[[str], int]:
    def rule(text: str) -> int:
        if not (_INTEGER.fullmatch(text) and int(text) <= highest):
            raise ValueError(f"is not a whole number from 1 to {highest}")
        return int(text)

    return rule


def _include(text: str) -> frozenset[str]:
    names = text.split(",")
    if stray := [name for name in names if name not in INCLUDES]:
        raise ValueError(f"{stray[0][:40]!r} is none of {', '.join(INCLUDES)}")
    return frozenset(names)


def _adjust(text: str) -> str:
    if text not in ("none", "splits", "all"):
        raise ValueError("is not none, splits or all")
    return text


_RULES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "start_date": ("start", _date),
    "end_date": ("end", _date),
    "symbol": ("symbol", symbol),
    "symbols": ("symbol", symbol),
    "limit": ("limit", _number(MAX_LIMIT)),
    "size": ("limit", _number(MAX_LIMIT)),
    "page": ("page", _number(MAX_PAGE)),
    "include": ("include", _include),
    "adjust": ("adjust", _adjust),
    "as_of": ("as_of", parse_as_of),
}

MEANINGS = {
    "start_date": "First day, YYYY-MM-DD, included.",
    "end_date": "Last day, YYYY-MM-DD, included.",
    "symbol": "One symbol, e.g. IBM.",
    "symbols": "The same as `symbol`.",
    "limit": f"Rows on a page, 1 to {MAX_LIMIT}; default {DEFAULT_LIMIT}.",
    "size": "The same as `limit`.",
    "page": f"Which page, 1 to {MAX_PAGE}.",
    "include": f"More members, separated by commas: {', '.join(INCLUDES)}.",
    "adjust": "`none` (default), `splits` or `all`.",
    "as_of": "As it was: a moment, a date or a revision.",
}
