"""Reading, side by side in one run: the product, what others answer the same with, and bytes that never change.

Each is a server of its own: granian with one worker. All have the same orders: 21 fields, 50 of them about 33 kB.

    product     as `catchment serve` has it; "not cached" is asked of one whose cache has no room
    Datasette   its table API on the same rows in a SQLite file
    ORM         FastAPI with a response model, SQLAlchemy's ORM, a session a request
    Starlette, FastAPI   a route that answers constant bytes, as many as the product's answer has

Rounds alternate and the medians are compared: only ratios inside one run count. CPU is that of one answer, of all of a
server's threads, and of the clients.

The orders are made up (a seed, no collecting) and loaded below the API into the product's own tables; what the others
read is copied from there. With `--minutes` the product is then asked for all kinds of things: its memory is to stay.

    ./run bench serve [--records 1000000] [--clients 16] [--seconds 2] [--rounds 3] [--engine postgresql]
        [--minutes 10] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import structlog
from measured.order import Order
from peers.servers import Round, Server, load, running, serve

from catchment import App, Feed, Get, Upstream
from catchment.clock import SystemClock, render_moment
from catchment.record import stored_values
from catchment.settings import Settings
from catchment.store.engines import Connection, database_of
from catchment.store.store import Store
from catchment.store.tables import collection_of
from catchment.testing import Cluster

PAGE, PLACES = 50, 1000
WALKED = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)


bench = Upstream("bench", "https://bench.example")
orders = Feed("orders", Order, bench, request=Get("/orders"), key=("id",), sort=("id",), public=True)
app = App("bench", feeds=[orders])
LIST = "/v1/bench/orders"


# -- the orders -----------------------------------------------------------------------------------------------------


def made_up(records: int) -> Iterator[Order]:
    chance = random.Random(1)
    letters = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=2**16))

    def text(length: int) -> str:
        start = chance.randrange(2**16 - length)
        return letters[start : start + length]

    for number in range(1, records + 1):
        texts = [text(length) for length in (24, 18, 14, 10, 28, 120, 30, 8, 12, 20)]
        fractions = [round(chance.random() * 100, 6) for _ in range(3)]
        created = START + timedelta(seconds=chance.randrange(10**7))
        numbers = (number % 99 + 1, *fractions, created, number % 7 > 0, number % 11 == 0, number % 6 or None)
        yield Order(number, f"p{number % 4}", "shipped", *texts, *numbers)


def fill(settings: Settings, records: int) -> None:
    """The product's tables as a collector leaves them, and a plain table of the same rows."""
    with Store(settings, [app]):
        pass
    collection, values, now = collection_of(app, orders), stored_values(Order), render_moment(START)

    def row(number: int, order: Order) -> tuple[Any, ...]:
        document = f'{{"_key":"{number}",{msgspec.json.encode(order).decode()[1:]}'
        return (str(number), "", b"", b"", 1, now, 1, 1, 1, *values(order), document)

    with closing(database_of(settings.database).open()) as sql, sql.transaction(durable=False):
        sql.insert(collection.table, collection.row, (row(order.id, order) for order in made_up(records)))
        sql.execute("UPDATE _collection SET revision = 1, changed_at = ? WHERE name = ?", (now, collection.name))
        sql.execute("INSERT INTO _commit VALUES (?, 1, 1, ?, '', 1)", (collection.name, now))
        _copied(sql, collection.table)
    with closing(database_of(settings.database).open()) as sql:
        sql.execute("ANALYZE")


def _copied(sql: Connection, table: str) -> None:
    names = ", ".join(column.name for column in orders.columns)
    sql.execute(f"CREATE TABLE orders AS SELECT {names} FROM {table}")  # noqa: S608 (declared names)
    sql.execute("CREATE UNIQUE INDEX orders_id ON orders (id)")


def split(settings: Settings, path: Path) -> None:
    """The plain table in a file of its own, with its primary key: what Datasette and the ORM read."""
    import sqlite3

    kinds = {"integer": "INTEGER", "boolean": "INTEGER", "number": "REAL"}
    columns = ", ".join(f"{column.name} {kinds.get(column.kind, 'TEXT')}" for column in orders.columns)
    with closing(sqlite3.connect(path)) as sql:
        sql.execute(f"CREATE TABLE orders ({columns.replace('id INTEGER', 'id INTEGER PRIMARY KEY', 1)})")
        sql.execute("ATTACH ? AS ours", (database_of(settings.database).label,))
        sql.execute("INSERT INTO orders SELECT * FROM ours.orders")
        sql.commit()


# -- the services ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where the servers find what they serve. bodies: what is constant, by path."""

    data: Path
    database: str

    @property
    def settings(self) -> Settings:
        limits = ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY")
        values = {"CATCHMENT_DATA": str(self.data), "CATCHMENT_DATABASE": self.database, **dict.fromkeys(limits, "off")}
        return Settings().with_values("bench", values)

    @property
    def plain(self) -> Path:
        return self.data / "plain.sqlite"

    @property
    def plain_url(self) -> str:
        return self.database if self.database.startswith("postgresql") else f"sqlite:///{self.plain}"

    @property
    def bodies(self) -> dict[str, bytes]:
        return {f"/{path.stem}": path.read_bytes() for path in sorted(self.data.glob("*.body"))}


def product(place: Place, cache_bytes: int | None, *_: Any) -> Any:
    from catchment.serve.app import build

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))  # as `catchment serve` does
    room = {} if cache_bytes is None else {"cache_bytes": cache_bytes}
    return build([app], place.settings, SystemClock(), **room)


def peer(name: str, place: Place, *_: Any) -> Any:
    """Of `peers`, which needs what only this benchmark needs."""
    from peers import orders as peers

    if name == "Datasette":
        return peers.datasette(place.plain)
    if name == "ORM":
        return peers.orm(place.plain_url)
    return (peers.starlette_constant if name == "Starlette" else peers.fastapi_constant)(place.bodies)


SERVICES: dict[str, Callable[[Place], Callable[..., Any]]] = {
    "product": lambda place: partial(product, place, None),
    "not cached": lambda place: partial(product, place, 0),
    **{
        name: (lambda place, name=name: partial(peer, name, place))
        for name in ("Datasette", "ORM", "Starlette", "FastAPI")
    },
}


# -- what is asked --------------------------------------------------------------------------------------------------


def get(path: str, **headers: str) -> str:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n"


def answered(server: Server, path: str, **headers: str) -> tuple[bytes, Any]:
    asked = urllib.request.Request(f"http://localhost:{server.port}{path}", headers=headers)
    with urllib.request.urlopen(asked, timeout=60) as found:  # noqa: S310 (our own server)
        return found.read(), found.headers


def cursors(server: Server, records: int, most: int = PLACES) -> list[str]:
    """Cursors that stand in steps of 1000 records, and the one before page 20,000 (or before the last)."""
    found, cursor = [], ""
    for _ in range(min(most, max(1, (records - 1) // 1000))):
        mark = f"&cursor={cursor}" if cursor else ""
        body, _ = answered(server, f"{LIST}?limit=1000&count=none{mark}")
        cursor = json.loads(body)["meta"]["next"]
        found.append(cursor)
    return found


@dataclass(frozen=True)
class Row:
    """One line of the table: who is asked what. beside: by whom it is divided, and the target."""

    words: str
    asked: dict[str, list[str]]
    beside: dict[str, float]
    status: int = 200


def rows(server: Server, records: int) -> list[Row]:
    chance, tag = random.Random(2), answered(server, f"{LIST}?limit={PAGE}")[1]["ETag"]
    marks = cursors(server, records)
    mixed = chance.sample(marks, len(marks))
    ids = [chance.randrange(1, records + 1) for _ in range(PLACES)]
    steps = [1000 * (1 + chance.randrange(max(1, len(marks)))) for _ in range(PLACES)]
    plain = "_shape=array&_nocount=1&_size=50&_sort=id"
    pages = [get(f"{LIST}?limit={PAGE}&count=none&cursor={mark}") for mark in mixed]
    first, item = [get(f"{LIST}?limit={PAGE}")], [get(f"{LIST}/{ids[0]}")]
    constant = {"Starlette": 0.9, "FastAPI": 2.0}
    return [
        Row(
            f"list of {PAGE}, not cached",
            {
                "not cached": pages,
                "Datasette": [get(f"/plain/orders.json?{plain}&_next={step}") for step in steps],
                "ORM": [get(f"/orders?limit={PAGE}&after={step}") for step in steps],
            },
            {"Datasette": 30, "ORM": 30},
        ),
        Row(
            "with its count",
            {
                "not cached": [get(f"{LIST}?limit={PAGE}&cursor={mark}") for mark in mixed],
                "Datasette": [get(f"/plain/orders.json?_size=50&_next={step}") for step in steps],
            },
            {"Datasette": 30},
        ),
        Row(
            "item, not cached",
            {
                "not cached": [get(f"{LIST}/{number}") for number in ids],
                "Datasette": [get(f"/plain/orders/{number}.json?_shape=array") for number in ids],
                "ORM": [get(f"/orders/{number}") for number in ids],
            },
            {"Datasette": 0, "ORM": 0},
        ),
        Row("list, cached", {"product": first, **{name: [get("/list")] for name in constant}}, constant),
        Row("item, cached", {"product": item, **{name: [get("/item")] for name in constant}}, constant),
        Row(
            "304",
            {"product": [get(f"{LIST}?limit={PAGE}", if_none_match=tag)], "Starlette": [get("/list")]},
            {"Starlette": 1.0},
            304,
        ),
        Row(
            f"page {min(WALKED, records // PAGE):,}, not cached",
            {
                "not cached": [get(f"{LIST}?limit={PAGE}&count=none&cursor={marks[-1]}")],
                "page 1": [get(f"{LIST}?limit={PAGE}&count=none")],
            },
            {"page 1": 1 / 1.2},
        ),
    ]


# -- the table ------------------------------------------------------------------------------------------------------


def compare(row: Row, servers: dict[str, Server], options: argparse.Namespace) -> None:
    found: dict[str, list[Round]] = {name: [] for name in row.asked if name in servers or name == "page 1"}
    for number in range(options.rounds + 1):
        for name in found:
            server = servers["not cached" if name == "page 1" else name]
            status = row.status if name in ("product", "not cached") else 200
            seconds = options.seconds if number else options.seconds / 4  # what is done once is done before
            done = load(server, row.asked[name], options.clients, seconds, status)
            found[name] += [done] if number else []
    ours, *_ = found.values()
    print(row.words)
    for name, theirs in found.items():
        told = "product" if name == "not cached" else name
        rate, p50, p95, cpu, client, size = (
            statistics.median(part) for part in zip(*map(astuple, theirs), strict=True)
        )
        line = f"  {told:<12}{rate:10.0f}{p50:9.2f}{p95:9.2f}{cpu:9.3f}{client:8.3f}{size:9.0f}"
        if name in row.beside:
            ratio = statistics.median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))
            least = statistics.median(their.cpu_ms / our.cpu_ms for our, their in zip(ours, theirs, strict=True))
            target = f"{row.beside[name]:.2f}x" if row.beside[name] else ""
            line += f"{ratio:11.2f}x{least:10.2f}x{target:>9}"
        print(line, flush=True)


def measure(place: Place, options: argparse.Namespace) -> None:
    with ExitStack() as stack:

        def start(name: str) -> Server:
            where = ("--data", str(place.data), "--database", place.database)
            return stack.enter_context(running(__file__, "--serve", name, *where))

        servers = {name: start(name) for name in ("product", "not cached")}
        for name, path in (("list", f"{LIST}?limit={PAGE}"), ("item", f"{LIST}/1")):
            (place.data / f"{name}.body").write_bytes(answered(servers["product"], path)[0])
        others = ["ORM", "Starlette", "FastAPI"] if options.engine == "postgresql" else list(SERVICES)[2:]
        servers |= {name: start(name) for name in others}
        print(f"{options.clients} clients, {options.rounds} rounds of {options.seconds} s, {options.engine}")
        columns = f"{'a second':>10}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'client':>8}{'bytes':>9}"
        print(f"{'':<14}{columns}{'product is':>12}{'by CPU':>11}{'target':>9}")
        for row in rows(servers["product"], options.records):
            compare(row, servers, options)
        if options.minutes:
            soak(servers["product"], options)


# -- memory ---------------------------------------------------------------------------------------------------------


def soak(server: Server, options: argparse.Namespace) -> None:
    """Asks all kinds of things for some minutes, and says how the server's memory went."""
    chance = random.Random(3)
    pages = [get(f"{LIST}?limit={PAGE}&cursor={mark}") for mark in cursors(server, options.records)]
    items = [get(f"{LIST}/{chance.randrange(1, options.records + 1)}") for _ in range(3000)]
    wanted = [get(f"{LIST}?id__gte={chance.randrange(options.records)}&fields=id,price") for _ in range(3000)]
    packed = [get(f"{LIST}?limit=20&id__lte={n}", accept_encoding=chance.choice(("gzip", "zstd"))) for n in range(99)]
    mixed = [*pages, *items, *wanted, *packed]
    chance.shuffle(mixed)
    load(server, mixed, options.clients, max(5.0, options.minutes * 12))  # a fifth of the time: the cache is full
    samples, began = [(0.0, server.resident_kib)], time.monotonic()
    while time.monotonic() - began < options.minutes * 60:
        done = load(server, mixed, options.clients, 2)
        samples.append((time.monotonic() - began, server.resident_kib))
    slope = statistics.linear_regression(*zip(*samples, strict=True)).slope * 60
    first, last = samples[0][1] / 1024, samples[-1][1] / 1024
    print(
        f"memory over {options.minutes:g} min of mixed load: {first:.1f} to {last:.1f} MiB, {slope:+.0f} KiB a minute"
    )
    print(f"  {done.rate:.0f} answers a second in the last seconds, {len(samples)} samples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--minutes", type=float, default=1, help="of mixed load, for the server's memory; 0: none")
    parser.add_argument("--data", type=Path, help="keep the orders there, and find them there the next time")
    parser.add_argument("--serve", choices=SERVICES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--database", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(SERVICES[options.serve](Place(options.data, options.database)), options.port)
        return
    if find_spec("datasette") is None:
        parser.error("datasette is not installed: ./run bench serve installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with it
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="catchment-bench-"))
        data = options.data or Path(temporary)
        data.mkdir(exist_ok=True)
        server = stack.enter_context(Cluster() if options.engine == "postgresql" else nullcontext())
        url = server.url(server.database()) if server else f"sqlite:///{data / 'product.sqlite'}"
        place = Place(data, url)
        if server or not (data / "product.sqlite").exists():
            fill(place.settings, options.records)
            if not server:
                split(place.settings, place.plain)
        measure(place, options)


if __name__ == "__main__":
    main()
