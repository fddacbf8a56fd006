"""What operators asked for, done: orders out of the ledger become runs and replays, and what came of them is noted.

A collector takes them while it waits, and before a single run. Whatever breaks off (a kill, a stop, a full disk) leaves
the order to the next one: to ask or to derive again twice is to do it once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from .app import App
from .clock import Clock
from .errors import CatchmentError, StoreUnavailable, UsageError
from .plan import GOOD
from .replay import Replayed, replay
from .runs import Event, Result, Scope, Summary
from .settings import Settings
from .store.orders import Order
from .store.store import Store

__all__ = ["Orders"]

log = structlog.get_logger("catchment.orders")

STOP_S = 8.0
"""How long a replay may take to break off when the process is asked to end."""

T = TypeVar("T")


class _Stopped(Exception):
    """The process is to end: the replay breaks off, and the order stays."""


@dataclass(frozen=True)
class Orders:
    """The orders of one app, done in the process that collects it.

    run: one run of the app. stop: is set when the process is asked to end.
    """

    app: App
    store: Store
    settings: Settings
    clock: Clock
    run: Callable[[Scope], Awaitable[Summary]]
    stop: asyncio.Event

    async def obey(self, feeds: Sequence[str] = ()) -> int:
        """Does what is waiting, one after the other, and says how many orders that were. feeds: of these alone."""
        names = [self.app.collection(feed) for feed in self.app.feeds if not feeds or feed.name in feeds]
        count = 0
        while not self.stop.is_set():
            order = await self.store.derived(self.store.orders.take, names, self.clock.now())
            if order is None:
                break
            await self._do(order)
            count += 1
        return count

    async def _do(self, order: Order) -> None:
        """Does one, and notes what came of it; what the process's end broke off stays to be done."""
        log.info("order", id=order.id, verb=order.verb, feed=order.collection, partition=order.partition)
        try:
            good, result = await self._result(order)
        except (_Stopped, StoreUnavailable):
            return
        except CatchmentError as error:
            good, result = False, str(error)
        except Exception as error:  # an app's own function raised: the next order may go well
            log.exception("order failed", id=order.id)
            good, result = False, f"{type(error).__name__}: {error}"
        done = self.store.orders.done
        await self.store.derived(lambda: done(order.id, result, self.clock.now(), good=good))

    async def _result(self, order: Order) -> tuple[bool, str]:
        if order.verb in ("replay", "readmit"):
            return await self._replayed(order)
        summary = await self.run(await self.store.derived(self._scope, order))
        if self.stop.is_set() and any(result.reason == "stopped" for result in summary.results):
            raise _Stopped
        own = [result for result in summary.results if result.feed == order.collection]
        return all(result.verdict in GOOD for result in own), summary.fault or _in_words(own)

    def _scope(self, order: Order) -> Scope:
        """What a run is asked for."""
        feeds = (order.collection.partition("/")[2],)
        if order.verb == "resume":
            return Scope(feeds=feeds, retry=False)
        if not order.partition:
            return Scope(feeds=feeds, again=order.verb in ("start", "collect"))
        return Scope(only=self._named(order), feeds=feeds, again=True)

    def _named(self, order: Order) -> dict[str, Sequence[str]]:
        """The parameters of the order's partition. UsageError where the key is none."""
        if not order.partition:
            return {}
        known = self.store.ledger.states(order.collection).get(order.partition)
        pairs = known.partition.params if known else [pair.split("=", 1) for pair in order.partition.split(",")]
        if not all(len(pair) == 2 for pair in pairs):
            raise UsageError(f"{order.collection} has no partition {order.partition}")
        return {name: [value] for name, value in pairs}

    # -- from the archive ------------------------------------------------------------------------------------------

    async def _replayed(self, order: Order) -> tuple[bool, str]:
        named = await self.store.derived(self._named, order)
        # A replay notes rejects anew: the row is known by its bytes before and after.
        row = await self.store.derived(self.store.orders.rejected, order.reject) if order.reject else None
        if order.reject and row is None:
            return False, "there is no such reject any more"
        work = _beside(lambda: self._derive(order, named))
        stopped: asyncio.Future[Any] = asyncio.ensure_future(self.stop.wait())
        either: list[asyncio.Future[Any]] = [work, stopped]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not work.done():
            await asyncio.wait([work], timeout=STOP_S)
        if not work.done():
            raise _Stopped  # its thread ends with the process; what it derived so far nobody reads
        (done,) = await work
        said = f"{done.passes:,} answers derived again as generation {done.generation}, {done.after.rejects:,} rejects"
        if not done.complete:
            return False, f"{len(done.left):,} answers could not be derived again: {done.left[0].reason}"
        if row is not None:
            why = await self.store.derived(self.store.orders.refused, row)
            return why is None, f"refused as before: {why}" if why else f"it is a record by now; {said}"
        return True, said

    def _derive(self, order: Order, named: dict[str, Sequence[str]]) -> list[Replayed]:
        """A replay over connections of its own: however long it takes, collecting goes on beside it."""

        def tell(_: Event) -> None:
            if self.stop.is_set():
                raise _Stopped

        scope = Scope(only=named, feeds=(order.collection.partition("/")[2],))
        with Store(self.settings, [self.app], replaying=True) as store:
            return replay(self.app, scope, store, self.settings, self.clock, tell)


def _in_words(results: Sequence[Result]) -> str:
    """What came of a run, in a line."""
    if not results:
        return "nothing was due"
    counts = Counter(result.verdict or "not asked" for result in results)
    said = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    reasons = list(dict.fromkeys(result.reason for result in results if result.verdict not in GOOD and result.reason))
    return f"{said}: {'; '.join(reasons[:3])}" if reasons else said


def _beside(work: Callable[[], T]) -> asyncio.Future[T]:
    """What a function gives in a thread that keeps no process from ending."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def settle(note: Callable[[Any], None], value: Any) -> None:
        if not found.done():
            note(value)

    def run() -> None:
        note: Callable[[Any], None] = found.set_result
        value: Any
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 (it is raised again where the work is waited for)
            note, value = found.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, note, value)

    threading.Thread(target=run, name="catchment-replay", daemon=True).start()
    return found
