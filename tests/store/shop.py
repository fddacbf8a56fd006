"""A tiny app, and a collector's way with answers that a test gives, on a real SQLite file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from catchment import CONTENT, RETIRE, App, Counter, Derived, Feed, Get, Lookup, Partition, Record, Upstream, each
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.plan import State
from catchment.settings import Settings
from catchment.store.archive import Exchange, Place
from catchment.store.lease import Lease, Outcome
from catchment.store.store import Store
from catchment.store.tables import Collection

START = datetime(2026, 1, 1, tzinfo=UTC)


class Thing(Record):
    id: str
    value: int = 0


shop = Upstream("shop", "https://shop.example")
things = Feed(
    "things",
    Thing,
    shop,
    request=Get("/things", shelf="{shelf}"),
    partitions=each(shelf=["one", "two"]),
    key=("id",),
    missing=RETIRE,
    counters=(Counter(by=("value",), of=("value",)),),
)
counted = replace(things, name="counted", key=CONTENT)


class Priced(Record):
    id: str
    value: int = 0
    price: int | None = None


def price(record: Priced, lookup: Lookup, before: Priced | None) -> Priced:
    """What the thing of the same name is worth."""
    thing = lookup(record.id)
    return msgspec.structs.replace(record, price=thing.value if thing else None)


priced = replace(
    things,
    name="priced",
    record=Priced,
    counters=(Counter(by=("price",), of=("price", "value")),),
    derived=Derived(things, price, fields=("price",)),
)
app = App("shop", feeds=[things, counted, priced])


@dataclass
class Shop:
    """One collector's store, with a clock of its own that goes on by a minute an answer."""

    store: Store
    place: Settings
    now: datetime = START

    def claim(self, shelf: str = "one", feed: Feed = things) -> Lease | None:
        partition = Partition((("shelf", shelf),))
        name = app.collection(feed)
        run = self.store.ledger.begin_run(app.name, self.now)
        state = self.store.ledger.states(name).get(partition.key, State(partition))
        return self.store.ledger.claim(run, name, state, self.now)

    def answer(self, lease: Lease, *rows: Any) -> Exchange:
        """The rows as an archived answer of this lease's pass; a row may be the bytes of any JSON."""
        self.now += timedelta(minutes=1)
        raws = [row if isinstance(row, bytes) else msgspec.json.encode(_thing(row)) for row in rows]
        place = Place(lease.feed, lease.partition.key, lease.number, lease.attempt)
        answer = Answer(200, b"[" + b",".join(raws) + b"]", self.now)
        return self.store.archive.put(place, Request("/things"), "https://shop.example/things", answer)

    def merge(self, lease: Lease, *pages: Exchange, feed: Feed = things) -> Outcome:
        records = self.store.records(Collection(app.name, feed))
        return derive(feed, lease, pages, records, Outcome("failed"), self.now)

    def collect(self, *rows: Any, shelf: str = "one", feed: Feed = things) -> Outcome:
        lease = self.claim(shelf, feed)
        assert lease is not None
        return self.merge(lease, self.answer(lease, *rows), feed=feed)

    @property
    def tables(self) -> set[str]:
        return self.store._derived.tables()

    @property
    def everything(self) -> dict[str, list[str]]:
        """All rows of all tables."""
        return {name: sorted(map(repr, self.rows(f'SELECT * FROM "{name}"'))) for name in self.tables}

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.store._derived.execute(sql, values).fetchall()


def _thing(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("id", "value"), row, strict=False))


def settings(folder: Path, **values: str) -> Settings:
    return Settings({"CATCHMENT_DATA": (str(folder), "test")}).with_values("test", values)
