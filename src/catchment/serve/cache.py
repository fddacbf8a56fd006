"""Answers kept as bytes, each good for as long as the revisions that it was made from stand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import xxhash

from ..store.snapshot import State

__all__ = ["CACHE_BYTES", "Answer", "Cache", "digest"]

CACHE_BYTES = 64 * 2**20

# In every ETag: raised when the form of answers changes, so that an upgrade makes old tags false.
_FORM = b"1"


@dataclass(frozen=True, slots=True)
class Answer:
    """One 200 as it was sent, without what changes by the second. states: collection -> what it was made from.

    stale_by: by what it names what is too old, as `Data` has it.
    """

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    etag: str
    states: Mapping[str, State]
    stale_by: Mapping[str, str] = field(default_factory=dict)

    def holds(self, states: Mapping[str, State]) -> bool:
        """Whether nothing that it was made from has changed."""
        return all(states.get(name) == state for name, state in self.states.items())


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

    def get(self, key: tuple[str, bytes], states: Mapping[str, State]) -> Answer | None:
        """The answer to this request if it still holds."""
        return self._small.get(key, states) or self._large.get(key, states)

    def put(self, key: tuple[str, bytes], answer: Answer) -> None:
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
        self._kept: OrderedDict[tuple[str, bytes], Answer] = OrderedDict()

    def get(self, key: tuple[str, bytes], states: Mapping[str, State]) -> Answer | None:
        answer = self._kept.get(key)
        if answer is None:
            return None
        if not answer.holds(states):
            self.drop(key)
            return None
        self._kept.move_to_end(key)
        return answer

    def put(self, key: tuple[str, bytes], answer: Answer, size: int) -> None:
        self.drop(key)
        if size > self._max_bytes:
            return
        self._kept[key] = answer
        self._bytes += size
        while self._bytes > self._max_bytes:
            self.drop(next(iter(self._kept)))

    def drop(self, key: tuple[str, bytes]) -> None:
        if answer := self._kept.pop(key, None):
            self._bytes -= _size(key, answer)

    def __len__(self) -> int:
        return len(self._kept)


def _size(key: tuple[str, bytes], answer: Answer) -> int:
    headers = sum(len(name) + len(value) for name, value in answer.headers)
    return len(key[0]) + len(key[1]) + headers + len(answer.body) + 1024  # about what the objects themselves take
