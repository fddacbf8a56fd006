"""One request and its answer, as values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import quote, urlencode

from .spool import Content, whole

__all__ = ["Answer", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, without secrets: those are added at sending and kept nowhere.

    query: pairs in the order in which they are sent. path: begins with `/`; percent-encoded sequences stay.
    """

    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"

    @property
    def target(self) -> str:
        """Path and query as sent, percent-encoded."""
        path = quote(self.path, safe="/%:@!$&'()*+,;=~-._")
        return f"{path}?{urlencode(self.query, quote_via=quote)}" if self.query else path

    @property
    def fingerprint(self) -> str:
        """A digest by which an archived answer is recognised as the answer to this request."""
        return hashlib.sha256(f"{self.method} {self.target}".encode()).hexdigest()[:32]

    def with_query(self, *pairs: tuple[str, str]) -> Request:
        return replace(self, query=self.query + pairs)

    def with_parameter(self, name: str, value: str) -> Request:
        """The request with this one value for a parameter, in its place if it had one."""
        if not any(known == name for known, _ in self.query):
            return self.with_query((name, value))
        rest = [pair for pair in self.query if pair[0] != name]
        place = [known for known, _ in self.query].index(name)
        return replace(self, query=(*rest[:place], (name, value), *rest[place:]))

    def with_parameters(self, *pairs: tuple[str, str]) -> Request:
        """The request with each of these in its place."""
        request = self
        for name, value in pairs:
            request = request.with_parameter(name, value)
        return request

    def with_headers(self, *pairs: tuple[str, str]) -> Request:
        return replace(self, headers=self.headers + pairs)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole and decoded from its transfer and content encodings.

    content: the bytes of its body, or where they are when they are many. at: when it was complete (aware UTC).
    headers: names in lower case. wire_bytes: as received, before inflating. most: bytes of a body that is given whole.
    """

    status: int
    content: Content
    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    wire_bytes: int = 0
    most: int | None = None

    @property
    def body(self) -> bytes:
        """The body, in memory whole. DecodeError where it is larger than the feed says (`max_whole_body`)."""
        return whole(self.content, self.most)

    def header(self, name: str) -> str:
        """The header's value, "" when absent; `name` in any case."""
        return self.headers.get(name.lower(), "")
