"""A tiny app lived through on a database: collected from answers that somebody gives, checked, and asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..app import App
from ..clock import FakeClock
from ..derive import derive
from ..exchange import Answer, Request
from ..feed import RETIRE, Feed, Get
from ..partitions import Partition, each
from ..plan import State
from ..record import Record
from ..serve.app import build
from ..serve.front import Front
from ..settings import Settings
from ..store.archive import Place
from ..store.check import check
from ..store.lease import Lease, Outcome
from ..store.store import Store
from ..store.tables import Collection, collections_of
from ..upstream import Upstream

__all__ = ["START", "Life", "app", "living"]

START = datetime(2026, 1, 1, tzinfo=UTC)


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


samples = Feed(
    "samples",
    Sample,
    Upstream("samples", "https://samples.example"),
    request=Get("/samples", shelf="{shelf}"),
    partitions=each(shelf=["one", "two"]),
    key=("id",),
    missing=RETIRE,
    sort=("text",),
    public=True,
)
app = App("samples", feeds=[samples])
_COLLECTION = Collection(app.name, samples)


@dataclass
class Life:
    """One collector of the app, with a clock of its own that goes on by a minute an answer.

    told: what came of every partition that was collected.
    """

    store: Store
    front: Front
    clock: FakeClock
    told: list[tuple[object, ...]] = field(default_factory=list)

    def claim(self, shelf: str = "one") -> Lease | None:
        """The lease of a partition, as it is due; None while another one holds it."""
        partition, now = Partition((("shelf", shelf),)), self.clock.now()
        state = self.store.ledger.states(_COLLECTION.name).get(partition.key, State(partition))
        return self.store.ledger.claim(self.store.ledger.begin_run(app.name, now), _COLLECTION.name, state, now)

    def merge(self, lease: Lease, rows: Sequence[bytes]) -> Outcome:
        """What comes of an answer of these rows, each a JSON text. LeaseLost where the lease is another one's."""
        self.clock.advance(timedelta(minutes=1))
        now = self.clock.now()
        place = Place(lease.feed, lease.partition.key, lease.number, lease.attempt)
        answer = Answer(200, b"[" + b",".join(rows) + b"]", now)
        page = self.store.archive.put(place, Request("/samples"), "https://samples.example/samples", answer)
        return derive(samples, lease, [page], self.store.records(_COLLECTION), Outcome("failed"), now)

    def collect(self, *rows: object, shelf: str = "one") -> None:
        """The partition's next answer. rows: values to be written as JSON, or bytes that are some."""
        lease = self.claim(shelf)
        assert lease is not None, f"shelf {shelf} is held by another collector"
        texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        outcome = self.merge(lease, texts)
        self.told.append((outcome.verdict, outcome.reason, outcome.counts))

    def rejects(self) -> list[tuple[object, ...]]:
        """What was refused: key, reason, place in the row, and its bytes."""
        return [(row.key, row.reason, row.path, row.raw) for row in self.store.desk.rejects([_COLLECTION.name])]

    def contradictions(self) -> list[str]:
        """What `catchment check` finds wrong."""
        return [
            f"{rule.rule} {text}" for rule in check(self.store.database, collections_of(app)) for text in rule.shown
        ]

    def ask(self, path: str) -> tuple[int, bytes, list[tuple[str, str]]]:
        """Status, body and headers of an answer, without what is another one each time. path: below the collection."""
        import httpx

        async def served(scope: Any, receive: Any, send: Any) -> None:
            await self.front({**scope, "state": {}}, receive, send)

        async def asked() -> httpx.Response:
            way = httpx.ASGITransport(served, client=("127.0.0.1", 5000))
            async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
                return await client.get(f"/v1/{_COLLECTION.name}{path}", headers={"x-request-id": "the-same"})

        answer = asyncio.run(asked())
        return answer.status_code, answer.content, sorted((k, v) for k, v in answer.headers.items() if k != "date")


@contextmanager
def living(url: str) -> Iterator[Life]:
    """The app on the database of a URL, which is made ready for it; its API signs cursors as every other one here."""
    with tempfile.TemporaryDirectory(prefix="catchment-life-") as folder:
        values = {"CATCHMENT_DATA": str(Path(folder)), "CATCHMENT_DATABASE": url}
        settings, clock = Settings().with_values("test", values), FakeClock(START)
        with Store(settings, [app]) as store:
            with closing(store.database.open()) as sql:
                sql.execute("UPDATE _meta SET value = ? WHERE name = 'cursor-key'", ("ab" * 32,))
            front = build([app], settings, FakeClock(START))
            try:
                yield Life(store, front, clock)
            finally:
                front.close()
