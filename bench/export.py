"""Everything of a collection, side by side in one run: files of all records, and the feed of its changes.

Each is a server of its own, granian with one worker, and is read by one client as fast as it sends. All have the same
orders, 21 fields of about 660 bytes, made up by `serve.py`.

    csv, ndjson, parquet   the product's files
    Datasette              its CSV stream of the same rows in a SQLite file
    lines, events          the product's changes: pages that follow each other, and one stream

What is compared is the rate, and the CPU time of the server. Memory is the most that the server's process ever had; a
service of its own for each, so that nobody bears what another one took.

    ./run bench export [--records 1000000] [--changes 200000] [--rounds 1] [--engine postgresql] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

from peers.servers import Server, running
from peers.servers import serve as run
from serve import LIST, SERVICES, Place, fill, split

from catchment.testing import Cluster

LIMIT_MB, TIMES, CHANGES_PER_S = 200, 3, 20_000
CHANGE = b"event: change\n"
Read = Callable[[HTTPConnection, int], int]


@dataclass(frozen=True)
class Taken:
    """One reading. rate: rows a second. cpu_us: of the server, for one row. peak_mb: of the server."""

    rows: int
    rate: float
    cpu_us: float
    peak_mb: float


def whole(path: str, mark: bytes) -> Read:
    """Reads an answer to its end. mark: stands once in each row; b"" where rows cannot be counted in the bytes."""

    def read(connection: HTTPConnection, records: int) -> int:
        answer, rows = _asked(connection, path), 0
        while piece := answer.read1(2**18):
            rows += piece.count(mark) if mark else 0
        return rows if mark else records

    return read


def pages(connection: HTTPConnection, most: int) -> int:
    """Follows pages of changes; the bytes are split into lines, as who keeps them would."""
    url, rows = f"{LIST}/changes?after=0", 0
    while url and rows < most:
        answer = _asked(connection, url)
        rows += len(answer.read().splitlines())
        url = (answer.headers["Link"] or "").partition(">")[0].removeprefix("<")
    return rows


def events(connection: HTTPConnection, most: int) -> int:
    """Listens until so many came. A mark may come in two pieces."""
    answer, rows, rest = _asked(connection, f"{LIST}/changes?after=0", accept="text/event-stream"), 0, b""
    while rows < most:
        piece = rest + answer.read1(2**18)
        rows += piece.count(CHANGE)
        rest = piece[-(len(CHANGE) - 1) :]
    return rows


def _asked(connection: HTTPConnection, path: str, **headers: str):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.read(300)!r}")
    return answer


ROWS: dict[str, tuple[str, Read]] = {
    "csv": ("not cached", whole(f"{LIST}.csv", b"\n")),
    "ndjson": ("not cached", whole(f"{LIST}.ndjson", b"\n")),
    "parquet": ("not cached", whole(f"{LIST}.parquet", b"")),
    "Datasette": ("Datasette", whole("/plain/orders.csv?_stream=on&_size=max", b"\n")),
    "lines": ("not cached", pages),
    "events": ("not cached", events),
}
FEED = ("lines", "events")


def taken(server: Server, read: Read, most: int) -> Taken:
    before, begun = server.cpu_s, time.perf_counter()
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=600)) as connection:
        rows = read(connection, most)
    seconds, used = time.perf_counter() - begun, server.cpu_s - before
    return Taken(rows, rows / seconds, used / rows * 1e6, server.peak_kib / 1024)


def measure(place: Place, options: argparse.Namespace) -> None:
    names = [name for name in ROWS if options.engine == "sqlite" or name != "Datasette"]
    found: dict[str, list[Taken]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            service, read = ROWS[name]
            where = ("--data", str(place.data), "--database", place.database)
            with running(__file__, "--serve", service, *where) as server:
                found[name].append(taken(server, read, options.changes if name in FEED else options.records))
    print(f"{options.records:,} orders, {options.engine}, the medians of {options.rounds} rounds")
    print(f"{'':<12}{'rows':>11}{'a second':>11}{'CPU µs':>9}{'MB':>7}{'times Datasette':>17}{'by CPU':>9}")
    for name, some in found.items():
        _said(name, some, found)


def _said(name: str, some: list[Taken], found: dict[str, list[Taken]]) -> None:
    """Prints one line of the table."""
    rate, cpu, peak = (statistics.median(getattr(one, part) for one in some) for part in ("rate", "cpu_us", "peak_mb"))
    line = f"{name:<12}{some[0].rows:>11,}{rate:>11,.0f}{cpu:>9.1f}{peak:>7.0f}"
    if name in FEED:
        print(f"{line}{f'target {CHANGES_PER_S:,} a second':>26}")
        return
    if name == "Datasette":
        print(line)
        return
    if theirs := found.get("Datasette"):
        ratio = rate / statistics.median(one.rate for one in theirs)
        by_cpu = statistics.median(one.cpu_us for one in theirs) / cpu
        line += f"{ratio:>16.2f}x{by_cpu:>8.2f}x"
    print(f"{line}  target {TIMES}x (csv), {LIMIT_MB} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--data", type=Path, help="keep the orders there, and find them there the next time")
    parser.add_argument("--serve", choices=SERVICES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--database", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        run(SERVICES[options.serve](Place(options.data, options.database)), options.port)
        return 0
    if missing := [name for name in ("datasette", "pyarrow") if find_spec(name) is None]:
        parser.error(f"{missing[0]} is not installed: ./run bench export installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with it
    with ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="catchment-bench-")))
        data.mkdir(exist_ok=True)
        cluster = stack.enter_context(Cluster() if options.engine == "postgresql" else nullcontext())
        url = cluster.url(cluster.database()) if cluster else f"sqlite:///{data / 'product.sqlite'}"
        place = Place(data, url)
        if cluster or not (data / "product.sqlite").exists():
            fill(place.settings, options.records)
            if not cluster:
                split(place.settings, place.plain)
        options.changes = min(options.changes, options.records)
        measure(place, options)
        return 0


if __name__ == "__main__":
    sys.exit(main())
