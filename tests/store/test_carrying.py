"""What a replay takes over as it is: copied before the switch, while collectors go on, and the same after it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shop import START, Shop, app, things
from shop import settings as settings_of

from catchment.errors import StoreError
from catchment.store.carrying import AT_A_TIME
from catchment.store.generations import Next
from catchment.store.store import Store
from catchment.store.tables import Collection

SHELVES = ("one", "two", "three")
HELD = "SELECT _key, _partition, _hash, _raw, _version, _said_at, _attempt, _exchange, _doc{} FROM {} ORDER BY 1, 5"
COLLECTION = Collection("shop", things)


def held(there: Shop) -> list[list[tuple[Any, ...]]]:
    """All that a collection has, but for revisions."""
    shared = "SELECT key, partition, hash, raw FROM _shared WHERE collection = 'shop/things' ORDER BY 1, 2"
    rows = [HELD.format("", "shop_things"), HELD.format(", _until, _gone", "shop_things_version"), shared]
    return [there.rows(sql) for sql in rows]


def switched(there: Shop, following: Next) -> bool:
    """Whether the next generation, in which nothing is derived, has taken the place of the present one."""

    def kept() -> list[Any]:
        return [state.partition for state in there.store.ledger.states("shop/things").values()]

    following.carry(kept())
    return following.switch(kept, lambda _: None, there.now) is not None


def many(value: int = 1, number: int = 3 * AT_A_TIME) -> list[tuple[str, int]]:
    return [(f"{id_:05}", value) for id_ in range(number)]


@pytest.mark.sqlite
def test_however_much_there_is_no_transaction_copies_more_than_some(here):
    """The switch is short: it has hardly a row to write."""
    for value in (1, 2):
        here.collect(*many(value))
        here.collect(("a", value), shelf="two")
    before, connection = held(here), here.store._derived
    following = here.store.next_generation(COLLECTION)
    changed = [connection.total_changes]
    connection.set_trace_callback(
        lambda sql: changed.append(connection.total_changes) if sql.startswith(("COMMIT", "BEGIN")) else None
    )
    assert switched(here, following)
    connection.set_trace_callback(None)
    sizes = [after - at for at, after in pairwise(changed)]
    assert sum(sizes) > 6 * AT_A_TIME
    assert max(sizes) <= 2 * AT_A_TIME
    assert sizes[-3] < 50, "the switch"
    assert held(here) == before


def test_what_little_changes_after_the_copy_comes_with_the_switch(here):
    here.collect(("a", 1), ("b", 2))
    following = here.store.next_generation(COLLECTION)
    following.carry([state.partition for state in here.store.ledger.states("shop/things").values()])
    here.collect(("a", 10), ("c", 3))
    before = held(here)
    partitions = [state.partition for state in here.store.ledger.states("shop/things").values()]
    assert following.switch(lambda: partitions, lambda _: None, here.now) == 2
    assert held(here) == before


def test_where_much_changes_after_the_copy_it_is_copied_before_another_switch(here):
    here.collect(*many())
    following = here.store.next_generation(COLLECTION)
    partitions = [state.partition for state in here.store.ledger.states("shop/things").values()]
    following.carry(partitions)
    here.collect(*many(2))
    assert following.switch(lambda: partitions, lambda _: None, here.now) is None
    assert here.rows("SELECT generation FROM _collection WHERE name = 'shop/things'") == [(1,)]
    before = held(here)
    assert switched(here, following)
    assert held(here) == before


def test_a_key_that_was_derived_elsewhere_is_refused(here):
    here.collect(("a", 1))
    (partition,) = (state.partition for state in here.store.ledger.states("shop/things").values())
    following = here.store.next_generation(COLLECTION)
    here.store._derived.execute(
        "INSERT INTO shop_things__next SELECT _id, _key, 'shelf=two', _hash, _raw, _version, _said_at, _revision,"
        " _attempt, _exchange, id, value, _doc FROM shop_things"
    )
    with pytest.raises(StoreError, match="keys of one that is"):
        following.carry([partition])


said = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2)), max_size=3, unique_by=lambda row: row[0])
steps = st.one_of(st.tuples(st.sampled_from(SHELVES), said), st.just("carry"), st.just("switch"))


HANDED_OVER = [("one", [("a", 1)]), ("two", [("a", 1)])]
LATE = [("one", [("a", 2)]), ("one", [("a", 1)]), ("two", [("b", 1)]), ("two", [("b", 2)])]


@settings(max_examples=15, deadline=None)
@example(first=HANDED_OVER, then=[("one", [])])
@example(first=[("one", [("a", 1)]), ("one", [("a", 2)])], then=LATE)
@given(first=st.lists(steps, max_size=5), then=st.lists(steps, max_size=6))
def test_whatever_collectors_do_meanwhile_nothing_of_it_is_lost(first, then, tmp_path_factory):
    """Records come, go, and go from one partition to another between any two copies; a switch leaves all as it is."""
    place = settings_of(tmp_path_factory.mktemp("carried"))
    with Store(place, [app]) as store:
        here = Shop(store, place, START)

        def partitions() -> list[Any]:
            return [state.partition for state in store.ledger.states("shop/things").values()]

        following = None
        for step in [*first, "carry", *then, "carry", "switch"]:
            if isinstance(step, tuple):
                here.collect(*step[1], shelf=step[0])
                continue
            following = following or store.next_generation(Collection("shop", things))
            if step == "carry":
                following.carry(partitions())
            else:
                before = held(here)
                number = following.switch(partitions, lambda _: None, here.now)
                assert held(here) == before
                following = following if number is None else None
        assert following is None
