"""stocks: daily bars of chosen symbols, with every restatement.

The upstream answers 200 to everything: `read_answer` tells a series from a quota message, a bad key and a bad symbol.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from catchment import (
    FIRST,
    Answer,
    App,
    Budget,
    Cron,
    DecodeError,
    Feed,
    Get,
    Meaning,
    Partition,
    QueryKey,
    Record,
    Secret,
    Setting,
    Upstream,
    each,
    read_http,
)

__all__ = ["Bar", "app", "bars"]

NEW_YORK = "America/New_York"


class Bar(Record):
    """One trading day of one symbol, as the exchange reported it. Prices have up to 13 decimals; the date is local."""

    symbol: str
    date: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


# Texts as users have reported them, in the order in which they must be tested: the first is worded like the second.
MESSAGES = (
    ("spreading out your free API requests", Meaning.throttled("burst")),
    ("standard API call frequency is 5 calls per minute", Meaning.throttled("throttle", timedelta(seconds=60))),
    ("API key is for demo purposes only", Meaning.auth("demo key")),
    ("outputsize=full parameter value is a premium feature", Meaning.refused("premium size")),
    ("This is a premium endpoint", Meaning.stop("premium function")),
    ("the parameter apikey is invalid or missing", Meaning.auth("key missing or bad")),
    ("Invalid API call", Meaning.refused("bad symbol")),
)
SERIES = re.compile(rb'"Time Series \(Daily\)"\s*:')
CSV_HEADER = b"timestamp,open,high,low,close"


def read_answer(answer: Answer, partition: Partition) -> Meaning:
    """What an answer is: a series by its member or its header row, anything else by the message's text."""
    if answer.status != 200:
        return read_http(answer, partition)
    if answer.body.startswith(CSV_HEADER) or SERIES.search(answer.body):
        return Meaning.data()
    text = answer.body[:4096].decode(errors="replace")
    if "standard API rate limit is" in text and "per day" in text and MESSAGES[0][0] not in text:
        return Meaning.quota("daily quota")
    if "This API function" in text and "does not exist" in text:
        return Meaning.stop("unknown function")
    return next((meaning for part, meaning in MESSAGES if part in text), Meaning.transient("no series"))


def rows(body: Any, partition: Partition) -> Iterable[Mapping[str, Any]]:
    """The bars of a series, JSON or CSV. Members are read by the name after their number: the numbers shift."""
    symbol = partition["symbol"]
    if isinstance(body, str):
        for line in csv.DictReader(body.splitlines()):
            yield {**line, "symbol": symbol, "date": line.get("timestamp")}
        return
    echoed = str(body.get("Meta Data", {}).get("2. Symbol", ""))
    if echoed.casefold() != symbol.casefold():
        raise DecodeError(f"asked for {symbol}, answered {echoed or 'nothing'}", reason="symbol")
    if not body["Time Series (Daily)"]:
        raise DecodeError("the series is empty", reason="empty")
    for day, bar in body["Time Series (Daily)"].items():
        yield {name.partition(". ")[2]: value for name, value in bar.items()} | {"symbol": symbol, "date": day}


def impossible(bar: Bar) -> str:
    """Why a bar cannot be, "" when it can."""
    if bar.date.weekday() >= 5:
        return "date on a weekend"
    if min(bar.open, bar.high, bar.low, bar.close) <= 0:
        return "price not above 0"
    if bar.low > min(bar.open, bar.close):
        return "low above open or close"
    if bar.high < max(bar.open, bar.close):
        return "high below open or close"
    return "volume below 0" if bar.volume < 0 else ""


def symbol(text: str) -> str:
    """The symbol in upper case. ValueError if it is none."""
    if not re.fullmatch(r"[A-Z0-9.:^=-]{1,20}", text.upper()):
        raise ValueError(f"{text!r} is no symbol: 1 to 20 of A-Z 0-9 . : ^ - =")
    return text.upper()


def routes() -> Sequence[Any]:
    from .routes import ROUTES

    return ROUTES


def stand_in(options: Any) -> Any:
    from .standin import service

    return service(options)


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
    budget=Budget("1/second", "25/day", zone=NEW_YORK, concurrency=1),
    read=read_answer,
    tries=(2, 8, 30),
    deadline=timedelta(seconds=30),
)

bars = Feed(
    "bars",
    Bar,
    alphavantage,
    request=Get(
        "/query",
        function="TIME_SERIES_DAILY",
        symbol="{symbol}",
        outputsize=Setting("STOCK_OUTPUTSIZE", "compact"),
        datatype=Setting("STOCK_DATATYPE", "json"),
    ),
    partitions=each(symbol, symbol=Setting("STOCK_SYMBOLS", "IBM,AAPL")),
    rows=rows,
    strict=False,
    key=("symbol", "date"),
    refuse=impossible,
    conflict=FIRST,
    schedule=Cron("30 22 * * mon-fri", zone=NEW_YORK),
    indexes=[("date", "symbol")],
    public=True,
)

app = App("stocks", feeds=[bars], routes=routes, standin=stand_in, demo=demo)
