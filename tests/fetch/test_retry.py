"""When to try again: the rule, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import Meaning
from catchment.fetch import next_wait, retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seconds(meaning: Meaning, attempts: int, waits: tuple[float, ...], draw: float = 0.0) -> list[float | None]:
    found = (next_wait(meaning, attempt, waits, random=lambda: draw) for attempt in range(1, attempts + 1))
    return [wait.total_seconds() if wait is not None else None for wait in found]


def test_a_passing_fault_is_tried_as_often_as_there_are_waits():
    assert seconds(Meaning.transient("503"), 5, (1, 2, 4, 8)) == [1, 2, 4, 8, None]


def test_waits_are_stretched_by_up_to_a_quarter():
    assert seconds(Meaning.transient("503"), 2, (4, 8), draw=0.5) == [4.5, 9]


def test_throttling_waits_longer_and_longer_and_is_no_failed_try():
    assert seconds(Meaning.throttled("429"), 8, ()) == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("meaning", "first"),
    [
        pytest.param(Meaning.throttled("429", timedelta(seconds=7)), 7, id="throttled"),
        pytest.param(Meaning.transient("503", timedelta(seconds=30)), 30, id="transient-longer"),
        pytest.param(Meaning.transient("503", timedelta(seconds=1)), 2, id="transient-shorter"),
    ],
)
def test_what_the_upstream_asks_for_is_never_undercut(meaning, first):
    assert seconds(meaning, 1, (2,)) == [first]


@pytest.mark.parametrize("kind", ["data", "pending", "quota", "auth", "stop", "refused", "failed"])
def test_nothing_else_is_tried_again(kind):
    assert next_wait(Meaning(kind), 1, (1, 2)) is None


@given(attempt=st.integers(1, 10_000), draw=st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_negative_and_never_over_its_bound(attempt, draw):
    throttled = next_wait(Meaning.throttled("429"), attempt, (), random=lambda: draw)
    assert timedelta(0) < throttled <= timedelta(seconds=60)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("0", timedelta(0)),
        (" 5 ", timedelta(seconds=5)),
        ("Sun, 01 Mar 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("315360000", timedelta(days=3650)),
        *((text, None) for text in ("", "-5", "soon", "1.5", "٥", "99999999999", "Sun, 99 Foo 2026")),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header, wait):
    assert retry_after(header, NOW) == wait


def test_a_meaning_may_have_a_number_of_tries_of_its_own():
    assert seconds(Meaning.transient("data", tries=3), 3, (1, 2, 4, 8)) == [1, 2, None]
    assert seconds(Meaning.transient("data", tries=5), 5, (1, 2)) == [1, 2, 2, 2, None]
    assert seconds(Meaning.transient("data", tries=1), 1, (1, 2)) == [None]
    assert seconds(Meaning.transient("data", tries=2), 2, ()) == [0, None]
