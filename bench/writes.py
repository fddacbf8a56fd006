"""Durable writes by many clients at once, side by side in one run: the product, and two other ways of doing the same.

Each server takes the same record with the same rules from the same people, and answers when it is on the disk: WAL,
synchronous=FULL, granian with one worker.

    product      one commit for all that is waiting
    commit each  the product, with one write in a commit
    ORM          FastAPI with a response model, and SQLAlchemy's ORM with a session and a commit for each request
    limit        an ASGI application that keeps the bytes in a list and answers at once: what server and clients allow

The product does more with each write: a version with its author, the collection's revision, an entry in the audit.
Rounds alternate and the medians are compared: only ratios inside one run count. The best round is the one that others
on the machine disturbed least. How much one commit for many saves is up to the disk, so what a sync costs there is
measured between the rounds; `--folder` says which disk it is. CPU is that of one write, of all of a server's threads,
and of the clients.

    ./run bench writes [--clients 16] [--seconds 3] [--rounds 5] [--folder .cache]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import astuple
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog
from peers.servers import Round, Server, load, running, serve

from catchment import App, Record
from catchment.clock import SystemClock
from catchment.resource import Resource
from catchment.settings import Settings

TARGETS = {"ORM": 25, "commit each": 3}
NOTE = {"title": "A day in November", "text": "It rained all day. " * 15, "stars": 4}


# -- what is written ------------------------------------------------------------------------------------------------


class Note(Record):
    """What somebody says of something."""

    id: str
    owner: str
    title: str
    text: str
    stars: int
    created_at: datetime
    updated_at: datetime


def check(note: Note) -> list[tuple[str, str]]:
    """As `Draft` in `peers` has it."""
    texts = [name for name in ("title", "text") if not 1 <= len(getattr(note, name)) <= 2000]
    found = [(name, "has 1 to 2000 characters") for name in texts]
    return found if 0 <= note.stars <= 5 else [*found, ("stars", "is 0 to 5")]


app = App("bench", resources=[Resource("notes", Note, owner="owner", check=check, public=True)])


def request(number: int) -> str:
    """One person's note."""
    body = json.dumps(NOTE)
    head = f"POST /v1/bench/notes HTTP/1.1\r\nhost: localhost\r\nuser-id: {uuid.UUID(int=number + 1)}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"


# -- the services ---------------------------------------------------------------------------------------------------


def product(folder: str, writes_together: int | None, *_: Any) -> Any:
    """The product's service. writes_together: None for as many as wait."""
    from catchment.serve.app import build

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))  # as `catchment serve` does
    limits = ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES")
    values = {"CATCHMENT_DATA": folder, "CATCHMENT_TRUSTED_GATEWAYS": "127.0.0.0/8", **dict.fromkeys(limits, "off")}
    several = {} if writes_together is None else {"writes_together": writes_together}
    return build([app], Settings().with_values("bench", values), SystemClock(), **several)


def limit(*_: Any) -> Any:
    """It reads the body and says that it is created."""
    kept: list[bytes] = []
    answer = [(b"content-type", b"application/json"), (b"content-length", b"2")]

    async def service(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            kept.append((await receive())["body"])
            await send({"type": "http.response.start", "status": 201, "headers": answer})
            await send({"type": "http.response.body", "body": b"{}"})

    return service


def orm(folder: str, *_: Any) -> Any:
    """The service in `peers`, which needs what only this benchmark needs."""
    from peers.notes_orm import service

    return service(folder)


SERVICES: dict[str, Callable[[str], Callable[..., Any]]] = {
    "product": lambda folder: partial(product, folder, None),
    "commit each": lambda folder: partial(product, folder, 1),
    "ORM": lambda folder: partial(orm, folder),
    "limit": lambda _: limit,
}


# -- measuring ------------------------------------------------------------------------------------------------------


def synced_ms(folder: Path, times: int = 200) -> tuple[float, float]:
    """What it takes to have 4 kB more of a file on the disk: median and 95th percentile."""
    took = []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1000)
    took.sort()
    return took[times // 2], took[times * 95 // 100]


def started(name: str, folder: Path) -> AbstractContextManager[Server]:
    folder.mkdir()
    return running(__file__, "--serve", name, "--data", str(folder))


# -- the table ------------------------------------------------------------------------------------------------------


def measure(folder: Path, clients: int, seconds: float, rounds: int) -> None:
    found: dict[str, list[Round]] = {name: [] for name in SERVICES}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(started(name, folder / name.replace(" ", "-"))) for name in SERVICES}
        requests = [request(number) for number in range(clients)]
        for server in servers.values():  # what is done once is done before
            load(server, requests, clients, seconds / 5, 201)
        synced = [synced_ms(folder)]
        for _ in range(rounds):
            for name, server in servers.items():
                found[name].append(load(server, requests, clients, seconds, 201))
            synced.append(synced_ms(folder))
    p50, p95 = (statistics.median(part) for part in zip(*synced, strict=True))
    print(f"{clients} clients, {rounds} rounds of {seconds} s; WAL, synchronous=FULL, granian with one worker")
    print(f"fdatasync of 4 kB on this disk: {p50:.2f} ms, p95 {p95:.2f} ms")
    columns = f"{'a second':>10}{'best':>8}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'client':>8}"
    columns += f"{'product is':>12}{'target':>9}"
    print(f"{'durable POST':<16}{columns}")
    for name in SERVICES:
        _print(name, found[name], found["product"])


def _print(name: str, theirs: Sequence[Round], ours: Sequence[Round]) -> None:
    rate, p50, p95, cpu, client, _ = (statistics.median(part) for part in zip(*map(astuple, theirs), strict=True))
    ratio = statistics.median(our.rate / their.rate for our, their in zip(ours, theirs, strict=True))
    target = f"{TARGETS[name]:.1f}x" if name in TARGETS else ""
    best = max(their.rate for their in theirs)
    print(f"  {name:<14}{rate:10.0f}{best:8.0f}{p50:9.2f}{p95:9.2f}{cpu:9.3f}{client:8.3f}{ratio:11.2f}x{target:>9}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, default=Path(".cache"), help="where the servers keep their files for the while"
    )
    parser.add_argument("--serve", choices=SERVICES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(SERVICES[options.serve](options.data), options.port)
        return
    if find_spec("fastapi") is None:
        parser.error("fastapi is not installed: ./run bench writes installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end with it
    options.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="catchment-bench-", dir=options.folder) as temporary:
        measure(Path(temporary), options.clients, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
