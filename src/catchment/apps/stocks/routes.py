"""The stocks app's own routes: rows and averages, in the words and shapes of the service that they replace.

Errors have that service's form too: the ordinary shape with nothing in it, and `info.error` saying why.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from catchment.web import (
    AsOf,
    Data,
    QueryError,
    Request,
    Response,
    Store,
    StoreUnavailable,
    View,
    described,
    get,
    number,
    parameters,
    parse_as_of,
    respond,
)

from .options import SYMBOLS

__all__ = ["ROUTES"]

Ask = Request[Any, Any, Any]
Filter = tuple[str, str, Any]
Pairs = Sequence[tuple[str, str]]


_SYMBOL = re.compile(r"[A-Z0-9.:^=-]{1,20}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTEGER = re.compile(r"[1-9][0-9]{0,8}")

MAX_LIMIT, MAX_PAGE = 1000, 1_000_000
DEFAULT_LIMIT, DEFAULT_PAGE = 5, 1

ROW_PARAMETERS = ("start_date", "end_date", "symbol", "limit", "size", "page", "include", "adjust", "as_of")
STATISTICS_PARAMETERS = ("start_date", "end_date", "symbol", "symbols", "adjust", "as_of")
STATISTICS_IDLE = ("size", "limit", "page")
INCLUDES = ("high", "low", "adjusted_close", "provisional")


# -- what is asked -------------------------------------------------------------------------------------------------


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


def read(pairs: Pairs, known: Sequence[str], *, idle: Sequence[str] = ()) -> Asked:
    """What the parameters ask for. Never raises: what is wrong is in `errors`. idle: names that have no effect."""
    given, errors = _distinct(pairs, [*known, *idle])
    values: dict[str, Any] = {}
    for name in (name for name in given if name not in idle):
        target, rule = _RULES[name]
        try:
            value = rule(given[name])
        except (ValueError, QueryError) as error:
            errors.append(f"{name}: {error.message if isinstance(error, QueryError) else error}")
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


def _symbol(text: str) -> str:
    if not _SYMBOL.fullmatch(text.upper()):
        raise ValueError("is not a symbol")
    return text.upper()


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
    "symbol": ("symbol", _symbol),
    "symbols": ("symbol", _symbol),
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


# -- what is answered ----------------------------------------------------------------------------------------------


class Wrong(Exception):
    """An answer other than 200, with the reason that `info.error` gives."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def price(value: Decimal) -> str:
    """A price as text: at least two decimals, no zeros after those."""
    whole, _, decimals = format(value, "f").partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _row(bar: Mapping[str, Any], include: frozenset[str], newest: Mapping[str, date]) -> dict[str, Any]:
    row = {
        "symbol": bar["symbol"],
        "date": bar["date"].isoformat(),
        "open_price": price(bar["open"]),
        "close_price": price(bar["close"]),
        "volume": str(bar["volume"]),
    }
    row |= {f"{name}_price": price(bar[name]) for name in ("high", "low") if name in include}
    if "provisional" in include:
        row["provisional"] = "true" if bar["date"] == newest[bar["symbol"]] else "false"
    return row


def _newest(now: View, symbols: set[str], as_of: AsOf | None) -> dict[str, date]:
    """The newest date of each symbol: that bar often changes the next day."""
    found = {}
    for symbol in symbols:
        rows = now.rows("bars", [("symbol", "eq", symbol)], columns=["date"], sort=["-date"], limit=1, as_of=as_of)
        found[symbol] = rows[0]["date"]
    return found


def _check(asked: Asked, store: Data, now: View) -> None:
    """Raises `Wrong` for what is well written and yet cannot be answered."""
    if asked.adjust != "none":
        raise Wrong(409, f"adjust: there is no split data for adjust={asked.adjust}")
    if "adjusted_close" in asked.include:
        raise Wrong(409, "include: there is no adjusted close")
    configured = {symbol.upper() for symbol in SYMBOLS.values(store.settings)}
    if asked.symbol and asked.symbol not in configured and not now.rows("bars", asked.filters[-1:], limit=1):
        raise Wrong(404, f"unknown symbol: {asked.symbol}")


def _answer(empty: Mapping[str, Any], content: Callable[[], dict[str, Any]]) -> Response[bytes]:
    """The content with `info`; for whatever is wrong the empty shape, the status and the reason."""
    try:
        return respond(content() | {"info": {"error": ""}})
    except Wrong as wrong:
        return respond(dict(empty) | {"info": {"error": str(wrong)}}, wrong.status)
    except StoreUnavailable as error:
        return respond(dict(empty) | {"info": {"error": error.message}}, 503, headers={"Retry-After": "5"})
    except QueryError as error:
        headers = {"Retry-After": "5"} if error.status == 503 else None
        return respond(dict(empty) | {"info": {"error": error.message}}, error.status, headers=headers)


def _pairs(request: Ask) -> Pairs:
    try:
        return parameters(request)
    except QueryError:
        return [("not UTF-8", "")]


@get(
    ["/api/financial_data", "/api/v1/financial_data"],
    operation_class=described("Daily bars as rows of text", {name: MEANINGS[name] for name in ROW_PARAMETERS}),
)
async def financial_data(request: Ask, store: Store) -> Response[bytes]:
    """Rows in ascending order of date, then symbol."""
    return await asyncio.to_thread(_financial_data, _pairs(request), store)


def _financial_data(pairs: Pairs, store: Data) -> Response[bytes]:
    asked = read(pairs, ROW_PARAMETERS)

    def content() -> dict[str, Any]:
        if asked.errors:
            raise Wrong(400, "; ".join(asked.errors))
        with store.open() as now:
            _check(asked, store, now)
            return _rows(asked, now)

    return _answer({"data": [], "pagination": _pagination(asked, 0)}, content)


def _rows(asked: Asked, now: View) -> dict[str, Any]:
    bars = now.rows(
        "bars",
        asked.filters,
        sort=["date", "symbol"],
        limit=asked.limit,
        offset=(asked.page - 1) * asked.limit,
        as_of=asked.as_of,
    )
    wanted = {bar["symbol"] for bar in bars} if "provisional" in asked.include else set()
    newest = _newest(now, wanted, asked.as_of)
    return {
        "data": [_row(bar, asked.include, newest) for bar in bars],
        "pagination": _pagination(asked, now.count("bars", asked.filters, as_of=asked.as_of)),
    }


def _pagination(asked: Asked, count: int) -> dict[str, int]:
    return {"count": count, "page": asked.page, "limit": asked.limit, "pages": -(-count // asked.limit)}


@get(
    ["/api/statistics", "/api/v1/statistics"],
    operation_class=described(
        "Average prices and volume of one symbol",
        {name: MEANINGS[name] for name in STATISTICS_PARAMETERS},
    ),
)
async def statistics(request: Ask, store: Store) -> Response[bytes]:
    """Averages computed in decimals, rounded half-even; null where there are no bars."""
    return await asyncio.to_thread(_statistics, _pairs(request), store)


def _statistics(pairs: Pairs, store: Data) -> Response[bytes]:
    asked = read(pairs, STATISTICS_PARAMETERS, idle=STATISTICS_IDLE)
    names = {name for name, _ in pairs}

    def content() -> dict[str, Any]:
        if reasons := _statistics_errors(asked, names):
            raise Wrong(400, "; ".join(reasons))
        with store.open() as now:
            _check(asked, store, now)
            return {"data": _averages(asked, now)}

    return _answer({"data": {}}, content)


def _statistics_errors(asked: Asked, names: set[str]) -> list[str]:
    missing = [name for name in ("start_date", "end_date", "symbol") if name not in names]
    if "symbols" in names and "symbol" in missing:
        missing.remove("symbol")
    reasons = [f"missing: {', '.join(missing)}"] if missing else []
    both = ["symbols: symbol is given too"] if {"symbol", "symbols"} <= names else []
    return [*reasons, *both, *asked.errors]


def _averages(asked: Asked, now: View) -> dict[str, Any]:
    def average(column: str, places: int) -> Any:
        mean = now.total("bars", column, asked.filters, as_of=asked.as_of).average(places)
        return None if mean is None else number(mean)

    return {
        "start_date": asked.start,
        "end_date": asked.end,
        "symbol": asked.symbol,
        "average_daily_open_price": average("open", 7),
        "average_daily_close_price": average("close", 7),
        "average_daily_volume": average("volume", 2),
    }


@get("/api", operation_class=described("The endpoints", {}))
async def endpoints() -> Response[bytes]:
    """The endpoints of this app."""
    names = ("financial_data", "statistics")
    listed = [f"{root}/{name}" for root in ("/api", "/api/v1") for name in names]
    return respond({"data": [*listed, "/v1/stocks/bars", "/docs"], "info": {"error": ""}})


ROUTES = (financial_data, statistics, endpoints)
