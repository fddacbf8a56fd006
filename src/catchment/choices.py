"""Values that a field's declared choice has not: an upstream has a new one, and its rows are rejects until it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from .decode import WRONG, leniently
from .drift import Drift
from .feed import Feed
from .partitions import Partition

__all__ = ["new_values"]

LOOKED_AT = 1_000
"""Rows of an answer that are looked at."""

LONGEST = 100


def new_values(feed: Feed, partition: Partition, rows: Iterable[bytes]) -> tuple[Drift, ...]:
    """The values of some rows that are none of those declared (`Literal`), each once. rows: those that are rejects."""
    choices = dict(_choices(feed))
    found: dict[Drift, None] = {}
    for raw in islice(rows, LOOKED_AT) if choices else ():
        try:
            row = leniently(raw)
            shaped = feed.shape(row, partition) if feed.shape else row
            values = {name: shaped.get(name) for name in choices}
        except WRONG:
            continue
        found |= {
            Drift("new value", name, str(value)[:LONGEST]): None
            for name, value in values.items()
            if isinstance(value, str | int) and value not in choices[name]
        }
    return tuple(found)


def _choices(feed: Feed) -> Iterator[tuple[str, frozenset[Any]]]:
    """The fields that have a choice of values, by the names that they have in a row."""
    for field in msgspec.structs.fields(feed.record):
        kind = msgspec.inspect.type_info(field.type)
        parts = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
        if named := [part for part in parts if isinstance(part, msgspec.inspect.LiteralType)]:
            yield field.encode_name, frozenset(value for part in named for value in part.values)
