"""PostgreSQL: any number of readers and processes, and one writer at a time. Nothing else knows its driver."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from sqlalchemy.schema import CreateIndex, CreateTable

from ...clock import monotonic
from ...errors import StoreError, StoreUnavailable, UsageError
from . import interface, layouts, vectors
from .adapters import CONTEXT, types_of
from .compiling import dialect
from .failures import told
from .interface import WORDS, Down, Interrupted, Values, Words
from .layout import Layout
from .listening import CHANNEL, Listening, wrote
from .moving import SIGNING, move
from .presence import Presence
from .sqlite import File
from .words import spelled

__all__ = ["Connection", "Server", "database_of"]

BUSY_MS = 10_000
IDLE_MS = 60_000
"""So long may a writer do nothing inside its transaction, e.g. because it was stopped: then it is undone.

The server counts from an answer's end, and no more once it was sent something else. What sends many statements at once
(psycopg's pipeline) sends one thing more than it waits for: an empty statement after it has the time counted again.
"""

_LOCK = 0x63617463686D6E74  # "catchmnt": the store's writers take turns by it
_LONGEST_NAME = 63
_STREAMED = 20
"""Rows that are fetched together: each may be a piece of a body, of a MiB."""
_MANY = 16
_BINARY = " (FORMAT BINARY)"
_DIALECT = dialect()
_SESSION = {
    "lock_timeout": BUSY_MS,
    "idle_in_transaction_session_timeout": IDLE_MS,
    "client_min_messages": "warning",
    "synchronous_commit": "on",
    "plan_cache_mode": "force_custom_plan",  # many keys asked for at once are looked up, not compared one by one
    "random_page_cost": 1.1,
}


_CHANGING = ("INSERT", "UPDATE", "DELETE", "COPY")


class Connection:
    """A connection that opens itself again: what is not in a transaction does not notice that the server was away.

    Every transaction is durable, whatever was asked: the server may fall without us, and what somebody was told of it
    (a revision, a lease's token) must not be given out twice.
    """

    dialect: sa.Dialect = _DIALECT

    def __init__(self, server: Server, *, reads: bool = False) -> None:
        self._server = server
        self._reads = reads
        self.total_changes = 0
        self._end: float | None = None
        self._driver = self._connected()

    def _connected(self) -> psycopg.Connection[Any]:
        with told(self._server.label):
            return self._server.connect(reads=self._reads)

    @property
    def in_transaction(self) -> bool:
        return self._driver.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def execute(self, sql: str, values: Values = (), /) -> psycopg.RawCursor[Any]:
        statement = spelled(sql)
        return self._done(lambda cursor: cursor.execute(statement.sql, statement.bound(values)))

    def executemany(self, sql: str, rows: Iterable[Values], /) -> psycopg.RawCursor[Any]:
        statement, again = spelled(sql), self._for_again(rows)

        def many(cursor: psycopg.RawCursor[Any]) -> None:
            coming = iter(again)
            for first in coming:  # for no row nobody has to ask the server
                cursor.executemany(statement.sql, map(statement.bound, chain([first], coming)))
                if self.in_transaction:
                    self._driver.execute("")  # see `IDLE_MS`

        return self._done(many)

    def insert(self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        quoted, again = ", ".join(f'"{name}"' for name in names), self._for_again(rows)

        def copy(cursor: psycopg.RawCursor[Any]) -> None:
            coming = iter(again)
            first = list(islice(coming, _MANY))
            # Many are worth a question for the types by which they are sent as they are, and not as text.
            types = types_of(cursor, table) if len(first) == _MANY else {}
            with cursor.copy(f'COPY "{table}" ({quoted}) FROM STDIN{_BINARY * bool(types)}') as into:
                if types:
                    into.set_types([types[name] for name in names])
                for row in chain(first, coming):
                    into.write_row(row)

        self._done(copy)

    def _for_again(self, rows: Iterable[Any]) -> Iterable[Any]:
        """The rows, such that they can be gone through once more where a statement may be tried once more."""
        return rows if self.in_transaction else list(rows)

    def _together(self, *statements: str) -> None:
        """Several statements without values, on one way to the server and back."""
        self._done(lambda cursor: cursor.execute("; ".join(statements), prepare=False))

    def _done(self, step: Callable[[psycopg.RawCursor[Any]], object]) -> psycopg.RawCursor[Any]:
        """The cursor after a step. Outside of a transaction it is tried once more on a new connection."""
        alone = not self.in_transaction
        if alone and self._driver.closed:
            self._driver = self._connected()
        if self._end is not None and monotonic() > self._end:
            raise Interrupted("database: the deadline has passed")
        with told(self._server.label):
            try:
                return self._stepped(step)
            except psycopg.OperationalError:
                if not (alone and self._driver.broken):
                    raise
            self._driver = self._connected()
            return self._stepped(step)

    def _stepped(self, step: Callable[[psycopg.RawCursor[Any]], object]) -> psycopg.RawCursor[Any]:
        cursor = psycopg.RawCursor[Any](self._driver)
        step(cursor)
        if (cursor.statusmessage or "").startswith(_CHANGING):
            self.total_changes += max(cursor.rowcount, 0)
            if not self.in_transaction:  # it is committed already
                wrote(self._server.url)
                with suppress(psycopg.Error):  # what is done must not be taken for what is to be tried again
                    self._driver.execute(f"NOTIFY {CHANNEL}")
        return cursor

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[Connection]:  # noqa: ARG002 (every one is)
        try:
            self._together("BEGIN", f"SELECT pg_advisory_xact_lock({_LOCK})")
            before = self.total_changes
            yield self
            self._together(*[f"NOTIFY {CHANNEL}"] * (self.total_changes != before), "COMMIT")
            wrote(self._server.url)
        except BaseException:
            self._undo()
            raise

    @contextmanager
    def snapshot(self, deadline_s: float) -> Iterator[None]:
        most_ms = min(max(1, int(deadline_s * 1000)), 2**31 - 1)
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        try:
            waits = f"SET LOCAL idle_in_transaction_session_timeout = {max(most_ms, IDLE_MS)}"
            self._together(begin, f"SET LOCAL statement_timeout = {most_ms}", *[waits] * (most_ms > IDLE_MS))
            self._end = monotonic() + most_ms / 1000
            yield
            self._end = None
            self.execute("COMMIT")
        except BaseException:
            self._end = None
            self._undo()
            raise

    def _undo(self) -> None:
        if self.in_transaction:
            with suppress(StoreError):  # it is gone with its connection, which undoes it too
                self.execute("ROLLBACK")

    # -- tables --------------------------------------------------------------------------------------------------------

    def create(self, tables: Sequence[sa.Table]) -> None:
        there = self.tables() | self._indexes()
        for table in tables:
            if table.name not in there:
                self._named(table.name)
                self._together(str(CreateTable(table, if_not_exists=True).compile(dialect=_DIALECT)))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                if index.name not in there:
                    self._named(str(index.name))
                    self._together(str(CreateIndex(index, if_not_exists=True).compile(dialect=_DIALECT)))
            if words := table.info.get(WORDS):
                self._named(words.name)
                self._make_words(table.name, words)

    def _make_words(self, table: str, words: Words) -> None:
        """By a trigger words follow in the same transaction, whoever writes the rows."""
        follows = "SELECT obj_description(to_regclass(?)) FROM pg_trigger WHERE tgname = ? AND tgrelid = to_regclass(?)"
        fields = ",".join(words.fields)
        if self.execute(follows, (f'"{words.name}"', words.name, f'"{table}"')).fetchone() != (fields,):
            folds = self.execute("SELECT 1 FROM pg_collation WHERE collname = ?", (vectors.FOLDING,)).fetchone()
            self._together(*vectors.making(table, words, folds=folds is not None))

    def drop(self, table: str) -> None:
        triggers = "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(?) AND NOT tgisinternal"
        names = [name for (name,) in self.execute(triggers, (f'"{table}"',)) if name.endswith("__words")]
        self._together(*(f'DROP TABLE IF EXISTS "{name}"' for name in (*names, table)))

    @staticmethod
    def _named(name: str) -> None:
        if len(name.encode()) > _LONGEST_NAME:
            raise StoreError(
                f"{name} is too long a name for PostgreSQL", hint=f"it takes {_LONGEST_NAME} bytes: name it shorter"
            )

    def tables(self) -> set[str]:
        rows = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {name for (name,) in rows}

    def _indexes(self) -> set[str]:
        rows = self.execute("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
        return {name for (name,) in rows}

    def columns(self, table: str) -> list[str]:
        rows = self.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum",
            (f'"{table}"',),
        )
        return [name for (name,) in rows]

    def layouts(self) -> list[Layout]:
        return layouts.layouts(self)

    def stream(self, sql: str) -> Iterator[Any]:
        cursor = psycopg.RawCursor[Any](self._driver)
        with told(self._server.label):
            yield from cursor.stream(
                spelled(sql).sql, size=_STREAMED if psycopg.capabilities.has_stream_chunked() else 1
            )

    def number_on(self, table: str, column: str) -> None:
        last = f'SELECT max("{column}") FROM "{table}"'  # noqa: S608 (our own names)
        self.execute(f"SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'), ({last}))")

    def views(self) -> Mapping[str, str]:
        """The server keeps a view in its own words; ours stand in its comment."""
        rows = self.execute(
            "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class WHERE relkind = 'v'"
            " AND relnamespace = to_regnamespace(current_schema()) ORDER BY oid"
        )
        return {name: said for name, said in rows if said}

    def make_view(self, name: str, select: str) -> None:
        said = select.replace("'", "''")
        self._together(f'DROP VIEW IF EXISTS "{name}"')
        self._together(f'CREATE VIEW "{name}" AS {spelled(select).sql}')
        self._together(f"COMMENT ON VIEW \"{name}\" IS '{said}'")

    def rename(self, renamed: Sequence[tuple[str, str]]) -> None:
        views = self.views()  # each means a table, whatever that is called: so they are made anew
        for name in reversed(list(views)):
            self._together(f'DROP VIEW "{name}"')
        for old, new in renamed:
            self._together(f'ALTER TABLE "{old}" RENAME TO "{new}"')
        for name, select in views.items():
            self.make_view(name, select)

    def only_grows(self, table: str) -> None:
        name = f"{table}_only_grows"
        if self.execute("SELECT 1 FROM pg_trigger WHERE tgname = ?", (name,)).fetchone():
            return
        said = (
            f"RAISE EXCEPTION 'the {table.strip('_')} is append-only' USING ERRCODE = 'integrity_constraint_violation'"
        )
        self._together(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {said}; END $$",
            f"CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} EXECUTE FUNCTION {name}()",
        )

    def may_change(self, table: str) -> None:
        self.execute(f"DROP TRIGGER IF EXISTS {table}_only_grows ON {table}")

    def bulk(self) -> None:
        """The server's memory is the server's."""

    def overwrites(self) -> None:
        """What is removed stays in its place until `write_anew`."""

    def write_anew(self) -> bool:
        """The tables; not the server's log and its backups, which go as it is set up."""
        try:
            self._together("VACUUM (FULL)")
        except Down:
            return False
        return True

    def faults(self) -> Iterable[str]:
        rows = self.execute("SELECT CAST(indexrelid AS regclass) FROM pg_index WHERE NOT indisvalid")
        return (f"index {name} is not whole" for (name,) in rows)

    def close(self) -> None:
        self._driver.close()


@lru_cache(maxsize=64)
def _label(url: str) -> str:
    """Where it is, for every statement that may fail."""
    said = conninfo_to_dict(url)
    return f"{said.get('host') or 'localhost'}/{said.get('dbname') or said.get('user') or ''}"


@dataclass(frozen=True, slots=True)
class Server:
    """A database on a server. url: as libpq takes it; it may hold a password."""

    url: str = field(repr=False)

    @property
    def label(self) -> str:
        return _label(self.url)

    @property
    def near(self) -> bool:
        return False

    def connect(self, *, reads: bool = False) -> psycopg.Connection[Any]:
        """A connection of the driver. It raises the driver's errors."""
        said = conninfo_to_dict(self.url)
        session = {**_SESSION, "default_transaction_read_only": "on" if reads else "off"}
        options = " ".join([str(said.get("options") or ""), *(f"-c {name}={value}" for name, value in session.items())])
        own = {"connect_timeout": 5, "application_name": "catchment", "keepalives_idle": 30, "tcp_user_timeout": 10_000}
        found: psycopg.Connection[Any] = psycopg.connect(
            **{**own, **said, "options": options.strip(), "client_encoding": "UTF8"},  # type: ignore[arg-type]
            autocommit=True,
            context=CONTEXT,
        )
        found.prepare_threshold = 2
        found.prepared_max = 300
        return found

    def exists(self) -> bool:
        connection = Connection(self)
        try:
            return "_collection" in connection.tables()
        finally:
            connection.close()

    def identity(self) -> object:
        return self.url

    def open(self) -> Connection:
        return Connection(self)

    def read(self) -> Connection:
        connection = Connection(self, reads=True)
        try:
            if "_collection" not in connection.tables():
                raise StoreUnavailable("the database holds no data of ours yet", hint="run catchment collect")
        except BaseException:
            connection.close()
            raise
        return connection

    def watch(self, connection: interface.Connection) -> Listening:
        def ask() -> object:
            """What of all transactions is seen: as long as it is the same, nothing was committed by anybody."""
            return connection.execute("SELECT CAST(pg_current_snapshot() AS text)").fetchone()

        return Listening(self.url, self.connect, ask)

    @contextmanager
    def making(self) -> Iterator[Connection]:
        """All of it is one transaction."""
        connection = Connection(self)
        try:
            with connection.transaction(durable=True):
                if "_collection" in connection.tables():
                    raise UsageError(f"{self.label} holds data of ours already", hint="name an empty database")
                connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # the source may take its time
                yield connection
            connection.execute("ANALYZE")
        finally:
            connection.close()

    def copy_to(self, path: Path) -> None:
        move(self, File(path), without=SIGNING)

    def copy_from(self, path: Path) -> None:
        move(File(path), self)

    def workers(self) -> Presence:
        return Presence(Connection(self))


def database_of(url: str) -> Server:
    """The database of a `postgresql://…` URL. StoreError for what libpq does not read."""
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise StoreError(
            "the database's URL cannot be read", hint="write postgresql://USER@HOST:PORT/DATABASE"
        ) from None  # its text may hold the password
    return Server(url)
