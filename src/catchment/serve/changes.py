"""The change feed of a collection: in pages of lines, or as events for as long as the client listens."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get

from ..clock import heartbeat
from ..errors import QueryError, StoreUnavailable
from ..store.changes import Change, Changed, Position, parse_position
from ..store.tables import Collection
from . import gate
from .cache import digest
from .collections import asked, given, shown
from .data import Data
from .streams import Standing, standing, streamed

__all__ = ["EVENTS", "HANDLERS", "LINES", "MAX_CHANGES", "PARAMETERS", "TOLD", "Told", "seen"]

LINES, EVENTS = "application/x-ndjson", "text/event-stream"
MAX_CHANGES = 1000
PARAMETERS = {
    "after": "The position behind which to begin: `12` is behind all of revision 12, `12:3` behind its third change."
    " Without it: from the beginning.",
    "limit": f"How many changes, 1 to {MAX_CHANGES}; not of events, which end with the client.",
}

AT_A_TIME = 200
"""Events of one reading: more are not held for a client that is slow."""
BEAT = timedelta(seconds=15)
LOOK_S = 0.2
"""How often it is asked whether something was committed."""

Ask = Request[Any, Any, Any]
TOLD = "told positions"
"""Where the service's `Told` stands in the framework's state."""


class Told:
    """The positions that ended pages lately, with their keys: who goes on from one is not looked for among all that its
    revision changed, which may be all of a collection.
    """

    def __init__(self, *, most: int = 1000) -> None:
        self._keys: OrderedDict[tuple[str, int, Position], str] = OrderedDict()
        self._most = most

    def note(self, page: Changed, collection: Collection) -> None:
        """Remembers where a page ended."""
        if page.position.number:
            self._keys[collection.name, page.state.generation, page.position] = page.position.key
            if len(self._keys) > self._most:
                self._keys.popitem(last=False)

    def whole(self, position: Position, collection: Collection, generation: int) -> Position:
        """The same position, with its key where that is known."""
        key = self._keys.get((collection.name, generation, position), "")
        return replace(position, key=key) if key else position


@get("/v1/{app:str}/{name:str}/changes")
async def changes(request: Ask) -> Response[Any]:
    """What changed behind a position, each change once and in order: a page of lines, or events."""
    data, collection = asked(request)
    pairs = dict(given(request, tuple(PARAMETERS)))
    wants_events = EVENTS in gate.header(request.scope, b"accept").lower()
    start, last = parse_position(pairs.get("after", "0")), gate.header(request.scope, b"last-event-id")
    if last:
        heard = parse_position(last, "Last-Event-ID")  # what is no position is refused to whoever wants lines too
        start = heard if wants_events else start
    feed = _Feed(data, collection, standing(request), request.app.state[TOLD])
    if wants_events:
        return streamed(request, feed.events(start), EVENTS, {"cache-control": "no-store"})
    return await _page(request, feed, start, _limit(pairs.get("limit", str(MAX_CHANGES))))


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_CHANGES):
        raise QueryError(f"limit: is a whole number from 1 to {MAX_CHANGES}", parameter="limit")
    return int(text)


async def _page(request: Ask, feed: _Feed, start: Position, limit: int) -> Response[bytes]:
    page = await asyncio.to_thread(feed.after, start, limit)
    names = repr([column.name for column in feed.data.columns(feed.collection)])
    etag = digest(
        "changes", feed.collection.name, page.state, str(start), str(limit), names, str(feed.collection.deleted)
    )
    headers = {"etag": etag, "x-position": str(page.position)}
    if page.more:
        headers["link"] = f'<{request.scope["path"]}?after={page.position}&limit={limit}>; rel="next"'
    feed.data.whole = False  # the same address answers in another form as well: it is not kept by it
    body = "".join(f"{line}\n" for _, line in feed.lines(page.changes))
    return Response(body.encode(), media_type=LINES, headers=headers)


@dataclass(frozen=True)
class _Feed:
    """The changes of one collection, for one request."""

    data: Data
    collection: Collection
    standing: Standing
    told: Told

    def after(self, position: Position, limit: int) -> Changed:
        """The changes behind a position. Every call reads a moment of its own, and holds nothing when it is over."""
        with self.data.reader.snapshot() as snapshot:
            self.data.note(snapshot, self.collection)
            found = snapshot.changes(self.collection)
            start = self.told.whole(position, self.collection, found.state.generation)
            page = found.after(start, limit, self.data.columns(self.collection))
        self.told.note(page, self.collection)
        return page

    def lines(self, found: Sequence[Change]) -> Iterator[tuple[Position, str]]:
        """The changes as JSON, as this reader sees them."""
        for change, document in seen(self.data, self.collection, found):
            yield change.position, _line(change, document)

    async def events(self, start: Position) -> AsyncIterator[bytes]:
        """Events until the client leaves, may no longer read, or has to begin anew."""
        yield b"retry: 1000\n\n"
        position, told_at = start, self.standing.now()
        try:
            while self._listens():
                page = await asyncio.to_thread(self._after_or_reset, position)
                if isinstance(page, bytes):
                    yield page
                    return
                position = page.position
                if events := b"".join(_event(*pair) for pair in self.lines(page.changes)):
                    yield events
                    told_at = self.standing.now()
                while not page.more and self._stands(page):
                    if self.standing.now() - told_at >= BEAT:
                        yield f": nothing new\nid: {position}\n\n".encode()
                        told_at = self.standing.now()
                    await heartbeat(LOOK_S)
        except StoreUnavailable:
            return  # the client comes again by itself, with where it was

    def _listens(self) -> bool:
        """Whether the client may still listen, and we are not about to end: it comes again by itself."""
        return self.standing.holds() and not self.standing.ending()

    def _after_or_reset(self, position: Position) -> Changed | bytes:
        try:
            return self.after(position, AT_A_TIME)
        except QueryError as error:
            if error.status != 410:
                raise
            with self.data.reader.snapshot() as snapshot:
                newest = snapshot.state(self.collection).revision
            # Without an id: until the client has begun anew, its old position is to be refused again.
            return (
                b"event: reset\ndata: " + msgspec.json.encode({"position": str(newest), "detail": str(error)}) + b"\n\n"
            )

    def _stands(self, page: Changed) -> bool:
        """Whether nothing was committed since, and the client may still listen."""
        return self.data.reader.states().get(self.collection.name) == page.state and self._listens()


def seen(data: Data, collection: Collection, found: Sequence[Change]) -> Iterator[tuple[Change, str | None]]:
    """The changes that this reader sees, each with the record as he sees it; without those that only others see."""
    partly = len(data.columns(collection)) < len(collection.columns)
    for change in found:
        document = change.document
        if partly and document is not None:
            document = shown(data, collection, document)
            if change.before is not None and shown(data, collection, change.before) == document:
                continue
        yield change, document


def _line(change: Change, document: str | None) -> str:
    """A change as JSON. Neither a key, which is percent-encoded, nor the name of a field needs escaping."""
    head = (
        f'{{"position":"{change.position}","revision":{change.position.revision},"at":"{change.at}"'
        f',"kind":"{change.kind}","key":"{change.key}"'
    )
    if change.kind == "changed":
        head += ',"fields":[' + ",".join(f'"{name}"' for name in change.fields) + "]"
    return f'{head},"record":{document}}}' if document is not None else f"{head}}}"


def _event(position: Position, line: str) -> bytes:
    return f"id: {position}\nevent: change\ndata: {line}\n\n".encode()


HANDLERS = (changes,)
