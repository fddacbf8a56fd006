"""Rows that became no record, where records are their content: which of the stored ones they may be.

Such a row has no key to be known by. What can be read of it tells: it may be a record that agrees in all of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from .decode import WRONG, Reject, from_document, leniently
from .feed import Feed
from .partitions import Partition
from .record import Stored, stored_values, to_stored

__all__ = ["held_back"]


class _Row(NamedTuple):
    """What can be read of a row: places of columns, ascending, and their values. shaped: as the feed shapes it."""

    places: tuple[int, ...]
    values: tuple[Stored, ...]
    shaped: bool


def held_back(
    feed: Feed, partition: Partition, rejects: Iterable[Reject], missing: Iterable[tuple[str, str]]
) -> frozenset[str]:
    """The keys of missing records that may be there still, as rows that cannot be read; at most one for each row.

    Where the feed's shape cannot be made of a row, the members called as its fields are taken; where no record agrees
    with these, it may be any.

    Args:
        rejects: of an answer; only those without a key count.
        missing: key and document of the stored records that the answer lacks.
    """
    read, values_of = _reader(feed, partition), _values_of(feed)
    left = Counter(read(reject.raw) for reject in rejects if reject.key is None)
    # Who says most chooses first.
    ways = sorted({(row.places, row.shaped) for row in left}, key=lambda way: (-len(way[0]), way))
    held, others = set[str](), list[str]()
    for key, doc in missing:
        values = values_of(doc)
        rows = (_Row(places, tuple(values[place] for place in places), shaped) for places, shaped in ways)
        if row := next((row for row in rows if left[row]), None):
            left[row] -= 1
            held.add(key)
        else:
            others.append(key)
    return frozenset(held).union(others[: sum(count for row, count in left.items() if not row.shaped)])


def _values_of(feed: Feed) -> Callable[[str], tuple[Stored, ...]]:
    """A function from a stored document to its column values; nulls for one that an older declaration wrote."""
    record_of, values_of = from_document(feed.record), stored_values(feed.record)

    def values(doc: str) -> tuple[Stored, ...]:
        record = record_of(doc)
        return (None,) * len(feed.columns) if record is None else values_of(record)

    return values


def _reader(feed: Feed, partition: Partition) -> Callable[[bytes], _Row]:
    """A function from a row's bytes to what can be read of it. What is volatile or derived says nothing of a row."""
    beside = {*feed.volatile, *(feed.derived.fields if feed.derived else ())}
    types = {field.name: field.type for field in msgspec.structs.fields(feed.record)}
    columns = [(place, column) for place, column in enumerate(feed.columns) if column.name not in beside]

    def read(raw: bytes) -> _Row:
        fields, shaped = _fields(feed, partition, raw)
        found: dict[int, Stored] = {}
        for place, column in columns:
            with suppress(*WRONG):
                value = msgspec.convert(fields[column.name], types[column.name], strict=feed.strict)
                found[place] = to_stored(column.kind, value)
        return _Row(tuple(found), tuple(found.values()), shaped)

    return read


def _fields(feed: Feed, partition: Partition, raw: bytes) -> tuple[Mapping[str, object], bool]:
    """A row's fields, and whether they are as the feed shapes them; its members where it cannot."""
    row: Any = None
    with suppress(*WRONG):
        row = leniently(raw)
        fields = feed.shape(row, partition) if feed.shape else row
        if isinstance(fields, Mapping):
            return fields, True
    return (row if isinstance(row, Mapping) else {}), False
