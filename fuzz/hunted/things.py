"""A collection with a field of every kind, collected again and again, and beside it every state that it was in."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from catchment import App, Counter, Every, Feed, Get, Record, Upstream, each
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.feed import RETIRE
from catchment.partitions import Partition
from catchment.plan import State
from catchment.settings import Settings
from catchment.store.archive import Place
from catchment.store.lease import Outcome
from catchment.store.store import Store
from catchment.store.tables import collection_of

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PLACES, NUMBERS = ("a", "b/c"), range(1, 16)


class Thing(Record):
    """One of everything."""

    place: str
    number: int
    text: str | None
    size: float | None
    price: Decimal | None
    ok: bool | None
    day: date | None
    at: datetime | None
    tags: list[str] | None


things = Feed(
    "things",
    Thing,
    Upstream("somewhere", "https://api.example.org"),
    request=Get("/things", place="{place}"),
    partitions=each(place=PLACES),
    key=("place", "number"),
    missing=RETIRE,
    schedule=Every(hours=1),
    sort=("-day", "text"),
    indexes=[("text", "-price")],
    search=("text",),
    counters=[
        Counter(by=("place", "month(day)"), of=("price", "number")),
        Counter(by=("ok", "place"), of=("number",)),
        Counter(by=("day", "hour(at)"), of=("price",)),
    ],
    public=True,
)
app = App("hunted", feeds=[things])

POOL: Mapping[str, tuple[Any, ...]] = {
    "place": PLACES,
    "number": tuple(NUMBERS),
    "text": (
        None,
        "",
        "a",
        "A",
        "ab",
        "a%",
        "a_b",
        "aéb",
        "ß",
        "zz",
        "'; --",
        "🌊",
        "A red fox",
        "red a",
        "Über: fox-red",
    ),
    "size": (None, 0.0, -1.5, 0.1, 1e300, 2.0),
    "price": (None, *map(Decimal, ("0", "1.5", "1.50", "-2", "100", "99.99", "12345678901234567890.5"))),
    "ok": (None, True, False),
    "day": (None, date(2024, 2, 29), date(2024, 3, 1), date(2025, 1, 1)),
    "at": (None, datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 1, 12, 30, 0, 250_000, UTC)),
    "tags": (None, (), ("a",), ("a", "b"), ("B", "a%")),
}
"""What a field may hold: few values, so that they meet."""

Known = dict[tuple[str, int], Thing]


@dataclass
class World:
    """The store, and what it held after each commit. states: revision -> records; moments: when each was said."""

    folder: Path
    settings: Settings
    drawn: random.Random
    states: dict[int, Known] = field(default_factory=lambda: {0: {}})
    moments: list[tuple[datetime, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.collection = collection_of(app, things)
        self.store = Store(self.settings, [app])
        self.now = BEGAN
        self.checked: dict[str, datetime] = {}

    @property
    def revision(self) -> int:
        return max(self.states)

    def collect(self) -> None:
        """The upstream's next answer for one of its partitions: some things are new, others, or gone."""
        place = self.drawn.choice(PLACES)
        before = {key: thing for key, thing in self.states[self.revision].items() if key[0] == place}
        after = {key: thing for key, thing in before.items() if self.drawn.random() > 0.1}
        for number in self.drawn.sample(NUMBERS, 5):
            after[place, number] = self._thing(place, number)
        self.now += timedelta(minutes=self.drawn.randrange(1, 90), microseconds=self.drawn.randrange(10**6))
        self._commit(place, list(after.values()))
        if before != after:
            others = {key: thing for key, thing in self.states[self.revision].items() if key[0] != place}
            self.states[self.revision + 1] = others | after
        self.moments.append((self.now, self.revision))

    def _thing(self, place: str, number: int) -> Thing:
        values = {name: self.drawn.choice(values) for name, values in POOL.items() if name not in ("place", "number")}
        if values["tags"] is not None:
            values["tags"] = list(values["tags"])
        return Thing(place=place, number=number, **values)

    def _commit(self, place: str, answer: list[Thing]) -> None:
        state = State(Partition((("place", place),)), checked_at=self.checked.get(place))
        lease = self.store.ledger.claim(1, self.collection.name, state, self.now)
        assert lease is not None
        body = json.dumps([_row(thing) for thing in answer]).encode()
        where = Place(self.collection.name, lease.partition.key, lease.number, lease.attempt)
        page = self.store.archive.put(where, Request("/things"), "/things", Answer(200, body, self.now))
        records = self.store.records(self.collection)
        outcome = derive(things, lease, [page], records, Outcome("failed", digest=page.digest), self.now)
        assert outcome.verdict == "complete", outcome
        self.checked[place] = self.now

    def held(self, moment: datetime) -> int:
        """The revision of what had been said by then."""
        return max((revision for at, revision in self.moments if at <= moment), default=0)


def _row(thing: Thing) -> dict[str, Any]:
    return {name: _plain(getattr(thing, name)) for name in POOL}


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
