"""A raw upstream on a real socket, which misbehaves as told and notes what really happened."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from catchment.auth import NoAuth
from catchment.clock import FakeClock
from catchment.exchange import Request
from catchment.fetch import Client, Limits

NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@dataclass
class Peer:
    """One connection, seen from the upstream."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    fired: list[str]

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self, within: float | None = None) -> bool:
        """Whether the client hung up (within so many seconds)."""
        try:
            data = await asyncio.wait_for(self.reader.read(1), within)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return data == b""


Act = Callable[[Peer], Awaitable[object]]


@dataclass
class Upstream:
    """What the upstream saw: request heads in order, the number of connections, and which faults fired.

    acts: what it does with the n-th request; the last one goes on. Bytes are sent, then the connection is closed; a
    function that returns True keeps it open.
    """

    acts: tuple[bytes | Act, ...]
    port: int = 0
    scheme: str = "http"
    heads: list[bytes] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    connections: int = 0
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        return [head.split(b"\r\n")[0].decode() for head in self.heads]

    async def settled(self) -> None:
        """Returns when no connection is open."""
        async with asyncio.timeout(5):
            while self.tasks:
                await asyncio.wait(list(self.tasks))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks[task] = writer
        self.connections += 1
        try:
            await self._talk(Peer(reader, writer, self.fired))
        except (ConnectionError, asyncio.IncompleteReadError):
            self.fired.append("hung up")
        finally:
            del self.tasks[task]
            writer.close()

    async def _talk(self, peer: Peer) -> None:
        keep: object = True
        while keep is True:
            self.heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
            act = self.acts[min(len(self.heads), len(self.acts)) - 1]
            if isinstance(act, bytes):
                await peer.send(act)
                keep = False
            else:
                keep = await act(peer)


@contextlib.asynccontextmanager
async def raw_upstream(*acts: bytes | Act, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    upstream = Upstream(acts, scheme="https" if tls else "http")
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for writer in upstream.tasks.values():
            writer.transport.abort()
        await upstream.settled()


class Fetcher:
    """A client with the tests' defaults: loopback allowed, no auth."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, base_url, path="/", *, request=None, auth=None, reveal=None, **limits):
        return await self.client.send(
            base_url,
            request or Request(path),
            auth=auth or NoAuth(),
            reveal=reveal or (lambda secret: secret.name),
            limits=Limits(**limits),
        )


@contextlib.asynccontextmanager
async def open_fetcher(**options) -> AsyncIterator[Fetcher]:
    options = {"allow_private": [LOOPBACK], "clock": FakeClock(NOW)} | options
    async with Client(**options) as client:
        yield Fetcher(client)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def upstream():
    """`async with upstream(act, …) as there:` a raw upstream."""
    return raw_upstream


@pytest.fixture
def fetcher():
    """`async with fetcher(…) as fetch:` a client with the tests' defaults."""
    return open_fetcher
