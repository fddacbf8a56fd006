"""Where decoded records wait between comparing and writing: memory while they are few, then a scratch file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import msgspec

from ..decode import Entry
from .sqlite import scratch

__all__ = ["Stage"]

IN_MEMORY = 4_000
"""Records of about 2 kB each that wait in memory before the rest goes to the scratch file."""


class Stage:
    """Records by slot, in the order in which they came. Closed by `with`."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._memory: list[tuple[Entry, int]] = []
        self._spilled = 0
        self._scratch: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scratch is not None:
            self._scratch.close()

    def add(self, entry: Entry, origin: int) -> int:
        """The slot under which the record waits. origin: which of the answers it came from."""
        if len(self._memory) < self._in_memory:
            self._memory.append((entry, origin))
            return len(self._memory) - 1
        self._spill(entry, origin)
        return self._in_memory + self._spilled - 1

    def _spill(self, entry: Entry, origin: int) -> None:
        if self._scratch is None:
            self._scratch = scratch()
            self._scratch.execute("CREATE TABLE stage (slot INTEGER PRIMARY KEY, origin INTEGER, entry BLOB)")
            self._scratch.execute("BEGIN")
        packed = msgspec.msgpack.encode((entry.key, entry.hash, entry.raw, entry.values, entry.doc))
        self._scratch.execute("INSERT INTO stage VALUES (?, ?, ?)", (self._in_memory + self._spilled, origin, packed))
        self._spilled += 1

    def read(self, slots: Sequence[int]) -> Iterator[tuple[Entry, int]]:
        """The records of these slots, one by one in the order asked, with their origins."""
        for slot in slots:
            yield self._memory[slot] if slot < self._in_memory else self._unspill(slot)

    def _unspill(self, slot: int) -> tuple[Entry, int]:
        assert self._scratch is not None
        origin, packed = self._scratch.execute("SELECT origin, entry FROM stage WHERE slot = ?", (slot,)).fetchone()
        key, digest, raw, values, doc = _unpack(packed)
        return Entry(key, digest, raw, tuple(values), doc), origin


_unpack = msgspec.msgpack.Decoder(tuple[str, bytes, bytes, list[str | int | float | None], str]).decode
