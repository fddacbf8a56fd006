"""A body without the rows of erased records: piece by piece, however large it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from .decode import key_reader
from .erased import MARK, Erased
from .feed import CONTENT, Feed
from .partitions import Partition
from .rows import items, table
from .split import raw_rows
from .spool import Content, Gather, blocks

__all__ = ["may_say", "scrubbed"]


def scrubbed(feed: Feed, partition: Partition, body: Content, erased: Erased) -> Content | None:
    """The body with a mark in the place of each row that was erased; as it is where there is none. None where it has
    one that cannot be cut out, since the feed's own function makes rows of the whole body, or may have one, since it is
    larger than that function is given.

    Raises:
        DecodeError: the body is no answer of this feed.
    """
    if not isinstance(feed.rows, items | table) and len(body) > feed.max_whole_body:
        return None
    key_of = key_reader(feed, partition)
    gone = {raw for raw in raw_rows(feed, partition, body) if raw != MARK and erased.holds(key_of(raw))}
    if not gone:
        return body
    if not isinstance(feed.rows, items) or any(not raw.startswith(b"{") for raw in gone):
        return None
    left = _without(body, gone)
    # A row's text may also stand in another row: then more than the erased ones would be other rows by now.
    others = (raw for raw in raw_rows(feed, partition, left) if raw != MARK)
    kept = (raw for raw in raw_rows(feed, partition, body) if raw != MARK and raw not in gone)
    return left if all(one == other for one, other in zip_longest(others, kept)) else None


def may_say(feed: Feed, body: Content, keys: Sequence[str]) -> bool:
    """Whether a body whose rows cannot be read may be about a record of these keys. False only where it would have a
    part of one as text, and has none.
    """
    parts = {column.kind for column in feed.columns if feed.key is not CONTENT and column.name in feed.key}
    as_said = isinstance(feed.rows, items | table) and not feed.shape and parts and parts <= {"text", "integer"}
    if not as_said or any("%" in key for key in keys):
        return True
    # Behind an escape a text may be anything.
    return _has(body, [b"\\", *(part.encode() for key in keys for part in key.split(","))])


def _has(body: Content, texts: Sequence[bytes]) -> bool:
    longest, held = max(map(len, texts)), b""
    for piece in blocks(body):
        held += piece
        if any(text in held for text in texts):
            return True
        held = held[max(len(held) - longest, 0) :]  # a text may be cut in two
    return False


def _without(body: Content, gone: Iterable[bytes]) -> Content:
    """The body with the mark for each of these texts."""
    pieces: Iterable[bytes] = map(bytes, blocks(body))
    for raw in gone:
        pieces = _marked(pieces, raw)
    left = Gather()
    for piece in pieces:
        left.add(piece)
    return left.content()


def _marked(pieces: Iterable[bytes], raw: bytes) -> Iterator[bytes]:
    """The same pieces, cut elsewhere, with the mark for this text wherever it was cut."""
    held = b""
    for piece in pieces:
        *before, held = (held + piece).split(raw)
        yield from (part + MARK for part in before)
        certain = len(held) - len(raw) + 1  # what begins after it may go on
        if certain > 0:
            yield held[:certain]
            held = held[certain:]
    yield held
