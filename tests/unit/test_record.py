"""Record types: columns, stored values, and the digest by which content is equal."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Literal

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from catchment import CONTENT, DeclarationError, Feed, Get, Partition, Record, Upstream
from catchment.decode import Entry, Reject, decode, model_digest
from catchment.record import Column, columns, content_hash, decimal_key, from_decimal_key, stored_values, to_stored


class Place(msgspec.Struct):
    name: str


class Everything(Record):
    id: str
    size: int
    share: float
    price: Decimal
    open: bool
    day: date
    at: datetime
    kind: Literal["a", "b"]
    level: Literal[1, 2]
    place: Place
    tags: list[str]
    note: str | None = None


def plain(name, kind):
    return Column(name, kind, nullable=False)


def test_columns_are_the_fields_in_their_order_with_kind_and_nullability():
    kinds = ["text", "integer", "number", "decimal", "boolean", "date", "datetime", "text", "integer", "json", "json"]
    names = ["id", "size", "share", "price", "open", "day", "at", "kind", "level", "place", "tags"]
    required = (*map(plain, names[:-1], kinds), Column("tags", "json", nullable=False, items="text"))
    assert columns(Everything) == (*required, Column("note", "text", nullable=True))


def test_records_cannot_be_changed():
    record = msgspec.convert({"name": "x"}, type("Thing", (Record,), {"__annotations__": {"name": str}}))
    with pytest.raises(AttributeError):
        record.name = "y"


def declared(name: str, kind: object, **options: object) -> type[Record]:
    return type("Wrong", (Record,), {"__annotations__": {name: kind}}, **options)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param(type("Wrong", (Record,), {}), ["record Wrong", "no fields"], id="empty"),
        pytest.param(declared("Id", str), ["record Wrong", "field 'Id'", "no usable name"], id="upper case"),
        pytest.param(declared("a__b", str), ["field 'a__b'", "no usable name"], id="double underscore"),
        pytest.param(declared("_key", str), ["field '_key'", "no usable name"], id="leading underscore"),
        pytest.param(declared("a" * 127, str), ["no usable name"], id="too long"),
        pytest.param(declared("größe", str), ["field 'größe'", "no usable name"], id="not ascii"),
        pytest.param(declared("sort", str), ["field sort", "query", "sort_value"], id="word of queries"),
        pytest.param(declared("size", int | str), ["field size", "cannot be stored"], id="two types"),
        pytest.param(declared("size", object), ["field size", "cannot be stored"], id="any type"),
        pytest.param(declared("size", None), ["field size", "cannot be stored"], id="only null"),
        pytest.param(declared("size", bytes), ["field size", "cannot be stored"], id="bytes"),
        pytest.param(declared("a_b", str, rename="camel"), ["field a_b", "renamed", "shape="], id="renamed"),
        pytest.param(declared("size", int, array_like=True), ["record Wrong", "array_like"], id="array"),
        pytest.param(declared("size", int, tag="x"), ["record Wrong", "tag"], id="tagged"),
        pytest.param(declared("size", int, omit_defaults=True), ["record Wrong", "omit_defaults"], id="omitted"),
    ],
)
def test_a_record_that_cannot_be_stored_is_refused_by_name(record, words):
    with pytest.raises(DeclarationError) as caught:
        columns(record)
    for word in words:
        assert word in str(caught.value)


numbers = st.decimals(allow_nan=False, allow_infinity=False).filter(lambda value: abs(value.adjusted()) < 4999)


@given(numbers, numbers)
@example(Decimal("9E4998"), Decimal("-9E4998"))
@example(Decimal("1E-4998"), Decimal(0))
@example(Decimal("0.10"), Decimal("0.1"))
@example(Decimal(-1), Decimal("-1.5"))
@example(Decimal("-0"), Decimal("0E+6000"))
@example(Decimal(10), Decimal("9.99"))
def test_texts_of_numbers_sort_and_are_equal_as_the_numbers(one, other):
    assert (decimal_key(one) < decimal_key(other)) == (one < other)
    assert (decimal_key(one) == decimal_key(other)) == (one == other)


@given(numbers)
def test_a_number_comes_back_from_its_text(value):
    assert from_decimal_key(decimal_key(value)) == value


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+4999", "-1E+5000", "1E-4999"])
def test_numbers_without_a_place_in_the_order_are_refused(text):
    with pytest.raises(ValueError, match="not finite or out of bounds"):
        decimal_key(Decimal(text))


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("integer", 2**63 - 1, 2**63 - 1),
        ("integer", -(2**63), -(2**63)),
        ("integer", 2**53 + 1, 2**53 + 1),
        ("number", -0.0, 0.0),
        ("boolean", True, 1),
        ("date", date(824, 2, 29), "0824-02-29"),
        ("datetime", datetime(2024, 7, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2024-06-30T23:30:00.000000Z"),
        ("json", {"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
        ("text", "\x00🦊", "\x00🦊"),
        ("text", None, None),
    ],
)
def test_values_are_stored_in_one_form(kind, value, stored):
    assert to_stored(kind, value) == stored
    assert str(to_stored(kind, value)) == str(stored)  # 0.0 is not -0.0, 1 is not True


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("integer", 2**63, "64 bits"),
        ("integer", -(2**63) - 1, "64 bits"),
        ("number", float("nan"), "not finite"),
        ("number", float("inf"), "not finite"),
        ("decimal", Decimal("NaN"), "not finite"),
        ("datetime", datetime(2024, 7, 1), "without a zone"),  # noqa: DTZ001 (that is the point)
        ("datetime", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "out of bounds"),
        ("datetime", datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "out of bounds"),
    ],
)
def test_values_that_engines_keep_differently_are_refused(kind, value, why):
    with pytest.raises(ValueError, match=why):
        to_stored(kind, value)


class Price(Record):
    id: str
    price: Decimal | None = None
    share: float | None = None
    at: datetime | None = None
    place: Place | None = None
    seen: str = ""


def entry(text: str, **options: object) -> Entry:
    upstream = Upstream("shop", "https://shop.example")
    feed = Feed("prices", Price, upstream, request=Get("/"), **({"key": ("id",)} | options))
    (found,) = decode(feed, Partition(), f"[{text}]".encode(), known={}, model=model_digest(feed))
    assert not isinstance(found, Reject), found.reason
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param('{"id":"a","price":"133.0"}', '{"id":"a","price":"133.0000"}', id="trailing zeros"),
        pytest.param('{"id":"a","price":133.0}', '{"id":"a","price":"133"}', id="number or text of a decimal"),
        pytest.param('{"id":"a","price":1e2}', '{"id":"a","price":100}', id="exponent"),
        pytest.param('{"id":"a","share":1.0}', '{"id":"a","share":1}', id="float or int"),
        pytest.param('{"id":"a","share":-0.0}', '{"id":"a","share":0}', id="negative zero"),
        pytest.param('{"id":"a","price":1}', '{ "price" : 1 , "id" : "a" }', id="order and space"),
        pytest.param('{"id":"a","more":1}', '{"id":"a","more":2}', id="undeclared field"),
        pytest.param('{"id":"a","seen":null}'.replace("null", '""'), '{"id":"a"}', id="default"),
        pytest.param('{"id":"\\u00e4"}', '{"id":"ä"}', id="escape"),
        pytest.param(
            '{"id":"a","at":"2024-01-01T01:00:00+01:00"}', '{"id":"a","at":"2024-01-01T00:00:00Z"}', id="zone"
        ),
    ],
)
def test_content_is_equal_by_typed_value(one, other):
    assert entry(one).hash == entry(other).hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"id":"a","price":1}', '{"id":"a","price":1.01}'),
        ('{"id":"a","price":0}', '{"id":"a"}'),
        ('{"id":"a","seen":"b"}', '{"id":"a","seen":"B"}'),
        ('{"id":"ab"}', '{"id":"a","seen":"b"}'),
        ('{"id":"a","place":{"name":"x"}}', '{"id":"a","place":{"name":"y"}}'),
    ],
)
def test_content_differs_by_typed_value(one, other):
    assert entry(one).hash != entry(other).hash


def test_a_volatile_field_alone_makes_no_other_content():
    one, other = ('{"id":"a","seen":"mon"}', '{"id":"a","seen":"tue"}')
    assert entry(one, volatile=("seen",)).hash == entry(other, volatile=("seen",)).hash
    assert entry(one, volatile=("seen",), key=CONTENT).hash == entry(other, volatile=("seen",), key=CONTENT).hash


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_equal_content_exactly_where_they_are_equal(one, other):
    assume(one is not other)
    values = stored_values(Price)
    hashes = [content_hash(values(Price("a", share=share))) for share in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-23, 23))
def test_a_moment_is_one_text_in_every_zone(moment, hours):
    assume(datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC))
    assert to_stored("datetime", moment.astimezone(timezone(timedelta(hours=hours)))) == to_stored("datetime", moment)
