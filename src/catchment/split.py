"""A body into the bytes of its rows, as strictly as they are read; what one row has wrong is left to that row."""

from __future__ import annotations

import codecs
import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import repeat
from typing import Any

import msgspec

from .cut import MOST, Cut
from .errors import DecodeError
from .feed import Feed
from .partitions import Partition
from .rows import Row, items, table
from .spool import Content, Spool, blocks, whole
from .strict import doubled, load_json

__all__ = ["content_of", "mended", "outline", "raw_rows", "rows_of", "split_large", "why"]

BOM = b"\xef\xbb\xbf"


def rows_of(feed: Feed, partition: Partition, body: Content) -> Iterator[tuple[bytes, Row | None]]:
    """Pairs of a row's bytes and, where the feed's own function made it, the row; in the body's order.

    Raises:
        DecodeError: the body is not of the declared shape; nothing of it may be stored.
    """
    if isinstance(feed.rows, table):
        return _lines_of(feed.rows, body)
    if not isinstance(feed.rows, items):
        return _made_rows(feed.rows, partition, content_of(body, feed.max_whole_body))
    if isinstance(body, Spool):
        return zip(split_large(body.blocks(), feed.rows.member), repeat(None))
    return zip(map(bytes, _split_around(body.removeprefix(BOM), feed.rows.member)), repeat(None))


def raw_rows(feed: Feed, partition: Partition, body: Content) -> Iterator[bytes]:
    """The bytes of each row, in the body's order, undecoded where they can be split. DecodeError as `rows_of`."""
    return (raw for raw, _ in rows_of(feed, partition, body))


def outline(feed: Feed, body: Content) -> bytes:
    """What a pager reads of a body: all of it where it is in memory, else what is around its rows. DecodeError where
    that cannot be told.
    """
    if isinstance(body, bytes):
        return body
    if not isinstance(feed.rows, items | table):
        return whole(body, feed.max_whole_body)
    if isinstance(feed.rows, table) or not feed.rows.member:
        return b"[]"  # it has no members
    cut = Cut(body.blocks(), feed.rows.member)
    deque(cut, maxlen=0)
    return cut.around


# -- made by the feed's own function -----------------------------------------------------------------------------------


def _made_rows(
    make: Callable[[Any, Partition], Iterable[Row]], partition: Partition, content: Any
) -> Iterator[tuple[bytes, Row]]:
    try:
        for row in make(content, partition):
            yield msgspec.json.encode(row), row
    except _WRONG_SHAPE as error:
        raise DecodeError(why(error)) from error


def content_of(body: Content, most: int) -> Any:
    """What a body says, in memory: JSON as values, anything else as text. DecodeError where it is neither, or has more
    bytes than `most`.
    """
    said = whole(body, most).removeprefix(BOM)
    return load_json(said, doubles=True) if said.lstrip()[:1] in (b"{", b"[") else _text(said)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("the body is no UTF-8 text", reason="encoding") from error


_WRONG_SHAPE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What a feed's own function raises on a body that is not what it expects."""


def why(error: Exception) -> str:
    """What a function of the feed could not read, in words. What is Python's own is said to be no more than that."""
    if isinstance(error, KeyError):
        return f"missing {error}"
    if isinstance(error, ArithmeticError):
        return f"no number: {type(error).__name__}"  # decimal's own message names classes
    if isinstance(error, AttributeError | TypeError | IndexError):
        return f"a member is not of the type that the feed's function reads ({error})"
    return str(error)


# -- lines of a table -------------------------------------------------------------------------------------------------


def _lines_of(declared: table, body: Content) -> Iterator[tuple[bytes, Row | None]]:
    """The rows of a table, read line by line. One with too many or too few cells is given as a list, without a row."""
    lines = csv.reader(_text_lines(blocks(body)), delimiter=declared.delimiter, strict=True)
    try:
        names = next(lines, [])
        if missing := [name for name in declared.columns if name not in names]:
            raise DecodeError(f"no table: its first line has no column {missing[0]}", reason="shape")
        if len(set(names)) < len(names):
            raise DecodeError("no table: its first line names a column twice", reason="shape")
        for cells in lines:
            if len(cells) == len(names):
                row = dict(zip(names, cells, strict=True))
                yield msgspec.json.encode(row), row
            elif cells:  # an empty line is none
                yield msgspec.json.encode(cells), None
    except csv.Error as error:
        raise DecodeError(f"no table: {error}, line {lines.line_num}", reason="shape") from error
    except UnicodeDecodeError as error:
        raise DecodeError("the body is no UTF-8 text", reason="encoding") from error


def _text_lines(pieces: Iterable[bytes | memoryview]) -> Iterator[str]:
    """The lines of a text in UTF-8 with their ends, wherever it is cut."""
    decode, left = codecs.getincrementaldecoder("utf-8-sig")().decode, ""
    for piece in pieces:
        *lines, left = (left + decode(piece)).split("\n")
        yield from (f"{line}\n" for line in lines)
        if len(left) > MOST:
            raise DecodeError(f"a line is longer than {MOST:,} characters", reason="too-large")
    if left + (rest := decode(b"", final=True)):
        yield left + rest


# -- split, undecoded --------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
    rb'|(?P<quote>")|(?P<number>NaN|-?Infinity)',
    re.DOTALL,
)
"""What tells where a text ends, and what of a row JSON does not allow: half of a pair of surrogates without the other
half, and the numbers that some encoders write although JSON has none of them.
"""


def mended(body: bytes) -> bytes:
    """A body of the same length in which what one row has wrong does not stop whoever splits it."""
    inside = False

    def instead(found: re.Match[bytes]) -> bytes:
        nonlocal inside
        inside ^= found["quote"] is not None
        if found["half"]:
            return b"\\u0000"
        return b"0".rjust(len(found[0])) if found["number"] and not inside else found[0]

    return _TOKEN.sub(instead, body)


def split_large(blocks: Iterable[bytes], member: str) -> Iterator[bytes]:
    """The rows of a body that is not in memory, as `_split_around` gives them: array by array, then all around them.

    Raises:
        DecodeError: as there; rows may have been given before.
    """
    cut = Cut(blocks, member)
    try:
        for array in cut:
            yield from map(bytes, _split_around(array, ""))
        yield from map(bytes, _split_around(cut.around, member))
    except DecodeError as error:  # which byte it is of one array says nothing
        raise DecodeError(_AT_BYTE.sub("", error.message), reason=error.reason) from error


_AT_BYTE = re.compile(r" \(byte [0-9]+\)\Z")


def _split_around(body: bytes, member: str) -> Iterable[bytes | msgspec.Raw]:
    """The rows as `_split` gives them; what it refuses because of one row is left to that row."""
    try:
        return _split(body, member)
    except DecodeError:
        readable = mended(body)
        if readable == body:
            raise
    return _split_as(readable, body, member)


def _split_as(readable: bytes, body: bytes, member: str) -> Iterator[bytes]:
    """The rows of a body where they stand in its mended one."""
    end = 0
    for row in _split(readable, member):
        start = readable.index(bytes(row), end)
        end = start + len(bytes(row))
        yield body[start:end]


_raw_list = msgspec.json.Decoder(list[msgspec.Raw])


def _split(body: bytes, member: str) -> list[msgspec.Raw]:
    try:
        if member:
            if body.count(b'"%b"' % member.encode()) > 1 and doubled(body, outermost=True) == member:
                raise DecodeError(f"{member} is named twice", reason="json")
            rows: list[msgspec.Raw] = _envelope(member).decode(body).rows
            return rows
        return _raw_list.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        reason = "shape" if isinstance(error, msgspec.ValidationError) else "json"
        raise DecodeError(f"no array of records{f' at {member}' if member else ''}: {error}", reason=reason) from error
    except RecursionError as error:
        raise DecodeError("nested too deeply", reason="json") from error


@cache
def _envelope(member: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(msgspec.defstruct("Envelope", [("rows", list[msgspec.Raw])], rename={"rows": member}))
