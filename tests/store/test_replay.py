"""A collection derived again from its archive: the next generation beside the present one, and the switch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from shop import START, Shop, app, counted, priced, things

from catchment import KEEP, App, DecodeError, Record
from catchment.clock import FakeClock
from catchment.derive import derive
from catchment.errors import FieldsDiffer, LeaseLost, StoreError, StoreUnavailable, UsageError
from catchment.feed import Feed
from catchment.fill import refill
from catchment.partitions import Partition
from catchment.replay import Replayed, replay
from catchment.runs import Scope
from catchment.store.check import check
from catchment.store.lease import Lease, Outcome
from catchment.store.store import Store
from catchment.store.tables import Collection, collections_of

FIRST = 1_000_000
"""The first revision of the second generation."""

HELD = "SELECT _key, _partition, _hash, _version, _said_at, _attempt, _exchange, _doc FROM {} ORDER BY _key, _version"
BEFORE = HELD.replace("_doc", "_doc, _until, _gone")
REJECTS = "SELECT feed, partition, digest, key, reason, path, raw, count, first_attempt, last_attempt FROM _reject"


class Thing(Record):
    id: str
    value: int = 0
    colour: str | None = None


coloured = replace(things, record=Thing)


def again(there: Shop, *feeds: Feed, tell: Any = lambda _: None, **only: Sequence[str]) -> list[Replayed]:
    """A replay of these feeds by a process of its own."""
    declared = App("shop", feeds=feeds or app.feeds)
    with Store(there.place, [declared], replaying=True) as store:
        return replay(declared, Scope(only=only), store, there.place, FakeClock(there.now), tell)


def held(there: Shop, table: str = "shop_things") -> tuple[list[Any], list[Any], list[Any]]:
    """All that a reader may see of a collection, but for revisions."""
    return (
        there.rows(HELD.format(table)),
        there.rows(BEFORE.format(f"{table}_version")),
        there.rows(REJECTS + " ORDER BY feed, partition, digest"),
    )


def contradictions(there: Shop) -> list[str]:
    found = check(there.store.database, collections_of(app))
    return [f"{item.rule}: {text}" for item in found for text in item.shown]


def a_history(there: Shop, feed: Feed = things) -> None:
    """What is new, the same, changed, gone, back and unreadable, on two shelves."""
    there.collect(("a", 1), ("b", 2), feed=feed)
    there.collect(("c", 3), ("d", "no number"), shelf="two", feed=feed)
    there.collect(("a", 1), ("b", 20), feed=feed)
    there.collect(("b", 20), feed=feed)
    there.collect(("a", 1), ("b", 21), ("e", []), feed=feed)


# -- what comes out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", [things, replace(things, missing=KEEP), counted], ids=["retire", "keep", "content"])
def test_the_same_declaration_gives_the_same_records_versions_and_rejects(here, feed):
    a_history(here, feed)
    table = f"shop_{feed.name}"
    before, (revision,) = held(here, table), here.rows("SELECT revision FROM _collection WHERE revision > 0")[0]
    attempts = here.rows("SELECT * FROM _attempt")
    (done,) = again(here, feed)
    assert held(here, table) == before
    assert before[1], "nothing has ended: the history says nothing"
    assert before[2], "nothing was refused"
    assert here.rows("SELECT * FROM _attempt") == attempts
    assert (done.passes, done.generation, done.left, done.complete) == (5, 2, (), True)
    assert done.before == done.after
    state = "SELECT generation, revision, horizon FROM _collection WHERE name = ?"
    # As many commits as before changed something.
    assert here.rows(state, f"shop/{feed.name}") == [(2, FIRST + revision, FIRST)]
    commits = here.rows("SELECT generation, revision FROM _commit WHERE collection = ?", f"shop/{feed.name}")
    assert commits == [(2, FIRST + number) for number in range(1, revision + 1)]


def test_it_is_replayed_as_often_as_one_likes(here):
    a_history(here)
    before = held(here)
    for generation in (2, 3, 4):
        assert [done.generation for done in again(here, things)] == [generation]
        assert held(here) == before
    assert here.collect(("a", 1), ("b", 21)).verdict == "complete"
    names = here.tables
    assert not [name for name in names if "__next" in name or "__old" in name]
    here.store._derived.execute('DROP INDEX "shop_things__g4__partition"')  # it is of the fourth generation


def test_a_new_field_is_filled_from_what_was_archived_before_it_was_declared(here):
    """acceptance 15 of episodes: a field more in the model, and no request."""
    rows = [{"id": "a", "value": 1, "colour": "red"}, {"id": "b", "value": 2}]
    here.collect(*map(_json, rows))
    here.collect(*map(_json, [{"id": "a", "value": 1, "colour": "blue"}, rows[1]]))
    exchanges = here.rows("SELECT count(*) FROM _exchange")
    with pytest.raises(FieldsDiffer, match=r"shop/things.*\(colour\).*run catchment replay shop/things"):
        Store(here.place, [App("shop", feeds=[coloured])])
    again(here, coloured)
    assert here.rows("SELECT _key, _version, colour FROM shop_things ORDER BY _key") == [
        ("a", 2, "blue"),
        ("b", 1, None),
    ]
    # The two answers differed in nothing that was declared then: now there are two versions.
    assert here.rows("SELECT _key, _version, colour FROM shop_things_version") == [("a", 1, "red")]
    assert here.rows("SELECT count(*) FROM _exchange") == exchanges
    Store(here.place, [App("shop", feeds=[coloured])]).close()
    with pytest.raises(FieldsDiffer):
        Store(here.place, [app])


def test_a_field_less_is_gone(here):
    class Bare(Record):
        id: str

    a_history(here)
    again(here, replace(things, record=Bare, counters=()))
    assert here.store._derived.columns("shop_things")[-2:] == ["id", "_doc"]
    assert here.rows("SELECT _doc FROM shop_things WHERE _key = 'a'") == [('{"_key":"a","id":"a"}',)]


def _json(row: Any) -> bytes:
    return json.dumps(row).encode()


def test_a_reject_that_is_readable_now_is_one_record_with_one_version(here):
    a_history(here)

    class Loose(Record):
        id: str
        value: int | str | None = None

    def mend(row: Any, partition: Any) -> Any:
        return {**row, "value": row["value"] if isinstance(row["value"], int) else -1}

    (done,) = again(here, replace(things, shape=mend))
    assert (done.before.rejects, done.after.rejects) == (2, 0)
    assert here.rows("SELECT _key, _version, value FROM shop_things WHERE value = -1 ORDER BY _key") == [
        ("d", 1, -1),
        ("e", 1, -1),
    ]
    assert here.rows("SELECT 1 FROM shop_things_version WHERE value = -1") == []
    assert here.rows(REJECTS) == []


def test_a_stricter_declaration_rejects_what_was_a_record(here):
    here.collect(*[(str(number), number) for number in range(10)])
    (done,) = again(here, replace(things, refuse=lambda thing: "too much" if thing.value == 9 else ""))
    assert (done.after.records, done.after.rejects) == (9, 1)
    assert here.rows("SELECT feed, partition, reason, count FROM _reject") == [
        ("shop/things", "shelf=one", "too much", 1)
    ]


def test_an_answer_that_could_not_be_read_when_it_came_is_read_now(here):
    lease = here.claim()
    page = here.answer(lease, b'{"id": 1}', b'{"id": 2}')
    with pytest.raises(DecodeError):
        here.merge(lease, page)
    here.store.ledger.finish(lease, Outcome("failed", "drift: the shape"), here.now)
    (done,) = again(here, replace(things, shape=lambda row, _: {"id": str(row["id"])}))
    assert done.passes == 1
    assert here.rows("SELECT _key, _version FROM shop_things") == [("1", 1), ("2", 1)]
    names = "verdict, reason, failures, retry_at, records, digest, lease_owner"
    assert here.rows(f"SELECT {names} FROM _partition") == [("complete", "", 0, None, 2, page.digest, None)]
    said = "read by a replay; it was failed: drift: the shape"
    assert here.rows("SELECT verdict, reason FROM _attempt") == [("complete", said)]
    assert contradictions(here) == []


def test_what_is_known_of_partitions_goes_with_the_present_declaration(here):
    """The next answer with the same bytes is known by its digest, and its rows by theirs."""
    a_history(here)
    ledger = "SELECT feed, key, params, verdict, checked_at, collected_at, pass, records FROM _partition ORDER BY key"
    before, was = here.rows(ledger), here.rows("SELECT DISTINCT model FROM _partition")
    renamed = replace(things, refuse=lambda _: "")
    again(here, renamed)
    assert here.rows(ledger) == before
    assert here.rows("SELECT DISTINCT model FROM _partition") != was
    assert here.store.ledger.outdated("shop/things", here.rows("SELECT DISTINCT model FROM _partition")[0][0]) == 0
    assert here.store.ledger.outdated("shop/things", was[0][0]) == 3


def test_an_answer_that_was_not_believed_is_not_believed_again_before_it_was_said_twice(here):
    many, few = [(f"{number:02}", 1) for number in range(30)], [("01", 1), ("02", 2)]
    assert here.collect(*many).verdict == "complete"
    assert here.collect(*few).verdict == "partial"
    before, partition = held(here), here.rows("SELECT verdict, reason, doubted_at, pass FROM _partition")
    again(here, things)
    assert held(here) == before
    assert here.rows("SELECT verdict, reason, doubted_at, pass FROM _partition") == partition
    assert here.collect(*few).verdict == "complete"
    before = held(here)
    assert (len(before[0]), len(before[1])) == (2, 29)
    again(here, things)
    assert held(here) == before


def test_what_is_filled_from_another_collection_is_filled_as_that_stood_and_as_it_stands(here):
    filled = "SELECT id, price, value, _version FROM shop_priced{} ORDER BY id, _version"
    here.collect(("a", 10))
    here.collect(("a", 1), ("b", 2), feed=priced)
    here.collect(("a", 11), ("b", 20))
    run = here.store.ledger.begin_run(app.name, here.now)
    refill(priced, run, here.store.records(Collection("shop", priced)), here.now)
    before = here.rows(filled.format("")), here.rows(filled.format("_version"))
    assert before == ([("a", 11, 1, 2), ("b", 20, 2, 2)], [("a", 10, 1, 1), ("b", None, 2, 1)])
    _, done = again(here, things, priced)
    assert done.complete
    assert (here.rows(filled.format("")), here.rows(filled.format("_version"))) == before
    assert here.rows("SELECT feed FROM _filled") == [("shop/priced",)]
    assert here.rows("SELECT count(*) FROM _attempt WHERE feed LIKE '%@%'") == [(0,)]
    assert refill(priced, run, here.store.records(Collection("shop", priced)), here.now) == 0
    # Derived with another source they are filled again: it is the one that holds now.
    again(here, replace(things, shape=lambda row, _: {**row, "value": row["value"] * 2}))
    assert refill(priced, run, here.store.records(Collection("shop", priced)), here.now) == 2
    assert here.rows(filled.format("")) == [("a", 22, 1, 3), ("b", 40, 2, 3)]


@pytest.mark.parametrize("keep_bodies", [False, True], ids=["bodies gone", "bodies kept"])
def test_after_retention_a_replay_gives_what_is_kept_and_nothing_is_wrong(here, keep_bodies):
    a_history(here)
    cutoff = START + timedelta(minutes=4)
    while any(here.store.sweep(Collection("shop", things), cutoff, keep_bodies=keep_bodies)):
        continue
    before = held(here)
    (done,) = again(here, things)
    assert done.complete
    while any(here.store.sweep(Collection("shop", things), cutoff, keep_bodies=keep_bodies)):
        continue
    after = held(here)
    # Versions are numbered anew from what is left; what is said, and when, is as before.
    documents = [[(row[0], row[4], row[7]) for row in rows] for rows in (before[0], after[0], before[1], after[1])]
    assert documents[0] == documents[1]
    assert set(documents[2]) <= set(documents[3])
    assert contradictions(here) == []


# -- what cannot be derived again ------------------------------------------------------------------------------------


def lose_the_body_of(there: Shop, exchange: int) -> None:
    (digest,) = there.rows("SELECT digest FROM _exchange WHERE id = ?", exchange)[0]
    there.store._paid.execute("DELETE FROM _body WHERE digest = ?", (digest,))


def test_what_the_archive_no_longer_holds_is_listed_and_its_rows_are_kept(here):
    a_history(here)
    rows, versions, rejects = held(here)
    lose_the_body_of(here, 5)
    (done,) = again(here, replace(things, refuse=lambda _: ""))
    assert [(item.partition, item.number, item.kept) for item in done.left] == [("shelf=one", 4, True)]
    assert "no longer holds" in done.left[0].reason
    assert not done.complete
    assert held(here) == (rows, versions, rejects)
    assert here.rows("SELECT DISTINCT _revision FROM shop_things WHERE _partition = 'shelf=one'") == [(FIRST,)]
    outdated = here.rows("SELECT key FROM _partition ORDER BY model")
    assert len(outdated) == 2


def test_an_earlier_answer_that_is_gone_is_listed_and_the_later_ones_hold(here):
    a_history(here)
    rows, _, _ = held(here)
    lose_the_body_of(here, 1)
    (done,) = again(here)[:1]
    assert [(item.partition, item.number, item.kept) for item in done.left] == [("shelf=one", 1, False)]
    assert done.complete
    assert [row[0] for row in held(here)[0]] == [row[0] for row in rows]


def test_nothing_is_changed_where_rows_to_be_kept_have_other_fields(here):
    a_history(here)
    before = held(here)
    lose_the_body_of(here, 5)
    with pytest.raises(UsageError, match=r"1 partitions cannot be derived.*shelf=one.*no longer holds"):
        again(here, coloured)
    assert held(here) == before
    assert here.rows("SELECT generation FROM _collection WHERE name = 'shop/things'") == [(1,)]


def test_a_partition_that_the_declaration_cannot_read_keeps_its_rows(here):
    a_history(here)
    before = held(here)

    def refuse(thing: Any) -> str:
        return "never" if thing.id == "c" else ""

    (done,) = again(here, replace(things, refuse=refuse))
    assert [(item.partition, item.kept) for item in done.left] == [("shelf=two", True)]
    assert held(here) == before


# -- only some -------------------------------------------------------------------------------------------------------


def test_only_some_partitions_are_derived_and_the_others_carried_over(here):
    a_history(here)
    before = held(here)
    more = replace(things, shape=lambda row, _: {**row, "value": 100})
    (done,) = again(here, more, shelf=["two"])
    assert done.passes == 1
    assert here.rows("SELECT _key, value FROM shop_things ORDER BY _key") == [
        ("a", 1),
        ("b", 21),
        ("c", 100),
        ("d", 100),
    ]
    after = held(here)
    assert after[1] == before[1]
    assert [row for row in after[2] if row[1] == "shelf=one"] == [row for row in before[2] if row[1] == "shelf=one"]
    assert here.rows(
        "SELECT key FROM _partition WHERE model = (SELECT model FROM _collection WHERE generation = 2)"
    ) == [("shelf=two",)]


def test_only_some_is_refused_where_the_fields_differ(here):
    a_history(here)
    with pytest.raises(UsageError, match="replay without --only"):
        again(here, coloured, shelf=["two"])
    assert here.rows("SELECT generation FROM _collection WHERE name = 'shop/things'") == [(1,)]


def test_a_name_that_there_is_not_is_refused(here):
    with pytest.raises(UsageError, match="no partition of shop has colour"):
        again(here, colour=["red"])


# -- beside a collector ----------------------------------------------------------------------------------------------


def test_what_is_committed_meanwhile_is_derived_too(open_shop):
    here, other = open_shop(), open_shop()
    a_history(here)
    committed = []

    def meanwhile(event: Any) -> None:
        if event.kind == "ended" and not committed:
            other.now = here.now
            committed.append(other.collect(("a", 1), ("b", 22), ("f", 6)))
            committed.append(other.collect(("z", 26), shelf="two"))

    (done,) = again(here, things, tell=meanwhile)
    assert [outcome.verdict for outcome in committed] == ["complete", "complete"]
    assert done.passes == 7
    shown = here.rows("SELECT _key, _version, value FROM shop_things ORDER BY _key")
    assert shown == [("a", 2, 1), ("b", 4, 22), ("f", 1, 6), ("z", 1, 26)]


def test_a_collector_that_compared_with_the_old_generation_compares_again(open_shop):
    here, other = open_shop(), open_shop()
    a_history(here)
    switched = []

    def shape(row: Any, partition: Any) -> Any:
        if not switched:  # between comparing and writing
            switched.append(again(other, replace(things, refuse=lambda thing: "never" if thing.id == "a" else "")))
        return row

    collecting = replace(things, shape=shape)
    lease = here.claim(feed=collecting)
    page = here.answer(lease, ("a", 1), ("b", 23), ("g", 7))
    outcome = here.merge(lease, page, feed=collecting)
    assert switched[0][0].generation == 2
    assert outcome.verdict == "complete"
    shown = here.rows("SELECT _key, value FROM shop_things ORDER BY _key")
    assert shown == [("a", 1), ("b", 23), ("c", 3), ("g", 7)]
    assert (outcome.counts.new, outcome.counts.changed) == (2, 1)


def test_a_second_replay_is_refused_while_the_first_lives(open_shop):
    here, other = open_shop(), open_shop()
    a_history(here)
    told = []

    def meanwhile(event: Any) -> None:
        if event.kind == "ended" and not told:
            with pytest.raises(UsageError, match="shop/things is being replayed already") as caught:
                again(other, things)
            told.append(caught)

    (done,) = again(here, things, tell=meanwhile)
    assert told
    assert done.complete


def left_alone(there: Shop) -> Any:
    """The next generation with records in it, begun by a process that is taken for dead by now."""
    with Store(there.place, [app]) as dead:
        begun = dead.next_generation(Collection("shop", things))
        begun._connection = there.store._derived
    partition = there.store.ledger.passes("shop/things")[0].partition
    lease = Lease("shop/things@next", partition, 0, 1, 1, "", "", "", "")
    (page,) = there.store.archive.answered("shop/things", partition.key, 1)
    derive(things, lease, [page], begun.records, Outcome("failed"), START, body_of=there.store.body)
    assert there.rows("SELECT count(*) FROM shop_things__next") == [(2,)]
    return begun


def test_what_a_replay_left_that_died_is_served_to_nobody_and_removed_by_the_next(here):
    a_history(here)
    before = held(here)
    left_alone(here)
    assert held(here)[:2] == before[:2]
    assert here.collect(("a", 1), ("b", 21), ("h", 8)).counts.new == 1
    (done,) = again(here, things)
    assert done.passes == 6
    assert here.rows("SELECT _key FROM shop_things ORDER BY _key") == [("a",), ("b",), ("c",), ("h",)]
    assert here.rows("SELECT name FROM _collection ORDER BY name") == [
        ("shop/counted",),
        ("shop/priced",),
        ("shop/things",),
    ]
    assert here.rows("SELECT DISTINCT feed FROM _partition") == [("shop/things",)]
    assert [name for name in here.tables if "__next" in name] == []


def test_what_a_replay_that_died_had_read_of_a_failed_attempt_has_changed_nothing(here):
    """It stands beside what is read: the attempt is `complete` when a replay has come to its end, and not before."""
    lease = here.claim()
    here.answer(lease, ("a", 1), ("b", 2))
    here.store.ledger.finish(lease, Outcome("failed", "I/O error"), here.now)
    here.collect(("a", 1), ("b", 20))
    left_alone(here)
    assert here.rows("SELECT collection FROM _commit WHERE attempt = 1") == [("shop/things@next",)]
    verdicts = "SELECT id, verdict FROM _attempt ORDER BY id"
    assert here.rows(verdicts) == [(1, "failed"), (2, "complete")]
    assert contradictions(here) == []
    again(here, things)
    assert here.rows(verdicts) == [(1, "complete"), (2, "complete")]
    assert here.rows("SELECT _key, value, _attempt FROM shop_things_version") == [("b", 2, 1)]
    assert contradictions(here) == []


@pytest.mark.parametrize("then", ["writes", "switches", "gives up"])
def test_a_replay_that_slept_while_another_began_changes_nothing(here, then):
    a_history(here)
    sleeper = left_alone(here)
    other = here.store.next_generation(Collection("shop", things))
    before = held(here)
    deeds = {
        "writes": lambda: sleeper.check(here.store._derived, Lease("x", Partition(), 0, 1, 1, "", "", "", "")),
        "switches": lambda: sleeper.switch(list, lambda _: None, here.now),
        "gives up": sleeper.abandon,
    }
    with pytest.raises(LeaseLost):
        deeds[then]()
    assert held(here) == before
    assert here.rows("SELECT count(*) FROM shop_things__next") == [(0,)]
    other.abandon()


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoreUnavailable("locked")], ids=["Ctrl+C", "an error"])
def test_a_replay_that_ends_early_leaves_nothing(here, error):
    a_history(here)
    before, tables = held(here), here.tables

    def break_off(event: Any) -> None:
        if event.kind == "ended" and event.partition == "shelf=two":
            raise error

    with pytest.raises(BaseException, match=r"locked|^$"):
        again(here, coloured, tell=break_off)
    assert held(here) == before
    assert here.tables == tables
    assert here.rows("SELECT name FROM _meta WHERE name LIKE 'replay%'") == []


def test_a_switch_that_fails_leaves_everything_as_it_was(here, refusing):
    a_history(here)
    before = held(here)
    # The tables have their new names by then, and get the old ones back.
    end = refusing(here.store._derived, "BEFORE UPDATE", "_collection", "OLD.generation <> NEW.generation")
    with pytest.raises(StoreError, match="it is refused"):
        again(here, things)
    assert held(here) == before
    end()
    assert again(here, things)[0].generation == 2
    assert held(here) == before


def test_a_sweep_beside_it_keeps_the_answers_that_only_the_next_generation_cites(here):
    for colour in ("red", "blue", "blue", "blue"):
        here.collect(_json({"id": "a", "value": 1, "colour": colour}))
    # The present generation saw no difference: all but the first and the last answer may go.
    (blue,) = here.rows("SELECT id FROM _exchange ORDER BY id LIMIT 1 OFFSET 1")[0]
    ended: list[int] = []

    def sweep_in_the_middle(event: Any) -> None:
        ended.extend([1] * (event.kind == "ended"))
        if event.kind == "ended" and len(ended) == 2:
            assert sum(here.store.sweep(Collection("shop", things), here.now, keep_bodies=False)) > 0

    again(here, coloured, tell=sweep_in_the_middle)
    assert len(ended) == 4
    assert here.rows("SELECT colour, _exchange FROM shop_things") == [("blue", blue)]
    assert here.rows("SELECT id FROM _exchange WHERE id = ?", blue), "the answer that a record came from is gone"
    assert [text for rule in check(here.store.database, [Collection("shop", coloured)]) for text in rule.shown] == []
