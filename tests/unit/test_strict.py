"""JSON that we do not take: nested too deeply, or with a member named twice; bounded by us, whatever reads it."""

from __future__ import annotations

import json
import time
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import FIRST, DecodeError, Feed, Get, Partition, Record, Upstream, items
from catchment.decode import Entry, Reject, decode, model_digest
from catchment.strict import DEPTH, Members, load_json, most_names, names, too_deep, twice


class Thing(Record):
    id: str
    size: int


class Loose(Record):
    id: str
    more: dict[str, int] | None = None


def feed(**options) -> Feed:
    given = {"record": Thing, "key": ("id",)} | options
    return Feed("things", given.pop("record"), Upstream("shop", "https://shop.example"), request=Get("/"), **given)


def decoded(of: Feed, body: bytes) -> list:
    return [*decode(of, Partition(), body, known={}, model=model_digest(of))]


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


# -- depth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")])
def test_a_value_may_be_nested_so_deep_and_no_deeper(opening, closing):
    levels = DEPTH // opening.count(b"[" if b"{" not in opening else b"{") // (2 if b"[{" in opening else 1)
    assert not too_deep(nested(levels, opening, closing))
    assert too_deep(nested(levels + 1, opening, closing))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[" * 100_000, id="open for ever"),
        pytest.param(nested(100_000), id="lists"),
        pytest.param(nested(100_000, b'{"a":', b"}"), id="objects"),
        pytest.param(nested(DEPTH + 1), id="one too many"),
    ],
)
def test_what_is_too_deep_is_refused_at_once(text):
    began = time.monotonic()
    with pytest.raises(DecodeError, match=f"nested deeper than {DEPTH}"):
        load_json(text)
    assert time.monotonic() - began < 1


def test_brackets_in_texts_are_no_depth():
    value = ["[" * 500, '"[{' * 50, "\\[" * 50] * 50
    assert load_json(json.dumps(value).encode()) == value


values = st.recursive(
    st.none() | st.text('ab:{}[]"\\ \n', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab":\\', max_size=3), inner, max_size=4),
    max_leaves=60,
)


@given(values, st.sampled_from([None, 1, "\t"]), st.sampled_from([(",", ":"), (" , ", " : "), (",\n", "\n:\t")]))
def test_what_has_no_name_twice_is_read_however_it_is_written(value, indent, separators):
    text = json.dumps(value, indent=indent, separators=separators).encode()
    assert load_json(text) == value
    assert not twice(text)


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param(b'{"a":1,"a":1}', "a", id="equal"),
        pytest.param(b'{"a":1,"b":2,"a":3}', "a", id="apart"),
        pytest.param(b'[{"x":{"b" :1,"b"\n:2}}]', "b", id="inside, with blanks"),
        pytest.param(b'{"\\u0061":1,"a":2}', "a", id="spelled in two ways"),
        pytest.param(b'{"a\\"":1,"a\\"":2}', 'a"', id="with a quote"),
        pytest.param(b'{"n":1e400,"a":1,"a":2}', "a", id="beside a number out of bounds"),
    ],
)
def test_a_name_that_is_there_twice_is_found(text, name):
    assert twice(text) == name


@given(values)
def test_names_are_counted_exactly(value):
    def count(item) -> int:
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        return (len(item) if isinstance(item, dict) else 0) + sum(map(count, inner))

    for text in (json.dumps(value).encode(), json.dumps(value, indent=1).encode()):
        assert names(text) == count(value) <= most_names(text)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="as it is"),
        pytest.param({"shape": lambda row, _: row}, id="shaped"),
        pytest.param({"record": Loose}, id="with fields that may be absent"),
    ],
)
def test_a_row_with_a_member_named_twice_is_a_reject_and_the_others_are_read(options):
    bad, good = b'{"id":"a","size":1,"size":2}', b'{"id":"b","size":1}'
    first, second = decoded(feed(**options), b"[" + bad + b"," + good + b"]")
    assert isinstance(first, Reject)
    assert (first.raw, first.reason) == (bad, "size is named twice in one object")
    assert isinstance(second, Entry)


class Note(Record):
    id: str
    text: str | None
    at: datetime | None
    price: Decimal


@pytest.mark.parametrize(
    ("options", "bad"),
    [
        pytest.param(
            {}, b'"text":null,"text":null,"at":null,"price":1', id="a text is absent, its name is there twice"
        ),
        pytest.param({}, b'"text":"x","at":null,"at":null,"price":1', id="a moment is absent"),
        pytest.param({}, b'"text":"x","at":null,"price":1,"price":1', id="a number that might have been a text"),
        pytest.param({"strict": False}, b'"text":"x","at":1,"at":1,"price":"1"', id="a moment given as a number"),
        pytest.param({}, b'"text":"x","at":null,"price":1,"other":{"a":1,"a":1}', id="inside what is not read"),
    ],
)
def test_a_name_that_is_there_twice_is_found_however_few_texts_the_row_has(options, bad):
    """Rows are judged by how many quotes they have: a text less must not make room for a name more."""
    found = decoded(feed(record=Note, **options), b'[{"id":"a",' + bad + b'},{"id":"b","text":"","at":null,"price":1}]')
    assert [type(row) for row in found] == [Reject, Entry]
    assert found[0].reason.endswith("is named twice in one object")


@pytest.mark.parametrize("raw", [b'"size":"x"', b'"size":1'], ids=["unreadable too", "else readable"])
def test_a_row_that_is_nested_too_deeply_is_told_so_first(raw):
    (found,) = decoded(feed(), b'[{"id":"a",' + raw + b',"other":' + nested(DEPTH) + b"}]")
    assert isinstance(found, Reject)
    assert found.reason == f"nested deeper than {DEPTH}"


def test_a_row_that_is_nested_too_deeply_is_a_reject_and_the_others_are_read():
    bad = b'{"id":"a","size":1,"other":' + nested(DEPTH) + b"}"
    found = decoded(feed(), b"[" + bad + b',{"id":"b","size":1}]')
    assert [type(row) for row in found] == [Reject, Entry]
    assert found[0].reason == f"nested deeper than {DEPTH}"


def test_rows_named_twice_in_the_answer_are_refused_as_a_whole():
    with pytest.raises(DecodeError, match="results is named twice"):
        decoded(feed(rows=items("results")), b'{"results":[],"results":[{"id":"a","size":1}]}')


def test_the_same_name_elsewhere_is_no_harm():
    body = b'{"results":[{"id":"results","size":1}],"more":{"results":1}}'
    assert len(decoded(feed(rows=items("results")), body)) == 1


def test_a_function_is_given_every_member_and_may_tell_what_they_mean():
    """An upstream whose rows are members by date: the same date twice is two rows, as anywhere else."""
    of = feed(rows=lambda body, _: [{"id": day, "size": size} for day, size in body["days"].items()], conflict=FIRST)
    found = decoded(of, b'{"days":{"mon":1,"tue":1,"mon":2.50}}'.replace(b"2.50", b"2"))
    assert [(row.key, row.values[1]) for row in found] == [("mon", 1), ("tue", 1), ("mon", 2)]


def test_a_function_that_asks_for_what_is_there_twice_is_refused():
    of = feed(rows=lambda body, _: body["days"])
    with pytest.raises(DecodeError, match="days is named twice in one object"):
        decoded(of, b'{"days":[],"days":[{"id":"a","size":1}]}')


def test_members_are_a_mapping_of_their_names():
    found = load_json(b'{"a":1.10,"b":2,"a":3}', doubles=True)
    assert isinstance(found, Members)
    assert (list(found), str(found.values()), found["b"], found.get("c", 0)) == (
        ["a", "b"],
        "[Decimal('1.10'), 2, 3]",
        2,
        0,
    )
    with pytest.raises(DecodeError):
        found.get("a")
    assert msgspec.json.encode(dict(found))
