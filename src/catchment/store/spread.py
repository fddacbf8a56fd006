"""How numbers are spread: the bounds of a field, how many records lie between edges, how many at each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..record import Column, Stored, from_decimal_key, to_stored
from .query import Query
from .snapshot import Snapshot
from .sql import Statement, condition, quoted, rows_from
from .tables import Collection

__all__ = ["bounds", "most", "placed", "spread"]


def bounds(snapshot: Snapshot, collection: Collection, column: Column, query: Query) -> tuple[Any, Any] | None:
    """The least and the greatest value of a field of numbers among the records that match; None of no value."""
    name = quoted(column.name)
    ((low, high),) = snapshot.ask(
        Statement(f"SELECT min({name}), max({name})") + _matching(snapshot, collection, [column], query)
    )
    return None if low is None else (_number(column, low), _number(column, high))


def _number(column: Column, stored: Stored) -> Any:
    return from_decimal_key(str(stored)) if column.kind == "decimal" else stored


def spread(snapshot: Snapshot, collection: Collection, column: Column, query: Query, edges: Sequence[Any]) -> list[int]:
    """How many matching records lie below the first edge, between two that follow each other, and above the last.

    edges: ascending; what is at an edge lies above it. Records without a value are not counted.
    """
    name = quoted(column.name)
    ways = "".join(f" WHEN {name} < ? THEN {place}" for place in range(len(edges)))
    values = tuple(to_stored(column.kind, edge) for edge in edges)
    head = f"SELECT place, count(*) FROM (SELECT CASE{ways} ELSE {len(edges)} END AS place"  # noqa: S608 (declared names)
    statement = Statement(head, values)
    statement += _matching(snapshot, collection, [column], query)
    statement += Statement(f" AND {name} IS NOT NULL) AS placed GROUP BY place")
    found = dict(snapshot.ask(statement))
    return [found.get(place, 0) for place in range(len(edges) + 1)]


def most(
    snapshot: Snapshot, collection: Collection, column: Column, query: Query, limit: int
) -> list[tuple[Stored, int]]:
    """The values that most matching records have in a field, and how many; no value is one of them."""
    name = quoted(column.name)
    statement = Statement(f"SELECT {name}, count(*)") + _matching(snapshot, collection, [column], query)
    statement += Statement(f" GROUP BY {name} ORDER BY count(*) DESC, {name} NULLS FIRST LIMIT ?", (limit,))
    return [(value, count) for value, count in snapshot.ask(statement)]


def placed(
    snapshot: Snapshot, collection: Collection, axes: tuple[Column, Column], query: Query, limit: int
) -> list[tuple[float, float, int, str]]:
    """The places that matching records have by these two fields, at most so many: both values, how many records, and
    the key of one of them.
    """
    names = ", ".join(quoted(axis.name) for axis in axes)
    there = " AND ".join(f"{quoted(axis.name)} IS NOT NULL" for axis in axes)
    statement = Statement(f"SELECT {names}, count(*), min(_key)") + _matching(snapshot, collection, axes, query)
    rows = snapshot.ask(statement + Statement(f" AND {there} GROUP BY {names} LIMIT ?", (limit,)))
    return [
        (float(_number(axes[0], one)), float(_number(axes[1], other)), count, key) for one, other, count, key in rows
    ]


def _matching(snapshot: Snapshot, collection: Collection, columns: Sequence[Column], query: Query) -> Statement:
    """`FROM … WHERE …`: the records that are meant."""
    state = snapshot.state(collection)
    query = replace(query, as_of=snapshot.points(collection, state).kept(query.as_of))
    if query.words:  # they stand in a table of the generation
        collection = replace(collection, generation=state.generation)
    used = ["_key", *(column.name for column in columns), *(item.column for item in query.terms)]
    body = rows_from(collection, query.as_of, used) + Statement(" WHERE (")
    return body + condition(collection, query.terms, query.as_of, query.words) + Statement(")")
