"""An upstream that fails for ever is asked less and less, by everybody; the others do not notice."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import values_in

from catchment import App, Budget, Cron, Feed, Get, Record, Upstream, each
from catchment.breaker import DOUBTS, MOST, REST
from catchment.clock import FakeClock
from catchment.collect import Collector
from catchment.console import paused_lines, result_lines
from catchment.fetch.ask import PATIENCE
from catchment.operate import forecasts, standings
from catchment.partitions import Partition
from catchment.runs import Result, Scope
from catchment.settings import Settings, load_settings
from catchment.standin import Answer, Control, Request, serve_in_thread
from catchment.store.store import Store
from catchment.upstream import Meaning, read_http

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
LIGHTS = [str(number) for number in range(12)]
OPEN = MOST + DOUBTS
SOON = PATIENCE + timedelta(seconds=1)
"""What nobody sits out."""
DOWN = {"path": "/north", "fault": "status", "status": 503}


class Light(Record):
    """A light on the coast."""

    id: int


def read(answer: Answer, partition: Partition) -> Meaning:
    """402 is the day's allowance."""
    return Meaning.quota("402") if answer.status == 402 else read_http(answer, partition)


def lights(name: str, concurrency: int) -> Feed:
    """Twelve partitions of an upstream of their own; each request is tried twice."""
    budget = Budget(concurrency=concurrency)
    upstream = Upstream(name, f"https://{name}.example", read=read, tries=(1,), budget=budget)
    declared = {"partitions": each(light=LIGHTS), "key": ("id",), "schedule": Cron("0 3 * * *")}
    return Feed(name, Light, upstream, request=Get(f"/{name}", light="{light}"), **declared)


app = App("coast", feeds=[lights("north", 1), lights("south", 4)])


@dataclass(frozen=True)
class Switches:
    """None."""


class Service:
    """`/north?light=1`."""

    name = "coast"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        return Answer.json([{"id": int(request.query["light"])}])


@dataclass
class Coast:
    """A data folder and the two upstreams, on a clock that stands still."""

    settings: Settings
    control: Control
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    seen: int = 0

    def run(self, *, asked: bool = False) -> dict[str, list[Result]]:
        """Feed -> its results, of a run by a process of its own. asked: by a person."""
        return asyncio.run(self._run(Scope(retry=asked)))

    async def _run(self, scope: Scope) -> dict[str, list[Result]]:
        with Store(self.settings, [app]) as store:
            async with Collector(app, store, self.settings, self.clock) as collector:
                results = (await collector.run(scope)).results
        return {feed.name: [item for item in results if item.feed == app.collection(feed)] for feed in app.feeds}

    def requests(self) -> Counter[str]:
        """How often each upstream has been asked since this was last looked at."""
        entries = self.control.log()
        new, self.seen = entries[self.seen :], len(entries)
        return Counter(entry["path"] for entry in new)


@pytest.fixture
def coast(tmp_path: Path):
    with serve_in_thread(Service(), clock=FakeClock(NOW)) as running:
        values = {f"CATCHMENT_UPSTREAM_{name}": running.url for name in ("NORTH", "SOUTH")}
        values |= values_in(tmp_path, [app]) | {"CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8"}
        yield Coast(load_settings(values, folder=tmp_path, environ={}), running.control)


def test_without_a_fault_nobody_rests(coast):
    assert {item.verdict for results in coast.run().values() for item in results} == {"complete"}
    assert coast.requests() == {"/north": len(LIGHTS), "/south": len(LIGHTS)}


def test_after_ten_faults_in_a_row_an_upstream_rests_and_the_others_go_on(coast):
    """What was not asked stays due, and says why and when it is tried again. The last five are tried once only."""
    coast.control.faults(DOWN)
    found = coast.run()
    assert coast.requests() == {"/north": 2 * MOST + DOUBTS, "/south": len(LIGHTS)}
    assert Counter(item.verdict for item in found["north"]) == {"failed": OPEN, None: len(LIGHTS) - OPEN}
    assert {item.verdict for item in found["south"]} == {"complete"}
    (rested,) = {(item.reason, item.until) for item in found["north"] if item.verdict is None}
    assert rested[0] == "resting: 10 faults in a row, the last 503"
    assert rested[1] - coast.clock.now() <= REST
    assert any("2 not asked: resting: 10 faults in a row, the last 503, not before 2026" in line
               for line in result_lines(found["north"]))  # fmt: skip


def test_a_probe_goes_alone_and_each_that_fails_doubles_the_rest(coast):
    coast.control.faults(DOWN)
    coast.run()
    coast.requests()
    rests = []
    for _ in range(6):
        coast.clock.advance(until(coast) - coast.clock.now())
        began = coast.clock.now()
        assert Counter(item.verdict for item in coast.run()["north"])["failed"] >= 1
        assert coast.requests() == {"/north": 1}
        rests.append((until(coast) - began) / REST)
    assert rests == [2, 4, 8, 16, 30, 30]


def until(coast: Coast) -> datetime:
    """When the upstream in the north is asked again."""
    with Store(coast.settings, [app]) as store:
        wait = store.budgets.left_alone("north", coast.clock.now())
    assert wait is not None
    return wait.until


def test_a_probe_that_is_answered_opens_the_upstream_to_all_in_the_same_run(coast):
    coast.control.faults(DOWN)
    coast.run()
    coast.control.faults()
    coast.requests()
    assert coast.run()["north"][-1].verdict is None
    assert coast.requests() == {}
    coast.clock.advance(REST)
    assert Counter(item.verdict for item in coast.run()["north"])["complete"] >= len(LIGHTS) - OPEN
    assert coast.run(asked=True)["north"] == []


def test_a_person_probes_at_once(coast):
    coast.control.faults(DOWN)
    coast.run()
    coast.requests()
    assert Counter(item.verdict for item in coast.run(asked=True)["north"]) == {"failed": 1, None: len(LIGHTS) - 1}
    assert coast.requests() == {"/north": 1}
    coast.control.faults()
    assert {item.verdict for item in coast.run(asked=True)["north"]} == {"complete"}


def test_those_beside_the_probe_wait_for_what_comes_of_it(coast):
    coast.control.faults({**DOWN, "path": "/south"})
    coast.run()
    coast.control.faults()
    before = len(coast.control.log())
    coast.control.hold("/south", call=1)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(coast.run, asked=True)
        coast.control.wait_for(before + 1)
        assert len(coast.control.log()) == before + 1
        coast.control.release()
        assert {item.verdict for item in running.result()["south"]} == {"complete"}


@pytest.mark.parametrize("status", [401, 404, 429])
def test_an_upstream_that_answers_is_well_whatever_it_says(coast, status):
    """Of throttling: in the end it is told that there is no place for longer than anybody waits."""
    coast.control.faults({**DOWN, "status": status})
    coast.run()
    assert sum(entry["fault"] == "status" for entry in coast.control.log()) > 0
    with Store(coast.settings, [app]) as store:
        assert "breaker" not in store.budgets.counts("north")


@pytest.mark.parametrize(
    ("said", "held"), [(3000, 3000), (7200, 7200), (86400, 86400), (315360000, 86400)],
    ids=["fifty minutes", "two hours", "a day", "ten years"],
)  # fmt: skip
def test_a_long_wait_that_an_upstream_asks_for_is_everybodys(coast, said, held):
    """What is not sat out holds for the next runs too, and for a person's; absurd ones for a day."""
    ends = NOW + timedelta(seconds=held)
    coast.control.faults({**DOWN, "status": 429, "retry_after": str(said), "call": 1})
    found = coast.run()
    assert coast.requests() == {"/north": 1, "/south": len(LIGHTS)}
    assert coast.clock.now() == NOW
    assert Counter(item.verdict for item in found["north"]) == {"failed": 1, None: len(LIGHTS) - 1}
    assert {item.until for item in found["north"]} == {ends}
    coast.clock.advance(ends - NOW - SOON)
    coast.run(asked=True)
    assert coast.requests()["/north"] == 0
    coast.clock.advance(SOON)
    assert {item.verdict for item in coast.run()["north"]} == {"complete"}
    assert coast.requests()["/north"] == len(LIGHTS)


def test_a_long_wait_of_a_failing_answer_is_its_partitions_alone(coast):
    coast.control.faults({**DOWN, "retry_after": "7200", "call": 1})
    assert Counter(item.verdict for item in coast.run()["north"]) == {"failed": 1, "complete": len(LIGHTS) - 1}
    assert coast.requests()["/north"] == len(LIGHTS)


@pytest.mark.parametrize(("said", "hours"), [("", 20), ("60", 20), ("86400", 24), ("315360000", 24)])
def test_a_used_up_allowance_is_waited_for_until_its_reset_or_for_longer_where_that_is_asked(coast, said, hours):
    coast.control.faults({**DOWN, "status": 402, "retry_after": said, "call": 1})
    found = coast.run()["north"]
    assert coast.requests()["/north"] == 1
    assert {item.until for item in found} == {NOW + timedelta(hours=hours)}
    assert until(coast) == NOW + timedelta(hours=hours)
    coast.clock.advance(timedelta(hours=hours) - SOON)
    coast.run(asked=True)
    assert coast.requests()["/north"] == 0


def test_four_faults_and_an_answer_are_not_five_in_a_row(coast):
    coast.control.faults(*({**DOWN, "query": {"light": light}} for light in LIGHTS if light not in ("4", "9")))
    found = coast.run()["north"]
    verdicts = ["failed"] * 4 + ["complete"] + ["failed"] * 4 + ["complete"] + ["failed"] * 2
    assert [item.verdict for item in found] == verdicts


@pytest.mark.parametrize("broken", [LIGHTS[:11], LIGHTS[::2]], ids=["one after the other", "every second one"])
@pytest.mark.parametrize("place", ["north", "south"])
def test_broken_partitions_keep_none_from_being_asked(coast, broken, place):
    """However many stand one after the other: an upstream that answers for others is up."""
    coast.control.faults(
        *({"path": f"/{place}", "status": 503, "fault": "status", "query": {"light": item}} for item in broken)
    )
    found = {item.partition: item.verdict for item in coast.run()[place]}
    assert sum(entry["fault"] == "status" for entry in coast.control.log()) >= len(broken)
    assert {name for name, verdict in found.items() if verdict == "complete"} == {
        f"light={item}" for item in LIGHTS if item not in broken
    }


def test_status_and_plan_say_until_when_it_rests(coast):
    coast.control.faults(DOWN)
    coast.run()
    with Store(coast.settings, [app]) as store:
        standing, other = standings([app], store, coast.settings, coast.clock.now())
        planned = asyncio.run(forecasts([(app, Scope())], store, coast.settings, coast.clock))
    assert (standing.paused_until, standing.paused_for) == (until(coast), "resting: 10 faults in a row, the last 503")
    assert other.paused_until is None
    assert paused_lines(planned) == [
        f"north: not asked before {until(coast):%Y-%m-%d %H:%M} UTC (resting: 10 faults in a row, the last 503)"
    ]
    assert [item.done >= until(coast) for item in planned["coast"]] == [True, False]
