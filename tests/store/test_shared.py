"""A record that two partitions serve: neither retires what the other one still has, and two words do not take turns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import START, Shop, app, things
from shop import settings as settings_of

from catchment import KEEP
from catchment.decode import decode, model_digest
from catchment.errors import MergeOutdated
from catchment.merge import Change, Changes
from catchment.store.lease import Outcome
from catchment.store.records import Origin
from catchment.store.stage import Stage
from catchment.store.store import Store
from catchment.store.tables import Collection

CURRENT = "SELECT id, value, _partition, _version FROM shop_things ORDER BY id"
ONE, TWO = "shelf=one", "shelf=two"


def now(here) -> list[tuple]:
    return here.rows(CURRENT)


def shared(here) -> list[tuple]:
    return here.rows("SELECT key, partition FROM _shared ORDER BY 1, 2")


def test_what_one_partition_drops_stays_while_another_one_has_it(here):
    here.collect(("a", 1), ("b", 1))
    here.collect(("a", 1), shelf="two")
    revision = here.rows("SELECT revision FROM _collection WHERE name = 'shop/things'")
    outcome = here.collect(("b", 1))
    assert now(here) == [("a", 1, TWO, 1), ("b", 1, ONE, 1)]
    assert outcome.counts.gone == 0
    assert here.rows("SELECT revision FROM _collection WHERE name = 'shop/things'") == revision
    assert here.collect(shelf="two").counts.gone == 1
    assert now(here) == [("b", 1, ONE, 1)]
    assert shared(here) == []


def test_what_the_other_one_drops_stays_with_who_has_it(here):
    here.collect(("a", 1))
    here.collect(("a", 1), shelf="two")
    assert shared(here) == [("a", TWO)]
    assert here.collect(shelf="two").counts.gone == 0
    assert (now(here), shared(here)) == ([("a", 1, ONE, 1)], [])


def test_it_is_known_by_its_bytes_wherever_it_belongs(here):
    here.collect(("a", 1))
    here.collect(("a", 1), shelf="two")
    here.collect()
    outcome = here.collect(("a", 1), ("b", 1), shelf="two")
    assert (outcome.counts.same, outcome.counts.new) == (1, 1)
    assert now(here) == [("a", 1, TWO, 1), ("b", 1, TWO, 1)]


def test_two_words_for_one_record_do_not_take_turns(here):
    here.collect(("a", 1))
    here.collect(("a", 2), shelf="two")
    assert now(here) == [("a", 2, TWO, 2)]
    for number in range(3):  # each answer is another one, but says of `a` what it said before
        here.collect(("a", 1), ("b", number))
        here.collect(("a", 2), ("c", number), shelf="two")
    assert now(here)[0] == ("a", 2, TWO, 2)
    here.collect(("a", 3), ("b", 9))
    assert now(here)[0] == ("a", 3, ONE, 3)


def test_who_is_given_a_record_that_it_told_otherwise_tells_it_again(here):
    here.collect(("a", 1))
    here.collect(("a", 2), shelf="two")
    here.collect(shelf="two")
    assert now(here) == [("a", 2, ONE, 2)]
    assert here.rows("SELECT digest FROM _partition WHERE key = ?", ONE) == [("",)]
    here.collect(("a", 1))
    assert now(here) == [("a", 1, ONE, 3)]


def test_of_three_the_last_one_retires(here):
    feed = things
    for shelf in ("one", "two", "three"):
        here.collect(("a", 1), shelf=shelf, feed=feed)
    for shelf, left in (("two", 1), ("one", 1), ("three", 0)):
        here.collect(shelf=shelf, feed=feed)
        assert len(now(here)) == left


def test_where_nothing_is_retired_nothing_is_noted(here):
    kept = replace(things, missing=KEEP)
    here.collect(("a", 1), feed=kept)
    here.collect(("a", 2), shelf="two", feed=kept)
    assert (shared(here), now(here)) == ([], [("a", 2, TWO, 2)])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(lambda entry: Changes(shared=(Change("a", 0, entry.hash),)), id="found with another"),
        pytest.param(lambda _: Changes(left=("a",)), id="left to another"),
    ],
)
def test_a_record_that_became_another_ones_between_comparing_and_writing_is_compared_again(open_shop, changes):
    here, there = open_shop(), open_shop()
    here.collect(("a", 1))
    lease = here.claim("two", things)
    page = here.answer(lease, ("a", 1))
    records = here.store.records(Collection(app.name, things))
    records.known(TWO)
    there.collect()  # it is retired meanwhile
    model = model_digest(things)
    with Stage() as stage:
        (entry,) = decode(things, lease.partition, page.answer.body, known={}, model=model)
        stage.add(entry, 0)
        origins = [Origin(page.id, page.answer.at)]
        with pytest.raises(MergeOutdated):
            records.commit(lease, Outcome("complete"), changes(entry), stage, origins, [], model=model, now=here.now)
    assert here.merge(lease, page).counts.back == 1
    assert [row[:3] for row in now(here)] == [("a", 1, TWO)]


rows = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2)), max_size=3, unique_by=lambda row: row[0])


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), rows), max_size=8))
def test_what_is_there_is_what_any_partition_said_last(steps, tmp_path_factory):
    said: dict[str, dict] = {}
    place = settings_of(tmp_path_factory.mktemp("shared"))
    with Store(place, [app]) as store:
        here = Shop(store, place, START)
        for shelf, answer in steps:
            here.collect(*answer, shelf=shelf)
            said[shelf] = dict(answer)
            present = {id_: value for id_, value, _, _ in now(here)}
            assert set(present) == {key for one in said.values() for key in one}
            for key, value in present.items():
                words = {one[key] for one in said.values() if key in one}
                assert value in words or here.rows("SELECT 1 FROM _partition WHERE digest = ''")
