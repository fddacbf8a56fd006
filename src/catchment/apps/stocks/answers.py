"""What the upstream's answers are: it answers 200 to everything, a quota message, a bad key and a series alike."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from catchment import Answer, DecodeError, Meaning, Partition, read_http

__all__ = ["events", "read_events", "read_series", "rows"]

SERIES = "Time Series (Daily)"
CSV_HEADER = b"timestamp,open,high,low,close"
FULL_AGAIN = timedelta(days=90)
"""How long a symbol is asked for its last 100 bars that cannot be had in full: what is allowed has changed before."""

# Texts as users have reported them, in the order in which they must be tested: the first is worded like the second.
MESSAGES = (
    (r"spreading out your free API requests", Meaning.throttled("burst")),
    (r"standard API rate limit is.*per day", Meaning.quota("daily quota")),
    (
        r"standard API call frequency is 5 calls per minute",
        Meaning.throttled("throttle", timedelta(seconds=60), quota_after=3),
    ),
    (r"API key is for demo purposes only", Meaning.auth("demo key")),
    (
        r"outputsize=full parameter value is a premium feature",
        Meaning.instead("premium size", FULL_AGAIN, outputsize="compact"),
    ),
    (r"This is a premium endpoint", Meaning.stop("premium function")),
    (r"the parameter apikey is invalid or missing", Meaning.auth("key missing or bad")),
    (r"This API function.*does not exist", Meaning.stop("unknown function")),
    (r"Invalid API call", Meaning.refused("bad symbol")),
)

MEMBERS = ("Information", "Note", "Error Message")
"""In which the upstream says something in the place of data."""

SHOWN = 120
"""How much is shown of a sentence that nobody has classified."""


def read_series(answer: Answer, partition: Partition) -> Meaning:
    """What an answer of a daily function is: a series by its member or its header row, else what its message says."""
    if answer.status != 200:
        return read_http(answer, partition)
    if answer.body.startswith(CSV_HEADER):
        return _whole(ended=answer.body.endswith(b"\n"), rows=answer.body.count(b"\n") > 1)
    if f'"{SERIES}"'.encode() in answer.body:
        body = _json(answer.body)
        series = body.get(SERIES) if isinstance(body, dict) else None
        return _whole(ended=body is not None, rows=isinstance(series, dict) and bool(series))
    return _said(answer)


def read_events(answer: Answer, partition: Partition) -> Meaning:
    """What an answer of SPLITS or DIVIDENDS is: a list, which may be empty, else what its message says."""
    if answer.status != 200:
        return read_http(answer, partition)
    if b'"data"' not in answer.body:
        return _said(answer)
    body = _json(answer.body)
    listed = isinstance(body, dict) and isinstance(body.get("data"), list)
    return _said(answer) if body is not None and not listed else _whole(ended=listed, rows=True)


def _said(answer: Answer) -> Meaning:
    text = answer.body[:4096].decode(errors="replace")
    if meaning := next((meaning for part, meaning in MESSAGES if re.search(part, text)), None):
        return meaning
    return Meaning.transient(f"unknown message: {said[:SHOWN]}" if (said := _message(answer.body)) else "no series")


def _message(body: bytes) -> str:
    """The sentence that the upstream says in the place of data; "" where it says none."""
    told = _json(body)
    if not isinstance(told, dict):
        return ""
    return next((told[name] for name in MEMBERS if isinstance(told.get(name), str)), "")


def _whole(*, ended: bool, rows: bool) -> Meaning:
    """Data, where the body came to its end; one of the announced length may yet be cut off."""
    if not ended:
        return Meaning.transient("truncated")
    return Meaning.data() if rows else Meaning.transient("no series")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def rows(body: Any, partition: Partition, *, lookback: Any) -> Iterable[Mapping[str, Any]]:
    """The bars of a series, JSON or CSV. lookback: how many calendar days up to its newest bar, "0" for all.

    DecodeError where it is another symbol's.
    """
    symbol = partition["symbol"]
    found = _csv_rows(body, symbol) if isinstance(body, str) else _json_rows(body, symbol)
    days = int(str(lookback))
    return _recent(list(found), days) if days else found


def _csv_rows(text: str, symbol: str) -> Iterator[dict[str, Any]]:
    for line in csv.DictReader(text.splitlines()):
        yield {**line, "symbol": symbol, "date": line.get("timestamp")}


def _json_rows(body: Any, symbol: str) -> Iterator[dict[str, Any]]:
    """Members are read by the name after their number: the numbers shift. A day that is no object has none of them:
    it is a reject.
    """
    meta = body.get("Meta Data")
    echoed = str(meta.get("2. Symbol", "")) if isinstance(meta, dict) else ""
    if echoed.casefold() != symbol.casefold():
        raise DecodeError(f"asked for {symbol}, answered {echoed or 'nothing'}", reason="symbol")
    for day, bar in body[SERIES].items():
        members = bar.items() if isinstance(bar, dict) else [("0. said", bar)]
        named = {name.partition(". ")[2].replace(" ", "_"): value for name, value in members}
        yield {**named, "symbol": symbol, "date": day}


def _recent(found: list[dict[str, Any]], days: int) -> list[dict[str, Any]]:
    """The rows of so many days up to the newest. It is counted from the answer's own end: so it is the same whenever
    the answer is read. A date that is none stays, to be refused by name.
    """
    dates = [_date(row["date"]) for row in found]
    newest = max((day for day in dates if day), default=None)
    return [row for row, day in zip(found, dates, strict=True) if not (day and newest and (newest - day).days >= days)]


def _date(text: Any) -> date | None:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def events(body: Any, partition: Partition, *, day: str, value: tuple[str, str]) -> Iterable[Mapping[str, Any]]:
    """The rows of SPLITS or DIVIDENDS. day: the member that holds the date. value: the upstream's member, and ours.

    What lacks one of the two, or is no object, is a reject.
    """
    symbol, (theirs, ours) = partition["symbol"], value
    if str(body.get("symbol", "")).casefold() != symbol.casefold():
        raise DecodeError(f"asked for {symbol}, answered {body.get('symbol') or 'nothing'}", reason="symbol")
    for row in body["data"]:
        found = row if isinstance(row, dict) else {"said": row}
        yield {
            "symbol": symbol,
            **{{day: "date", theirs: ours}.get(name, name): value for name, value in found.items()},
        }
