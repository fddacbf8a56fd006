"""Durable writes by many clients at once, side by side in one run: the product, and two other ways of doing the same.

Each server takes the same record with the same rules from the same people, and answers when it is on the disk: WAL,
synchronous=FULL, granian with one worker.

    product      one commit for all that is waiting
    commit each  the product, with one write in a commit
    ORM          FastAPI with a response model, and SQLAlchemy's ORM with a session and a commit for each request

The product does more with each write: a version with its author, the collection's revision, an entry in the audit.
Rounds alternate and the medians are compared: only ratios inside one run count.

    ./run bench writes [--clients 16] [--seconds 3] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from catchment import App, Record
from catchment.clock import SystemClock
from catchment.resource import Resource
from catchment.settings import Settings

TARGETS = {"ORM": 25, "commit each": 3}


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


# -- the services ---------------------------------------------------------------------------------------------------


def product(folder: str, writes_together: int | None, *_: Any) -> Any:
    """The product's service. writes_together: None for as many as wait."""
    from catchment.serve.app import build

    limits = ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES")
    values = {"CATCHMENT_DATA": folder, "CATCHMENT_TRUSTED_GATEWAYS": "127.0.0.0/8", **dict.fromkeys(limits, "off")}
    several = {} if writes_together is None else {"writes_together": writes_together}
    return build([app], Settings().with_values("bench", values), SystemClock(), **several)


def orm(folder: str, *_: Any) -> Any:
    """The service in `peers`, which needs what only this benchmark needs."""
    from peers.notes_orm import service

    return service(folder)


SERVICES: dict[str, Callable[[str], Callable[..., Any]]] = {
    "product": lambda folder: partial(product, folder, None),
    "commit each": lambda folder: partial(product, folder, 1),
    "ORM": lambda folder: partial(orm, folder),
}


# -- servers --------------------------------------------------------------------------------------------------------


def serve(name: str, port: int, folder: str) -> None:
    """Serves until it is told to end."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    loader = SERVICES[name](folder)
    served = Granian(
        "bench", port=port, interface=Interfaces.ASGI, workers=1, websockets=False, log_level=LogLevels.error
    )
    served.serve(target_loader=loader, wrap_loader=False)


@contextmanager
def running(name: str, folder: Path) -> Iterator[int]:
    """The port of a server of its own process, which is gone afterwards."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir()
    command = [sys.executable, __file__, "--serve", name, "--port", str(port), "--data", str(folder)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the server {name} did not start") from None
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# -- clients --------------------------------------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """One person with one connection, who writes the next note when the one before is answered.

    As little as a client can do, so that it is the server that is measured.
    """

    def __init__(self, until: float, number: int) -> None:
        self.took: list[float] = []
        self.refused: list[bytes] = []
        self.done = asyncio.get_running_loop().create_future()
        self._until, self._number, self._answer = until, number, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        note = {"title": f"Note {len(self.took)} of {self._number}", "text": "It rained all day. " * 15, "stars": 4}
        body = json.dumps(note).encode()
        head = f"POST /v1/bench/notes HTTP/1.1\r\nhost: localhost\r\nuser-id: {uuid.UUID(int=self._number + 1)}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._begun = time.perf_counter()
        self._transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, rest = self._answer.partition(b"\r\n\r\n")
        if not found or len(rest) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self.took.append(now - self._begun)
        if not head.startswith(b"HTTP/1.1 201"):
            self.refused.append(self._answer)
        self._answer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(error)


async def load(port: int, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Writes in a second, and the seconds that each took."""
    loop, begin = asyncio.get_running_loop(), time.perf_counter()
    people = [Client(begin + seconds, number) for number in range(clients)]
    for person in people:
        await loop.create_connection(lambda person=person: person, "127.0.0.1", port)
    for person in people:
        if error := await person.done:
            raise error
    took = [value for person in people for value in person.took]
    if refused := [answer for person in people for answer in person.refused]:
        raise RuntimeError(f"{len(refused)} of {len(took)} were refused: {refused[0][:500]!r}")
    return len(took) / (time.perf_counter() - begin), took


# -- the table ------------------------------------------------------------------------------------------------------


def measure(folder: Path, clients: int, seconds: float, rounds: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in SERVICES}
    times: dict[str, list[float]] = {name: [] for name in SERVICES}
    with ExitStack() as servers:
        ports = {name: servers.enter_context(running(name, folder / name.replace(" ", "-"))) for name in SERVICES}
        for port in ports.values():  # what is done once is done before
            asyncio.run(load(port, clients, seconds / 10))
        for _ in range(rounds):
            for name, port in ports.items():
                rate, took = asyncio.run(load(port, clients, seconds))
                rates[name].append(rate)
                times[name] += took
    print(f"{clients} clients, {rounds} rounds of {seconds} s; WAL, synchronous=FULL, granian with one worker")
    print(f"{'durable POST':<16}{'a second':>10}{'p50 ms':>9}{'p95 ms':>9}{'product is':>12}{'target':>9}")
    for name in SERVICES:
        found = sorted(times[name])
        p50, p95 = (found[round(part * (len(found) - 1))] * 1000 for part in (0.5, 0.95))
        ratio = statistics.median(ours / theirs for ours, theirs in zip(rates["product"], rates[name], strict=True))
        target = f"{TARGETS[name]:.1f}x" if name in TARGETS else ""
        rate = statistics.median(rates[name])
        print(f"  {name:<14}{rate:10.0f}{p50:9.2f}{p95:9.2f}{ratio:11.1f}x{target:>9}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=SERVICES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.port, options.data)
        return
    if find_spec("fastapi") is None:
        parser.error("fastapi is not installed: ./run bench writes installs it")
    with tempfile.TemporaryDirectory(prefix="catchment-bench-") as temporary:
        measure(Path(temporary), options.clients, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
