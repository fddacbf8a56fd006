"""The short way through the front: what was answered before and still holds, and what an index gives at once.

It refuses nothing and says of nothing that it is wrong: that is done on the whole way.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..clock import Clock
from ..errors import CatchmentError
from ..principal import Principal, may
from ..settings import Settings
from ..store.reader import Reader
from ..store.seen import State
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
from .traffic import ITEM, LIST, ROUTE

__all__ = ["COUNTED", "HEALTH", "Express", "key_of"]

COUNTED = "catchment.counted"
"""Stands in the scope of a request that was counted by the limits."""
HEALTH = "/health/"
"""What begins so is never kept: whether the process lives must not depend on the database."""
Said = tuple[int, Headers, bytes]
"""Status, headers and body."""

_BODY = frozenset({b"transfer-encoding", b"content-length"})
_ASKING = frozenset(
    {b"host", b"accept", b"accept-encoding", b"if-none-match", b"x-request-id", b"traceparent", AT_LEAST}
)
_HEEDED = _ASKING | IDENTITY | _BODY
"""The headers that an answer from memory depends on."""


def key_of(caller: Principal, path: str, query: bytes, taken: str) -> Key:
    """By what an answer is kept. taken: the coding that it is wanted in.

    A route of an app's own may answer each caller differently, so what is kept for one is given to that one only.
    """
    return f"{caller.via}:{caller.key_id or caller.id} {path}", query, taken


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

    def find(self, scope: MutableMapping[str, Any]) -> Said | None:
        """The answer to a GET or HEAD; None for what has to go the whole way, be it to be refused."""
        given, path = _heeded(scope), gate.raw_path(scope)
        if given is None or AT_LEAST in given or path.startswith(HEALTH):
            return None
        if not gate.names_us(_text(given, b"host"), self.hosts):
            return None
        now = self.clock.now()
        try:
            principal = self._principal(scope, given, now)
            states = self.reader.states()
            taken = coding.chosen(_text(given, b"accept-encoding"))
            if len(path) + len(scope["query_string"]) > gate.MAX_URL:
                return None
            key = key_of(principal, path, scope["query_string"], taken)
            kept = self.cache.get(key, states)
            answer = kept or self._ask(scope, key, given, principal, states, now)
            if answer is None or not (answer.public or may(principal, "read")):
                return None
            if not gate.accepts(_text(given, b"accept"), answer.media_type) or not self._admits(scope, principal, now):
                return None
            age = self.ages.headers(answer.states, answer.stale_by, states, now)
        except CatchmentError:
            return None  # what is wrong is found out again, and said, on the whole way
        status, headers, body = answer.said(_text(given, b"if-none-match"), taken)
        scope[ROUTE] = answer.route, kept is not None
        told = [*headers, *age, (b"x-request-id", _request_id(given))]
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
        given: Mapping[bytes, bytes],
        principal: Principal,
        states: Mapping[str, State],
        now: datetime,
    ) -> Answer | None:
        """The answer to what an index gives at once; kept from now on."""
        if not key[0].partition(" ")[2].startswith("/v1/"):
            return None
        data = Data(self.reader, self.settings, now, principal, coding=key[2])
        question = self.direct.question(gate.raw_path(scope), scope["query_string"], data)
        route = ITEM if question and question.key else LIST
        if question is None or not self._admits(scope, principal, now):
            return None
        tags = _text(given, b"if-none-match")
        if tags and (tag := question.tag(states)) and coding.known_tag(tags, tag, key[2]):
            data.seen[question.collection.name] = states[question.collection.name]
            return self.answers.unchanged(tag, data, route)
        answer = self.answers.of_reply(question.answer(data), data, route)
        self.cache.put(key, answer)
        return answer

    def _principal(self, scope: Mapping[str, Any], given: Mapping[bytes, bytes], now: datetime) -> Principal:
        if given.keys().isdisjoint(IDENTITY):
            return self.rights.nobody(scope)
        return self.rights.principal(scope, now)


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
    return ids_of(_text(given, b"x-request-id"), _text(given, b"traceparent")).request.encode()
