"""Statistics as they are answered: SQL puts records into groups, and what it cannot do alike on every engine is done
here. It counts records, or reads a declared counter where that says as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from operator import add
from typing import TYPE_CHECKING, Any

from ..errors import QueryError
from ..grouping import Group
from ..record import Column, Kind, from_stored
from . import counters
from .sql import Statement, condition, quoted, rows_from
from .statistics import Measure, Statistics
from .stretches import beginning, prefix, together
from .sums import Total, key_sum, mean
from .tables import Collection

if TYPE_CHECKING:
    from .seen import State
    from .snapshot import Snapshot

__all__ = ["Told", "tell"]

MOST_ROWS = 100_000
"""Rows of one statement: they are held in memory."""

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of the groups, in their order, by the texts of the question's groups and measures.

    groups: how many there are, shown or not.
    """

    rows: list[dict[str, Any]]
    groups: int
    state: State


@dataclass(frozen=True, slots=True)
class _Source:
    """What is counted. rows: `FROM … WHERE …`. column: of a group's values. count, count_of, sum_of: SQL of how many
    records there are, how many have a field, and what its values add up to.
    """

    rows: Statement
    column: Callable[[Group], str]
    count: str
    count_of: Callable[[Column], str]
    sum_of: Callable[[Column], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a measure is read. sql: what is selected of a group of rows. part: what that means. both: what two parts
    mean together, where several groups of rows are one. told: what is answered.

    values_of: the field whose single values are asked for in the place of `sql`; a part is then their `Counter`.
    """

    sql: tuple[str, ...]
    part: Callable[..., Any]
    both: Callable[[Any, Any], Any]
    told: Callable[[Any], Any]
    values_of: str = ""


def tell(snapshot: Snapshot, collection: Collection, asked: Statistics) -> Told:
    """The groups and what is told of them.

    Raises:
        QueryError: 400 for more groups than are held in memory, or a sum that no number holds; 410 for what is no
            longer kept.
    """
    state = snapshot.state(collection)
    point = snapshot.points(collection, state).kept(asked.where.as_of)
    asked = replace(asked, where=replace(asked.where, as_of=point))
    asking = _Asking(snapshot, collection, asked, _source(snapshot, collection, asked, state))
    groups = asking.groups()
    rows = _sorted(asked, [asking.row(values, parts) for values, parts in groups.items()])
    return Told(rows[: asked.limit], len(rows), state)


# -- what is counted -----------------------------------------------------------------------------------------------


def _source(snapshot: Snapshot, collection: Collection, asked: Statistics, state: State) -> _Source:
    number = counters.answering(collection, asked)
    if number is not None and snapshot.meta(counters.mark_name(collection.name)) == counters.mark(
        collection, state.revision
    ):
        return _counted(collection, asked, number)
    return _records(replace(collection, generation=state.generation) if asked.where.words else collection, asked)


def _records(collection: Collection, asked: Statistics) -> _Source:
    where, fields = asked.where, [group.field for group in asked.by] + [item.field for item in asked.of if item.field]
    used = ["_key", *fields, *(term.column for term in where.terms)]
    rows = rows_from(collection, where.as_of, used) + Statement(" WHERE ")
    return _Source(
        rows + condition(collection, where.terms, where.as_of, where.words),
        column=lambda group: quoted(group.field),
        count="count(*)",
        count_of=lambda column: f"count({quoted(column.name)})" if column.nullable else "count(*)",
        sum_of=_sum,
    )


def _sum(column: Column) -> tuple[str, ...]:
    """A whole number in two halves, which no engine's sum overflows by; of decimals their keys."""
    name = quoted(column.name)
    if column.kind == "integer":
        return (f"sum({name} >> 32)", f"sum({name} & 4294967295)")
    return (f"group_concat({name}, ',')",)


def _counted(collection: Collection, asked: Statistics, number: int) -> _Source:
    table = quoted(counters.table_name(collection, number))
    return _Source(
        Statement(f" FROM {table} WHERE ")
        + condition(collection, counters.terms_for(collection, number, asked.where.terms)),
        column=lambda group: quoted(counters.column_for(collection, number, group)),
        count='sum("_count")',
        count_of=lambda column: f"sum({quoted(counters.count_name(collection, number, column.name))})",
        sum_of=lambda column: (f"group_concat({quoted(f'{column.name}__sum')}, ',')",),
    )


# -- how it is read ------------------------------------------------------------------------------------------------


def _reading(measure: Measure, column: Column | None, source: _Source, *, merges: bool) -> _Reading:
    """merges: several groups of rows may be one group."""
    if column is None:
        return _Reading((source.count,), _or_0, add, int)
    name = quoted(column.name)
    if measure.function == "count":
        return _Reading((source.count_of(column),), _or_0, add, int)
    if measure.function in ("min", "max"):
        read = from_stored(column.kind)
        return _Reading((f"{measure.function}({name})",), _only, _CHOSEN[measure.function], read)
    if measure.function == "distinct":
        if merges:
            return _Reading((), Counter, add, len, column.name)
        return _Reading((f"count(DISTINCT {name})",), _only, add, int)
    if column.kind == "number":
        return _Reading((), Counter, add, _NEAREST[measure.function], column.name)
    sql = (source.count_of(column), *source.sum_of(column))
    return _Reading(sql, _total, add, _told(measure.function, column.kind))


def _only(value: Any) -> Any:
    return value


def _or_0(value: int | None) -> int:
    return value or 0


def _total(count: int | None, *parts: Any) -> Total:
    if not count:
        return Total(0, Decimal(0))
    return Total(count, key_sum(parts[0]) if len(parts) == 1 else Decimal((parts[0] << 32) + parts[1]))


def _told(function: str, kind: Kind) -> Callable[[Total], Any]:
    if function == "avg":
        return mean
    return lambda total: None if not total.count else int(total.sum) if kind == "integer" else total.sum


def _nearest_sum(values: Mapping[float, int]) -> float | None:
    return _nearest(values, 1)


def _nearest_mean(values: Mapping[float, int]) -> float | None:
    return _nearest(values, sum(values.values()))


def _nearest(values: Mapping[float, int], divisor: int) -> float | None:
    """The quotient of the exact sum: engines add floating numbers in whatever order, so each would round otherwise."""
    if not values:
        return None
    try:
        return float(sum(Fraction(value) * count for value, count in values.items()) / divisor)
    except OverflowError as error:
        raise QueryError("of: a sum is larger than a number can be; ask for less", parameter="of") from error


_NEAREST: Mapping[str, Callable[[Any], Any]] = {"sum": _nearest_sum, "avg": _nearest_mean}


def _least(one: Any, other: Any) -> Any:
    return min((value for value in (one, other) if value is not None), default=None)


def _greatest(one: Any, other: Any) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)


_CHOSEN: Mapping[str, Callable[[Any, Any], Any]] = {"min": _least, "max": _greatest}


# -- asking --------------------------------------------------------------------------------------------------------


class _Asking:
    """One question to one source."""

    def __init__(self, snapshot: Snapshot, collection: Collection, asked: Statistics, source: _Source) -> None:
        self._snapshot, self._asked, self._source = snapshot, asked, source
        columns = {column.name: column for column in collection.columns}
        zones = [asked.zone_of(columns[group.field]) for group in asked.by]
        pairs = list(zip(asked.by, zones, strict=True))
        self._merges = any(group.bucket and together(group.bucket, zone) for group, zone in pairs)
        self._by = [
            prefix(group.bucket, zone).replace("@", source.column(group)) if group.bucket else source.column(group)
            for group, zone in pairs
        ]
        self._read = [
            cache(beginning(group.bucket, zone)) if group.bucket else from_stored(columns[group.field].kind)
            for group, zone in pairs
        ]
        self._readings = [
            _reading(measure, columns.get(measure.field), source, merges=self._merges) for measure in asked.of
        ]

    def groups(self) -> dict[Values, list[Any]]:
        """By the values of the groups: a part for each measure."""
        found: dict[Values, list[Any]] = {}
        for values, row in self._rows([sql for reading in self._readings for sql in reading.sql], ""):
            rest = iter(row)
            parts = [
                Counter() if reading.values_of else reading.part(*(next(rest) for _ in reading.sql))
                for reading in self._readings
            ]
            before = found.get(values)
            found[values] = self._together(before, parts) if before else parts
        for name in {reading.values_of for reading in self._readings} - {""}:
            self._add_values(name, found)
        return found

    def _together(self, before: Sequence[Any], parts: Sequence[Any]) -> list[Any]:
        return [reading.both(*pair) for reading, *pair in zip(self._readings, before, parts, strict=True)]

    def _add_values(self, name: str, found: Mapping[Values, list[Any]]) -> None:
        """How often each value of a field is in each group."""
        places = [place for place, reading in enumerate(self._readings) if reading.values_of == name]
        for values, (value, count) in self._rows([quoted(name), "count(*)"], name):
            for place in places:
                if value is not None:
                    found[values][place][value] += count

    def _rows(self, told: Sequence[str], apart: str) -> Iterator[tuple[Values, Sequence[Any]]]:
        """The groups of rows: values, and what is told of them. apart: a field by which they are told apart besides."""
        number = len(self._by)
        told = told or [self._source.count]
        ordinals = ", ".join(str(place) for place in range(1, number + 1 + bool(apart)))
        statement = Statement(f"SELECT {', '.join([*self._by, *told])}") + self._source.rows
        if ordinals:
            statement += Statement(f" GROUP BY {ordinals} LIMIT ?", (MOST_ROWS + 1,))
        rows = self._snapshot.ask(statement)
        if len(rows) > MOST_ROWS:
            raise QueryError(f"by: more than {MOST_ROWS} groups; ask for fewer, or filter", parameter="by")
        for row in rows:
            pairs = zip(self._read, row[:number], strict=True)
            yield tuple(None if stored is None else read(stored) for read, stored in pairs), row[number:]

    def row(self, values: Values, parts: Sequence[Any]) -> dict[str, Any]:
        """One group as it is answered."""
        told = {str(group): value for group, value in zip(self._asked.by, values, strict=True)}
        for measure, reading, part in zip(self._asked.of, self._readings, parts, strict=True):
            told[str(measure)] = None if part is None else reading.told(part)
        return told


def _sorted(asked: Statistics, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By the order that is asked for, then by the groups' values; nulls are the smallest."""

    def sort(name: str, *, descending: bool) -> None:
        rows.sort(key=lambda row: (False, 0) if row[name] is None else (True, row[name]), reverse=descending)

    for group in reversed(asked.by):
        sort(str(group), descending=False)
    for item in reversed(asked.order):
        sort(item.column, descending=item.descending)
    return rows
