"""A JSON body that is not in memory, cut where its rows end: into arrays of some rows each, and what is around them.

Only brackets, commas and texts are told apart here, with nothing judged: whoever decodes the parts sees all bytes
that the body has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from .errors import DecodeError

__all__ = ["MOST", "Cut", "closes"]

MOST = 16 * 2**20
"""Bytes of one row, or of all that is around the rows: these are in memory whole."""

_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NESTED = re.compile(rb'(?:[^"\[\]{}]++|%b)*+([\[\]{}])' % _TEXT, re.DOTALL)
"""Up to the next bracket."""
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|%b)*+([\[\]{},])' % _TEXT, re.DOTALL)
"""Up to the next bracket or comma."""
_NAMES = re.compile(rb'[^"\[\]{},:]*+(%b|[\[\]{},:])' % _TEXT, re.DOTALL)
"""Up to the next bracket, comma or colon, or behind the next text."""

_OPENING = (b"[", b"{")
_BOM = b"\xef\xbb\xbf"


class Cut:
    """The arrays of a body's rows, one by one; then, in `around`, the body with an empty array in their place.

    A body that has no such array is all in `around`.

    Args:
        blocks: the body. member: of its object, "" where the body is the array itself.
    Raises:
        DecodeError: the array does not end, or what has to be in memory whole is longer than `MOST`.
    """

    def __init__(self, blocks: Iterable[bytes], member: str) -> None:
        self._window = _Window(blocks)
        self._member = member
        self.around = b""

    def __iter__(self) -> Iterator[bytes]:
        window = self._window
        try:
            found = self._enter()
            self.around = b"" if found else window.rest()
        except DecodeError as error:
            at = f" at {self._member}" if self._member else ""
            raise DecodeError(f"no array of records{at}", reason="shape") from error
        if found:
            before = window.take(window.at)
            yield from _arrays(window)
            self.around = before + b"]" + window.rest()

    def _enter(self) -> bool:
        """Whether there is an array of rows; then its first bracket was the last that was seen."""
        window = self._window
        opening = window.next(_NAMES)
        if not self._member or opening != b"{":
            return opening == b"[" and not self._member
        text = name = b""
        while (token := window.next(_NAMES)) not in (b"", b"]", b"}"):
            if token == b"[" and _is(name, self._member):
                return True
            if token in _OPENING and not _leave(window):
                return False
            if token.startswith(b'"'):
                text = token
            else:
                name = text if token == b":" else b""
        return False


class _Window:
    """As much of a body as has to be looked at. at: what is before is looked at already. keep: that stays, too."""

    def __init__(self, blocks: Iterable[bytes], *, keep: bool = True) -> None:
        self._keep = keep
        self._blocks = iter(blocks)
        self.bytes, self.at = b"", 0
        while len(self.bytes) < len(_BOM) and self.more():
            pass
        self.bytes = self.bytes.removeprefix(_BOM)

    def more(self) -> bool:
        """Whether there was another block; it is seen now."""
        if (block := next(self._blocks, None)) is None:
            return False
        if not self._keep:
            self.take(self.at)
        if len(self.bytes) + len(block) > MOST:
            raise DecodeError(f"a record, or what is around them, is longer than {MOST:,} bytes", reason="too-large")
        self.bytes += block
        return True

    def next(self, pattern: re.Pattern[bytes]) -> bytes:
        """What the pattern stops at, b"" where it never does."""
        while (found := pattern.match(self.bytes, self.at)) is None:
            if not self.more():
                return b""
        self.at = found.end()
        return found[1]

    def take(self, end: int, *, skip: int = 0) -> bytes:
        """The bytes up to there, which are not seen any more; nor are those after them that are skipped."""
        taken, self.bytes = self.bytes[:end], self.bytes[end + skip :]
        self.at -= end + skip
        return taken

    def rest(self) -> bytes:
        """All that is seen and all that follows."""
        while self.more():
            pass
        return self.bytes


def _is(name: bytes, member: str) -> bool:
    try:
        return bool(name) and msgspec.json.decode(name) == member
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _leave(window: _Window) -> bool:
    """Whether the array or object ends whose first bracket was the last that was seen; then that end was."""
    depth = 1
    while depth:
        if not (token := window.next(_NESTED)):
            return False
        depth += 1 if token in _OPENING else -1
    return True


def _arrays(window: _Window) -> Iterator[bytes]:
    """What is in the array whose first bracket was taken last, in arrays; its last bracket is then taken too."""
    depth, end, before = 1, 0, False  # end: of the last row that is seen whole
    while True:
        found = (_BETWEEN if depth == 1 else _NESTED).match(window.bytes, window.at)
        if found is None:
            if end:
                yield _array(window.take(end, skip=1))
                end, before = 0, True
            if not window.more():
                raise DecodeError("no array of records: it does not end", reason="json")
            continue
        window.at, mark = found.end(), found[1]
        if mark == b",":
            end = window.at - 1
        elif mark in _OPENING:
            depth += 1
        elif depth > 1:
            depth -= 1
        elif mark == b"]":
            last = window.take(window.at - 1, skip=1)
            yield _array(last) if before else b"[%b]" % last
            return
        else:
            raise DecodeError("no array of records: another bracket ends it", reason="json")


def _array(rows: bytes) -> bytes:
    if not rows.strip():
        raise DecodeError("no array of records: a comma without a record", reason="json")
    return b"[%b]" % rows


def closes(blocks: Iterable[bytes]) -> bool:
    """Whether a body is one object or array that ends, and nothing follows it."""
    try:
        window = _Window(blocks, keep=False)
        return window.next(_NAMES) in _OPENING and _leave(window) and not window.rest()[window.at :].strip()
    except DecodeError:
        return False
