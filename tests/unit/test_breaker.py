"""Whether an upstream that fails again and again is asked: rules, without a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catchment.breaker import CLOSED, DOUBTS, LONGEST, MOST, REST, Breaker, enter, failed, let_try
from catchment.budget import Wait

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
OPEN = MOST + DOUBTS


def after(faults: int) -> Breaker:
    """What is known after so many faults in a row, those after the fifth of probes."""
    breaker = CLOSED
    for number in range(faults):
        breaker = failed(breaker, NOW, "503", probe=number >= MOST)
    return breaker


def test_fewer_than_five_faults_stop_nobody():
    assert enter(after(MOST - 1), NOW) == after(MOST - 1)


@pytest.mark.parametrize("more", range(DOUBTS))
def test_then_one_at_a_time_is_asked_without_any_rest(more):
    probe = enter(after(MOST + more), NOW)
    assert probe.probing
    assert enter(probe, NOW).kind == "probe"


@pytest.mark.parametrize(
    ("faults", "minutes"), [(10, 1), (11, 2), (12, 4), (13, 8), (14, 16), (15, 30), (16, 30), (900, 30)]
)
def test_the_rest_doubles_to_half_an_hour(faults, minutes):
    assert after(faults).until - NOW == timedelta(minutes=minutes) <= LONGEST


def test_while_it_rests_everybody_waits_and_is_told_why():
    wait = enter(after(OPEN), NOW + REST / 2)
    assert wait == Wait(NOW + REST, "resting: 10 faults in a row, the last 503", "rest")


def test_after_the_rest_one_goes_and_the_others_wait_for_what_comes_of_it():
    probe = enter(after(OPEN), NOW + REST)
    assert probe.probing
    assert enter(probe, NOW + REST).kind == "probe"


def test_what_was_under_way_when_it_opened_does_not_prolong_the_rest():
    assert failed(after(OPEN), NOW + REST / 2, "500", probe=False) == after(OPEN)


def test_a_person_does_not_wait_for_the_end_of_a_rest_and_opens_nothing_that_is_closed():
    assert enter(let_try(after(OPEN + 3), NOW), NOW).probing
    assert let_try(CLOSED, NOW) == CLOSED
