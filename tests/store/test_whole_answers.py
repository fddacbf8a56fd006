"""Rules over a whole answer on a real store: guards, answers that are to be said again, the first of two, equals."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from shop import START, counted, things

from catchment import FIRST, Confirm, Met
from catchment.errors import DecodeError

DAY = timedelta(hours=24)
careful = replace(things, confirm=Confirm(after=DAY, share=0.5, empty=True))
CURRENT = "SELECT _key, value FROM shop_things ORDER BY _key"
LEDGER = "SELECT verdict, reason, records, retry_at FROM _partition"
FOUR = [("a", 1), ("b", 1), ("c", 1), ("d", 1)]


def raw(id_: str, value: int) -> bytes:
    return msgspec.json.encode({"id": id_, "value": value})


# -- guard ----------------------------------------------------------------------------------------------------------


def test_a_guard_meets_every_record_of_the_answer_beside_the_stored_one(here):
    """Known rows and new ones, as often as it looks."""
    met: list[list[tuple]] = []

    def look(answer):
        met.extend([[(item.record.id, item.record.value, item.before and item.before.value) for item in answer]] * 2)
        return "" if [*answer] == [*answer] and isinstance(next(iter(answer)), Met) else "differs"

    here.collect(("a", 1), ("b", 1), ("c", 1), feed=replace(things, guard=look))
    here.collect(("a", 1), ("b", 2), ("d", 1), feed=replace(things, guard=look))
    assert met[0] == [("a", 1, None), ("b", 1, None), ("c", 1, None)]
    assert met[2] == [("a", 1, 1), ("b", 2, 1), ("d", 1, None)]


def test_a_guard_meets_more_records_than_are_kept_in_memory(here):
    seen = []
    many = [(f"{number:05}", number) for number in range(9_000)]
    feed = replace(things, guard=lambda answer: seen.append(sum(item.record.value for item in answer)) or "")
    here.collect(*many, feed=feed)
    assert seen == [sum(range(9_000))]


def test_an_answer_that_a_guard_refuses_changes_nothing(here):
    def jumped(answer):
        common = [item for item in answer if item.before]
        far = [item for item in common if item.record.value > 2 * item.before.value]
        return f"{len(far)} of {len(common)} values doubled" if len(far) * 2 > len(common) else ""

    guarded = replace(things, guard=jumped)
    here.collect(*FOUR, feed=guarded)
    before = here.rows(CURRENT), here.rows("SELECT revision FROM _collection")
    with pytest.raises(DecodeError, match="3 of 4 values doubled") as refused:
        here.collect(("a", 9), ("b", 9), ("c", 9), ("d", 1), feed=guarded)
    assert refused.value.reason == "guard"
    assert (here.rows(CURRENT), here.rows("SELECT revision FROM _collection")) == before


def test_a_guard_of_equal_records_meets_each_of_them(here):
    seen = []
    feed = replace(counted, guard=lambda answer: seen.append([item.before is None for item in answer]) or "")
    here.collect(("a", 1), ("a", 1), feed=feed)
    here.collect(("a", 1), ("a", 1), ("a", 1), feed=feed)
    assert seen == [[True, True], [False, False, True]]


# -- confirm --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[], [("a", 2)]], ids=["empty", "less than half"])
def test_an_answer_that_gives_up_most_records_is_partial_until_it_is_said_again(here, rows):
    here.collect(*FOUR, feed=careful)
    first = here.collect(*rows, feed=careful)
    said = here.now
    assert (first.verdict, first.until) == ("partial", said + DAY)
    assert first.reason == f"{len(rows)} of 4 records left: waits until it is said again"
    assert here.rows(CURRENT) == FOUR
    here.now = said + timedelta(hours=3)
    assert here.collect(*rows, feed=careful).until == said + DAY
    here.now = said + DAY
    assert here.collect(*rows, feed=careful).verdict == "complete"
    assert here.rows(CURRENT) == rows
    assert here.rows("SELECT doubted_at, doubted_digest FROM _partition") == [(None, "")]


def test_the_second_answer_need_not_be_the_same_only_as_short(here):
    here.collect(*FOUR, feed=careful)
    here.collect(("a", 1), feed=careful)
    here.now += DAY
    assert here.collect(("e", 5), feed=careful).verdict == "complete"
    assert here.rows(CURRENT) == [("e", 5)]


def test_a_full_answer_between_two_short_ones_begins_the_wait_anew(here):
    here.collect(*FOUR, feed=careful)
    here.collect(feed=careful)
    assert here.collect(*FOUR, ("e", 1), feed=careful).verdict == "complete"
    here.now += DAY
    assert here.collect(feed=careful).verdict == "partial"
    assert len(here.rows(CURRENT)) == 5


def test_what_the_ledger_keeps_of_a_doubted_answer_is_the_first(here):
    here.collect(*FOUR, feed=careful)
    lease = here.claim(feed=careful)
    page = here.answer(lease)
    here.merge(lease, page, feed=careful)
    said = here.now
    here.collect(("a", 1), feed=careful)
    ((at,),) = here.rows("SELECT doubted_at FROM _partition")
    assert at.startswith(said.strftime("%Y-%m-%dT%H:%M:%S"))


def test_nothing_at_all_is_pending_first_and_then_an_empty_partition(here):
    first = here.collect(feed=careful)
    assert (first.verdict, first.reason) == ("pending", "empty: waits until it is said again")
    assert here.rows("SELECT collected_at FROM _partition") == [(None,)]
    here.now = START + timedelta(minutes=1) + DAY
    assert here.collect(feed=careful).verdict == "complete"
    assert here.rows("SELECT verdict, records FROM _partition") == [("complete", 0)]


def test_many_records_do_not_vanish_on_one_word_whatever_is_declared(here):
    many = [(f"{number:02}", number) for number in range(20)]
    here.collect(*many)
    assert here.collect(*many[:9]).verdict == "partial"
    assert len(here.rows(CURRENT)) == 20
    assert here.collect(*many[:9]).verdict == "complete"
    assert len(here.rows(CURRENT)) == 9


def test_records_that_are_all_others_have_not_vanished(here):
    here.collect(*[(f"a{number}", number) for number in range(30)])
    assert here.collect(*[(f"b{number}", number) for number in range(30)]).verdict == "complete"


# -- the first of two, and equal ones ----------------------------------------------------------------------------------


def rejects(here) -> list[tuple]:
    return here.rows("SELECT key, raw, reason, count FROM _reject ORDER BY id")


def test_the_first_of_two_with_one_key_counts_and_the_other_is_a_reject(here):
    first = replace(things, conflict=FIRST)
    outcome = here.collect(("a", 1), ("a", 2), ("a", 1), ("b", 1), feed=first)
    found = outcome.counts
    assert (found.received, found.new, found.duplicate, found.conflict, found.rejected) == (4, 2, 1, 0, 1)
    assert here.rows(CURRENT) == [("a", 1), ("b", 1)]
    assert rejects(here) == [("a", raw("a", 2), "another record with this key came first", 1)]


def test_the_second_of_two_is_a_reject_also_where_its_bytes_are_stored(here):
    first = replace(things, conflict=FIRST)
    here.collect(("a", 1), feed=first)
    here.collect(("a", 2), ("a", 1), ("a", 1), feed=first)
    assert here.rows(CURRENT) == [("a", 2)]
    assert [(body, count) for _, body, _, count in rejects(here)] == [(raw("a", 1), 2)]


def test_equal_records_are_one_where_they_collapse(here):
    collapsed = replace(counted, equal="collapse")
    outcome = here.collect(("a", 1), ("a", 1), ("b", 1), ("a", 1), feed=collapsed)
    assert (outcome.counts.received, outcome.counts.new, outcome.counts.duplicate) == (4, 2, 2)
    again = here.collect(("b", 1), ("a", 1), ("a", 1), feed=collapsed)
    assert (again.counts.same, again.counts.duplicate, again.counts.gone) == (2, 1, 0)


def test_who_counts_after_collapsing_has_them_all_again(here):
    here.collect(("a", 1), ("a", 1), feed=replace(counted, equal="collapse"))
    here.collect(("a", 1), ("a", 1), feed=counted)
    assert here.rows("SELECT count(*) FROM shop_counted") == [(2,)]
