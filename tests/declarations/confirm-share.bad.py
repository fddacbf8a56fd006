# Confirm: share: 50 is no share
from datetime import date
from decimal import Decimal

from catchment import Confirm, Feed, Get, Record, Upstream, each


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
    confirm=Confirm(share=50),
)
