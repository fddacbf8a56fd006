"""stocks: daily bars of chosen symbols, with every restatement; their splits and dividends where they are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from catchment import (
    FIRST,
    App,
    Budget,
    Counter,
    Cron,
    Every,
    Feed,
    Get,
    QueryKey,
    Record,
    Secret,
    Setting,
    Upstream,
    each,
    when,
)

from . import options
from .answers import events, read_events, read_series, rows
from .records import Bar, Dividend, Split, impossible, not_above_0, other_series

__all__ = ["Bar", "Dividend", "Split", "app", "bars", "dividends", "splits"]

NEW_YORK = "America/New_York"


def routes() -> Sequence[Any]:
    from .routes import ROUTES

    return ROUTES


def stand_in(settings: Any) -> Any:
    from .standin import service

    return service(settings)


def demo(size: str) -> Mapping[str, str]:
    """What a client of the stand-in sets. Above tiny there are more symbols than the day's calls: so it shows."""
    settings = {"ALPHAVANTAGE_API_KEY": "stand-in", "STOCK_SYMBOLS": "IBM,AAPL"}
    if size != "tiny":
        from .standin import symbols

        settings |= {"STOCK_SYMBOLS": ",".join(symbols(size)), "ALPHAVANTAGE_BUDGET": "1/second,6/day"}
    return settings


alphavantage = Upstream(
    "alphavantage",
    "https://www.alphavantage.co",
    auth=QueryKey("apikey", Secret("ALPHAVANTAGE_API_KEY")),
    budget=Budget("1/second", "25/day", zone=options.QUOTA_ZONE, concurrency=1),
    read=read_series,
    tries=(2, 8, 30),
    deadline=timedelta(seconds=30),
)

symbols = each(options.symbol, symbol=options.SYMBOLS)

bars = Feed(
    "bars",
    Bar,
    alphavantage,
    request=Get(
        "/query",
        function=options.FUNCTION,
        symbol="{symbol}",
        outputsize=options.OUTPUTSIZE,
        datatype=options.DATATYPE,
    ),
    partitions=symbols,
    rows=partial(rows, lookback=options.LOOKBACK),
    strict=False,
    key=("symbol", "date"),
    refuse=partial(impossible, sessions=options.SESSIONS),
    conflict=FIRST,
    guard=other_series,
    schedule=Cron("30 22 * * mon-fri", zone=NEW_YORK),
    reconcile=Every(days=90),
    reconcile_with={"outputsize": "full"},
    indexes=[("date", "symbol")],
    counters=[Counter(by=("symbol", "month(date)"), of=("open", "close", "volume"))],
    public=True,
)


def event(name: str, record: type[Record], wanted: Setting, *, day: str, value: tuple[str, str]) -> Feed:
    """The feed of what happened to shares on some days. day, value: as `events` has them."""
    return Feed(
        name,
        record,
        alphavantage,
        request=Get("/query", function=name.upper(), symbol="{symbol}"),
        partitions=when(wanted, symbols),
        read=read_events,
        rows=partial(events, day=day, value=value),
        strict=False,
        key=("symbol", "date"),
        refuse=partial(not_above_0, field=value[1]),
        schedule=Every(days=7),
        public=True,
    )


splits = event("splits", Split, options.SPLITS, day="effective_date", value=("split_factor", "factor"))
dividends = event("dividends", Dividend, options.DIVIDENDS, day="ex_dividend_date", value=("amount", "amount"))

# The table of the service that this one replaces, for whoever reads the database. Prices are texts: they are exact.
FINANCIAL_DATA = (
    "SELECT symbol, date, json_extract(_doc, '$.open') AS open_price, json_extract(_doc, '$.close') AS close_price,"
    " volume FROM stocks_bars"
)

app = App(
    "stocks",
    feeds=[bars, splits, dividends],
    routes=routes,
    standin=stand_in,
    demo=demo,
    example="/api/financial_data?symbol=IBM&limit=3",
    views={"financial_data": FINANCIAL_DATA},
)
