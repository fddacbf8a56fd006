"""Copies are made, brought back and checked, one after the other, while a collector collects and people write.

Each copy must hold together by itself (`check`: every invariant, also between what people wrote and its counters), and
hold the very records that the original had at the copy's revisions: it is one moment, whatever happened meanwhile.

    ./run fuzz backup [--rounds 100] [--engine postgresql] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[1:1] = [str(TESTS / name) for name in ("store", "resources", "serve")]

from hunted.engines import ENGINES, cluster_of  # noqa: E402
from market import app as market  # noqa: E402
from people import PLACE, creation, deletion, patching, writer_of_all  # noqa: E402
from shop import Shop, settings  # noqa: E402
from shop import app as shop  # noqa: E402

from catchment.store.backup import LEAP, backup, restore  # noqa: E402
from catchment.store.check import check  # noqa: E402
from catchment.store.engines import Database, database_of  # noqa: E402
from catchment.store.export import Export  # noqa: E402
from catchment.store.query import AsOf, Query  # noqa: E402
from catchment.store.reader import Reader  # noqa: E402
from catchment.store.store import Store, prepare  # noqa: E402
from catchment.store.tables import Collection, collections_of  # noqa: E402
from catchment.store.writes import Done  # noqa: E402

APPS = (shop, market)
COLLECTIONS = [item for app in APPS for item in collections_of(app)]
NOW = datetime(2026, 7, 1, tzinfo=UTC)
SHELVES = ("one", "two")


@dataclass
class Course:
    """What goes on beside the copies. wrong: who broke, and by what."""

    ended: threading.Event = field(default_factory=threading.Event)
    collected: int = 0
    written: int = 0
    wrong: list[str] = field(default_factory=list)

    def run(self, work: Callable[[], None]) -> threading.Thread:
        """Does the work again and again until the end."""

        def again() -> None:
            try:
                while not self.ended.is_set():
                    work()
            except Exception as error:  # noqa: BLE001 (a writer that dies must not look like a quiet hunt)
                self.wrong.append(f"{work.__name__} broke: {type(error).__name__}: {error}")

        thread = threading.Thread(target=again)
        thread.start()
        return thread


class Crowd:
    """People who list places and change them, as many at once as come together."""

    def __init__(self, database: Database, chance: random.Random, course: Course) -> None:
        self.writer = writer_of_all(database)
        self._chance, self._course, self._numbers = chance, course, count(1)
        self._held: dict[str, int] = {}

    def write(self) -> None:
        asked = [self._one() for _ in range(self._chance.randint(1, 8))]
        for who, future in asked:
            done = future.result(60)
            if who and done.key:
                self._held[done.key] = who
        self._course.written += len(asked)

    def _one(self) -> tuple[int, Future[Done]]:
        """Who makes a place; 0 for what is changed or deleted. Each of them is in flight once."""
        if not self._held or self._chance.random() < 0.5:
            who = next(self._numbers)
            note = self._chance.choice(["a", "b", None])
            members = PLACE | {"name": f"Mill {who}", "cost": who, "note": note}
            return who, self.writer.submit(creation("places", members, number=who))
        key = self._chance.choice(list(self._held))
        who = self._held.pop(key)
        if self._chance.random() < 0.4:
            return 0, self.writer.submit(deletion("places", key, number=who))
        cost = self._chance.randint(1, 10**6)
        return who, self.writer.submit(patching("places", key, {"cost": cost}, number=who))


def collector(store: Store, place, chance: random.Random, course: Course) -> Callable[[], None]:
    here = Shop(store, place)
    here.collect(("first", 0))

    def collect() -> None:
        things = [
            (f"thing {number}", chance.randint(0, 9)) for number in chance.sample(range(60), chance.randint(0, 40))
        ]
        here.collect(*things, shelf=chance.choice(SHELVES))
        course.collected += 1

    return collect


def records(database: Database, collection: Collection, revision: int | None = None) -> tuple[int, list[str]]:
    """The revision of a collection, and its records as of one."""
    with closing(Reader(database, COLLECTIONS)) as reader:
        as_of = AsOf(revision=revision) if revision is not None else None
        export = Export.begin(reader, collection, Query(as_of=as_of))
        return export.state.revision, [text for piece in export.pieces() for text in piece]


def compared(original: Database, copy: Database) -> list[str]:
    """What of a copy contradicts itself, or is not what the original had."""
    found = [f"{rule.rule}: {text}" for rule in check(copy, COLLECTIONS) for text in rule.shown]
    for collection in COLLECTIONS:
        revision, held = records(copy, collection)
        _, was = records(original, collection, revision - LEAP)
        if held != was:
            found.append(f"{collection.name}: {len(held)} records at revision {revision - LEAP}, where {len(was)} were")
    return found


def hunt(folder: Path, options: argparse.Namespace) -> tuple[Course, list[str]]:
    """What went on, and what is wrong."""
    chance, course, wrong = random.Random(options.seed), Course(), []
    with cluster_of(options.engine) as cluster:

        def new(name: str) -> str:
            return cluster.url(cluster.database()) if cluster else f"sqlite:///{folder}/{name}.sqlite"

        place = settings(folder, CATCHMENT_DATABASE=new("original"))
        original = database_of(place.database)
        prepare(original, [market])
        with Store(place, list(APPS)) as store:
            crowd = Crowd(original, random.Random(chance.random()), course)
            works = (collector(store, place, random.Random(chance.random()), course), crowd.write)
            threads = [course.run(work) for work in works]
            try:
                for number in range(options.rounds):
                    file, copy = folder / f"{number}.copy", database_of(new(str(number)))
                    backup(original, file)
                    restore(file, copy, NOW)
                    wrong += [f"copy {number}: {text}" for text in compared(original, copy)]
                    file.unlink()
            finally:
                course.ended.set()
                for thread in threads:
                    thread.join()
                crowd.writer.close()
        wrong += [f"{rule.rule}: {text}" for rule in check(original, COLLECTIONS) for text in rule.shown]
    return course, wrong + course.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder:
        course, wrong = hunt(Path(folder), options)
    took = time.monotonic() - began
    beside = f"{course.collected} answers collected and {course.written} writes beside them"
    print(f"{options.rounds} copies on {options.engine}, {beside}, seed {options.seed}, {took:.1f} s")
    print(f"  wrong {len(wrong)}")
    for text in wrong:
        print(f"  {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
