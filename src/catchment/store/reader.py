"""The reading side of the store: connections that read only, and the snapshots that are read through them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..errors import QueryError, StoreError, StoreUnavailable
from ..settings import Settings
from .engines import Broken, Connection, Database, Down, Interrupted, Misunderstood, Watch, database_of, mapped
from .questions import Tables, tables
from .seen import State
from .snapshot import Snapshot, all_states
from .tables import Collection

__all__ = ["DEADLINE_S", "TOO_SLOW", "Reader"]

DEADLINE_S = 1.0
TOO_SLOW = "query-too-slow"
"""What is told of a question that is cut at its deadline."""
_IDLE_CONNECTIONS = 8
_FAILED = (Broken, Down, Interrupted, Misunderstood)
"""What the engines say of a question that failed; a reader is told nothing of how it is stored."""


class Reader:
    """Read-only access to one store. Connections are opened on use, kept while the database is the same one.

    near: a short question is answered sooner than a thread would take it.
    """

    def __init__(
        self, database: Database, collections: Sequence[Collection], *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._database = database
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._identity: object = None
        self._watch: tuple[Watch, Connection] | None = None
        self._remembered: dict[str, bytes] = {}
        self._states: tuple[object, dict[str, State]] = (None, {})
        self.near = database.near
        self.collections = {item.name: item for item in collections}
        self._tables: dict[str, Tables] = {}

    @classmethod
    def of(cls, settings: Settings, collections: Sequence[Collection], *, deadline_s: float = DEADLINE_S) -> Reader:
        """The reader of the database that the settings name."""
        return cls(database_of(settings.database), collections, deadline_s=deadline_s)

    def close(self) -> None:
        """Returns when no connection is kept any more."""
        with self._lock:
            self._forget()

    def tables(self, collection: Collection) -> Tables:
        """The collection's tables, for questions in the words of SQLAlchemy Core."""
        if collection.name not in self._tables:
            self._tables[collection.name] = tables(collection)
        return self._tables[collection.name]

    def states(self, *, anew: bool = False) -> Mapping[str, State]:
        """The present state of every collection; asks the database only whether it changed.

        anew: asks for the states, whatever was told of changes.

        Raises:
            StoreUnavailable: the file is missing or cannot be read.
        """
        try:
            with self._lock:
                self._check_file()
                if self._watch is None:
                    connection = self._database.read()
                    self._watch = self._database.watch(connection), connection
                watch, connection = self._watch
                seen = watch.changes()
                if anew or seen != self._states[0]:
                    with mapped():
                        self._states = (seen, all_states(connection))
                return self._states[1]
        except _FAILED as error:
            raise _told(error) from error

    @contextmanager
    def snapshot(self, deadline_s: float | None = None) -> Iterator[Snapshot]:
        """One read transaction: everything asked of it is of one moment, and ends within the deadline.

        deadline_s: in the place of the reader's own.

        Raises:
            StoreUnavailable: the file is missing or cannot be read.
            QueryError: 503 when a question takes too long.
        """
        try:
            connection = self._take()
            try:
                with mapped(), connection.snapshot(deadline_s or self._deadline_s):
                    yield Snapshot(connection, self._remembered)
            except _FAILED:
                connection.close()
                raise
            except BaseException:
                self._give_back(connection)
                raise
            self._give_back(connection)
        except _FAILED as error:
            raise _told(error) from error

    def _take(self) -> Connection:
        with self._lock:
            self._check_file()
            if self._idle:
                return self._idle.pop()
        return self._database.read()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _check_file(self) -> None:
        """A database that was replaced (a restored backup) is another one under the same name."""
        try:
            found = self._database.identity()
        except StoreUnavailable:
            self._forget()
            raise
        if found != self._identity:
            self._forget()
            self._identity = found

    def _forget(self) -> None:
        for opened in (*(self._watch or ()), *self._idle):
            opened.close()
        self._idle, self._watch, self._states, self._identity, self._remembered = [], None, (None, {}), None, {}


def _told(error: StoreError) -> Exception:
    """What a reader is told of an error of the store."""
    if isinstance(error, Interrupted):
        message = "the question takes too long; ask for less, by a filter that fewer records meet"
        return QueryError(message, kind=TOO_SLOW, status=503)
    if isinstance(error, Misunderstood):
        return StoreError("the store did not understand a question")
    return StoreUnavailable("the database cannot be read just now")
