"""When a request is tried again, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import DeadlineExceeded, Incomplete, Refused, TooLarge, Unreachable
from catchment.exchange import Answer
from catchment.fetch import Retry, next_wait, retry_after

NOW = datetime(2026, 1, 31, 4, tzinfo=UTC)
BROKEN = Unreachable("gone")


def waits(policy: Retry, **options) -> list[float]:
    found = (next_wait(BROKEN, attempt, policy, **options) for attempt in range(1, policy.attempts + 1))
    return [wait.total_seconds() for wait in found if wait is not None]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Retry(jitter=False), [1, 2, 4, 8]),
        (Retry(), [0.5, 1, 2, 4]),
        (Retry(attempts=1), []),
        (Retry(attempts=4, waits=(1, 10)), [1, 10, 10]),
        (Retry(attempts=5, base_s=100, cap_s=300, jitter=False), [100, 200, 300, 300]),
    ],
)
def test_worked_sequences(policy, expected):
    assert waits(policy, random=lambda: 0.5) == expected


def test_never_earlier_than_the_upstream_asked():
    assert waits(Retry(), retry_after=timedelta(seconds=30), random=lambda: 0.5) == [30, 30, 30, 30]
    assert waits(Retry(), retry_after=timedelta(0), random=lambda: 0.5) == [0.5, 1, 2, 4]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_statuses_are_tried_again(status):
    assert next_wait(Answer(status, b"", NOW), 1, Retry()) is not None


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 403, 404, 410, 501])
def test_other_statuses_are_not(status):
    assert next_wait(Answer(status, b"", NOW), 1, Retry()) is None


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Unreachable("x"), True),
        (DeadlineExceeded("x"), True),
        (Incomplete("x"), True),
        (Unreachable("x", cause="tls", retry=False), False),
        (Refused("x"), False),
        (TooLarge("x"), False),
    ],
)
def test_errors_say_themselves(error, again):
    assert (next_wait(error, 1, Retry()) is not None) is again


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_waits_stay_within_the_cap(attempt, draw):
    wait = next_wait(BROKEN, attempt, Retry(attempts=20_000), random=lambda: draw)
    assert wait is not None
    assert timedelta(0) <= wait <= timedelta(seconds=300)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("315360000", 315_360_000),
        ("Sat, 31 Jan 2026 04:01:30 GMT", 90),
        ("Saturday, 31-Jan-26 04:01:30 GMT", 90),
        ("Sat Jan 31 04:01:30 2026", 90),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
def test_retry_after_is_understood(header, seconds):
    assert retry_after(header, NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header", ["", "-5", "+5", "1.5", "soon", "1e3", "١٢", "9" * 30, "Wed, 99 Oct 2015 07:28:00 GMT", "\x00"]
)
def test_garbage_is_no_waiting_time(header):
    assert retry_after(header, NOW) is None


@given(st.text(max_size=60))
def test_retry_after_never_fails(header):
    found = retry_after(header, NOW)
    assert found is None or found >= timedelta(0)
