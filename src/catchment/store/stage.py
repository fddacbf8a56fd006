"""Where decoded records wait between comparing and writing: memory while they are few, then a scratch file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import msgspec

from ..decode import Entry
from .engines import Connection, scratch

__all__ = ["Stage"]

BATCH = 1_000
"""Records of about 2 kB each that are kept, written and read together."""


class Stage:
    """Records by slot, in the order in which they came. A context manager."""

    def __init__(self, in_memory: int = 4 * BATCH) -> None:
        self._in_memory = in_memory
        self._memory: list[tuple[Entry, int]] = []
        self._batch: list[tuple[Entry, int]] = []
        self._written = 0
        self._scratch: Connection | None = None
        self._read: tuple[int, list[tuple[Entry, int]]] = (-1, [])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scratch is not None:
            self._scratch.close()

    def __len__(self) -> int:
        return len(self._memory) + self._written * BATCH + len(self._batch)

    def add(self, entry: Entry, origin: int) -> int:
        """The slot under which the record waits. origin: which of the answers it came from."""
        if len(self._memory) < self._in_memory:
            self._memory.append((entry, origin))
            return len(self._memory) - 1
        if len(self._batch) == BATCH:
            self._spill()
        self._batch.append((entry, origin))
        return self._in_memory + self._written * BATCH + len(self._batch) - 1

    def _spill(self) -> None:
        if self._scratch is None:
            self._scratch = scratch()
            self._scratch.execute("CREATE TABLE batch (number INTEGER PRIMARY KEY, entries BLOB)")
        self._scratch.execute("INSERT INTO batch VALUES (?, ?)", (self._written, msgspec.msgpack.encode(self._batch)))
        self._written += 1
        self._batch = []

    def read(self, slots: Sequence[int]) -> Iterator[tuple[Entry, int]]:
        """The records of these slots, one by one in the order asked, with their origins."""
        for slot in slots:
            if slot < self._in_memory:
                yield self._memory[slot]
            else:
                number, place = divmod(slot - self._in_memory, BATCH)
                yield (self._batch if number == self._written else self._unspill(number))[place]

    def _unspill(self, number: int) -> list[tuple[Entry, int]]:
        """A batch; the last one read is kept, since slots are mostly asked for in their order."""
        if self._read[0] != number:
            assert self._scratch is not None
            (packed,) = self._scratch.execute("SELECT entries FROM batch WHERE number = ?", (number,)).fetchone()
            self._read = (number, _unpack(packed))
        return self._read[1]


_unpack = msgspec.msgpack.Decoder(list[tuple[Entry, int]]).decode
