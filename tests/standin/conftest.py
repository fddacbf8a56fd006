from __future__ import annotations

import dataclasses
import json
import socket
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))  # for the server that forks commands

from catchment.clock import FakeClock
from catchment.standin import Answer, Options, Request, serve_in_thread

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class EchoSwitches:
    greeting: str = "hello"
    size: int = 20
    loud: bool = False


class Echo:
    """The smallest service: says what it was asked and how it is switched."""

    name = "echo"

    def switches(self):
        return EchoSwitches()

    def answer(self, request: Request, switches: EchoSwitches) -> Answer:
        said = {"path": request.path, "query": dict(request.query), "number": request.number}
        return Answer.json({**said, **dataclasses.asdict(switches), "filler": "ab" * switches.size})

    def reset(self) -> None:
        pass


@dataclass
class Raw:
    """All bytes of one answer as they came, and how the connection ended: `eof` or `reset`."""

    data: bytes
    end: str

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.data[9:12])

    def header(self, name: str) -> str:
        lines = self.head.split("\r\n")[1:]
        return next((value for key, _, value in (line.partition(": ") for line in lines) if key == name), "")

    def json(self):
        return json.loads(self.body)


def connect(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((where.hostname, where.port), timeout=5)


def read_to_end(peer: socket.socket, most: int = 1 << 30) -> Raw:
    data = bytearray()
    try:
        while len(data) < most and (piece := peer.recv(1 << 20)):
            data += piece
    except ConnectionResetError:
        return Raw(bytes(data), "reset")
    return Raw(bytes(data), "eof")


def ask(url: str, target: str, *headers: str, method: str = "GET", body: bytes = b"", most: int = 1 << 30) -> Raw:
    """One request on one connection, read to its end (or to `most` bytes)."""
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {target} HTTP/1.1", "Host: upstream", "Connection: close", *length, *headers]
    with connect(url) as peer:
        peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        return read_to_end(peer, most)


@pytest.fixture
def echo():
    with serve_in_thread(Echo(), clock=FakeClock(START)) as running:
        yield running


def options(size="tiny", variant=1, samples=None, now=START) -> Options:
    return Options(size=size, variant=variant, samples=samples, clock=FakeClock(now))
