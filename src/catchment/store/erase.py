"""Erasing what a collection knows of some keys: rows, versions, rejects and archived bodies.

One commit takes the records away and notes the keys' hashes: from then on nobody reads them and nothing brings them
back. Then the archive is gone through, a body a transaction. Last the file is written anew, so that freed pages do not
keep the text. Whatever ends it in the middle, the same call again goes on; `check` tells until that is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import msgspec

from ..clock import render_moment
from ..decode import key_reader
from ..errors import DecodeError, UsageError
from ..failpoints import failpoint
from ..feed import Feed
from ..scrub import may_say, scrubbed
from ..spool import Content
from . import audit, counting
from .archive import Archive, store_body
from .change import remove, stay_nameless
from .changes import withdrawn
from .engines import Connection, Workers, mapped, transaction
from .erasing import drop_body, erased_of, forget_answers, was_merged
from .generations import forget_next
from .group import Group
from .ledger import Ledger
from .present import Present
from .tables import Collection
from .write import Done

__all__ = ["Erasure", "Gone", "mark", "tag"]


ROUNDS = 3
"""How often answers are looked for that came while the archive was gone through."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What went, or would go. records, versions, rejects: rows. rewritten, removed: archived bodies.

    left: what is not removed here, a line each. done: False while the database file may still hold the text.
    """

    collection: str
    records: int = 0
    versions: int = 0
    rejects: int = 0
    rewritten: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()
    done: bool = False

    @property
    def nothing(self) -> bool:
        return not (self.records or self.versions or self.rejects or self.rewritten or self.removed)


@dataclass(frozen=True, slots=True)
class _Body:
    """An archived body of a partition that has a row of an erased record. without: it without that; None: it goes."""

    digest: str
    partition: str
    without: Content | None


class Erasure:
    """The erasure of some keys of one collection. collections: all of its app. nameless: what holds now of those stays,
    as nobody's.

    Raises:
        UsageError: nothing is known of one of the keys, and it was not erased before.
    """

    def __init__(
        self,
        connection: Connection,
        collection: Collection,
        collections: Mapping[str, Collection],
        keys: Sequence[str],
        workers: Workers,
        *,
        nameless: bool = False,
    ) -> None:
        self._connection = connection
        self._collection = collection
        self._collections = collections
        self._workers = workers
        self._nameless = nameless
        self._said = keys
        with mapped():
            before = erased_of(connection, collection)
            self._erased = replace(before, hashes=frozenset(map(before.hash, keys)))
            self._keys = self._stored(keys)
            self._partitions = {
                state.partition.key: state.partition
                for state in Ledger(connection, workers).states(collection.name).values()
            }
            self._key_of = cache(lambda partition: key_reader(self._feed, self._partitions[partition]))
        if not self._keys and not any(map(before.holds, keys)) and self.look().nothing:
            said = " nor under ".join(keys)
            raise UsageError(f"nothing of {collection.name} is stored under {said}", hint="the key is its `_key`")

    @property
    def _feed(self) -> Feed:
        assert isinstance(self._collection.feed, Feed)
        return self._collection.feed

    def _stored(self, keys: Sequence[str]) -> list[str]:
        """The keys as rows have them: of equal records that are numbered, all numbers."""
        both = (
            f'SELECT _key FROM "{self._collection.table}" WHERE {{0}} UNION'  # noqa: S608 (declared names)
            f' SELECT _key FROM "{self._collection.versions}" WHERE {{0}}'
        )
        if self._erased.numbered:
            wanted = [f"{key.partition('-')[0]}-" for key in keys]
            found = [
                self._connection.execute(both.format("substr(_key, 1, length(?1)) = ?1"), (key,)) for key in wanted
            ]
        else:
            found = [self._connection.execute(both.format("_key = ?1"), (key,)) for key in keys]
        return [key for rows in found for (key,) in rows]

    # -- what there is -------------------------------------------------------------------------------------------------

    def look(self) -> Gone:
        """What would go. Nothing changes."""
        with mapped():
            bodies = list(self._bodies())
            return Gone(
                self._collection.name,
                self._count(self._collection.table),
                self._count(self._collection.versions),
                len(self._rejects()),
                sum(body.without is not None for body in bodies),
                sum(body.without is None for body in bodies),
                tuple(self._what_is_left(bodies)),
            )

    def _count(self, table: str) -> int:
        count = f'SELECT count(*) FROM "{table}" WHERE _key = ?'  # noqa: S608 (declared names)
        return sum(self._connection.execute(count, (key,)).fetchone()[0] for key in self._keys)

    def _rejects(self) -> list[int]:
        """The rejects that say one of the keys, or whose bytes do."""
        rows = self._connection.execute(
            "SELECT id, partition, key, raw FROM _reject WHERE feed = ?", (self._collection.name,)
        ).fetchall()
        return [id_ for id_, partition, key, raw in rows if self._erased.holds(key or self._key_of(partition)(raw))]

    def _newest(self) -> int:
        """The number of the collection's newest answer."""
        newest = "SELECT coalesce(max(id), 0) FROM _exchange WHERE feed = ?"
        return int(self._connection.execute(newest, (self._name,)).fetchone()[0])

    def _bodies(self, *, after: int = 0) -> Iterator[_Body]:
        """The archived bodies that have, or may have, a row of one of the keys, newest answers first. after: the number
        of an answer; those up to it are left out.
        """
        if self._collection.written:
            return
        archive = Archive(self._connection)
        pairs = self._connection.execute(
            "SELECT digest, partition FROM _exchange WHERE feed = ? AND digest <> '' AND id > ?"
            " GROUP BY digest, partition ORDER BY max(id) DESC",
            (self._collection.name, after),
        ).fetchall()
        for digest, partition in pairs:
            if not (body := archive.body(digest)):
                continue
            without = self._without(partition, body)
            if without != body:
                yield _Body(digest, partition, without)

    def _without(self, partition: str, body: Content) -> Content | None:
        """The body without the rows of the keys; None where it has to go whole, also since nobody can tell its rows."""
        try:
            return scrubbed(self._feed, self._partitions[partition], body, self._erased)
        except DecodeError:
            return None if may_say(self._feed, body, self._said) else body

    def _what_is_left(self, bodies: Sequence[_Body]) -> Iterator[str]:
        for body in bodies:
            if body.without is None and was_merged(self._connection, body.digest):
                yield f"{body.partition or 'its partition'}: a replay cannot derive its answer {body.digest[:16]} again"
            for (feed,) in self._connection.execute(
                "SELECT DISTINCT feed FROM _exchange WHERE digest = ? AND feed <> ?",
                (body.digest, self._collection.name),
            ):
                yield f"{feed} has the same answer {body.digest[:16]}: erase it there too"

    # -- what is done --------------------------------------------------------------------------------------------------

    def run(self, now: datetime) -> Gone:
        """Erases. Each step is a transaction on the disk, and may be the last one.

        Raises:
            UsageError: a living process derives the collection again.
        """
        gone = self.look()
        with transaction(self._connection, durable=True) as sql:
            self.take_away(sql, now)
        failpoint("erase.marked")
        looked = 0
        for _ in range(ROUNDS):  # what was asked for before may be answered meanwhile
            before, looked = looked, self._newest()
            for body in list(self._bodies(after=before)):
                self._rewrite(body)
                failpoint("erase.body")
        if not self._write_file_anew():
            return gone
        with transaction(self._connection, durable=True) as sql:
            if any(self._bodies(after=looked)):
                return gone
            marks = [(render_moment(now), self._name, digest) for digest in self._erased.hashes]
            sql.executemany("UPDATE _erased SET done_at = ? WHERE collection = ? AND hash = ?", marks)
        return replace(gone, done=True)

    @property
    def _name(self) -> str:
        return self._collection.name

    def take_away(self, sql: Connection, now: datetime) -> None:
        """Inside a transaction. From its commit on nobody reads the records, and no answer brings them back."""
        sql.overwrites()
        if not self._collection.written:
            forget_next(sql, self._collection, self._workers)
        mark(sql, self._name, sorted(self._erased.hashes), now)
        (self._remove_written if self._collection.written else self._remove_collected)(sql, now)
        for key in self._keys:
            for table in (self._collection.table, self._collection.versions):
                sql.execute(f'DELETE FROM "{table}" WHERE _key = ?', (key,))  # noqa: S608 (declared names)
        if self._keys:
            counting.follow(sql, self._collection)
            self._withdraw(sql)
        failpoint("erase.taken")

    def _withdraw(self, sql: Connection) -> None:
        """No version tells those who follow the changes what went: they take the whole collection anew."""
        sql.execute("DELETE FROM _meta WHERE name = ?", (withdrawn(self._name),))
        sql.execute(
            "INSERT INTO _meta SELECT ?, CAST(revision AS TEXT) FROM _collection WHERE name = ?",
            (withdrawn(self._name), self._name),
        )

    def _remove_written(self, sql: Connection, now: datetime) -> None:
        """Deletes the records as a person would, so that lists and roll-ups follow; then what else holds them."""
        group = Group(sql, now)
        present = Present(sql, self._collections, self._collection.app)
        there = [row for key in self._keys if (row := present.row(self._collection, key))]
        for row in there:
            remove(present, self._collection, row, group)
            if self._nameless:
                stay_nameless(present, self._collection, row, group)
        if not there and self._keys:
            group.raise_revision(self._collection, render_moment(now))
        group.put()
        answers = sql.execute("SELECT principal, key, answer FROM _idempotency").fetchall()
        remembered = [(who, once) for who, once, answer in answers if _done(answer).key in self._keys]
        sql.executemany("DELETE FROM _idempotency WHERE principal = ? AND key = ?", remembered)

    def _remove_collected(self, sql: Connection, now: datetime) -> None:
        """Removes what beside the rows says a key, and has readers see that something changed."""
        sql.executemany("DELETE FROM _reject WHERE id = ?", [(id_,) for id_ in self._rejects()])
        own = f'SELECT _partition FROM "{self._collection.table}" WHERE _key = ?'  # noqa: S608 (declared names)
        partitions = {found for key in self._keys for (found,) in sql.execute(own, (key,))}
        for key in self._keys:
            sql.execute("DELETE FROM _shared WHERE collection = ? AND key = ?", (self._name, key))
        for partition in partitions:
            forget_answers(sql, self._name, partition)
        sql.executemany(
            "UPDATE _partition SET records = records - (SELECT count(*) FROM"  # noqa: S608 (declared names)
            f' "{self._collection.table}" WHERE _key = ? AND _partition = _partition.key) WHERE feed = ?',
            [(key, self._name) for key in self._keys],
        )
        if self._keys:
            group = Group(sql, now)
            group.raise_revision(self._collection, render_moment(now))
            group.put()
            for key in self._keys:
                counting.move(sql, self._collection, self._collection.table, "_key = ?", (key,), sign=-1)

    def _rewrite(self, body: _Body) -> None:
        """Puts the body without the rows in its place, or removes it."""
        with transaction(self._connection, durable=True) as sql:
            forget_answers(sql, self._name, body.partition)
            here = (self._name, body.partition, body.digest)
            where = "WHERE feed = ? AND partition = ? AND digest = ?"
            if body.without is None:
                # A pass that has not ended begins anew: it could not be read to its end.
                sql.execute(f"DELETE FROM _exchange {where} AND pass >= {_OPEN}", here)  # noqa: S608 (our own words)
                drop_body(sql, body.digest, self._name)
                return
            digest = store_body(sql, body.without)
            sql.execute(f"UPDATE _exchange SET digest = ?, size = ? {where}", (digest, len(body.without), *here))  # noqa: S608
            sql.execute(
                "DELETE FROM _body WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM _exchange e WHERE e.digest = ?)",
                (body.digest, body.digest),
            )

    def _write_file_anew(self) -> bool:
        """Whether nothing that was removed is anywhere in the database's files any more."""
        return self._connection.write_anew()


def mark(sql: Connection, collection: str, hashes: Iterable[bytes], now: datetime) -> None:
    """Notes what is erased, by the hashes of keys, until that is done to the end."""
    at = render_moment(now)
    for digest in hashes:
        sql.execute(
            "INSERT INTO _erased (collection, hash, at) VALUES (?, ?, ?)"
            " ON CONFLICT (collection, hash) DO UPDATE SET at = excluded.at, done_at = NULL",
            (collection, digest, at),
        )
        audit.note(sql, audit.Entry("erase", f"{collection}/{tag(digest)}"), now)


def tag(digest: bytes) -> str:
    """What stands for something that was erased, where it may not be named."""
    return f"#{digest.hex()[:16]}"


_OPEN = "(SELECT p.pass FROM _partition p WHERE p.feed = _exchange.feed AND p.key = _exchange.partition)"


def _done(answer: bytes) -> Done:
    return msgspec.msgpack.decode(answer, type=Done)
