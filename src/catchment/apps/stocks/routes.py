"""The stocks app's own routes: rows and averages, in the words and shapes of the service that they replace.

Errors have that service's form too: the ordinary shape with nothing in it, and `info.error` saying why.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
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
    Total,
    View,
    described,
    get,
    number,
    parameters,
    respond,
)

from .adjusting import Adjustments, adjusted, adjustments
from .asking import COVERAGE, ROWS, STATISTICS, Asked, Pairs, read
from .coverage import Stored, coverage_of
from .options import SYMBOLS

__all__ = ["ROUTES"]

Ask = Request[Any, Any, Any]


class Wrong(Exception):
    """An answer other than 200, with the reason that `info.error` gives."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def price(value: Decimal) -> str:
    """A price as text: at least two decimals, no zeros after those."""
    whole, _, decimals = format(value, "f").partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _row(bar: Mapping[str, Any], include: Collection[str], newest: Mapping[str, date]) -> dict[str, Any]:
    row = {
        "symbol": bar["symbol"],
        "date": bar["date"].isoformat(),
        "open_price": price(bar["open"]),
        "close_price": price(bar["close"]),
        "volume": str(bar["volume"]),
    }
    row |= {f"{name}_price": price(bar[name]) for name in ("high", "low") if name in include}
    if "adjusted_close" in include:
        row["adjusted_close"] = None if bar["adjusted_close"] is None else price(bar["adjusted_close"])
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


def _configured(store: Data) -> set[str]:
    return {symbol.upper() for symbol in SYMBOLS.values(store.settings)}


def _check(asked: Asked, store: Data, now: View) -> None:
    """Raises `Wrong` for what is well written and yet cannot be answered."""
    if asked.symbol and asked.symbol not in _configured(store) and not now.rows("bars", asked.by_symbol, limit=1):
        raise Wrong(404, f"unknown symbol: {asked.symbol}")
    if "adjusted_close" in asked.include and not now.rows(
        "bars", [*asked.by_symbol, ("adjusted_close", "isnull", False)], limit=1
    ):
        raise Wrong(409, "include: there is no adjusted close; STOCK_FUNCTION=adjusted brings it")
    for feed in NEEDED[asked.adjust]:
        then = now.beside("bars", asked.as_of)
        symbols = [asked.symbol] if asked.symbol else sorted(_collected(now, "bars", then) or _configured(store))
        known = _collected(now, feed, then)
        if lacking := [symbol for symbol in symbols if symbol not in known]:
            raise Wrong(409, f"adjust: there are no {feed} of {lacking[0]}; STOCK_{feed.upper()}=yes collects them")


NEEDED = {"none": (), "splits": ("splits",), "all": ("splits", "dividends")}
"""What is asked for by `adjust` -> the feeds that have to have been collected for it."""


def _collected(now: View, feed: str, as_of: AsOf | None = None) -> set[str]:
    """The symbols for which that feed had been collected at least once by that moment."""
    by = as_of.moment if as_of else ""
    return {
        dict(item["params"]).get("symbol", "")
        for item in now.partitions(feed)
        if item["first_collected_at"] and (not by or item["first_collected_at"] <= by)
    }


def _adjust(bars: Sequence[Mapping[str, Any]], asked: Asked, now: View) -> list[dict[str, Any]]:
    """The bars, adjusted as is asked."""
    if asked.adjust == "none":
        return list(map(dict, bars))
    by = {symbol: _adjustments(symbol, asked, now) for symbol in {bar["symbol"] for bar in bars}}
    return [adjusted(bar, by[bar["symbol"]]) for bar in bars]


def _adjustments(symbol: str, asked: Asked, now: View) -> Adjustments:
    """What the symbol's bars are multiplied by. An event after its newest bar is declared and has not happened yet."""
    newest = _newest(now, {symbol}, asked.as_of)[symbol]

    def rows(name: str, *columns: str, as_of: AsOf | None) -> list[tuple[Any, ...]]:
        happened = [("symbol", "eq", symbol), ("date", "lte", newest)]
        found = now.rows(name, happened, columns=columns, sort=["date"], as_of=as_of)
        return [tuple(row[column] for column in columns) for row in found]

    then = now.beside("bars", asked.as_of)
    splits = rows("splits", "date", "factor", as_of=then)
    if asked.adjust == "splits":
        return adjustments(splits)
    closes = dict(rows("bars", "date", "close", as_of=asked.as_of))
    days = list(closes)
    before = ((day, amount, bisect_left(days, day)) for day, amount in rows("dividends", "date", "amount", as_of=then))
    return adjustments(splits, [(day, amount, closes[days[place - 1]]) for day, amount, place in before if place])


def _answer(empty: Mapping[str, Any], content: Callable[[], dict[str, Any]]) -> Response[bytes]:
    """The content with `info`; for whatever is wrong the empty shape, the status and the reason."""
    try:
        found = content()
        return respond({**found, "info": found.get("info", {"error": ""})})
    except Wrong as wrong:
        return respond(dict(empty) | {"info": {"error": str(wrong)}}, wrong.status)
    except StoreUnavailable as error:
        return respond(dict(empty) | {"info": {"error": error.message}}, 503, headers={"Retry-After": "5"})
    except QueryError as error:
        headers = {"Retry-After": "5"} if error.status == 503 else None
        return respond(dict(empty) | {"info": {"error": error.message}}, error.status, headers=headers)


def _no_rows(reason: str) -> dict[str, Any]:
    return {"data": [], "pagination": _pagination(Asked(), 0), "info": {"error": reason}}


def _no_data(reason: str) -> dict[str, Any]:
    return {"data": {}, "info": {"error": reason}}


def _nothing_covered(reason: str) -> dict[str, Any]:
    return {"data": [], "info": {"error": reason}}


@get(
    ["/api/financial_data", "/api/v1/financial_data"],
    errors=_no_rows,
    operation_class=described("Daily bars as rows of text", ROWS),
)
async def financial_data(request: Ask, store: Store) -> Response[bytes]:
    """Rows in ascending order of date, then symbol."""
    return await asyncio.to_thread(_financial_data, parameters(request), store)


def _financial_data(pairs: Pairs, store: Data) -> Response[bytes]:
    asked = read(pairs, ROWS)

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
        "data": [_row(bar, asked.include, newest) for bar in _adjust(bars, asked, now)],
        "pagination": _pagination(asked, now.count("bars", asked.filters, as_of=asked.as_of)),
        **_info(asked),
    }


def _info(asked: Asked) -> dict[str, Any]:
    """How the prices are adjusted, where they are."""
    return {} if asked.adjust == "none" else {"info": {"error": "", "adjust": asked.adjust}}


def _pagination(asked: Asked, count: int) -> dict[str, int]:
    return {"count": count, "page": asked.page, "limit": asked.limit, "pages": -(-count // asked.limit)}


@get(
    ["/api/statistics", "/api/v1/statistics"],
    errors=_no_data,
    operation_class=described("Average prices and volume of one symbol", STATISTICS),
)
async def statistics(request: Ask, store: Store) -> Response[bytes]:
    """Averages computed in decimals, rounded half-even; null where there are no bars."""
    return await asyncio.to_thread(_statistics, parameters(request), store)


def _statistics(pairs: Pairs, store: Data) -> Response[bytes]:
    asked = read(pairs, STATISTICS)

    def content() -> dict[str, Any]:
        if asked.errors:
            raise Wrong(400, "; ".join(asked.errors))
        with store.open() as now:
            _check(asked, store, now)
            return {"data": _averages(asked, now), **_info(asked)}

    return _answer({"data": {}}, content)


AVERAGED = ("open", "close", "volume")


def _stored_totals(asked: Asked, now: View) -> dict[str, Total]:
    where = now.where("bars", asked.filters, as_of=asked.as_of)
    of = [f"{function}({column})" for column in AVERAGED for function in ("count", "sum")]
    (bars,) = now.stats("bars", of=of, where=where)
    return {column: Total(bars[f"count({column})"], Decimal(bars[f"sum({column})"] or 0)) for column in AVERAGED}


def _adjusted_totals(asked: Asked, now: View) -> dict[str, Total]:
    rows = now.rows("bars", asked.filters, columns=("symbol", "date", *AVERAGED), as_of=asked.as_of)
    bars = _adjust(rows, asked, now)
    return {column: Total(len(bars), sum((Decimal(bar[column]) for bar in bars), Decimal(0))) for column in AVERAGED}


def _averages(asked: Asked, now: View) -> dict[str, Any]:
    totals = _stored_totals(asked, now) if asked.adjust == "none" else _adjusted_totals(asked, now)

    def average(column: str, places: int) -> Any:
        mean = totals[column].average(places)
        return None if mean is None else number(mean)

    return {
        "start_date": asked.start_date,
        "end_date": asked.end_date,
        "symbol": asked.symbol,
        "average_daily_open_price": average("open", 7),
        "average_daily_close_price": average("close", 7),
        "average_daily_volume": average("volume", 2),
    }


@get(
    ["/api/coverage", "/api/v1/coverage"],
    errors=_nothing_covered,
    operation_class=described("What is there of each symbol, and what is not", COVERAGE),
)
async def coverage(request: Ask, store: Store) -> Response[bytes]:
    """First and last day, how many bars, gaps, and whether the whole series could be had."""
    return await asyncio.to_thread(_coverage, parameters(request), store)


def _coverage(pairs: Pairs, store: Data) -> Response[bytes]:
    asked = read(pairs, COVERAGE)
    store.whole = False  # what the ledger says changes without a revision: the answer is not kept

    def content() -> dict[str, Any]:
        if asked.errors:
            raise Wrong(400, "; ".join(asked.errors))
        with store.open() as now:
            _check(asked, store, now)
            partitions = {dict(item["params"]).get("symbol", ""): item for item in now.partitions("bars")}
            symbols = [asked.symbol] if asked.symbol else sorted({*partitions, *_configured(store)})
            found = [_stored(symbol, partitions.get(symbol), now) for symbol in symbols]
        # After reading: of another release of the calendars than is kept, sessions take seconds the first time.
        return {"data": [coverage_of(item, store.now) for item in found]}

    return _answer({"data": []}, content)


def _stored(symbol: str, partition: Mapping[str, Any] | None, now: View) -> Stored:
    """What there is of a symbol. partition: how it is collected, None where it never was."""
    days = [row["date"] for row in now.rows("bars", [("symbol", "eq", symbol)], columns=["date"])]
    if partition is None:
        return Stored(symbol, days)
    sizes = frozenset(asked.get("outputsize", "compact") for asked in now.asked("bars", partition["key"]))
    refused_until = partition["instead_until"] if partition["instead"] else ""
    return Stored(symbol, days, sizes, now.answer("bars", partition["key"]) or b"", refused_until)


@get(["/api", "/api/v1"], errors=_nothing_covered, operation_class=described("The endpoints", {}))
async def endpoints(store: Store) -> Response[bytes]:
    """The endpoints of this app; with the age of the bars, where there are any, as every answer."""
    await asyncio.to_thread(_look, store)
    names = ("financial_data", "statistics", "coverage")
    listed = [f"{root}/{name}" for root in ("/api", "/api/v1") for name in names]
    return respond({"data": [*listed, "/v1/stocks/bars", "/openapi.json"], "info": {"error": ""}})


def _look(store: Data) -> None:
    with suppress(StoreUnavailable), store.open() as now:
        now.state("bars")


ROUTES = (financial_data, statistics, coverage, endpoints)
