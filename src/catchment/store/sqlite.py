"""SQLite: opening, one transaction, and its errors as ours. Nothing else knows which engine it is."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from ..errors import StoreError, StoreUnavailable

__all__ = ["BUSY_MS", "create", "mapped", "open_database", "path_of", "scratch", "transaction"]

BUSY_MS = 10_000


def path_of(url: str) -> Path:
    """The file of a `sqlite:///…` URL."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise StoreError(f"database {url.partition(':')[0]}: is not supported", hint="use sqlite:///PATH")
    return Path(url.removeprefix(prefix))


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that may write. The file and its folder are made when absent, readable by their owner only."""
    with mapped(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(
                f"data folder {path.parent} cannot be written: {error.strerror}", hint="choose another by --data"
            ) from error
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
        # Changing the mode waits for nobody: two processes that open a new file at once would be told "locked".
        with _alone(path.parent):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cache_size = -16000")
        return connection


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a lock on the folder. Not on the file: closing it again would drop the locks that SQLite has on it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def scratch() -> sqlite3.Connection:
    """A private database that lives in memory while it is small, then in a temporary file without a name."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -8000")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, *, durable: bool) -> Iterator[sqlite3.Connection]:
    """One write transaction, committed at the end, rolled back when anything is raised.

    It takes the write lock at once: a transaction that reads first and writes later is refused without waiting.
    durable: on the disk before it returns. Otherwise it may be lost with the machine (never with the process).
    """
    with mapped():
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)


@contextmanager
def mapped(path: Path | None = None) -> Iterator[None]:
    """Driver errors become StoreUnavailable or StoreError, told apart by their code."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        where = f"database {path}: " if path else "database: "
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in _UNAVAILABLE:
            raise StoreUnavailable(f"{where}{error} [{name}]", hint="it is tried again") from error
        hint = "move the file away, or name another by --data" if code == sqlite3.SQLITE_NOTADB else ""
        raise StoreError(f"{where}{error} [{name}]", hint=hint) from error


def create(connection: sqlite3.Connection, tables: list[sa.Table]) -> None:
    """Makes tables and indexes that are not there yet."""
    for table in tables:
        connection.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect.dialect())))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect.dialect())))
