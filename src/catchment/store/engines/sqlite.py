"""SQLite: one file, one writer. Nothing else knows its driver, its pragmas and its codes."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.schema import CreateIndex, CreateTable

from ...clock import monotonic, worked
from ...errors import StoreError, StoreUnavailable, UsageError
from ..workers import LocalWorkers
from . import fulltext, interface
from .interface import WORDS, Broken, Down, Interrupted, Misunderstood, Taken
from .layout import Column, Index, Kind, Layout

__all__ = ["BUSY_MS", "Connection", "File", "database_of", "mapped", "scratch"]

BUSY_MS = 10_000
BULK_KIB = 1_000_000
READ_KIB = 8_000
"""What a reading connection keeps of the file: the upper pages of large indexes, which every search comes by."""

_STEPS_BETWEEN_CHECKS = 10_000
_PATIENCE = 4
"""How many times its deadline a question may last where the machine is busy with other work."""
_DIALECT = dialects.dialect()
_KINDS: Mapping[str, Kind] = {"INTEGER": "integer", "DOUBLE": "double", "BLOB": "bytes"}


class Connection(sqlite3.Connection):
    """The driver's own connection, with what else the store asks of one."""

    dialect: sa.Dialect = _DIALECT

    def insert(self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        quoted, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
        self.executemany(f'INSERT INTO "{table}" ({quoted}) VALUES ({marks})', rows)  # noqa: S608 (declared names)

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[Connection]:
        """The write lock is taken at once: who reads first and writes later is refused without waiting."""
        with mapped():
            self.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self.execute("BEGIN IMMEDIATE")
            try:
                before = self.total_changes
                yield self
                if self.total_changes != before:
                    fulltext.follow(self)
                self.execute("COMMIT")
            except BaseException:
                if self.in_transaction:
                    self.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self, deadline_s: float) -> Iterator[None]:
        """One moment of the database; what is asked of it ends within the deadline.

        The deadline is of work, so that a busy machine refuses nothing that an idle one answers.
        """
        start, began = monotonic(), {threading.get_ident(): worked()}

        def is_late() -> bool:
            if threading.get_ident() not in began:  # another thread has worked for others before
                began[threading.get_ident()] = worked()
            passed = monotonic() - start
            if passed <= deadline_s:  # nobody has worked longer than that, and this clock needs no call of the system
                return False
            return passed > _PATIENCE * deadline_s or worked() - began[threading.get_ident()] > deadline_s

        self.set_progress_handler(is_late, _STEPS_BETWEEN_CHECKS)
        try:
            self.execute("BEGIN")
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:
                self.execute("ROLLBACK")
            raise
        finally:
            self.set_progress_handler(None, 0)

    def create(self, tables: Sequence[sa.Table]) -> None:
        there = {name for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')")}
        for table in tables:
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            parts: list[sa.Table | sa.Index] = [table, *indexes]
            for part in parts:
                if part.name not in there:
                    self.execute(_definition(part))
            if words := table.info.get(WORDS):
                fulltext.make(self, table.name, words)

    def drop(self, table: str) -> None:
        fulltext.drop(self, table)
        self.execute(f'DROP TABLE IF EXISTS "{table}"')

    def tables(self) -> set[str]:
        return {name for (name,) in self.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.execute(f'PRAGMA table_info("{table}")')]

    def layouts(self) -> list[Layout]:
        names = self.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*'"
            " AND name <> ? ORDER BY name",
            (fulltext.DUE,),
        ).fetchall()
        return [self._layout(name) for (name,) in names]

    def _layout(self, table: str) -> Layout:
        found = self.execute(f'PRAGMA table_info("{table}")').fetchall()
        columns = (
            Column(name, _KINDS.get(kind, "text"), not strict, default and default.strip("'"))
            for _, name, kind, strict, default, _ in found
        )
        key = [name for place, name in sorted((row[5], row[1]) for row in found) if place]
        ones, indexes = set[tuple[str, ...]](), set[Index]()
        for _, name, unique, origin, _ in self.execute(f'PRAGMA index_list("{table}")').fetchall():
            parts = self.execute('SELECT name, "desc" FROM pragma_index_xinfo(?) WHERE key', (name,)).fetchall()
            fields = tuple("-" * way + field for field, way in parts)
            if origin == "c":
                indexes.add(Index(name, fields, bool(unique)))
            elif origin == "u":
                ones.add(fields)
        return Layout(table, tuple(columns), tuple(key), frozenset(ones), frozenset(indexes), fulltext.of(self, table))

    def stream(self, sql: str) -> Iterator[Any]:
        yield from self.execute(sql)

    def number_on(self, table: str, column: str) -> None:
        """They do by themselves."""

    def views(self) -> Mapping[str, str]:
        rows = self.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
        return {name: sql.partition(" AS ")[2] for name, sql in rows}

    def make_view(self, name: str, select: str) -> None:
        self.execute(f'DROP VIEW IF EXISTS "{name}"')
        self.execute(f'CREATE VIEW "{name}" AS {select}')

    def rename(self, renamed: Sequence[tuple[str, str]]) -> None:
        # A view means whatever has the name: it must not follow the table that loses it.
        self.execute("PRAGMA legacy_alter_table = ON")
        for old, new in renamed:
            self.execute(f'ALTER TABLE "{old}" RENAME TO "{new}"')

    def only_grows(self, table: str) -> None:
        # REPLACE deletes without telling a trigger on DELETE, so an id that is taken is refused as well.
        for what, when in (
            ("update", "BEFORE UPDATE"),
            ("delete", "BEFORE DELETE"),
            ("replace", f"BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"),  # noqa: S608
        ):
            on = when if " ON " in when else f"{when} ON {table}"
            said = f"RAISE(ABORT, 'the {table.strip('_')} is append-only')"
            self.execute(f"CREATE TRIGGER IF NOT EXISTS {table}_no_{what} {on} BEGIN SELECT {said}; END")

    def may_change(self, table: str) -> None:
        for what in ("update", "delete", "replace"):
            self.execute(f"DROP TRIGGER IF EXISTS {table}_no_{what}")

    def bulk(self) -> None:
        self.execute(f"PRAGMA cache_size = -{BULK_KIB}")

    def overwrites(self) -> None:
        self.execute("PRAGMA secure_delete = ON")

    def write_anew(self) -> bool:
        try:
            with mapped():
                fulltext.merge(self)
                self.execute("VACUUM")
                busy, _, _ = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except Down:
            return False
        return not busy

    def faults(self) -> Iterable[str]:
        return (text for (text,) in self.execute("PRAGMA integrity_check") if text != "ok")


@dataclass(frozen=True, slots=True)
class Watching:
    """Whether something was committed, found out each time: that is as quick as it is exact."""

    connection: interface.Connection

    def changes(self) -> object:
        try:  # once a request: entering `mapped` costs more than what is asked
            return self.connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise _meant(error) from error

    def close(self) -> None:
        """The connection is not its own."""


@dataclass(frozen=True, slots=True)
class File:
    """The database in one file."""

    path: Path

    @property
    def label(self) -> str:
        return str(self.path)

    @property
    def near(self) -> bool:
        return True

    def exists(self) -> bool:
        return self.path.exists()

    def identity(self) -> object:
        try:
            found = os.stat(str(self.path))  # noqa: PTH116 (once a request: the plain call is the cheapest)
        except OSError as error:
            raise StoreUnavailable("there is no data yet", hint="run catchment collect") from error
        return found.st_dev, found.st_ino

    def open(self) -> Connection:
        """The file and its folder are made when absent, readable by their owner only."""
        with mapped(self.path):
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.path.touch(mode=0o600)
            except OSError as error:
                message = f"data folder {self.path.parent} cannot be written: {error.strerror}"
                raise StoreError(message, hint="choose another by --data") from error
            connection = _connect(self.path, timeout=BUSY_MS / 1000)
            # Changing the mode waits for nobody: two processes that open a new file at once would be told "locked".
            with _alone(self.path.parent):
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cache_size = -16000")
            return connection

    def read(self) -> Connection:
        """StoreUnavailable where the file is none of ours."""
        self.identity()
        with mapped(self.path):
            # Writers wait for nobody in WAL mode; the timeout is for the moment of a checkpoint or a recovery.
            name = f"file:{quote(str(self.path.absolute()))}?mode=ro"
            connection = _connect(name, timeout=1.0, uri=True, cached_statements=256)
            try:
                connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # nor any other file
                connection.execute("PRAGMA query_only = 1")
                connection.execute("PRAGMA trusted_schema = 0")
                connection.execute(f"PRAGMA cache_size = -{READ_KIB}")
                if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_collection'").fetchone():
                    raise StoreUnavailable("the file holds no data of ours yet", hint="run catchment collect")
            except BaseException:
                connection.close()
                raise
            return connection

    def watch(self, connection: interface.Connection) -> Watching:
        return Watching(connection)

    @contextmanager
    def making(self) -> Iterator[Connection]:
        """It is made beside its place, and put there at the end: nothing of it has to be undone."""
        if self.exists():
            raise UsageError(f"{self.label} is there already", hint="name one that is not: nothing is overwritten")
        with self._beside() as beside, mapped(beside):
            connection = _connect(beside)
            try:
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()

    @contextmanager
    def _beside(self) -> Iterator[Path]:
        """A new file, which becomes the database's when it is whole and on the disk."""
        beside = self.path.with_name(f"{self.path.name}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.unlink(missing_ok=True)
            beside.touch(mode=0o600)
            yield beside
            with beside.open("rb") as made:
                os.fsync(made.fileno())
            beside.rename(self.path)
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written: {error.strerror}", hint="choose another by --data"
            ) from error
        finally:
            with suppress(OSError):  # it is told above
                beside.unlink(missing_ok=True)

    def copy_to(self, path: Path) -> None:
        """In one step: a copy in several begins anew whenever somebody writes."""
        source = self.read()
        try:
            with mapped(path):
                path.touch(mode=0o600)
                into = _connect(path)
                try:
                    source.backup(into)
                    into.execute("PRAGMA secure_delete = ON")
                    into.execute("DELETE FROM _meta WHERE name = 'cursor-key'")
                    into.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
                finally:
                    into.close()
        finally:
            source.close()

    def copy_from(self, path: Path) -> None:
        with self._beside() as beside:
            shutil.copyfile(path, beside)

    def workers(self) -> LocalWorkers:
        return LocalWorkers(self.path.parent / "workers")


def database_of(url: str) -> File:
    """The file of a `sqlite:///…` URL."""
    scheme, found, path = url.partition(":///")
    if scheme != "sqlite" or not found or not path:
        raise StoreError("the database is no SQLite file", hint="write sqlite:///PATH")
    return File(Path(path))


@lru_cache(maxsize=1024)
def _definition(part: sa.Table | sa.Index) -> str:
    """The statement that makes it. Tables are the same in every database, and take longer to say than to do."""
    definition = CreateTable(part) if isinstance(part, sa.Table) else CreateIndex(part)
    return str(definition.compile(dialect=_DIALECT))


def _connect(name: Path | str, **options: Any) -> Connection:
    return sqlite3.connect(name, isolation_level=None, check_same_thread=False, factory=Connection, **options)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a lock on the folder. Not on the file: closing it again would drop the locks that SQLite has on it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def scratch() -> Connection:
    """A private database that lives in memory while it is small, then in a temporary file without a name."""
    connection = _connect("")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -8000")
    return connection


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
_TAKEN = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_ERRORS: Mapping[int, type[StoreError]] = {
    **dict.fromkeys(_UNAVAILABLE, Down),
    sqlite3.SQLITE_INTERRUPT: Interrupted,
    sqlite3.SQLITE_ERROR: Misunderstood,
}
_HINTS: Mapping[int, str] = {
    **dict.fromkeys(
        (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED), "another process writes to it: try again when that is done"
    ),
    **dict.fromkeys(
        (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
        "it has to be readable and writable for whoever runs this, or choose another by --data",
    ),
    sqlite3.SQLITE_FULL: "make room on its disk, then try again",
    sqlite3.SQLITE_IOERR: "look at its disk, then try again",
    sqlite3.SQLITE_NOMEM: "there is too little memory: end something else, then try again",
    sqlite3.SQLITE_NOTADB: "move the file away, or name another by --data",
}


@contextmanager
def mapped(path: Path | None = None) -> Iterator[None]:
    """Driver errors become ours, told apart by their code."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meant(error, path) from error


def _meant(error: sqlite3.Error, path: Path | None = None) -> StoreError:
    """The error of ours that the driver's is."""
    code = getattr(error, "sqlite_errorcode", 0)
    kind = Taken if code in _TAKEN else _ERRORS.get(code & 0xFF, Broken)
    where = f"database {path}: " if path else "database: "
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return kind(f"{where}{error} [{name}]", hint=_HINTS.get(code & 0xFF, ""))
