"""A record in the bytes that it came from: where it stands, and what stands around it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote

import msgspec

from ..decode import key_reader
from ..errors import DecodeError
from ..feed import CONTENT, Feed
from ..partitions import Partition
from ..split import raw_rows
from .cells import LONG

__all__ = ["Excerpt", "by_key", "excerpt", "row_of"]

AROUND = 700
"""Bytes of a body that are shown before and behind the record."""
SEARCHED, READ = 8 * 2**20, 2**20
"""Bytes of a body in which a record is looked for while somebody waits: row by row, and by its key."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a body with the record in it: before, row, after. cut: there is more before, behind."""

    before: str
    row: str
    after: str
    cut: tuple[bool, bool]


def row_of(feed: Feed, partition: str, key: str, body: bytes) -> bytes:
    """The bytes in a body that are the record of that key; b"" where they cannot be told."""
    if len(body) > SEARCHED:
        return b""
    content, _, place = key.rpartition("-")
    wanted, number = (content, int(place)) if feed.key is CONTENT else (key, 1)
    try:
        unit = _unit(partition)
        key_of = key_reader(feed, unit)
        same = (row for row in raw_rows(feed, unit, body) if key_of(row) == wanted)
        row = bytes(next(islice(same, number - 1, None), b""))
    except DecodeError:
        row = b""
    # What a function made of an answer is no piece of it: what bears the key is.
    return row if row in body and row else by_key(body, [] if feed.key is CONTENT else _parts(key))


def _parts(key: str) -> list[str]:
    return [unquote(part) for part in key.split(",")]


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_VALUE = re.compile(rb'\s*:\s*(?:"(?:[^"\\]|\\.)*"|[^\s,{}\[\]"]+)?')

Span = tuple[int, int, int, int]
"""How well it fits (less is better), which part of the key, from where, to where."""


def by_key(body: bytes, parts: Sequence[str]) -> bytes:
    """The bytes of a JSON body that bear a key: what has a part of it as its name, else the object that says one.

    parts: of the key, the last of them tells most. b"" where none is found.
    """
    if len(body) > READ or not parts:
        return b""
    texts = {msgspec.json.encode(part): rank for rank, part in enumerate(reversed(parts))}
    opened: list[int] = []
    ends: dict[int, int] = {}
    met: list[tuple[re.Match[bytes], int]] = []
    for token in _TOKEN.finditer(body):
        if token[0] in b"{[":
            opened.append(token.start())
        elif token[0] in b"}]":
            ends[opened.pop() if opened else -1] = token.end()
        elif token[0] in texts:
            met.append((token, opened[-1] if opened else -1))
    spans = (span for token, inside in met for span in _spans(body, token, inside, ends, texts[token[0]]))
    _, _, start, end = min(spans, default=(0, 0, 0, 0))
    return body[start:end]


def _spans(body: bytes, token: re.Match[bytes], inside: int, ends: dict[int, int], rank: int) -> Iterator[Span]:
    """What a text of the key marks: as a name what it names, as a value the object in which it stands."""
    if named := _VALUE.match(body, token.end()):
        if named.end() in ends:
            yield 0, rank, token.start(), ends[named.end()]
        else:
            yield 2, rank, token.start(), named.end()
    elif inside in ends and body[inside : inside + 1] == b"{":
        yield 1, rank, inside, ends[inside]


def _unit(key: str) -> Partition:
    """The partition of that key."""
    pairs = [part.partition("=") for part in key.split(",") if part]
    return Partition(tuple((name, unquote(value)) for name, _, value in pairs))


def excerpt(body: bytes, row: bytes) -> Excerpt:
    """The row and what stands around it; the beginning of the body where the row is not found in it."""
    at = body.find(row) if row else -1
    if at < 0:
        return Excerpt(_text(body[: 2 * AROUND]), "", "", (False, len(body) > 2 * AROUND))
    end = at + len(row)
    start, stop = max(0, at - AROUND), min(len(body), end + AROUND)
    cut = start > 0, stop < len(body)
    return Excerpt(_text(body[start:at]), _text(row[:LONG]), _text(body[end:stop]), cut)


def _text(part: bytes) -> str:
    return part.decode(errors="backslashreplace")
