"""What retention removes, a few rows a transaction: nothing that can still be read, and all that nothing cites."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from shop import START, app, things

from catchment.clock import render_moment
from catchment.errors import QueryError, StoreError
from catchment.store.query import AsOf, Query
from catchment.store.reader import Reader
from catchment.store.sweep import AT_A_TIME
from catchment.store.tables import Collection

DAY = timedelta(days=1)
THINGS = Collection(app.name, things)
TABLES = ("shop_things", "shop_things_version", "_commit", "_reject", "_exchange", "_body", "_attempt")


def sizes(here) -> dict[str, int]:
    return {table: here.rows(f'SELECT count(*) FROM "{table}"')[0][0] for table in TABLES}


def swept(here, cutoff, **options) -> int:
    return sum(here.store.sweep(THINGS, cutoff, **({"keep_bodies": False} | options)))


def horizon(here) -> int:
    return here.rows("SELECT horizon FROM _collection WHERE name = 'shop/things'")[0][0]


def days(here, count: int) -> list:
    """Each day another value of `a`; `b` stays, `old` is there on the first day alone. Gives when each day was said."""
    said = []
    for day in range(count):
        here.now = START + day * DAY
        here.collect(("a", day), ("b", 1), *([("old", 1)] if not day else []))
        said.append(here.now)
    return said


def a_on(here, as_of: AsOf) -> int:
    """The value of `a` as it was."""
    reader = Reader(here.store.database, [THINGS])
    try:
        with reader.snapshot() as snapshot:
            page = snapshot.page(THINGS, Query(as_of=as_of, fields=("id", "value")))
    finally:
        reader.close()
    return next(row["value"] for row in msgspec.json.decode(f"[{page.body}]") if row["id"] == "a")


def test_versions_and_retired_records_go_and_what_is_kept_reads_as_before(here):
    said = days(here, 10)
    swept(here, said[5])
    assert here.rows("SELECT _key, value FROM shop_things_version ORDER BY _until") == [
        ("a", 5),
        ("a", 6),
        ("a", 7),
        ("a", 8),
    ]
    assert here.rows("SELECT _key, value FROM shop_things ORDER BY 1") == [("a", 9), ("b", 1)]
    assert horizon(here) == 6
    assert [a_on(here, AsOf(revision=revision)) for revision in range(6, 11)] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("asked", ["revision", "moment"])
def test_what_was_before_the_horizon_is_gone_and_says_what_is_not(here, asked):
    said = days(here, 10)
    swept(here, said[5])
    gone = AsOf(revision=5) if asked == "revision" else AsOf(moment=render_moment(said[4]))
    with pytest.raises(QueryError, match="the oldest revision that is kept is 6") as refused:
        a_on(here, gone)
    assert (refused.value.kind, refused.value.status) == ("history-gone", 410)


def test_a_version_that_is_gone_says_so(here):
    said = days(here, 10)
    swept(here, said[5])
    reader = Reader(here.store.database, [THINGS])
    with reader.snapshot() as snapshot:
        assert [version.version for version in snapshot.history(THINGS, "a")] == [10, 9, 8, 7, 6]
        assert snapshot.source(THINGS, "a", 6)["version"] == 6
        assert snapshot.source(THINGS, "a", 11) is None
        with pytest.raises(QueryError, match="the oldest version that is kept is 6") as refused:
            snapshot.source(THINGS, "a", 5)
    reader.close()
    assert refused.value.status == 410


def test_answers_that_nothing_cites_go_with_their_bodies_and_what_is_cited_stays(here):
    said = days(here, 10)
    cited = here.rows("SELECT DISTINCT _exchange FROM shop_things")
    swept(here, said[5])
    left = {row for (row,) in here.rows("SELECT id FROM _exchange")}
    assert left == {row for (row,) in cited} | {6, 7, 8, 9, 10}  # of `b`, and those since the cutoff
    bodies = here.rows("SELECT count(*) FROM _body WHERE digest NOT IN (SELECT digest FROM _exchange)")
    assert bodies == [(0,)]
    commits = 1 + 5  # the one that brought `b`, and those that can be read
    assert sizes(here) == dict(zip(TABLES, (2, 4, commits, 0, 6, 6, 6), strict=True))


def test_bodies_may_be_kept_all_the_same(here):
    said = days(here, 10)
    swept(here, said[5], keep_bodies=True)
    assert sizes(here)["_exchange"] == 10
    assert sizes(here)["shop_things_version"] == 4


def test_a_sweep_with_nothing_to_remove_leaves_the_horizon_where_it_is(here):
    """So that no answer is another one for nothing."""
    here.collect(("a", 1))
    here.now += 100 * DAY
    here.collect(("a", 1))
    assert swept(here, here.now - DAY) == 0
    assert horizon(here) == 0


def test_a_second_sweep_finds_nothing(here):
    said = days(here, 10)
    assert swept(here, said[5]) > 0
    assert swept(here, said[5]) == 0


def test_the_pass_that_is_under_way_keeps_its_answers(here):
    days(here, 2)
    lease = here.claim()
    page = here.answer(lease, ("a", 5), ("b", 1))
    here.now += 100 * DAY
    swept(here, here.now)
    assert here.store.archive.has(page.digest)
    assert here.merge(lease, page).verdict == "complete"


def test_what_was_rejected_goes_when_no_answer_has_it_any_more(here):
    bad = b'{"id":1}'
    here.collect(("a", 1), bad)
    here.now = START + 10 * DAY
    here.collect(("a", 2), bad)
    swept(here, START + 50 * DAY)
    assert sizes(here)["_reject"] == 1
    here.now = START + 20 * DAY
    here.collect(("a", 3))
    swept(here, START + 5 * DAY)
    assert sizes(here)["_reject"] == 1  # it was still there then
    swept(here, START + 50 * DAY)
    assert sizes(here)["_reject"] == 0


def test_a_body_that_comes_back_after_it_was_removed_is_stored_again(here):
    days(here, 3)
    first = here.rows("SELECT digest FROM _exchange WHERE id = 1")[0][0]
    swept(here, here.now)
    assert here.store.archive.has(first)  # it brought `b`
    here.now += DAY
    here.collect(("a", 9), ("b", 2))
    swept(here, here.now)
    assert not here.store.archive.has(first)
    here.now += DAY
    here.collect(("a", 0), ("b", 1), ("old", 1))
    assert here.store.archive.body(first)


@pytest.mark.parametrize("step", range(7))
def test_a_sweep_that_is_broken_off_after_any_step_is_finished_by_the_next(here, open_shop, step):
    said = days(here, 10)
    steps = here.store.sweep(THINGS, said[5], keep_bodies=False)
    for _ in range(step):
        next(steps)
    assert [a_on(here, AsOf(revision=revision)) for revision in range(6, 11)] == [5, 6, 7, 8, 9]
    other = open_shop(here.now)
    swept(other, said[5])
    assert sum(steps) == 0  # the one that slept removes nothing more
    assert sizes(here)["shop_things_version"] == 4
    assert sizes(here)["_attempt"] == 6


def test_a_step_that_fails_in_its_middle_has_removed_nothing(here, refusing):
    said = days(here, 10)
    end = refusing(here.store._derived, "AFTER DELETE", "_exchange", "OLD.id = 4")
    with pytest.raises(StoreError, match="it is refused"):
        swept(here, said[5])
    assert sizes(here)["_exchange"] == 10
    assert sizes(here)["_body"] == 10
    end()
    swept(here, said[5])
    assert sizes(here)["_exchange"] == 6


def test_no_transaction_removes_many_rows(here):
    here.collect(*[(str(number), 1) for number in range(3 * AT_A_TIME)])
    here.now += DAY
    here.collect(*[(str(number), 2) for number in range(3 * AT_A_TIME)])
    here.now += DAY
    removed = list(here.store.sweep(THINGS, here.now, keep_bodies=False))
    assert max(removed) == AT_A_TIME
    assert sizes(here)["shop_things_version"] == 0


@pytest.mark.sqlite
def test_the_file_stops_growing(here):
    """What is removed makes room for what comes."""
    pages = []
    for day in range(40):
        here.now = START + day * DAY
        here.collect(*[(str(number), day) for number in range(200)])
        swept(here, here.now - 5 * DAY)
        pages.append(here.rows("PRAGMA page_count")[0][0])
    assert max(pages[15:]) <= 1.05 * pages[14]
