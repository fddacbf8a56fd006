"""Answers kept as bytes, each good for as long as the revisions that it was made from stand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import xxhash

from ..store.seen import State
from .coding import known_tag, named

__all__ = ["CACHE_BYTES", "Answer", "Cache", "Headers", "Key", "digest"]

CACHE_BYTES = 64 * 2**20

# In every ETag: raised when the form of answers changes, so that an upgrade makes old tags false.
_FORM = b"1"


Headers = list[tuple[bytes, bytes]]
Key = tuple[str, bytes, str]
"""Who asks and for which path; the query; the coding that the client takes."""
_OF_BODIES = (b"content-type", b"content-disposition", b"content-encoding")


@dataclass(frozen=True, slots=True)
class Answer:
    """One 200 as it was sent, without what changes by the second. states: collection -> what it was made from.

    etag: its tag, and where it is coded the plain one. headers: those of the 200; unchanged: those of a 304, but for
    its tag. public: whether anybody may read all that it was made from.
    stale_by: by what it names what is too old, as `Data` has it. route: the template of its path.
    """

    headers: Headers
    unchanged: Headers
    body: bytes
    etag: str
    media_type: str
    states: Mapping[str, State]
    stale_by: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    route: str = ""

    @classmethod
    def of(cls, headers: Headers, body: bytes, etag: str, coding: str, **more: Any) -> Answer:
        """The answer of that body. headers: without tag and length; the body comes in that coding."""
        whole = named([*headers, (b"etag", etag.encode())], coding)
        whole.append((b"content-length", str(len(body)).encode()))
        unchanged = [pair for pair in headers if pair[0] not in _OF_BODIES]
        media_type = next((value for name, value in headers if name == b"content-type"), b"").decode("latin-1")
        return cls(whole, unchanged, body, etag, media_type, **more)

    def said(self, if_none_match: str, coding: str) -> tuple[int, Headers, bytes]:
        """Status, headers and body for a client that has these tags, and takes that coding."""
        if if_none_match and (known := known_tag(if_none_match, self.etag, coding)):
            return 304, [*self.unchanged, (b"etag", known.encode())], b""
        return 200, self.headers, self.body

    def holds(self, states: Mapping[str, State]) -> bool:
        """Whether nothing that it was made from has changed."""
        for name, state in self.states.items():
            now = states.get(name)
            if now is not state and now != state:
                return False
        return True


def digest(*parts: bytes | str | State) -> str:
    """A strong ETag of the parts."""
    hashed = xxhash.xxh3_128(_FORM)
    for part in parts:
        data = part if isinstance(part, bytes) else msgspec.msgpack.encode(part)
        hashed.update(len(data).to_bytes(8, "big") + data)
    return f'"{hashed.hexdigest()}"'


class Cache:
    """The answers used last, bounded in bytes. Large ones have one half of the room: they push out no small ones.

    Large is more than a sixteenth of the room. What is larger than a half is not kept.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._small_to = max_bytes // 16
        self._small, self._large = _Shelf(max_bytes // 2), _Shelf(max_bytes // 2)

    def get(self, key: Key, states: Mapping[str, State]) -> Answer | None:
        """The answer to this request if it still holds."""
        return self._small.get(key, states) or self._large.get(key, states)

    def put(self, key: Key, answer: Answer) -> None:
        """Keeps the answer; the ones not used for longest make room."""
        size = _size(key, answer)
        here, other = (self._small, self._large) if size <= self._small_to else (self._large, self._small)
        other.drop(key)
        here.put(key, answer, size)

    def __len__(self) -> int:
        return len(self._small) + len(self._large)


class _Shelf:
    """Answers that share some bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        self._by: Mapping[str, State] = {}
        self._held: set[Key] = set()  # the answers that were found to hold by those states

    def get(self, key: Key, states: Mapping[str, State]) -> Answer | None:
        answer = self._kept.get(key)
        if answer is None:
            return None
        if self._by is not states:
            self._by = states
            self._held.clear()
        if key not in self._held:
            if not answer.holds(states):
                self.drop(key)
                return None
            self._held.add(key)
        self._kept.move_to_end(key)
        return answer

    def put(self, key: Key, answer: Answer, size: int) -> None:
        self.drop(key)
        if size > self._max_bytes:
            return
        self._kept[key] = answer
        self._bytes += size
        while self._bytes > self._max_bytes:
            self.drop(next(iter(self._kept)))

    def drop(self, key: Key) -> None:
        self._held.discard(key)
        if answer := self._kept.pop(key, None):
            self._bytes -= _size(key, answer)

    def __len__(self) -> int:
        return len(self._kept)


def _size(key: Key, answer: Answer) -> int:
    headers = 2 * sum(len(name) + len(value) for name, value in answer.headers)
    return len(key[0]) + len(key[1]) + headers + len(answer.body) + 1024  # about what the objects themselves take
