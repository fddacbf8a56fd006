"""Declared counters say what the records do, by whatever way these were written, and are read where they say enough."""

from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest
from shop import Shop, app, priced, things

from catchment import App, Counter, DeclarationError
from catchment.clock import FakeClock
from catchment.errors import StoreError
from catchment.fill import refill
from catchment.replay import replay
from catchment.runs import Scope
from catchment.store.aggregate import tell
from catchment.store.check import check
from catchment.store.reader import Reader
from catchment.store.statistics import parse_statistics
from catchment.store.store import Store
from catchment.store.tables import Collection, collection_of, collections_of

TABLE = "shop_things__counter_0"
THINGS = collection_of(app, things)
bare = replace(things, counters=())


def wrong(here: Shop) -> list[str]:
    return [text for rule in check(here.store.database, collections_of(app)) for text in rule.shown]


def stats(here: Shop, collection: Collection = THINGS, **asked: str) -> list[tuple[object, ...]]:
    with closing(Reader(here.store.database, [collection])) as reader, reader.snapshot() as snapshot:
        found = tell(snapshot, collection, parse_statistics(list(asked.items()), collection.columns))
    return [tuple(row.values()) for row in found.rows]


def plant(here: Shop) -> None:
    """Makes the counter say what no record does, so that it is seen who reads it."""
    assert here.rows(f"UPDATE {TABLE} SET _count = 700 RETURNING _count")


def is_read(here: Shop) -> bool:
    return sum(row[1] for row in stats(here, by="value")) >= 700


@pytest.fixture
def lived(here: Shop) -> Shop:
    """Records that are new, changed, gone and back, of two partitions."""
    here.collect(("a", 1), ("b", 1), ("c", 3))
    here.collect(("d", 3), shelf="two")
    here.collect(("a", 2), ("b", 1))
    here.collect(("a", 2), ("b", 1), ("c", 3))
    return here


def test_it_follows_every_commit(lived):
    assert lived.rows(f"SELECT _group, value, _count FROM {TABLE} ORDER BY _group") == [
        ("[1]", 1, 1),
        ("[2]", 2, 1),
        ("[3]", 3, 2),
    ]
    assert wrong(lived) == []


def test_it_says_the_same_after_a_replay_of_all_and_of_a_part(lived):
    doubled = App("shop", feeds=[replace(things, shape=lambda row, _: {**row, "value": row["value"] * 2})])
    for only, groups in (({"shelf": ["one"]}, [(2, 1), (3, 1), (4, 1), (6, 1)]), ({}, [(2, 1), (4, 1), (6, 2)])):
        with Store(lived.place, [doubled], replaying=True) as store:
            (done,) = replay(doubled, Scope(only=only), store, lived.place, FakeClock(lived.now), lambda _: None)
        assert (done.complete, wrong(lived)) == (True, [])
        assert stats(lived, by="value") == groups
    plant(lived)
    assert is_read(lived)


def test_it_leaves_out_what_was_erased(lived):
    lived.store.erasure(THINGS, app, ["c"]).run(lived.now)
    assert wrong(lived) == []
    assert stats(lived, by="value") == [(1, 1), (2, 1), (3, 1)]


def test_it_follows_fields_that_are_filled(lived):
    collection = collection_of(app, priced)
    lived.collect(("a", 1), ("d", 1), ("none", 1), feed=priced)
    filled = stats(lived, collection, by="price", of="count(),sum(value)")
    lived.collect(("a", 50), ("b", 1))
    refill(priced, lived.store.ledger.begin_run("shop", lived.now), lived.store.records(collection), lived.now)
    assert stats(lived, collection, by="price", of="count(),sum(value)") != filled
    assert wrong(lived) == []


def test_a_commit_that_fails_when_it_is_counted_leaves_nothing(lived, refusing):
    before = lived.rows(f"SELECT * FROM {TABLE} ORDER BY _group")
    lease = lived.claim()
    page = lived.answer(lease, ("a", 2), ("b", 1), ("c", 3), ("z", 9))
    end = refusing(lived.store._derived, "BEFORE INSERT", TABLE, "NEW.value = 9")
    with pytest.raises(StoreError, match="it is refused"):
        lived.merge(lease, page)
    end()
    assert lived.rows(f"SELECT * FROM {TABLE} ORDER BY _group") == before
    assert lived.merge(lease, page).counts.new == 1
    assert (9, 1) in stats(lived, by="value")
    assert wrong(lived) == []


READ = {
    "by=value": True,
    "of=count()": True,
    "of=sum(value),avg(value)": True,
    "by=value&value__gt=1": True,
    "by=value&value__in=1,2&sort=-count()": True,
    "of=max(value)": False,
    "by=id": False,
    "by=value&id=a": False,
    "by=value&as_of=1": False,
}


@pytest.mark.parametrize(("asked", "reads"), READ.items(), ids=READ)
def test_it_is_read_where_it_says_enough(lived, asked, reads):
    given = dict(part.split("=", 1) for part in asked.split("&"))
    before = stats(lived, **given)
    lived.rows(f"UPDATE {TABLE} SET _count = 700, value__count = 700, value__sum = 'p50057' RETURNING 1")
    assert (stats(lived, **given) != before) is reads


def test_a_commit_of_who_does_not_count_is_noticed(lived):
    plant(lived)
    lived.collect(("a", 2), ("b", 5), ("c", 3), feed=bare)
    assert not is_read(lived)
    assert stats(lived, by="value") == [(2, 1), (3, 2), (5, 1)]
    lived.collect(("a", 2), ("b", 6), ("c", 3))
    assert wrong(lived) == []
    plant(lived)
    assert is_read(lived)


def test_what_is_declared_later_counts_what_is_there_and_what_is_no_more_is_removed(lived):
    later = replace(things, counters=(Counter(by=("id",)), *things.counters))
    Store(lived.place, [App("shop", feeds=[later])]).close()
    assert lived.rows(f"SELECT _group, _count FROM {TABLE} ORDER BY _group") == [(f'["{key}"]', 1) for key in "abcd"]
    Store(lived.place, [App("shop", feeds=[bare])]).close()
    assert not [name for name in lived.tables if name.startswith("shop_things__counter")]
    Store(lived.place, [app]).close()
    assert wrong(lived) == []
    assert lived.rows(f"SELECT sum(_count) FROM {TABLE}") == [(4,)]


PLANTED = {
    "a count": (f"UPDATE {TABLE} SET _count = 7", "counter 0"),
    "a sum": (f"UPDATE {TABLE} SET value__sum = 'p50019'", "counter 0"),
    "a group that is gone": (f"DELETE FROM {TABLE} WHERE value = 1", "is None"),
    "a commit that was not followed": (
        "UPDATE _meta SET value = '0' || value WHERE name = 'counters shop/things'",
        "counters follow up to revision 0",
    ),
}


@pytest.mark.parametrize(("statement", "words"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_found(lived, statement, words):
    assert lived.rows(f"{statement} RETURNING 1")
    assert any(words in text for text in wrong(lived)), wrong(lived)


DECLARED = {
    "no field": (Counter(by=("colour",)), "by: 'colour' is no field"),
    "no stretch of time": (Counter(by=("month(value)",)), "value has no month: it is an integer"),
    "no exact number": (Counter(by=("id",), of=("id",)), "of: id is no exact number"),
    "twice": (Counter(by=("id", "id")), "by: names one twice"),
    "no tuple": (Counter(by="id"), "by: is a tuple"),
}


@pytest.mark.parametrize(("counter", "words"), DECLARED.values(), ids=DECLARED)
def test_a_wrong_declaration_names_its_place(counter, words):
    with pytest.raises(DeclarationError, match=r"feed things: counters\[0\]") as caught:
        replace(things, counters=(counter,))
    assert words in str(caught.value)


def test_sums_are_exact(lived):
    assert stats(lived, of="sum(value),avg(value)") == [(9, Decimal("2.25"))]
