"""What people wrote, erased by an operator: versions, lists, sums and remembered answers go with it."""

from contextlib import closing

import pytest
from market import app
from people import COLLECTIONS, NOW, PLACE, creation, deletion, patching

from catchment.store.check import check
from catchment.store.rollups import kept, recomputed
from catchment.store.store import Store
from catchment.store.tables import collections_of
from catchment.store.writes import Once

TEXT = "a-text-that-nobody-else-writes"

pytestmark = pytest.mark.sqlite  # what its file holds


@pytest.fixture
def store(database, settings):
    with closing(Store(settings, [app])) as opened:
        yield opened


def holding(database) -> list[str]:
    return [
        path.name for path in database.path.parent.rglob("*") if path.is_file() and TEXT.encode() in path.read_bytes()
    ]


def clean(database) -> list[str]:
    return [text for rule in check(database, collections_of(app)) for text in rule.shown]


def test_a_review_goes_with_its_versions_sums_and_remembered_answer(database, writer, sql, store):
    place = writer.submit(creation("places", PLACE)).result().key
    review = {"place": place, "skill": None, "rating": "4.5", "comment": TEXT}
    done = writer.submit(creation("reviews", review, 2, once=Once("one", b"digest"))).result()
    other = writer.submit(creation("reviews", review | {"rating": "2", "comment": None}, 3)).result()
    writer.submit(patching("reviews", done.key, {"comment": f"{TEXT} again"}, 2)).result()
    assert holding(database), "the text was never stored: the test says nothing"
    revision = sql.execute("SELECT revision FROM _collection WHERE name = 'market/reviews'").fetchone()[0]
    gone = store.erasure(COLLECTIONS["reviews"], app, [done.key]).run(NOW)
    assert (gone.records, gone.versions, gone.done, gone.left) == (1, 1, True, ())
    assert holding(database) == []
    assert clean(database) == []
    assert [key for (key,) in sql.execute("SELECT _key FROM market_reviews")] == [other.key]
    for number in range(len(COLLECTIONS["reviews"].feed.rollups)):
        sums = kept(sql, COLLECTIONS["reviews"], number)
        assert sums == recomputed(sql, COLLECTIONS["reviews"], number)
    assert sql.execute("SELECT revision FROM _collection WHERE name = 'market/reviews'").fetchone()[0] == revision + 1


def test_a_place_goes_with_its_lists(database, writer, sql, store):
    place = writer.submit(creation("places", PLACE | {"skills": [TEXT]})).result().key
    assert holding(database)
    assert store.erasure(COLLECTIONS["places"], app, [place]).run(NOW).done
    assert holding(database) == []
    assert clean(database) == []


def test_what_its_author_has_deleted_is_erased_too(database, writer, sql, store):
    place = writer.submit(creation("places", PLACE | {"note": TEXT})).result().key
    writer.submit(deletion("places", place)).result()
    gone = store.erasure(COLLECTIONS["places"], app, [place]).run(NOW)
    assert (gone.records, gone.versions, gone.done) == (0, 1, True)
    assert holding(database) == []
    assert clean(database) == []
