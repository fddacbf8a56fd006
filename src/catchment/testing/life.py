"""A tiny app lived through on a database: collected from answers that somebody gives, written by people, checked, and
asked over its API and its pages.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import msgspec

from .. import explorer
from ..app import App
from ..budget import Wait
from ..clock import FakeClock
from ..derive import derive
from ..errors import DecodeError
from ..exchange import Answer, Request
from ..feed import RETIRE, Feed, Get
from ..grouping import Counter
from ..partitions import Partition, each
from ..plan import State
from ..record import Record
from ..replay import Replayed, replay
from ..resource import REPLACE, Link, Resource, Rollup
from ..runs import Scope
from ..serve.app import build
from ..serve.front import Front
from ..settings import Settings
from ..store.archive import Place
from ..store.check import check
from ..store.lease import Lease, Outcome
from ..store.store import Store
from ..store.tables import Collection, collections_of
from ..upstream import Budget, Upstream
from .asked import Said, answered

__all__ = ["OPERATOR", "RESOURCES", "ROOT", "START", "Life", "app", "living", "user"]

START = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR, OTHERS = "::1", "127.0.0.1"
"""Who sits at the machine; and a gateway there, which says for whom it asks."""
ROOT = "/v1/samples"
_LONG_S = 60.0
"""For a question: how busy the machine is decides nothing."""


class Sample(Record):
    """Something of every type that a field may have."""

    id: str
    text: str | None = None
    number: float | None = None
    whole: int | None = None
    price: Decimal | None = None
    flag: bool | None = None
    at: datetime | None = None
    day: date | None = None
    tags: list[str] | None = None


class Offer(Record):
    """Something of every type, as people write it."""

    id: str
    owner: str
    created_at: datetime
    updated_at: datetime
    text: str | None = None
    number: float | None = None
    whole: int | None = None
    price: Decimal = Decimal(1)
    flag: bool | None = None
    at: datetime | None = None
    day: date | None = None
    tags: list[str] = msgspec.field(default_factory=list)


class Review(Record):
    """What somebody thinks of an offer: one each, and the next one takes its place."""

    id: str
    owner: str
    offer: str
    stars: Decimal
    text: str | None = None


class Note(Record):
    """What somebody notes about a sample; who changes it says which version he means."""

    id: str
    owner: str
    sample: str
    text: str | None = None
    whole: int | None = None


_FIELDS = (Counter(by=("text", "month(at)"), of=("whole", "price")), Counter(by=("number", "flag", "price")))
samples = Feed(
    "samples",
    Sample,
    Upstream("samples", "https://samples.example"),
    request=Get("/samples", shelf="{shelf}"),
    partitions=each(shelf=["one", "two"]),
    key=("id",),
    missing=RETIRE,
    sort=("text",),
    indexes=(("-price", "whole"),),
    counters=_FIELDS,
    search=("text",),
    public=True,
)
offers = Resource(
    "offers",
    Offer,
    owner="owner",
    lists=("tags",),
    rollups=(Rollup(of="price", by=("text",)),),
    counters=_FIELDS,
    sort=("text",),
    indexes=(("-price", "whole"),),
    search=("text",),
    public=True,
)
reviews = Resource(
    "reviews",
    Review,
    about=Link(offers, "offer"),
    owner="owner",
    one_per_owner=("offer",),
    again=REPLACE,
    rollups=(Rollup(of="stars", by=("offer",), carries=("price",), orders=(("price", "-_mean", "offer"),)), Rollup()),
    counters=(Counter(by=("offer",), of=("stars",)),),
    public=True,
)
notes = Resource("notes", Note, about=Link(samples, "sample"), owner="owner", if_match=True, retracts=True, public=True)
RESOURCES = ("offers", "reviews", "notes")
app = App("samples", feeds=[samples], resources=[offers, reviews, notes])
_COLLECTION = Collection(app.name, samples)


def user(number: int) -> str:
    """The id of a person."""
    return str(uuid.UUID(int=number))


@dataclass
class Life:
    """One collector of the app and one server of it, with a clock of their own that goes on by a minute a deed.

    told: what came of every answer that was collected and of every request that wrote. made: what people made, per
    resource; it may be gone by now.
    """

    store: Store
    front: Front
    clock: FakeClock
    settings: Settings
    told: list[tuple[object, ...]] = field(default_factory=list)
    made: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in RESOURCES})
    _loop: asyncio.Runner = field(default_factory=asyncio.Runner)

    # -- collecting ----------------------------------------------------------------------------------------------------

    def claim(self, shelf: str = "one") -> Lease | None:
        """The lease of a partition, as it is due; None while another one holds it."""
        partition, now = Partition((("shelf", shelf),)), self.clock.now()
        state = self.store.ledger.states(_COLLECTION.name).get(partition.key, State(partition))
        return self.store.ledger.claim(self.store.ledger.begin_run(app.name, now), _COLLECTION.name, state, now)

    def merge(self, lease: Lease, rows: Sequence[object]) -> Outcome:
        """What comes of an answer of these rows: values to be written as JSON, or bytes that are some. LeaseLost where
        the lease is another one's.
        """
        self.later()
        now = self.clock.now()
        texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        place = Place(lease.feed, lease.partition.key, lease.number, lease.attempt)
        answer = Answer(200, b"[" + b",".join(texts) + b"]", now)
        page = self.store.archive.put(place, Request("/samples"), "https://samples.example/samples", answer)
        outcome = Outcome("failed", digest=page.digest)
        return derive(samples, lease, [page], self.store.records(_COLLECTION), outcome, now)

    def collect(self, *rows: object, shelf: str = "one") -> None:
        """The partition's next answer."""
        lease = self.claim(shelf)
        assert lease is not None, f"shelf {shelf} is held by another collector"
        try:
            outcome = self.merge(lease, rows)
        except DecodeError as error:
            outcome = Outcome("failed", str(error))
            self.store.ledger.finish(lease, outcome, self.clock.now())
        self.told.append((outcome.verdict, outcome.reason, outcome.counts))

    def collect_often(self, shelf: str, times: int) -> None:
        """So many answers, each of which changes something."""
        for number in range(times):
            self.collect({"id": f"{shelf} {number % 7}", "whole": number}, shelf=shelf)

    def spend(self, budget: Budget, times: int) -> int:
        """How many of so many requests the budget lets through at this moment."""
        taken = (self.store.budgets.take("samples", budget, self.clock.now()) for _ in range(times))
        return sum(not isinstance(step, Wait) for step in taken)

    def rejects(self) -> list[tuple[object, ...]]:
        """What was refused: key, reason, place in the row, and its bytes."""
        return [(row.key, row.reason, row.path, row.raw) for row in self.store.desk.rejects([_COLLECTION.name])]

    def replay(self) -> list[Replayed]:
        """The next generation of the samples, derived from what was archived."""
        self.later()
        done = replay(app, Scope(feeds=("samples",)), self.store, self.settings, self.clock, lambda _: None)
        self.told += [(item.generation, item.before, item.after, item.left) for item in done]
        return done

    def later(self, by: timedelta = timedelta(minutes=1)) -> None:
        """Time passes."""
        self.clock.advance(by)

    # -- what people do ------------------------------------------------------------------------------------------------

    def write(self, method: str, path: str, body: object = None, who: int = 1, **headers: str) -> Said:
        """What a person's request that writes is answered. path: below the app; body: a value to be written as JSON."""
        self.later()
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json"} if content else {}
        given |= {"user-id": user(who)} | {name.replace("_", "-"): value for name, value in headers.items()}
        said = self.ask(f"{ROOT}/{path}", given, method=method, body=content, peer=OTHERS)
        if method == "POST" and said.status == 201:
            self.made[path].append(said.json()["data"]["id"])
        self.told.append((method, path, said))
        return said

    def review(self, offer: str, number: int, who: int) -> Said:
        """What a person is answered who gives an offer so many hundredths of a star, in the place of what was there."""
        return self.write("POST", "reviews", {"offer": offer, "stars": f"{number / 100:.2f}"}, who)

    def review_often(self, offer: str, times: int, who: int) -> list[Said]:
        """The same, so often, each time another number."""
        return [self.review(offer, number, who) for number in range(times)]

    def erase(self, resource: str, key: str) -> None:
        """An operator erases one record that people wrote."""
        self.later()
        collection = next(item for item in collections_of(app) if item.feed.name == resource)
        self.told.append((self.store.erasure(collection, app, [key]).run(self.clock.now()),))

    def erase_person(self, number: int) -> None:
        """An operator erases somebody."""
        self.later()
        self.told.append((self.store.person(user(number), [app]).run(self.clock.now()),))

    # -- asking --------------------------------------------------------------------------------------------------------

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        method: str = "GET",
        body: bytes = b"",
        peer: str = OPERATOR,
    ) -> Said:
        """What is answered, without what is another one each time."""
        given = {"x-request-id": "the-same", **headers}
        return self._loop.run(answered(self.front, method, path, given, body, peer))

    def get(self, path: str) -> Said:
        """The answer to a question about the samples."""
        return self.ask(f"{ROOT}/samples{path}")

    def contradictions(self) -> list[str]:
        """What `catchment check` finds wrong."""
        return [
            f"{rule.rule} {text}" for rule in check(self.store.database, collections_of(app)) for text in rule.shown
        ]

    def close(self) -> None:
        """Ends what asks."""
        self._loop.close()


@contextmanager
def living(url: str, now: datetime = START, *, lot: int = 1) -> Iterator[Life]:
    """The app on the database of a URL, which is made ready for it. What is drawn by lot elsewhere (what signs cursors,
    what new records are called by) is the same for every one here.

    lot: another one has other names for new records: two on one database need two.
    """
    with tempfile.TemporaryDirectory(prefix="catchment-life-") as folder:
        values = {"CATCHMENT_DATA": str(Path(folder)), "CATCHMENT_DATABASE": url}
        values |= {"CATCHMENT_LIMIT_WRITES": "off", "CATCHMENT_TRUSTED_GATEWAYS": OTHERS}
        settings, clock = Settings().with_values("test", values), FakeClock(now)
        with Store(settings, [app]) as store:
            with closing(store.database.open()) as sql:
                sql.execute("UPDATE _meta SET value = ? WHERE name IN ('cursor-key', 'erased-key')", ("ab" * 32,))
            front = build([app], settings, clock, deadline_s=_LONG_S, pages=explorer.handlers, keys=_names(lot))
            life = Life(store, front, clock, settings)
            try:
                yield life
            finally:
                life.close()
                front.close()


def _names(lot: int) -> Iterator[str]:
    """UUIDs in no order, the same ones each time."""
    drawn = random.Random(lot)  # noqa: S311 (nobody is to be kept from guessing them)
    return (str(uuid.UUID(bytes=drawn.randbytes(16), version=4)) for _ in itertools.count())
