"""What upstreams answered: bodies by their digest, and the exchanges that brought them. Written before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import zstandard

from ..clock import parse_moment, render_moment
from ..exchange import Answer, Request
from ..spool import Content, Gather, Spool, blocks
from .engines import Connection, mapped, transaction

__all__ = ["Archive", "Exchange", "store_body"]

LEVEL = 1
"""Of zstd. Level 3 takes two to three times as long and makes bodies of records smaller by a fiftieth at most."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An archived answer. digest: sha256 of its body in hex, "" for an empty one.

    url: as asked. settled: the attempt that brought it has ended with a verdict. The answer of a `bare` one has been
    relieved of its body, which is read back by the digest: the pages of a partition are not held in memory together.
    """

    id: int
    fingerprint: str
    digest: str
    answer: Answer
    url: str = ""
    settled: bool = False

    @property
    def bare(self) -> Exchange:
        return replace(self, answer=replace(self.answer, content=b""))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exchange belongs: its feed (app/feed), partition, pass and attempt."""

    feed: str
    partition: str
    number: int
    attempt: int


class Archive:
    """Bodies and exchanges on one connection. Whoever asked has paid: every write is on the disk when it returns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, place: Place, request: Request, url: str, answer: Answer) -> Exchange:
        """Stores an answer. url: as asked, without secrets; the body is masked already (`fetch`)."""
        digest = _digest(answer.content)
        chunks = _packed(answer.content) if digest and not self.has(digest) else None
        with transaction(self._connection, durable=True) as sql:
            if digest and not chunks and not self.has(digest):  # removed since: nothing cited it until now
                chunks = _packed(answer.content)
            _put_chunks(sql, digest, chunks or ())
            row = sql.execute(
                "INSERT INTO _exchange (feed, partition, pass, attempt, fingerprint, method, url, status, headers,"
                " digest, size, wire, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (
                    *(place.feed, place.partition, place.number, place.attempt, request.fingerprint, request.method),
                    *(url, answer.status, msgspec.json.encode(dict(answer.headers)).decode()),
                    *(digest, len(answer.content), answer.wire_bytes, render_moment(answer.at)),
                ),
            ).fetchone()
        return Exchange(row[0], request.fingerprint, digest, answer, url)

    def has(self, digest: str) -> bool:
        """Whether the body of that digest is kept."""
        with mapped():
            found = self._connection.execute("SELECT 1 FROM _body WHERE digest = ? LIMIT 1", (digest,)).fetchone()
        return found is not None

    def answered(self, feed: str, partition: str, number: int) -> list[Exchange]:
        """The answers of a pass, oldest first and bare."""
        rows = self._rows("feed = ? AND partition = ? AND pass = ? ORDER BY id", feed, partition, number)
        return list(map(_bare, rows))

    def newest(self, feed: str, partition: str) -> Iterator[Exchange]:
        """The answers of a partition, newest first; each body is read when its turn comes."""
        rows = self._rows("feed = ? AND partition = ? ORDER BY id DESC", feed, partition)
        return (self.whole(_bare(row)) for row in rows)

    def _rows(self, which: str, *values: object) -> list[Sequence[Any]]:
        with mapped():
            return self._connection.execute(
                "SELECT id, fingerprint, digest, status, headers, wire, at, url, EXISTS (SELECT 1 FROM _attempt"  # noqa: S608
                f" WHERE _attempt.id = _exchange.attempt AND verdict IS NOT NULL) FROM _exchange WHERE {which}",
                values,
            ).fetchall()

    def whole(self, exchange: Exchange) -> Exchange:
        """The exchange with its body."""
        if exchange.answer.content or not exchange.digest:
            return exchange
        return replace(exchange, answer=replace(exchange.answer, content=self.body(exchange.digest)))

    def body(self, digest: str) -> Content:
        """The decoded body; empty for the digest ""."""
        unpack, whole = zstandard.ZstdDecompressor().decompress, Gather()
        with mapped():
            for (data,) in self._connection.execute(
                "SELECT data FROM _body WHERE digest = ? ORDER BY chunk", (digest,)
            ):
                whole.add(unpack(data))
        return whole.content()


def store_body(sql: Connection, body: Content) -> str:
    """Inside a transaction: keeps a body, and gives its digest."""
    digest = _digest(body)
    _put_chunks(sql, digest, _chunks(body))
    return digest


def _digest(body: Content) -> str:
    found = hashlib.sha256()
    for block in blocks(body):
        found.update(block)
    return found.hexdigest() if body else ""


def _put_chunks(sql: Connection, digest: str, chunks: Iterable[tuple[int, bytes]]) -> None:
    sql.executemany(
        "INSERT INTO _body (digest, chunk, size, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        ((digest, number, size, data) for number, (size, data) in enumerate(chunks)),
    )


def _bare(row: Sequence[Any]) -> Exchange:
    """An exchange without its body."""
    id_, fingerprint, digest, status, headers, wire, at, url, settled = row
    answer = Answer(status, b"", parse_moment(at), msgspec.json.decode(headers), wire)
    return Exchange(id_, fingerprint, digest, answer, url, bool(settled))


def _packed(body: Content) -> Iterable[tuple[int, bytes]]:
    """The chunks of a body, compressed before the transaction; of one that is not in memory, while it is written."""
    return _chunks(body) if isinstance(body, Spool) else list(_chunks(body))


def _chunks(body: Content) -> Iterator[tuple[int, bytes]]:
    """Compressed pieces of at most 1 MiB each with their decoded sizes, so that no row is large."""
    pack = zstandard.ZstdCompressor(level=LEVEL).compress
    return ((len(piece), pack(piece)) for piece in blocks(body))
