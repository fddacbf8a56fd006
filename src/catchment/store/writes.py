"""What people write: one thread takes what is waiting, commits it at once and durably, then answers everybody.

Each write is whole or not there, whatever becomes of the others in its commit. It brings its version, its author, its
roll-ups, its list elements, its audit and its revision in one transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ..clock import Clock
from ..errors import QueryError, StoreUnavailable
from ..settings import Settings
from . import allowances
from .change import apply
from .engines import Connection, Database, mapped, transaction
from .group import Group, HalfDone, new_keys
from .present import Present
from .tables import Collection
from .write import Done, Once, Write

__all__ = ["Done", "Once", "Write", "Writer"]

CAPACITY, BATCH = 1000, 256


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A write, and who waits for its answer: somebody in an event loop, or in a thread where there is none."""

    write: Write
    answer: asyncio.Future[Done] | Future[Done]
    loop: asyncio.AbstractEventLoop | None = None

    def goes_on(self) -> bool:
        """Whether somebody waits still: who does not has not been promised anything."""
        if isinstance(self.answer, Future):
            return self.answer.set_running_or_notify_cancel()
        return not self.answer.cancelled()


_Answers = list[tuple[asyncio.Future[Done] | Future[Done], Done | Exception]]


class Writer:
    """Writes to one database, from any thread. Nothing is opened before the first write.

    settings: hold how often people may write. UsageError where one cannot be read.
    batch: writes in one commit, at most. keys: what new records are called by, one after the other.
    """

    def __init__(
        self,
        database: Database,
        collections: Sequence[Collection],
        clock: Clock,
        settings: Settings = Settings(),  # noqa: B008 (frozen)
        *,
        capacity: int = CAPACITY,
        batch: int = BATCH,
        keys: Iterator[str] | None = None,
    ) -> None:
        self._database = database
        self._collections = {item.name: item for item in collections}
        self._clock = clock
        self._rates = allowances.rates(collections, settings)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._capacity = capacity
        self._batch = batch
        self._keys = new_keys() if keys is None else keys
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._connection: tuple[object, Connection] | None = None

    def submit(self, write: Write) -> Future[Done]:
        """What the write did, once it is on the disk; or the CatchmentError that says why it did nothing.

        Raises:
            QueryError: 503, too many are waiting.
            StoreUnavailable: the writer is closed.
        """
        answer: Future[Done] = Future()
        self._put(_Waiting(write, answer))
        return answer

    async def done(self, write: Write) -> Done:
        """The same in an event loop, which is woken once for all that was committed together."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Done] = loop.create_future()
        self._put(_Waiting(write, answer, loop))
        return await answer

    def _put(self, waiting: _Waiting) -> None:
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the service ends")
            if self._waiting.qsize() >= self._capacity:
                raise QueryError("too many writes are waiting; try again", kind="overloaded", status=503)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="catchment-writes", daemon=True)
                self._thread.start()
            self._waiting.put(waiting)

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
            self._answer([item for item in taken if item is not None and item.goes_on()])
        if self._connection is not None:
            self._connection[1].close()

    def _answer(self, taken: Sequence[_Waiting]) -> None:
        if not taken:
            return
        outcomes: Sequence[Done | Exception]
        try:
            outcomes = self._together([item.write for item in taken])
        except Exception as error:  # noqa: BLE001 (the top of a worker: it goes to everybody who waits)
            outcomes = [error] * len(taken)
        told: dict[asyncio.AbstractEventLoop | None, _Answers] = {}
        for item, outcome in zip(taken, outcomes, strict=True):
            told.setdefault(item.loop, []).append((item.answer, outcome))
        for loop, answers in told.items():
            if loop is None:
                _tell(answers)
            else:
                with contextlib.suppress(RuntimeError):  # it has ended, and with it whoever waited
                    loop.call_soon_threadsafe(_tell, answers)

    def _together(self, writes: Sequence[Write]) -> list[Done | Exception]:
        try:
            return self._commit(writes)
        except HalfDone:
            return self._commit(writes, apart=True)

    def _commit(self, writes: Sequence[Write], *, apart: bool = False) -> list[Done | Exception]:
        with transaction(self._open(), durable=True) as sql:
            group = Group(sql, self._clock.now(), apart, self._keys)
            outcomes = [self._alone(group, write) for write in writes]
            group.put()
            return outcomes

    def _open(self) -> Connection:
        """The connection; a database that was replaced (a restored backup) is another one under the same name."""
        identity = self._database.identity()
        if self._connection is not None and self._connection[0] != identity:
            self._connection[1].close()
            self._connection = None
        if self._connection is None:
            self._connection = identity, self._database.open()
        return self._connection[1]

    def _alone(self, group: Group, write: Write) -> Done | Exception:
        """What one write did, or why it did nothing: then all of it is undone, and nothing of the others."""
        try:
            with group.one(), mapped():
                return apply(Present(group.sql, self._collections, write.collection.app), write, group, self._rates)
        except Exception as error:  # also a fault in a declared rule: it is its writer's answer, nobody else's
            if isinstance(error, HalfDone) or not group.sql.in_transaction:
                raise  # the engine has undone everything: full, or broken
            return error


def _tell(answers: _Answers) -> None:
    for answer, outcome in answers:
        if answer.done():  # in an event loop somebody may give up at any time
            continue
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)
