"""The bytes of one body: in memory while they are few, then in a file without a name."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from .errors import DecodeError

__all__ = ["Content", "Gather", "Spool", "blocks", "whole"]

BLOCK = 2**20
"""Bytes that are read at a time."""

KEPT = 8 * 2**20
"""Bytes of a body that are kept in memory."""


class Spool:
    """Bytes in a file that nobody else can open. It is gone with the last who holds this, or with the process."""

    def __init__(self) -> None:
        self._file, path = tempfile.mkstemp(prefix="catchment-")
        Path(path).unlink()
        weakref.finalize(self, os.close, self._file)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def write(self, piece: bytes | bytearray | memoryview, *, at: int | None = None) -> None:
        """Puts these bytes at the end, or in the place of others. OSError where the disk is full."""
        left, at = memoryview(piece), self._size if at is None else at
        while left:
            written = os.pwrite(self._file, left, at)
            left, at = left[written:], at + written
        self._size = max(self._size, at)

    def read(self, at: int, size: int) -> bytes:
        """So many bytes from there on; fewer where it ends."""
        return os.pread(self._file, size, at)

    def blocks(self) -> Iterator[bytes]:
        """All bytes in their order, in pieces of at most `BLOCK`; as often as asked for, from any thread."""
        return (self.read(at, BLOCK) for at in range(0, self._size, BLOCK))

    def whole(self) -> bytes:
        """All bytes, in memory, and there once."""
        found = self.read(0, self._size)
        return found if len(found) == self._size else b"".join(self.blocks())


Content = bytes | Spool
"""The bytes of a body, wherever they are. `len` says how many."""


def blocks(content: Content) -> Iterator[bytes | memoryview]:
    """The bytes of a body in pieces of at most `BLOCK`; nothing is copied that is in memory already."""
    if isinstance(content, Spool):
        return content.blocks()
    view = memoryview(content)
    return (view[at : at + BLOCK] for at in range(0, len(content), BLOCK))


def whole(content: Content, most: int | None = None) -> bytes:
    """All bytes of a body, in memory. DecodeError where they are more than `most`."""
    if most is not None and len(content) > most:
        raise DecodeError(
            f"a body of {len(content):,} bytes; a function of the feed's own is given {most:,} (max_whole_body);"
            " items() and table() read a body of any size",
            reason="too-large",
        )
    return content if isinstance(content, bytes) else content.whole()


class Gather:
    """Takes the pieces of one body as they come, and gives the whole. kept: bytes that it keeps in memory."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._memory = BytesIO()  # it gives its bytes away as they are: they are in memory once
        self._spool: Spool | None = None

    def add(self, piece: bytes) -> None:
        """Takes a piece. OSError where the folder for temporary files is full."""
        if self._spool is None and self._memory.tell() + len(piece) > self._kept:
            self._spool = Spool()
            self._spool.write(self._memory.getbuffer())
            self._memory = BytesIO()
        (self._memory if self._spool is None else self._spool).write(piece)

    def content(self) -> Content:
        """All that was taken."""
        return self._memory.getvalue() if self._spool is None else self._spool
