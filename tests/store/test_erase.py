"""Erasing keys: what is stored of them goes, nothing brings them back, and the file does not hold their text."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from shop import Shop, app, counted, things

from catchment import App, Counter, Partition, Record
from catchment.clock import FakeClock
from catchment.erased import MARK, Erased
from catchment.errors import MergeOutdated, UsageError
from catchment.feed import Feed, items
from catchment.replay import replay
from catchment.runs import Scope
from catchment.scrub import scrubbed
from catchment.spool import BLOCK, Spool
from catchment.store.check import check
from catchment.store.erase import Gone
from catchment.store.erasing import Burn
from catchment.store.store import Store
from catchment.store.tables import Collection, collections_of

NAME = "Wilhelmina-Featherstonehaugh"


class Person(Record):
    id: str
    name: str


people = replace(things, name="people", record=Person, counters=(Counter(by=("name",)),))
made = replace(people, name="made", rows=lambda body, _: body)
enveloped = replace(people, name="enveloped", rows=items("rows"))
town = App("shop", feeds=[people, made, enveloped, *app.feeds])


@pytest.fixture
def there(place):
    with Store(place, [town]) as store:
        yield Shop(store, place)


def person(key: str, name: str = "Ann") -> bytes:
    return json.dumps({"id": key, "name": name}).encode()


def erase(shop: Shop, *keys: str, feed: Feed = people) -> Gone:
    return shop.store.erasure(Collection("shop", feed), town, keys).run(shop.now)


def in_files(shop: Shop, text: str = NAME) -> list[str]:
    """The files of the data folder, or the tables, that hold a text; archived bodies are looked at unpacked too."""
    folder = Path(shop.place.data)
    found = [name for name, rows in shop.everything.items() if any(text in row for row in rows)]
    found += [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    bodies = [shop.store.archive.body(digest) for (digest,) in shop.rows("SELECT DISTINCT digest FROM _body")]
    return found + ["an archived body" for body in bodies if text.encode() in body]


def clean(shop: Shop) -> list[str]:
    """What contradicts the invariants."""
    return [text for rule in check(shop.store.database, collections_of(town)) for text in rule.shown]


def keys(shop: Shop, feed: Feed = people) -> list[str]:
    return [key for (key,) in shop.rows(f'SELECT _key FROM "shop_{feed.name}" ORDER BY _key')]


@pytest.mark.parametrize("feed", [people, made], ids=["rows split", "rows made by a function"])
def test_records_versions_and_bytes_of_a_key_are_gone_from_every_file(there, feed):
    there.collect(person("a", "Old " + NAME), person("b"), feed=feed)
    there.collect(person("a", NAME), person("b"), feed=feed)
    assert in_files(there), "the text was never stored: the test says nothing"
    gone = erase(there, "a", feed=feed)
    bodies = (2, 0) if feed is people else (0, 2)
    assert (gone.records, gone.versions, gone.rewritten, gone.removed, gone.done) == (1, 1, *bodies, True)
    assert bool(gone.left) == (feed is made)
    assert in_files(there) == []
    assert keys(there, feed) == ["b"]
    assert there.rows(f'SELECT * FROM "shop_{feed.name}_version"') == []
    assert clean(there) == []
    assert there.rows("SELECT action, object FROM _audit")[0][0] == "erase"
    assert "/a" not in there.rows("SELECT object FROM _audit")[0][0]


@pytest.mark.parametrize("feed", [people, made], ids=["rows split", "rows made by a function"])
def test_a_new_collection_does_not_bring_it_back(there, feed):
    there.collect(person("a", NAME), person("b"), feed=feed)
    erase(there, "a", feed=feed)
    for _ in range(2):
        lease = there.claim(feed=feed)
        answer = there.answer(lease, person("a", NAME), person("b", "Bob"))
        outcome = there.merge(lease, answer, feed=feed)
        assert (outcome.verdict, outcome.counts.received, outcome.counts.new) == ("complete", 1, 0)
        # An answer that was archived as it came loses its body with the commit that derived it.
        assert in_files_of_archive(there) == []
    assert keys(there, feed) == ["b"]
    assert clean(there) == []


def in_files_of_archive(shop: Shop) -> list[str]:
    return [text for text in in_files(shop) if text == "an archived body"]


def test_an_answer_is_archived_without_the_row(there):
    there.collect(person("a", NAME), person("b"), feed=people)
    erase(there, "a")
    lease = there.claim(feed=people)
    answer = there.answer(lease, person("a", NAME), person("b")).answer
    kept = there.store.without_erased(Collection("shop", people), lease.partition, answer)
    assert kept.body == b"[" + MARK + b"," + person("b") + b"]"


@pytest.mark.parametrize("feed", [people, made, counted], ids=["split", "function", "content"])
def test_a_replay_does_not_bring_it_back(there, feed):
    rows = [person("a", NAME), person("b")] if feed is not counted else [("a", 1), ("b", 2), ("a", 1)]
    there.collect(*rows, feed=feed)
    key = "a" if feed is not counted else there.rows("SELECT _key FROM shop_counted WHERE id = 'a'")[0][0]
    erase(there, key, feed=feed)
    left = keys(there, feed)
    assert len(left) == 1
    with Store(there.place, [town], replaying=True) as store:
        replay(
            App("shop", feeds=[feed]),
            Scope(),
            store,
            there.place,
            FakeClock(there.now),
            print,
        )
    assert keys(there, feed) == left
    assert clean(there) == []


def test_rejects_of_a_key_go_also_where_only_their_bytes_say_it(there):
    bad = json.dumps({"id": "a", "name": [NAME]}).encode()
    there.collect(bad, person("b"), feed=people)
    assert there.rows("SELECT key FROM _reject") == [(None,)]
    gone = erase(there, "a")
    assert (gone.rejects, gone.rewritten) == (1, 1)
    assert there.rows("SELECT * FROM _reject") == []
    assert in_files(there) == []
    # Said again it is no reject: it blocks no retirement, and counts as nothing.
    outcome = there.collect(bad, person("b"), feed=people)
    assert (outcome.counts.received, outcome.counts.rejected) == (1, 0)


def test_what_is_not_known_is_told_and_not_marked(there):
    there.collect(person("a"), feed=people)
    with pytest.raises(UsageError, match="nothing of shop/people is stored under zzz"):
        erase(there, "zzz")
    assert there.rows("SELECT * FROM _erased") == []


def test_it_may_be_erased_twice(there):
    there.collect(person("a", NAME), feed=people)
    erase(there, "a")
    assert erase(there, "a").nothing
    assert clean(there) == []


def test_looking_changes_nothing(there):
    there.collect(person("a", NAME), person("b"), feed=people)
    before = there.everything
    look = there.store.erasure(Collection("shop", people), town, ["a"]).look()
    assert (look.records, look.rewritten, look.done) == (1, 1, False)
    assert there.everything == before


def test_a_partition_that_is_being_merged_meanwhile_is_compared_again(there):
    there.collect(person("a", NAME), person("b"), feed=people)
    lease = there.claim(feed=people)
    answer = there.answer(lease, person("a", "new " + NAME), person("b"))
    there.now += timedelta(minutes=1)
    erased = there.store.records(Collection("shop", people)).erased()
    erase(there, "a")
    with pytest.raises(MergeOutdated):
        Burn(erased).apply(there.store._derived, Collection("shop", people))
    assert there.merge(lease, answer, feed=people).counts.received == 1
    assert keys(there) == ["b"]


def test_a_replay_that_is_at_work_is_not_disturbed(there):
    there.collect(person("a", NAME), feed=people)
    with Store(there.place, [town], replaying=True) as other:
        other.next_generation(Collection("shop", people))
        with pytest.raises(UsageError, match="being replayed"):
            erase(there, "a")
    assert keys(there) == ["a"]
    erase(there, "a")  # what it left goes too
    assert not [name for name in there.tables if "__next" in name]


def test_an_answer_that_another_feed_has_too_is_told(there):
    there.collect(person("a", NAME), feed=people)
    there.collect(person("a", NAME), feed=made)
    gone = erase(there, "a")
    assert [line.split()[0] for line in gone.left] == ["shop/made"]


@pytest.mark.sqlite
def test_a_file_that_somebody_reads_is_not_done(there):
    there.collect(person("a", NAME), feed=people)
    reader = there.store._paid
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM _body").fetchone()
    there.store._derived.execute("PRAGMA busy_timeout = 50")
    gone = erase(there, "a")
    reader.execute("ROLLBACK")
    assert not gone.done
    assert [text for text in clean(there) if "was not erased to the end" in text]
    assert erase(there, "a").done
    assert clean(there) == []
    assert in_files(there) == []


ERASED = Erased(b"key", frozenset({Erased(b"key").hash("a")}))


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b'[ {"id":"a","name":"x"} , {"id":"b","name":"y"} ]', b'[ {"_erased":true} , {"id":"b","name":"y"} ]'),
        (b'[{"id":"b","name":"y"}]', b'[{"id":"b","name":"y"}]'),
        (b'[{"_erased":true}]', b'[{"_erased":true}]'),
        (b'[{"id":"a","name":"x"},{"id":"a","name":"x"}]', b'[{"_erased":true},{"_erased":true}]'),
        (b'[{"id":"a","name":NaN},{"id":"b","name":"y"}]', b'[{"_erased":true},{"id":"b","name":"y"}]'),
        (b'[{"id":"a","name":"x","name":"z"}]', b'[{"_erased":true}]'),
        (b'[{"id":"a","name":"\\ud800"}]', b'[{"_erased":true}]'),
        (b'[{"id":"a","name":"x"},{"id":"b","name":"y","of":{"id":"a","name":"x"}}]', None),
    ],
    ids=[
        "one of two",
        "none",
        "marked already",
        "twice",
        "a reject",
        "a name twice",
        "half a character",
        "its text in another row",
    ],
)
def test_a_body_without_the_erased_rows(body, left):
    assert scrubbed(people, Partition(()), body, ERASED) == left


@pytest.mark.parametrize("size", range(1, 40))
def test_a_body_that_is_not_in_memory_is_relieved_of_erased_rows_wherever_it_is_cut(size):
    rows = b'{"id":"b","name":"{\\"id\\":"},{"id":"a","name":"x"},{"id":"a","name":"xx"},{"id":"c","name":"x"}'
    spool = Spool()
    spool.blocks = lambda: (whole[at : at + size] for at in range(0, len(whole), size))
    whole = b'{"rows":[%b]}' % rows
    left = scrubbed(enveloped, Partition(()), spool, ERASED)
    assert left == b'{"rows":[{"id":"b","name":"{\\"id\\":"},%b,%b,{"id":"c","name":"x"}]}' % (MARK, MARK)


def test_erased_rows_are_cut_out_of_a_large_body_in_little_memory():
    row, gone = b'{"id":"b","name":"%b"}' % (b"y" * 90_000), b'{"id":"a","name":"x"}'
    body = Spool()
    for piece in (b"[", *[row + b","] * 400, gone, b"]"):
        body.write(piece)
    tracemalloc.start()
    try:
        left = scrubbed(people, Partition(()), body, ERASED)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(left, Spool)
    assert left.read(len(left) - len(MARK) - 1, 99) == MARK + b"]"
    assert len(left) == len(body) - len(gone) + len(MARK)
    assert most < 14 * BLOCK < len(body) / 2


def test_of_a_body_that_is_too_large_for_the_feeds_own_function_nothing_is_left():
    """Whether it has an erased row nobody can say."""
    own = replace(people, rows=lambda body, _: body, max_whole_body=20)
    assert scrubbed(own, Partition(()), b'[{"id":"b","name":"x"}]', ERASED) is None
    assert scrubbed(own, Partition(()), b"[" + b" " * 18 + b"]", ERASED) is not None


def test_a_body_with_rows_in_a_member_keeps_the_rest():
    body = b'{"first":{"id":"a","name":"x"},"rows":[{"id":"a","name":"x"}],"more":false}'
    left = b'{"first":{"_erased":true},"rows":[{"_erased":true}],"more":false}'
    assert scrubbed(enveloped, Partition(()), body, ERASED) == left


def test_what_brings_an_erased_record_back_is_found(there):
    there.collect(person("a", NAME), person("b"), feed=people)
    erase(there, "a")
    there.store._derived.execute("UPDATE shop_people SET _key = 'a'")
    assert [text for text in clean(there) if "was erased" in text] == ["shop/people a: was erased"]


def test_what_is_answered_while_the_archive_is_gone_through_goes_too_before_it_is_told_done(there):
    """Rows that a feed's own function makes cannot be cut out of an answer before it is archived."""
    leases = []

    def rows(body, _):
        if leases and there.rows("SELECT 1 FROM _erased"):  # the archive is gone through by now
            there.answer(leases.pop(), person("a", "Late " + NAME))
        return body

    late = replace(made, rows=rows)
    place = App("shop", feeds=[people, late, enveloped, *app.feeds])
    there.collect(person("a", NAME), person("b"), feed=late)
    leases.append(there.claim(feed=late))
    gone = there.store.erasure(Collection("shop", late), place, ["a"]).run(there.now)
    assert leases == [], "nothing was answered meanwhile"
    assert gone.done
    assert in_files(there) == []
