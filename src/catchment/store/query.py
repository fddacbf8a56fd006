"""What a reader may ask of a collection: parameters to a `Query`. Pure: no connection, no time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import msgspec

from ..errors import QueryError
from ..record import Column, Kind, Stored, to_stored
from .values import WHOLE, read_value

__all__ = [
    "BY_NAME",
    "COUNT_CAP",
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "OPERATORS",
    "PARAMETERS",
    "SEARCH",
    "AsOf",
    "Operator",
    "Order",
    "Query",
    "Term",
    "chosen",
    "distinct",
    "fits",
    "index_for",
    "parse",
    "parse_as_of",
    "read_fields",
    "read_limit",
    "read_words",
    "term",
]

MAX_TERMS, MAX_VALUE_BYTES, MAX_LIST, MAX_SORT = 50, 4096, 200, 8
DEFAULT_LIMIT, MAX_LIMIT = 50, 1000
COUNT_CAP = 10_000

Takes = Literal["one", "list", "flag", "element"]
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
_LIST: frozenset[Kind] = frozenset({"json"})

OPERATORS = (
    Operator("", "@ = ?", _PLAIN, "equal to"),
    Operator("ne", "@ IS DISTINCT FROM ?", _PLAIN, "not equal to; null is not equal"),
    Operator("gt", "@ > ?", _ORDERED, "greater than"),
    Operator("gte", "@ >= ?", _ORDERED, "greater than or equal to"),
    Operator("lt", "@ < ?", _ORDERED, "less than"),
    Operator("lte", "@ <= ?", _ORDERED, "less than or equal to"),
    Operator("in", "@ IN (?)", _PLAIN, "one of several values, separated by commas", "list"),
    Operator("nin", "(@ IS NULL OR @ NOT IN (?))", _PLAIN, "none of several values, separated by commas", "list"),
    Operator("contains", "instr(@, ?) > 0", _TEXT, "contains this very text; case counts"),
    # The first half lets an index find the place, the second is exact.
    Operator("startswith", "(@ >= ? AND substr(@, 1, length(?)) = ?)", _TEXT, "begins with this very text"),
    # Of what holds now a list that is kept apart is asked by its index, see `sql.condition`.
    Operator("has", "EXISTS (SELECT 1 FROM json_each(@) WHERE value = ?)", _LIST, "holds this very value", "element"),
    Operator(
        "isnull",
        "CASE WHEN @ IS NULL THEN 1 ELSE 0 END = ?",
        _PLAIN | {"json"},
        "true: has no value; false: has one",
        "flag",
    ),
)
"""The one table from which the parser, the OpenAPI parameters and the documentation are made."""

BY_NAME = {operator.name: operator for operator in OPERATORS} | {"eq": OPERATORS[0]}
"""The operators by their names in a `Term`."""

PARAMETERS = {
    "sort": "Fields to sort by, separated by commas; `-` before a name: descending. Nulls come first, descending last.",
    "limit": f"How many records, 1 to {MAX_LIMIT}.",
    "cursor": "Where to go on: `meta.next` of the page before, with the same filters and order.",
    "fields": "Which fields to answer, separated by commas; `_key` is always there.",
    "count": f"`capped` counts up to {COUNT_CAP}, `exact` counts all, `none` does not count.",
    "as_of": "As it was: a moment (RFC 3339), a date (its first instant, UTC), or a revision.",
}
"""The parameters that are no filters, and what they mean."""

SEARCH = {
    "q": 'Words that the texts have, all of them, in whatever order and case; "words in quotes" follow each other.'
    " Of what holds now: not with `as_of`. It chooses, and `sort` orders."
}
"""The parameter of collections that declare fields to look for words in."""


def fits(column: Column) -> list[Operator]:
    """The operators that a field has."""
    return [operator for operator in OPERATORS if _fits(operator, column)]


def _fits(operator: Operator, column: Column) -> bool:
    return column.kind in operator.kinds and (operator.takes != "element" or column.items is not None)


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
    """A moment (what the upstream had said by then) or a revision (what we had committed by then).

    floor: of a moment, a revision by which no version had ended that held then; revisions have an index, moments none.
    """

    moment: str = ""
    revision: int = -1
    floor: int = 0

    @property
    def by_revision(self) -> bool:
        return self.revision >= 0


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. fields: empty for all of them. cursor: as it came, "" for the first page.

    words: those that its texts have, see `read_words`.
    """

    terms: tuple[Term, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = DEFAULT_LIMIT
    fields: tuple[str, ...] = ()
    count: Counting = "capped"
    as_of: AsOf | None = None
    cursor: str = ""
    words: str = ""

    @property
    def walk(self) -> bytes:
        """What all pages of one walk have in common: a cursor is good for this alone."""
        point = self.as_of and (self.as_of.moment, self.as_of.revision)
        return msgspec.msgpack.encode((self.terms, self.order, point, self.words))

    @property
    def normal(self) -> bytes:
        """The request in one form, whatever the order of its parameters was."""
        return msgspec.msgpack.encode(self)


def parse(
    pairs: Iterable[tuple[str, str]],
    columns: Sequence[Column],
    order: Sequence[str] = (),
    aliases: Mapping[str, str] = MappingProxyType({}),
    *,
    searched: bool = False,
) -> Query:
    """The query that the parameters say.

    Args:
        pairs: names and values, decoded.
        order: the collection's own order, as in `sort=`.
        aliases: other names of fields, by which they may be filtered.
        searched: `q` is a parameter too.
    Raises:
        QueryError: an unknown or repeated parameter (the nearest is named), a value that is not what its field
            holds, a limit passed.
    """
    given = distinct(pairs, aliases)
    known = {column.name: column for column in columns}
    return replace(
        chosen(given, known, PARAMETERS, searched=searched),
        order=_order(given["sort"].split(","), known) if "sort" in given else _order(order, known),
        limit=read_limit(given.get("limit", str(DEFAULT_LIMIT))),
        fields=read_fields(given["fields"], known) if "fields" in given else (),
        count=_count(given.get("count", "capped")),
        cursor=given.get("cursor", ""),
    )


def chosen(
    given: Mapping[str, str], known: Mapping[str, Column], parameters: Iterable[str], *, searched: bool
) -> Query:
    """Which records are meant: the filters, `q` and `as_of` of what is given. parameters: names of what is no filter.

    QueryError as of `parse`.
    """
    words = read_words(given["q"]) if searched and "q" in given else ""
    if words and "as_of" in given:
        raise QueryError("q: words are looked for in what holds now: leave as_of out", parameter="q")
    others = {*parameters, *(SEARCH if searched else ())}
    terms = [_term(name, text, known, others) for name, text in given.items() if name not in others]
    if len(terms) > MAX_TERMS:
        raise QueryError(f"more than {MAX_TERMS} filters")
    as_of = parse_as_of(given["as_of"]) if "as_of" in given else None
    return Query(terms=tuple(sorted(terms, key=repr)), as_of=as_of, words=words)


_PART = re.compile(r'"([^"]*)"?|([^\s"]+)')


def read_words(text: str) -> str:
    """The words and phrases that a person writes, in small letters and quotes: nothing is an operator to any engine.

    Raises:
        QueryError: there is no word in it, or too many.
    """
    parts = [phrase or word for phrase, word in _PART.findall(str(read_value("text", text, "q")).lower())]
    parts = [part for part in parts if any(sign.isalnum() for sign in part)]
    if not 1 <= len(parts) <= MAX_TERMS:
        raise QueryError(f"q: is one to {MAX_TERMS} words", parameter="q")
    return " ".join(f'"{part}"' for part in parts)


def _named(parameter: str, aliases: Mapping[str, str]) -> str:
    """The parameter, its field by the field's own name."""
    name, mark, suffix = parameter.partition("__")
    return f"{aliases.get(name, name)}{mark}{suffix}"


def distinct(pairs: Iterable[tuple[str, str]], aliases: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The parameters by name, fields by their own. QueryError for one that is given twice, or too long."""
    given: dict[str, str] = {}
    for named, text in pairs:
        name = _named(named, aliases)
        if name in given:
            raise QueryError(f"{name[:60]} is given twice", parameter=name)
        if len(text.encode()) > MAX_VALUE_BYTES:
            raise QueryError(f"{name[:60]} is longer than {MAX_VALUE_BYTES} bytes", parameter=name)
        given[name] = text
    return given


def _term(parameter: str, text: str, known: Mapping[str, Column], others: Iterable[str]) -> Term:
    name, _, suffix = parameter.partition("__")
    operator = BY_NAME.get(suffix)
    column = known.get(name)
    if column is None or operator is None or not _fits(operator, column) or parameter.endswith("__"):
        raise _unknown(parameter, known, others)
    return Term(name, operator.name, _values(operator, column.items or column.kind, text, parameter))


def _unknown(parameter: str, known: Mapping[str, Column], others: Iterable[str]) -> QueryError:
    names = [*sorted(others), *(f"{column.name}{op.suffix}" for column in known.values() for op in fits(column))]
    near = difflib.get_close_matches(parameter[:80], names, n=1, cutoff=0.4)
    hint = f"; the nearest is {near[0]}" if near else ""
    return QueryError(f"unknown parameter {parameter[:60]}{hint}", kind="unknown-parameter", parameter=parameter)


def _values(operator: Operator, kind: Kind, text: str, parameter: str) -> tuple[Stored, ...]:
    if operator.takes == "flag":
        return (read_value("boolean", text, parameter),)
    if operator.takes in ("one", "element"):
        return (read_value(kind, text, parameter),)
    items = text.split(",")
    if len(items) > MAX_LIST:
        raise QueryError(f"{parameter}: more than {MAX_LIST} values", parameter=parameter)
    return tuple(read_value(kind, item, parameter) for item in items)


def _order(names: Sequence[str], known: Mapping[str, Column]) -> tuple[Order, ...]:
    order = tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in names)
    if len(order) > MAX_SORT:
        raise QueryError(f"sort: more than {MAX_SORT} fields", parameter="sort")
    sortable = {name: column for name, column in known.items() if column.kind != "json"}
    _check_names("sort", [item.column for item in order], sortable)
    return order


def read_fields(text: str, known: Mapping[str, Column]) -> tuple[str, ...]:
    """The fields that `fields` names, in the record's order. QueryError for one that there is not."""
    names = [name for name in text.split(",") if name != "_key"]
    _check_names("fields", names, known)
    return tuple(name for name in known if name in names)


def _check_names(parameter: str, names: Sequence[str], known: Mapping[str, Column]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.4)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise QueryError(f"{parameter}: unknown field {name[:60]}{hint}", parameter=parameter)
    if len(set(names)) < len(names):
        raise QueryError(f"{parameter}: names a field twice", parameter=parameter)


def read_limit(text: str) -> int:
    """How many records `limit` says. QueryError if it is no such number."""
    if not (text.isascii() and WHOLE.match(text) and 1 <= int(text) <= MAX_LIMIT):
        raise QueryError(f"limit: {text[:60]!r} is not a whole number from 1 to {MAX_LIMIT}", parameter="limit")
    return int(text)


def _count(text: str) -> Counting:
    if text not in get_args(Counting):
        raise QueryError(f"count: {text[:60]!r} is not none, exact or capped", parameter="count")
    return cast("Counting", text)


def index_for(query: Query) -> tuple[str, ...]:
    """The index that would serve the query, as `indexes=` says it: what is fixed, then the order, or else what is
    compared besides.
    """
    fixed = [item.column for item in query.terms if item.operator in ("", "in")]
    order = [f"{'-' if item.descending else ''}{item.column}" for item in query.order]
    compared = [item.column for item in query.terms if item.operator in ("gt", "gte", "lt", "lte", "startswith")]
    return tuple(dict.fromkeys([*fixed, *(compared if compared and not fixed else order)]))


def parse_as_of(text: str, parameter: str = "as_of") -> AsOf:
    """The point in time that a parameter says: digits are a revision. QueryError if it is none."""
    if text.isascii() and text.isdigit():
        if len(text) > 18:
            raise QueryError(f"{parameter}: there is no such revision", parameter=parameter)
        return AsOf(revision=int(text))
    return AsOf(moment=str(read_value("datetime", text, parameter)))


def term(column: Column, operator: str, value: Any) -> Term:
    """A condition from a Python value: `term(columns["date"], "gte", date(2024, 1, 1))`; a list for `in`."""
    found = BY_NAME[operator]
    if not _fits(found, column):
        raise ValueError(f"{column.name} has no {operator}")
    if found.takes == "flag":
        return Term(column.name, found.name, (int(value),))
    values = value if found.takes == "list" else [value]
    return Term(column.name, found.name, tuple(to_stored(column.items or column.kind, item) for item in values))
