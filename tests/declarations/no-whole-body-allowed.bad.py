# feed bars: max_whole_body: is at least 1
from datetime import date
from decimal import Decimal

from catchment import Feed, Get, Record, Upstream, each


class Bar(Record):
    symbol: str
    day: date
    close: Decimal
    tags: list[str]
    note: str | None = None


api = Upstream("quotes", "https://quotes.example")
bars = Feed(
    "bars",
    Bar,
    api,
    request=Get("/query", symbol="{symbol}"),
    partitions=each(symbol=["IBM"]),
    key=("symbol", "day"),
    max_whole_body=0,
)
