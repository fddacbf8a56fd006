"""Where decoded records wait between comparing and writing: memory while they are few, then a scratch file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from ..decode import Entry
from .room import BATCH, FEW, Room

__all__ = ["Stage"]


MOST = 3 << 20
"""Characters of the documents that are kept in memory, where each of a record takes about four bytes in all."""


class Stage:
    """Records by slot, in the order in which they came. A context manager.

    room: for what else is kept while they are compared. in_memory: so many records stay there, if they are not long.
    """

    def __init__(self, in_memory: int = 10 * BATCH, few: int = FEW) -> None:
        self.room = Room(few)
        self._entries = self.room.pile(tuple[Entry, int], in_memory)
        self._left = MOST

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.room.__exit__(kind, error, trace)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry, origin: int) -> int:
        """The slot under which the record waits. origin: which of the answers it came from."""
        if self._left > 0:
            self._left -= len(entry.doc)
            if self._left <= 0:
                self._entries.fill()
        return self._entries.append((entry, origin))

    def read(self, slots: Iterable[int]) -> Iterator[tuple[Entry, int]]:
        """The records of these slots, one by one in the order asked, with their origins."""
        return (self._entries[slot] for slot in slots)
