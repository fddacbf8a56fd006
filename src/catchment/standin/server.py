"""HTTP/1.1 over raw asyncio streams: a web framework would refuse to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote

from ..clock import Clock, SystemClock
from ..errors import UsageError
from .faults import FAULTS, End, Reply, Wire, apply
from .service import Answer, Request, Service
from .state import SHAPE, Entry, State

__all__ = ["Server"]

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 16 * 1024 * 1024
CONTROL = "/_control"


class BadRequest(Exception):
    """What the peer sent is not HTTP as we speak it."""


class Reader(asyncio.StreamReader):
    """A stream reader that also tells, as an event, that the peer has gone: who waits to send must see it."""

    def __init__(self) -> None:
        super().__init__(limit=HEAD_LIMIT)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


class Server:
    """A service behind a listening socket, from `async with` until its end."""

    def __init__(
        self,
        service: Service,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        switches: Mapping[str, object] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.state = State(service, clock or SystemClock(), switches or {})

    @property
    def url(self) -> str:
        """Scheme, address and port, without a slash at the end. Only while it listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._protocol, self._host, self._port)
        except OSError as error:
            raise UsageError(
                f"cannot listen on {self._host} port {self._port}", hint="choose another --port"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = Reader()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return asyncio.StreamReaderProtocol(reader, connected)

    async def _connection(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        """Answers one request after another until either side ends it."""
        writer.transport.set_write_buffer_limits(high=0)  # so that `drain` means: the kernel has it
        try:
            while await self._exchange(reader, writer):
                pass
        except (BadRequest, asyncio.LimitOverrunError):
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the peer left; the log says so where it matters
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _exchange(self, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        """One request answered; whether the connection goes on."""
        received = await read_request(reader)
        path = received.path
        if path == CONTROL or path.startswith(f"{CONTROL}/"):
            wire = apply(reply_to(received, await self._control(received)), None)
            return await send(wire, reader, writer) and not closes(received)
        at, number = self.state.clock.now(), len(self.state.log) + 1
        request = replace(received, at=at, number=number, open=self.state.open + 1)
        entry = self.state.receive(request)
        try:
            return await self._answer(request, entry, reader, writer) and not closes(request)
        finally:
            if entry.end == "open":
                self.state.finish(entry, "cut")

    async def _answer(self, request: Request, entry: Entry, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        fault, gate = self.state.fault_for(request), self.state.gate_for(request)
        answer = self.state.service.answer(request, self.state.switches)
        fault = fault or answer.fault
        if gate is not None and not await opened(gate, reader):
            self.state.leave(gate)
            return False
        wire = apply(reply_to(request, answer), fault)
        entry.fault = fault.name if fault else ""
        going_on = await send(wire, reader, writer, entry)
        self.state.finish(entry, "sent" if wire.end is End.KEEP or fault is None else "spoiled")
        return going_on

    async def _control(self, request: Request) -> Answer:
        """The answer to a control request; a wrong one changes nothing, is 400, and is told what it may be."""
        try:
            return await self._controlled(request)
        except UsageError as error:
            return Answer.json({"error": str(error), "body": SHAPE, "faults": sorted(FAULTS)}, 400)

    async def _controlled(self, request: Request) -> Answer:
        match request.method, request.path.removeprefix(CONTROL):
            case "GET", "":
                return Answer.json(self.state.describe())
            case "POST", "":
                self.state.order(parsed(request.body))
                return Answer.json(self.state.describe())
            case "GET", "/log":
                return Answer.json(self.state.describe_log())
            case "GET", "/wait":
                await self.state.wait(whole_number(request.query.get("requests", "")))
                return Answer.json({"requests": len(self.state.log)})
        raise UsageError(
            f"no {request.method} {request.path}",
            hint=f"GET or POST {CONTROL}, GET {CONTROL}/log, GET {CONTROL}/wait?requests=N",
        )


async def read_request(reader: Reader) -> Request:
    """The next request on the connection; `at` and `number` are still to be set. BadRequest when it is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1")[:-4].split("\r\n")
    try:
        method, target, version = first.split(" ")
    except ValueError as error:
        raise BadRequest(first) from error
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        raise BadRequest(first)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise BadRequest("only bodies with Content-Length are read")
    length = whole_length(headers.get("content-length", "0"))
    path, _, query = target.partition("?")
    return Request(
        method, unquote(path), dict(parse_qsl(query, keep_blank_values=True)),
        headers | ({"connection": "close"} if version == "HTTP/1.0" else {}), await reader.readexactly(length),
        SystemClock().now(), 0, target,
    )  # fmt: skip


def whole_length(said: str) -> int:
    if not said.isdigit() or int(said) > BODY_LIMIT:
        raise BadRequest(f"Content-Length {said}")
    return int(said)


def whole_number(said: str) -> int:
    if not said.isdigit():
        raise UsageError("requests is a whole number")
    return int(said)


def parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise UsageError("the control body is no JSON") from error


def closes(request: Request) -> bool:
    return request.headers.get("connection", "").lower() == "close"


def reply_to(request: Request, answer: Answer) -> Reply:
    """The answer as it is due to this request's client."""
    accepted = [part.split(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")]
    return Reply(
        answer.status,
        answer.body,
        answer.headers,
        request.at,
        target=request.target,
        squeeze="gzip" in accepted,
        close=closes(request),
        bare=request.method == "HEAD",
    )


async def opened(gate: asyncio.Event, reader: Reader) -> bool:
    """Whether the gate opened before the peer went."""
    waits = [asyncio.ensure_future(gate.wait()), asyncio.ensure_future(reader.gone.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return gate.is_set()


async def send(wire: Wire, reader: Reader, writer: asyncio.StreamWriter, entry: Entry | None = None) -> bool:
    """Plays the wire; whether the connection may go on. ConnectionError when the peer went first."""
    if wire.late_s:
        await pause(wire.late_s, reader)
    for piece in wire.pieces:
        if entry is not None:
            entry.status = entry.status or status_of(piece)
            entry.sent += len(piece)
        writer.write(piece)
        await writer.drain()
        if wire.pause_s:
            await pause(wire.pause_s, reader)
    if wire.end is End.HANG:
        await reader.gone.wait()
        raise ConnectionAbortedError("the peer gave up waiting")
    if wire.end is End.RESET:
        reset(writer)
    return wire.end is End.KEEP


def status_of(piece: bytes) -> int:
    """The status of a piece that begins an answer, 0 for any other (also for one that only announces)."""
    said = piece[9:12]
    return int(said) if piece.startswith(b"HTTP/") and said.isdigit() and not said.startswith(b"1") else 0


async def pause(seconds: float, reader: Reader) -> None:
    """Waits that long; ConnectionError as soon as the peer has gone."""
    leaving = asyncio.ensure_future(reader.gone.wait())
    try:
        left, _ = await asyncio.wait([leaving], timeout=seconds)
    finally:
        leaving.cancel()
    if left:
        raise ConnectionAbortedError("the peer gave up reading")


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection by RST instead of FIN: closing with unsent data thrown away."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
