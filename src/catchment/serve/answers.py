"""Answers made of bodies: what they say of who may keep them, by what they differ, and in which coding they are."""

from __future__ import annotations

from collections.abc import Mapping

from ..store.tables import Collection
from . import coding
from .cache import Answer, Headers, digest
from .data import Data
from .reading import Reply
from .wire import Caught, complete, varying

__all__ = ["Answers"]

_PUBLIC = [(b"cache-control", b"public, no-cache")]
_PRIVATE = [(b"cache-control", b"private, no-cache")]
_VARY, _VARY_TOLD = b"Accept, Authorization, Cookie, X-API-Key", b", user-id, user_id"
"""By what an answer may differ: whether its type is taken, and who asks."""


class Answers:
    """What all answers of one server have in common. told: a gateway may say who asks."""

    def __init__(self, collections: Mapping[str, Collection], *, told: bool) -> None:
        self._collections = collections
        self._vary = [(b"vary", _VARY + (_VARY_TOLD if told else b""))]
        self._plain: dict[bool, Headers] = {}

    async def of_framework(self, caught: Caught, data: Data, route: str) -> Answer:
        """The answer that the framework gave."""
        headers = [pair for pair in caught.start["headers"] if pair[0] not in (b"etag", b"content-length")]
        told = caught.header(b"cache-control")
        if not told or (data.principal.id and "no-store" not in told):
            headers = [pair for pair in headers if pair[0] != b"cache-control"] + self.caching(data)
        if not caught.header(b"vary"):
            headers += self._vary
        # An app's own route may depend on more than revisions: its tag is that of its bytes.
        etag, media_type = caught.header(b"etag") or digest(caught.body), caught.header(b"content-type")
        headers = varying(headers) if coding.worth(media_type) else headers
        body, packed = await coding.pack(caught.body, media_type, data.coding)
        return self._of(complete(headers), body, etag, packed, data, route)

    def of_reply(self, reply: Reply, data: Data, route: str) -> Answer:
        """The answer of a list or an item that did not come through the framework."""
        body, packed = coding.pack_at_once(reply.body, data.coding)
        more = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        return self._of([*self._json(data), *more], body, reply.etag, packed, data, route)

    def unchanged(self, etag: str, data: Data, route: str) -> Answer:
        """The answer, without its body, for a client that has it."""
        return self._of(self._json(data), b"", etag, "", data, route)

    def _json(self, data: Data) -> Headers:
        public = self._is_public(data) and not data.principal.id
        if public not in self._plain:
            type_of = [(b"content-type", b"application/json")]
            self._plain[public] = complete([*type_of, *self.revalidated(data)])
        return self._plain[public]

    def revalidated(self, data: Data) -> Headers:
        """The headers of an answer that has a tag, or of its 304."""
        return [*self.caching(data), *varying(self._vary)]

    def caching(self, data: Data) -> Headers:
        """Who may keep the answer: anybody what anybody may read, unless it was given to somebody in particular."""
        return _PUBLIC if self._is_public(data) and not data.principal.id else _PRIVATE

    def _is_public(self, data: Data) -> bool:
        return all(self._collections[name].feed.public for name in data.seen)

    def _of(self, headers: Headers, body: bytes, etag: str, packed: str, data: Data, route: str) -> Answer:
        made_of = {"states": dict(data.seen), "stale_by": dict(data.stale_by), "public": self._is_public(data)}
        return Answer.of(headers, body, etag, packed, **made_of, route=route)
