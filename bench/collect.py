"""Collecting, side by side in one run: the product (archive, ledger, versions and all), its limit, and peers.

The limit is what any program has to do for the same rows: decode and validate, hash, and upsert with `executemany`; on
PostgreSQL COPY them into a table with a key. Peers are dlt and sqlite-utils, which keep no archive and no versions.
Rounds alternate and the medians are compared: only ratios inside one run count. CPU is that of this process and of the
database's together, which other work on the machine changes less.

    ./run bench collect [--records 40000] [--rounds 3] [--engine sqlite] [--engine postgresql] [--without-peers]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import xxhash
from measured.order import Order

from catchment import App, Feed, Get, Upstream, each
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.failpoints import arm, failpoint
from catchment.partitions import Partition
from catchment.plan import State
from catchment.settings import load_settings
from catchment.store.archive import Place
from catchment.store.lease import Outcome
from catchment.store.store import Store
from catchment.store.tables import Collection
from catchment.testing import Cluster, NoServer

PARTITIONS = 4
START = datetime(2026, 1, 1, tzinfo=UTC)


bench = Upstream("bench", "https://bench.example")
orders = Feed(
    "orders", Order, bench, request=Get("/orders", part="{part}"), partitions=each(part=["p"]), key=("part", "id")
)
app = App("bench", feeds=[orders])


@dataclass(frozen=True)
class Bodies:
    """The same records as served first, served again with other white space, and with 1 % of them changed."""

    first: list[bytes]
    respaced: list[bytes]
    changed: list[bytes]


def bodies(records: int) -> Bodies:
    chance = random.Random(1)
    parts = [[_order(chance, part, number) for number in range(records // PARTITIONS)] for part in range(PARTITIONS)]
    first = [msgspec.json.encode(part) for part in parts]
    changed = [
        msgspec.json.encode(
            [row | {"status": "returned"} if number % 100 == 0 else row for number, row in enumerate(part)]
        )
        for part in parts
    ]
    return Bodies(first, [body + b"\n" for body in first], changed)


def _order(chance: random.Random, part: int, number: int) -> dict[str, object]:
    def text(length: int) -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=length))

    return {
        "id": number,
        "part": f"p{part}",
        "status": "shipped",
        "customer": text(24),
        "email": text(18),
        "city": text(14),
        "country": text(10),
        "street": text(28),
        "note": text(120),
        "product": text(30),
        "colour": text(8),
        "carrier": text(12),
        "tracking": text(20),
        "quantity": chance.randint(1, 99),
        "price": chance.random() * 100,
        "discount": chance.random(),
        "weight": chance.random() * 10,
        "created": (START + timedelta(seconds=chance.randint(0, 10**7))).isoformat(),
        "paid": True,
        "gift": False,
        "rating": chance.choice([None, 1, 2, 3, 4, 5]),
    }


class Product:
    """The product on a new database."""

    def __init__(self, folder: Path, url: str = "") -> None:
        values = {"CATCHMENT_DATA": str(folder), "CATCHMENT_DATABASE": url}
        self._store = Store(load_settings(values, folder=folder), [app])
        self._records = self._store.records(Collection(app.name, orders))

    def load(self, parts: list[bytes]) -> None:
        for number, body in enumerate(parts):
            partition = Partition((("part", f"p{number}"),))
            state = self._store.ledger.states("bench/orders").get(partition.key, State(partition))
            lease = self._store.ledger.claim(1, "bench/orders", state, datetime.now(UTC))
            assert lease is not None
            answer = Answer(200, body, datetime.now(UTC))
            place = Place("bench/orders", partition.key, lease.number, lease.attempt)
            page = self._store.archive.put(place, Request("/orders"), "https://bench.example/orders", answer)
            if lease.digest == page.digest:
                self._store.ledger.finish(lease, Outcome("unchanged"), datetime.now(UTC))
            else:
                outcome = Outcome("failed", digest=page.digest)
                derive(orders, lease, [page], self._records, outcome, datetime.now(UTC))

    def close(self) -> None:
        self._store.close()


NAMES = Order.__struct_fields__


def rows(body: bytes) -> Iterator[tuple[object, ...]]:
    """The rows that a table without anything else has of a body: decoded, validated, hashed."""
    decoder, created = msgspec.json.Decoder(Order), NAMES.index("created")
    for raw in msgspec.json.decode(body, type=list[msgspec.Raw]):
        item = decoder.decode(raw)
        values = [getattr(item, name) for name in NAMES]
        values[created] = item.created.isoformat()
        yield (f"{item.part},{item.id}", xxhash.xxh3_128_digest(raw), *values, msgspec.json.encode(item).decode())


def upsert_limit(folder: Path, parts: list[bytes]) -> None:
    """Decode, hash and upsert the same rows, and nothing else."""
    connection = sqlite3.connect(folder / "limit.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"CREATE TABLE orders (key TEXT PRIMARY KEY, hash BLOB, {', '.join(NAMES)}, doc TEXT)")
    sets = ", ".join(f"{name} = excluded.{name}" for name in ("hash", *NAMES, "doc"))
    sql = f"INSERT INTO orders VALUES ({', '.join('?' * (len(NAMES) + 3))}) ON CONFLICT (key) DO UPDATE SET {sets}"  # noqa: S608
    for body in parts:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, rows(body))
        connection.execute("COMMIT")
    connection.close()


def copy_limit(url: str, parts: list[bytes]) -> None:
    """Decode, hash and COPY the same rows, a transaction a body, and nothing else."""
    kinds = {int: "bigint", bool: "bigint", float: "double precision"}
    columns = ", ".join(f"{name} {kinds.get(kind, 'text')}" for name, kind in Order.__annotations__.items())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE orders (key text PRIMARY KEY, hash bytea, {columns}, doc text)")
        for body in parts:
            with connection.transaction(), connection.cursor().copy("COPY orders FROM STDIN") as into:
                for row in rows(body):
                    into.write_row([int(value) if isinstance(value, bool) else value for value in row])


@dataclass(frozen=True)
class Spent:
    """Seconds of the clock, and of the processors: here and in the database's processes."""

    wall: float
    cpu: float


class Meter:
    """Measures work. cluster: whose processes count too."""

    def __init__(self, cluster: Cluster | None) -> None:
        self._server = cluster._server.pid if cluster and cluster._server else 0

    def _cpu(self) -> float:
        return time.process_time() + sum(map(_ticks, self._processes())) / os.sysconf("SC_CLK_TCK")

    def _processes(self) -> list[str]:
        if not self._server:
            return []
        children = Path(f"/proc/{self._server}/task/{self._server}/children").read_text().split()
        return [str(self._server), *children]

    def timed(self, work: Callable[[], None]) -> Spent:
        start, cpu = time.perf_counter(), self._cpu()
        work()
        return Spent(time.perf_counter() - start, self._cpu() - cpu)


def _ticks(process: str) -> int:
    """Of a process and of its children that have ended, as the system counts."""
    try:
        said = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, said[11:15]))


Loads = dict[str, Callable[[], None]]
"""What is measured, by its name, in its order."""


def product_loads(engine: str, product: Product, data: Bodies) -> Loads:
    return {
        f"{engine}: first load": lambda: product.load(data.first),
        f"{engine}: unchanged, by body digest": lambda: product.load(data.first),
        f"{engine}: unchanged, by record hashes": lambda: product.load(data.respaced),
        f"{engine}: 1 % changed, versions kept": lambda: product.load(data.changed),
    }


def peer_loads(name: str, load: Callable[[Sequence[bytes]], None], data: Bodies) -> Loads:
    return {f"{name}: first load": lambda: load(data.first), f"{name}: 1 % changed": lambda: load(data.changed)}


def of_sqlite(folder: Path, data: Bodies, stack: ExitStack, *, peers: bool) -> Loads:
    product = Product(folder / "product")
    stack.callback(product.close)
    found = {"sqlite: limit: decode, hash, upsert": lambda: upsert_limit(folder, data.first)}
    found |= product_loads("sqlite", product, data)
    if peers:
        from peers.stores import with_dlt, with_sqlite_utils

        found |= peer_loads("sqlite-utils", with_sqlite_utils(folder), data)
        found |= peer_loads("dlt → duckdb", with_dlt(folder / "dlt"), data)
    return found


def of_postgresql(cluster: Cluster, folder: Path, data: Bodies, stack: ExitStack, *, peers: bool) -> Loads:
    names = [cluster.database() for _ in range(3)]
    for name in names:
        stack.callback(cluster.drop, name)
    urls = [cluster.url(name) for name in names]
    product = Product(folder / "on-postgresql", urls[0])
    stack.callback(product.close)
    found = {"postgresql: limit: decode, hash, COPY": lambda: copy_limit(urls[1], data.first)}
    found |= product_loads("postgresql", product, data)
    if peers:
        from peers.stores import with_dlt

        found |= peer_loads("dlt → postgres", with_dlt(folder / "dlt-postgres", urls[2]), data)
    return found


def one_round(engines: Sequence[str], data: Bodies, cluster: Cluster | None, *, peers: bool) -> dict[str, Spent]:
    """What each kind of load took, on databases of its own."""
    folder = Path(tempfile.mkdtemp(prefix="catchment-bench-"))
    meter = Meter(cluster)
    try:
        with ExitStack() as stack:
            loads = of_sqlite(folder, data, stack, peers=peers) if "sqlite" in engines else {}
            if cluster:
                loads |= of_postgresql(cluster, folder, data, stack, peers=peers)
            return {name: meter.timed(work) for name, work in loads.items()}
    finally:
        shutil.rmtree(folder)


TARGETS = (
    ("sqlite: limit: decode, hash, upsert", "sqlite: first load", 0.8),
    ("sqlite-utils: first load", "sqlite: first load", 2.5),
    ("dlt → duckdb: first load", "sqlite: first load", 4),
    ("sqlite: first load", "sqlite: unchanged, by record hashes", 5),
    ("sqlite: first load", "sqlite: unchanged, by body digest", 40),
    ("dlt → duckdb: 1 % changed", "sqlite: 1 % changed, versions kept", 12),
    ("postgresql: limit: decode, hash, COPY", "postgresql: first load", 0.75),
    ("dlt → postgres: first load", "postgresql: first load", 6),
    ("postgresql: first load", "postgresql: unchanged, by record hashes", 5),
)
"""How many times as long the first one is to take at least as the second one."""


def say_targets(medians: dict[str, Spent]) -> None:
    print(f"  {'how many times as long':<83} {'by clock':>9} {'by CPU':>9} {'target':>9}")
    for longer, shorter, target in TARGETS:
        if longer in medians and shorter in medians:
            one, other = medians[longer], medians[shorter]
            ratios = f"{one.wall / other.wall:9.2f} {one.cpu / other.cpu if other.cpu else float('inf'):9.2f}"
            print(f"  {longer:<40} / {shorter:<40} {ratios} {target:9.2f}")


def met(records: int) -> int:
    """How often a first load comes by a fail point, told by a process in which that is counted."""
    done = subprocess.run(
        [sys.executable, __file__, "--records", str(records), "--count"],
        env={**os.environ, "CATCHMENT_FAILPOINTS": "later"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout)


def count(records: int) -> int:
    """The same, in this process."""
    points: list[str] = []
    arm(points.append)
    with tempfile.TemporaryDirectory(prefix="catchment-bench-") as folder:
        product = Product(Path(folder))
        product.load(bodies(records).first)
        product.close()
    return len(points)


def say_fail_points(records: int, first: float) -> None:
    """What the calls of fail points cost that are off: their number by the time of one, beside the whole load."""
    number, each = met(records), timeit.timeit(lambda: failpoint("tx.begun"), number=1_000_000) / 1_000_000
    ratio = first / (first - number * each)
    print(
        f"  {number} fail points that are off {number * each * 1e6:.1f} µs; first load with them / without {ratio:.6f}"
    )


def _server(stack: ExitStack) -> Cluster | None:
    """A PostgreSQL of this run's own; None, and why, where there is none."""
    try:
        return stack.enter_context(Cluster())
    except NoServer as error:
        print(f"without PostgreSQL: {error}")
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", action="append", choices=["sqlite", "postgresql"])
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        print(count(options.records))
        return
    data, engines = bodies(options.records), options.engine or ["sqlite", "postgresql"]
    peers = not options.without_peers and importlib.util.find_spec("dlt") is not None
    with ExitStack() as stack:
        cluster = _server(stack) if "postgresql" in engines else None
        rounds = [one_round(engines, data, cluster, peers=peers) for _ in range(options.rounds)]
    medians = {
        name: Spent(*(statistics.median(getattr(item[name], of) for item in rounds) for of in ("wall", "cpu")))
        for name in rounds[0]
    }
    print(
        f"{options.records:,} records of {len(data.first[0]) * PARTITIONS // options.records} bytes,"
        f" {options.rounds} rounds{'' if peers else '; without peers: ./run bench collect installs them'}"
    )
    for name, spent in medians.items():
        each = spent.wall / options.records * 1e6
        print(f"  {name:<40} {spent.wall:8.3f} s {spent.cpu:8.3f} s of CPU {each:8.1f} µs/record")
    say_targets(medians)
    if "sqlite: first load" in medians:
        say_fail_points(options.records, medians["sqlite: first load"].wall)
    print(f"  peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
