"""Filling stored records again: all of a partition at once, fenced by what was looked up, done again after a crash."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from shop import app, price, priced

from catchment.derive import derive
from catchment.errors import DecodeError, StoreUnavailable
from catchment.fill import Filler, outdated, refill
from catchment.store.lease import Outcome
from catchment.store.marks import Mark
from catchment.store.tables import Collection

CURRENT = "SELECT id, price, _version, _partition FROM shop_priced ORDER BY id"
AT = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def records(here, feed=priced):
    return here.store.records(Collection(app.name, feed))


def fill(here, feed=priced) -> int:
    run = here.store.ledger.begin_run(app.name, here.now)
    return refill(feed, run, records(here, feed), here.now)


def with_rule(attribute):
    return replace(priced, derived=replace(priced.derived, attribute=attribute))


# -- when -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noted", "mark", "expected"),
    [
        pytest.param(None, (1, 1, AT, "m"), True, id="never filled"),
        pytest.param((1, 1, AT, "m"), (1, 1, AT, "m"), False, id="nothing changed"),
        pytest.param((1, 1, AT, "m"), (1, 2, AT, "m"), True, id="the other collection changed"),
        pytest.param((1, 5, AT, "m"), (2, 5, AT, "m"), True, id="it was derived anew"),
        pytest.param((1, 1, AT, "m"), (1, 1, AT, "n"), True, id="the rule changed"),
        pytest.param((1, 1, AT, "m"), (1, 1, AT + DAY, "m"), False, id="it was collected again in time"),
        pytest.param((1, 1, AT, "m"), (1, 1, AT + 2 * DAY, "m"), True, id="it was too old in between"),
        pytest.param((1, 1, None, "m"), (1, 1, AT, "m"), True, id="it was collected for the first time"),
        pytest.param((1, 1, None, "m"), (1, 1, None, "m"), False, id="it was never collected"),
    ],
)
def test_stored_records_are_filled_again_when_it_may_make_a_difference(noted, mark, expected):
    assert outdated(noted and Mark("shop/things", *noted), Mark("shop/things", *mark), DAY) is expected


# -- how ------------------------------------------------------------------------------------------------------------


def test_each_partition_is_filled_by_a_commit_of_its_own(here):
    here.collect(("a", 1), ("b", 2), feed=priced)
    here.collect(("c", 3), shelf="two", feed=priced)
    here.collect(("a", 10), ("b", 20), ("c", 30))
    assert fill(here) == 3
    assert here.rows(CURRENT) == [
        ("a", 10, 2, "shelf=one"),
        ("b", 20, 2, "shelf=one"),
        ("c", 30, 2, "shelf=two"),
    ]
    assert here.rows("SELECT revision, partition FROM _commit WHERE collection = 'shop/priced'") == [
        (1, "shelf=one"),
        (2, "shelf=two"),
        (3, "shelf=one"),
        (4, "shelf=two"),
    ]
    assert fill(here) == 0


def test_a_filling_that_is_broken_off_is_finished_by_the_next_one(here):
    """The partition that was done stays done, and gets no second version."""
    here.collect(("a", 1), feed=priced)
    here.collect(("c", 3), shelf="two", feed=priced)
    here.collect(("a", 10), ("c", 30))
    raised = []

    def broken(record, lookup, before):
        if record.id == "c" and not raised:
            raised.append(record)
            raise RuntimeError("the machine is gone")
        return price(record, lookup, before)

    with pytest.raises(RuntimeError, match="the machine is gone"):
        fill(here, with_rule(broken))
    assert here.rows(CURRENT) == [("a", 10, 2, "shelf=one"), ("c", None, 1, "shelf=two")]
    assert here.rows("SELECT count(*) FROM _filled") == [(0,)]
    assert fill(here, with_rule(broken)) == 1
    assert here.rows(CURRENT) == [("a", 10, 2, "shelf=one"), ("c", 30, 2, "shelf=two")]


def test_a_partition_is_filled_whole_or_not_at_all(here, refusing):
    """The database refuses in the middle of the commit."""
    here.collect(("a", 1), ("b", 1), feed=priced)
    here.collect(("a", 10), ("b", 20))
    end = refusing(here.store._derived, "BEFORE UPDATE", "shop_priced", "OLD.id = 'b'")
    before = here.rows(CURRENT), here.rows("SELECT * FROM _commit"), here.rows("SELECT count(*) FROM _attempt")
    with pytest.raises(Exception, match="it is refused"):
        fill(here)
    assert here.rows("SELECT count(*) FROM shop_priced_version") == [(0,)]
    assert (
        here.rows(CURRENT),
        here.rows("SELECT * FROM _commit"),
        here.rows("SELECT count(*) FROM _attempt"),
    ) == before
    end()
    assert fill(here) == 2


def test_who_slept_does_not_write_what_was_looked_up_before(open_shop):
    """One collector compares; another one brings other prices meanwhile: the first one begins again."""
    here, there = open_shop(), open_shop()
    here.collect(("a", 1), feed=priced)
    here.collect(("a", 10))
    slept = []

    def sleepy(record, lookup, before):
        filled = price(record, lookup, before)
        if not slept:
            slept.append(filled.price)
            there.collect(("a", 11))
            fill(there)
        return filled

    fill(here, with_rule(sleepy))
    assert slept == [10]
    assert here.rows(CURRENT) == [("a", 11, 2, "shelf=one")]


def test_a_merge_that_looked_up_what_changed_meanwhile_looks_again(open_shop):
    here, there = open_shop(), open_shop()
    here.collect(("a", 10))
    slept = []

    def sleepy(record, lookup, before):
        filled = price(record, lookup, before)
        if not slept:
            slept.append(filled.price)
            there.collect(("a", 11))
        return filled

    feed = with_rule(sleepy)
    lease = here.claim(feed=feed)
    derive(feed, lease, [here.answer(lease, ("a", 1))], records(here, feed), Outcome("failed"), here.now)
    assert slept == [10]
    assert here.rows(CURRENT) == [("a", 11, 1, "shelf=one")]


def test_a_source_that_never_stands_still_is_given_up_for_now(open_shop):
    here, there = open_shop(), open_shop()
    here.collect(("a", 1), feed=priced)
    here.collect(("a", 10))

    def racing(record, lookup, before):
        there.collect(("a", here.rows("SELECT value FROM shop_things")[0][0] + 1))
        return price(record, lookup, before)

    with pytest.raises(StoreUnavailable, match="priced: changed under 5 fillings"):
        fill(here, with_rule(racing))
    assert here.rows(CURRENT) == [("a", None, 1, "shelf=one")]


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        pytest.param(lambda *_: None, "derived: gave NoneType, no Priced", id="no record"),
        pytest.param(
            lambda record, *_: msgspec.structs.replace(record, value=9),
            "derived: changed value, which is none of its fields",
            id="another field",
        ),
    ],
)
def test_a_rule_may_fill_its_fields_and_nothing_else(here, attribute, message):
    with pytest.raises(DecodeError) as wrong:
        here.collect(("a", 1), feed=with_rule(attribute))
    assert f"{wrong.value.reason}: {wrong.value.message}" == message


def test_what_is_looked_up_says_when_it_was_said(here):
    here.collect(("a", 1))
    first = here.now
    here.collect(("b", 1), shelf="two")
    filler = Filler(priced, records(here), here.now)
    lookup = filler._lookup
    assert (lookup.at, first) == (here.now, here.now - timedelta(minutes=1))
    assert lookup("a").id == "a"
    assert lookup.at == first
    assert lookup("nobody") is None


def test_the_time_of_a_record_never_goes_back(here):
    """The list was collected before the record was said, and is looked up later."""
    here.collect(("a", 10))
    here.store._derived.execute("UPDATE _collection SET revision = revision + 1 WHERE name = 'shop/things'")
    here.collect(("a", 1), feed=with_rule(lambda record, *_: record))
    (said,) = here.rows("SELECT _said_at FROM shop_priced")[0]
    assert fill(here) == 1
    assert here.rows("SELECT _said_at FROM shop_priced") == [(said,)]
    assert here.rows("SELECT _until FROM shop_priced_version") == [(said,)]


@pytest.mark.once
def test_many_records_are_filled_in_little_memory(here):
    many = [(f"{number:05}", number) for number in range(12_000)]
    here.collect(*many, feed=priced)
    here.collect(*many)
    tracemalloc.start()
    try:
        assert fill(here) == 12_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert here.rows("SELECT count(*), count(*) FILTER (WHERE price = value) FROM shop_priced") == [(12_000, 12_000)]
    assert peak < 40_000_000


def test_what_is_derived_again_is_filled_by_what_was_known_then(here):
    """The things have other values by now; one is gone, one was not there yet."""
    here.collect(("a", 1), ("b", 2))
    then = here.now
    here.collect(("a", 10), ("c", 3))
    lookup = Filler(priced, records(here), then)._lookup
    assert [lookup(name) and lookup(name).value for name in "abc"] == [1, 2, None]
    assert lookup.at == then
    now = Filler(priced, records(here), here.now)._lookup
    assert [now(name) and now(name).value for name in "abc"] == [10, None, 3]
