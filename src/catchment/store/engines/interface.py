"""What a database is to the rest of the store. All that differs between engines stands behind these few names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from ...errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from .layout import Layout

__all__ = [
    "WORDS",
    "Broken",
    "Connection",
    "Database",
    "Down",
    "Interrupted",
    "Misunderstood",
    "Rows",
    "Taken",
    "Undone",
    "Watch",
    "Words",
    "Workers",
]

Values = Sequence[Any] | Mapping[str, Any]
"""Of a statement: for its `?`, or by the names of its `:name`."""


WORDS = "words"
"""Where a table's `info` says that words are looked for in it."""


@dataclass(frozen=True, slots=True)
class Words:
    """Full text of some fields of a table, found by the rows' `_id`. name: of the table that the words stand in."""

    name: str
    fields: tuple[str, ...]


class Down(StoreUnavailable):
    """The driver says: locked, full, gone; the same may go well later."""


class Undone(Down):
    """The database undid a transaction for the sake of another one: the same goes well when it is done again."""


class Broken(StoreError):
    """The driver says that it cannot be done."""


class Taken(StoreError):
    """A row is there already that has a key, or another value of which there is one only."""


class Interrupted(StoreError):
    """A question took longer than it may."""


class Misunderstood(StoreError):
    """A statement is no SQL, or is about what is not there."""


class Rows(Protocol):
    """What a statement gave. rowcount: how many rows it changed; of many statements, all of them together."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchmany(self, size: int, /) -> list[Any]: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection, used by one thread at a time.

    SQL is written once, in what the engines have in common (see the package). Whoever calls stands inside of `mapped`
    or of `transaction`, so that no driver's error gets out.
    """

    @property
    def dialect(self) -> sa.Dialect:
        """For questions and tables in the words of SQLAlchemy Core."""
        ...

    @property
    def in_transaction(self) -> bool: ...
    @property
    def total_changes(self) -> int:
        """How many rows were changed through it since it was opened."""
        ...

    def execute(self, sql: str, values: Values = ..., /) -> Rows: ...
    def executemany(self, sql: str, rows: Iterable[Values], /) -> Rows: ...

    def insert(self, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Adds very many new rows. Taken where one of them is there."""
        ...

    def snapshot(self, deadline_s: float) -> AbstractContextManager[None]:
        """One moment of the database. Interrupted where a question about it is asked after the deadline, or takes so
        long.
        """
        ...

    def transaction(self, *, durable: bool) -> AbstractContextManager[Connection]:
        """One write transaction: see `engines.transaction`."""
        ...

    def create(self, tables: Sequence[sa.Table]) -> None:
        """Makes tables and indexes that are not there yet, and the words of those that have some (`WORDS`)."""
        ...

    def drop(self, table: str) -> None:
        """Removes a table that may be there, with its words."""
        ...

    def tables(self) -> set[str]:
        """The names of all tables."""
        ...

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns in their order; none where there is no such table."""
        ...

    def layouts(self) -> list[Layout]:
        """All tables that rows are kept in, as they stand, in the order of their names."""
        ...

    def stream(self, sql: str) -> Iterator[Any]:
        """The rows of a question, of which there may be more than memory has room for."""
        ...

    def number_on(self, table: str, column: str) -> None:
        """Has the numbers that the engine gives new rows go on behind those that rows were given elsewhere."""
        ...

    def views(self) -> Mapping[str, str]:
        """Our views by name, each with the SELECT that it was made from."""
        ...

    def make_view(self, name: str, select: str) -> None:
        """Makes a view, in the place of one of that name."""
        ...

    def rename(self, renamed: Sequence[tuple[str, str]]) -> None:
        """Gives tables other names, in that order. A view means whatever table has the name that it says."""
        ...

    def only_grows(self, table: str) -> None:
        """Has the table refuse, from now on, that a row is changed, replaced or removed."""
        ...

    def may_change(self, table: str) -> None:
        """Takes that back, until `only_grows` is said again."""
        ...

    def bulk(self) -> None:
        """Has this connection use as much memory as loading very many rows is worth."""
        ...

    def overwrites(self) -> None:
        """Has what this connection removes be overwritten, where the engine would leave it in place."""
        ...

    def write_anew(self) -> bool:
        """Whether nothing that was removed is anywhere in the database's files any more: it is written anew."""
        ...

    def faults(self) -> Iterable[str]:
        """What the engine itself finds wrong with its files."""
        ...

    def close(self) -> None: ...


class Watch(Protocol):
    """Whether something was committed since: by this process at once, by others as soon as the engine tells."""

    def changes(self) -> object:
        """Another value whenever something was committed by another connection."""
        ...

    def close(self) -> None: ...


class Workers(Protocol):
    """This process's name among the workers (`me`), and whether another one is alive."""

    @property
    def me(self) -> str: ...
    def alive(self, name: str) -> bool: ...
    def close(self) -> None: ...


class Database(Protocol):
    """Where a store is: a value that opens nothing until it is asked."""

    @property
    def label(self) -> str:
        """How it is called in an error: without a secret."""
        ...

    @property
    def near(self) -> bool:
        """Whether a short question is answered sooner than a thread would take it: there is no server to wait for."""
        ...

    def exists(self) -> bool:
        """Whether it was ever made."""
        ...

    def identity(self) -> object:
        """Another value for another database under the same name: a restored backup. StoreUnavailable without one."""
        ...

    def open(self) -> Connection:
        """A connection that may write; what is missing is made, but no table."""
        ...

    def read(self) -> Connection:
        """A connection that reads only. StoreUnavailable where there is nothing of ours."""
        ...

    def watch(self, connection: Connection) -> Watch:
        """What tells of commits; it may ask through the connection, which stays the caller's."""
        ...

    def making(self) -> AbstractContextManager[Connection]:
        """A connection that fills a new database, which is there as a whole when the context is left. UsageError where
        there is one.
        """
        ...

    def copy_to(self, path: Path) -> None:
        """Copies one moment of the database into a new SQLite file, without what signs cursors."""
        ...

    def copy_from(self, path: Path) -> None:
        """Makes the database, which is not there, of such a file."""
        ...

    def workers(self) -> Workers:
        """This process among all that work on the database."""
        ...
