"""How many records have which value, field by field: what to narrow a table by. Whatever takes too long is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..errors import QueryError
from ..record import Column, Stored
from ..resource import Resource
from ..serve.data import Data
from ..serve.reading import query_of
from ..store.reader import TOO_SLOW
from ..store.spread import most
from ..store.tables import Collection
from .figures import amount
from .filters import Chip, Pairs, chips, is_filter, narrowing, without
from .home import about
from .links import Tabs, charts_of, counts_of, page_of

__all__ = ["Counts", "Facet", "Value", "counts"]

SHOWN, LONGEST = 8, 200
"""Values of one field, and characters of one, that it can still be narrowed by in an address."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value, how many have it, and the table of those; held: whether that is what the table shows, then the address
    is that of all others too.
    """

    words: str
    count: str
    href: str
    held: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One field's values, the most frequent first. more: a chart of all of them, "" where these are all."""

    field: str
    values: Sequence[Value]
    more: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one view. late: the fields for which there was no time."""

    collection: Collection
    about: str
    facets: Sequence[Facet]
    late: Sequence[str]
    chips: Sequence[Chip]
    clear: str
    as_of: str
    without_as_of: str
    tabs: Tabs


def counts(data: Data, collection: Collection, pairs: Pairs) -> Counts:
    """The counts of the records that these filters leave. QueryError as in the API."""
    query = query_of(pairs, data, collection)
    columns = _worth_counting(collection, data.columns(collection))
    found: dict[str, list[tuple[Stored, int]]] = {}
    try:
        with data.reader.snapshot() as snapshot:
            data.note(snapshot, collection)
            for column in columns:
                found[column.name] = most(snapshot, collection, column, query, SHOWN + 1)
    except QueryError as error:
        if error.kind != TOO_SLOW:
            raise
    there = [column for column in data.columns(collection) if column.name in found]
    facets = [_facet(collection, pairs, column, found[column.name]) for column in there]
    lead = partial(counts_of, collection.name)
    return Counts(
        collection,
        about(collection),
        [facet for facet in facets if facet is not None],
        [column.name for column in columns if column.name not in found],
        chips(pairs, lead),
        lead([pair for pair in pairs if not is_filter(pair[0])]),
        dict(pairs).get("as_of", ""),
        lead(without(pairs, ("as_of",))),
        Tabs(collection.name, pairs),
    )


def _worth_counting(collection: Collection, columns: Sequence[Column]) -> list[Column]:
    """The fields of a few values: no texts to read, and nothing that tells every record apart. Those of two come first:
    they are counted even where there is little time.
    """
    feed = collection.feed
    alone = feed.key if isinstance(feed.key, tuple) and len(feed.key) == 1 else ()
    left = {*alone, *feed.search, *((feed.owner,) if isinstance(feed, Resource) else ())}
    found = [column for column in columns if column.kind in ("boolean", "text") and column.name not in left]
    return sorted(found, key=lambda column: column.kind)


def _facet(collection: Collection, pairs: Pairs, column: Column, found: Sequence[tuple[Stored, int]]) -> Facet | None:
    """The field's values; None where they say nothing: one each, or the same everywhere."""
    values = [_value(collection, pairs, column, value, count) for value, count in found[:SHOWN]]
    if not found or found[0][1] < 2 or (len(values) == 1 and not values[0].held):
        return None
    chart = charts_of(collection.name, [*narrowing(pairs), ("_draw", "bars"), ("by", column.name)])
    return Facet(column.name, values, chart if len(found) > SHOWN else "")


def _value(collection: Collection, pairs: Pairs, column: Column, value: Stored, count: int) -> Value:
    name, text = (f"{column.name}__isnull", "true") if value is None else (column.name, _text(column, value))
    held = (name, text) in pairs
    others = without(pairs, (name,))
    href = page_of(collection.name, others if held else [*others, (name, text)])
    words = "no value" if value is None else text or "(empty)"
    return Value(words, amount(count), href if len(text) <= LONGEST else "", held)


def _text(column: Column, value: Stored) -> str:
    return ("true" if value else "false") if column.kind == "boolean" else str(value)
