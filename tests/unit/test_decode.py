"""Bytes to records and rejects: what a body may hold, what it may not, and that one bad record stops no other."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import CONTENT, DecodeError, Feed, Get, Partition, Record, Upstream, items
from catchment.decode import (
    MAX_KEY_BYTES,
    MAX_RECORD_BYTES,
    Entry,
    Reject,
    Seen,
    decode,
    load_json,
    model_digest,
    render_key,
)

GOOD = b'{"id":"good"}'


class Thing(Record):
    id: str
    size: int | None = None
    share: float | None = None
    price: Decimal | None = None
    day: date | None = None
    at: datetime | None = None
    tags: list[str] | None = None


def feed(record: type[Record] = Thing, **options) -> Feed:
    upstream = Upstream("shop", "https://shop.example")
    return Feed("things", record, upstream, request=Get("/"), **({"key": ("id",)} | options))


def read(body: bytes, of: Feed | None = None, known=None, times=None) -> list[Entry | Seen | Reject]:
    of = of or feed()
    return list(decode(of, Partition(), body, known=known or {}, times=times, model=model_digest(of)))


def one(row: bytes, of: Feed | None = None) -> Entry | Reject:
    """What a row is, between two good ones that are not touched by it."""
    before, found, after = read(b"[" + GOOD + b"," + row + b"," + GOOD + b"]", of)
    assert isinstance(before, Entry)
    assert isinstance(after, Entry)
    return found


# -- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "json", id="empty"),
        pytest.param(b"   \n", "json", id="blank"),
        pytest.param(b"\xef\xbb\xbf", "json", id="only a mark of order"),
        pytest.param(b"<html><body>We are sorry</body></html>", "json", id="HTML"),
        pytest.param(b"null", "shape", id="null"),
        pytest.param(b'{"Note":"Thank you for using us"}', "shape", id="an object"),
        pytest.param(b'"[]"', "shape", id="a text"),
        pytest.param(b"7", "shape", id="a number"),
        pytest.param(b'[{"id":"a"}', "json", id="cut off"),
        pytest.param(b'[{"id":"a"},]', "json", id="comma at the end"),
        pytest.param(b'[{"id":"a"}] []', "json", id="two values"),
        pytest.param(b'[{"id":"a\x00"}]', "json", id="a raw NUL"),
        pytest.param(b'[{"id":"a\n"}]', "json", id="a raw line end"),
        pytest.param(b"[{'id':'a'}]", "json", id="single quotes"),
        pytest.param('[{"id":"a"}]'.encode("utf-16"), "json", id="UTF-16"),
        pytest.param(b"[" * 100_000, "json", id="100,000 deep, open"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "json", id="100,000 deep"),
        pytest.param(b'[{"id":"a","x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]", "json", id="deep in one"),
    ],
)
def test_a_body_that_is_no_array_of_records_is_refused_as_a_whole(body, reason):
    started = time.process_time()
    with pytest.raises(DecodeError) as caught:
        read(body)
    assert caught.value.reason == reason
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b'{"rows":[{"id":"a"}],"total":1}', "rows"),
        (b'{"total":1,"the rows":[{"id":"a"}]}', "the rows"),
        (b'\xef\xbb\xbf [ {"id":"a"} ] ', ""),
    ],
    ids=["member", "member with a blank", "mark of order"],
)
def test_records_are_found_where_they_are_declared(body, member):
    assert [row.key for row in read(body, feed(rows=items(member)))] == ["a"]


@pytest.mark.parametrize("body", [b'{"row":[]}', b'{"rows":null}', b'{"rows":{}}', b"[]", b"{}"])
def test_no_array_at_the_declared_place_is_no_empty_answer(body):
    with pytest.raises(DecodeError, match="at rows") as caught:
        read(body, feed(rows=items("rows")))
    assert caught.value.reason == "shape"


def test_an_empty_array_is_an_answer():
    assert read(b"[]") == []


# -- records ---------------------------------------------------------------------------------------------------------

MUCH = b"x" * MAX_RECORD_BYTES


@pytest.mark.parametrize(
    ("row", "reason", "path"),
    [
        pytest.param(b"{}", "missing required field `id`", "", id="no key"),
        pytest.param(b'{"id":null}', "Expected `str`, got `null`", "id", id="null key"),
        pytest.param(b'{"id":7}', "Expected `str`, got `int`", "id", id="key of another type"),
        pytest.param(b'{"id":""}', "key is empty", "", id="empty key"),
        pytest.param(b'{"id":"' + b"k" * 10_000 + b'"}', f"key longer than {MAX_KEY_BYTES}", "", id="key of 10 kB"),
        pytest.param(b'{"id":"' + b"\xc3\xa4" * 200 + b'"}', "key longer", "", id="key long when encoded"),
        pytest.param(b'{"id":"a","x":"' + MUCH + b'"}', "longer than 1048576 bytes", "", id="record of 1 MiB"),
        pytest.param(b"null", "Expected `object`, got `null`", "", id="null"),
        pytest.param(b"[]", "Expected `object`, got `array`", "", id="array"),
        pytest.param(b'"a"', "Expected `object`, got `str`", "", id="text"),
        pytest.param(b'{"id":"a\\u0000b"}', "NUL", "", id="NUL"),
        pytest.param(b'{"id":"a","x":"\\\\\\u0000"}', "NUL", "", id="NUL after a backslash"),
        pytest.param(b'{"id":"a\xc0\xaf"}', "utf-8", "", id="overlong UTF-8"),
        pytest.param(b'{"id":"a\xff"}', "utf-8", "", id="no UTF-8"),
        pytest.param(b'{"id":"\\ud800"}', "truncated", "", id="lone surrogate"),
        pytest.param(b'{"id":"a","price":NaN}', "invalid character", "", id="NaN"),
        pytest.param(b'{"id":"a","share":-Infinity}', "invalid", "", id="minus infinity"),
        pytest.param(b'{"id":"a \\" NaN","share":Infinity}', "invalid character", "", id="infinity after a quote"),
        pytest.param(b'{"id":"\\uDC00 and more"}', "surrogate", "", id="lone second surrogate"),
        pytest.param(b'{"id":"\\\\\\ud83e\\\\udd8a"}', "surrogate", "", id="surrogate and a backslash"),
        pytest.param(b'{"id":"a","size":"7"}', "Expected `int | null`, got `str`", "size", id="text for a number"),
        pytest.param(b'{"id":"a","size":1.5}', "got `float`", "size", id="part of an integer"),
        pytest.param(b'{"id":"a","size":true}', "got `bool`", "size", id="true for a number"),
        pytest.param(b'{"id":"a","size":9223372036854775808}', "beyond 64 bits", "", id="2^63"),
        pytest.param(b'{"id":"a","size":18446744073709551616}', "beyond 64 bits", "", id="2^64"),
        pytest.param(b'{"id":"a","size":' + b"9" * 5000 + b"}", "out of range", "size", id="5,000 digits"),
        pytest.param(b'{"id":"a","share":1e999}', "out of range", "share", id="1e999"),
        pytest.param(b'{"id":"a","price":1e5000}', "out of bounds", "", id="1e5000, exact"),
        pytest.param(b'{"id":"a","price":1e99999999999999999999}', "decimal", "price", id="a power beyond all"),
        pytest.param(b'{"id":"a","price":"NaN"}', "not finite", "", id="NaN as text"),
        pytest.param(b'{"id":"a","price":"1,5"}', "decimal", "price", id="comma"),
        pytest.param(b'{"id":"a","day":"2023-02-29"}', "date", "day", id="no leap year"),
        pytest.param(b'{"id":"a","day":"0000-00-00"}', "date", "day", id="date of zeros"),
        pytest.param(b'{"id":"a","day":"10000-01-01"}', "date", "day", id="year 10000"),
        pytest.param(b'{"id":"a","day":"29/02/2024"}', "date", "day", id="date of another form"),
        pytest.param(b'{"id":"a","day":"infinity"}', "date", "day", id="infinity"),
        pytest.param(b'{"id":"a","at":"2024-01-01T24:00:00Z"}', "datetime", "at", id="24:00"),
        pytest.param(b'{"id":"a","at":"2016-12-31T23:59:60Z"}', "datetime", "at", id="leap second"),
        pytest.param(b'{"id":"a","at":"2024-01-01T00:00:00"}', "without a zone", "", id="no zone"),
        pytest.param(b'{"id":"a","at":1700000000}', "got `int`", "at", id="seconds since 1970"),
        pytest.param(b'{"id":"a","at":"0001-01-01T00:00:00+01:00"}', "out of bounds", "", id="before the year 1"),
        pytest.param(b'{"id":"a","at":"9999-12-31T23:30:00-01:00"}', "out of bounds", "", id="after the year 9999"),
        pytest.param(b'{"id":"a","tags":["x",1]}', "Expected `str`, got `int`", "tags[1]", id="deep in a list"),
    ],
)
def test_a_bad_record_is_a_reject_with_bytes_reason_and_path(row, reason, path):
    found = one(row)
    assert isinstance(found, Reject)
    assert (found.raw, found.path) == (row, path)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        pytest.param(b'{"id":"a","size":9007199254740993}', "size", 2**53 + 1, id="2^53+1"),
        pytest.param(b'{"id":"a","size":9223372036854775807}', "size", 2**63 - 1, id="2^63-1"),
        pytest.param(b'{"id":"a","size":-9223372036854775808}', "size", -(2**63), id="-2^63"),
        pytest.param(b'{"id":"a","size":-0}', "size", 0, id="-0"),
        pytest.param(b'{"id":"a","more":{"x":[1]}}', "id", "a", id="more than declared"),
        pytest.param(b'{"id":"\\\\u0000"}', "id", "\\u0000", id="a backslash and u0000"),
        pytest.param(b'{"id":"\\ud83e\\udd8a"}', "id", "\N{FOX FACE}", id="a pair of surrogates"),
        pytest.param(b'{"id":"\\\\ud800"}', "id", "\\ud800", id="a backslash and ud800"),
        pytest.param(b'{"id":"\\u0001\\u001f\\u007f"}', "id", "\x01\x1f\x7f", id="controls"),
        pytest.param(b'{"id":"\xef\xbf\xbf"}', "id", "\uffff", id="no character"),
        pytest.param(b'{"id":"A\xcc\x8a"}', "id", "A\u030a", id="letters are not composed"),
    ],
)
def test_an_odd_value_is_kept_exactly(row, field, value):
    found = one(row)
    assert isinstance(found, Entry)
    assert found.values[Thing.__struct_fields__.index(field)] == value


HOSTILE = [
    *("__proto__", "__class__", "constructor", "'; DROP TABLE x; --", "$where", "a.b", "..", "%s%n", "{0.__class__}"),
    *("<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\x1b[31mred", "\u202eevil", "a\r\nX: y", "\\", '"', "NULL"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_data(text):
    row = msgspec.json.encode({"id": text, "tags": [text], text: text})
    found = one(row)
    assert isinstance(found, Entry)
    document = msgspec.json.decode(b'{"_key":"' + found.key.encode() + b'",' + found.doc.encode())
    assert (found.values[0], document["id"], document["tags"]) == (text, text, [text])
    assert found.key.isascii()
    assert not set('"\\<>\r\n ') & set(found.key)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_break_anything_but_their_body(data):
    try:
        found = read(data)
    except DecodeError:
        return
    assert all(isinstance(row, Entry | Reject) for row in found)


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(Thing.__struct_fields__), junk), junk)
def test_whatever_a_record_holds_it_is_one_entry_or_one_reject(row, other):
    texts = [json.dumps(value, ensure_ascii=False).encode() for value in (row, other)]
    found = read(b"[" + texts[0] + b"," + GOOD + b"," + texts[1] + b"]")
    assert [isinstance(item, Entry | Reject) for item in found] == [True] * 3
    assert isinstance(found[1], Entry)


# -- the feed's own functions ----------------------------------------------------------------------------------------


def shaped(shape) -> Entry | Reject:
    first, found = read(b'[{"n":"good"},{"n":"bad"}]', feed(shape=lambda row, _: shape(row)))
    assert isinstance(first, Entry)
    return found


def bad_only(action):
    """A shape that does something wrong with the row called bad."""
    return lambda row: {"id": row["n"]} if row["n"] == "good" else action(row)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        pytest.param(lambda row: {"id": row["name"]}, "missing 'name'", id="missing member"),
        pytest.param(
            lambda row: {"id": row["n"], "price": Decimal(row["n"])}, "no number: InvalidOperation", id="number"
        ),
        pytest.param(lambda row: {"id": row["n"], "size": 1 // 0}, "no number: ZeroDivisionError", id="division"),
        pytest.param(lambda row: {"id": row["n"], "size": int(row["n"])}, "invalid literal", id="value"),
        pytest.param(lambda row: {"id": row["n"][99]}, "out of range", id="index"),
        pytest.param(lambda row: {"id": row["n"].nothing}, "not of the type", id="attribute"),
        pytest.param(lambda row: {"id": row["n"], "share": float("nan")}, "not finite", id="NaN"),
        pytest.param(lambda row: {"id": "\ud800"}, "surrogates", id="lone surrogate in the key"),
        pytest.param(lambda row: {"id": "a", "tags": ["\ud800"]}, "surrogates", id="lone surrogate in a field"),
        pytest.param(lambda row: None, "Expected", id="nothing given back"),
    ],
)
def test_a_record_that_a_feeds_own_function_cannot_take_is_a_reject(action, reason):
    found = shaped(bad_only(action))
    assert isinstance(found, Reject)
    assert (found.raw, reason in found.reason) == (b'{"n":"bad"}', True), found.reason


def test_a_rule_of_the_feed_refuses_by_reason_and_names_the_record():
    of = feed(refuse=lambda thing: "too big" if thing.size > 9 else "")
    rows = read(b'[{"id":"a","size":10},{"id":"b","size":1},{"id":"c"}]', of)
    assert [type(row) for row in rows] == [Reject, Entry, Reject]
    assert (rows[0].reason, rows[0].key) == ("too big", "a")


def test_rows_of_a_function_are_taken_from_json_with_exact_numbers():
    of = feed(rows=lambda body, _: [{"id": key, "price": row["p"]} for key, row in body.items()])
    (found,) = read(b'{"a":{"p":0.1000000000000000055}}', of)
    assert '"price":"0.1000000000000000055"' in found.doc


def test_rows_of_a_function_may_come_from_text_and_know_their_partition():
    def rows(body, partition):
        return [{"id": f"{partition['shelf']}-{line}"} for line in body.splitlines()]

    of, partition = feed(rows=rows), Partition((("shelf", "x"),))
    found = decode(of, partition, b"\xef\xbb\xbfa\nb", known={}, model=model_digest(of))
    assert [row.key for row in found] == ["x-a", "x-b"]
    with pytest.raises(DecodeError, match="UTF-8"):
        list(decode(of, partition, b"\xff", known={}, model=model_digest(of)))


def test_a_function_may_refuse_a_whole_body():
    def rows(body, _):
        raise DecodeError("no series", reason="shape")

    with pytest.raises(DecodeError, match="no series"):
        read(b"{}", feed(rows=rows))


def test_loose_reading_takes_text_for_what_it_spells():
    found = one(b'{"id":"a","size":"7","share":"1.5","day":"2024-02-29"}', feed(strict=False))
    assert found.values[1:5] == (7, 1.5, None, "2024-02-29")
    for text in (b"nan", b"inf", b"seven"):
        assert isinstance(one(b'{"id":"a","share":"' + text + b'"}', feed(strict=False)), Reject)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"0.1", Decimal("0.1")),
        (b"1e999", Decimal("1e999")),
        (b"18446744073709551616", 2**64),
        (b'{"a":{"a":1},"b":[{"a":2}]}', {"a": {"a": 1}, "b": [{"a": 2}]}),
    ],
)
def test_json_is_read_exactly(text, value):
    assert load_json(text) == value


@pytest.mark.parametrize(
    "text", [b"", b"NaN", b"1e99999999999999999999", b"9" * 5000, b'"\\ud800"', b"[" * 100_000, b'"\xff"', b"01"]
)
def test_what_is_no_json_is_one_error(text):
    with pytest.raises(DecodeError) as caught:
        load_json(text)
    assert caught.value.reason == "json"


# -- keys and what is known ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (["IBM", date(2023, 1, 3)], "IBM,2023-01-03"),
        (["a,b", "c"], "a%2Cb,c"),
        (["a", "b,c"], "a,b%2Cc"),
        (["ä/ %"], "%C3%A4%2F%20%25"),
        ([Decimal("1.50")], "1.5"),
        ([Decimal("-0.0")], "0"),
        ([Decimal("1E+2")], "100"),
        ([Decimal(100)], "100"),
        ([datetime.fromisoformat("2024-01-01T01:00:00+01:00")], "2024-01-01T00:00:00.000000Z"),
        ([datetime(2024, 1, 1, tzinfo=UTC)], "2024-01-01T00:00:00.000000Z"),
        ([7, True], "7,True"),
    ],
)
def test_a_key_stands_in_a_path_and_equal_values_have_one(parts, key):
    assert render_key(parts) == key


@given(st.lists(st.text(max_size=5), min_size=2, max_size=2), st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_different_texts_have_different_keys(one_pair, other):
    assert (render_key(one_pair) == render_key(other)) == (one_pair == other)


def test_known_bytes_are_passed_on_as_often_as_they_are_stored():
    (entry,) = read(b"[" + GOOD + b"]")
    known, times = {entry.raw}, {entry.raw: 2}
    found = read(b"[" + b",".join([GOOD] * 3) + b"]", known=known, times=times)
    assert [type(row) for row in found] == [Seen, Seen, Entry]
    assert [type(row) for row in read(b"[" + GOOD + b"]", known=known, times=times)] == [Entry]


def test_known_bytes_are_passed_on_each_time_where_records_are_not_counted():
    (entry,) = read(b"[" + GOOD + b"]")
    assert [type(row) for row in read(b"[" + b",".join([GOOD] * 3) + b"]", known={entry.raw})] == [Seen] * 3


def test_bytes_that_another_declaration_read_are_not_known():
    (entry,) = read(b"[" + GOOD + b"]")
    (found,) = read(b"[" + GOOD + b"]", feed(volatile=("size",)), known={entry.raw})
    assert isinstance(found, Entry)


def test_content_is_the_key_only_within_its_partition():
    of = feed(key=CONTENT)
    shelves = [Partition((("shelf", name),)) for name in "xy"]
    (one_row,), (other,) = (decode(of, part, b"[" + GOOD + b"]", known={}, model=model_digest(of)) for part in shelves)
    assert (one_row.key, one_row.hash == other.hash) == ("", False)


def test_a_number_that_is_none_spoils_its_own_row_alone():
    rows = read(b'[{"id":"NaN"},{"id":"a","price":NaN},{"id":"Infinity","size":1},{"id":"b","share":-Infinity}]')
    assert [type(row) for row in rows] == [Entry, Reject, Entry, Reject]
    assert [row.raw for row in rows[1::2]] == [b'{"id":"a","price":NaN}', b'{"id":"b","share":-Infinity}']
    assert [rows[0].values[0], rows[2].values[0]] == ["NaN", "Infinity"]
