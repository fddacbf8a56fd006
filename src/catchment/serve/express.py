"""The short way through the front: what was answered before and still holds, and what an index gives at once.

It refuses nothing and says of nothing that it is wrong: that is done on the whole way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..clock import Clock
from ..errors import CatchmentError
from ..principal import Principal, may
from ..settings import Settings
from ..store.reader import Reader
from ..store.seen import State
from ..watching import new_id
from . import coding, gate
from .answers import Answers
from .at_least import AT_LEAST
from .cache import Answer, Cache, Headers, Key
from .data import Data
from .direct import Direct
from .freshness import Ages
from .limits import Limits
from .rights import IDENTITY, Rights, peer_of
from .tracing import ids_of
from .traffic import ROUTE

__all__ = ["COUNTED", "HEALTH", "Express", "Heads", "Turn", "key_of"]

COUNTED = "catchment.counted"
"""Stands in the scope of a request that was counted by the limits."""
HEALTH = "/health/"
"""What begins so is never kept: whether the process lives must not depend on the database."""
_SHORT, _MOST = 1024, 2048
"""Bytes of a head that is remembered, and how many are."""
Said = tuple[int, Headers, bytes]
"""Status, headers and body."""

_BODY = frozenset({b"transfer-encoding", b"content-length"})
_ASKING = frozenset(
    {b"host", b"accept", b"accept-encoding", b"if-none-match", b"x-request-id", b"traceparent", AT_LEAST}
)
_IDS = frozenset({b"x-request-id", b"traceparent"})
_HEEDED = _ASKING | IDENTITY | _BODY
"""The headers that an answer from memory depends on."""


def key_of(caller: Principal, path: str, query: bytes, taken: str) -> Key:
    """By what an answer is kept. taken: the coding that it is wanted in.

    A route of an app's own may answer each caller differently, so what is kept for one is given to that one only.
    """
    return f"{caller.via}:{caller.key_id or caller.id} {path}", query, taken


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body. nobody: it says nothing of who asks. id: its own; empty where it says none.

    taken: the coding that it is to be answered in. tags: of what the client has.
    """

    path: str
    host: str
    accept: str
    taken: str
    tags: str
    id: bytes
    nobody: bool

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Head | None:
        """None where it is not plain: a header is there twice, a body comes, or something is longer than it may be."""
        given, path = _heeded(scope), gate.raw_path(scope)
        if given is None or AT_LEAST in given or path.startswith(HEALTH):
            return None
        if len(path) + len(scope["query_string"]) > gate.MAX_URL:
            return None
        taken = coding.chosen(_text(given, b"accept-encoding"))
        nobody = given.keys().isdisjoint(IDENTITY)
        host, accept, tags = (_text(given, name) for name in (b"host", b"accept", b"if-none-match"))
        return cls(path, host, accept, taken, tags, _request_id(given), nobody)


class Heads:
    """What heads mean, remembered of short ones that say nothing of who asks: a client sends the same ones again."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Head | None] = {}

    def of(self, scope: Mapping[str, Any]) -> Head | None:
        """As `Head.of`."""
        said = scope.get("raw_path") or scope["path"], scope["query_string"], tuple(scope["headers"])
        try:
            found = self._known.get(said)
        except TypeError:  # ASGI lets a server give headers as lists
            return Head.of(scope)
        if found is None:
            found = Head.of(scope)
            if found is not None and found.nobody and not found.id and _size(said) <= _SHORT:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[said] = found
        return found


def _size(said: tuple[Any, ...]) -> int:
    path, query, headers = said
    return len(path) + len(query) + sum(len(name) + len(value) for name, value in headers)


class Turn:
    """The present states, looked up once for all requests that wait for the same turn of the event loop.

    They asked before it was looked up, since the loop takes turns in their order: none is answered as of a moment
    before its own asking.
    """

    def __init__(self) -> None:
        self._states: Mapping[str, State] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def states(self, reader: Reader) -> Mapping[str, State]:
        """As the reader's."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        # Whoever asks twice in one turn may have written between.
        if self._states is None or self._loop is not loop or task is None or task is self._task:
            self._states = reader.states()
            if self._loop is not loop:
                loop.call_soon(self._end)
        self._loop, self._task = loop, task
        return self._states

    def _end(self) -> None:
        self._states = self._loop = self._task = None


def _heeded(scope: Mapping[str, Any]) -> dict[bytes, bytes] | None:
    """The headers that matter; None where one is there twice, a body comes, or they are longer than they may be."""
    given: dict[bytes, bytes] = {}
    size = 0
    for name, value in scope["headers"]:
        size += len(name) + len(value) + 4
        if name in _HEEDED:
            if name in given:
                return None
            given[name] = value
    return None if size > gate.MAX_HEADERS or not given.keys().isdisjoint(_BODY) else given


def _text(given: Mapping[bytes, bytes], name: bytes) -> str:
    return given.get(name, b"").decode("latin-1")


def _request_id(given: Mapping[bytes, bytes]) -> bytes:
    """The id that it says; empty for none."""
    if given.keys().isdisjoint(_IDS):
        return b""
    return ids_of(_text(given, b"x-request-id"), _text(given, b"traceparent")).request.encode()


@dataclass(frozen=True, slots=True)
class Express:
    """Answers a GET or HEAD without a step in between. Its parts are the front's own."""

    reader: Reader
    settings: Settings
    clock: Clock
    hosts: frozenset[str]
    rights: Rights
    limits: Limits
    ages: Ages
    answers: Answers
    cache: Cache
    direct: Direct
    heads: Heads = field(default_factory=Heads)
    turn: Turn = field(default_factory=Turn)

    def find(self, scope: MutableMapping[str, Any]) -> Said | None:
        """The answer to a GET or HEAD; None for what has to go the whole way, be it to be refused."""
        head = self.heads.of(scope)
        if head is None or not gate.names_us(head.host, self.hosts):
            return None
        now = self.clock.now()
        try:
            principal = self.rights.nobody(scope) if head.nobody else self.rights.principal(scope, now)
            states = self.turn.states(self.reader)
            key = key_of(principal, head.path, scope["query_string"], head.taken)
            kept = self.cache.get(key, states)
            answer = kept or self._ask(scope, key, head, principal, states, now)
            if answer is None or not (answer.public or may(principal, "read")):
                return None
            if not gate.accepts(head.accept, answer.media_type) or not self._admits(scope, principal, now):
                return None
            age = self.ages.headers(answer.states, answer.stale_by, states, now)
        except CatchmentError:
            return None  # what is wrong is found out again, and said, on the whole way
        status, headers, body = answer.said(head.tags, head.taken)
        scope[ROUTE] = answer.route, kept is not None
        told = [*headers, *age, (b"x-request-id", head.id or new_id().encode())]
        return status, told, b"" if scope["method"] == "HEAD" else body

    def _admits(self, scope: MutableMapping[str, Any], principal: Principal, now: datetime) -> bool:
        """Whether the limits let this through, which is asked once a request."""
        if COUNTED not in scope:
            if self.limits.refusal(principal, "" if principal.id else peer_of(scope, self.rights.gateways)):
                return False
            self.rights.used(principal, now)
            scope[COUNTED] = True
        return True

    def _ask(
        self,
        scope: MutableMapping[str, Any],
        key: Key,
        head: Head,
        principal: Principal,
        states: Mapping[str, State],
        now: datetime,
    ) -> Answer | None:
        """The answer to what an index gives at once; kept from now on."""
        if not head.path.startswith("/v1/"):
            return None
        data = Data(self.reader, self.settings, now, principal, coding=key[2])
        question = self.direct.question(head.path, scope["query_string"], data)
        if question is None or not self._admits(scope, principal, now):
            return None
        if head.tags and (tag := question.tag(states)) and coding.known_tag(head.tags, tag, key[2]):
            data.seen[question.collection.name] = states[question.collection.name]
            return self.answers.unchanged(tag, data, question.route)
        if not self.reader.near:
            return None  # a thread waits for it
        answer = self.answers.of_reply(question.answer(data), data, question.route)
        self.cache.put(key, answer)
        return answer

    async def wait(self, key: Key, path: str, data: Data) -> Answer | None:
        """The answer to what an index gives at once but for the way to it, kept from now on; None for all else.

        For what has come the whole way: whoever asks may, and what is wrong is said by whoever answers all else.
        """
        try:
            question = self.direct.question(path, key[1], data)
            if question is None:
                return None
            # To wait for a server in the event loop would hold up all others.
            near = self.reader.near
            reply = question.answer(data) if near else await asyncio.to_thread(question.answer, data)
        except CatchmentError:
            return None
        answer = self.answers.of_reply(reply, data, question.route)
        self.cache.put(key, answer)
        return answer
