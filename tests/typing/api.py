"""The public names as a person's own feeds use them: checked by the type checker, never run."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from catchment import (
    CONTENT,
    FIRST,
    RETIRE,
    Answer,
    App,
    BasicAuth,
    Budget,
    Cron,
    DecodeError,
    Every,
    Feed,
    Get,
    Meaning,
    Page,
    Partition,
    QueryKey,
    Record,
    Request,
    Secret,
    Setting,
    Upstream,
    by_cursor,
    by_page,
    changed,
    counted,
    each,
    first_page,
    grid,
    items,
    listed_by,
    months,
    older_than,
    read_http,
    rows_of,
)


class Bar(Record):
    symbol: str
    day: date
    close: Decimal
    note: str | None = None


def read(answer: Answer, partition: Partition) -> Meaning:
    if partition.listing == "older" and answer.status == 404:
        return Meaning.refused("gone", forever=True)
    if b"later" in answer.body:
        return Meaning.transient("upstream-data", tries=3, park=timedelta(hours=24))
    if b"Note" in answer.body:
        return Meaning.throttled("note", timedelta(seconds=5))
    return read_http(answer, partition)


def rows(body: Any, partition: Partition) -> Iterable[Mapping[str, Any]]:
    if "series" not in body:
        raise DecodeError("no series", reason="shape")
    return [{"symbol": partition["symbol"], **row} for row in body["series"]]


def no_future(bar: Bar) -> str:
    return "no close" if bar.close < 0 else ""


def by_last_row(first: Request) -> Generator[Request, Page, None]:
    page = yield first
    while page.member("has_more"):
        page = yield first.with_parameter("after", page.member("last"))


quotes = Upstream(
    "quotes",
    "https://quotes.example",
    auth=QueryKey("apikey", Secret("QUOTES_API_KEY")),
    budget=Budget("1/second", "25/day", zone=Setting("QUOTES_ZONE", "America/New_York")),
    longest_wait=timedelta(minutes=10),
    read=read,
)

bars = Feed(
    "bars",
    Bar,
    quotes,
    request=Get("/query", symbol="{symbol}", size=Setting("SIZE", "full")),
    partitions=each(str.upper, symbol=Setting("SYMBOLS", "IBM")),
    rows=rows,
    key=("symbol", "day"),
    refuse=no_future,
    conflict=FIRST,
    schedule=Cron(Setting("QUOTES_SCHEDULE", "30 22 * * mon-fri"), zone="America/New_York"),
    aliases={"value": "close"},
    public=True,
)

other = Upstream("other", "https://other.example", auth=BasicAuth(Secret("ME"), Secret("PASSWORD")))
lists = Feed("lists", Bar, other, request=Get("/lists"), key=("symbol", "day"), schedule=Every(hours=6))
volumes = Feed(
    "volumes",
    Bar,
    other,
    request=Get("/volumes/{symbol}/{volume}"),
    partitions=counted(rows_of(lists, symbol="symbol"), volume="volumes", most=50),
    key=("symbol", "day"),
    due=changed() | older_than(days=(28, 35)),
)
grids = Feed(
    "grids",
    Bar,
    other,
    request=Get("/grids/{symbol}/{month}"),
    partitions=grid(rows_of(lists, symbol="symbol"), months(count=3)),
    rows=items("rows"),
    shape=lambda row, partition: {**row, "symbol": partition["symbol"]},
    key=CONTENT,
    missing=RETIRE,
    settle=timedelta(days=60),
    pages=by_page("page", total="total", recheck="all", most=100),
)
cursors = Feed(
    "cursors", Bar, other, request=Get("/cursors"), key=("symbol",), pages=by_cursor("after", "meta.next", total="n")
)
own = Feed("own", Bar, other, request=Get("/own"), key=("symbol",), pages=by_last_row)
latest = Feed("latest", Bar, other, request=Get("/latest"), key=("symbol",), pages=first_page)
listed = Feed(
    "listed",
    Bar,
    other,
    request=Get("/listed"),
    partitions=listed_by(lists, symbol="all"),
    key=("symbol",),
)

app = App("quotes", feeds=[bars, lists, grids, listed, cursors, own, latest], routes=list)

day: date = Bar("IBM", date(2024, 1, 1), Decimal(1)).day
