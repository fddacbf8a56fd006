"""Counters of what people write: they follow every write, and what is shown no more is counted no more."""

from contextlib import closing

import pytest
from market import app
from people import COLLECTIONS, PLACE, creation, deletion, patching

from catchment.store.aggregate import tell
from catchment.store.check import check
from catchment.store.reader import Reader
from catchment.store.statistics import parse_statistics
from catchment.store.tables import collections_of

COUNTED = "market_reviews__counter_0"


@pytest.fixture
def stats(database):
    with closing(Reader(database, list(COLLECTIONS.values()))) as reader:

        def asked(name: str, **asked: str) -> list[tuple[object, ...]]:
            collection = COLLECTIONS[name]
            with reader.snapshot() as snapshot:
                rows = tell(snapshot, collection, parse_statistics(list(asked.items()), collection.columns)).rows
            return [tuple(row.values()) for row in rows]

        yield asked


@pytest.fixture
def wrong(database):
    return lambda: [text for rule in check(database, collections_of(app)) for text in rule.shown]


@pytest.fixture
def keys(writer):
    """Two places, with three reviews of one and one of the other."""
    keys = [writer.submit(creation("places", PLACE, number)).result().key for number in (1, 2)]
    for number, place in ((3, 0), (4, 0), (5, 0), (3, 1)):
        review = {"place": keys[place], "skill": None, "rating": number}
        writer.submit(creation("reviews", review, number)).result()
    return keys


def test_they_follow_every_write(writer, keys, stats, wrong):
    writer.submit(patching("places", keys[0], {"cost": 7}, 1)).result()
    assert sorted(stats("reviews", by="place", of="count(),sum(rating)")) == sorted([(keys[0], 3, 12), (keys[1], 1, 3)])
    assert stats("places", of="count(),sum(cost)") == [(2, 25_007)]
    assert wrong() == []


def test_what_is_about_a_record_that_went_is_not_counted(writer, keys, stats, sql, wrong):
    writer.submit(deletion("places", keys[0], 1)).result()
    assert stats("reviews", by="place", of="count(),sum(rating)") == [(keys[1], 1, 3)]
    assert stats("reviews", of="max(rating)") == [(3,)]  # no counter says this
    assert wrong() == []
    sql.execute(f"UPDATE {COUNTED} SET _count = 700")
    assert stats("reviews") == [(700,)], "it was not read"


def test_a_write_that_is_taken_back_alone_is_not_counted(writer, keys, sql, stats, wrong, refusing):
    """Writes of one group: the one that fails is done again apart, the others stand."""
    end = refusing(sql, "BEFORE INSERT", COUNTED, "NEW.\"_count\" = 1 AND NEW.skill = 'milling'")
    waiting = [
        writer.submit(creation("reviews", {"place": keys[1], "skill": skill, "rating": 1}, 6))
        for skill in (None, "milling", "baking")
    ]
    failed = [future.exception() is not None for future in waiting]
    end()
    assert failed == [False, True, False]
    assert len(stats("reviews", by="place,skill")) == 3
    assert wrong() == []
