"""The check of stored data: it finds each contradiction that is planted, by its rule, and nothing where nothing is."""

from __future__ import annotations

import pytest
import zstandard
from shop import Shop, app, counted, priced

from catchment.clock import FakeClock
from catchment.errors import StoreUnavailable
from catchment.fill import refill
from catchment.replay import replay
from catchment.runs import Scope
from catchment.store.check import LEDGER_RULES, RULES, Checked, check
from catchment.store.engines.sqlite import File
from catchment.store.tables import Collection, collections_of

CURRENT, BEFORE = "shop_things", "shop_things_version"


@pytest.fixture
def lived(here: Shop) -> Shop:
    """A store with records new, changed, gone, back, filled and refused, of three feeds."""
    here.collect(("a", 1), ("b", 2), ("c", 3))
    here.collect(("d", 4), ("e", "no number"), shelf="two")
    here.collect(("a", 10), ("b", 2))
    here.collect(("a", 10), ("b", 2), ("c", 3))
    here.collect(("a", 1), ("a", 1), ("x", 2), feed=counted)
    here.collect(("a", 1), ("b", 1), feed=priced)
    here.collect(("a", 11), ("b", 2), ("c", 3))
    refill(
        priced, here.store.ledger.begin_run("shop", here.now), here.store.records(Collection("shop", priced)), here.now
    )
    lease = here.claim(shelf="two")
    here.store.ledger.release(lease, "budget")
    # As a collector notes it, which knows what it fetched.
    last = "SELECT digest FROM _exchange e WHERE e.feed = p.feed AND e.partition = p.key ORDER BY e.id DESC LIMIT 1"
    here.store._derived.execute(f"UPDATE _partition AS p SET digest = ({last}) WHERE verdict = 'complete'")
    return here


def checked(there: Shop) -> list[Checked]:
    return check(there.store.database, collections_of(app))


def wrong(there: Shop) -> list[tuple[str, str, str]]:
    return [(item.rule, item.says, text) for item in checked(there) for text in item.shown]


def test_nothing_is_wrong_with_what_lived(lived):
    found = checked(lived)
    assert [(item.rule, item.shown) for item in found if item.wrong] == []
    assert len(found) == len(RULES) + len(LEDGER_RULES)
    looked = {(item.rule, item.says.split(",")[0]): item.looked for item in found}
    assert looked["I3", "a key has one current record"] == 4 + 3 + 2
    assert looked["I4", "versions of a key are numbered without a gap"] == 7 + 3 + 3
    assert all(item.looked for item in found if not item.says.startswith(("elements", "what was erased")))


def test_nothing_is_wrong_after_a_replay(lived):
    place = lived.place
    assert len(replay(app, Scope(), lived.store, place, FakeClock(lived.now), lambda _: None)) == 3
    assert wrong(lived) == []


def test_an_empty_store_has_nothing_wrong(here):
    assert wrong(here) == []


def test_a_database_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StoreUnavailable):
        check(File(tmp_path / "none.sqlite"), collections_of(app))


PLANTED = {
    "another content than was said": (
        "I1 I2 I6",
        "shelf=one: b is not what its last answer says",
        f"UPDATE {CURRENT} SET _hash = _raw WHERE _key = 'b'",
    ),
    "a record that was not said": (
        "I1 I2 I6",
        "shelf=one: d is current, and its last answer has it not",
        f"UPDATE {CURRENT} SET _partition = 'shelf=one' WHERE _key = 'd'",
    ),
    "a record that was said and is lost": (
        "I1 I2 I6",
        "shelf=two: d is in its last answer, and is not stored",
        f"DELETE FROM {CURRENT} WHERE _key = 'd'",
    ),
    "a version that is missing": ("I4", "a", f"DELETE FROM {BEFORE} WHERE _key = 'a' AND _version = 1"),
    "a gap": ("I4", "a: version 4 follows 2", f"UPDATE {CURRENT} SET _version = 4 WHERE _key = 'a'"),
    "a version that is the one before": (
        "I4",
        "a: version 3 is the one before",
        f"UPDATE {CURRENT} SET _hash = (SELECT _hash FROM {BEFORE} WHERE _key = 'a' AND _version = 2) WHERE _key = 'a'",
    ),
    "a time that goes back": (
        "I4",
        "a: version 3 goes back",
        f"UPDATE {CURRENT} SET _said_at = '2025' WHERE _key = 'a'",
    ),
    "an end before its beginning": ("I4", "goes back", f"UPDATE {BEFORE} SET _until = '2025' WHERE _key = 'a'"),
    "a revision that was never committed": (
        "I7",
        "is of revision 99",
        f"UPDATE {CURRENT} SET _revision = 99 WHERE _key = 'a'",
    ),
    "a body of other bytes": (
        "I5",
        "is another one",
        "UPDATE _body SET data = :other, size = 2 WHERE digest = (SELECT min(digest) FROM _body)",
    ),
    "a body that is broken": (
        "I5",
        "cannot be read",
        "UPDATE _body SET data = :broken WHERE digest = (SELECT min(digest) FROM _body)",
    ),
    "a row that nobody accounts for": (
        "I8",
        "received 3 rows, accounts for 2",
        "UPDATE _attempt SET new = new - 1 WHERE id = 1",
    ),
    "an attempt that there is not": (
        "I9",
        "has no attempt 77",
        f"UPDATE {CURRENT} SET _attempt = 77 WHERE _key = 'b'",
    ),
    "an answer that there is not": ("I9", "has no answer 77", f"UPDATE {BEFORE} SET _exchange = 77"),
    "an attempt of another feed": (
        "I9",
        "b: version 1 has no attempt",
        f"UPDATE {CURRENT} SET _attempt = 5 WHERE _key = 'b'",
    ),
    "a commit that is missing": (
        "I9",
        "commits up to revision",
        "DELETE FROM _commit WHERE collection = 'shop/things' AND revision = 2",
    ),
    "a commit of no attempt": ("I9", "there is no attempt 77", "UPDATE _commit SET attempt = 77 WHERE revision = 2"),
    "a reject of no attempt": ("I9", "there is no attempt 77", "UPDATE _reject SET last_attempt = 77"),
    "a verdict that there is not": ("I10", "is green and cannot be", "UPDATE _partition SET verdict = 'green'"),
    "half a lease": ("I10", "cannot be", "UPDATE _partition SET lease_owner = 'somebody'"),
    "a verdict before the end": ("I10", "attempt 1 has complete", "UPDATE _attempt SET ended_at = NULL WHERE id = 1"),
    "retired by what failed": (
        "I13",
        "c: was retired by attempt 3, which was partial",
        "UPDATE _attempt SET verdict = 'partial' WHERE id = 3",
    ),
    "a reject without a reason": ("I14", "has no reason", "UPDATE _reject SET reason = ''"),
    "a reject of other bytes": ("I14", "its bytes are others", "UPDATE _reject SET raw = :broken"),
    "a failure that changed records": (
        "I15",
        "attempt 1: was failed and changed",
        "UPDATE _attempt SET verdict = 'failed' WHERE id = 1",
    ),
    "a partition that there is not": (
        "I16",
        "of partition nowhere",
        f"UPDATE {CURRENT} SET _partition = 'nowhere' WHERE _key = 'b'",
    ),
    "a column of another value": ("I17", "b: its columns", f"UPDATE {CURRENT} SET value = 99 WHERE _key = 'b'"),
    "a document of another key": (
        "I17",
        "b: its columns",
        f"UPDATE {CURRENT} SET _doc = replace(_doc, '\"b\"', '\"z\"') WHERE _key = 'b'",
    ),
}


@pytest.mark.parametrize(("rule", "words", "statement"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_found(lived, rule, words, statement):
    values = {"other": zstandard.compress(b"[]"), "broken": b"\0"}
    assert lived.store._derived.execute(statement, values).rowcount > 0
    found = wrong(lived)
    assert rule in {name for name, _, _ in found}
    assert any(words in text for name, _, text in found if name == rule), found


def test_a_key_that_is_current_twice_is_found(lived):
    columns = ", ".join(name for name in lived.store._derived.columns(CURRENT) if name != "_id")
    lived.store._derived.execute(f"ALTER TABLE {CURRENT} RENAME TO strict")
    lived.store._derived.execute(f"CREATE TABLE {CURRENT} AS SELECT * FROM strict")
    lived.store._derived.execute(f"INSERT INTO {CURRENT} ({columns}) SELECT {columns} FROM strict WHERE _key = 'b'")
    assert ("I3", "a key has one current record", "shop/things b: is current 2 times") in wrong(lived)


@pytest.mark.sqlite
def test_a_file_that_is_broken_is_found(lived):
    lived.store._derived.executescript(
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'shop_things__partition';"
        "PRAGMA writable_schema = RESET"
    )
    assert [rule for rule, _, _ in wrong(lived)] == ["file"]


def test_of_many_contradictions_the_first_are_told_and_all_are_counted(here):
    here.collect(*[(str(number), number) for number in range(50)])
    here.store._derived.execute("UPDATE shop_things SET value = value + 1")
    (found,) = [item for item in checked(here) if item.says == "columns are what documents say"]
    assert (found.rule, found.looked, found.wrong, len(found.shown)) == ("I17", 50, 50, 20)
