"""What a reader may ask of a collection: parameters to a `Query`, and a `Query` to SQL.

Pure: no connection, no time. SQL text comes from this file and from declared columns alone; every value is bound.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal, cast, get_args

import msgspec

from ..clock import parse_moment, render_moment
from ..errors import QueryError
from ..record import Column, Kind, Stored, to_stored
from .tables import Collection

__all__ = [
    "COUNT_CAP",
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "OPERATORS",
    "PARAMETERS",
    "AsOf",
    "Operator",
    "Order",
    "Position",
    "Query",
    "Statement",
    "Term",
    "condition",
    "count_statement",
    "document",
    "fits",
    "open_cursor",
    "page_statement",
    "parse",
    "parse_as_of",
    "rows_from",
    "seal_cursor",
    "term",
]

MAX_TERMS, MAX_VALUE_BYTES, MAX_LIST, MAX_SORT = 50, 4096, 200, 8
DEFAULT_LIMIT, MAX_LIMIT = 50, 1000
COUNT_CAP = 10_000

Takes = Literal["one", "list", "flag"]
Counting = Literal["none", "exact", "capped"]


# -- operators -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to compare a field. sql: `@` is the column, each `?` the value (`IN (?)`: one mark a value)."""

    name: str
    sql: str
    kinds: frozenset[Kind]
    words: str
    takes: Takes = "one"

    @property
    def suffix(self) -> str:
        return f"__{self.name}" if self.name else ""


_PLAIN: frozenset[Kind] = frozenset({"text", "integer", "number", "decimal", "boolean", "date", "datetime"})
_ORDERED = _PLAIN - {"boolean"}
_TEXT: frozenset[Kind] = frozenset({"text"})

OPERATORS = (
    Operator("", "@ = ?", _PLAIN, "equal to"),
    Operator("ne", "@ IS NOT ?", _PLAIN, "not equal to; null is not equal"),
    Operator("gt", "@ > ?", _ORDERED, "greater than"),
    Operator("gte", "@ >= ?", _ORDERED, "greater than or equal to"),
    Operator("lt", "@ < ?", _ORDERED, "less than"),
    Operator("lte", "@ <= ?", _ORDERED, "less than or equal to"),
    Operator("in", "@ IN (?)", _PLAIN, "one of several values, separated by commas", "list"),
    Operator("nin", "(@ IS NULL OR @ NOT IN (?))", _PLAIN, "none of several values, separated by commas", "list"),
    Operator("contains", "instr(@, ?) > 0", _TEXT, "contains this very text; case counts"),
    # The first half lets an index find the place, the second is exact.
    Operator("startswith", "(@ >= ? AND substr(@, 1, length(?)) = ?)", _TEXT, "begins with this very text"),
    Operator("isnull", "(@ IS NULL) = ?", _PLAIN | {"json"}, "true: has no value; false: has one", "flag"),
)
"""The one table from which the parser, the OpenAPI parameters and the documentation are made."""

_BY_NAME = {operator.name: operator for operator in OPERATORS} | {"eq": OPERATORS[0]}

PARAMETERS = {
    "sort": "Fields to sort by, separated by commas; `-` before a name: descending. Nulls come first, descending last.",
    "limit": f"How many records, 1 to {MAX_LIMIT}.",
    "cursor": "Where to go on: `meta.next` of the page before, with the same filters and order.",
    "fields": "Which fields to answer, separated by commas; `_key` is always there.",
    "count": f"`capped` counts up to {COUNT_CAP}, `exact` counts all, `none` does not count.",
    "as_of": "As it was: a moment (RFC 3339), a date (its first instant, UTC), or a revision.",
}
"""The parameters that are no filters, and what they mean."""


def fits(column: Column) -> list[Operator]:
    """The operators that a field has."""
    return [operator for operator in OPERATORS if column.kind in operator.kinds]


# -- values --------------------------------------------------------------------------------------------------------

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_MOMENT = re.compile(_DATE.pattern[:-2] + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z")


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.match(text):
        raise ValueError(text)
    return text


def _integer(text: str) -> int:
    value = int(_matching(_INTEGER, text))
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _number(text: str) -> float:
    value = float(_matching(_NUMBER, text))
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _moment(text: str) -> str:
    return render_moment(parse_moment(text if _DATE.match(text) else _matching(_MOMENT, text)))


def _boolean(text: str) -> int:
    return {"true": 1, "false": 0}[text]


_READ: dict[Kind, tuple[Callable[[str], Stored], str]] = {
    "text": (str, "text"),
    "integer": (_integer, "a whole number of 64 bits, e.g. 12"),
    "number": (_number, "a number, e.g. 1.5"),
    "decimal": (lambda text: to_stored("decimal", Decimal(_matching(_DECIMAL, text))), "a decimal number, e.g. 139.78"),
    "boolean": (_boolean, "true or false"),
    "date": (lambda text: date.fromisoformat(_matching(_DATE, text)).isoformat(), "a date, e.g. 2024-03-31"),
    "datetime": (_moment, "a moment with its zone, e.g. 2024-03-31T12:00:00Z (write + as %2B), or a date"),
}


def _value(kind: Kind, text: str, parameter: str) -> Stored:
    read, wanted = _READ[kind]
    if "\0" in text:
        raise QueryError(f"{parameter}: holds a NUL character", parameter=parameter)
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError) as error:
        raise QueryError(f"{parameter}: {text[:60]!r} is not {wanted}", parameter=parameter) from error


# -- a query -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. values: in their stored form."""

    column: str
    operator: str
    values: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One field to sort by."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment (what the upstream had said by then) or a revision (what we had committed by then)."""

    moment: str = ""
    revision: int = -1

    @property
    def by_revision(self) -> bool:
        return self.revision >= 0


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. fields: empty for all of them. cursor: as it came, "" for the first page."""

    terms: tuple[Term, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = DEFAULT_LIMIT
    fields: tuple[str, ...] = ()
    count: Counting = "capped"
    as_of: AsOf | None = None
    cursor: str = ""

    @property
    def walk(self) -> bytes:
        """What all pages of one walk have in common: a cursor is good for this alone."""
        return msgspec.msgpack.encode((self.terms, self.order, self.as_of))

    @property
    def normal(self) -> bytes:
        """The request in one form, whatever the order of its parameters was."""
        return msgspec.msgpack.encode(self)


def parse(pairs: Iterable[tuple[str, str]], columns: Sequence[Column], order: Sequence[str] = ()) -> Query:
    """The query that the parameters say.

    Args:
        pairs: names and values, decoded.
        order: the collection's own order, as in `sort=`.
    Raises:
        QueryError: an unknown or repeated parameter (the nearest is named), a value that is not what its field
            holds, a limit passed.
    """
    given = _distinct(pairs)
    known = {column.name: column for column in columns}
    terms = [_term(name, text, known) for name, text in given.items() if name not in PARAMETERS]
    if len(terms) > MAX_TERMS:
        raise QueryError(f"more than {MAX_TERMS} filters")
    return Query(
        terms=tuple(sorted(terms, key=repr)),
        order=_order(given["sort"].split(","), known) if "sort" in given else _order(order, known),
        limit=_limit(given.get("limit", str(DEFAULT_LIMIT))),
        fields=_fields(given["fields"], known) if "fields" in given else (),
        count=_count(given.get("count", "capped")),
        as_of=parse_as_of(given["as_of"]) if "as_of" in given else None,
        cursor=given.get("cursor", ""),
    )


def _distinct(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, text in pairs:
        if name in given:
            raise QueryError(f"{name[:60]} is given twice", parameter=name)
        if len(text.encode()) > MAX_VALUE_BYTES:
            raise QueryError(f"{name[:60]} is longer than {MAX_VALUE_BYTES} bytes", parameter=name)
        given[name] = text
    return given


def _term(parameter: str, text: str, known: dict[str, Column]) -> Term:
    name, _, suffix = parameter.partition("__")
    operator = _BY_NAME.get(suffix)
    column = known.get(name)
    if column is None or operator is None or column.kind not in operator.kinds or parameter.endswith("__"):
        raise _unknown(parameter, known)
    return Term(name, operator.name, _values(operator, column.kind, text, parameter))


def _unknown(parameter: str, known: dict[str, Column]) -> QueryError:
    names = [*PARAMETERS, *(f"{column.name}{op.suffix}" for column in known.values() for op in fits(column))]
    near = difflib.get_close_matches(parameter[:80], names, n=1, cutoff=0.4)
    hint = f"; the nearest is {near[0]}" if near else ""
    return QueryError(f"unknown parameter {parameter[:60]}{hint}", kind="unknown-parameter", parameter=parameter)


def _values(operator: Operator, kind: Kind, text: str, parameter: str) -> tuple[Stored, ...]:
    if operator.takes == "flag":
        return (_value("boolean", text, parameter),)
    if operator.takes == "one":
        return (_value(kind, text, parameter),)
    items = text.split(",")
    if len(items) > MAX_LIST:
        raise QueryError(f"{parameter}: more than {MAX_LIST} values", parameter=parameter)
    return tuple(_value(kind, item, parameter) for item in items)


def _order(names: Sequence[str], known: dict[str, Column]) -> tuple[Order, ...]:
    order = tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in names)
    if len(order) > MAX_SORT:
        raise QueryError(f"sort: more than {MAX_SORT} fields", parameter="sort")
    sortable = {name: column for name, column in known.items() if column.kind != "json"}
    _check_names("sort", [item.column for item in order], sortable)
    return order


def _fields(text: str, known: dict[str, Column]) -> tuple[str, ...]:
    names = [name for name in text.split(",") if name != "_key"]
    _check_names("fields", names, known)
    return tuple(name for name in known if name in names)


def _check_names(parameter: str, names: Sequence[str], known: dict[str, Column]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.4)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise QueryError(f"{parameter}: unknown field {name[:60]}{hint}", parameter=parameter)
    if len(set(names)) < len(names):
        raise QueryError(f"{parameter}: names a field twice", parameter=parameter)


def _limit(text: str) -> int:
    if not (text.isascii() and _INTEGER.match(text) and 1 <= int(text) <= MAX_LIMIT):
        raise QueryError(f"limit: {text[:60]!r} is not a whole number from 1 to {MAX_LIMIT}", parameter="limit")
    return int(text)


def _count(text: str) -> Counting:
    if text not in get_args(Counting):
        raise QueryError(f"count: {text[:60]!r} is not none, exact or capped", parameter="count")
    return cast("Counting", text)


def parse_as_of(text: str) -> AsOf:
    """The point in time that `as_of` says: digits are a revision. QueryError if it is none."""
    if text.isascii() and text.isdigit():
        if len(text) > 18:
            raise QueryError("as_of: there is no such revision", parameter="as_of")
        return AsOf(revision=int(text))
    return AsOf(moment=str(_value("datetime", text, "as_of")))


def term(column: Column, operator: str, value: Any) -> Term:
    """A condition from a Python value: `term(columns["date"], "gte", date(2024, 1, 1))`; a list for `in`."""
    found = _BY_NAME[operator]
    if column.kind not in found.kinds:
        raise ValueError(f"{column.name} has no {operator}")
    if found.takes == "flag":
        return Term(column.name, found.name, (int(value),))
    values = value if found.takes == "list" else [value]
    return Term(column.name, found.name, tuple(to_stored(column.kind, item) for item in values))


# -- cursors -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Position:
    """The last record of a page: its values in the walk's order, and its key."""

    values: tuple[Stored, ...]
    key: str


_TAG = 16


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    generation: int
    revision: int
    values: tuple[Stored, ...]
    key: str


def _tag(payload: bytes, key: bytes, collection: str, walk: bytes) -> bytes:
    text = b"\0".join((collection.encode(), hashlib.sha256(walk).digest(), payload))
    return hmac.new(key, text, hashlib.sha256).digest()[:_TAG]


def seal_cursor(
    position: Position, query: Query, collection: str, *, generation: int, revision: int, key: bytes
) -> str:
    """A text that continues this walk of this collection, and that nobody else can make."""
    payload = msgspec.msgpack.encode(_Sealed(generation, revision, position.values, position.key))
    whole = _tag(payload, key, collection, query.walk) + payload
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()


def open_cursor(query: Query, collection: str, *, generation: int, horizon: int, key: bytes) -> Position | None:
    """Where the query's cursor stands; None without one.

    Raises:
        QueryError: 400 for a cursor that we did not make for this walk, 410 for one from another generation or
            from before the horizon.
    """
    if not query.cursor:
        return None
    whole = _unpack(query.cursor)
    payload = whole[_TAG:]
    if not hmac.compare_digest(whole[:_TAG], _tag(payload, key, collection, query.walk)):
        raise _bad_cursor()
    sealed = msgspec.msgpack.decode(payload, type=_Sealed)
    if sealed.generation != generation or sealed.revision < horizon:
        raise QueryError(
            f"the cursor is too old: the oldest usable revision is {horizon}, of generation {generation}",
            kind="history-gone",
            status=410,
            parameter="cursor",
        )
    return Position(sealed.values, sealed.key)


def _unpack(text: str) -> bytes:
    try:
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _bad_cursor() from error
    # Several texts decode to the same bytes: only the one that we wrote is ours.
    if base64.urlsafe_b64encode(whole).rstrip(b"=").decode() != text:
        raise _bad_cursor()
    return whole


def _bad_cursor() -> QueryError:
    message = "cursor: not one of this list with these filters and this order"
    return QueryError(message, kind="bad-cursor", parameter="cursor")


# -- SQL -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its bound values. `+` joins two."""

    sql: str
    values: tuple[Stored, ...] = field(default=())

    def __add__(self, other: Statement) -> Statement:
        return Statement(self.sql + other.sql, self.values + other.values)


def _quoted(name: str) -> str:
    """A declared name for SQL; names are checked when they are declared, the doubling is the second lock."""
    return '"' + name.replace('"', '""') + '"'


def _sides(collection: Collection, as_of: AsOf | None) -> list[Statement]:
    """`FROM … WHERE …` for each table that holds rows of then: what holds now, and what held before."""
    current, versions = _quoted(collection.table), _quoted(collection.versions)
    if as_of is None:
        return [Statement(f" FROM {current} WHERE 1")]
    since, until = ("_revision", "_until_revision") if as_of.by_revision else ("_said_at", "_until")
    point: Stored = as_of.revision if as_of.by_revision else as_of.moment
    return [
        Statement(f" FROM {current} WHERE {since} <= ?", (point,)),
        Statement(f" FROM {versions} WHERE {since} <= ? AND {until} > ?", (point, point)),
    ]


def rows_from(collection: Collection, as_of: AsOf | None, columns: Sequence[str]) -> Statement:
    """`FROM …`: the rows that hold now, or held then."""
    if as_of is None:
        return Statement(f" FROM {_quoted(collection.table)}")
    select = Statement(f"SELECT {', '.join(map(_quoted, dict.fromkeys(columns)))}")
    left, right = _sides(collection, as_of)
    return Statement(" FROM (") + select + left + Statement(" UNION ALL ") + select + right + Statement(")")


def condition(terms: Sequence[Term]) -> Statement:
    """All terms as one condition; `1` for none."""
    parts = [_condition(item) for item in terms]
    return Statement(" AND ".join(part.sql for part in parts) or "1", tuple(v for part in parts for v in part.values))


def _condition(item: Term) -> Statement:
    operator = _BY_NAME[item.operator]
    sql = operator.sql.replace("@", _quoted(item.column))
    if operator.takes == "list":
        return Statement(sql.replace("?", ", ".join("?" * len(item.values))), item.values)
    return Statement(sql, item.values * sql.count("?"))


def order_by(order: Sequence[Order], *, key: str = "_key") -> str:
    """`ORDER BY …`, made unique by the key, which runs as the last field does: an index then serves both ways."""
    parts = [f"{_quoted(item.column)}{' DESC' if item.descending else ''}" for item in _with_key(order, key)]
    return f" ORDER BY {', '.join(parts)}"


def _with_key(order: Sequence[Order], key: str = "_key") -> list[Order]:
    return [*order, Order(key, bool(order) and order[-1].descending)]


def after(order: Sequence[Order], position: Position, nullable: frozenset[str]) -> Statement:
    """The rows behind a position. Nulls are the smallest: first ascending, last descending."""
    steps = list(zip(_with_key(order), (*position.values, position.key), strict=True))
    if len({step.descending for step, _ in steps}) == 1 and not any(step.column in nullable for step, _ in steps):
        names = ", ".join(_quoted(step.column) for step, _ in steps)
        sign = "<" if steps[0][0].descending else ">"
        return Statement(f"({names}) {sign} ({', '.join('?' * len(steps))})", tuple(value for _, value in steps))
    ways = [_equal(steps[:index]) + _beyond(*step) for index, step in enumerate(steps)]
    return Statement(f"({' OR '.join(f'({way.sql})' for way in ways)})", tuple(v for way in ways for v in way.values))


def _equal(steps: Sequence[tuple[Order, Stored]]) -> Statement:
    return Statement("".join(f"{_quoted(step.column)} IS ? AND " for step, _ in steps), tuple(v for _, v in steps))


def _beyond(step: Order, value: Stored) -> Statement:
    name = _quoted(step.column)
    if value is None:
        return Statement("0" if step.descending else f"{name} IS NOT NULL")
    return Statement(f"({name} < ? OR {name} IS NULL)" if step.descending else f"{name} > ?", (value,))


def document(fields: Sequence[str]) -> str:
    """The SQL that gives a record's JSON: the stored text, or chosen members of it."""
    if not fields:
        return "_doc"
    members = [f"""'"{name}":' || coalesce(_doc -> '$.{name}', 'null')""" for name in ("_key", *fields)]
    inner = " || ',' || ".join(members)
    return f"'{{' || {inner} || '}}'"


def page_statement(collection: Collection, query: Query, position: Position | None) -> Statement:
    """One row: the page's records as text, how many rows were found, and the last record's key and values.

    The records are joined by commas; limit + 1 rows found means that there are more; the values are those of the
    walk's order.
    """
    last = "".join(f", max(CASE WHEN n = ? THEN o{index} END)" for index in range(len(query.order) + 1))
    head = Statement(
        f"SELECT group_concat(d, ',') FILTER (WHERE n <= ?), count(*){last}"  # noqa: S608 (numbers and our own names)
        " FROM (SELECT *, row_number() OVER () AS n FROM (",
        (query.limit,) * (len(query.order) + 2),
    )
    return head + _page_rows(collection, query, position) + Statement("))")


def _page_rows(collection: Collection, query: Query, position: Position | None) -> Statement:
    """The page's rows and one more: `d` is the document, `o0` the key, `o1` … the values in the walk's order."""
    where = condition(query.terms)
    if position is not None:
        nullable = frozenset(column.name for column in collection.columns if column.nullable)
        where = Statement(f"({where.sql}) AND ", where.values) + after(query.order, position, nullable)
    # Numbered, because a field may be called as one of our columns.
    names = ["_key", *(item.column for item in query.order)]
    wanted = ", ".join(f"{_quoted(name)} AS o{index}" for index, name in enumerate(names))
    sides = [
        Statement(f"SELECT {document(query.fields)} AS d, {wanted}{side.sql} AND (", side.values)
        + where
        + Statement(f"){order_by(query.order)} LIMIT ?", (query.limit + 1,))
        for side in _sides(collection, query.as_of)
    ]
    if len(sides) == 1:
        return sides[0]
    # Each side by its own index and no further than the page needs; ordering the union of all would read it all.
    numbered = [Order(f"o{index}", item.descending) for index, item in enumerate(query.order, 1)]
    together = Statement(f"{order_by(numbered, key='o0')} LIMIT ?", (query.limit + 1,))
    left, right = sides
    opening = Statement("SELECT * FROM (")
    return opening + left + Statement(") UNION ALL SELECT * FROM (") + right + Statement(")") + together


def count_statement(collection: Collection, query: Query, cap: int | None) -> Statement:
    """How many rows match; with a cap no more than one above it are looked at."""
    columns = ["_key", *(item.column for item in query.terms)]
    body = rows_from(collection, query.as_of, columns) + Statement(" WHERE ") + condition(query.terms)
    if cap is None:
        return Statement("SELECT count(*)") + body
    return Statement("SELECT count(*) FROM (SELECT 1") + body + Statement(" LIMIT ?)", (cap + 1,))
