"""A collection as a table: what its address asks for, as filters to take away, columns to sort by, and rows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..record import Column, Kind
from ..serve import freshness
from ..serve.collections import query_of, read_page
from ..serve.data import Data
from ..store.query import BY_NAME, COUNT_CAP, PARAMETERS, Operator, Query, fits
from ..store.snapshot import Freshness, Page, State
from ..store.tables import Collection
from .cells import KINDS, Cell, cell, documents, key_of
from .figures import amount
from .home import about
from .links import api_of, page_of, record_of

__all__ = ["Chip", "Head", "Row", "Table", "asked", "page_of", "table"]

Pairs = Sequence[tuple[str, str]]

_SIGNS = {
    "": "=",
    "ne": "≠",
    "gt": ">",
    "gte": "≥",
    "lt": "<",
    "lte": "≤",
    "in": "is one of",
    "nin": "is none of",
    "contains": "contains",
    "startswith": "begins with",
    "has": "has",
}
_NUMBERS = frozenset({"integer", "number", "decimal"})
_ONE_PAGE = ("cursor",)
_NOT_TOGETHER = ("as_of", "q")  # words are looked for in what holds now


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that holds, and the address without it."""

    field: str
    words: str
    without: str


@dataclass(frozen=True, slots=True)
class Head:
    """A column: how it is sorted now, where sorting leads, and how it may be filtered.

    sorted: `ascending`, `descending` or "". operators: suffix -> words. flags: words -> address.
    entry: of which kind the value is that is asked for.
    """

    name: str
    kind: str
    numeric: bool
    sorted: str
    ascending: str
    descending: str
    operators: Sequence[tuple[str, str]]
    flags: Sequence[tuple[str, str]]
    entry: Kind

    @property
    def sortable(self) -> bool:
        return bool(self.ascending)


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its page, and its values in the columns' order."""

    href: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A page of a collection. kept: the parameters that a form hands on. columns: name -> whether it is shown."""

    collection: Collection
    about: str
    state: State
    fresh: Freshness
    chips: Sequence[Chip]
    heads: Sequence[Head]
    rows: Sequence[Row]
    columns: Sequence[tuple[str, bool]]
    count: str
    as_of: str
    kept: Pairs
    without_as_of: str
    clear: str
    next: str
    first: str
    api: str

    def curl(self, host: str) -> str:
        """The same view as a command."""
        return f"curl {shlex.quote(f'http://{host}{self.api}')}"


# -- the address ---------------------------------------------------------------------------------------------------


def asked(pairs: Pairs, columns: Sequence[Column]) -> list[tuple[str, str]]:
    """The parameters as the API takes them: what a form of the page says (`_field`, `_op` and `_value`, `_column`,
    `_as_of`, `_q`) becomes a filter, `fields`, `as_of` and `q`. Whoever asks otherwise is led there, so that all
    state is in the address and the address is the API's.
    """
    form = [(name, value) for name, value in pairs if name.startswith("_")]
    given = [(name, value) for name, value in pairs if not name.startswith("_")]
    if not form:
        return given
    given = _without(given, _ONE_PAGE)
    said = dict(form)
    if "_field" in said:
        name = said["_field"] + (f"__{said['_op']}" if said.get("_op") else "")
        given = [*_without(given, (name,)), (name, said.get("_value", ""))]
    if "_as_of" in said:
        given = _without(given, _NOT_TOGETHER) + [("as_of", said["_as_of"])] * bool(said["_as_of"])
    if "_q" in said:
        given = _without(given, _NOT_TOGETHER) + [("q", said["_q"])] * bool(said["_q"].strip())
    if chosen := [value for name, value in form if name == "_column"]:
        everything = set(chosen) >= {column.name for column in columns}
        given = _without(given, ("fields",)) + [("fields", ",".join(chosen))] * (not everything)
    return given


def _without(pairs: Pairs, names: Sequence[str]) -> list[tuple[str, str]]:
    return [pair for pair in pairs if pair[0] not in names]


# -- the page ------------------------------------------------------------------------------------------------------


def table(data: Data, collection: Collection, pairs: Pairs) -> Table:
    """The page that these parameters ask for. QueryError as in the API."""
    query = query_of(pairs, data, collection)
    page = read_page(data, collection, query)
    with data.reader.snapshot() as snapshot:
        fresh = freshness.read(snapshot, collection, data.now, data.settings)
    columns = data.columns(collection)
    shown = [column for column in columns if not query.fields or column.name in query.fields]
    kept = _without(pairs, _ONE_PAGE)
    filters = [pair for pair in kept if pair[0] not in PARAMETERS or pair[0] == "q"]
    return Table(
        collection,
        about(collection),
        page.state,
        fresh,
        [_chip(collection, kept, pair) for pair in filters],
        [_head(collection, kept, query, column) for column in shown],
        _rows(collection, shown, page),
        [(column.name, column in shown) for column in columns],
        _count(page),
        next((value for name, value in pairs if name == "as_of"), ""),
        kept,
        page_of(collection.name, _without(kept, ("as_of",))),
        page_of(collection.name, [pair for pair in kept if pair not in filters]),
        page_of(collection.name, [*kept, ("cursor", page.next)]) if page.next else "",
        page_of(collection.name, kept) if query.cursor else "",
        api_of(collection.name, pairs),
    )


def _count(page: Page) -> str:
    return f"more than {amount(COUNT_CAP)}" if not page.count_exact else amount(page.count or 0)


def _chip(collection: Collection, kept: Pairs, pair: tuple[str, str]) -> Chip:
    name, value = pair
    field, _, suffix = name.partition("__")
    without = page_of(collection.name, [item for item in kept if item != pair])
    if name == "q":
        return Chip("words", value, without)
    if suffix == "isnull":
        return Chip(field, "is empty" if value == "true" else "has a value", without)
    return Chip(field, f"{_SIGNS[suffix]} {value}", without)


def _head(collection: Collection, kept: Pairs, query: Query, column: Column) -> Head:
    # A day is picked from a calendar, which gives one.
    without = ("flag", "list") if column.kind == "date" else ("flag",)
    plain = [operator for operator in fits(column) if operator.takes not in without]
    others = _without(kept, ("sort",))
    sortable = column.kind != "json"
    first = query.order[0] if query.order else None
    direction = ("descending" if first.descending else "ascending") if first and first.column == column.name else ""
    return Head(
        column.name,
        KINDS[column.kind],
        column.kind in _NUMBERS,
        direction,
        page_of(collection.name, [*others, ("sort", column.name)]) if sortable else "",
        page_of(collection.name, [*others, ("sort", f"-{column.name}")]) if sortable else "",
        [(operator.name, _SIGNS[operator.name]) for operator in plain],
        _flags(collection, kept, column),
        column.kind,
    )


def _flags(collection: Collection, kept: Pairs, column: Column) -> list[tuple[str, str]]:
    operator: Operator = BY_NAME["isnull"]
    if not column.nullable:
        return []
    name = f"{column.name}{operator.suffix}"
    others = _without(kept, (name,))
    choices = (("has a value", "false"), ("is empty", "true"))
    return [(words, page_of(collection.name, [*others, (name, value)])) for words, value in choices]


def _rows(collection: Collection, shown: Sequence[Column], page: Page) -> list[Row]:
    return [
        Row(
            record_of(collection.name, key_of(document)),
            [cell(column, document.get(column.name)) for column in shown],
        )
        for document in documents(page.body)
    ]
