"""A record that people write, as the rows that hold it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from ..record import Stored, content_hash, stored_values, to_stored
from ..resource import Resource
from .tables import Collection

__all__ = ["Content", "insert_elements"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a record's row holds besides our own columns: its typed values, their hash, and its JSON."""

    values: tuple[Stored, ...]
    hash: bytes
    doc: str

    @classmethod
    def of(cls, collection: Collection, key: str, record: Any) -> Content:
        values = stored_values(collection.feed.record)(record)
        return cls(values, content_hash(values), f'{{"_key":"{key}",{msgspec.json.encode(record)[1:].decode()}')


def insert_elements(sql: sqlite3.Connection, collection: Collection, key: str, record: Any) -> None:
    """The elements of the record's lists, a row each, inside the caller's transaction."""
    assert isinstance(collection.feed, Resource)
    for name, elements in collection.feed.elements.items():
        marks = ", ".join("?" * (len(elements) + 2))
        sql.executemany(
            f'INSERT INTO "{collection.table}__{name}" VALUES ({marks})',  # noqa: S608
            [
                (key, place, *(to_stored(element.kind, _part(item, element.name)) for element in elements))
                for place, item in enumerate(getattr(record, name) or [])
            ],
        )


def _part(item: Any, name: str) -> Any:
    """A column's value of a list's element: a field of a struct, or the plain value itself."""
    return getattr(item, name) if isinstance(item, msgspec.Struct) else item
