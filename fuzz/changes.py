"""A consumer of changes is killed again and again while a collection changes; then its mirror is held against it.

It follows by pages of lines and by events in turn. At the end the mirror has the records of the collection, byte for
byte, and was told every change once and in order.

    ./run fuzz changes [--changes 10000] [--kills 200] [--engine postgresql] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

SHOP = Path(__file__).parents[1] / "tests" / "store"
sys.path.insert(0, str(SHOP))

from hunted.engines import ENGINES, cluster_of  # noqa: E402
from hunted.service import Service  # noqa: E402
from shop import Shop, app, settings  # noqa: E402

from catchment.settings import Settings  # noqa: E402
from catchment.store.store import Store  # noqa: E402

LIST = "/v1/shop/things"
CHANGES = f"{LIST}/changes"
FOLLOWER = Path(__file__).parent / "hunted" / "follower.py"
NEVER = 2**53
LEAST = 35
"""So many changes at least a consumer has before it: five commits of its own."""
SHELVES = ("one", "two")
IDS = [f"thing {number}, ä" for number in range(120)]


class Upstream:
    """What an upstream says: things on two shelves, some on both, in answers that each change a few."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self._shop, self._chance = shop, chance
        self._shelves: dict[str, dict[str, int]] = {shelf: {} for shelf in SHELVES}
        self.changed = 0

    def say(self) -> None:
        shelf = self._chance.choice(SHELVES)
        things = self._shelves[shelf]
        for name in self._chance.sample(IDS, self._chance.randint(1, 40)):
            if name in things and self._chance.random() < 0.4:
                del things[name]
            else:
                things[name] = self._chance.randint(0, 5)
        counts = self._shop.collect(*things.items(), shelf=shelf).counts
        self.changed += counts.new + counts.changed + counts.back + counts.gone


def follow(port: int, mirror: Path, way: str, until: int = NEVER) -> subprocess.Popen[str]:
    """A consumer that has begun."""
    command = [sys.executable, FOLLOWER, str(port), CHANGES, str(mirror), way, str(until)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def hunt(folder: Path, options: argparse.Namespace) -> list[str]:
    """What is wrong in the end."""
    chance = random.Random(options.seed)
    mirror = folder / "mirror.sqlite"
    with cluster_of(options.engine) as cluster:
        url = cluster.url(cluster.database()) if cluster else f"sqlite:///{folder}/catchment.sqlite"
        return followed(mirror, settings(folder, CATCHMENT_DATABASE=url), chance, options)


def followed(mirror: Path, place: Settings, chance: random.Random, options: argparse.Namespace) -> list[str]:
    """What is wrong with a mirror whose keeper was killed again and again."""
    with Store(place, [app]) as store:
        upstream = Upstream(Shop(store, place), chance)
        service = Service(mirror, "shop:app", SHOP, CATCHMENT_DATABASE=place.database)
        try:
            for _ in range(options.kills):
                process = follow(service.port, mirror, chance.choice(("lines", "events")))
                goal = upstream.changed + max(LEAST, options.changes // options.kills)
                while upstream.changed < goal:
                    upstream.say()
                for _ in range(chance.randint(0, 4)):  # commits that it surely comes to
                    process.stdout.readline()
                process.kill()
                process.communicate()
            (revision,) = store.ledger._connection.execute(
                "SELECT revision FROM _collection WHERE name = 'shop/things'"
            ).fetchone()
            last = follow(service.port, mirror, chance.choice(("lines", "events")), revision)
            last.communicate(timeout=60)
            found = [] if last.returncode == 0 else [f"the last consumer ended with {last.returncode}"]
            return found + compared(service.port, mirror, upstream.changed)
        finally:
            service.stop()


def compared(port: int, mirror: Path, changed: int) -> list[str]:
    """What of the mirror is not as it is served."""
    with closing(sqlite3.connect(mirror)) as database:
        records = dict(database.execute("SELECT key, record FROM records"))
        told = [line for (line,) in database.execute("SELECT line FROM told ORDER BY rowid")]
    served = dict(pages(port, LIST))
    lines = list(changes(port))
    wrong = []
    if records != served:
        other = {key for key in {*records, *served} if records.get(key) != served.get(key)}
        wrong.append(f"{len(other)} of {len(served)} records differ, e.g. {min(other)}")
    if told != lines:
        wrong.append(f"{len(told)} changes were told, {len(lines)} are served")
    if len(lines) != changed:
        wrong.append(f"{len(lines)} changes are served, {changed} were made")
    return wrong


def pages(port: int, url: str):
    """Key and JSON of every record, as the list has it."""
    connection, cursor = HTTPConnection("127.0.0.1", port), ""
    while cursor is not None:
        connection.request("GET", f"{url}?limit=1000&count=none{cursor and '&cursor='}{cursor}")
        text = connection.getresponse().read().decode()
        answer = json.loads(text)
        start = len('{"data":[')
        for record in answer["data"]:
            document = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            assert text.startswith(document, start), "the list is not in the form that is compared"
            start += len(document) + 1
            yield record["_key"], document
        cursor = answer["meta"]["next"]


def changes(port: int):
    """Every change, as a page of lines has it."""
    connection, url = HTTPConnection("127.0.0.1", port), CHANGES
    while url:
        connection.request("GET", url)
        answer = connection.getresponse()
        yield from answer.read().decode().splitlines()
        url = (answer.headers["Link"] or "").partition(">")[0].removeprefix("<")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder:
        wrong = hunt(Path(folder), options)
    took = time.monotonic() - began
    asked = f"{options.changes} changes at least, {options.kills} kills on {options.engine}"
    print(f"{asked}, seed {options.seed}, {took:.1f} s")
    print(f"  wrong {len(wrong)}")
    for text in wrong:
        print(f"  {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
