"""The next generation of a collection: derived beside the present one, and put in its place by one commit.

While it grows it is a collection of its own, `app/feed@next`, with tables, commits, rejects and partitions under that
name: nobody reads it, and what writes it is what writes every collection. The switch gives it the collection's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ..clock import render_moment
from ..errors import LeaseLost, UsageError
from ..partitions import Partition
from . import counting
from .carrying import Carrying
from .engines import Connection, Workers, transaction
from .lease import Lease, Outcome
from .ledger import encode_params
from .records import Records
from .tables import Collection, tables_of

__all__ = ["Next", "forget_next"]

APART = 1_000_000
"""A generation's revisions begin at a multiple of this above the last: whatever is committed to the present one
meanwhile, no number names a state of both.
"""


class Next:
    """A collection's next generation. Making one removes what an earlier one left unfinished.

    Raises:
        UsageError: a living process derives this collection again already.
    """

    def __init__(self, connection: Connection, collection: Collection, workers: Workers) -> None:
        self._connection = connection
        self._me = workers.me
        self._meta = _meta(collection)
        with transaction(connection, durable=False) as sql:
            self._take(sql, collection, workers)
            generation, revision = sql.execute(
                "SELECT generation, revision FROM _collection WHERE name = ?", (collection.name,)
            ).fetchone()
            self.present = replace(collection, generation=generation)
            self.collection = replace(collection, generation=generation + 1, staged=True)
            self._first = (revision // APART + 1) * APART
            self._discard(sql)
            sql.create(tables_of(self.collection))
            sql.execute(
                "INSERT INTO _collection (name, generation, revision, horizon, model) VALUES (?, ?, ?, ?, '')",
                (self.collection.name, generation + 1, self._first, self._first),
            )
            counting.prepare(sql, self.collection)

        self._carrying = Carrying(
            connection, self.present, self.collection, self._first, lambda sql: self._check(sql, self.present.name)
        )

    @property
    def records(self) -> Records:
        """The records of this generation; what is committed to them is checked and noted here."""
        return Records(self._connection, self.collection, self)

    def _take(self, sql: Connection, collection: Collection, workers: Workers) -> None:
        _check_alone(sql, collection, workers)
        sql.execute("DELETE FROM _meta WHERE name = ?", (self._meta,))
        sql.execute("INSERT INTO _meta VALUES (?, ?)", (self._meta, self._me))

    def _discard(self, sql: Connection) -> None:
        """Removes what stands under the name of the next generation, and what a switch left of an old one."""
        _discard(sql, self.collection, self._old)

    def abandon(self) -> None:
        """Removes what was derived; nobody but who began it may."""
        with transaction(self._connection, durable=False) as sql:
            self._check(sql, self.present.name)
            self._discard(sql)
            sql.execute("DELETE FROM _meta WHERE name = ?", (self._meta,))

    @property
    def _old(self) -> str:
        return _old(self.present)

    # -- the book of its records -----------------------------------------------------------------------------------

    def check(self, sql: Connection, lease: Lease) -> None:
        """Inside a transaction: is it still ours to write? A process that slept may find it begun anew."""
        self._check(sql, lease.label)

    def _check(self, sql: Connection, label: str) -> None:
        row = sql.execute("SELECT value FROM _meta WHERE name = ?", (self._meta,)).fetchone()
        if row is None or row[0] != self._me:
            raise LeaseLost(label)

    def close(
        self,
        sql: Connection,
        lease: Lease,
        outcome: Outcome,
        now: datetime,
        *,
        revision: int = 0,  # noqa: ARG002 (the attempt keeps what it counted when it was answered)
        records: int | None = None,
        model: str = "",
    ) -> None:
        """Inside a transaction: notes what the partition's row in the ledger is to say after the switch, if the answer
        was believed.
        """
        if not model:
            return
        sql.execute(_FORGET_PARTITION, (lease.feed, lease.partition.key))
        sql.execute(
            "INSERT INTO _partition"
            " (feed, key, params, verdict, collected_at, pass, etag, last_modified, digest, model, records)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(lease.feed, lease.partition.key, encode_params(lease.partition), outcome.verdict),
                *(render_moment(now), lease.number, outcome.etag, outcome.last_modified, outcome.digest),
                *(model, records or 0),
            ),
        )

    # -- the switch ------------------------------------------------------------------------------------------------

    def carry(self, partitions: Sequence[Partition]) -> None:
        """Copies the present rows and versions of partitions, in the place of what was derived of them; a few a
        transaction, and only those that are not copied as they stand.

        Raises:
            StoreError: a key of theirs is also one of what was derived.
        """
        self._carrying.carry(partitions)

    def switch(
        self,
        settled: Callable[[], Sequence[Partition] | None],
        follow: Callable[[Connection], None],
        now: datetime,
    ) -> int | None:
        """Puts this generation in the place of the present one, in one commit; gives its number, or None and changes
        nothing where it is not settled.

        Args:
            settled: asked inside the transaction: the partitions whose present rows were carried over as they are, or
                None where something was committed meanwhile that is not derived here.
            follow: called with the transaction once this generation has the collection's name.
        Raises:
            StoreError: a key of theirs is also one of what was derived.
        """
        with transaction(self._connection, durable=True) as sql:
            self._check(sql, self.present.name)
            if (kept := settled()) is None or not self._carrying.end(sql, kept):
                return None
            old, present, following = map(_pair, (self._old, self.present.table, self.collection.table))
            sql.rename([*zip(present, old, strict=True), *zip(following, present, strict=True)])
            counting.rename(sql, self.present, self.collection)
            values = {"name": self.present.name, "next": self.collection.name, "at": render_moment(now)}
            for statement in _SWITCH:
                sql.execute(statement, values)
            sql.execute("DELETE FROM _meta WHERE name = ?", (self._meta,))
            follow(sql)
        with transaction(self._connection, durable=False) as sql:
            for table in _pair(self._old):
                sql.drop(table)
        return self.collection.generation

    def has_the_present_fields(self) -> bool:
        """Whether the present rows could stand in this generation: it has the same columns."""
        stored, declared = map(self._connection.columns, (self.present.table, self.collection.table))
        return stored == declared


def forget_next(sql: Connection, collection: Collection, workers: Workers) -> None:
    """Inside a transaction: removes what a replay left that did not end. UsageError while one is at it."""
    _check_alone(sql, collection, workers)
    _discard(sql, replace(collection, staged=True), _old(collection))
    sql.execute("DELETE FROM _meta WHERE name = ?", (_meta(collection),))


def _check_alone(sql: Connection, collection: Collection, workers: Workers) -> None:
    row = sql.execute("SELECT value FROM _meta WHERE name = ?", (_meta(collection),)).fetchone()
    if row and row[0] != workers.me and workers.alive(row[0]):
        raise UsageError(f"{collection.name} is being replayed already", hint="wait for that replay to end")


def _meta(collection: Collection) -> str:
    return f"replay {collection.name}"


def _old(present: Collection) -> str:
    return f"{present.table}__old"


def _discard(sql: Connection, staged: Collection, old: str) -> None:
    counting.drop(sql, staged)
    for table in (*_pair(staged.table), *_pair(old)):
        sql.drop(table)
    for statement in _FORGET:
        sql.execute(statement, (staged.name,))


def _pair(table: str) -> tuple[str, str]:
    return table, f"{table}_version"


_FORGET_PARTITION = "DELETE FROM _partition WHERE feed = ? AND key = ?"

_FORGET = (
    "DELETE FROM _collection WHERE name = ?",
    "DELETE FROM _commit WHERE collection = ?",
    "DELETE FROM _partition WHERE feed = ?",
    "DELETE FROM _reject WHERE feed = ?",
    "DELETE FROM _attempt WHERE feed = ?",
    "DELETE FROM _filled WHERE feed = ?",
)

_KEPT = "(SELECT key FROM _partition WHERE feed = :next AND model = '')"
"""What was carried over was merged by no declaration of this generation."""

_SWITCH = (
    f"DELETE FROM _reject WHERE feed = :name AND partition NOT IN {_KEPT}",  # noqa: S608 (our own words)
    f"DELETE FROM _reject WHERE feed = :next AND partition IN {_KEPT}",  # noqa: S608
    "UPDATE _reject SET feed = :name WHERE feed = :next",
    f"DELETE FROM _shared WHERE collection = :name AND partition NOT IN {_KEPT}",  # noqa: S608
    f"DELETE FROM _shared WHERE collection = :next AND partition IN {_KEPT}",  # noqa: S608
    "UPDATE _shared SET collection = :name WHERE collection = :next",
    "UPDATE _attempt SET feed = :name WHERE feed = :next",
    "DELETE FROM _filled WHERE feed = :name",
    "UPDATE _filled SET feed = :name WHERE feed = :next",
    "DELETE FROM _partition WHERE feed = :next AND model = ''",
    (
        "UPDATE _partition AS p SET"
        " records = n.records, model = n.model, digest = n.digest, etag = n.etag, last_modified = n.last_modified"
        " FROM _partition AS n WHERE n.feed = :next AND p.feed = :name AND p.key = n.key"
    ),
    # What could not be read when it was answered, and is read now, is what the upstream said last.
    (
        "UPDATE _partition AS p SET verdict = 'complete', reason = '', failures = 0, retry_at = NULL,"
        " collected_at = n.collected_at, first_collected_at = coalesce(p.first_collected_at, n.collected_at)"
        " FROM _partition AS n WHERE n.feed = :next AND p.feed = :name AND p.key = n.key"
        " AND p.verdict NOT IN ('complete', 'unchanged') AND n.pass = p.pass - 1"
    ),
    "DELETE FROM _partition WHERE feed = :next",
    # So is the attempt that was told it, since it has brought records by now.
    (
        "UPDATE _attempt SET verdict = 'complete', reason = 'read by a replay; it was ' || verdict || ': ' || reason"
        " WHERE feed = :name AND verdict NOT IN ('complete', 'unchanged')"
        " AND id IN (SELECT attempt FROM _commit WHERE collection = :next)"
    ),
    "DELETE FROM _commit WHERE collection = :name",
    "UPDATE _commit SET collection = :name WHERE collection = :next",
    (
        "UPDATE _collection AS c SET generation = n.generation, revision = n.revision, horizon = n.horizon,"
        " model = n.model, changed_at = :at FROM _collection AS n WHERE c.name = :name AND n.name = :next"
    ),
    "DELETE FROM _collection WHERE name = :next",
)
"""What makes the ledger say the next generation under the collection's name."""
