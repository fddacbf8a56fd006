"""Orders, done by whoever collects: a reject that is re-admitted or refused again, and what breaks off."""

import asyncio
from dataclasses import replace

import pytest
from shop import app, things

from catchment import App
from catchment.clock import FakeClock
from catchment.orders import Orders
from catchment.runs import Scope, Summary
from catchment.store.audit import Entry
from catchment.store.orders import Wanted, give

MANY = b'{"id": "b", "value": "many"}'


def mended(body, partition):
    """The rows, where `many` is a number."""
    return [row | {"value": 7} if row["value"] == "many" else row for row in body]


MENDED = App("shop", feeds=[replace(things, rows=mended), *app.feeds[1:]])


@pytest.fixture
def obey(here):
    """A function that has an app's orders done, with what comes of each of its runs."""

    def obey(by=app, run=None, *, stop=None):
        async def work():
            async def nothing_is_asked(scope):
                raise AssertionError(scope)

            doing = Orders(
                by, here.store, here.place, FakeClock(here.now), run or nothing_is_asked, stop or asyncio.Event()
            )
            return await doing.obey()

        return asyncio.run(work())

    return obey


def order(here, verb, **rest):
    return give(here.store.database, Wanted("shop/things", verb, **rest), Entry("", ""), here.now)


def told(here):
    return {item.id: (item.good, item.result) for item in here.store.desk.orders(["shop/things"])}


def test_a_reject_is_re_admitted_once_the_declaration_is_mended(here, obey):
    here.collect(("a", 1), MANY)
    (reject,) = here.store.desk.rejects(["shop/things"])
    first = order(here, "readmit", partition=reject.partition, reject=reject.id)
    assert obey() == 1
    assert told(here)[first.id] == (False, "refused as before: Expected `int`, got `str`")
    gone = order(here, "readmit", partition=reject.partition, reject=reject.id)
    assert obey() == 1
    assert told(here)[gone.id] == (False, "there is no such reject any more"), "a replay notes them anew"
    (reject,) = here.store.desk.rejects(["shop/things"])
    second = order(here, "readmit", partition=reject.partition, reject=reject.id)
    assert obey(MENDED) == 1
    good, result = told(here)[second.id]
    assert (good, result.partition(";")[0]) == (True, "it is a record by now")
    assert here.store.desk.rejects(["shop/things"]) == []


def test_what_cannot_be_done_is_said_and_the_next_one_is_done(here, obey):
    here.collect(("a", 1))
    broken = App("shop", feeds=[replace(things, rows=lambda body, partition: 1 / 0), *app.feeds[1:]])
    first, second = order(here, "replay", partition="shelf=nine"), order(here, "replay")
    assert obey(broken) == 2
    assert told(here)[first.id][0] is True, "there was nothing to derive"
    good, result = told(here)[second.id]
    assert (good, result.startswith("1 answers could not be derived again: ")) == (False, True)
    assert result.endswith("ZeroDivisionError")


def test_a_run_that_raises_is_an_order_that_failed(here, obey):
    given = order(here, "start")

    async def run(scope):
        assert scope == Scope(feeds=("things",), again=True)
        raise RuntimeError("an app's own function")

    assert obey(run=run) == 1
    assert told(here)[given.id] == (False, "RuntimeError: an app's own function")


def test_what_the_end_breaks_off_stays_to_be_done(here, obey):
    given = order(here, "replay")
    here.collect(("a", 1))
    stop = asyncio.Event()
    stop.set()
    assert obey(stop=stop) == 0
    assert told(here)[given.id] == (None, "")
    assert obey() == 1
    assert told(here)[given.id][0] is True


def test_a_partition_is_asked_for_by_its_values(here, obey):
    here.collect(("a", 1))
    given = order(here, "collect", partition="shelf=one")

    async def run(scope):
        assert scope == Scope(only={"shelf": ["one"]}, feeds=("things",), again=True)
        return Summary((), {})

    assert obey(run=run) == 1
    assert told(here)[given.id] == (True, "nothing was due")
