"""Dictionaries and lists that go to a scratch file where they become long: what they hold is what it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import app, things

from catchment import CONTENT, FIRST, KEEP, LAST, RETIRE
from catchment.decode import Entry, Seen
from catchment.merge import Change, Changes, Fold, Known, compare
from catchment.store.records import Records
from catchment.store.room import BATCH, Room
from catchment.store.tables import Collection

acts = st.lists(st.tuples(st.sampled_from(["put", "remove", "look", "all"]), st.integers(0, 9), st.integers(-1, 3)))


@given(acts, st.dictionaries(st.integers(0, 9), st.integers(-1, 3)))
def test_a_dictionary_out_of_memory_is_the_one_in_memory(done, before):
    with Room() as room:
        there, wanted = room.spilled(dict(before)), dict(before)
        for act, key, value in done:
            if act == "put":
                there[key] = wanted[key] = value
            elif act == "remove":
                assert there.pop(key, None) == wanted.pop(key, None)
            elif act == "look":
                assert (there.get(key), key in there) == (wanted.get(key), key in wanted)
            else:
                assert list(there.items()) == list(wanted.items())
        assert (list(there), len(there)) == (list(wanted), len(wanted))


def test_more_than_a_batch_is_written_and_keeps_its_order():
    with Room() as room:
        there = room.spilled({"first": 0})
        there.update((f"key {number}", number) for number in range(3 * BATCH, 0, -1))
        there["first"] = 1
        assert list(there.items())[:2] == [("first", 1), (f"key {3 * BATCH}", 3 * BATCH)]
        assert (len(there), there["key 7"]) == (3 * BATCH + 1, 7)
        with pytest.raises(KeyError):
            there["key 0"]
        with pytest.raises(KeyError):
            del there["key 0"]


@pytest.mark.parametrize("number", [0, 1, 2, 3, BATCH + 2, BATCH + 3, 3 * BATCH + 7])
def test_a_list_out_of_memory_is_the_one_in_memory(number):
    with Room() as room:
        pile = room.pile(Change, few=2)
        values = [Change(f"key {place}", place, b"h") for place in range(number)]
        assert [pile.append(value) for value in values] == list(range(number))
        assert (len(pile), list(pile), list(pile)) == (number, values, values)
        assert [pile[place] for place in range(number)] == values


def test_two_lists_and_a_dictionary_have_places_of_their_own():
    with Room() as room:
        one, other, keys = room.pile(int, few=0), room.pile(int, few=0), room.spilled({})
        for number in range(2 * BATCH + 1):
            one.append(number)
            other.append(-number)
            keys[number] = number
        assert (one[5], other[5], keys[5]) == (5, -5, 5)


kinds = st.sampled_from([{"key": ("id",)}, {"key": CONTENT}, {"key": CONTENT, "equal": "collapse"}])
feeds = st.builds(
    lambda kind, **options: replace(things, **kind, **options),
    kinds,
    missing=st.sampled_from([KEEP, RETIRE]),
    conflict=st.sampled_from([FIRST, LAST]),
)
said = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.booleans()), max_size=14)


def folded(feed, stored, rows, room) -> tuple[object, ...]:
    """All that comes of an answer beside what is stored. rows: key, content, and whether its bytes are known."""
    counts = feed.key is CONTENT
    hashes = {f"{_hash(key, 0).hex()}-1" if counts else key: _hash(key, 0) for key in stored}
    by_raw = {content[:8]: key for key, content in hashes.items()}
    fold, slot = Fold(feed, Known(hashes, by_raw), room), 0
    for key, value, seen in rows:
        content = _hash(key, value)
        if seen and content[:8] in by_raw:
            fold.add(Seen(content[:8]))
        else:
            fold.add(Entry("" if counts else key, content, content[:8], (), ""), slot)
            slot += 1
    found = fold.found()
    pile = (lambda: room.pile(Change)) if room else list
    changes = compare(feed, found, hashes, iter(hashes), pile=pile)
    assert isinstance(changes, Changes)
    piles = [list(part) for part in (changes.new, changes.changed, changes.gone)]
    return (list(found.slots.items()), fold.duplicate, fold.conflict, fold.refused, piles, changes.same)


def _hash(key: str, value: int) -> bytes:
    return f"{key}{value}".encode().ljust(16, b".")


@given(feeds, st.sets(st.sampled_from("abcdef")), said, st.integers(1, 5))
def test_an_answer_of_many_is_compared_as_one_of_few(feed, stored, rows, few):
    with Room(few) as room:
        assert folded(feed, sorted(stored), rows, room) == folded(feed, sorted(stored), rows, None)


@pytest.mark.parametrize("key", [("id",), CONTENT], ids=["by name", "by content"])
def test_what_is_known_of_many_is_what_is_known_of_few(here, key):
    feed = replace(things, key=key)
    here.collect(*((f"{number:04}", number % 7) for number in range(1_200)))
    records = Records(here.store._derived, Collection(app.name, feed))
    few = records.known("shelf=one")
    assert len(few.hashes) == 1_200
    with Room(100) as room:
        many = records.known("shelf=one", room)
        assert not isinstance(many.hashes, dict)
        assert [dict(many.hashes), dict(many.by_raw)] == [few.hashes, few.by_raw]
        assert Counter(dict(many.times)) == few.times
        assert sum(few.times.values()) == (1_200 if key is CONTENT else 0)
