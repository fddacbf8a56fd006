"""A collector that dies or fails at any of its fail points loses nothing, invents nothing, and asks nothing twice."""

from __future__ import annotations

import random
import signal

import pytest
from harbour import CONCURRENCY, REQUESTS, Berth, asked

from catchment.failpoints import POINTS

COLLECTING = POINTS[: POINTS.index("run.closed") + 1]
"""The points of a collection. What is done beside it is broken off in `tests/faults/test_beside.py`."""
HITS = ("first", "second", "last")


def test_an_undisturbed_collection_comes_by_every_point_and_writes_everything(undisturbed):
    """The control run: without a fault there is nothing to see."""
    state, hits = undisturbed
    assert hits.keys() == set(COLLECTING)
    assert all(times >= 3 for point, times in hits.items() if point != "run.closed")
    assert all(state[f"{what} of boxes"] for what in ("records", "versions", "rejects", "commits"))
    assert {gone for *_, gone in state["versions of boxes"]} == {0, 1}


def resumed(berth: Berth, undisturbed) -> tuple[set[str], set[str]]:
    """Collects to the end, and proves that all is as if nothing had been.

    What is given back: the targets that were asked for again, and those that were archived before.
    """
    archived, before = berth.archived(), asked(berth.control.log())
    assert berth.wrong() == []
    assert berth.collect() == 0, berth.output
    assert berth.state() == undisturbed[0]
    assert berth.wrong() == []
    after = asked(berth.control.log())
    assert max(after.values()) <= 2
    return {target for target, times in after.items() if times > before[target] > 0}, archived


def cases():
    return [
        pytest.param(point, hit, id=f"{point}-{hit}")
        for point in COLLECTING
        for hit in (HITS[:1] if point == "run.closed" else HITS)  # a run is closed once
    ]


def fault_at(point, hit, action, undisturbed):
    return f"{point}:{ {'first': 1, 'second': 2, 'last': undisturbed[1][point]}[hit] }:{action}".replace(" ", "")


@pytest.mark.parametrize(("point", "hit"), cases())
def test_killed_at_a_point_it_asks_again_only_what_was_under_way(berth, first_tide, undisturbed, point, hit):
    fault = fault_at(point, hit, "kill", undisturbed)
    assert berth.after(first_tide).collect(points=fault) == -signal.SIGKILL
    assert berth.fired == [fault]
    repeated, archived = resumed(berth, undisturbed)
    assert len(repeated) <= CONCURRENCY
    assert repeated.isdisjoint(archived), "an archived answer was asked for again"


@pytest.mark.parametrize(("point", "hit"), cases())
def test_an_error_at_a_point_stays_in_its_partition(berth, first_tide, undisturbed, point, hit):
    """What failed for a reason that nobody foresaw is asked anew, and nothing else is."""
    fault = fault_at(point, hit, "raise", undisturbed)
    code = berth.after(first_tide).collect(points=fault)
    assert berth.fired == [fault]
    assert code == (1 if point == "run.closed" else 3), berth.output
    repeated, _ = resumed(berth, undisturbed)
    assert len({target.partition("?")[0] for target in repeated}) <= 1


@pytest.mark.parametrize("seed", range(30))
def test_killed_at_any_moment_it_asks_again_only_what_was_under_way(berth, first_tide, undisturbed, seed):
    """From outside, once so many requests have come: the seed tells how many, the machine how much further it is. The
    last one is held, so that there is somebody to kill, however slow this test is.
    """
    berth.after(first_tide).control.hold(call=REQUESTS)
    process = berth.start()
    berth.control.wait_for(random.Random(seed).randint(1, REQUESTS))
    process.kill()
    assert process.end() == -signal.SIGKILL
    berth.control.release()
    repeated, archived = resumed(berth, undisturbed)
    assert len(repeated) <= CONCURRENCY
    assert repeated.isdisjoint(archived), "an archived answer was asked for again"


def test_killed_again_and_again_while_it_resumes(berth, first_tide, undisturbed):
    berth.after(first_tide)
    points = ("exchange.kept", "page.parsed", "tx.begun", "ledger.written", "tx.committed")
    for point in points:
        assert berth.collect(points=f"{point}:1:kill") == -signal.SIGKILL
    assert [line.split(":")[0] for line in berth.fired] == list(points)
    state, _ = undisturbed
    assert berth.collect() == 0
    assert berth.state() == state
    assert berth.wrong() == []
