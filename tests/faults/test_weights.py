"""A request that its upstream counts as several: what it takes of the budget, what is forecast, what is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import values_in

from catchment import App, Budget, Cron, Feed, Get, Record, Upstream, each
from catchment.budget import left_today
from catchment.clock import FakeClock, parse_moment
from catchment.collect import Collector
from catchment.console import planned_row
from catchment.errors import DeclarationError, UsageError
from catchment.operate import forecasts
from catchment.runs import Scope, Summary
from catchment.settings import Settings, load_settings
from catchment.standin import Answer, Control, Request, serve_in_thread
from catchment.store.store import Store

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
WEIGHT = {"/light": 1, "/heavy": 5}
A_MINUTE, A_DAY, BURST = 20, 33, 5


class Load(Record):
    """What is brought."""

    id: int


# One at a time: whoever waits moves the clock of the others on, between what they were allowed and what they send.
upstream = Upstream(
    "scales", "https://scales.example", budget=Budget("20/minute", "33/day", burst=BURST, concurrency=1)
)


def loads(name: str, number: int, **given: object) -> Feed:
    """A feed of so many partitions, each of one request that weighs what the upstream counts for it."""
    request = Get(f"/{name}", load="{load}", weight=WEIGHT[f"/{name}"])
    source = each(load=[str(load) for load in range(number)])
    declared = {"upstream": upstream, "key": ("id",), "schedule": Cron("0 3 1 1 *"), "partitions": source}
    return Feed(name, Load, request=request, **(declared | given))


app = App("port", feeds=[loads("heavy", 8), loads("light", 9)])


@dataclass(frozen=True)
class Switches:
    """None."""


class Service:
    """`/light?load=1`."""

    name = "scales"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        return Answer.json([{"id": int(request.query["load"])}])


@dataclass
class Scales:
    """A data folder, the upstream and their clock. Each run is a process's own: nothing is known but what is stored."""

    settings: Settings
    control: Control
    clock: FakeClock

    def run(self) -> Summary:
        return asyncio.run(self._run())

    async def _run(self) -> Summary:
        with Store(self.settings, [app]) as store:
            async with Collector(app, store, self.settings, self.clock) as collector:
                return await collector.run(Scope(retry=False))

    def left(self) -> int | None:
        with Store(self.settings, [app]) as store:
            return left_today(upstream.budget, store.budgets.counts("scales"), self.clock.now())

    def weighed(self) -> list[datetime]:
        """The moment of every request, as often as it weighs."""
        return [parse_moment(entry["at"]) for entry in self.control.log() for _ in range(WEIGHT[entry["path"]])]


@pytest.fixture
def scales(tmp_path: Path):
    clock = FakeClock(NOW)
    with serve_in_thread(Service(), clock=clock) as running:
        values = {"CATCHMENT_UPSTREAM_SCALES": running.url, "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8"}
        yield Scales(
            load_settings(values | values_in(tmp_path, [app]), folder=tmp_path, environ={}), running.control, clock
        )


def test_a_run_over_two_days_never_exceeds_a_window_by_weight_and_ends_when_it_was_said(scales):
    """Six heavy ones fit into the day, three of it are left over; the rest goes on the next, each asked once."""
    with Store(scales.settings, [app]) as store:
        found = asyncio.run(forecasts([(app, Scope())], store, scales.settings, scales.clock))["port"]
    rows = {row["collection"]: (row["calls"], row["units"], row["left_today"]) for row in
            (planned_row("port", item) for item in found)}  # fmt: skip
    assert rows == {"port/heavy": (8, 40, A_DAY), "port/light": (9, 9, A_DAY)}
    scales.run()
    assert scales.left() == A_DAY - len(scales.weighed()) == 3
    scales.run()
    assert len(scales.weighed()) == 30
    scales.clock.advance(datetime(2026, 3, 21, tzinfo=UTC) - scales.clock.now())
    assert scales.run().complete
    times = scales.weighed()
    assert Counter(entry["path"] for entry in scales.control.log()) == {"/heavy": 8, "/light": 9}
    assert max(Counter(moment.date() for moment in times).values()) <= A_DAY
    held = max(sum(start <= at < start + timedelta(minutes=1) for at in times) for start in times)
    assert A_MINUTE - BURST < held <= A_MINUTE + BURST - 1
    assert abs(times[-1] - max(item.done for item in found)) < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("budget", "most"),
    [(Budget("4/day"), 4), (Budget("60/minute"), 1), (Budget("3/second", burst=9), 3)],
    ids=["a day", "no burst", "a window below the burst"],
)
def test_a_request_that_could_never_be_sent_is_no_declaration(budget, most):
    with pytest.raises(DeclarationError, match=rf"heavy: request: weighs 5, .* more than {most} at once"):
        loads("heavy", 1, upstream=Upstream("scales", "https://scales.example", budget=budget))


def test_a_budget_that_is_set_too_small_is_told_before_any_request(scales):
    scales.settings = scales.settings.with_values("here", {"SCALES_BUDGET": "4/day"})
    with pytest.raises(UsageError, match=r"feed heavy: request: weighs 5, .* more than 4 at once"):
        scales.run()
    assert scales.control.log() == []
