"""What a record type says: columns, the form in which values are stored, and the digest by which they are equal."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import xxhash

from .clock import moment_text, parse_moment
from .errors import DeclarationError

__all__ = [
    "LONGEST_POWER",
    "Column",
    "Kind",
    "Record",
    "Stored",
    "check_search",
    "columns",
    "content_hash",
    "decimal_key",
    "from_decimal_key",
    "from_stored",
    "stored_record",
    "stored_values",
    "to_stored",
]

Kind = Literal["text", "integer", "number", "decimal", "boolean", "date", "datetime", "json"]
Stored = str | int | float | bool | None
"""A value as SQL sees it."""

# `__` separates a field from an operator in a query, a leading `_` marks catchment's own columns.
_NAME = re.compile(r"[a-z](?:_?[a-z0-9]){0,62}\Z")
RESERVED = frozenset({"as_of", "by", "count", "cursor", "fields", "from", "limit", "of", "q", "sort", "to", "zone"})

_NOT_SEARCHED = frozenset({"rank", "rowid"})
"""What SQLite's full text calls its own columns."""


class _Record(msgspec.Struct, frozen=True):
    """One item of a collection: subclass it and name the fields with their types.

    Types: str, int, float, Decimal, bool, date, datetime, Literal, `| None` of these, lists and nested structs.
    """


if TYPE_CHECKING:
    # A type checker wants `frozen=True` repeated by every subclass; at run time it is inherited.
    class Record(msgspec.Struct):
        """One item of a collection: subclass it and name the fields with their types."""

else:
    Record = _Record


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a record as it is stored and asked for. items: what a list of plain values holds; else None."""

    name: str
    kind: Kind
    nullable: bool
    items: Kind | None = None


def check_search(where: str, names: Sequence[str], columns: Sequence[Column]) -> None:
    """DeclarationError where one of the names is no field of text that everybody may read, or is there twice."""
    texts = [column.name for column in columns if column.kind == "text" and column.name not in _NOT_SEARCHED]
    for name in names:
        if name not in texts:
            message = f"{name} is no field of text that words are looked for in"
            raise DeclarationError(f"{where}: search", message, hint=f"fields: {', '.join(texts)}")
    if len(set(names)) < len(names):
        raise DeclarationError(f"{where}: search", "names a field twice")


@cache
def columns(record: type[Record]) -> tuple[Column, ...]:
    """The record's fields in the order of their declaration.

    Raises:
        DeclarationError: a name or a type that cannot be stored and asked for.
    """
    where = f"record {record.__name__}"
    info = msgspec.inspect.type_info(record)
    if not isinstance(info, msgspec.inspect.StructType) or not info.fields:
        raise DeclarationError(where, "has no fields", hint="name at least one: `id: str`")
    if info.array_like or info.tag is not None or record.__struct_config__.omit_defaults:
        raise DeclarationError(where, "leaves names out or adds some", hint="no array_like, tag or omit_defaults")
    for field in info.fields:
        if field.name != field.encode_name:
            raise DeclarationError(f"{where}: field {field.name}", "is renamed", hint="rename it in the feed's shape=")
    return tuple(_column(where, field.encode_name, field.type) for field in info.fields)


def _column(where: str, name: str, info: msgspec.inspect.Type) -> Column:
    if not _NAME.match(name):
        raise DeclarationError(
            f"{where}: field {name!r}", "is no usable name", hint="use lower case, digits and single underscores"
        )
    if name in RESERVED:
        raise DeclarationError(f"{where}: field {name}", "means something else in a query", hint=f"e.g. {name}_value")
    info = _plain(info)
    members = [*map(_plain, info.types)] if isinstance(info, msgspec.inspect.UnionType) else [info]
    inner = [member for member in members if not isinstance(member, msgspec.inspect.NoneType)]
    kinds = {_kind(member) for member in inner}
    if len(kinds) != 1 or None in kinds:
        raise DeclarationError(f"{where}: field {name}", "has a type that cannot be stored", hint="give it one type")
    kind = kinds.pop()
    assert kind is not None
    return Column(name, kind, nullable=len(inner) < len(members), items=_items(inner[0]))


def _plain(info: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """The type without what its schema says beside it: `Annotated[Decimal, Meta(extra_json_schema=…)]`."""
    return info.type if isinstance(info, msgspec.inspect.Metadata) else info


def _items(info: msgspec.inspect.Type) -> Kind | None:
    """What a list's elements are, where they are told apart as JSON as they are in a column."""
    kind = _kind(_plain(info.item_type)) if isinstance(info, msgspec.inspect.ListType) else None
    return kind if kind in ("text", "integer", "boolean", "date") else None


_KINDS: tuple[tuple[type, Kind], ...] = (
    (msgspec.inspect.StrType, "text"),
    (msgspec.inspect.BoolType, "boolean"),
    (msgspec.inspect.IntType, "integer"),
    (msgspec.inspect.FloatType, "number"),
    (msgspec.inspect.DecimalType, "decimal"),
    (msgspec.inspect.DateTimeType, "datetime"),
    (msgspec.inspect.DateType, "date"),
    (msgspec.inspect.ListType, "json"),
    (msgspec.inspect.StructType, "json"),
    (msgspec.inspect.DictType, "json"),
)


def _kind(info: msgspec.inspect.Type) -> Kind | None:
    if isinstance(info, msgspec.inspect.LiteralType):
        return "text" if all(isinstance(value, str) for value in info.values) else "integer"
    return next((kind for known, kind in _KINDS if isinstance(info, known)), None)


def decimal_key(value: Decimal) -> str:
    """A text that sorts as the number does and is equal exactly where the number is: 0.1 and 0.10 give one text.

    Negative numbers begin with `n` and have every digit complemented, zero is `o`, positive ones begin with `p`;
    then four digits of exponent, then the digits. An exact number has no other form in SQLite, whose REAL keeps
    15 digits.
    """
    if not value:
        return "o"
    text = format(value, "f") if abs(value.adjusted()) < LONGEST_POWER - 1 else ""
    if not text or not value.is_finite():
        raise ValueError("number not finite or out of bounds")
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = whole.lstrip("0")
    digits = (whole + fraction).lstrip("0").rstrip("0")
    power = len(whole) or len(fraction.lstrip("0")) - len(fraction)
    key = f"{power + LONGEST_POWER:04d}{digits}"
    return f"n{key.translate(_COMPLEMENT)}~" if text[0] == "-" else f"p{key}"


LONGEST_POWER = 5000
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def from_decimal_key(key: str) -> Decimal:
    """The number that `decimal_key` made the text from, without trailing zeros."""
    if key == "o":
        return Decimal(0)
    text = key[1:] if key[0] == "p" else key[1:-1].translate(_COMPLEMENT)
    digits = text[4:]
    return Decimal((int(key[0] == "n"), tuple(map(int, digits)), int(text[:4]) - LONGEST_POWER - len(digits)))


LEAST, MOST = -(2**63), 2**63 - 1
BEYOND_64_BITS = "integer beyond 64 bits"
NOT_FINITE = "number not finite"


def _int64(value: int) -> int:
    if not LEAST <= value <= MOST:
        raise ValueError(BEYOND_64_BITS)
    return int(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(NOT_FINITE)
    return float(value) + 0.0  # -0.0 is 0.0


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("moment without a zone")
    try:
        return moment_text(value)
    except OverflowError as error:
        raise ValueError("moment out of bounds in UTC") from error


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


_TO_STORED: dict[Kind, Callable[[Any], Stored]] = {
    "text": str,
    "integer": _int64,
    "number": _finite,
    "decimal": decimal_key,
    "boolean": int,
    "date": date.isoformat,
    "datetime": _moment,
    "json": _json_text,
}


def to_stored(kind: Kind, value: Any) -> Stored:
    """The value as it stands in its column; None stays None."""
    return None if value is None else _TO_STORED[kind](value)


_FROM_STORED: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "integer": int,
    "number": float,
    "decimal": from_decimal_key,
    "boolean": bool,
    "date": date.fromisoformat,
    "datetime": parse_moment,
    "json": msgspec.json.decode,
}


def from_stored(kind: Kind) -> Callable[[Any], Any]:
    """A function from what stands in a column of that kind, which is not null, to the value."""
    return _FROM_STORED[kind]


@cache
def stored_values(record: type[Record]) -> Callable[[Record], tuple[Stored, ...]]:
    """A function from a record to its column values, in the order of `columns`.

    It raises ValueError for a value that could not be stored the same on every engine.
    """
    # Most fields are stored as they are: only the others are looked at one by one.
    kinds = [(place, column.kind) for place, column in enumerate(columns(record))]
    whole = [place for place, kind in kinds if kind == "integer"]
    numbers = [place for place, kind in kinds if kind == "number"]
    plain = ("text", "integer", "number", "boolean")
    others = [(place, _TO_STORED[kind]) for place, kind in kinds if kind not in plain]

    isfinite = math.isfinite
    last: tuple[Record | None, tuple[Stored, ...]] = (None, ())

    def values(item: Record) -> tuple[Stored, ...]:
        nonlocal last
        known, found_then = last  # who checks that a record can be stored is followed by who stores it
        if known is item:
            return found_then
        found = list(msgspec.structs.astuple(item))
        for place in whole:
            if (number := found[place]) is not None and not LEAST <= number <= MOST:
                raise ValueError(BEYOND_64_BITS)
        for place in numbers:
            if (number := found[place]) is not None:
                if not isfinite(number):
                    raise ValueError(NOT_FINITE)
                found[place] = number + 0.0  # -0.0 is 0.0
        for place, store in others:
            if (value := found[place]) is not None:
                found[place] = store(value)
        last = item, tuple(found)
        return last[1]

    return values


def stored_record(record: type[Record], doc: str) -> Record:
    """The record that a stored document holds.

    It need not keep the bounds that hold today: they may have been narrowed since it was written, and it must still
    be there to be changed or deleted.
    Raises:
        msgspec.ValidationError: a field has another type by now.
    """
    content = msgspec.json.decode(doc)
    del content["_key"]
    try:
        return msgspec.convert(content, record)
    except msgspec.ValidationError:
        values = msgspec.convert(content, _without_bounds(record))
        return record(**{name: getattr(values, name) for name in values.__struct_fields__})


@cache
def _without_bounds(record: type[Record]) -> type[msgspec.Struct]:
    """The record's fields in their types alone."""
    return msgspec.defstruct(record.__name__, list(typing.get_type_hints(record).items()))


_pack = msgspec.msgpack.Encoder().encode


def content_hash(values: tuple[Stored, ...]) -> bytes:
    """16 bytes by which typed values are equal: spelling, member order and white space of the body do not matter."""
    return xxhash.xxh3_128_digest(_pack(values))
