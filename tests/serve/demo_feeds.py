"""Two feeds as a person would declare them; also served by name: `demo_feeds:app`."""

from datetime import date, datetime
from decimal import Decimal

from catchment.app import App
from catchment.feed import CONTENT, Feed, Get
from catchment.partitions import each
from catchment.record import Record
from catchment.schedule import Every
from catchment.store.tables import collection_of
from catchment.upstream import Upstream


class Bar(Record):
    """One trading day of one symbol."""

    symbol: str
    date: date
    open: Decimal
    close: Decimal | None
    volume: int


class Note(Record):
    """One of everything."""

    text: str | None
    score: float | None
    ok: bool | None
    at: datetime | None
    tags: list[str]


somewhere = Upstream("somewhere", "https://api.example.org")
one = each(all=("1",))
bars = Feed(
    "bars",
    Bar,
    somewhere,
    request=Get("/bars"),
    partitions=one,
    key=("symbol", "date"),
    sort=("date", "symbol"),
    public=True,
)
notes = Feed("notes", Note, somewhere, request=Get("/notes"), partitions=one, key=CONTENT, schedule=Every(hours=12))
app = App("demo", feeds=[bars, notes])
BARS, NOTES = collection_of(app, bars), collection_of(app, notes)
