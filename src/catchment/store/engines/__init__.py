"""The databases that a store may be in: what differs between them is here, a module an engine, and nowhere else.

SQL is written once. Its words are those that SQLite (from 3.40) and PostgreSQL (from 15) have in common: `ON CONFLICT`,
`RETURNING`, row values, window functions, `FILTER`, `IS NOT DISTINCT FROM`. Values are bound to `?` or `:name`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ...errors import StoreError
from . import sqlite
from .interface import (
    WORDS,
    Broken,
    Connection,
    Database,
    Down,
    Interrupted,
    Misunderstood,
    Rows,
    Taken,
    Undone,
    Watch,
    Words,
    Workers,
)
from .layout import Layout
from .moving import Moved, move
from .sqlite import mapped, scratch

__all__ = [
    "WORDS",
    "Broken",
    "Connection",
    "Database",
    "Down",
    "Interrupted",
    "Layout",
    "Misunderstood",
    "Moved",
    "Rows",
    "Taken",
    "Undone",
    "Watch",
    "Words",
    "Workers",
    "database_of",
    "mapped",
    "move",
    "part",
    "private",
    "scratch",
    "transaction",
]


def database_of(url: str) -> Database:
    """The database that a URL names. StoreError for one of no engine that we know, or whose driver is not there."""
    scheme, _, _ = url.partition(":")
    if scheme == "sqlite":
        return sqlite.database_of(url)
    if scheme in ("postgresql", "postgres"):
        try:
            from . import postgresql
        except ImportError as error:
            raise StoreError("PostgreSQL's driver is missing", hint="pip install 'catchment[postgres]'") from error
        return postgresql.database_of(url)
    raise StoreError(f"database {scheme}: is not supported", hint="use sqlite:///PATH or postgresql://HOST/DATABASE")


def private(folder: Path) -> Database:
    """A database in a folder of one's own, for what is thrown away with it."""
    return sqlite.File(folder / "private.sqlite")


@contextmanager
def part(sql: Connection) -> Iterator[None]:
    """A part of a transaction: where it raises an error nothing of it stays, and the rest may go on."""
    with mapped():
        sql.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if sql.in_transaction:
                sql.execute("ROLLBACK TO part")
            raise
        finally:
            if sql.in_transaction:
                sql.execute("RELEASE part")


def transaction(connection: Connection, *, durable: bool) -> AbstractContextManager[Connection]:
    """One write transaction, committed at the end, rolled back when anything is raised. There is one at a time.

    durable: on the disk before it returns. Otherwise it may be lost with the machine (never with the process).
    """
    return connection.transaction(durable=durable)
