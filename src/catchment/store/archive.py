"""What upstreams answered: bodies by their digest, and the exchanges that brought them. Written before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import msgspec
import zstandard

from ..clock import parse_moment, render_moment
from ..exchange import Answer, Request
from .engines import Connection, mapped, transaction

__all__ = ["Archive", "Exchange", "store_body"]

CHUNK = 2**20
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
        return replace(self, answer=replace(self.answer, body=b""))


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
        digest = hashlib.sha256(answer.body).hexdigest() if answer.body else ""
        chunks = list(_chunks(answer.body)) if digest and not self.has(digest) else []
        with transaction(self._connection, durable=True) as sql:
            if digest and not chunks and not self.has(digest):  # removed since: nothing cited it until now
                chunks = list(_chunks(answer.body))
            sql.executemany(
                _STORE_CHUNK,
                [(digest, number, size, data) for number, (size, data) in enumerate(chunks)],
            )
            row = sql.execute(
                "INSERT INTO _exchange (feed, partition, pass, attempt, fingerprint, method, url, status, headers,"
                " digest, size, wire, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (
                    *(place.feed, place.partition, place.number, place.attempt, request.fingerprint, request.method),
                    *(url, answer.status, msgspec.json.encode(dict(answer.headers)).decode()),
                    *(digest, len(answer.body), answer.wire_bytes, render_moment(answer.at)),
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
        if exchange.answer.body or not exchange.digest:
            return exchange
        return replace(exchange, answer=replace(exchange.answer, body=self.body(exchange.digest)))

    def body(self, digest: str) -> bytes:
        """The decoded body; empty for the digest ""."""
        unpack, whole = zstandard.ZstdDecompressor().decompress, BytesIO()  # a large body is in memory once
        with mapped():
            for (data,) in self._connection.execute(
                "SELECT data FROM _body WHERE digest = ? ORDER BY chunk", (digest,)
            ):
                whole.write(unpack(data))
        return whole.getvalue()


_STORE_CHUNK = "INSERT INTO _body (digest, chunk, size, data) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


def store_body(sql: Connection, body: bytes) -> str:
    """Inside a transaction: keeps a body, and gives its digest."""
    digest = hashlib.sha256(body).hexdigest()
    sql.executemany(
        _STORE_CHUNK,
        [(digest, number, size, data) for number, (size, data) in enumerate(_chunks(body))],
    )
    return digest


def _bare(row: Sequence[Any]) -> Exchange:
    """An exchange without its body."""
    id_, fingerprint, digest, status, headers, wire, at, url, settled = row
    answer = Answer(status, b"", parse_moment(at), msgspec.json.decode(headers), wire)
    return Exchange(id_, fingerprint, digest, answer, url, bool(settled))


def _chunks(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Compressed pieces of at most 1 MiB each with their decoded sizes, so that no row is large."""
    pack = zstandard.ZstdCompressor(level=LEVEL).compress
    view = memoryview(body)
    for start in range(0, len(body), CHUNK):
        piece = view[start : start + CHUNK]
        yield len(piece), pack(piece)
