"""A record that people write, as the rows that hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ..record import Stored, content_hash, stored_values, to_stored
from ..resource import Resource
from .engines import Connection
from .tables import Collection

__all__ = ["Content", "elements_of", "insert_elements"]


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

    def first_version(self, key: str, at: str, revision: int, author: str) -> tuple[Stored | bytes, ...]:
        """The row of a new record, as `Statements.insert` takes it."""
        return (key, "", self.hash, b"", 1, at, revision, 0, 0, author, *self.values, self.doc)


def insert_elements(sql: Connection, collection: Collection, key: str, record: Any) -> None:
    """The elements of the record's lists, a row each, inside the caller's transaction."""
    for statement, rows in elements_of(collection, key, record):
        sql.executemany(statement, rows)


def elements_of(collection: Collection, key: str, record: Any) -> Iterator[tuple[str, list[tuple[Stored, ...]]]]:
    """The statement for each of the record's lists that are kept apart, with its rows."""
    assert isinstance(collection.feed, Resource)
    for name, elements in collection.feed.elements.items():
        marks = ", ".join("?" * (len(elements) + 2))
        yield (
            f'INSERT INTO "{collection.table}__{name}" VALUES ({marks})',  # noqa: S608
            [
                (key, place, *(to_stored(element.kind, _part(item, element.name)) for element in elements))
                for place, item in enumerate(getattr(record, name) or [])
            ],
        )


def _part(item: Any, name: str) -> Any:
    """A column's value of a list's element: a field of a struct, or the plain value itself."""
    return getattr(item, name) if isinstance(item, msgspec.Struct) else item
