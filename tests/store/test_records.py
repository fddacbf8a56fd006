"""One partition's commit: versions without gaps, as-of columns, counts, fences and comparisons that are outdated."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from shop import app, counted, things

from catchment.decode import decode, model_digest
from catchment.errors import DecodeError, LeaseLost, MergeOutdated, StoreUnavailable
from catchment.merge import Change, Changes
from catchment.store.lease import Outcome
from catchment.store.records import Origin
from catchment.store.stage import Stage
from catchment.store.tables import Collection

CURRENT = "SELECT _key, _version, value, _partition FROM shop_things ORDER BY _key"
TABLES = ("shop_things", "shop_things_version", "_commit", "_reject", "_collection", "_partition", "_attempt")
A_LIFE = [[("a", 1)], [("a", 2)], [], [("a", 2)], [("a", 3)], [], [], [("a", 1)]]


def counts(outcome) -> dict[str, int]:
    """The counts that are not 0."""
    found = {name: getattr(outcome.counts, name) for name in outcome.counts.__dataclass_fields__}
    return {name: count for name, count in found.items() if count}


def versions(here) -> list[tuple]:
    """Every version of `a`, oldest first: number, value, said at, until, revision, until revision, gone."""
    return here.rows(
        "SELECT _version, value, _said_at, _until, _revision, _until_revision, _gone FROM shop_things_version"
        " WHERE _key = 'a' UNION ALL SELECT _version, value, _said_at, NULL, _revision, NULL, 0 FROM shop_things"
        " WHERE _key = 'a' ORDER BY 1"
    )


def test_a_records_life_is_told_in_counts(here):
    expected = [
        {"received": 1, "new": 1},
        {"received": 1, "changed": 1},
        {"gone": 1},
        {"received": 1, "back": 1},
        {"received": 1, "changed": 1},
        {"gone": 1},
        {},
        {"received": 1, "back": 1},
    ]
    assert [counts(here.collect(*rows)) for rows in A_LIFE] == expected


def test_versions_are_numbered_without_gaps_through_new_changed_gone_and_back(here):
    for rows in A_LIFE:
        here.collect(*rows)
    found = versions(here)
    assert [(version, value) for version, value, *_ in found] == [(1, 1), (2, 2), (3, 2), (4, 3), (5, 1)]
    assert [row[-1] for row in found] == [0, 1, 0, 1, 0]


def test_a_version_ends_where_the_next_begins_unless_the_record_was_gone(here):
    for rows in A_LIFE:
        here.collect(*rows)
    for (_, _, said, until, revision, until_revision, gone), following in pairwise(versions(here)):
        assert said < until <= following[2]
        assert revision < until_revision <= following[4]
        assert (until == following[2]) is (until_revision == following[4]) is (not gone)


def test_every_revision_is_a_state_that_an_answer_left(here):
    """Read as of each revision, the collection is what it was right after that commit."""
    states = []
    for rows in ([("a", 1), ("b", 1)], [("a", 2), ("b", 1)], [("b", 1)], [("b", 2), ("c", 1)], [("a", 2)]):
        here.collect(*rows)
        states.append(sorted(rows))
    as_of = (
        "SELECT _key, value FROM shop_things WHERE _revision <= :r UNION ALL SELECT _key, value FROM"
        " shop_things_version WHERE _revision <= :r AND :r < _until_revision ORDER BY 1"
    )
    found = [here.store._derived.execute(as_of, {"r": revision}).fetchall() for revision in range(1, 6)]
    assert found == states


def test_a_revision_is_spent_only_where_something_changed(here):
    for rows in ([("a", 1)], [("a", 1)], [("a", 2)], [("a", 2)]):
        here.collect(*rows)
    assert here.rows("SELECT revision FROM _collection WHERE name = 'shop/things'") == [(2,)]
    assert here.rows("SELECT revision FROM _commit") == [(1,), (2,)]
    assert here.rows("SELECT revision FROM _attempt ORDER BY id") == [(1,), (1,), (2,), (2,)]


def test_what_an_attempt_received_adds_up(here):
    here.collect(("a", 1), ("b", 1), ("c", 1))
    here.collect(("b", 1))
    bad = b'{"id":1}'
    outcome = here.collect(("a", 1), ("b", 2), ("c", 1), ("d", 1), ("d", 1), ("d", 2), bad)
    expected = {"received": 7, "new": 1, "changed": 1, "back": 2, "duplicate": 1, "conflict": 1, "rejected": 1}
    assert counts(outcome) == expected
    sums = "SELECT received, new + changed + back + same + duplicate + conflict + rejected FROM _attempt"
    assert all(received == total for received, total in here.rows(sums))


def test_equal_records_are_counted_not_collapsed(here):
    same = b'{"id":"a","value":1}'
    found = [counts(here.collect(*[same] * times, feed=counted)) for times in (59, 60, 59, 60)]
    assert found == [
        {"received": 59, "new": 59},
        {"received": 60, "new": 1, "same": 59},
        {"received": 59, "same": 59, "gone": 1},
        {"received": 60, "same": 59, "back": 1},
    ]
    assert here.rows("SELECT count(*), count(DISTINCT _doc), min(value) FROM shop_counted") == [(60, 60, 1)]


def test_one_more_of_an_equal_record_over_two_answers_is_stored_as_itself(here):
    same, other = b'{"id":"a","value":1}', b'{"id":"b","value":2}'
    here.collect(same, same, feed=counted)
    lease = here.claim(feed=counted)
    pages = here.answer(lease, same, other), here.answer(lease, same, same)
    assert counts(here.merge(lease, *pages, feed=counted)) == {"received": 4, "same": 2, "new": 2}
    assert sorted(here.rows("SELECT id FROM shop_counted")) == [("a",), ("a",), ("a",), ("b",)]


def test_each_row_points_at_the_answer_that_said_it(here):
    lease = here.claim()
    first, second = here.answer(lease, ("a", 1)), here.answer(lease, ("b", 1))
    here.merge(lease, first, second)
    found = here.rows("SELECT _key, _exchange, _attempt FROM shop_things ORDER BY _key")
    assert found == [("a", first.id, lease.attempt), ("b", second.id, lease.attempt)]


def test_the_document_is_the_answers_json_with_its_key(here):
    here.collect(b'{"value": 1, "id": "x\\"/\xc3\xa4"}')
    assert here.rows("SELECT _doc FROM shop_things") == [('{"_key":"x%22%2F%C3%A4","id":"x\\"/ä","value":1}',)]


# -- rejects ---------------------------------------------------------------------------------------------------------


def test_a_reject_is_kept_with_its_bytes_and_counted_while_it_is_there(here):
    bad = b'{"id":"a","value":"many"}'
    kept = "SELECT raw, path, count, first_attempt < last_attempt FROM _reject"
    here.collect(bad, bad, ("b", 1))
    assert here.rows(kept) == [(bad, "value", 2, 0)]
    here.collect(bad, ("b", 1))
    assert here.rows(kept) == [(bad, "value", 1, 1)]
    here.collect(("a", 1), ("b", 1))
    assert here.rows(kept) == [(bad, "value", 0, 1)]


def test_while_a_reject_cannot_be_named_nothing_is_gone(here):
    here.collect(("a", 1), ("b", 1))
    assert counts(here.collect(("b", 1), b'{"id":null}')) == {"received": 2, "same": 1, "rejected": 1}
    assert counts(here.collect(("b", 1))) == {"received": 1, "same": 1, "gone": 1}


KEPT = "kept, as they may be rows that cannot be read: 1"


def test_where_a_record_is_its_content_a_reject_holds_back_the_one_that_it_may_be(here):
    """It agrees in what can be read of it, and comes back as itself; what else went meanwhile is gone."""
    here.collect(("a", 1), ("b", 1), ("c", 1), ("d", 1), feed=counted)
    outcome = here.collect(("d", 1), ("e", 1), b'{"id":"b","value":null}', feed=counted)
    assert (outcome.verdict, outcome.reason) == ("complete", KEPT)
    assert counts(outcome) == {"received": 3, "new": 1, "same": 1, "gone": 2, "rejected": 1}
    outcome = here.collect(("b", 1), ("d", 1), ("e", 1), feed=counted)
    assert (outcome.reason, counts(outcome)) == ("", {"received": 3, "same": 3})


def test_a_reject_that_is_none_of_those_that_are_missing_holds_back_none(here):
    here.collect(("a", 1), ("b", 1), feed=counted)
    outcome = here.collect(("b", 1), b'{"id":"c","value":null}', feed=counted)
    assert (outcome.reason, counts(outcome)) == ("", {"received": 2, "same": 1, "gone": 1, "rejected": 1})


def test_what_a_reject_in_every_answer_holds_back_does_not_grow(here):
    """Nothing can be read of it: it may be any, but only one."""
    here.collect(("a", 1), ("b", 1), feed=counted)
    for number in range(2, 7):
        outcome = here.collect(("b", 1), ("a", number), b'{"id":null}', feed=counted)
        assert (outcome.reason, outcome.counts.new) == (KEPT, 1)
        assert here.rows("SELECT count(*) FROM shop_counted") == [(3,)]
    assert counts(here.collect(("b", 1), ("a", 6), feed=counted)) == {"received": 2, "same": 2, "gone": 1}


def test_what_is_held_back_is_said_for_as_long_as_the_answer_is_the_same(here):
    here.collect(("a", 1), ("b", 1), feed=counted)
    for _ in range(2):
        outcome = here.collect(("b", 1), b'{"id":"a","value":null}', feed=counted)
        assert (outcome.reason, outcome.digest) == (KEPT, "")


def test_what_another_declaration_accepted_may_be_the_reject(here):
    """It names its record in every field: that is not missing."""
    here.collect(("a", 1), ("b", 1), ("c", 1), feed=counted)
    strict = replace(counted, refuse=lambda thing: "too much" if thing.id == "a" else "")
    for gone in ({}, {"gone": 1}):
        found = counts(here.collect(("a", 1), ("b", 1), feed=strict))
        assert found == {"received": 2, "same": 1, "rejected": 1, **gone}
    assert here.rows("SELECT id FROM shop_counted ORDER BY id") == [("a",), ("b",)]


def test_a_reject_that_names_its_record_is_not_missing(here):
    strict = replace(things, refuse=lambda thing: "too much" if thing.value > 9 else "")
    here.collect(("a", 1), ("b", 1), ("c", 1), feed=strict)
    found = counts(here.collect(("a", 10), ("b", 1), feed=strict))
    assert found == {"received": 2, "same": 1, "gone": 1, "rejected": 1}
    assert here.rows(CURRENT) == [("a", 1, 1, "shelf=one"), ("b", 1, 1, "shelf=one")]


def test_too_many_records_for_a_partition_store_none(here):
    small = replace(things, max_partition_records=2)
    with pytest.raises(DecodeError, match="max_partition_records"):
        here.collect(("a",), ("b",), ("c",), feed=small)
    assert here.rows(CURRENT) == []


def test_another_declaration_reads_the_same_bytes_again(here):
    here.collect(("a", 1))
    doubled = replace(things, shape=lambda row, _: {**row, "value": row["value"] * 2})
    assert counts(here.collect(("a", 1), feed=doubled)) == {"received": 1, "changed": 1}
    assert here.rows(CURRENT) == [("a", 2, 2, "shelf=one")]


# -- fences ----------------------------------------------------------------------------------------------------------


def test_a_write_with_a_stale_token_is_refused_and_nothing_of_it_is_written(here, open_shop):
    here.collect(("a", 1))
    slow = here.claim()
    page = here.answer(slow, ("a", 2), ("b", 1), b'{"id":null}')
    other = open_shop(here.now.replace(hour=1))
    other.collect(("a", 3))
    before = [other.rows(f"SELECT * FROM {table}") for table in TABLES]
    with pytest.raises(LeaseLost, match="shop/things shelf=one"):
        here.merge(slow, page)
    for verdict in (here.store.ledger.renew, lambda *_: here.merge(slow)):
        with pytest.raises(LeaseLost):
            verdict(slow, here.now)
    assert [other.rows(f"SELECT * FROM {table}") for table in TABLES] == before


def before_writing(here, *happenings):
    """Lets something happen between comparing and writing: one thing before each of the next write transactions."""
    here.store._derived = Happening(here.store._derived, iter(happenings))


class Happening:
    """A connection before whose transactions something happens."""

    def __init__(self, connection, rest):
        self._connection, self._rest = connection, rest

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def transaction(self, *, durable):
        if happening := next(self._rest, None):
            happening()
        return self._connection.transaction(durable=durable)


@pytest.mark.parametrize(
    ("before", "mine", "theirs", "expected", "current"),
    [
        pytest.param([], ("k", 1), ("k", 2), {"received": 1, "changed": 1}, ("k", 2, 1, "shelf=one"), id="both new"),
        pytest.param([], ("k", 1), ("k", 1), {"received": 1, "same": 1}, ("k", 1, 1, "shelf=two"), id="both the same"),
        pytest.param(
            [("k", 0)], ("k", 1), ("k", 2), {"received": 1, "changed": 1}, ("k", 3, 1, "shelf=one"), id="changed"
        ),
    ],
)
def test_a_key_that_two_partitions_write_at_once_is_compared_again(
    here, open_shop, before, mine, theirs, expected, current
):
    here.collect(*before)
    other, lease = open_shop(here.now), here.claim()
    page = here.answer(lease, mine)
    before_writing(here, lambda: other.collect(theirs, shelf="two"))
    assert counts(here.merge(lease, page)) == expected
    assert here.rows(CURRENT) == [current]


def test_a_key_that_comes_and_goes_meanwhile_goes_on_with_its_versions(here, open_shop):
    other, lease = open_shop(here.now), here.claim()
    page = here.answer(lease, ("k", 1))

    def come_and_go():
        other.collect(("k", 5), shelf="two")
        other.collect(shelf="two")

    before_writing(here, come_and_go)
    assert counts(here.merge(lease, page)) == {"received": 1, "back": 1}
    assert here.rows(CURRENT) == [("k", 2, 1, "shelf=one")]


def test_comparing_again_comes_to_an_end(here, open_shop):
    other, lease = open_shop(here.now), here.claim()
    page = here.answer(lease, ("k", 1))
    before_writing(here, *[lambda value=value: other.collect(("k", value), shelf="two") for value in range(10, 20)])
    with pytest.raises(StoreUnavailable, match="shop/things shelf=one"):
        here.merge(lease, page)
    assert here.rows("SELECT _partition FROM shop_things") == [("shelf=two",)]


def test_an_outdated_comparison_writes_nothing(here, open_shop):
    here.collect(("a", 1), ("b", 1))
    lease = here.claim()
    page = here.answer(lease, ("new", 1))
    before = [here.rows(f"SELECT * FROM {table}") for table in TABLES]
    (entry,) = decode(things, lease.partition, page.answer.body, known={}, model=model_digest(things))
    with Stage() as stage:
        slot = stage.add(entry, 0)
        changes = Changes(new=(Change("new", slot),), gone=(Change("a", -1, b"another hash"),))
        with pytest.raises(MergeOutdated):
            here.store.records(Collection(app.name, things)).commit(
                *(lease, Outcome("complete"), changes, stage, [Origin(page.id, page.answer.at)], []),
                model="m",
                now=here.now,
            )
    assert [here.rows(f"SELECT * FROM {table}") for table in TABLES] == before
