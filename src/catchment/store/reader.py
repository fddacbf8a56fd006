"""The reading side of the store: read-only connections to one file, and the snapshots that are read through them."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ..clock import monotonic
from ..errors import QueryError, StoreError, StoreUnavailable, UsageError
from ..settings import Settings
from .questions import Tables, tables
from .snapshot import Snapshot, State, all_states
from .tables import Collection

__all__ = ["Reader", "sqlite_path"]

DEADLINE_S = 1.0
_STEPS_BETWEEN_CHECKS = 2000
_IDLE_CONNECTIONS = 8


def sqlite_path(database: str) -> Path:
    """The file that a database URL names. UsageError where the URL is none of SQLite."""
    scheme, found, path = database.partition(":///")
    if scheme != "sqlite" or not found or not path:
        raise UsageError("the database is not a SQLite file", hint="write sqlite:///PATH")
    return Path(path)


class Reader:
    """Read-only access to one store file. Connections are opened on use, kept while the file is the same one."""

    def __init__(self, path: Path, collections: Sequence[Collection], *, deadline_s: float = DEADLINE_S) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None
        self._watch: sqlite3.Connection | None = None
        self._states: tuple[int, dict[str, State]] = (-1, {})
        self.collections = {item.name: item for item in collections}
        self._tables: dict[str, Tables] = {}

    @classmethod
    def of(cls, settings: Settings, collections: Sequence[Collection]) -> Reader:
        """The reader of the database that the settings name."""
        return cls(sqlite_path(settings.database), collections)

    def close(self) -> None:
        """Returns when no connection is kept any more."""
        with self._lock:
            self._forget()

    def tables(self, collection: Collection) -> Tables:
        """The collection's tables, for questions in the words of SQLAlchemy Core."""
        if collection.name not in self._tables:
            self._tables[collection.name] = tables(collection)
        return self._tables[collection.name]

    def states(self) -> Mapping[str, State]:
        """The present state of every collection; asks the file only whether it changed.

        Raises:
            StoreUnavailable: the file is missing or cannot be read.
        """
        with self._lock, _wrapped():
            self._check_file()
            if self._watch is None:
                self._watch = connect(self._path)
            seen = int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            if seen != self._states[0]:
                self._states = (seen, all_states(self._watch))
            return self._states[1]

    @contextmanager
    def snapshot(self, deadline_s: float | None = None) -> Iterator[Snapshot]:
        """One read transaction: everything asked of it is of one moment, and ends within the deadline.

        deadline_s: in the place of the reader's own.

        Raises:
            StoreUnavailable: the file is missing or cannot be read.
            QueryError: 503 when a question takes too long.
        """
        with _wrapped():
            connection = self._take()
            end = monotonic() + (deadline_s or self._deadline_s)
            connection.set_progress_handler(lambda: monotonic() > end, _STEPS_BETWEEN_CHECKS)
            try:
                connection.execute("BEGIN")
                yield Snapshot(connection)
                connection.execute("COMMIT")
            except sqlite3.Error:
                connection.close()
                raise
            except BaseException:
                connection.execute("ROLLBACK")
                self._give_back(connection)
                raise
            self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            self._check_file()
            if self._idle:
                return self._idle.pop()
        return connect(self._path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(None, 0)
        with self._lock:
            if len(self._idle) < _IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _check_file(self) -> None:
        """A file that was replaced (a restored backup) is another file under the same name."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 (once a request: the plain call is the cheapest)
        except OSError as error:
            self._forget()
            raise StoreUnavailable("there is no data yet", hint="run catchment collect") from error
        if (found.st_dev, found.st_ino) != self._file:
            self._forget()
            self._file = (found.st_dev, found.st_ino)

    def _forget(self) -> None:
        for connection in (*self._idle, *((self._watch,) if self._watch else ())):
            connection.close()
        self._idle, self._watch, self._states, self._file = [], None, (-1, {}), None


def connect(path: Path) -> sqlite3.Connection:
    """A read-only connection. StoreUnavailable where the file is none of ours."""
    # Writers wait for nobody in WAL mode; the timeout is for the moment of a checkpoint or a recovery.
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=1.0,
        cached_statements=256,
    )
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA trusted_schema = 0")
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_collection'").fetchone():
            raise StoreUnavailable("the file holds no data of ours yet", hint="run catchment collect")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _wrapped() -> Iterator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code == sqlite3.SQLITE_INTERRUPT:
            message = "the question takes too long; ask for less, or declare an index: Feed(indexes=[(field, …)])"
            raise QueryError(message, kind="too-slow", status=503) from error
        if code == sqlite3.SQLITE_ERROR:
            raise StoreError("the store did not understand a question") from error
        raise StoreUnavailable("the database cannot be read just now") from error
