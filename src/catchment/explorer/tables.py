"""A collection as a table: columns to sort and filter by, rows, and where else the same view is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..record import Column, Kind
from ..serve import freshness
from ..serve.data import Data
from ..serve.reading import query_of, read_page
from ..store.query import COUNT_CAP, Query
from ..store.seen import Freshness, Page, State
from ..store.tables import Collection
from .cells import KINDS, Cell, cell, documents, key_of
from .elsewhere import Elsewhere, elsewhere
from .figures import amount
from .filters import ONE_PAGE, Chip, Pairs, chips, flags, is_filter, operators, without
from .home import about
from .links import Tabs, page_of, piece_of, record_of

__all__ = ["Head", "Row", "Table", "count_of", "rows_of", "table"]

_NUMBERS = frozenset({"integer", "number", "decimal"})


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

    @property
    def other_way(self) -> str:
        """The order that a click on its name leads to."""
        return self.descending if self.sorted == "ascending" else self.ascending


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its page, and its values in the columns' order."""

    href: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A page of a collection. kept: the parameters that a form hands on. columns: name -> whether it is shown.

    counts: the piece that counts its records by their fields.
    """

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
    tabs: Tabs
    counts: str
    elsewhere: Elsewhere


def table(data: Data, collection: Collection, pairs: Pairs) -> Table:
    """The page that these parameters ask for. QueryError as in the API."""
    query = query_of(pairs, data, collection)
    page = read_page(data, collection, query)
    with data.reader.snapshot() as snapshot:
        fresh = freshness.read(snapshot, collection, data.now, data.settings)
    columns = data.columns(collection)
    shown = [column for column in columns if not query.fields or column.name in query.fields]
    kept, lead = without(pairs, ONE_PAGE), partial(page_of, collection.name)
    tabs = Tabs(collection.name, kept)
    return Table(
        collection,
        about(collection),
        page.state,
        fresh,
        chips(kept, lead),
        [_head(collection, kept, query, column) for column in shown],
        rows_of(collection, shown, page),
        [(column.name, column in shown) for column in columns],
        count_of(page),
        next((value for name, value in pairs if name == "as_of"), ""),
        kept,
        lead(without(kept, ("as_of",))),
        lead([pair for pair in kept if not is_filter(pair[0])]),
        lead([*kept, ("cursor", page.next)]) if page.next else "",
        lead(kept) if query.cursor else "",
        tabs,
        piece_of("counts", tabs.counts),
        elsewhere(collection, pairs),
    )


def count_of(page: Page) -> str:
    """How many records there are, as far as they were counted."""
    return f"more than {amount(COUNT_CAP)}" if not page.count_exact else amount(page.count or 0)


def _head(collection: Collection, kept: Pairs, query: Query, column: Column) -> Head:
    lead, others = partial(page_of, collection.name), without(kept, ("sort",))
    sortable = column.kind != "json"
    first = query.order[0] if query.order else None
    direction = ("descending" if first.descending else "ascending") if first and first.column == column.name else ""
    return Head(
        column.name,
        KINDS[column.kind],
        column.kind in _NUMBERS,
        direction,
        lead([*others, ("sort", column.name)]) if sortable else "",
        lead([*others, ("sort", f"-{column.name}")]) if sortable else "",
        operators(column),
        flags(column, kept, lead),
        column.kind,
    )


def rows_of(collection: Collection, shown: Sequence[Column], page: Page) -> list[Row]:
    """The records of a page, with these fields."""
    return [
        Row(
            record_of(collection.name, key_of(document)),
            [cell(column, document.get(column.name)) for column in shown],
        )
        for document in documents(page.body)
    ]
