"""Records of an answer against the stored ones: what is new, changed, the same, gone.

Pure and in two steps: `Fold` takes the rows of an answer one by one and leaves each key once; `compare` sets them
beside what is stored. Neither holds the records themselves, only where they wait (`slot`); and of very many keys
neither holds anything in memory: there is `Room` for them elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, TypeVar

import msgspec

from .decode import Entry, Seen
from .feed import CONTENT, FIRST, RETIRE, Feed
from .spool import Spool

__all__ = ["STORED", "Change", "Changes", "Fold", "Found", "Known", "Pile", "Room", "compare"]

STORED = -1
"""The slot of a row that is stored already: nothing waits anywhere."""


K = TypeVar("K")
V = TypeVar("V")


class Room(Protocol):
    """Where dictionaries go that become long. few: how many keys one may have in memory."""

    few: int

    def spilled(self, held: MutableMapping[K, V]) -> MutableMapping[K, V]:
        """The dictionary, out of memory from now on."""
        ...


@dataclass(frozen=True)
class Known:
    """What the store has of a partition: key -> content hash; digest of a row's bytes -> key, and -> how many keys.

    times: kept where equal records are counted. beside: of these, the keys whose records belong to another partition,
    which serves them too; their hash is of what this partition said last.
    """

    hashes: Mapping[str, bytes] = field(default_factory=dict)
    by_raw: Mapping[bytes, str] = field(default_factory=dict)
    times: MutableMapping[bytes, int] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One key to be written. slot: where its record waits. expected: the hash it has now (b"" for none)."""

    key: str
    slot: int
    expected: bytes = b""


class Pile(Protocol):
    """Changes, as many as there may be: they are only added, counted and gone through."""

    def append(self, change: Change, /) -> object: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Change]: ...


@dataclass(frozen=True)
class Changes:
    """What a commit has to do.

    shared: keys that belong to another partition and are served by this one too. taken: of those that changed, the keys
    that belong to another one until now. left: keys of another one that this one serves no more.
    """

    new: Pile = field(default_factory=list[Change])
    changed: Pile = field(default_factory=list[Change])
    gone: Pile = field(default_factory=list[Change])
    same: int = 0
    shared: tuple[Change, ...] = ()
    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


class Found:
    """The keys of an answer in their order, each once, and by what their records are told from others.

    slots: key -> where its record waits.
    """

    def __init__(self) -> None:
        self.slots: MutableMapping[str, int] = {}
        self._hashes = _Hashes()

    def put(self, key: str, content: bytes, slot: int) -> None:
        """Takes a key, or another record for it. content: the hash of 16 bytes, which of a stored one is known."""
        self.slots[key] = slot
        if slot != STORED:
            self._hashes.put(slot, content)

    def content(self, slot: int) -> bytes:
        """The content hash of what waits in a slot."""
        return self._hashes.get(slot)


HASH = 16
"""Bytes of a content hash."""

_PART = 4096 * HASH
"""Bytes of them that are written and read together."""


class _Hashes:
    """A hash for each slot: the last ones in memory, those before them in a file. Mostly slots come in their order."""

    def __init__(self) -> None:
        self._file: Spool | None = None
        self._written = 0
        self._last = bytearray()
        self._read = (0, b"")  # of the file: from where, and the bytes from there

    def put(self, slot: int, content: bytes) -> None:
        at = slot * HASH - self._written
        if at == len(self._last):  # mostly
            self._last += content
        elif at < 0 and self._file is not None:
            self._file.write(content, at=slot * HASH)
            self._read = (0, b"")
            return
        else:
            self._last.extend(bytes(max(at - len(self._last), 0)))  # others wait there that are nobody's record
            self._last[at : at + HASH] = content
        if len(self._last) >= 2 * _PART:
            self._file = Spool() if self._file is None else self._file
            self._file.write(self._last[:-_PART])
            self._written = len(self._file)
            del self._last[:-_PART]

    def get(self, slot: int) -> bytes:
        at = slot * HASH
        if self._file is None or at >= self._written:
            return bytes(self._last[at - self._written : at - self._written + HASH])
        start, seen = self._read
        if not start <= at < start + len(seen):
            start = at // _PART * _PART
            seen = self._file.read(start, _PART)
            self._read = start, seen
        return seen[at - start : at - start + HASH]


class Fold:
    """The rows of one answer, each key once.

    duplicate: rows equal to one before. conflict: rows whose key came before with other content. overlap: the keys
    that stood on an earlier page; noted from the first `next_page`. refused: of those in conflict, digest of the
    row's bytes -> key, where the first counts.
    room: where the keys go of an answer that has very many; None: nowhere.
    """

    def __init__(self, feed: Feed, known: Known, room: Room | None = None) -> None:
        self._first_wins = feed.conflict is FIRST
        self._by_content = feed.key is CONTENT
        self._collapse = feed.equal == "collapse"
        self._known = known
        self._found = Found()
        self._contents: MutableMapping[bytes, int] = {}  # content hash -> slot
        self._more: MutableMapping[bytes, int] = {}  # of those that came again: how many there are
        self._room = room
        self._most = room.few if room else -1
        self.received = 0
        self.duplicate = 0
        self.conflict = 0
        self.refused: dict[bytes, str] = {}
        self.overlap = set[str]()
        self._on_page: MutableMapping[str, int] | None = None

    def next_page(self) -> None:
        """Another page begins."""
        self._on_page = {}

    def add(self, row: Entry | Seen, slot: int = STORED) -> None:
        """Takes a row. slot: where an Entry's record waits."""
        self.received += 1
        if self.received == self._most:
            self._spill()
        if isinstance(row, Seen):
            key = self._known.by_raw[row.raw]
            # A content's key begins with it; of another key's row it is mostly not asked for.
            content = bytes.fromhex(key[: 2 * HASH]) if self._by_content else b""
        else:
            key, content = row.key, row.hash
        if self._by_content:
            self._count(content, slot)
        else:
            self._put(key, content, slot, row.raw)

    def _spill(self) -> None:
        assert self._room is not None
        self._found.slots = self._room.spilled(self._found.slots)
        if self._by_content:
            self._contents, self._more = self._room.spilled(self._contents), self._room.spilled(self._more)

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
            self._on_page[key] = 1
            if self._room and isinstance(self._on_page, dict) and len(self._on_page) > self._most:
                self._on_page = self._room.spilled(self._on_page)
        if before is None:
            self._found.put(key, content, slot)
        elif self._content(key, slot, content) == self._content(key, before, b""):
            self.duplicate += 1
        else:
            self.conflict += 1
            if self._first_wins:
                self.refused[raw] = key
            else:
                self._found.put(key, content, slot)

    def _content(self, key: str, slot: int, content: bytes) -> bytes:
        """The content hash of a row; it is given, stored under its key, or waits with the row in its slot."""
        if slot == STORED:
            return self._known.hashes[key]
        return content or self._found.content(slot)

    def found(self) -> Found:
        """What the answer has. Equal records without an identity are numbered from 1."""
        for content, slot in _drained(self._contents):
            for number in range(1, self._more.get(content, 1) + 1):
                self._found.put(f"{content.hex()}-{number}", content, slot)
        return self._found


def _drained(held: MutableMapping[K, V]) -> Iterator[tuple[K, V]]:
    """The pairs in their order. What is in memory is not held twice by who takes it into another dictionary."""
    if isinstance(held, dict):
        for key in list(held):
            yield key, held.pop(key)
    else:
        yield from held.items()


def compare(
    feed: Feed,
    found: Found,
    stored: Mapping[str, bytes],
    here: Iterable[str],
    *,
    elsewhere: Mapping[str, bytes] = MappingProxyType({}),
    pile: Callable[[], Pile] = list[Change],
) -> Changes:
    """The changes that make the store say what the answer says.

    Args:
        found: the answer, as `Fold.found` gives it.
        stored: key -> content hash of the partition's own keys.
        here: the keys stored for this partition: with RETIRE, those the answer lacks are gone.
        elsewhere: key -> present content hash of the keys that belong to other partitions. Where this one said of such
            a key what it says now, the other one's word stands: two that differ do not take turns.
        pile: makes an empty list of changes, for as many as there may be.
    """
    new, changed, gone, shared, taken, left, same = pile(), pile(), pile(), list[Change](), list[str](), list[str](), 0
    for key, slot in found.slots.items():
        if slot == STORED:
            same += 1
            continue
        was = stored.get(key)
        before = elsewhere.get(key) or was
        if before is None:
            new.append(Change(key, slot))
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
    for key in here if feed.missing is RETIRE else ():
        if key in found.slots:
            continue
        if key in elsewhere:
            left.append(key)
        else:
            gone.append(Change(key, STORED, stored[key]))
    return Changes(new, changed, gone, same, tuple(shared), tuple(taken), tuple(left))
