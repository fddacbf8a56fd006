"""Whether what is current is what the last answers say: they are read once more from the archive, and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import zstandard

from ..decode import Dropped, Entry, Reject, Seen, decode, model_digest
from ..errors import DecodeError
from ..feed import CONTENT, RETIRE, Feed
from ..partitions import Partition
from .archive import Archive, Exchange
from .engines import Connection
from .erasing import erased_of
from .ledger import decode_params
from .tables import Collection

__all__ = ["MERGED", "other_than_said"]

MERGED = "SELECT count(*) FROM _partition WHERE feed = :name AND digest <> ''"
"""Counts the partitions whose last merged answer is known."""


def other_than_said(sql: Connection, collection: Collection) -> Iterator[str]:
    """The contradictions between a collection's current rows and the answers that were merged last, in words.

    Left out is what cannot be compared: answers that are no longer archived, partitions that another declaration
    merged, fields that come from another collection.
    """
    feed = collection.feed
    if not isinstance(feed, Feed) or feed.derived is not None:
        return
    partitions = sql.execute(
        "SELECT key, params, digest FROM _partition WHERE feed = ? AND digest <> '' AND model = ?",
        (collection.name, model_digest(feed)),
    ).fetchall()
    for key, params, digest in partitions:
        partition = decode_params(params)
        if pages := _merged_last(sql, feed, collection.name, partition, digest):
            yield from (
                f"{key or 'the only partition'}: {found}" for found in _compared(sql, collection, partition, pages)
            )


def _merged_last(sql: Connection, feed: Feed, name: str, partition: Partition, digest: str) -> list[Exchange]:
    """The answers of which the ledger says that they were merged last, bare; [] where the archive has them not."""
    archive = Archive(sql)
    passes = "SELECT DISTINCT pass FROM _exchange WHERE feed = ? AND partition = ? ORDER BY pass DESC"
    for (number,) in sql.execute(passes, (name, partition.key)).fetchall():
        found = [page for page in archive.answered(name, partition.key, number) if page.digest]
        if not all(archive.has(page.digest) for page in found):
            continue
        try:
            read = (archive.whole(page) for page in found)
            pages = [page.bare for page in read if feed.reader(page.answer, partition).kind == "data"]
        except zstandard.ZstdError:
            continue  # another rule tells of a body that cannot be read back
        if _digest(pages) == digest:
            return pages
    return []


def _digest(pages: Sequence[Exchange]) -> str:
    """As the ledger has it of a pass."""
    digests = [page.digest for page in pages]
    return "".join(digests) if len(digests) < 2 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _compared(
    sql: Connection, collection: Collection, partition: Partition, pages: Sequence[Exchange]
) -> Iterator[str]:
    feed = collection.feed
    assert isinstance(feed, Feed)
    said, rejects = dict[str, set[bytes]](), list[Reject]()
    try:
        for page in pages:
            for row in _rows(sql, collection, partition, page):
                if isinstance(row, Reject):
                    rejects.append(row)
                else:
                    said.setdefault(row.hash.hex() if feed.key is CONTENT else row.key, set()).add(row.hash)
    except DecodeError as error:
        yield f"its last answer cannot be read ({error.message})"
        return
    own = f'SELECT _key, _hash FROM "{collection.table}" WHERE _partition = ?'  # noqa: S608 (declared names)
    stored = {
        (content.hex() if feed.key is CONTENT else key): content
        for key, content in sql.execute(own, (partition.key,)).fetchall()
    }
    yield from _missing(sql, collection, said, stored)
    named = {reject.key for reject in rejects}
    if feed.missing is RETIRE and None not in named:
        yield from (f"{key} is current, and its last answer has it not" for key in stored.keys() - said.keys() - named)


def _missing(
    sql: Connection, collection: Collection, said: dict[str, set[bytes]], stored: dict[str, bytes]
) -> Iterator[str]:
    """What an answer says and this partition has not, or has otherwise. Another partition may have it."""
    other = f'SELECT 1 FROM "{collection.table}" WHERE _key = ?'  # noqa: S608 (declared names)
    for key, contents in said.items():
        if key in stored:
            if stored[key] not in contents:
                yield f"{key} is not what its last answer says"
        elif sql.execute(other, (key,)).fetchone() is None:
            yield f"{key} is in its last answer, and is not stored"


def _rows(sql: Connection, collection: Collection, partition: Partition, page: Exchange) -> Iterator[Entry | Reject]:
    feed = collection.feed
    assert isinstance(feed, Feed)
    body = Archive(sql).whole(page).answer.content
    erased = erased_of(sql, collection)
    for row in decode(feed, partition, body, known=(), model=model_digest(feed), erased=erased):
        if not isinstance(row, Seen | Dropped):
            yield row
