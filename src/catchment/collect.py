"""The way of the data: declare > plan > fetch > decode > merge > store.

The only module that knows this order. Whatever happens before the commit may be lost at any instant without harm:
what was answered is in the archive, and is taken from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

import structlog

from .app import App
from .budget import Wait, left_today
from .clock import Clock, heartbeat
from .errors import BudgetSpent, LeaseLost, PagingError, StoreError, StoreUnavailable
from .failpoints import failpoint
from .feed import Feed
from .fetch.ask import too_long
from .line import Line
from .passes import RENEW_S, Fetched, Passes
from .plan import END, GOOD, Plan, State, Task, Verdict, calls, due_at, forecast
from .planner import Planner
from .runs import Event, Forecast, OnEvent, Result, Scope, Summary
from .settings import Settings
from .store.lease import Lease, Outcome
from .store.store import Store
from .store.tables import Collection
from .upkeep import fill_again, remove_old
from .verdicts import Doors, Verdicts
from .watching import Watchers, note_fault, spanning

__all__ = ["Collector"]

log = structlog.get_logger("catchment.collect")

HELD_S = 0.1
"""How often to look whether another worker has ended a partition. It works in real time, whatever our clock is."""


class Collector:
    """Collects one app into a store. An async context manager.

    on_event: told what happens, on the event loop.
    """

    def __init__(
        self, app: App, store: Store, settings: Settings, clock: Clock, on_event: OnEvent = lambda _: None
    ) -> None:
        self._app = app
        self._store = store
        self._settings = settings
        self._clock = clock
        self._tell = on_event
        self._planner = Planner(app, store, settings, clock)
        self._passes = Passes(store, settings, clock, on_event)
        self._doors = Doors()
        self._verdicts = Verdicts(app, store, settings, clock, self._doors)
        self._draining = False
        self._under_way: set[asyncio.Task[object]] = set()
        self._watchers = Watchers.of(settings)

    async def __aenter__(self) -> Self:
        await self._passes.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._passes.__aexit__(kind, error, trace)
        await asyncio.to_thread(self._watchers.close)

    def drain(self) -> None:
        """Begins no new partition; those under way come to their end."""
        self._draining = True

    def cut(self) -> None:
        """Drains, and breaks off what is under way: later it goes on from what is archived."""
        self._draining = True
        for task in self._under_way:
            task.cancel()

    def check(self, scope: Scope) -> None:
        """Makes sure that what is asked for can be asked. UsageError or MissingSecret otherwise, before any request."""
        self._planner.check(scope)

    # -- the line ------------------------------------------------------------------------------------------------------

    async def run(self, scope: Scope) -> Summary:
        """One pass over everything due, feed by feed in the order of their dependence."""
        with spanning(f"collect {self._app.name}", by=(self._watchers, self._clock)) as told:
            return await self._run(scope, told)

    async def _run(self, scope: Scope, told: dict[str, str | int]) -> Summary:
        feeds, began = self._planner.feeds(scope), self._clock.now()
        told["catchment.run"] = run = await self._store.derived(self._store.ledger.begin_run, self._app.name, began)
        await self._open_again(feeds, scope)
        results: list[Result] = []
        fresh: dict[str, int] = {}
        for feed in feeds:
            results += await self._run_feed(run, todo := await self.plan(feed, scope))
            fresh[feed.name] = todo.good
            asked: set[str] = set()
            while further := await self._beyond(todo, asked, results, scope):
                todo = further
                results += await self._run_feed(run, todo)
            if not self._draining:
                collection = Collection(self._app.name, todo.feed)
                results += await fill_again(self._store, collection, todo.feed, run, self._clock.now())
        await self._leave_missed(feeds, began)
        for feed in (item.as_set(self._settings) for item in feeds):
            collection = Collection(self._app.name, feed)
            await remove_old(self._store, collection, feed, self._clock.now(), lambda: self._draining)
        await self._store.derived(self._store.ledger.end_run, run, self._clock.now())
        failpoint("run.closed")
        return Summary(tuple(results), fresh)

    async def _leave_missed(self, feeds: Sequence[Feed], began: datetime) -> None:
        """Leaves out the slots that passed while this run was under way, if it outlasted the time between two."""
        for feed in feeds:
            schedule, now = feed.as_set(self._settings).schedule, self._clock.now()
            if schedule.missed(began, now):
                due = (await self.plan(feed, Scope(retry=False))).due
                late = [task.partition.key for task in due if task.state.checked_at and task.state.checked_at > began]
                leave, name = self._store.ledger.leave, self._app.collection(feed)
                await self._store.derived(leave, name, late, schedule.next_after(now))

    async def _run_feed(self, run: int, todo: Plan) -> list[Result]:
        name = self._app.collection(todo.feed)
        self._tell(Event("planned", name, total=len(todo.due)))
        held = [(item.partition, item.reason) for item in todo.held]
        await self._store.derived(self._store.ledger.expect, name, held)
        results = [Result(name, partition.key, "pending", reason) for partition, reason in held]
        results += [_not_due(name, todo.feed, state) for state in todo.waiting]
        if todo.paused:
            results.append(Result(name, "", None, "paused by an operator"))
        if todo.empty and todo.feed.partitions.feeds:
            results += await self._without_list(name, todo.feed)
        line, workers = Line(todo.due), todo.feed.upstream.budget_now(self._settings).concurrency
        await asyncio.gather(*(self._work(run, todo.feed, line) for _ in range(workers)))
        return results + line.results

    async def _work(self, run: int, feed: Feed, line: Line) -> None:
        """Takes partitions from the line until none is left."""
        while (task := line.next()) is not None:
            line.end(task, await self._in_turn(run, feed, task))

    async def _beyond(self, todo: Plan, asked: set[str], results: Sequence[Result], scope: Scope) -> Plan | None:
        """What there is to do now that it is known whether there was what was asked for on trial; None: nothing."""
        ended = {result.partition: result for result in results}
        found = [ended[task.partition.key] for task in todo.due if task.probe]
        if not any(result.verdict in GOOD and result.reason != END for result in found):
            return None
        asked |= {task.partition.key for task in todo.due}
        again = await self.plan(todo.feed, scope)
        due = tuple(task for task in again.due if task.partition.key not in asked)
        return replace(again, due=due, held=(), waiting=()) if due else None

    async def _in_turn(self, run: int, feed: Feed, task: Task) -> Result:
        async with self._passes.gate(feed.upstream):
            name = self._app.collection(feed)
            shut = self._doors.shut.get(feed.upstream.name) or self._doors.shut.get(name)
            if self._draining:
                shut = Result(name, "", None, "stopped")
            elif not shut and (wait := await self._passes.wait_for(feed)):
                shut = self._spent(feed, wait) if too_long(wait, self._clock.now()) else None
            if shut:
                return replace(shut, feed=name, partition=task.partition.key)
            try:
                return await self._placed(run, feed, task)
            except StoreUnavailable as error:
                return Result(name, task.partition.key, None, str(error))

    async def _placed(self, run: int, feed: Feed, task: Task) -> Result:
        """One partition, in a place among the upstream's open requests; or how it stands when another worker has done
        it meanwhile. One that is being done has its place already: it is waited for without another one.

        Raises:
            StoreUnavailable: nothing can be said of it now.
        """
        name, state = self._app.collection(feed), task.state
        while True:
            async with self._passes.slot(feed.upstream, lambda: self._draining):
                if self._draining:
                    return Result(name, task.partition.key, None, "stopped")
                claim, now = self._store.ledger.claim, self._clock.now()
                lease = await self._store.derived(claim, run, name, state, now, task.stamp)
                if lease is not None:
                    return await self._partition(feed, lease, task)
            state = await self._let_go(name, task)
            done = state.checked_at != task.state.checked_at  # else whoever had it gave it back as it was
            if done and state.verdict is not None and not state.held:
                verdict: Verdict = "unchanged" if state.verdict in GOOD else state.verdict
                return Result(name, task.partition.key, verdict, state.reason, until=state.retry_at)

    async def _let_go(self, name: str, task: Task) -> State:
        """The partition once no live worker has it, or we are to end: a run ends when nothing is due."""
        held, key = self._store.ledger.held, task.partition.key
        while not self._draining and await self._store.derived(held, name, key, self._clock.now()):
            await heartbeat(HELD_S)
        state = (await self._store.derived(self._store.ledger.states, name))[key]
        return replace(state, partition=task.partition)  # the ledger does not know its row of a list

    async def _partition(self, feed: Feed, lease: Lease, task: Task) -> Result:
        """One partition, from its claim to its commit, told to those who watch."""
        with spanning(f"attempt {lease.feed}", catchment__attempt=lease.attempt) as told:
            result = await self._attempt(feed, lease, task)
            told["catchment.verdict"] = result.verdict or "not asked"
            return result

    async def _attempt(self, feed: Feed, lease: Lease, task: Task) -> Result:
        """Whatever goes wrong in a partition stays in it."""
        name, key = lease.feed, task.partition.key
        if task.why == "named":
            lease = self._passes.as_declared(feed, lease)
        self._tell(Event("started", name, key))
        renewing = asyncio.create_task(self._renew(lease))
        if this := asyncio.current_task():
            self._under_way.add(this)
        try:
            failpoint("run.claimed")
            outcome = await self._collected(feed, lease, probe=task.probe)
            failpoint("partition.completed")
        except BudgetSpent as spent:
            return await self._untouched(feed, lease, spent)
        except asyncio.CancelledError:
            if not self._draining:
                raise
            await self._store.derived(self._store.ledger.release, lease, "stopped")
            return Result(name, key, None, "stopped")
        except (LeaseLost, StoreError) as error:
            outcome = Outcome("failed", str(error))
        except Exception as error:  # noqa: BLE001 (one partition must not stop the others; it is logged and told)
            outcome = await self._broken(feed, lease, error)
        finally:
            self._under_way.discard(this)
            renewing.cancel()
            with suppress(asyncio.CancelledError, StoreError):
                await renewing
        self._tell(Event("ended", name, key, outcome))
        return Result(name, key, outcome.verdict, outcome.reason, outcome.counts, outcome.until)

    async def _collected(self, feed: Feed, lease: Lease, *, probe: bool) -> Outcome:
        """The outcome of a partition; its pages are walked again, once, where the upstream changed meanwhile.

        probe: it is asked on trial.
        """
        fetched = await self._fetched(feed, lease)
        try:
            return await self._store.derived(self._verdicts.conclude, feed, lease, fetched, None, probe)
        except PagingError as error:
            moved = error
            log.info("pages are walked again", feed=feed.name, partition=lease.partition.key, why=str(error))
        again = await self._fetched(feed, lease, anew=True)
        again = replace(again, requests=fetched.requests + again.requests, bytes=fetched.bytes + again.bytes)
        return await self._store.derived(self._verdicts.conclude, feed, lease, again, moved, probe)

    async def _fetched(self, feed: Feed, lease: Lease, *, anew: bool = False) -> Fetched:
        fetched = await self._passes.fetch(feed, lease, anew=anew)
        if fetched.meaning.kind == "auth":
            self._passes.forget(feed.upstream)
        elif fetched.meaning.kind == "data":
            self._doors.told.pop(feed.upstream.name, None)
        return fetched

    # -- plan ----------------------------------------------------------------------------------------------------------

    async def plan(self, feed: Feed, scope: Scope) -> Plan:
        """What a feed has to do now."""
        return await self._store.derived(self._planner.plan, feed, scope)

    async def next_due(self, scope: Scope) -> datetime | None:
        """When there is something to ask: now or earlier, later, or (None) not as far as is known."""
        moments: list[datetime] = []
        for feed in self._planner.feeds(scope):
            todo = await self.plan(feed, scope)
            if todo.due:
                moments.append(await self._open_at(feed))
            elif todo.next:
                moments.append(todo.next)
        return min(moments, default=None)

    async def _open_at(self, feed: Feed) -> datetime:
        """When a due partition of this feed can be asked for."""
        wait = await self._passes.wait_for(feed)
        shut = self._doors.shut.get(feed.upstream.name) or self._doors.shut.get(self._app.collection(feed))
        moments = [wait.until if wait else None, shut.until if shut else None, self._clock.now()]
        return max(moment for moment in moments if moment)

    async def forecast(self, scope: Scope) -> list[Forecast]:
        """Per feed: what is due, what it costs and when it will be done, by the arithmetic by which it is sent."""
        found: list[Forecast] = []
        owed: dict[str, list[int]] = {}
        for feed in self._planner.feeds(scope):
            todo = await self.plan(feed, scope)
            budget = feed.upstream.budget_now(self._settings)
            counts = await self._store.derived(self._store.budgets.counts, feed.upstream.name)
            name = self._app.collection(feed)
            pages = await self._store.derived(self._store.ledger.pages, name) if feed.paged else {}
            needed = calls(todo.due, pages)
            owed.setdefault(feed.upstream.name, []).extend([feed.request.weight] * needed)
            now, paused = self._clock.now(), await self._passes.left_alone(feed.upstream)
            done = forecast(owed[feed.upstream.name], budget, counts, paused.until if paused else now)
            found.append(Forecast(todo, left_today(budget, counts, now), done, needed, paused))
        return found

    # -- when it is not asked ------------------------------------------------------------------------------------------

    async def _untouched(self, feed: Feed, lease: Lease, spent: BudgetSpent) -> Result:
        """The budget is used up, or the upstream rests: the partition stays due, and so do its others."""
        result = self._spent(feed, Wait(spent.until, spent.reason, "rest" if spent.resting else "budget"))
        await self._store.derived(self._store.ledger.release, lease, result.reason)
        return replace(result, partition=lease.partition.key)

    def _spent(self, feed: Feed, wait: Wait) -> Result:
        """Shuts the upstream for this run: it has no place before the wait's end, or does not let us in. One that rests
        is looked at each time: another process may find it well.
        """
        name, rests = self._app.collection(feed), wait.kind == "rest"
        result = Result(name, "", None, wait.reason if rests or wait.reason == "auth" else "budget", until=wait.until)
        if not rests:
            self._doors.shut[feed.upstream.name] = result
        self._tell(Event("waiting", name, until=wait.until, reason=result.reason))
        return result

    async def _broken(self, feed: Feed, lease: Lease, error: Exception) -> Outcome:
        """The verdict where a feed's own function raised: this partition's fault, and nobody else's."""
        log.error("partition failed", feed=lease.feed, partition=lease.partition.key, exc_info=error)
        note_fault(error)
        outcome = Outcome("failed", f"{type(error).__name__}: {error}")
        with suppress(LeaseLost):
            await self._store.derived(self._verdicts.finish, feed, lease, outcome)
        return outcome

    async def _without_list(self, name: str, feed: Feed) -> list[Result]:
        """Nothing is expected. That is the truth only where the feeds that say what is to be expected are complete."""
        for source in feed.partitions.feeds:
            states = await self._store.derived(self._store.ledger.states, f"{self._app.name}/{source}")
            if not any(state.collected_at for state in states.values()):
                return [Result(name, "", None, f"{self._app.name}/{source} is not collected yet")]
        return []

    async def _open_again(self, feeds: Sequence[Feed], scope: Scope) -> None:
        """Forgets who was shut in earlier runs: those whose time has come, and all where a person asks."""
        now = self._clock.now()
        shut = {name: shut for name, shut in self._doors.shut.items() if shut.until and shut.until > now}
        self._doors.shut = shut
        if scope.retry:
            self._doors.shut.clear()
            for upstream in {feed.upstream.name: feed.upstream for feed in feeds}.values():
                await self._passes.let_in_again(upstream)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await heartbeat(RENEW_S)
            await self._store.derived(self._store.ledger.renew, lease, self._clock.now())


def _not_due(name: str, feed: Feed, state: State) -> Result:
    """A partition that did not end well last time and is not asked again yet."""
    return Result(name, state.partition.key, state.verdict, state.reason, until=due_at(feed, state))
