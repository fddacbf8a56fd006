"""Removing what a collection's retention no longer keeps, a few rows a transaction, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ..clock import render_moment
from ..failpoints import failpoint
from .engines import Connection, transaction
from .tables import Collection

__all__ = ["sweep"]

AT_A_TIME = 500


def sweep(
    connection: Connection, collection: Collection, cutoff: datetime, *, keep_bodies: bool = False
) -> Iterator[int]:
    """Removes what was no longer said before the cutoff: each step is one transaction, and gives how many rows went.

    The horizon moves first: what is removed after it could not be read any more. So it does no harm to stop after any
    step, nor to do it twice at once; the next sweep goes on.

    What goes: versions (and with them what was retired); rejects that no answer has any more; exchanges that no kept
    version, reject or open pass cites, with their bodies, unless keep_bodies; attempts, commits and runs that only
    those cited.
    """
    work = _Sweep(connection, collection, render_moment(cutoff))
    yield work.move_horizon()
    steps = [work.versions, work.rejects]
    steps += [] if keep_bodies else [work.exchanges]
    for step in (*steps, work.attempts, work.commits, work.runs):
        last: int | None = 0
        while last is not None:
            removed, last = step(last)
            failpoint("rows.swept")
            yield removed


class _Sweep:
    """The steps. Each takes the number after which it looks; it gives how many rows went, and where to go on (None: it
    has seen all).
    """

    def __init__(self, connection: Connection, collection: Collection, cutoff: str) -> None:
        self._connection = connection
        self._collection = collection
        self._values = {"name": collection.name, "app": collection.app, "cutoff": cutoff, "most": AT_A_TIME}

    def move_horizon(self) -> int:
        """The oldest state that can be read becomes that of the cutoff, if there is anything that only older ones
        had.
        """
        older = f'SELECT 1 FROM "{self._collection.versions}" WHERE _until_revision <= h.revision AND _until <= :cutoff'  # noqa: S608
        state = (
            "SELECT d.revision FROM _commit d JOIN _collection k ON k.name = d.collection"
            " AND k.generation = d.generation WHERE d.collection = :name AND d.at <= :cutoff"
            " ORDER BY d.revision DESC LIMIT 1"
        )
        with transaction(self._connection, durable=False) as sql:
            return sql.execute(
                f"UPDATE _collection AS c SET horizon = h.revision FROM ({state}) AS h"  # noqa: S608 (declared names)
                f" WHERE c.name = :name AND c.horizon < h.revision AND EXISTS ({older})",
                self._values,
            ).rowcount

    def versions(self, last: int) -> tuple[int, int | None]:
        table = self._collection.versions
        return self._all_of(
            f'DELETE FROM "{table}" WHERE _id IN (SELECT _id FROM "{table}" WHERE _until <= :cutoff'  # noqa: S608
            " AND _until_revision <= (SELECT horizon FROM _collection WHERE name = :name) LIMIT :most)",
            last,
        )

    def rejects(self, last: int) -> tuple[int, int | None]:
        return self._all_of(
            "DELETE FROM _reject WHERE id IN (SELECT r.id FROM _reject r LEFT JOIN _attempt a ON a.id = r.last_attempt"
            " WHERE r.feed = :name AND r.count = 0 AND coalesce(a.ended_at, r.at) <= :cutoff LIMIT :most)",
            last,
        )

    def exchanges(self, last: int) -> tuple[int, int | None]:
        with transaction(self._connection, durable=False) as sql:
            seen = self._after(sql, "SELECT id, digest FROM _exchange WHERE feed = :name AND at <= :cutoff", last)
            uncited = self._uncited_exchange + self._also_uncited(sql, "_exchange", "e")
            gone = [
                (id_, digest) for id_, digest in seen if sql.execute(uncited, {**self._values, "id": id_}).fetchone()
            ]
            sql.executemany("DELETE FROM _exchange WHERE id = ?", [(id_,) for id_, _ in gone])
            sql.executemany(
                "DELETE FROM _body WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM _exchange e WHERE e.digest = ?)",
                [(digest, digest) for _, digest in gone],
            )
        return len(gone), _last(seen)

    def _also_uncited(self, sql: Connection, column: str, name: str) -> str:
        """A generation that is derived just now cites too: what only its rows came from is needed after its switch."""
        staged = replace(self._collection, staged=True)
        there = sql.tables()
        tables = [table for table in (staged.table, staged.versions) if table in there]
        terms = [f'AND NOT EXISTS (SELECT 1 FROM "{table}" WHERE {column} = {name}.id)' for table in tables]  # noqa: S608
        terms += [_NO_STAGED_REJECT] if tables and name == "e" else []
        return " ".join(["", *terms])

    @property
    def _uncited_exchange(self) -> str:
        """Open is a pass that has not ended; the last one that was merged before the cutoff is what a replay begins
        from: what it no longer had was retired by then.
        """
        current, versions = self._collection.table, self._collection.versions
        return (
            "SELECT 1 FROM _exchange e WHERE e.id = :id"  # noqa: S608 (declared names)
            f' AND NOT EXISTS (SELECT 1 FROM "{current}" WHERE _exchange = e.id)'
            f' AND NOT EXISTS (SELECT 1 FROM "{versions}" WHERE _exchange = e.id)'
            " AND NOT EXISTS (SELECT 1 FROM _reject r JOIN _attempt a ON a.id = r.last_attempt"
            " WHERE r.feed = e.feed AND r.partition = e.partition AND a.pass = e.pass)"
            " AND e.pass < (SELECT p.pass FROM _partition p WHERE p.feed = e.feed AND p.key = e.partition)"
            " AND e.pass < coalesce((SELECT max(a.pass) FROM _attempt a WHERE a.feed = e.feed"
            " AND a.partition = e.partition AND a.verdict = 'complete' AND a.ended_at <= :cutoff), e.pass + 1)"
        )

    def attempts(self, last: int) -> tuple[int, int | None]:
        with transaction(self._connection, durable=False) as sql:
            seen = self._after(sql, "SELECT id FROM _attempt WHERE feed = :name AND ended_at <= :cutoff", last)
            uncited = self._uncited_attempt + self._also_uncited(sql, "_attempt", "a")
            gone = [row for row in seen if sql.execute(uncited, row).fetchone()]
            sql.executemany("DELETE FROM _attempt WHERE id = ?", gone)
        return len(gone), _last(seen)

    @property
    def _uncited_attempt(self) -> str:
        current, versions = self._collection.table, self._collection.versions
        return (
            "SELECT 1 FROM _attempt a WHERE a.id = ?"  # noqa: S608 (declared names)
            f' AND NOT EXISTS (SELECT 1 FROM "{current}" WHERE _attempt = a.id)'
            f' AND NOT EXISTS (SELECT 1 FROM "{versions}" WHERE _attempt = a.id)'
            " AND NOT EXISTS (SELECT 1 FROM _exchange e WHERE e.feed = a.feed AND e.partition = a.partition"
            " AND e.pass = a.pass)"
            " AND NOT EXISTS (SELECT 1 FROM _reject r WHERE r.feed = a.feed AND r.partition = a.partition"
            " AND a.id IN (r.first_attempt, r.last_attempt))"
            " AND NOT EXISTS (SELECT 1 FROM _commit c JOIN _collection k ON k.name = c.collection"
            " AND k.generation = c.generation WHERE c.collection = a.feed AND c.revision = a.revision"
            " AND c.attempt = a.id AND c.revision >= k.horizon)"
        )

    def commits(self, last: int) -> tuple[int, int | None]:
        """Those before the horizon which no present record says that it came by."""
        with transaction(self._connection, durable=False) as sql:
            seen = sql.execute(
                "SELECT c.revision FROM _commit c JOIN _collection k ON k.name = c.collection"
                " AND k.generation = c.generation WHERE c.collection = :name AND c.revision > :last"
                " AND c.revision < k.horizon AND c.at <= :cutoff ORDER BY c.revision LIMIT :most",
                {**self._values, "last": last},
            ).fetchall()
            cited = f'SELECT 1 FROM "{self._collection.table}" WHERE _revision = ? LIMIT 1'  # noqa: S608
            gone = [(self._collection.name, *row) for row in seen if not sql.execute(cited, row).fetchone()]
            sql.executemany("DELETE FROM _commit WHERE collection = ? AND revision = ?", gone)
        return len(gone), _last(seen)

    def runs(self, last: int) -> tuple[int, int | None]:
        return self._all_of(
            "DELETE FROM _run WHERE id IN (SELECT id FROM _run r WHERE app = :app AND ended_at <= :cutoff"
            " AND NOT EXISTS (SELECT 1 FROM _attempt WHERE run = r.id) LIMIT :most)",
            last,
        )

    def _all_of(self, statement: str, last: int) -> tuple[int, int | None]:
        """One statement that finds what is left by itself, until there is nothing."""
        with transaction(self._connection, durable=False) as sql:
            removed = sql.execute(statement, self._values).rowcount
        return removed, last if removed == AT_A_TIME else None

    def _after(self, sql: Connection, select: str, last: int) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = sql.execute(
            f"{select} AND id > :last ORDER BY id LIMIT :most", {**self._values, "last": last}
        ).fetchall()
        return found


_NO_STAGED_REJECT = (
    "AND NOT EXISTS (SELECT 1 FROM _reject r JOIN _attempt a ON a.id = r.last_attempt"
    " WHERE r.feed = e.feed || '@next' AND r.partition = e.partition AND a.pass = e.pass)"
)


def _last(seen: list[tuple[int, ...]]) -> int | None:
    return seen[-1][0] if len(seen) == AT_A_TIME else None
