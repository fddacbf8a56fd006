"""What people write: one thread takes what is waiting, commits it at once and durably, then answers everybody.

Each write is whole or not there, whatever becomes of the others in its commit. It brings its version, its author, its
roll-ups, its list elements, its audit and its revision in one transaction.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

from ..clock import Clock
from ..errors import QueryError, StoreUnavailable
from ..settings import Settings
from . import allowances
from .change import apply
from .present import Present
from .sqlite import mapped, open_database, transaction
from .tables import Collection
from .write import Done, Once, Write

__all__ = ["Done", "Once", "Write", "Writer"]

CAPACITY, BATCH = 1000, 256


class Writer:
    """Writes to one database, from any thread. Nothing is opened before the first write.

    settings: hold how often people may write. UsageError where one cannot be read.
    batch: writes in one commit, at most.
    """

    def __init__(
        self,
        path: Path,
        collections: Sequence[Collection],
        clock: Clock,
        settings: Settings = Settings(),  # noqa: B008 (frozen)
        *,
        capacity: int = CAPACITY,
        batch: int = BATCH,
    ) -> None:
        self._path = path
        self._collections = {item.name: item for item in collections}
        self._clock = clock
        self._rates = allowances.rates(collections, settings)
        self._waiting: queue.Queue[tuple[Write, Future[Done]] | None] = queue.Queue(capacity)
        self._batch = batch
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: tuple[tuple[int, int], sqlite3.Connection] | None = None

    def submit(self, write: Write) -> Future[Done]:
        """What the write did, once it is on the disk; or the CatchmentError that says why it did nothing.

        Raises:
            QueryError: 503, too many are waiting.
            StoreUnavailable: the writer is closed.
        """
        waiting: Future[Done] = Future()
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the service ends")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="catchment-writes", daemon=True)
                self._thread.start()
            try:
                self._waiting.put_nowait((write, waiting))
            except queue.Full:
                raise QueryError("too many writes are waiting; try again", kind="overloaded", status=503) from None
        return waiting

    def close(self) -> None:
        """Returns when all that was waiting is answered and the database is closed."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread is not None and thread.is_alive():
            self._waiting.put(None)
            thread.join()

    def _work(self) -> None:
        """One thread's life: wait for one, take what else is there, commit, answer. It has no idle state to miss."""
        open_ended = True
        while open_ended:
            taken = [self._waiting.get()]
            while len(taken) < self._batch and not self._waiting.empty():
                taken.append(self._waiting.get_nowait())
            open_ended = None not in taken
            # Somebody who no longer waits for the answer has not been promised anything.
            self._answer([item for item in taken if item is not None and item[1].set_running_or_notify_cancel()])
        if self._connection is not None:
            self._connection[1].close()

    def _answer(self, taken: Sequence[tuple[Write, Future[Done]]]) -> None:
        if not taken:
            return
        try:
            found = self._commit([write for write, _ in taken])
        except Exception as error:  # noqa: BLE001 (the top of a worker: it goes to everybody who waits)
            found = [error] * len(taken)
        for (_, waiting), outcome in zip(taken, found, strict=True):
            if isinstance(outcome, Exception):
                waiting.set_exception(outcome)
            else:
                waiting.set_result(outcome)

    def _commit(self, writes: Sequence[Write]) -> list[Done | Exception]:
        with transaction(self._database(), durable=True) as sql:
            now = self._clock.now()
            return [self._alone(sql, write, now) for write in writes]

    def _database(self) -> sqlite3.Connection:
        """The connection; a file that was replaced (a restored backup) is another file under the same name."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise StoreUnavailable("there is no data folder any more") from error
        identity = (found.st_dev, found.st_ino)
        if self._connection is not None and self._connection[0] != identity:
            self._connection[1].close()
            self._connection = None
        if self._connection is None:
            self._connection = identity, open_database(self._path)
        return self._connection[1]

    def _alone(self, sql: sqlite3.Connection, write: Write, now: datetime) -> Done | Exception:
        """What one write did, or why it did nothing: then all of it is undone, and nothing of the others."""
        sql.execute("SAVEPOINT one")
        try:
            with mapped():
                done = apply(Present(sql, self._collections, write.collection.app), write, now, self._rates)
        except Exception as error:  # also a fault in a declared rule: it is its writer's answer, nobody else's
            if not sql.in_transaction:
                raise  # the engine has undone everything: full, or broken
            sql.execute("ROLLBACK TO one")
            done = error  # type: ignore[assignment]  # given back as a value
        sql.execute("RELEASE one")
        return done
