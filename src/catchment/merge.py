"""Records of an answer against the stored ones: what is new, changed, the same, gone.

Pure and in two steps: `Fold` takes the rows of an answer one by one and leaves each key once; `compare` sets them
beside what is stored. Neither holds the records themselves, only where they wait (`slot`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from .decode import Entry, Seen
from .feed import CONTENT, FIRST, RETIRE, Feed

__all__ = ["STORED", "Change", "Changes", "Fold", "Found", "Known", "compare"]

STORED = -1
"""The slot of a row that is stored already: nothing waits anywhere."""


@dataclass(frozen=True)
class Known:
    """What the store has of a partition: key -> content hash; digest of a row's bytes -> key, and -> how many keys.

    times: kept where equal records are counted. beside: of these, the keys whose records belong to another partition,
    which serves them too; their hash is of what this partition said last.
    """

    hashes: dict[str, bytes] = field(default_factory=dict)
    by_raw: dict[bytes, str] = field(default_factory=dict)
    times: dict[bytes, int] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()


class Change(msgspec.Struct, frozen=True, gc=False):
    """One key to be written. slot: where its record waits. expected: the hash it has now (b"" for none)."""

    key: str
    slot: int
    expected: bytes = b""


@dataclass(frozen=True)
class Changes:
    """What a commit has to do.

    shared: keys that belong to another partition and are served by this one too. taken: of those that changed, the keys
    that belong to another one until now. left: keys of another one that this one serves no more.
    """

    new: Sequence[Change] = ()
    changed: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    same: int = 0
    shared: tuple[Change, ...] = ()
    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


class Found:
    """The keys of an answer in their order, each once, and by what their records are told from others.

    There may be very many: beside its key, a record takes 16 bytes, and nothing but its key where it is stored already.
    slots: key -> where its record waits.
    """

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self._hashes = bytearray()

    def put(self, key: str, content: bytes, slot: int) -> None:
        """Takes a key, or another record for it. content: the hash of 16 bytes, known anyway of a stored one."""
        self.slots[key] = slot
        if slot != STORED:
            at, end = slot * HASH, len(self._hashes)
            if at == end:  # mostly: slots are given in their order
                self._hashes += content
                return
            self._hashes.extend(bytes(max(at - end, 0)))  # others wait there that are nobody's record
            self._hashes[at : at + HASH] = content

    def content(self, slot: int) -> bytes:
        """The content hash of what waits in a slot."""
        return bytes(self._hashes[slot * HASH : (slot + 1) * HASH])


HASH = 16
"""Bytes of a content hash."""


class _New(Sequence[Change]):
    """Changes of keys that are not stored, made when they are asked for: of a first answer it is every record."""

    def __init__(self, keys: Sequence[str], slots: Mapping[str, int]) -> None:
        self._keys = keys
        self._slots = slots

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Change]:
        return (Change(key, self._slots[key]) for key in self._keys)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return _New(self._keys[place], self._slots)
        return Change(self._keys[place], self._slots[self._keys[place]])


class Fold:
    """The rows of one answer, each key once.

    duplicate: rows equal to one before. conflict: rows whose key came before with other content. overlap: the keys
    that stood on an earlier page; noted from the first `next_page`. refused: of those in conflict, digest of the
    row's bytes -> key, where the first counts.
    """

    def __init__(self, feed: Feed, known: Known) -> None:
        self._first_wins = feed.conflict is FIRST
        self._by_content = feed.key is CONTENT
        self._collapse = feed.equal == "collapse"
        self._known = known
        self._found = Found()
        self._contents: dict[bytes, int] = {}  # content hash -> slot
        self._more: dict[bytes, int] = {}  # of those that came again: how many there are
        self.received = 0
        self.duplicate = 0
        self.conflict = 0
        self.refused: dict[bytes, str] = {}
        self.overlap = set[str]()
        self._on_page: set[str] | None = None

    def next_page(self) -> None:
        """Another page begins."""
        self._on_page = set()

    def add(self, row: Entry | Seen, slot: int = STORED) -> None:
        """Takes a row. slot: where an Entry's record waits."""
        self.received += 1
        if isinstance(row, Seen):
            key = self._known.by_raw[row.raw]
            content = self._known.hashes[key]
        else:
            key, content = row.key, row.hash
        if self._by_content:
            self._count(content, slot)
        else:
            self._put(key, content, slot, row.raw)

    def _count(self, content: bytes, slot: int) -> None:
        waiting = self._contents.get(content)
        if waiting is not None and self._collapse:
            self.duplicate += 1
            return
        if waiting is not None:
            self._more[content] = self._more.get(content, 1) + 1
        if waiting is None or waiting == STORED:
            self._contents[content] = slot

    def _put(self, key: str, content: bytes, slot: int, raw: bytes) -> None:
        before = self._found.slots.get(key)
        if self._on_page is not None:
            if before is not None and key not in self._on_page:
                self.overlap.add(key)
            self._on_page.add(key)
        if before is None:
            self._found.put(key, content, slot)
        elif content == (self._known.hashes[key] if before == STORED else self._found.content(before)):
            self.duplicate += 1
        else:
            self.conflict += 1
            if self._first_wins:
                self.refused[raw] = key
            else:
                self._found.put(key, content, slot)

    def found(self) -> Found:
        """What the answer has. Equal records without an identity are numbered from 1."""
        for content in list(self._contents):
            slot = self._contents.pop(content)  # they are not held twice
            for number in range(1, self._more.get(content, 1) + 1):
                self._found.put(f"{content.hex()}-{number}", content, slot)
        return self._found


def compare(
    feed: Feed,
    found: Found,
    stored: Mapping[str, bytes],
    here: Iterable[str],
    *,
    elsewhere: Mapping[str, bytes] = MappingProxyType({}),
) -> Changes:
    """The changes that make the store say what the answer says.

    Args:
        found: the answer, as `Fold.found` gives it.
        stored: key -> content hash of the partition's own keys.
        here: the keys stored for this partition: with RETIRE, those the answer lacks are gone.
        elsewhere: key -> present content hash of the keys that belong to other partitions. Where this one said of such
            a key what it says now, the other one's word stands: two that differ do not take turns.
    """
    new, changed, shared, taken, same = [], [], [], [], 0
    for key, slot in found.slots.items():
        if slot == STORED:
            same += 1
            continue
        was = stored.get(key)
        before = elsewhere.get(key) or was
        if before is None:
            new.append(key)
            continue
        content = found.content(slot)
        if was == content:
            same += 1
        elif before == content:
            same += 1
            shared.append(Change(key, slot, before))
        else:
            changed.append(Change(key, slot, before))
            if key in elsewhere:
                taken.append(key)
    missing = [key for key in here if key not in found.slots] if feed.missing is RETIRE else []
    gone = [Change(key, STORED, stored[key]) for key in missing if key not in elsewhere]
    left = tuple(key for key in missing if key in elsewhere)
    fresh = _New(new, found.slots)
    return Changes(fresh, tuple(changed), tuple(gone), same, tuple(shared), tuple(taken), left)
