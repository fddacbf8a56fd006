"""One data folder, one stand-in and one standing clock: an app collected in this process, and what became of it."""

import asyncio
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from databases import asked, database_in, values_in

from catchment.app import App, load_app
from catchment.clock import FakeClock, parse_moment
from catchment.collect import Collector
from catchment.operate import forecasts
from catchment.replay import Replayed, replay
from catchment.runs import Forecast, Result, Scope, Summary
from catchment.settings import load_settings
from catchment.standin import Control, Options, clock_from, serve_in_thread
from catchment.store.engines import Database, database_of
from catchment.store.store import Store

KEY = "a-key-that-the-stand-in-takes"
BASES = {"police": ("POLICE", "/api"), "stocks": ("ALPHAVANTAGE", ""), "episodes": ("OMDB", "")}


@dataclass
class Collecting:
    """What a person at one machine has. values: settings besides those that lead to the stand-in."""

    app: App
    folder: Path
    url: str
    control: Control
    clock: FakeClock
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if "CATCHMENT_DATABASE" not in self.values:
            database_in(self.folder, [self.app])

    @property
    def environment(self) -> dict[str, str]:
        """The settings that a collector needs to find the stand-in."""
        name, path = BASES.get(self.app.name, (self.app.name.upper(), ""))
        return {
            **values_in(self.folder),
            "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8",
            f"CATCHMENT_UPSTREAM_{name}": self.url + path,
            "ALPHAVANTAGE_API_KEY": KEY,
            "OMDB_API_KEY": KEY,
            **self.values,
        }

    def run(
        self,
        *,
        again: bool = False,
        only: Mapping[str, Sequence[str]] | None = None,
        retry: bool = True,
        feeds: Sequence[str] = (),
    ) -> Summary:
        """One collection by a collector that starts and ends with it: what it remembers is in the data folder."""
        return asyncio.run(self._run(Scope(only=only or {}, again=again, retry=retry, feeds=feeds)))

    async def _run(self, scope: Scope) -> Summary:
        settings = load_settings(self.environment, folder=self.folder, environ={})
        with Store(settings, [self.app]) as store:
            async with Collector(self.app, store, settings, self.clock) as collector:
                collector.check(scope)
                return await collector.run(scope)

    def replay(self, app: App | None = None, **only: Sequence[str]) -> list[Replayed]:
        """A replay of the app, which from then on is declared as given."""
        self.app = app or self.app
        settings = load_settings(self.environment, folder=self.folder, environ={})
        with Store(settings, [self.app], replaying=True) as store:
            return replay(self.app, Scope(only=only), store, settings, self.clock, lambda _: None)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says now."""
        return asked(self.database, statement, values)

    @property
    def database(self) -> Database:
        return database_of(self.values.get("CATCHMENT_DATABASE") or database_in(self.folder))

    def tables(self) -> set[str]:
        with closing(self.database.read()) as sql:
            return sql.tables()

    def number(self, statement: str, *values: object) -> int:
        return int(self.sql(statement, *values)[0][0])

    def revision(self, feed: str) -> int:
        return self.number("SELECT revision FROM _collection WHERE name = ?", f"{self.app.name}/{feed}")

    def documents(self, table: str) -> list[str]:
        """The current records as they are served, in the order of their keys."""
        return [text for (text,) in self.sql(f'SELECT _doc FROM "{table}" ORDER BY _key')]

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The requests for one path, oldest first."""
        return [entry for entry in self.control.log() if entry["path"] == path]

    def moments(self, path: str) -> list[datetime]:
        """When each request for a path came, by the clock that both sides have; ascending."""
        return sorted(parse_moment(entry["at"]) for entry in self.asked(path))

    def forecasts(self) -> list[Forecast]:
        """What `catchment plan` says of each feed."""
        settings = load_settings(self.environment, folder=self.folder, environ={})
        with Store(settings, [self.app]) as store:
            return asyncio.run(forecasts([(self.app, Scope())], store, settings, self.clock))[self.app.name]


@contextmanager
def collecting(
    name: str,
    folder: Path,
    *,
    now: datetime,
    samples: Path | None = None,
    size: str = "tiny",
    switches: Mapping[str, object] | None = None,
    real_time: bool = False,
    **values: str,
) -> Iterator[Collecting]:
    """An app with an empty data folder and a stand-in upstream of its own, both on one clock.

    real_time: the stand-in's clock runs, for processes that have the machine's.
    """
    app, clock = load_app(name), FakeClock(now)
    assert app.standin is not None
    theirs = clock_from(now) if real_time else clock
    service = app.standin(Options(size=size, variant=1, samples=samples, clock=theirs))
    with serve_in_thread(service, clock=theirs, switches=switches) as running:
        yield Collecting(app, folder, running.url, running.control, clock, values)


def most_within(moments: Sequence[datetime], span: timedelta) -> int:
    """The most moments that any span of this length holds. moments: ascending."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - span:
            first += 1
        most = max(most, last - first + 1)
    return most


def by_partition(summary: Summary, feed: str) -> dict[str, Result]:
    """Partition key -> its result, of one feed."""
    return {result.partition: result for result in summary.results if result.feed == feed}


def only_result(summary: Summary) -> Result:
    """The result of a run that had one partition to ask."""
    (result,) = summary.results
    return result


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, output and errors of a command; one that does not end is killed, and told."""
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, out, err
