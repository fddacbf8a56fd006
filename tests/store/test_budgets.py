"""Budgets as rows: one count for every process, kept over restarts, a pause until somebody ends it."""

from __future__ import annotations

from datetime import timedelta

from shop import START

from catchment import Budget
from catchment.breaker import DOUBTS, MOST, REST, Turn
from catchment.budget import Wait, left_today

DAILY = Budget("3/day")


def tire(budgets):
    """Has the upstream rest."""
    for number in range(MOST + DOUBTS):
        budgets.fault("shop", START, "503", number >= MOST)


def test_what_was_spent_is_spent_after_reopening(here, open_shop):
    here.store.budgets.take("shop", DAILY, START)
    here.store.budgets.take("shop", DAILY, START)
    here.store.close()
    again = open_shop().store.budgets
    assert left_today(DAILY, again.counts("shop"), START) == 1
    assert isinstance(again.take("shop", DAILY, START), Turn)
    assert again.take("shop", DAILY, START).until == START + timedelta(days=1)
    assert isinstance(again.take("shop", DAILY, START + timedelta(days=1)), Turn)


def test_a_heavy_request_is_spent_whole_or_not_at_all_over_processes_and_restarts(here, open_shop):
    other = open_shop().store.budgets
    assert isinstance(here.store.budgets.take("shop", DAILY, START, 2), Turn)
    assert other.take("shop", DAILY, START, 2).reason == "day"
    assert other.wait("shop", DAILY, START) is None
    here.store.close()
    again = open_shop().store.budgets
    assert left_today(DAILY, again.counts("shop"), START) == 1
    assert again.wait("shop", DAILY, START, 2).reason == "day"
    assert isinstance(again.take("shop", DAILY, START), Turn)


def test_upstreams_have_budgets_of_their_own(here):
    one = Budget("1/day")
    taken = [here.store.budgets.take(name, one, START) for name in ("a", "b", "a")]
    assert [isinstance(step, Turn) for step in taken] == [True, True, False]


def test_a_refusal_by_one_window_spends_nothing_of_the_others(here):
    budget = Budget("1/minute", "5/day")
    for _ in range(4):
        here.store.budgets.take("shop", budget, START)
    assert left_today(budget, here.store.budgets.counts("shop"), START) == 4


def test_a_pause_holds_for_everybody_and_the_longer_one_stays(here, open_shop):
    other = open_shop().store.budgets
    here.store.budgets.pause("shop", START + timedelta(hours=2), "quota")
    here.store.budgets.pause("shop", START + timedelta(hours=1), "429")
    wait = other.take("shop", Budget(), START)
    assert (wait.until, wait.reason) == (START + timedelta(hours=2), "quota")
    other.resume("shop", "auth")
    assert isinstance(here.store.budgets.take("shop", Budget(), START), Wait)
    other.resume("shop", "quota")
    assert isinstance(here.store.budgets.take("shop", Budget(), START), Turn)


def test_used_up_in_the_middle_of_our_day_pauses_until_it_turns(here):
    budgets = here.store.budgets
    for _ in range(2):
        budgets.take("shop", DAILY, START)
    assert left_today(DAILY, budgets.counts("shop"), START) == 1
    assert budgets.pause_for_quota("shop", DAILY, START) == START + timedelta(days=1)
    assert left_today(DAILY, budgets.counts("shop"), START) == 0


def test_used_up_at_the_first_request_of_our_day_pauses_for_an_hour(here):
    here.store.budgets.take("shop", DAILY, START)
    assert here.store.budgets.pause_for_quota("shop", DAILY, START) == START + timedelta(hours=1)
    assert here.store.budgets.take("shop", DAILY, START).reason == "quota"


def test_a_rest_holds_for_every_process_and_over_restarts(here, open_shop):
    tire(here.store.budgets)
    other = open_shop().store.budgets
    wait = other.take("shop", Budget(), START)
    assert (wait.kind, wait.until) == ("rest", START + REST)
    assert isinstance(other.take("bank", Budget(), START), Turn)
    here.store.close()
    assert open_shop().store.budgets.take("shop", Budget(), START) == wait
    assert other.left_alone("shop", START) == wait


def test_one_of_two_processes_has_the_probe_and_the_other_hears_of_its_end(here, open_shop):
    mine, theirs, after = here.store.budgets, open_shop().store.budgets, START + REST
    tire(mine)
    assert mine.take("shop", Budget(), after).probe
    assert theirs.take("shop", Budget(), after).kind == "probe"
    mine.answered("shop")
    assert theirs.take("shop", Budget(), after) == Turn()


def test_a_probe_of_which_nothing_is_heard_makes_room_for_another(here, open_shop):
    tire(here.store.budgets)
    assert here.store.budgets.take("shop", Budget(), START + REST).probe
    here.store.close()
    assert open_shop().store.budgets.take("shop", Budget(), START + 2 * REST).probe


def test_a_probe_is_not_spent_where_the_budget_has_no_place(here):
    budgets = here.store.budgets
    for _ in range(3):
        budgets.take("shop", DAILY, START)
    tire(budgets)
    wait = budgets.take("shop", DAILY, START + REST)
    assert (wait.kind, wait.reason) == ("budget", "day")
    assert budgets.take("shop", DAILY, START + timedelta(days=1)).probe


def test_a_person_has_the_next_request_be_a_probe_also_where_one_is_lost(here):
    budgets = here.store.budgets
    budgets.let_try("shop", START)
    assert budgets.counts("shop") == {}
    tire(budgets)
    for _ in range(2):
        budgets.let_try("shop", START)
        assert budgets.take("shop", Budget(), START).probe
