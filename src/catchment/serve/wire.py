"""What goes over the wire: a request's body within its time, the framework's answer, the headers of every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import QueryError
from . import coding, gate

__all__ = [
    "Caught",
    "Headers",
    "Incoming",
    "Message",
    "Outgoing",
    "Receive",
    "Send",
    "complete",
    "nothing",
    "send_whole",
    "varying",
    "with_head",
]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"server", b"catchment"),  # else the server names itself
)


@dataclass
class Incoming:
    """The request's body: whether there is more of it than was taken. until: by when it has to have come."""

    receive: Receive
    left: bool
    until: float

    @classmethod
    def of(cls, scope: Message, receive: Receive, timeout_s: float) -> Incoming:
        chunked = bool(gate.header(scope, b"transfer-encoding"))
        left = chunked or gate.header(scope, b"content-length") not in ("", "0")
        return cls(receive, left, asyncio.get_running_loop().time() + timeout_s)

    async def __call__(self) -> Message:
        if not self.left:
            return await self.receive()  # that the client leaves: that may take as long as it does
        try:
            async with asyncio.timeout_at(self.until):
                message = await self.receive()
        except TimeoutError as error:
            raise QueryError("The body did not come in time.", kind="request-timeout", status=408) from error
        self.left &= bool(message.get("more_body"))
        return message


@dataclass
class Outgoing:
    """The way to the client: whether anything went it, the request's id on it, and no body for a HEAD.

    began: the tick at which the answer did.
    """

    send: Send
    body: Incoming
    bodiless: bool
    request_id: str
    tick: Callable[[], float]
    status: int = 0
    started: bool = False
    began: float = 0.0

    async def __call__(self, message: Message) -> None:
        self.started = True
        if message["type"] == "http.response.start":
            self.status, self.began = message["status"], self.tick()
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            if self.body.left and b"connection" not in dict(headers):
                # The server does not wait for what nobody read: a client that goes on would write into a closed pipe.
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        if self.bodiless and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self.send(message)


@dataclass
class Caught:
    """The framework's answer. One that comes in several pieces goes on at once and is not kept.

    takes: the coding for the client, "" for none.
    """

    send: Send
    takes: str = ""
    start: Message = field(default_factory=dict)
    body: bytes = b""
    streamed: bool = False
    _packer: coding.Packer | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif self.streamed:
            await self.send(self._piece(message))
        elif message.get("more_body"):
            self.streamed = True
            await self.send({**self.start, "headers": complete(self._begun())})
            await self.send(self._piece(message))
        else:
            self.body = message.get("body", b"")

    def _begun(self) -> Headers:
        """The headers of an answer in pieces, which is coded where that is worth it."""
        headers: Headers = list(self.start["headers"])
        if not coding.worth(self.header(b"content-type")):
            return headers
        if self.takes:
            self._packer = coding.packer(self.takes)
        return varying(coding.named(headers, self.takes))

    def _piece(self, message: Message) -> Message:
        """A piece as it is sent: what the packer holds back comes with one of the next."""
        if self._packer is None:
            return message
        piece = self._packer.compress(message.get("body", b""))
        if not message.get("more_body"):
            piece += self._packer.flush()
        return {**message, "body": piece}

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for known, value in self.start["headers"] if known == name), "")

    def allowing(self, methods: str) -> Caught:
        """The same, whose Allow is this one where it is not empty."""
        if methods:
            headers = [pair for pair in self.start["headers"] if pair[0] != b"allow"]
            self.start["headers"] = [*headers, (b"allow", methods.encode())]
        return self


def complete(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers, with those that every answer has where they are not there already."""
    given = list(headers)
    names = {name for name, _ in given}
    return [*given, *(pair for pair in _ALWAYS if pair[0] not in names)]


def varying(headers: Headers) -> Headers:
    """The headers of an answer that may come in one coding or another."""
    told = next((value for name, value in headers if name == b"vary"), b"")
    if b"Accept-Encoding" in told:
        return headers
    value = told + b", Accept-Encoding" if told else b"Accept-Encoding"
    return [*(pair for pair in headers if pair[0] != b"vary"), (b"vary", value)]


async def nothing() -> Message:
    """The body of a request that has none."""
    return {"type": "http.request", "body": b"", "more_body": False}


def with_head(allow: bytes) -> bytes:
    """The methods that a path takes, with HEAD wherever GET is."""
    names = [name.strip() for name in allow.decode("latin-1").split(",")]
    return ", ".join(sorted({*names, *(["HEAD"] if "GET" in names else [])})).encode()


async def send_whole(status: int, headers: Headers, body: bytes, send: Send) -> None:
    """Sends an answer in one piece, with the headers that every answer has."""
    if status not in (204, 304):
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": complete(headers)})
    await send({"type": "http.response.body", "body": b"" if status == 304 else body})
