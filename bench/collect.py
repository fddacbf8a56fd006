"""Collecting, side by side in one run: the product (archive, ledger, versions and all) against its limit.

The limit is what any program has to do for the same rows: decode and validate, hash, and upsert with `executemany`.
Rounds alternate and the medians are compared: only ratios inside one run count.

    ./run bench collect [--records 40000] [--rounds 3]
"""

from __future__ import annotations

import argparse
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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import xxhash

from catchment import App, Feed, Get, Record, Upstream, each
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.failpoints import arm, failpoint
from catchment.partitions import Partition
from catchment.plan import State
from catchment.settings import load_settings
from catchment.store.archive import Place
from catchment.store.ledger import Outcome
from catchment.store.store import Store
from catchment.store.tables import Collection

PARTITIONS = 4
START = datetime(2026, 1, 1, tzinfo=UTC)


class Order(Record):
    """A record of about 740 bytes with 21 typed fields."""

    id: int
    part: str
    status: str
    customer: str
    email: str
    city: str
    country: str
    street: str
    note: str
    product: str
    colour: str
    carrier: str
    tracking: str
    quantity: int
    price: float
    discount: float
    weight: float
    created: datetime
    paid: bool
    gift: bool
    rating: int | None


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
    """The product on a fresh data folder."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(load_settings({"CATCHMENT_DATA": str(folder)}, folder=folder), [app])
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


def limit(folder: Path, parts: list[bytes]) -> None:
    """Decode, hash and upsert the same rows, and nothing else."""
    names = Order.__struct_fields__
    connection = sqlite3.connect(folder / "limit.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"CREATE TABLE orders (key TEXT PRIMARY KEY, hash BLOB, {', '.join(names)}, doc TEXT)")
    sets = ", ".join(f"{name} = excluded.{name}" for name in ("hash", *names, "doc"))
    sql = f"INSERT INTO orders VALUES ({', '.join('?' * (len(names) + 3))}) ON CONFLICT (key) DO UPDATE SET {sets}"  # noqa: S608
    decoder, split = msgspec.json.Decoder(Order), msgspec.json.Decoder(list[msgspec.Raw])

    def row(raw: msgspec.Raw) -> tuple[object, ...]:
        item = decoder.decode(raw)
        values = [getattr(item, name) for name in names]
        values[names.index("created")] = item.created.isoformat()
        return (f"{item.part},{item.id}", xxhash.xxh3_128_digest(raw), *values, msgspec.json.encode(item).decode())

    for body in parts:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql, map(row, split.decode(body)))
        connection.execute("COMMIT")
    connection.close()


def timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def one_round(data: Bodies) -> dict[str, float]:
    """Seconds of each kind of load, on folders of its own."""
    folder = Path(tempfile.mkdtemp(prefix="catchment-bench-"))
    try:
        found = {"limit: decode, hash, upsert": timed(lambda: limit(folder, data.first))}
        product = Product(folder / "product")
        found["first load"] = timed(lambda: product.load(data.first))
        found["unchanged, by body digest"] = timed(lambda: product.load(data.first))
        found["unchanged, by record hashes"] = timed(lambda: product.load(data.respaced))
        found["1 % changed, versions kept"] = timed(lambda: product.load(data.changed))
        product.close()
        return found
    finally:
        shutil.rmtree(folder)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        print(count(options.records))
        return
    data = bodies(options.records)
    rounds = [one_round(data) for _ in range(options.rounds)]
    medians = {name: statistics.median(item[name] for item in rounds) for name in rounds[0]}
    first = medians["first load"]
    print(
        f"{options.records:,} records of {len(data.first[0]) * PARTITIONS // options.records} bytes,"
        f" {options.rounds} rounds"
    )
    for name, seconds in medians.items():
        per_record = seconds / options.records * 1e6
        print(f"  {name:<30} {seconds:8.3f} s {per_record:8.1f} µs/record {first / seconds:8.2f} x first load")
    say_fail_points(options.records, first)
    print(f"  peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
