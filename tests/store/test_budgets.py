"""Budgets as rows: one count for every process, kept over restarts, a pause until somebody ends it."""

from __future__ import annotations

from datetime import timedelta

from shop import START

from catchment import Budget
from catchment.budget import Wait, left_today

DAILY = Budget("3/day")


def test_two_collectors_spend_one_budget(here, open_shop):
    other = open_shop()
    spent = [shop.store.budgets.take("shop", DAILY, START) is None for shop in (here, other, here, other, here)]
    assert spent == [True, True, True, False, False]


def test_what_was_spent_is_spent_after_reopening(here, open_shop):
    here.store.budgets.take("shop", DAILY, START)
    here.store.budgets.take("shop", DAILY, START)
    here.store.close()
    again = open_shop().store.budgets
    assert left_today(DAILY, again.counts("shop"), START) == 1
    assert again.take("shop", DAILY, START) is None
    assert again.take("shop", DAILY, START).until == START + timedelta(days=1)
    assert again.take("shop", DAILY, START + timedelta(days=1)) is None


def test_upstreams_have_budgets_of_their_own(here):
    one = Budget("1/day")
    assert [here.store.budgets.take(name, one, START) is None for name in ("a", "b", "a")] == [True, True, False]


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
    assert here.store.budgets.take("shop", Budget(), START) is None


def test_used_up_in_the_middle_of_our_day_pauses_until_it_turns(here):
    budgets = here.store.budgets
    for _ in range(2):
        budgets.take("shop", DAILY, START)
    assert budgets.pause_for_quota("shop", DAILY, START) == START + timedelta(days=1)


def test_used_up_at_the_first_request_of_our_day_pauses_for_an_hour(here):
    here.store.budgets.take("shop", DAILY, START)
    assert here.store.budgets.pause_for_quota("shop", DAILY, START) == START + timedelta(hours=1)
    assert here.store.budgets.take("shop", DAILY, START).reason == "quota"
