"""What the apps that collect declare of their upstreams, schedules and bounds: number by number what was promised.

A wait that is longer, a place more or another hour is seen by no test of what is collected.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from catchment import Cron, Every, Setting
from catchment.apps import episodes, incidents, police, stocks
from catchment.apps.episodes.comments import LONGEST
from catchment.apps.police.records import FORCES
from catchment.apps.stocks import options

pytestmark = pytest.mark.storeless

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MIB = 2**20


def windows(upstream: Any) -> tuple[str, ...]:
    return tuple(f"{window.count}/{window.unit}" for window in upstream.budget.windows)


def default(setting: Any) -> str:
    """What a setting is where nobody sets it."""
    assert isinstance(setting, Setting)
    return setting.default


def cron(feed: Any) -> tuple[str, str]:
    """The schedule as it is without settings, and its zone."""
    assert isinstance(feed.schedule, Cron)
    expression = feed.schedule.expression
    return expression if isinstance(expression, str) else default(expression), feed.schedule.zone


OMDB, ALPHAVANTAGE, POLICE, INCIDENTS = episodes.omdb, stocks.alphavantage, police.police_api, incidents.api

DECLARED: dict[str, dict[str, tuple[object, object]]] = {
    "episodes": {
        "budget": (windows(OMDB), ("5/second", "1000/day")),
        "the day's zone": (default(OMDB.budget.zone), "UTC"),
        "concurrency": (OMDB.budget.concurrency, 2),
        "waits between tries": (OMDB.tries, (1, 2, 4, 8, 16)),
        "series": (default(episodes.series.partitions.values), "tt0944947"),
        "schedules": ({cron(feed) for feed in episodes.app.feeds}, {("0 3 * * 1", "UTC")}),
        "an episode's age": ((episodes.episodes.due.changed, episodes.episodes.due.ages), (True, (28 * DAY, 35 * DAY))),
        "most seasons": (episodes.seasons.partitions.most, 50),
        "most pages of a search": (episodes.search.pages.most, 100),
        "a comment": ((LONGEST, episodes.comments.max_body), (5_000, 64 * 1024)),
    },
    "stocks": {
        "budget": (windows(ALPHAVANTAGE), ("1/second", "25/day")),
        "the day's zone": (default(ALPHAVANTAGE.budget.zone), "America/New_York"),
        "concurrency": (ALPHAVANTAGE.budget.concurrency, 1),
        "waits between tries": (ALPHAVANTAGE.tries, (2, 8, 30)),
        "deadline": (ALPHAVANTAGE.deadline, timedelta(seconds=30)),
        "symbols": (default(options.SYMBOLS), "IBM,AAPL"),
        "size": (default(options.OUTPUTSIZE), "compact"),
        "schedule": (cron(stocks.bars), ("30 22 * * mon-fri", "America/New_York")),
        "in full": ((stocks.bars.reconcile, stocks.bars.reconcile_with), (Every(days=90), {"outputsize": "full"})),
        "events": ({feed.schedule for feed in (stocks.splits, stocks.dividends)}, {Every(days=7)}),
    },
    "police": {
        "budget": (windows(POLICE), ("15/second",)),
        # Of the 15 that may follow each other at once five are kept back, for those that arrive later than they left.
        "burst": (POLICE.budget.burst, 15 - 5),
        "concurrency": (POLICE.budget.concurrency, 4),
        "waits between tries": (POLICE.tries, (1, 2, 4, 8)),
        "first wait after a 429": (POLICE.throttled_s, 2),
        "deadline and body": ((POLICE.deadline, POLICE.max_body), (2 * MINUTE, 64 * MIB)),
        "forces": (default(FORCES), "avon-and-somerset,leicestershire,cambridgeshire"),
        "months": (police.stops.partitions.months.count, 36),
        "schedules": ({cron(feed) for feed in police.app.feeds}, {("0 4 * * *", "Europe/London")}),
        "young months": ((police.stops.settle, police.stops.reread), (90 * DAY, Every(days=7))),
        "older months": (police.stops.reconcile, Every(days=30)),
        "said twice": ((police.stops.confirm.after, police.stops.confirm.share), (24 * HOUR, 0.5)),
    },
    "incidents": {
        "budget": (windows(INCIDENTS), ()),
        "concurrency": (INCIDENTS.budget.concurrency, 2),
        "waits between tries": (INCIDENTS.tries, (30, 60, 120)),
        "longest wait that is taken": (INCIDENTS.longest_wait, 10 * MINUTE),
        "deadline and body": ((INCIDENTS.deadline, INCIDENTS.max_body), (timedelta(seconds=10), 16 * MIB)),
        "schedules": ({cron(feed) for feed in incidents.app.feeds}, {("*/30 * * * *", "UTC")}),
        "too old": ({feed.stale for feed in incidents.app.feeds}, {45 * MINUTE}),
        "an empty list": ({feed.confirm.after for feed in incidents.app.feeds}, {MINUTE}),
        "the last good map": (incidents.incidents.derived.max_age, DAY),
        "pairs of the map": (incidents.identities.max_partition_records, 1_000_000),
        "days of history": ({default(feed.retention) for feed in incidents.app.feeds}, {"30"}),
        "nobody without a key": ({feed.public for feed in incidents.app.feeds}, {False}),
    },
}


@pytest.mark.parametrize("app", DECLARED)
def test_what_an_app_declares_is_what_was_promised(app):
    found = {name: declared for name, (declared, _) in DECLARED[app].items()}
    assert found == {name: promised for name, (_, promised) in DECLARED[app].items()}
