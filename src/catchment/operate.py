"""Collecting as a command does it: once, or for as long as the process lives; and how things stand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from .app import App
from .budget import left_today
from .clock import Clock, heartbeat
from .collect import Collector
from .decode import model_digest
from .errors import CatchmentError, StoreUnavailable
from .feed import Feed
from .held import unreadable_row
from .orders import Orders
from .partitions import Surroundings
from .plan import GOOD
from .planner import Planner
from .principal import LOOPBACK
from .processes import on_stop
from .resource import Resource
from .runs import Forecast, OnEvent, Scope, Summary
from .settings import Settings
from .store.budgets import Budgets
from .store.desk import Noted
from .store.engines import database_of
from .store.reader import Reader
from .store.store import Store
from .store.tables import collections_of

__all__ = [
    "Standing",
    "allowance",
    "check_all",
    "collect_once",
    "forecasts",
    "keep_collecting",
    "outdated",
    "standings",
]

log = structlog.get_logger("catchment.operate")

DRAIN_S = 8.0
"""How long partitions under way may take after the first signal: the whole end takes less than 10 s."""

AGAIN_S = 5.0
"""How soon to try again when the store was locked, or another worker had all that was due."""

ORDERS_S = 1.0
"""How often a waiting collector looks for orders."""

LOOK_S = 60.0
"""At least this often a waiting collector looks again: another process may have changed what is due."""


DRIFT = timedelta(days=7)
"""How long `status` tells that an upstream changed something."""


async def collect_once(
    scopes: Sequence[tuple[App, Scope]], store: Store, settings: Settings, clock: Clock, tell: OnEvent
) -> dict[str, Summary]:
    """One run of each app, side by side; ends when nothing is due. Gives app -> summary.

    What operators asked for of these feeds is done before. The first signal drains; what was not reached is in the
    summary as `stopped`.
    """
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        collectors = [await _collector(stack, app, scope, store, settings, clock, tell) for app, scope in scopes]
        runs = [
            _Runs(app, collector, store, settings, clock)
            for (app, _), collector in zip(scopes, collectors, strict=True)
        ]
        work = asyncio.gather(*(each.once(scope, stop) for each, (_, scope) in zip(runs, scopes, strict=True)))

        def end() -> None:
            stop.set()
            _drain(collectors)

        with on_stop(end):
            summaries = await work
    return {app.name: summary for (app, _), summary in zip(scopes, summaries, strict=True)}


async def _collector(
    stack: AsyncExitStack, app: App, scope: Scope, store: Store, settings: Settings, clock: Clock, tell: OnEvent
) -> Collector:
    collector = Collector(app, store, settings, clock, tell)
    collector.check(scope)
    return await stack.enter_async_context(collector)


@dataclass(frozen=True)
class _Runs:
    """The runs of one app."""

    app: App
    collector: Collector
    store: Store
    settings: Settings
    clock: Clock

    async def run(self, scope: Scope) -> Summary:
        """One run; where it changed something, the app's `after` has been called with what there is now."""
        if self.app.after is None:
            return await self.collector.run(scope)
        before = await self.store.derived(self.store.revisions, self.app)
        summary = await self.collector.run(scope)
        if await self.store.derived(self.store.revisions, self.app) != before:
            return replace(summary, fault=await asyncio.to_thread(self._after))
        return summary

    async def once(self, scope: Scope, stop: asyncio.Event) -> Summary:
        """One run, after what operators asked for."""
        if self.store.keeps and not scope.only:
            await self.orders(stop).obey(scope.feeds)
        return await self.run(scope)

    def orders(self, stop: asyncio.Event) -> Orders:
        """What operators ask of the app."""
        return Orders(self.app, self.store, self.settings, self.clock, self.run, stop)

    def _after(self) -> str:
        """Why it could not be done; "" where it was."""
        from .serve.data import Data  # the read side, for apps that have such a function alone

        assert self.app.after is not None
        reader = Reader.of(self.settings, collections_of(self.app))
        try:
            self.app.after(Data(reader, self.settings, self.clock.now(), LOOPBACK, self.app.name))
        except CatchmentError as error:
            log.error("after a run", app=self.app.name, why=str(error))  # noqa: TRY400 (one line: the error says it all)
            return str(error)
        except Exception as error:  # what is collected is collected: an app's own function stops nobody
            log.exception("after a run", app=self.app.name)
            return f"{type(error).__name__}: {error}"
        finally:
            reader.close()
        return ""


def _drain(collectors: Sequence[Collector]) -> None:
    """No new partition from now on. What still runs after `DRAIN_S` is broken off, to go on from the archive later."""
    for collector in collectors:
        collector.drain()
        asyncio.get_running_loop().call_later(DRAIN_S, collector.cut)


def check_all(apps: Sequence[App], store: Store, settings: Settings, clock: Clock) -> None:
    """Makes sure that everything can be asked that becomes due. UsageError or MissingSecret otherwise."""
    for app in apps:
        Planner(app, store, settings, clock).check(Scope())


async def keep_collecting(
    apps: Sequence[App],
    store: Store,
    settings: Settings,
    clock: Clock,
    tell: OnEvent,
    *,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Collects whatever becomes due, until the first signal.

    watch: called about once a second; what it raises ends collecting.
    """
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        collectors = [await _collector(stack, app, Scope(), store, settings, clock, tell) for app in apps]
        runs = [_Runs(app, each, store, settings, clock) for app, each in zip(apps, collectors, strict=True)]
        each_app = [_keep(each, stop) for each in runs] + [_obey(each, stop) for each in runs]
        loops = asyncio.gather(*each_app, _watch(watch, stop))

        def end() -> None:
            stop.set()
            _drain(collectors)

        with on_stop(end):
            await loops


async def _keep(runs: _Runs, stop: asyncio.Event) -> None:
    scope = Scope(retry=False)
    stopped = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        try:
            seconds = await _collect_due(runs, scope)
        except StoreUnavailable as error:
            log.warning("store unavailable", why=str(error))
            seconds = AGAIN_S
        await asyncio.wait([stopped], timeout=seconds)


async def _obey(runs: _Runs, stop: asyncio.Event) -> None:
    """Does what operators ask for, beside what is due, until the stop; others see that somebody does."""
    orders, ledger, name = runs.orders(stop), runs.store.orders, runs.app.name
    stopped = asyncio.ensure_future(stop.wait())
    begun = False
    while not stop.is_set():
        try:
            if not begun:
                await runs.store.derived(ledger.begin, name, runs.clock.now())
                begun = True
            await orders.obey()
        except StoreUnavailable as error:
            log.warning("store unavailable", why=str(error))
        await asyncio.wait([stopped], timeout=ORDERS_S)
    with suppress(StoreUnavailable):
        await runs.store.derived(ledger.end, name)


async def _collect_due(runs: _Runs, scope: Scope) -> float:
    """Collects what is due, and gives how many seconds there is nothing to do."""
    due = await runs.collector.next_due(scope)
    now = runs.clock.now()
    if due is None or due > now:
        return min(LOOK_S, (due - now).total_seconds()) if due else LOOK_S
    summary = await runs.run(scope)
    # Where nothing could be asked (another worker has it) there is nothing to do at once either.
    return 0 if any(result.verdict for result in summary.results) else AGAIN_S


async def _watch(watch: Callable[[], None], stop: asyncio.Event) -> None:
    while not stop.is_set():
        watch()
        await heartbeat(1.0)


async def forecasts(
    scopes: Sequence[tuple[App, Scope]], store: Store, settings: Settings, clock: Clock
) -> dict[str, list[Forecast]]:
    """What is due, at what cost. App -> its feeds. Nothing is asked."""
    async with AsyncExitStack() as stack:
        return {
            app.name: await (await stack.enter_async_context(Collector(app, store, settings, clock))).forecast(scope)
            for app, scope in scopes
        }


@contextmanager
def allowance(apps: Sequence[App], settings: Settings, clock: Clock) -> Iterator[Callable[[str], int | None]]:
    """What tells of a collection how many requests its upstream allows today; None where no day is counted.

    It reads by a connection of its own: whoever watches a run holds up nothing of it.
    """
    upstreams = {app.collection(feed): feed.upstream for app in apps for feed in app.feeds}
    with closing(database_of(settings.database).read()) as sql:
        budgets = Budgets(sql)

        def left(collection: str) -> int | None:
            upstream = upstreams[collection]
            return left_today(upstream.budget_now(settings), budgets.counts(upstream.name), clock.now())

        yield left


@dataclass(frozen=True)
class Standing:
    """How one collection stands. oldest: of its good partitions, when the longest unread one was collected.

    paused_until, paused_for: until when nobody asks its upstream, and why: a pause, or a rest after faults. Without a
    moment an operator has paused it.
    outdated: how many records another declaration derived. drift: what its upstream changed within `DRIFT`. unreadable:
    a row of what is held for that, shortened; "" where nothing is.
    off: by its settings nothing is wanted. written: by people, so that there is nothing to collect.
    """

    collection: str
    records: int
    revision: int
    verdicts: Mapping[str, int]
    oldest: datetime | None
    left_today: int | None
    paused_until: datetime | None
    paused_for: str
    outdated: int
    drift: Sequence[Noted]
    unreadable: str = ""
    off: bool = False
    written: bool = False

    @property
    def complete(self) -> bool:
        return self.off or self.written or (bool(self.verdicts) and set(self.verdicts) <= GOOD)


def standings(apps: Sequence[App], store: Store, settings: Settings, now: datetime) -> list[Standing]:
    """How every collection stands."""
    found = []
    for app in apps:
        found += [_standing(app, feed.name, store, settings, now) for feed in app.feeds]
        found += [_written(app, resource, store) for resource in app.resources]
    return found


def _written(app: App, resource: Resource, store: Store) -> Standing:
    records, revision = store.extent(app, resource)
    return Standing(app.collection(resource), records, revision, {}, None, None, None, "", 0, (), written=True)


def _standing(app: App, name: str, store: Store, settings: Settings, now: datetime) -> Standing:
    feed = next(feed for feed in app.feeds if feed.name == name)
    collection = app.collection(feed)
    states = store.ledger.states(collection).values()
    records, revision = store.extent(app, feed)
    counts = store.budgets.counts(feed.upstream.name)
    paused, halted = store.budgets.left_alone(feed.upstream.name, now), store.orders.paused(collection)
    drift = store.desk.drift_since(collection, now - DRIFT)
    held = next((item for item in drift if item.kind == "rejects"), None)
    return Standing(
        collection,
        records,
        revision,
        Counter(state.verdict or state.reason or "due" for state in states),
        min((state.collected_at for state in states if state.collected_at), default=None),
        left_today(feed.upstream.budget_now(settings), counts, now),
        paused.until if paused and not halted else None,
        "by an operator" if halted else paused.reason if paused else "",
        store.ledger.outdated(collection, model_digest(feed.as_set(settings))),
        drift,
        unreadable_row(store, feed.as_set(settings), held) if held else "",
        off=not states and _is_off(feed, settings, now),
    )


def _is_off(feed: Feed, settings: Settings, now: datetime) -> bool:
    """Whether the settings alone say what is wanted, and that it is nothing."""
    source = feed.partitions
    return not source.feeds and not any(source.expand(Surroundings(settings, now, lambda *_: ())))


def outdated(apps: Sequence[App], store: Store, settings: Settings) -> list[str]:
    """What there is to say of records that another declaration derived: a line a collection."""
    numbers = [
        (app, feed, store.ledger.outdated(app.collection(feed), model_digest(feed.as_set(settings))))
        for app in apps
        for feed in app.feeds
    ]
    return [
        f"{app.collection(feed)}: {number:,} records were derived by another declaration;"
        f" {app.command('replay', feed)} derives them again, and asks no upstream"
        for app, feed, number in numbers
        if number
    ]
