"""Records of an answer against the stored ones: what is new, changed, the same, gone.

Pure and in two steps: `Fold` takes the rows of an answer one by one and leaves each key once; `compare` sets them
beside what is stored. Neither holds the records themselves, only where they wait (`slot`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from .decode import Entry, Seen
from .feed import CONTENT, FIRST, RETIRE, Feed

__all__ = ["STORED", "Changes", "Fold", "Known", "compare"]

STORED = -1
"""The slot of a row that is stored already: nothing waits anywhere."""


@dataclass(frozen=True)
class Known:
    """What the store has of a partition: key -> content hash; digest of a row's bytes -> key, and -> how many keys.

    beside: of these, the keys whose records belong to another partition, which serves them too; their hash is of what
    this partition said last.
    """

    hashes: Mapping[str, bytes] = field(default_factory=dict)
    by_raw: Mapping[bytes, str] = field(default_factory=dict)
    times: Mapping[bytes, int] = field(default_factory=dict)
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

    new: tuple[Change, ...] = ()
    changed: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    same: int = 0
    shared: tuple[Change, ...] = ()
    taken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


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
        self._found: dict[str, tuple[bytes, int]] = {}
        self._counts: dict[bytes, tuple[int, int]] = {}
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
        number, waiting = self._counts.get(content, (0, STORED))
        if number and self._collapse:
            self.duplicate += 1
            return
        self._counts[content] = (number + 1, slot if waiting == STORED else waiting)

    def _put(self, key: str, content: bytes, slot: int, raw: bytes) -> None:
        before = self._found.get(key)
        if self._on_page is not None:
            if before is not None and key not in self._on_page:
                self.overlap.add(key)
            self._on_page.add(key)
        if before is None:
            self._found[key] = (content, slot)
        elif before[0] == content:
            self.duplicate += 1
        else:
            self.conflict += 1
            if self._first_wins:
                self.refused[raw] = key
            else:
                self._found[key] = (content, slot)

    def keys(self) -> dict[str, tuple[bytes, int]]:
        """Key -> (content hash, slot). Equal records without an identity are numbered from 1."""
        if not self._by_content:
            return self._found
        return {
            f"{content.hex()}-{number}": (content, slot)
            for content, (count, slot) in self._counts.items()
            for number in range(1, count + 1)
        }


def compare(
    feed: Feed,
    found: Mapping[str, tuple[bytes, int]],
    stored: Mapping[str, bytes],
    here: Iterable[str],
    *,
    elsewhere: Mapping[str, bytes] = MappingProxyType({}),
) -> Changes:
    """The changes that make the store say what the answer says.

    Args:
        found: the answer, as `Fold.keys` gives it.
        stored: key -> content hash of the partition's own keys.
        here: the keys stored for this partition: with RETIRE, those the answer lacks are gone.
        elsewhere: key -> present content hash of the keys that belong to other partitions. Where this one said of such
            a key what it says now, the other one's word stands: two that differ do not take turns.
    """
    new, changed, shared, taken, same = [], [], [], [], 0
    for key, (content, slot) in found.items():
        before = elsewhere.get(key) or stored.get(key)
        if before is None:
            new.append(Change(key, slot))
        elif stored.get(key) == content:
            same += 1
        elif before == content:
            same += 1
            shared.append(Change(key, slot, before))
        else:
            changed.append(Change(key, slot, before))
            if key in elsewhere:
                taken.append(key)
    missing = [key for key in here if key not in found] if feed.missing is RETIRE else []
    gone = [Change(key, STORED, stored[key]) for key in missing if key not in elsewhere]
    left = tuple(key for key in missing if key in elsewhere)
    return Changes(tuple(new), tuple(changed), tuple(gone), same, tuple(shared), tuple(taken), left)
