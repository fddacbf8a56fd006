"""Orders in the ledger: one waits of equal ones, one worker has it, and the next one where that died."""

from datetime import timedelta

import pytest
from shop import app

from catchment.clock import render_moment
from catchment.planner import Planner
from catchment.runs import Scope
from catchment.store.audit import Asked, Entry, find
from catchment.store.orders import TRIES, Wanted, give

NAMES = ["shop/things", "shop/counted"]


@pytest.fixture
def order(here):
    """A function that gives an order."""

    def order(verb, collection="shop/things", by="operator", **rest):
        wanted = Wanted(collection, verb, **rest)
        return give(here.store.database, wanted, Entry("", "", by, "key", request_id="r"), here.now)

    return order


def listed(here):
    return here.store.desk.orders(NAMES)


def test_of_equal_orders_one_waits_and_who_is_second_is_told_of_it(here, order):
    first, second = order("start"), order("start", by="another")
    assert (first.id, first.principal) == (second.id, "operator")
    assert order("collect", partition="shelf=one").id != first.id
    assert [item.verb for item in listed(here)] == ["collect", "start"]
    tried = find(here.store._derived, Asked(action="order-start"))
    assert [(item.principal, item.object) for item in tried] == [
        ("another", "shop/things"),
        ("operator", "shop/things"),
    ]


def test_one_that_is_taken_makes_room_for_the_next(here, order):
    first = order("start")
    assert here.store.orders.take(NAMES, here.now).id == first.id
    second = order("start")
    assert second.id != first.id
    assert second.taken_at is None


def test_one_worker_has_an_order_and_the_next_one_where_that_died(open_shop, here, order):
    """A worker that dies leaves what it took: killed between taking and doing."""
    given, other = order("retry"), open_shop()
    assert other.store.orders.take(NAMES, here.now).id == given.id
    assert here.store.orders.take(NAMES, here.now) is None, "somebody is at it"
    other.store.close()
    again = here.store.orders.take(NAMES, here.now)
    assert (again.id, again.done_at) == (given.id, None)
    here.store.orders.done(again.id, "2 complete", here.now, good=True)
    assert here.store.orders.take(NAMES, here.now) is None
    (told,) = listed(here)
    assert (told.good, told.result, told.done_at) == (True, "2 complete", render_moment(here.now))


def test_an_order_that_kills_whoever_takes_it_is_given_up(here, order):
    order("start")
    for _ in range(TRIES):
        assert here.store.orders.take(NAMES, here.now) is not None
    assert here.store.orders.take(NAMES, here.now) is None
    (told,) = listed(here)
    assert (told.good, told.result) == (False, f"given up: it was begun {TRIES} times and never ended")


def test_orders_of_others_are_left_to_them(here, order):
    order("start", "shop/counted")
    assert here.store.orders.take(["shop/things"], here.now) is None
    assert here.store.orders.take([], here.now) is None


def test_a_paused_feed_has_nothing_due_and_takes_no_order_to_ask(here, order):
    assert order("pause").done_at is not None
    assert [item.collection for item in here.store.desk.paused(NAMES)] == ["shop/things"]
    for verb in ("start", "retry"):
        assert order(verb) is None
    planner = Planner(app, here.store, here.place, clock := Standing(here.now))
    things, counted, _ = (planner.plan(feed, Scope()) for feed in app.feeds)
    assert (things.due, things.paused, things.next) == ((), 2, None)
    assert (len(counted.due), counted.paused) == (2, None)
    assert order("resume").done_at is None, "a collector asks for what is due by then"
    assert len(planner.plan(app.feeds[0], Scope()).due) == 2
    assert clock.now() == here.now


class Standing:
    """A clock that stands."""

    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at


def test_who_collects_is_told_as_long_as_he_lives(open_shop, here):
    other = open_shop()
    other.store.orders.begin("shop", here.now)
    alive = here.store.workers.alive
    assert here.store.desk.collecting(alive) == ["shop"]
    other.store.close()
    assert here.store.desk.collecting(alive) == []
    here.store.orders.begin("shop", here.now)
    assert len(here.rows("SELECT owner FROM _collecting")) == 1, "the dead are taken back"
    here.store.orders.end("shop")
    assert here.rows("SELECT owner FROM _collecting") == []


def test_what_was_done_long_ago_is_forgotten(here, order):
    order("pause")
    here.now += timedelta(days=91)
    order("resume")
    assert [item.verb for item in listed(here)] == ["resume"]
