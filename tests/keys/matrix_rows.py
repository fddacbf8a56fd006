"""The rows of a database as they were at first: whether they are others by now, and back to them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from catchment.store.engines import Connection, transaction

APART = "_audit"
"""The table that nobody looks at here: a denial is to be noted in it."""


class Kept:
    """The rows of one engine's database. It looks at them only where somebody has committed something since."""

    def __init__(self, rows: "_File | _Server") -> None:
        self._rows = rows
        self._seen, self._first = rows.version(), rows.contents()

    def changed(self) -> bool:
        seen, self._seen = self._seen, self._rows.version()
        return self._seen != seen and self._rows.contents() != self._first

    def restore(self) -> None:
        self._rows.restore()
        self._seen = self._rows.version()


@contextmanager
def kept(sql: Connection) -> Iterator[Kept]:
    """The rows as they are now, of a database that only others write to."""
    if isinstance(sql, sqlite3.Connection):
        with closing(sqlite3.connect(":memory:")) as pristine:
            yield Kept(_File(sql, pristine))
    else:
        yield Kept(_Server(sql))


class _File:
    """Copied as a whole, there and back."""

    def __init__(self, sql: sqlite3.Connection, pristine: sqlite3.Connection) -> None:
        self._sql, self._pristine = sql, pristine
        sql.backup(pristine)

    def version(self) -> object:
        """Another one after anybody's commit."""
        return self._sql.execute("PRAGMA data_version").fetchone()

    def contents(self) -> list[object]:
        names = self._sql.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name != ?", (APART,))
        return [(name, self._sql.execute(f'SELECT * FROM "{name}"').fetchall()) for (name,) in names.fetchall()]

    def restore(self) -> None:
        self._pristine.backup(self._sql)


class _Server:
    """Each table has a copy, which is gone with the connection; those that differ get its rows again."""

    def __init__(self, sql: Connection) -> None:
        self._sql = sql
        self._copies = {name: f"first_{number}" for number, name in enumerate(sorted(sql.tables() - {APART}))}
        for name, copy in self._copies.items():
            sql.execute(f'CREATE TEMPORARY TABLE {copy} AS TABLE "{name}"')
        digest = "SELECT '{0}', md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{0}\" AS t"
        self._asked = " UNION ALL ".join(map(digest.format, self._copies))
        self._first = set(self.contents())

    def version(self) -> object:
        """Another one after anybody's commit."""
        return self._sql.execute("SELECT pg_current_snapshot()::text").fetchone()

    def contents(self) -> list[tuple[str, str | None]]:
        return self._sql.execute(self._asked).fetchall()

    def restore(self) -> None:
        others = sorted({name for name, _ in set(self.contents()) - self._first})
        with transaction(self._sql, durable=False) as sql:
            sql.execute(
                "SET LOCAL session_replication_role = replica"
            )  # what follows rows by a trigger is put back too
            for name in others:
                sql.execute(f'DELETE FROM "{name}"')
                sql.execute(f'INSERT INTO "{name}" TABLE {self._copies[name]}')
