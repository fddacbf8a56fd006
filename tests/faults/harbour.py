"""An upstream whose collection meets every fail point more than once, and what a collection of it leaves.

Ships are listed; the cargo of each comes in pages, with a row that is no record. From the first tide to the second
boxes come, go, and change, so that a collection writes new, changed and retired versions and rejects.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from forkserver import Fork, Forks

from catchment import RETIRE, App, Budget, Counter, Cron, Feed, Get, Record, Upstream, by_page, items, rows_of
from catchment.clock import Clock, FakeClock, FileClock
from catchment.collect import Collector
from catchment.runs import Result, Scope
from catchment.settings import load_settings
from catchment.standin import Answer, Control, Paged, Request
from catchment.store.check import check
from catchment.store.engines import Connection, Database, database_of
from catchment.store.store import Store
from catchment.store.tables import collections_of
from catchment.testing import Cluster

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
CONCURRENCY = 2
REQUESTS = 8
"""Of a collection that nobody disturbs: the ships, and seven pages of boxes."""


class Ship(Record):
    """A ship that lies here."""

    id: int
    name: str


class Box(Record):
    """A box on a ship."""

    id: int
    ship: int
    weight: int


harbour = Upstream("harbour", "https://harbour.example", budget=Budget(concurrency=CONCURRENCY), tries=(1, 1))
daily = Cron("0 3 * * *")
ships = Feed("ships", Ship, harbour, request=Get("/ships"), key=("id",), missing=RETIRE, schedule=daily)
boxes = Feed(
    "boxes",
    Box,
    harbour,
    request=Get("/ships/{ship}/boxes"),
    partitions=rows_of(ships, ship="id"),
    pages=by_page(total="total"),
    rows=items("items"),
    key=("ship", "id"),
    missing=RETIRE,
    schedule=daily,
    counters=[Counter(by=("ship",), of=("weight",)), Counter(by=("weight",))],
)
app = App("harbour", feeds=[ships, boxes])


@dataclass(frozen=True)
class Switches:
    """tide: 1 or 2; what lies here changes with it. names: what those of the ships begin with."""

    tide: int = 1
    names: str = "ship"


class Harbour:
    """`/ships` and `/ships/1/boxes?page=1`."""

    name = "harbour"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path == "/ships":
            return Answer.json([{"id": ship, "name": f"{switches.names} {ship}"} for ship in range(1, 4)])
        ship = int(request.path.split("/")[2])
        return Paged("page", size=4, total=True).answer(request, cargo(ship, switches.tide))


def cargo(ship: int, tide: int) -> list[dict[str, Any]]:
    """The boxes of a ship, which the second tide changes: two go, two come, some weigh more.

    Ships 1 and 2 have three pages, and a box that is no record. Ship 3 has one page, of records only: what is missing
    there is known to have gone (where rows may have moved between pages, it would be asked for twice).
    """
    first, number = (1 if tide == 1 else 3), (4 if ship == 3 else 10)
    rows = [{"id": box, "ship": ship, "weight": box * 10 + tide * (box % 3)} for box in range(first, first + number)]
    if ship != 3:
        rows[-1]["weight"] = "heavy"
    return rows


STATEMENTS = {
    "records": "SELECT _key, _partition, _hash, _version, _doc FROM {table} ORDER BY _key",
    "versions": "SELECT _key, _version, _doc, _gone FROM {table}_version ORDER BY _key, _version",
    "commits": "SELECT partition, count(*) FROM _commit WHERE collection = '{feed}' GROUP BY 1 ORDER BY 1",
    "partitions": "SELECT key, verdict, records, lease_owner FROM _partition WHERE feed = '{feed}' ORDER BY key",
    "rejects": "SELECT key, reason, count, raw FROM _reject WHERE feed = '{feed}' ORDER BY key, raw",
    "revision": "SELECT revision FROM _collection WHERE name = '{feed}'",
}
"""All that is to be equal after a fault; the order of commits and their moments are nobody's promise."""


State = dict[str, list[tuple[Any, ...]]]
"""What -> its rows."""


@dataclass
class Berth:
    """A data folder, the stand-in that is collected into it, and the commands run on it.

    cluster: the server whose database holds what is stored; None: it is a file in the folder.
    """

    folder: Path
    url: str
    control: Control
    forks: Forks
    values: dict[str, str] = field(default_factory=dict)
    app: App = app
    target: str = "harbour:app"
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        FileClock(self.folder / "clock").set(NOW)

    @cached_property
    def name(self) -> str:
        """Of its database on the server, which is made when it is first asked for."""
        assert self.cluster is not None
        return self.cluster.database()

    @property
    def where(self) -> str:
        """The URL of its database."""
        if self.cluster:
            return self.cluster.url(self.name)
        return self.values.get("CATCHMENT_DATABASE") or f"sqlite:///{self.folder / 'data' / 'catchment.sqlite'}"

    @property
    def database(self) -> Database:
        return database_of(self.where)

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of a person's own settings: they must not decide a test."""
        return {
            "PATH": os.environ["PATH"],
            "CATCHMENT_DATA": str(self.folder / "data"),
            "CATCHMENT_DATABASE": self.where,
            "CATCHMENT_CLOCK": f"file:{self.folder / 'clock'}",
            "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8",
            "CATCHMENT_UPSTREAM_HARBOUR": self.url,
            "COLUMNS": "200",
            "SSL_CERT_FILE": os.devnull,  # to read all that the machine trusts takes a fifth of a collection's time
            **self.values,
        }

    def start(self, *flags: str, points: str = "", hits: str = "", files: int = 0, output: str = "output") -> Fork:
        """A collection, running. output: the name of the file for what it prints."""
        return self.run("collect", self.target, *flags, points=points, hits=hits, files=files, output=output)

    def run(self, *arguments: str, output: str = "output", **options: Any) -> Fork:
        """A command, running."""
        return self.forks.start(self.folder, arguments, self.environment, output=self.folder / output, **options)

    def collect(self, *flags: str, points: str = "", hits: str = "") -> int:
        """The exit code of a collection."""
        return self.start(*flags, points=points, hits=hits).end()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    @property
    def fired(self) -> list[str]:
        """The fail points that fired here, oldest first."""
        file = self.folder / "fired"
        return file.read_text().splitlines() if file.exists() else []

    def after(self, other: Berth) -> Berth:
        """This folder with the data of another one, a day and a tide later."""
        self.with_data_of(other)
        FileClock(self.folder / "clock").set(NOW + timedelta(days=1))
        self.control.set(tide=2)
        return self

    def with_data_of(self, other: Berth) -> Berth:
        """This folder with the data of another one, at its time."""
        if self.cluster:
            self.name = self.cluster.database(other.name)
        else:
            shutil.copytree(other.folder / "data", self.folder / "data")
        FileClock(self.folder / "clock").set(other.now)
        return self

    def remove(self) -> None:
        """Its folder and its database are gone."""
        shutil.rmtree(self.folder)
        if self.cluster:
            self.cluster.drop(self.name)

    def hits(self, point: str) -> int:
        """How often the run that counted came by a point."""
        return int(json.loads((self.folder / "hits").read_text())[point])

    def here(
        self, *, retry: bool = True, again: bool = False, only: Sequence[str] = (), clock: Clock | None = None
    ) -> dict[str, Result]:
        """Partition -> its result, of a collection in this process. retry: as where a person asks."""
        scope = Scope(retry=retry, again=again, only={"ship": only} if only else {})
        return asyncio.run(self.collected(clock or FakeClock(self.now), scope))

    async def collected(self, clock: Clock, scope: Scope) -> dict[str, Result]:
        """The same, awaited."""
        settings = load_settings(self.environment, folder=self.folder, environ={})
        with Store(settings, [self.app]) as store:
            async with Collector(self.app, store, settings, clock) as collector:
                return {result.partition: result for result in (await collector.run(scope)).results}

    @property
    def now(self) -> datetime:
        return FileClock(self.folder / "clock").now()

    def later(self, by: timedelta) -> None:
        """Time passes."""
        FileClock(self.folder / "clock").set(self.now + by)

    def boxes(self, ship: int) -> list[tuple[Any, ...]]:
        """What is stored of a ship."""
        return self.sql(f"SELECT id, weight, _version FROM harbour_boxes WHERE ship = {ship} ORDER BY id")

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self.database.read()) as database:
            return database.execute(statement).fetchall()

    def state(self) -> State:
        """What is to be the same, whatever happened on the way."""
        with closing(self.database.read()) as database:
            return {
                f"{what} of {feed.name}": _rows(database, statement, feed.name)
                for feed in app.feeds
                for what, statement in STATEMENTS.items()
            }

    def wrong(self) -> list[str]:
        """What contradicts an invariant of stored data."""
        found = check(self.database, collections_of(self.app))
        return [f"{item.rule} {item.says}: {text}" for item in found for text in item.shown]

    def archived(self) -> set[str]:
        """The targets that were answered and kept since the first tide."""
        there = self.sql(f"SELECT url FROM _exchange WHERE at >= '{(NOW + timedelta(days=1)).date()}'")
        return {url.removeprefix(self.url) for (url,) in there}


def _rows(database: Connection, statement: str, feed: str) -> list[tuple[Any, ...]]:
    return database.execute(statement.format(table=f"harbour_{feed}", feed=f"harbour/{feed}")).fetchall()


def asked(log: Sequence[Mapping[str, Any]]) -> Tally[str]:
    """How often each target was asked for."""
    return Tally(entry["target"] for entry in log)
