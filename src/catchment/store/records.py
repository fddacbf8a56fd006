"""Records and their versions: what is stored of a partition, and the one transaction that changes it."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from ..clock import render_moment
from ..decode import Entry, Reject
from ..erased import Erased
from ..errors import MergeOutdated
from ..failpoints import failpoint
from ..feed import CONTENT, RETIRE, Feed
from ..merge import Change, Changes, Known, Pile, Room
from . import counting
from .engines import Connection, Rows, Taken, mapped, transaction
from .erasing import NO_BURN, Burn, erased_of
from .lease import Lease, Outcome
from .ledger import Ledger
from .marks import Mark, check_mark
from .shared import Shared
from .stage import Stage
from .statements import Statements
from .tables import Collection

__all__ = ["Book", "Origin", "Records", "all_done", "batches", "document", "raise_revision"]

LOOKUP = 500
"""Keys asked for in one statement: every SQLite allows 999 values."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One answer of a pass: its exchange, and when the upstream said it."""

    exchange: int
    said_at: datetime


class Book(Protocol):
    """Where a partition's lease and verdict stand: in the ledger, or in that of a generation that is derived again."""

    def check(self, sql: Connection, lease: Lease) -> None: ...

    def close(
        self,
        sql: Connection,
        lease: Lease,
        outcome: Outcome,
        now: datetime,
        *,
        revision: int = 0,
        records: int | None = None,
        model: str = "",
    ) -> None: ...


class _Taken:
    """What is known of a partition while it is read. counted: whether equal records are."""

    def __init__(self, *, counted: bool) -> None:
        self.hashes: MutableMapping[str, bytes] = {}
        self.by_raw: MutableMapping[bytes, str] = {}
        self.times: MutableMapping[bytes, int] = Counter()
        self._counted = counted

    @property
    def in_memory(self) -> int:
        return len(self.hashes) if isinstance(self.hashes, dict) else 0

    def take(self, rows: Iterable[tuple[str, bytes, bytes]]) -> None:
        keys, hashes, raws = zip(*rows, strict=True)
        self.hashes.update(zip(keys, hashes, strict=True))
        self.by_raw.update(zip(raws, keys, strict=True))
        if self._counted and isinstance(self.times, Counter):
            self.times.update(raws)
        elif self._counted:
            for raw in raws:
                self.times[raw] = self.times.get(raw, 0) + 1

    def spill(self, room: Room) -> None:
        self.hashes, self.by_raw = room.spilled(self.hashes), room.spilled(self.by_raw)
        self.times = room.spilled(self.times)


class Records:
    """One collection's records on one connection."""

    def __init__(self, connection: Connection, collection: Collection, book: Book = Ledger) -> None:
        self._connection = connection
        self._collection = collection
        self._sql = Statements.of(collection)
        self._book = book
        self._compared = 0

    @property
    def _sharing(self) -> bool:
        """Whether a partition could retire what another one serves too."""
        feed = self._collection.feed
        return isinstance(feed, Feed) and feed.missing is RETIRE and feed.key is not CONTENT

    @property
    def of(self) -> tuple[Connection, Collection]:
        """The connection and the collection, for what else is asked of them."""
        return self._connection, self._collection

    def known(self, partition: str, room: Room | None = None) -> Known:
        """What is stored for a partition. room: where it goes when it is very much."""
        with mapped():
            # Before the rows: of two generations, those of the later one are then compared again.
            self._compared = self._generation(self._connection)
            rows = self._connection.execute(self._sql.known, (partition,))
            shared = self._connection.execute(
                "SELECT key, hash, raw FROM _shared WHERE collection = ? AND partition = ?",
                (self._collection.name, partition),
            ).fetchall()
            known = _Taken(counted=self._collection.feed.key is CONTENT)
            for some in itertools.chain(iter(lambda: rows.fetchmany(LOOKUP), []), [shared] if shared else []):
                known.take(some)  # not all at once: there may be very many
                if room and known.in_memory > room.few:
                    known.spill(room)
        return Known(known.hashes, known.by_raw, known.times, frozenset(key for key, _, _ in shared))

    def erased(self) -> Erased:
        """The keys that were erased here: no answer brings them back."""
        with mapped():
            return erased_of(self._connection, self._collection)

    def find(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Key -> content hash of those keys that are stored, in whatever partition."""
        with mapped():
            return {
                key: digest
                for some in batches(keys)
                for key, digest in self._connection.execute(self._sql.find(len(some)), some)
            }

    def rows(self, fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The present rows' distinct values of some fields, as text (bytes in hex); None for null."""
        with mapped():
            rows = self._connection.execute(self._sql.rows(fields)).fetchall()
        return [dict(zip(fields, map(_text, row), strict=True)) for row in rows]

    def documents(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Key and JSON of those of at most `LOOKUP` keys that are stored."""
        with mapped():
            return self._connection.execute(self._sql.documents(len(keys)), keys).fetchall()

    def last_documents(self, keys: Sequence[str]) -> dict[str, str]:
        """Key -> JSON of those of at most `LOOKUP` keys that were ever stored: as it is, or as it was when it went."""
        found = dict(self.documents(keys))
        gone = [key for key in keys if key not in found]
        with mapped():
            if gone and self._connection.execute(self._sql.any_version).fetchone():
                found |= self._connection.execute(self._sql.last_documents(len(gone)), gone).fetchall()
        return found

    def doubt(
        self,
        lease: Lease,
        outcome: Outcome,
        stage: Stage,  # noqa: ARG002 (for who only looks)
        now: datetime,
    ) -> Outcome:
        """Notes an answer that is not believed yet. No record changes. LeaseLost when it is somebody else's by now."""
        with transaction(self._connection, durable=False) as sql:
            self._book.check(sql, lease)
            self._book.close(sql, lease, outcome, now)
        return outcome

    def commit(  # noqa: PLR0913 (everything of one partition, at once)
        self,
        lease: Lease,
        outcome: Outcome,
        changes: Changes,
        stage: Stage,
        origins: Sequence[Origin],
        rejects: Iterable[Reject],
        *,
        model: str,
        now: datetime,
        mark: Mark | None = None,
        burn: Burn = NO_BURN,
    ) -> Outcome:
        """Applies everything of one partition at once, and gives the outcome with records that came back told apart.

        mark: where the collection stood that the records were filled from. burn: what erasures ask of this commit.
        Raises:
            LeaseLost: the partition is somebody else's by now.
            MergeOutdated: a row, or what it was filled from, is not what it was when it was compared.
        """
        with transaction(self._connection, durable=False) as sql:
            failpoint("tx.begun")
            self._book.check(sql, lease)
            if self._generation(sql) != self._compared:
                raise MergeOutdated(f"{lease.label}: another generation of the collection took its place")
            if mark:
                check_mark(sql, mark)
            burn.apply(sql, self._collection)
            if self._sharing:
                shared = Shared(sql, self._collection.name, self._collection.table, lease)
                changes = shared.hand_over(changes)
                shared.note(changes, stage)
            # Read under the lock: a key may come and go by another partition between two transactions.
            versions = self._last_versions(changes)
            revision = self._revision(sql, lease, changes, model, now)
            said = [render_moment(origin.said_at) for origin in origins]
            writer = _Writer(sql, self._sql, lease, revision, origins, said)
            writer.insert(changes.new, stage, versions)
            writer.update(changes.changed, stage, now)
            writer.retire(changes.gone, now)
            failpoint("versions.written")
            if changes:
                counting.follow(sql, self._collection, revision)
            writer.reject(rejects, now)
            failpoint("rejects.written")
            counts = replace(outcome.counts, gone=len(changes.gone), **_split_new(changes, versions))
            outcome = replace(outcome, counts=counts)
            self._book.close(sql, lease, outcome, now, revision=revision, records=self._count(sql, lease), model=model)
            failpoint("ledger.written")
        failpoint("tx.committed")
        return outcome

    def _last_versions(self, changes: Changes) -> dict[str, int]:
        """Key -> its last version, of new keys that were stored once and are no more."""
        with mapped():
            if not changes.new or self._connection.execute(self._sql.any_version).fetchone() is None:
                return {}
            return {
                key: version
                for some in batches(change.key for change in changes.new)
                for key, version in self._connection.execute(self._sql.last_versions(len(some)), some)
            }

    def _generation(self, sql: Connection) -> int:
        row = sql.execute("SELECT generation FROM _collection WHERE name = ?", (self._collection.name,)).fetchone()
        return int(row[0])

    def _revision(self, sql: Connection, lease: Lease, changes: Changes, model: str, now: datetime) -> int:
        """The revision of this commit: one more when it changes something readable, else the present one."""
        name = self._collection.name
        (revision,) = sql.execute("SELECT revision FROM _collection WHERE name = ?", (name,)).fetchone()
        if not changes:
            return int(revision)
        at = render_moment(now)
        return raise_revision(sql, name, lease.partition.key, attempt=lease.attempt, model=model, at=at)

    def _count(self, sql: Connection, lease: Lease) -> int:
        row = sql.execute(
            f'SELECT count(*) FROM "{self._collection.table}" WHERE _partition = ?',  # noqa: S608
            (lease.partition.key,),
        ).fetchone()
        return int(row[0])


def _split_new(changes: Changes, versions: dict[str, int]) -> dict[str, int]:
    back = len(versions)
    return {"new": len(changes.new) - back, "back": back}


@dataclass(frozen=True, slots=True)
class _Writer:
    """The statements of one commit, inside its transaction."""

    sql: Connection
    statements: Statements
    lease: Lease
    revision: int
    origins: Sequence[Origin]
    said: Sequence[str]

    def insert(self, changes: Pile, stage: Stage, versions: dict[str, int]) -> None:
        place, brought = self.lease.partition.key, self._brought()
        rows = (
            (
                *(change.key, place, entry.hash, entry.raw, versions.get(change.key, 0) + 1),
                *brought[origin],
                *entry.values,
                document(change, entry),
            )
            for change, (entry, origin) in self._waiting(changes, stage)
        )
        try:
            with mapped():
                self.sql.insert(self.statements.table, self.statements.row, rows)
        except Taken as error:
            raise MergeOutdated(f"{self.lease.label}: a key was stored meanwhile") from error

    def update(self, changes: Pile, stage: Stage, now: datetime) -> None:
        self._keep(changes, stage, gone=False, now=now)
        place, brought = self.lease.partition.key, self._brought()
        rows = (  # no key and no version among the values, then which row is meant
            (
                *(place, entry.hash, entry.raw, *brought[origin], *entry.values, document(change, entry)),
                *(change.key, change.expected),
            )
            for change, (entry, origin) in self._waiting(changes, stage)
        )
        all_done(self.sql.executemany(self.statements.update, rows), len(changes), self.lease.label)

    def retire(self, changes: Pile, now: datetime) -> None:
        self._keep(changes, None, gone=True, now=now)
        pairs = ((change.key, change.expected) for change in changes)
        all_done(self.sql.executemany(self.statements.delete, pairs), len(changes), self.lease.label)

    def _keep(self, changes: Pile, stage: Stage | None, *, gone: bool, now: datetime) -> None:
        """The versions that end now: at the moment at which the upstream said the next one, or no longer said it."""
        last = self.origins[-1].said_at if self.origins else now
        untils = (
            (self.origins[origin].said_at for _, (_, origin) in self._waiting(changes, stage))
            if stage
            else itertools.repeat(last)
        )
        rows = (
            (render_moment(until), self.revision, int(gone), change.key, change.expected)
            for change, until in zip(changes, untils, strict=False)
        )
        all_done(self.sql.executemany(self.statements.keep, rows), len(changes), self.lease.label)

    def reject(self, rejects: Iterable[Reject], now: datetime) -> None:
        """Notes the rejects of this answer; those of the one before that it no longer has count 0."""
        place = (self.lease.feed, self.lease.partition.key)
        self.sql.execute("UPDATE _reject SET count = 0 WHERE feed = ? AND partition = ?", place)
        self.sql.executemany(
            "INSERT INTO _reject"
            " (feed, partition, digest, key, reason, path, raw, count, first_attempt, last_attempt, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)"
            " ON CONFLICT (feed, partition, digest) DO UPDATE SET"
            " count = _reject.count + 1, last_attempt = excluded.last_attempt,"
            " reason = excluded.reason, path = excluded.path",
            (
                (
                    *(*place, hashlib.sha256(item.raw).hexdigest(), item.key, item.reason, item.path, item.raw),
                    *(self.lease.attempt, self.lease.attempt, render_moment(now)),
                )
                for item in rejects
            ),
        )

    def _brought(self) -> list[tuple[object, ...]]:
        """By origin: the last values of `OWN`, which all records of one answer have in common."""
        return [
            (said, self.revision, self.lease.attempt, origin.exchange)
            for said, origin in zip(self.said, self.origins, strict=True)
        ]

    @staticmethod
    def _waiting(changes: Pile, stage: Stage) -> Iterator[tuple[Change, tuple[Entry, int]]]:
        return zip(changes, stage.read(change.slot for change in changes), strict=True)


def _text(value: Any) -> str | None:
    return None if value is None else value.hex() if isinstance(value, bytes) else str(value)


def raise_revision(sql: Connection, name: str, partition: str, *, attempt: int, model: str, at: str) -> int:
    """Inside a transaction: the collection's next revision, which this transaction brings."""
    generation, revision = sql.execute(
        "UPDATE _collection SET revision = revision + 1, changed_at = ?, model = ? WHERE name = ?"
        " RETURNING generation, revision",
        (at, model, name),
    ).fetchone()
    sql.execute(
        "INSERT INTO _commit (collection, generation, revision, at, partition, attempt) VALUES (?, ?, ?, ?, ?, ?)",
        (name, generation, revision, at, partition, attempt),
    )
    return int(revision)


def all_done(done: Rows, expected: int, label: str) -> None:
    """MergeOutdated where a statement found fewer rows than were compared."""
    if expected and done.rowcount != expected:
        raise MergeOutdated(f"{label}: {expected - done.rowcount} rows changed meanwhile")


def document(change: Change, entry: Entry) -> str:
    """The finished answer text. The key needs no escaping: it is percent-encoded."""
    return f'{{"_key":"{change.key}",{entry.doc}'


def batches(keys: Iterable[str]) -> Iterator[list[str]]:
    """The keys in lists that one statement may ask for."""
    rest = iter(keys)
    while some := list(itertools.islice(rest, LOOKUP)):
        yield some
