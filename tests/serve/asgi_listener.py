"""A client that listens to a long answer of an ASGI application in this process, piece by piece."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

WAIT_S = 60.0
"""What has not come by then never will."""


@dataclass(frozen=True)
class Event:
    kind: str
    id: str
    data: str


@dataclass
class Listener:
    """What came. takes: how many pieces the client takes before it stops to."""

    takes: int
    pieces: asyncio.Queue = field(default_factory=asyncio.Queue)
    taken: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    headers: dict = field(default_factory=dict)
    answering: asyncio.Task | None = None
    _waiting: list[Event] = field(default_factory=list)

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], {k.decode(): v.decode() for k, v in message["headers"]}
            return
        if len(self.taken) >= self.takes:
            self.stuck.set()
            await self.left.wait()
            return
        self.taken.append(message["body"])
        self.pieces.put_nowait(message["body"])
        if not message.get("more_body"):
            self.pieces.put_nowait(None)

    async def full(self):
        """Returns when the client has stopped taking and is offered more."""
        await asyncio.wait_for(self.stuck.wait(), WAIT_S)

    async def ended(self):
        """Returns when the application has answered; raises what it raised."""
        await asyncio.wait_for(self.answering, WAIT_S)

    async def piece(self) -> bytes | None:
        return await asyncio.wait_for(self.pieces.get(), WAIT_S)

    async def next(self) -> Event | None:
        while not self._waiting:
            piece = await self.piece()
            if piece is None:
                return None
            self._waiting += [event for event in map(_event, piece.decode().split("\n\n")) if event.data]
        return self._waiting.pop(0)

    async def rest(self) -> list[Event]:
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


def _event(text: str) -> Event:
    named = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
    return Event(named.get("event", ""), named.get("id", ""), named.get("data", ""))


@asynccontextmanager
async def listening(app, url: str, *, headers=None, takes=10_000, accept="text/event-stream"):
    """The answer to a GET, as long as it lasts; then the client has left, and the answer has ended."""
    path, _, query = url.partition("?")
    given = {"host": "localhost", "accept": accept, **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 5000),
        "server": ("localhost", 80),
        "state": {},
    }
    listener = Listener(takes)
    listener.answering = asyncio.create_task(app(scope, listener.receive, listener.send))
    try:
        yield listener
    finally:
        listener.left.set()
        await listener.ended()
