from datetime import UTC, datetime, timedelta

import pytest
from demo_feeds import BARS, Bar, somewhere

from catchment.chained import rows_of
from catchment.clock import render_moment
from catchment.feed import Feed, Get
from catchment.schedule import Cron, Every, changed, older_than
from catchment.serve.freshness import age, due
from catchment.settings import Settings
from catchment.store.seen import Freshness

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises


def feed(**options):
    return Feed("bars", Bar, somewhere, request=Get("/"), key=("symbol", "date"), **options)


EVENINGS = Cron("30 22 * * mon-fri", zone="America/New_York")
MONDAY = datetime(2026, 2, 2, 12, tzinfo=UTC)

STALE = {
    "each day": (Every(days=1), MONDAY, "2026-01-31T12:00:00.000000Z"),
    # Before Monday evening the last slots were Friday's and Thursday's: a weekend makes nothing stale.
    "weekday evenings, on a Monday": (EVENINGS, MONDAY, "2026-01-30T03:30:00.000000Z"),
    "weekday evenings, on a Wednesday": (EVENINGS, MONDAY + timedelta(days=2), "2026-02-03T03:30:00.000000Z"),
    "longer than time": (Every(days=300_000), MONDAY, None),
}


@pytest.mark.parametrize(("schedule", "now", "expected"), STALE.values(), ids=STALE.keys())
def test_stale_is_what_missed_a_whole_round(schedule, now, expected):
    found = due(feed(schedule=schedule), now, Settings())
    assert found.closed == ""
    if expected is None:
        assert found.stale < "1900"
    else:
        assert found.stale == expected


def test_a_feed_may_say_itself_when_it_is_too_old():
    found = due(feed(stale=timedelta(minutes=45), schedule=EVENINGS), MONDAY, Settings())
    assert found.stale == render_moment(MONDAY - timedelta(minutes=45))


def test_a_closed_partition_has_its_own_rounds(store, reader):
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    old = render_moment(now - timedelta(days=20))
    store.partition(BARS, "all=1")
    store.partition(BARS, "all=2", collected_at=old, first_collected_at=old)
    with reader.snapshot() as snapshot:
        without = snapshot.freshness(BARS, due(feed(), now, Settings()))
        settled = snapshot.freshness(BARS, due(feed(settle=timedelta(days=10)), now, Settings()))
        strict = snapshot.freshness(
            BARS, due(feed(settle=timedelta(days=10), reconcile=Every(days=9)), now, Settings())
        )
    assert (without.stale, without.oldest) == (1, old)
    assert (settled.stale, settled.oldest) == (0, "2026-01-31T04:00:00.000000Z")
    assert strict.stale == 1


def test_an_answer_is_as_old_as_its_oldest_part():
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    new = Freshness("2026-01-31T11:59:00.000000Z", None, 1, 0, 0)
    old = Freshness("2026-01-31T11:00:00.000000Z", None, 3, 0, 2)
    both = age([new, old], now)
    assert (both.seconds, both.stale, both.missing) == (3600, False, 2)
    never = age([new, Freshness(None, None, 0, 0, 0)], now)
    assert never.stale
    assert age([], now).headers == [(b"x-stale", b"false"), (b"x-missing-partitions", b"0")]
    assert age([Freshness("2026-01-31T12:00:05.000000Z", None, 1, 0, 0)], now).seconds == 0


@pytest.mark.parametrize(
    ("when", "stale"),
    [(changed(), ""), (changed() | older_than(days=(28, 35)), "2025-12-27T12:00:00.000000Z")],
    ids=["never", "two rounds after its greatest age"],
)
def test_what_is_asked_again_by_its_row_is_too_old_after_its_age(when, stale):
    assert due(feed(partitions=rows_of(feed(), symbol="symbol"), due=when), MONDAY, Settings()).stale == stale
