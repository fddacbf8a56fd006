"""What an upstream allows: never more than declared, in any span, on any day, in several windows at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import Budget
from catchment.budget import PAUSE, QUOTA, Count, Wait, day_of, day_turns, left_today, pause_after_quota, take
from catchment.plan import forecast

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPAN = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


def sent(budget: Budget, tries: list[datetime]) -> list[datetime]:
    """The moments at which a request was allowed."""
    counts: dict[str, Count] = {}
    moments = []
    for moment in tries:
        step = take(budget, counts, moment)
        if not isinstance(step, Wait):
            counts.update(step)
            moments.append(moment)
    return moments


def eager(budget: Budget, number: int, start: datetime = NOON) -> list[datetime]:
    """The moments at which somebody sends who asks again as soon as he may."""
    counts: dict[str, Count] = {}
    moments = []
    moment = start
    while len(moments) < number:
        step = take(budget, counts, moment)
        if isinstance(step, Wait):
            assert step.until > moment
            moment = step.until
        else:
            counts.update(step)
            moments.append(moment)
    return moments


def fullest(moments: list[datetime], span: timedelta) -> int:
    """The most requests in any span of that length, its end left out."""
    return max((sum(1 for other in moments if start <= other < start + span) for start in moments), default=0)


counts_of = st.integers(1, 40)
bursts = st.integers(1, 5)
gaps = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 400_000), st.integers(0, 10**8)), max_size=60)


@given(counts_of, bursts, st.sampled_from(list(SPAN)), gaps)
def test_no_span_holds_more_than_its_count_and_the_burst(count, burst, unit, steps):
    tries = [NOON]
    for step in steps:
        tries.append(tries[-1] + timedelta(microseconds=step))
    budget = Budget(f"{count}/{unit}", burst=burst)
    assert fullest(sent(budget, tries), SPAN[unit]) <= count + burst - 1


@given(counts_of, bursts, st.sampled_from(list(SPAN)))
def test_somebody_who_asks_as_soon_as_he_may_never_has_more(count, burst, unit):
    budget = Budget(f"{count}/{unit}", burst=burst)
    assert fullest(eager(budget, 2 * count + burst), SPAN[unit]) <= count + burst - 1


@pytest.mark.parametrize("count", [3, 7, 13, 700, 999_999_999])
def test_windows_that_do_not_divide_evenly_are_rounded_to_the_safe_side(count):
    budget = Budget(f"{count}/second", burst=2)
    counts: dict[str, Count] = {}
    for _ in range(3):
        step = take(budget, counts, NOON)
        counts.update({} if isinstance(step, Wait) else step)
    interval = (counts["second"].until - NOON) / 2
    assert interval * count >= timedelta(seconds=1)


def test_a_burst_may_go_at_once_then_evenly():
    moments = eager(Budget("60/minute", burst=3), 5)
    assert moments[:3] == [NOON] * 3
    assert [b - a for a, b in pairwise(moments[2:])] == [timedelta(seconds=1)] * 2


@pytest.mark.parametrize(
    ("zone", "before", "length"),
    [
        pytest.param("UTC", "2026-01-01T12:00Z", 24, id="UTC"),
        pytest.param("Europe/London", "2026-03-28T12:00Z", 23, id="London, a day of 23 hours"),
        pytest.param("Europe/London", "2026-10-24T12:00Z", 25, id="London, a day of 25 hours"),
        pytest.param("America/New_York", "2026-03-07T12:00Z", 23, id="New York, a day of 23 hours"),
        pytest.param("America/New_York", "2026-10-31T12:00Z", 25, id="New York, a day of 25 hours"),
        pytest.param("Australia/Lord_Howe", "2026-04-04T00:00Z", 24.5, id="Lord Howe, half an hour more"),
        pytest.param("Africa/Cairo", "2026-04-23T00:00Z", 23, id="Cairo, no midnight"),
    ],
)
def test_a_day_turns_at_midnight_of_its_zone(zone, before, length):
    budget = Budget("2/day", zone=zone)
    start = day_turns(budget, datetime.fromisoformat(before))
    end = day_turns(budget, start)
    second = timedelta(seconds=1)
    assert end - start == timedelta(hours=length)
    assert day_of(budget, start - second) < day_of(budget, start) == day_of(budget, end - second) < day_of(budget, end)
    assert eager(budget, 5, start) == [start, start, end, end, day_turns(budget, end)]


@given(st.integers(1, 5), st.lists(st.integers(0, 40), max_size=60))
def test_no_day_holds_more_than_its_count(count, hours):
    budget = Budget(f"{count}/day", zone="America/New_York")
    tries = [NOON]
    for step in hours:
        tries.append(tries[-1] + timedelta(hours=step))
    found = [day_of(budget, moment) for moment in sent(budget, tries)]
    assert all(found.count(day) <= count for day in found)


weights_of = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3 * 10**6)), max_size=60)


@given(st.integers(5, 12), st.integers(5, 8), st.sampled_from([("minute", 60), ("second", 1)]), weights_of)
def test_no_window_holds_more_by_weight(count, burst, window, asked):
    unit, seconds = window
    budget = Budget(f"{count}/{unit}", f"{3 * count}/day", burst=burst)
    counts: dict[str, Count] = {}
    moment, sent_at = NOON, []
    for weight, step in asked:
        moment += timedelta(microseconds=step * seconds // 6)
        taken = take(budget, counts, moment, weight)
        if not isinstance(taken, Wait):
            counts.update(taken)
            sent_at += [moment] * weight
    assert fullest(sent_at, SPAN[unit]) <= count + burst - 1
    assert len(sent_at) <= 3 * count
    assert left_today(budget, counts, moment) == 3 * count - len(sent_at)


def test_a_burst_is_spent_by_weight():
    budget = Budget("60/minute", burst=5)
    used = take(budget, {}, NOON, 3)
    assert take(budget, used, NOON, 3) == Wait(NOON + timedelta(seconds=1), "minute")
    assert not isinstance(take(budget, used, NOON, 2), Wait)


def test_one_that_does_not_fit_into_what_is_left_of_a_day_waits_for_the_next():
    used = take(Budget("7/day"), {}, NOON, 5)
    assert take(Budget("7/day"), used, NOON, 3) == Wait(datetime(2026, 1, 2, tzinfo=UTC), "day")
    assert left_today(Budget("7/day"), take(Budget("7/day"), used, NOON, 2), NOON) == 0


def test_a_forecast_of_heavy_requests_goes_by_their_weight():
    done = forecast([3] * 5, Budget("7/day"), {}, NOON)
    assert done == datetime(2026, 1, 3, tzinfo=UTC)
    assert pause_after_quota(Budget("7/day"), take(Budget("7/day"), {}, NOON, 3), NOON, 3) == NOON + timedelta(hours=1)


def test_several_windows_allow_together_or_not_at_all():
    budget = Budget("1/second", "2/minute", "3/day")
    counts = take(budget, {}, NOON)
    assert set(counts) == {"second", "minute", "day"}
    step = take(budget, counts, NOON)
    assert (step.reason, counts["day"].used) == ("minute", 1)


def test_the_longest_wait_of_several_is_said():
    counts = {"day": Count("2026-01-01", 3)}
    step = take(Budget("1/second", "3/day"), counts | {"second": Count(until=NOON + timedelta(seconds=9))}, NOON)
    assert step == Wait(datetime(2026, 1, 2, tzinfo=UTC), "day")


def test_without_windows_everything_may_be_sent():
    assert take(Budget(), {}, NOON) == {}


def test_a_pause_holds_until_its_end():
    paused = {PAUSE: Count(until=NOON, reason="429")}
    assert take(Budget(), paused, NOON - timedelta(microseconds=1)) == Wait(NOON, "429")
    assert take(Budget(), paused, NOON) == {}


@pytest.mark.parametrize(
    ("budget", "counts", "left"),
    [
        (Budget("25/day"), {}, 25),
        (Budget("25/day"), {"day": Count("2026-01-01", 20)}, 5),
        (Budget("25/day"), {"day": Count("2025-12-31", 20)}, 25),
        (Budget("1/second"), {}, None),
        (
            Budget("25/day"),
            {"day": Count("2026-01-01", 20), PAUSE: Count(until=NOON + timedelta(hours=1), reason=QUOTA)},
            0,
        ),
        (Budget("25/day"), {"day": Count("2026-01-01", 20), PAUSE: Count(until=NOON, reason=QUOTA)}, 5),
        (
            Budget("25/day"),
            {"day": Count("2026-01-01", 20), PAUSE: Count(until=NOON + timedelta(hours=1), reason="429")},
            5,
        ),
        (Budget("1/second"), {PAUSE: Count(until=NOON + timedelta(hours=1), reason=QUOTA)}, None),
    ],
)
def test_what_is_left_of_the_day(budget, counts, left):
    assert left_today(budget, counts, NOON) == left


@pytest.mark.parametrize(
    ("used", "until"),
    [
        pytest.param(Count("2026-01-01", 1), NOON + timedelta(hours=1), id="at the day's first request"),
        pytest.param(Count("2026-01-01", 2), datetime(2026, 1, 2, tzinfo=UTC), id="later in the day"),
        pytest.param(Count(), datetime(2026, 1, 2, tzinfo=UTC), id="where no day is counted"),
    ],
)
def test_how_long_an_upstream_without_allowance_is_left_alone(used, until):
    assert pause_after_quota(Budget("25/day"), {"day": used}, NOON) == until


def test_500_symbols_at_25_a_day_take_20_days():
    budget = Budget("1/second", "25/day")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    done = forecast([1] * 500, budget, {}, start)
    assert (done.date() - start.date()).days + 1 == 20
    assert forecast([1] * 501, budget, {}, start).date() == datetime(2026, 1, 21, tzinfo=UTC).date()


@given(st.integers(1, 30), st.sampled_from([("3/minute",), ("2/second", "7/day"), ("1/hour", "4/day"), ()]), bursts)
def test_a_forecast_is_what_sending_comes_to(number, windows, burst):
    budget = Budget(*windows, burst=burst)
    assert forecast([1] * number, budget, {}, NOON) == eager(budget, number)[-1]


def test_a_forecast_of_nothing_is_now_and_spends_nothing():
    counts = {"day": Count("2026-01-01", 3)}
    assert forecast([], Budget("3/day"), counts, NOON) == NOON
    forecast([1] * 5, Budget("3/day"), counts, NOON)
    assert counts == {"day": Count("2026-01-01", 3)}


def test_a_clock_that_is_set_back_does_not_shut_the_upstream():
    budget = Budget("10/second")
    later = NOON + timedelta(hours=1)
    used = take(budget, {}, later)
    wait = take(budget, used, NOON)
    assert isinstance(wait, Wait)
    assert wait.until - NOON <= timedelta(seconds=1)
