"""Declared counters: their tables, what marks that they can be believed, and which questions they answer. Pure.

Each collection has one mark: up to which revision its counters follow, and by which declaration. A reader that finds
another one counts the records, a writer counts all of them anew.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from ..grouping import BY_BUCKET, Counter, Group
from .query import Term
from .schema import TEXT, integer, text
from .statistics import Measure, Statistics
from .tables import TYPES, Collection

__all__ = [
    "answering",
    "column_for",
    "count_name",
    "mark",
    "mark_name",
    "table_name",
    "table_of",
    "terms_for",
    "told_names",
]

# -- what is kept --------------------------------------------------------------------------------------------------


def table_name(collection: Collection, number: int) -> str:
    """The table of a counter."""
    return f"{collection.table}__counter_{number}"


def column_name(group: Group) -> str:
    """What a counter calls a part of its groups: no field has two signs of `_` in its name."""
    return f"{group.field}__{group.bucket}" if group.bucket else group.field


def table_of(collection: Collection, number: int, metadata: sa.MetaData) -> sa.Table:
    """The table of a counter: a row a group."""
    counter = collection.feed.counters[number]
    kinds = {column.name: column.kind for column in collection.columns}
    groups = [
        sa.Column(column_name(group), TEXT if group.bucket else TYPES[kinds[group.field]])
        for group in counter.groups(collection.columns)
    ]
    told = told_names(counter)
    sums = [integer(name, nullable=False) if name.endswith("count") else text(name, nullable=False) for name in told]
    return sa.Table(
        table_name(collection, number),
        metadata,
        text("_group", primary_key=True),  # the values as JSON: as a key, a null is equal to no other
        *groups,
        *sums,
    )


def told_names(counter: Counter) -> list[str]:
    """The columns that say how many records a group has, then how many have each field, and its sum."""
    return ["_count", *(f"{name}__{what}" for name in counter.of for what in ("count", "sum"))]


def mark_name(collection: str) -> str:
    """Under which name `_meta` says how far the counters of the collection of that name follow."""
    return f"counters {collection}"


def mark(collection: Collection, revision: int) -> str:
    """What it says of counters that are as they are declared and follow up to this revision."""
    said = msgspec.json.encode([(counter.by, counter.of) for counter in collection.feed.counters]).decode()
    return f"{revision} {said}"


# -- reading -------------------------------------------------------------------------------------------------------


def answering(collection: Collection, asked: Statistics) -> int | None:
    """The number of a counter that says as much as all records do, the one of the fewest parts; None for none."""
    if not collection.feed.counters or asked.where.as_of is not None or asked.where.words:
        return None
    found = [
        (len(counter.by), number)
        for number, counter in enumerate(collection.feed.counters)
        if _answers(collection, counter, asked)
    ]
    return min(found)[1] if found else None


def _answers(collection: Collection, counter: Counter, asked: Statistics) -> bool:
    columns = {column.name: column for column in collection.columns}
    groups = counter.groups(collection.columns)
    return (
        all(_term(groups, term) for term in asked.where.terms)
        and all(_holds(groups, group, zoned=asked.zone_of(columns[group.field]) is not None) for group in asked.by)
        and all(
            _sums(counter, measure, nullable=columns[measure.field].nullable if measure.field else False)
            for measure in asked.of
        )
    )


_BEGINNING = "0000-01-01T00:00:00.000000Z"


def _term(groups: Iterable[Group], term: Term) -> Term | None:
    """The condition on what a counter has of the field; None where that is too little.

    Of stretches of time it is one that takes them whole: since the beginning of one, or before it.
    """
    found = [group for group in groups if group.field == term.column]
    if any(not group.bucket for group in found):
        return term
    for group in found if term.operator in ("gte", "lt") else ():
        length, value = BY_BUCKET[group.bucket].length, str(term.values[0])
        if value[length:] == _BEGINNING[length : len(value)]:
            return Term(column_name(group), term.operator, (value[:length],))
    return None


def terms_for(collection: Collection, number: int, terms: Iterable[Term]) -> list[Term]:
    """The conditions on a counter that a question's are; it answers the question."""
    groups = collection.feed.counters[number].groups(collection.columns)
    return [found for term in terms if (found := _term(groups, term))]


def _holds(groups: Iterable[Group], wanted: Group, *, zoned: bool) -> bool:
    return any(_is_finer(group, wanted, zoned=zoned) for group in groups if group.field == wanted.field)


def _is_finer(group: Group, wanted: Group, *, zoned: bool) -> bool:
    """Whether a part of a counter's groups tells the wanted one."""
    if not group.bucket:
        return True
    return bool(wanted.bucket) and not zoned and BY_BUCKET[group.bucket].length >= BY_BUCKET[wanted.bucket].length


def column_for(collection: Collection, number: int, wanted: Group) -> str:
    """The counter's column that tells a part of a question's groups: the field itself where it is there."""
    groups = collection.feed.counters[number].groups(collection.columns)
    found = [group for group in groups if group.field == wanted.field and _is_finer(group, wanted, zoned=False)]
    return column_name(min(found, key=lambda group: group.bucket != ""))


def _sums(counter: Counter, measure: Measure, *, nullable: bool) -> bool:
    if measure.function == "count":
        return not nullable or measure.field in counter.of
    return measure.function in ("sum", "avg") and measure.field in counter.of


def count_name(collection: Collection, number: int, name: str) -> str:
    """The counter's column of how many records have a field."""
    return f"{name}__count" if name in collection.feed.counters[number].of else "_count"
