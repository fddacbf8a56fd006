"""A person, erased by an operator: nothing that is stored names them any more, and what stays adds up."""

from __future__ import annotations

from contextlib import closing

import pytest
from market import app
from people import COLLECTIONS, NOW, PLACE, creation, deletion, patching, somebody, user

from catchment.errors import StoreError, UsageError
from catchment.principal import Principal
from catchment.store.check import check
from catchment.store.engines import mapped
from catchment.store.keys import create, listed
from catchment.store.person import Wrote
from catchment.store.rollups import kept, recomputed
from catchment.store.schema import LEDGER
from catchment.store.store import Store
from catchment.store.tables import collections_of, tables_of
from catchment.store.writes import Once, Write

ERASED, OTHER, THIRD = 2, 1, 3
TEXT = "a-text-that-nobody-else-writes"


@pytest.fixture
def store(database, settings):
    with closing(Store(settings, [app])) as opened:
        yield opened


def clean(database) -> list[str]:
    return [text for rule in check(database, collections_of(app)) for text in rule.shown]


def naming(sql, word: str) -> list[str]:
    """The tables in which a row has this word."""
    names = [*LEDGER.tables, *(table.name for item in COLLECTIONS.values() for table in tables_of(item))]
    rows = {name: sql.execute(f'SELECT * FROM "{name}"').fetchall() for name in names if sql.columns(name)}
    return [name for name, found in rows.items() if word in repr(found)]


def judged(key: str) -> Write:
    """A decision of the person, who moderates, on what another one wrote."""
    return Write(
        collection=COLLECTIONS["reviews"],
        action="change",
        principal=somebody(ERASED, "moderate"),
        key=key,
        make=lambda before: {
            **{name: getattr(before, name) for name in before.__struct_fields__},
            "comment_state": "published",
        },
        as_owner=False,
    )


def review(place: str, rating: str, comment: str | None = None) -> dict[str, object]:
    return {"place": place, "skill": None, "rating": rating, "comment": comment}


@pytest.fixture
def places(database, writer):
    """One place of another person and one of the person who is erased; each is reviewed, and much else was written."""

    def wrote(write: Write) -> str:
        return writer.submit(write).result().key

    theirs, own = wrote(creation("places", PLACE, OTHER)), wrote(creation("places", PLACE | {"note": TEXT}, ERASED))
    first = wrote(creation("reviews", review(theirs, "4.5"), ERASED, once=Once("one", b"digest")))
    wrote(patching("reviews", first, {"rating": "2.5"}, ERASED))
    wrote(judged(wrote(creation("reviews", review(theirs, "1", "fine"), THIRD))))
    wrote(creation("reviews", review(own, "5"), THIRD))
    create(database, "of theirs", user(ERASED), {"write"}, NOW)
    return theirs, own


def test_nothing_names_the_person_and_reviews_stay_as_nobodys(database, writer, sql, store, places):
    theirs, _ = places
    assert naming(sql, user(ERASED))
    audited = sql.execute("SELECT count(*) FROM _audit").fetchone()[0]
    ratings = "SELECT place, owner, rating, _version FROM market_reviews ORDER BY place, owner IS NULL, owner"
    before = sql.execute(ratings).fetchall()
    left = store.person(user(ERASED), [app]).run(NOW)
    assert left.done
    assert left.wrote == (Wrote("market/places", 1, 0, nameless=False), Wrote("market/reviews", 1, 1, nameless=True))
    assert (left.keys, left.left) == (1, ())
    assert naming(sql, user(ERASED)) == []
    assert naming(sql, TEXT) == []
    assert listed(database) == []
    assert [key for (key,) in sql.execute("SELECT _key FROM market_places")] == [theirs]
    nobodys = [row for row in sql.execute(ratings).fetchall() if row[1] is None]
    assert [(place, version) for place, _, _, version in nobodys] == [(theirs, 1)]
    assert sorted(row[2] for row in before if row[0] == theirs) == sorted(
        row[2] for row in sql.execute(ratings).fetchall() if row[0] == theirs
    )
    for number in range(len(COLLECTIONS["reviews"].feed.rollups)):
        assert kept(sql, COLLECTIONS["reviews"], number) == recomputed(sql, COLLECTIONS["reviews"], number)
    assert clean(database) == []
    assert left.entries > 0
    assert sql.execute("SELECT count(*) FROM _audit").fetchone()[0] > audited
    tags = {who for (who,) in sql.execute("SELECT DISTINCT principal FROM _audit WHERE principal LIKE '#%'")}
    assert len(tags) == 1
    with pytest.raises(StoreError), mapped():
        sql.execute("UPDATE _audit SET principal = ''")


def test_nobodys_review_is_nobodys_to_change_and_the_person_may_write_again(writer, sql, store, places):
    theirs, _ = places
    store.person(user(ERASED), [app]).run(NOW)
    (key,) = sql.execute("SELECT _key FROM market_reviews WHERE owner IS NULL").fetchone()
    for who in (Principal(), somebody(ERASED)):
        write = Write(collection=COLLECTIONS["reviews"], action="delete", principal=who, key=key)
        assert getattr(writer.submit(write).exception(), "status", None) == 403
    assert writer.submit(creation("reviews", review(theirs, "3"), ERASED)).result().outcome == "created"
    assert sql.execute("SELECT count(*) FROM market_reviews WHERE place = ?", (theirs,)).fetchone() == (3,)


def test_reviews_of_what_is_gone_are_erased_too(database, writer, sql, store, places):
    theirs, _ = places
    writer.submit(deletion("places", theirs, OTHER)).result()
    assert store.person(user(ERASED), [app]).run(NOW).done
    assert naming(sql, user(ERASED)) == []
    assert clean(database) == []


@pytest.mark.sqlite  # on a server nobody who reads is in its way
def test_what_is_kept_from_its_end_is_told_and_done_by_the_same_again(database, writer, sql, store, places):
    store._derived.execute("PRAGMA busy_timeout = 50")
    with closing(database.open()) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM market_reviews").fetchone()
        assert not store.person(user(ERASED), [app]).run(NOW).done
        assert any("people #" in text and "not erased to the end" in text for text in clean(database))
        assert not store.person(user(ERASED), [app]).run(NOW.replace(minute=1)).done
    assert store.person(user(ERASED), [app]).run(NOW.replace(minute=2)).done
    assert clean(database) == []
    files = [path for path in database.path.parent.rglob("*") if path.is_file()]
    assert [path.name for path in files if user(ERASED).encode() in path.read_bytes()] == []


def test_of_whom_nothing_is_stored_nothing_is_erased(store, places):
    with pytest.raises(UsageError, match="nothing is stored of user"):
        store.person(user(77), [app])


def test_what_was_not_looked_at_is_told(store, places):
    assert store.person(user(ERASED), []).look().left == tuple(
        f"market/{name} was not looked at: name its app" for name in ("notes", "places", "reviews")
    )
