"""Answers against what is stored: what is new, changed, the same, gone; and how often equal records occur."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import CONTENT, FIRST, KEEP, LAST, RETIRE, Feed, Get, Partition, Record, Upstream
from catchment.decode import Entry, Seen, decode, model_digest
from catchment.merge import Change, Changes, Fold, Found, Known, compare


class Thing(Record):
    id: str
    value: int = 0
    seen: str = ""


def test_the_hashes_of_many_are_those_of_each():
    """In their order, in the place of earlier ones, and with gaps: most are in a file by then."""
    found, wanted = Found(), dict[int, bytes]()
    for turn, slot in enumerate([*range(20_000), 3, 19_999, 9_000, 30_000, 12, 24_000]):
        wanted[slot] = turn.to_bytes(16, "big")
        found.put(str(slot), wanted[slot], slot)
        if turn % 997 == 0:
            assert found.content(slot // 2) == wanted[slot // 2]
    assert all(found.content(slot) == content for slot, content in wanted.items())


def feed(**options) -> Feed:
    upstream = Upstream("things", "https://things.example")
    return Feed("things", Thing, upstream, request=Get("/"), **({"key": ("id",), "missing": RETIRE} | options))


def answer(*rows: tuple) -> bytes:
    names = ("id", "value", "seen")
    return msgspec.json.encode([dict(zip(names, row, strict=False)) for row in rows])


class Shelf:
    """What a store keeps of one partition, without a store: key -> (content hash, digest of bytes)."""

    def __init__(self, of: Feed) -> None:
        self.feed = of
        self.rows: dict[str, tuple[bytes, bytes]] = {}

    def merge(self, body: bytes) -> tuple[Changes, Fold]:
        times = dict(Counter(raw for _, raw in self.rows.values()))
        hashes = {key: content for key, (content, _) in self.rows.items()}
        known = Known(hashes, {raw: key for key, (_, raw) in self.rows.items()}, times)
        fold, waiting = Fold(self.feed, known), list[Entry]()
        left = dict(times) if self.feed.key is CONTENT else None
        for row in decode(self.feed, Partition(), body, known=times, times=left, model=model_digest(self.feed)):
            assert isinstance(row, Entry | Seen)
            if isinstance(row, Seen):
                fold.add(row)
            else:
                waiting.append(row)
                fold.add(row, len(waiting) - 1)
        changes = compare(self.feed, fold.found(), hashes, list(hashes))
        for change in (*changes.new, *changes.changed):
            row = waiting[change.slot] if change.slot >= 0 else None
            assert row is not None, f"nothing waits for {change.key}"
            self.rows[change.key] = (row.hash, row.raw)
        for change in changes.gone:
            del self.rows[change.key]
        return changes, fold


def summary(changes: Changes, fold: Fold) -> dict[str, int]:
    """The counts that are not 0."""
    counts = {name: len(getattr(changes, name)) for name in ("new", "changed", "gone")}
    counts |= {"same": changes.same, "duplicate": fold.duplicate, "conflict": fold.conflict}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("options", "before", "after", "expected"),
    [
        pytest.param({}, [], [("a",), ("b",)], {"new": 2}, id="new"),
        pytest.param({}, [("a", 1)], [("a", 1)], {"same": 1}, id="same"),
        pytest.param({}, [("a", 1)], [("a", 2)], {"changed": 1}, id="changed"),
        pytest.param({}, [("a",), ("b",)], [("b",)], {"gone": 1, "same": 1}, id="gone"),
        pytest.param({}, [("a",), ("b",)], [], {"gone": 2}, id="all gone"),
        pytest.param({"missing": KEEP}, [("a",), ("b",)], [("b",)], {"same": 1}, id="missing is kept"),
        pytest.param({}, [("a",), ("b",)], [("b",), ("a",)], {"same": 2}, id="other order"),
        pytest.param({}, [], [("a",), ("a",)], {"new": 1, "duplicate": 1}, id="twice equal"),
        pytest.param({}, [("a",)], [("a",), ("a",)], {"same": 1, "duplicate": 1}, id="twice equal, stored"),
        pytest.param({}, [], [("a", 1), ("a", 2)], {"new": 1, "conflict": 1}, id="twice different"),
        pytest.param({}, [("a", 2)], [("a", 1), ("a", 2)], {"same": 1, "conflict": 1}, id="last is stored"),
        pytest.param({}, [("a", 1)], [("a", 1), ("a", 2)], {"changed": 1, "conflict": 1}, id="last is another"),
        pytest.param(
            {"conflict": FIRST},
            [("a", 1)],
            [("a", 1), ("a", 2)],
            {"same": 1, "conflict": 1},
            id="first is stored",
        ),
        pytest.param(
            {"conflict": FIRST}, [("a", 2)], [("a", 1), ("a", 2)], {"changed": 1, "conflict": 1}, id="first is another"
        ),
        pytest.param({"volatile": ("seen",)}, [("a", 1, "x")], [("a", 1, "y")], {"same": 1}, id="volatile only"),
        pytest.param({"volatile": ("seen",)}, [("a", 1, "x")], [("a", 2, "y")], {"changed": 1}, id="volatile and more"),
    ],
)
def test_an_answer_is_compared_with_what_is_stored(options, before, after, expected):
    shelf = Shelf(feed(**options))
    shelf.merge(answer(*before))
    assert summary(*shelf.merge(answer(*after))) == expected


def test_a_changed_record_says_which_content_it_replaces():
    shelf = Shelf(feed())
    shelf.merge(answer(("a", 1)))
    stored = shelf.rows["a"][0]
    changes, _ = shelf.merge(answer(("a", 2)))
    assert [change.expected for change in changes.changed] == [stored]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(0, 60, {"new": 60}, id="60 equal ones are 60"),
        pytest.param(60, 60, {"same": 60}, id="the same 60"),
        pytest.param(60, 59, {"same": 59, "gone": 1}, id="one less"),
        pytest.param(59, 60, {"same": 59, "new": 1}, id="one more"),
        pytest.param(1, 3, {"same": 1, "new": 2}, id="two more"),
    ],
)
def test_equal_records_without_an_identity_are_counted(before, after, expected):
    shelf = Shelf(feed(key=CONTENT))
    shelf.merge(answer(*[("a",)] * before))
    assert summary(*shelf.merge(answer(*[("a",)] * after))) == expected


def test_the_one_that_is_gone_is_the_last_of_the_equal_ones():
    shelf = Shelf(feed(key=CONTENT))
    shelf.merge(answer(*[("a",)] * 60))
    changes, _ = shelf.merge(answer(*[("a",)] * 59))
    assert [change.key.rpartition("-")[2] for change in changes.gone] == ["60"]


def test_one_more_of_two_spellings_finds_its_record():
    """Bytes that are known and bytes that are not may be equal content."""
    shelf = Shelf(feed(key=CONTENT))
    shelf.merge(b'[{"id":"a"},{ "id":"a"},{"id":"b"}]')
    assert summary(*shelf.merge(b'[{"id":"b"},{"id":"a"},{"id":"a"},{ "id":"a"}]')) == {"same": 3, "new": 1}


rows = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2), st.sampled_from("xy")), max_size=12)
feeds = st.builds(
    feed,
    key=st.sampled_from([("id",), CONTENT]),
    missing=st.sampled_from([KEEP, RETIRE]),
    conflict=st.sampled_from([FIRST, LAST]),
    volatile=st.sampled_from([(), ("seen",)]),
)


@given(feeds, st.lists(rows, max_size=3), rows)
def test_an_answer_merged_twice_changes_nothing(of, history, last):
    shelf = Shelf(of)
    for body in (*history, last):
        shelf.merge(answer(*body))
    changes, _ = shelf.merge(answer(*last))
    assert not changes


@given(feeds, st.lists(rows, max_size=3), rows)
def test_what_was_received_is_accounted_for(of, history, last):
    shelf = Shelf(of)
    for body in history:
        shelf.merge(answer(*body))
    changes, fold = shelf.merge(answer(*last))
    kept = len(changes.new) + len(changes.changed) + changes.same
    assert fold.received == len(last) == kept + fold.duplicate + fold.conflict


@given(st.lists(rows, max_size=3), rows, st.sampled_from([FIRST, LAST]))
def test_with_retire_the_store_says_what_the_answer_says(history, last, conflict):
    shelf, fresh = Shelf(feed(conflict=conflict)), Shelf(feed(conflict=conflict))
    for body in (*history, last):
        shelf.merge(answer(*body))
    fresh.merge(answer(*last))
    contents = [{key: content for key, (content, _) in each.rows.items()} for each in (shelf, fresh)]
    assert contents[0] == contents[1]


@given(st.lists(rows, max_size=3), rows)
def test_with_retire_equal_records_are_as_many_as_in_the_answer(history, last):
    shelf = Shelf(feed(key=CONTENT))
    for body in (*history, last):
        shelf.merge(answer(*body))
    assert sorted(Counter(content for content, _ in shelf.rows.values()).values()) == sorted(Counter(last).values())


def test_new_keys_say_where_their_records_wait():
    of, fold = feed(), Fold(feed(), Known())
    for slot, row in enumerate(decode(of, Partition(), answer(("a",), ("a",), ("b",)), known={}, model="0" * 16)):
        assert isinstance(row, Entry)
        fold.add(row, slot)
    assert list(compare(of, fold.found(), {}, []).new) == [Change("a", 0), Change("b", 2)]
