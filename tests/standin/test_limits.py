from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catchment.standin import Bucket, Daily, Meter, Sliding

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_a_sliding_window_lets_in_as_the_oldest_call_leaves():
    meter, limit = Meter(), Sliding(2, 1.0)
    verdicts = [meter.refusal("k", NOON + seconds(at), limit) for at in (0, 0.5, 0.9, 1.0, 1.1, 1.5)]
    assert verdicts == [None, None, limit, None, limit, None]


def test_keys_do_not_share_a_window():
    meter = Meter()
    assert [meter.refusal(key, NOON, Sliding(1, 1.0)) for key in "ab"] == [None, None]


def test_a_day_turns_in_its_zone():
    meter, limit = Meter(), Daily(1, "America/New_York")
    evening = datetime(2026, 3, 11, 3, 59, tzinfo=UTC)  # 23:59 Eastern on the 10th
    assert meter.refusal("k", evening, limit) is None
    assert meter.refusal("k", evening + seconds(30), limit) == limit
    assert meter.refusal("k", evening + seconds(60), limit) is None


def test_a_refused_call_counts_for_no_window():
    meter, second, day = Meter(), Sliding(1, 1.0), Daily(2, "UTC")
    assert meter.refusal("k", NOON, second, day) is None
    assert meter.refusal("k", NOON, second, day) == second
    assert meter.refusal("k", NOON + seconds(2), second, day) is None
    assert meter.refusal("k", NOON + seconds(4), second, day) == day


def test_a_bucket_takes_its_burst_and_then_its_rate():
    bucket = Bucket()
    fits = [bucket.pour("k", NOON, per_second=15, burst=30) for _ in range(31)]
    assert fits == [True] * 30 + [False]
    later = [bucket.pour("k", NOON + seconds(1), per_second=15, burst=30) for _ in range(16)]
    assert later == [True] * 15 + [False]
