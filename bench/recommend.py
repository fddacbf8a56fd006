"""Recommending and searching among very many providers: p50 and p95 of the first page of each kind of question.

Beside the CPU's p95 stands what it is to be at a million providers: 150 ms on SQLite and 50 ms on PostgreSQL, and 500
for rare skills and 90 days. Then, of SQLite, for each kind of question the steps of the plans by which it finds the
page.

The market is made up and loaded below the API; PostgreSQL gets it by COPY. Every question is asked with other days,
budgets and skills, so that no answer is kept from the one before. Where the machine is busy with other things, CPU is
what can be compared: on PostgreSQL that of its processes too.

    ./run bench recommend [--providers 100000] [--questions 40] [--data FOLDER]
                          [--engine postgresql [--server URL]]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from catchment.app import load_app
from catchment.apps.providers import asking
from catchment.apps.providers.ranking import Prior
from catchment.apps.providers.standin import SKILLS, Extent, filling
from catchment.apps.providers.walking import Asked, page
from catchment.clock import SystemClock
from catchment.principal import ANONYMOUS
from catchment.serve.app import build
from catchment.serve.data import Data, View
from catchment.settings import Settings
from catchment.store.engines import database_of
from catchment.store.engines.moving import move
from catchment.store.engines.sqlite import Connection, File
from catchment.store.questions import prepared
from catchment.store.reader import Reader
from catchment.store.tables import collections_of
from catchment.testing import Cluster

PRIOR = Prior(4_150_000, 10)
TARGET_MS, RARE_TARGET_MS = {"sqlite": 150, "postgresql": 50}, 500
SERVER = {"shared_buffers": "1GB", "maintenance_work_mem": "512MB", "max_wal_size": "20GB"}
"""Of a server that has a market of a million to itself."""

Question = Callable[[random.Random], dict[str, Any]]


def days(chance: random.Random, length: int) -> list[dict[str, str]]:
    first = date(2024, 2, 1) + timedelta(days=chance.randrange(250))
    return [{"from_date": first.isoformat(), "to_date": (first + timedelta(days=length - 1)).isoformat()}]


def job(*places: int, **more: Any) -> Question:
    """A job for those skills, by how many have them: 0 is had by most."""
    fixed = {"skills": [SKILLS[place] for place in places], "rank": "best"} | more
    return lambda chance: {"job_budget_in_pence": chance.randint(20_000, 90_000)} | fixed


def with_days(question: Question, length: int) -> Question:
    return lambda chance: question(chance) | {"availability": days(chance, length)}


RECOMMEND: dict[str, Question] = {
    "a common skill": job(0),
    "a common skill, by price": job(0, rank="price"),
    "a common skill, 3 days": with_days(job(0), 3),
    "a middling skill, 3 days": with_days(job(12), 3),
    "any of three, 3 days": with_days(job(0, 3, 12), 3),
    "any of three, by price, 3 days": with_days(job(0, 3, 12, rank="price"), 3),
    "all of three": job(0, 1, 2, skills_mode="all"),
    "well rated": job(3, minimum_review_rating=4.5),
    "a rare skill, 3 days": with_days(job(180), 3),
    "a rare skill": job(199),
    "90 days": with_days(job(0), 90),
    "90 days, next year": lambda chance: (
        job(0)(chance) | {"availability": [{"from_date": "2025-03-01", "to_date": f"2025-05-{chance.randint(29, 31)}"}]}
    ),
}
SEARCH: dict[str, Question] = {
    "all by name": lambda chance: {"cost_gt": chance.randrange(100)},
    "a common skill": lambda chance: {"skills": [SKILLS[0]], "cost_lt": chance.randint(20_000, 90_000)},
    "a rare skill, 3 days": lambda chance: {"skills": [SKILLS[180]], "availability": days(chance, 3)},
    "90 days": lambda chance: {"availability": days(chance, 90)},
    "well rated": lambda chance: {"reviews_gte": 4.5, "cost_lt": chance.randint(20_000, 90_000)},
}


@dataclass(frozen=True)
class Place:
    """A market that is loaded. url: "" for a file in the folder."""

    folder: Path
    url: str = ""

    @property
    def engine(self) -> str:
        return "postgresql" if self.url else "sqlite"

    def computed(self) -> float:
        """Seconds that were computed so far, here and by whoever answers for the database."""
        return time.process_time() + sum(map(_computed, self._backends))

    @cached_property
    def _backends(self) -> list[Path]:
        """What the system says of the server's processes that answer, which are on this machine."""
        if not self.url:
            return []
        with closing(database_of(self.url).read()) as sql:
            rows = sql.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").fetchall()
        return [Path(f"/proc/{pid}/schedstat") for (pid,) in rows]


def _computed(process: Path) -> float:
    return int(process.read_text().split()[0]) / 1e9 if process.exists() else 0.0


async def asked(
    front: Any, place: Place, path: str, question: Question, times: int
) -> tuple[list[float], list[float], int]:
    """Seconds of each answer, by the clock and of computing, and how many were refused for taking too long."""
    chance, found, computed, refused = random.Random(path), [], [], 0
    transport = httpx.ASGITransport(front, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for _ in range(times):
            body = json.dumps(question(chance))
            begin, computing = time.perf_counter(), place.computed()
            answer = await client.post(path, content=body, headers={"content-type": "application/json"})
            found.append(time.perf_counter() - begin)
            computed.append(place.computed() - computing)
            refused += answer.status_code != 200
    return found, computed, refused


def target_of(engine: str, name: str) -> int:
    """What the CPU's p95 is to be at a million providers, in ms."""
    return RARE_TARGET_MS if "rare" in name or "90 days" in name else TARGET_MS[engine]


def of(found: list[float]) -> tuple[float, float]:
    """The middle one, and the one that 95 of 100 do not exceed."""
    return statistics.median(found), sorted(found)[min(len(found) - 1, round(0.95 * len(found)))]


def measure(place: Place, times: int) -> None:
    values = {"CATCHMENT_DATA": str(place.folder), "CATCHMENT_LIMIT_ANONYMOUS": "off"}
    values |= {"CATCHMENT_DATABASE": place.url} if place.url else {}
    front = build([load_app("providers")], Settings().with_values("bench", values), SystemClock())
    asyncio.run(asked(front, Place(place.folder), "/v1_1/service-providers", SEARCH["all by name"], 1))  # it connects
    print(
        f"{'first page of 10, ms':<52}{'p50':>8}{'p95':>8}{'max':>8}{'CPU p50':>9}{'p95':>8}{'target':>8}{'refused':>9}"
    )
    for kind, path, questions in (
        ("recommend", "/v1_1/service-providers/recommend", RECOMMEND),
        ("search", "/v1_1/service-providers", SEARCH),
    ):
        for name, question in questions.items():
            found, computed, refused = asyncio.run(asked(front, place, path, question, times))
            times_of = (*of(found), max(found), *of(computed))
            shown = "".join(f"{value * 1000:8.1f}" for value in times_of)
            target = target_of(place.engine, name)
            missed = "" if times_of[-1] * 1000 <= target and not refused else "  missed"
            print(f"  {kind + ': ' + name:<50}{shown}{target:>8}{refused:>9}{missed}", flush=True)
    front.close()


# -- plans ----------------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """A view that notes the plan of every question that it is asked."""

    view: View
    sql: sqlite3.Connection
    steps: Counter[str] = field(default_factory=Counter)

    def tables(self, name: str) -> Any:
        return self.view.tables(name)

    def state(self, name: str) -> Any:
        return self.view.state(name)

    def select(self, statement: Any) -> list[Any]:
        return self.prepared(statement)()

    def prepared(self, statement: Any) -> Callable[..., list[Any]]:
        question, ask = prepared(statement, Connection.dialect), self.view.prepared(statement)

        def noted(**values: Any) -> list[Any]:
            asked = question.with_values(**values)
            plan = self.sql.execute(f"EXPLAIN QUERY PLAN {asked.sql}", asked.values)
            self.steps.update(step for *_, step in plan if "providers_" in step)
            return ask(**values)

        return noted


def wanted(kind: str, said: Any) -> Asked:
    """What a request asks for whose body says that."""
    body = json.loads(json.dumps(said), parse_float=Decimal)
    if kind == "search":
        return Asked(asking.filters(asking.read_body(body, asking.LIST), (1, 1)), "name", PRIOR, "bayes", 0)
    job = asking.wanted(asking.read_body(body, asking.RECOMMEND), (1, 1))
    return Asked(job.filters, job.rank, PRIOR, job.score, 0)


def show_plans(folder: Path) -> None:
    known = collections_of(load_app("providers"))
    reader = Reader(File(folder / "catchment.sqlite"), known, deadline_s=60)
    data = Data(reader, Settings(), SystemClock().now(), ANONYMOUS, app="providers")
    print("\nsteps of their plans")
    with data.open() as view, closing(sqlite3.connect(folder / "catchment.sqlite")) as sql:
        for kind, questions in (("recommend", RECOMMEND), ("search", SEARCH)):
            for name, question in questions.items():
                watched = Watched(view, sql)
                page(watched, wanted(kind, question(random.Random(kind))), 11)
                print(f"  {kind}: {name}")
                for step, times in sorted(watched.steps.items()):
                    print(f"    {times:>4} x {step}")
    reader.close()


# -- the market -----------------------------------------------------------------------------------------------------


def load(folder: Path, providers: int) -> None:
    """Makes the market up, unless there is one."""
    if (folder / "catchment.sqlite").exists():
        return
    begin = time.monotonic()
    extent = Extent(providers, max(providers // 5, 5), 5 * providers)
    for number in filling(folder / "catchment.sqlite", extent, SystemClock()):
        if number % 500_000 == 0:
            print(f"{number:,} records after {time.monotonic() - begin:.0f} s", flush=True)
    print(f"loaded {extent} in {time.monotonic() - begin:.0f} s", flush=True)


@contextmanager
def served(folder: Path, server: str) -> Iterator[str]:
    """The URL of a PostgreSQL with the market of the folder: the given one, if it has one, or one of its own."""
    if server:
        yield server
        return
    with Cluster(**SERVER) as cluster:
        url, begin = cluster.url(cluster.database()), time.monotonic()
        print(move(File(folder / "catchment.sqlite"), database_of(url)), end=" ", flush=True)
        with closing(database_of(url).open()) as sql:
            sql.execute("VACUUM ANALYZE")
        print(f"copied in {time.monotonic() - begin:.0f} s", flush=True)
        yield url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--providers", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--data", type=Path, help="a folder with a market that was loaded before, or for a new one")
    parser.add_argument("--engine", choices=TARGET_MS, default="sqlite")
    parser.add_argument("--server", default="", help="the URL of a PostgreSQL database on this machine that has one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="catchment-bench-") as temporary:
        folder = options.data or Path(temporary)
        if not options.server:
            load(folder, options.providers)
        if options.engine == "postgresql":
            with served(folder, options.server) as url:
                measure(Place(folder, url), options.questions)
            return
        measure(Place(folder), options.questions)
        show_plans(folder)


if __name__ == "__main__":
    main()
