"""What the machine does to a collector: no room, no files, a lock, a second collector, sleep, a death that repeats."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta

import pytest
from harbour import REQUESTS, app, asked

from catchment.clock import FakeClock
from catchment.collect import Collector
from catchment.runs import Result, Scope
from catchment.settings import load_settings
from catchment.store.store import Store


@pytest.mark.parametrize("point", ["exchange.kept", "tx.begun", "versions.written", "ledger.written"])
def test_a_failing_disk_is_survived(berth, first_tide, undisturbed, point):
    fault = f"{point}:1:io_error"
    assert berth.after(first_tide).collect(points=fault) == 3, berth.output
    assert berth.fired == [fault]
    assert berth.wrong() == []
    assert berth.collect() == 0, berth.output
    assert berth.state() == undisturbed[0]
    assert berth.wrong() == []


@pytest.mark.parametrize("point", ["tx.begun", "rejects.written"])
def test_a_locked_database_is_survived(berth, first_tide, undisturbed, point):
    """What was answered before is not asked for again."""
    fault = f"{point}:1:locked"
    assert berth.after(first_tide).collect(points=fault) == 3, berth.output
    assert berth.fired == [fault]
    assert berth.wrong() == []
    assert berth.collect() == 0, berth.output
    assert berth.state() == undisturbed[0]
    assert set(asked(berth.control.log()).values()) == {1}


class Patience(FakeClock):
    """A clock that does something when it was asked to wait for so many times."""

    def __init__(self, start: datetime, waits: int, then: Callable[[], object]) -> None:
        super().__init__(start)
        self.waited, self._waits, self._then = 0, waits, then

    async def sleep(self, seconds: float) -> None:
        self.waited += 1
        if self.waited == self._waits:
            self._then()
        await super().sleep(seconds)


async def locked_from_the_first_answer(berth, waits: int) -> tuple[Result, int]:
    """What came of the ships, and how often an answer was waited with: somebody else has the lock until it was waited
    for so often, or the partition has ended.
    """
    settings = load_settings(berth.environment, folder=berth.folder, environ={})
    with Store(settings, [app]) as store, closing(berth.database.open()) as other, ExitStack() as lock:
        store._paid.execute("PRAGMA busy_timeout = 1")
        clock = Patience(berth.now, waits, lock.close)
        free = lambda event: lock.close() if event.kind == "ended" else None  # noqa: E731
        async with Collector(app, store, settings, clock, on_event=free) as collector:
            running = asyncio.create_task(collector.run(Scope(feeds=["ships"], again=True)))
            await asyncio.to_thread(berth.control.wait_for, 1)
            lock.enter_context(other.transaction(durable=False))
            berth.control.release()
            (result,) = (await running).results
    return result, clock.waited


@pytest.mark.parametrize(("waits", "verdict"), [(6, "unchanged"), (7, "failed")], ids=["six times", "no more"])
def test_an_answer_waits_six_times_for_a_database_that_is_locked(berth, first_tide, undisturbed, waits, verdict):
    """F72, F74. Then it is given up, and asked for again by the next run."""
    berth.after(first_tide).control.hold(call=1)
    result, waited = asyncio.run(locked_from_the_first_answer(berth, waits))
    assert (result.verdict, waited) == (verdict, 6)
    assert ("database is locked" in result.reason) == (verdict == "failed")
    assert berth.wrong() == []
    assert asked(berth.control.log())["/ships"] == 1
    assert berth.collect() == 0, berth.output
    assert berth.state() == undisturbed[0]
    assert asked(berth.control.log())["/ships"] == (2 if verdict == "failed" else 1)


def test_two_collectors_ask_everything_once(berth, first_tide, undisturbed):
    berth.after(first_tide)
    one, other = berth.start(), berth.start()
    assert (one.end(), other.end()) == (0, 0), berth.output
    assert berth.state() == undisturbed[0]
    assert berth.wrong() == []
    assert len(asked(berth.control.log())) == REQUESTS
    assert set(asked(berth.control.log()).values()) == {1}


class Looked(FakeClock):
    """A clock that does something when it was looked at so often."""

    def __init__(self, start: datetime, times: int, then: Callable[[], object]) -> None:
        super().__init__(start)
        self._left, self._then = times, then

    def now(self) -> datetime:
        self._left -= 1
        if self._left == 0:
            self._then()
        return super().now()


def test_who_waits_for_a_partition_has_it_when_the_collector_that_had_it_is_killed(berth, first_tide, undisturbed):
    """F63. By the 25th look at the clock it waits; what was in flight is asked for again."""
    berth.after(first_tide).control.hold("/ships/2/boxes", call=1)
    other = berth.start("--only", "ship=2")
    berth.control.wait_for(1)
    clock = Looked(berth.now, 25, other.kill)
    found = asyncio.run(asyncio.wait_for(berth.collected(clock, Scope(only={"ship": ["2"]})), 60))
    assert found["ship=2"].verdict == "complete"
    assert other.end() == -signal.SIGKILL, other.text
    berth.control.release()
    assert berth.collect() == 0, berth.output
    assert berth.state() == undisturbed[0]
    assert berth.wrong() == []


def test_slots_that_were_slept_through_are_one_run(berth, first_tide):
    berth.after(first_tide).later(timedelta(days=12))
    clock = FakeClock(berth.now)
    assert {result.verdict for result in berth.here(retry=False, clock=clock).values()} == {"complete", "unchanged"}
    assert len(berth.control.log()) == REQUESTS
    assert berth.here(retry=False, clock=clock) == {}
    assert len(berth.control.log()) == REQUESTS


def test_too_few_open_files_are_survived(berth, first_tide, undisturbed):
    """Twelve are enough to begin, and too few for what comes."""
    process = berth.after(first_tide).start(files=12)
    assert process.end() in {1, 2, 3}
    assert "Too many open files" in process.text or "unable to open" in process.text
    assert berth.collect() == 0, berth.output
    assert berth.state() == undisturbed[0]
    assert berth.wrong() == []


def test_a_partition_that_kills_its_worker_is_parked(berth, first_tide, undisturbed):
    """After three deaths in a row the others go on without it; a person may ask for it at any time."""
    berth.after(first_tide).here(only=["3"])
    for _ in range(3):
        assert berth.collect("--only", "ship=2", points="page.parsed:1:kill") == -signal.SIGKILL
    assert berth.fired == ["page.parsed:1:kill"] * 3
    found = berth.here(retry=False)
    assert (found["ship=2"].verdict, found["ship=2"].reason) == ("failed", "its worker died 3 times in a row")
    assert found["ship=1"].verdict == "complete"
    assert berth.wrong() == []
    asked_before = asked(berth.control.log())
    assert berth.here()["ship=2"].verdict == "complete"
    assert asked(berth.control.log()) == asked_before, "an archived answer was asked for again"
    assert berth.state() == undisturbed[0]
