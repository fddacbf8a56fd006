"""Fields that a resource has by now and what people wrote before has not: added in place, as the declaration says.

What is collected is derived again from the archive; what people wrote has no archive but itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ..record import Record, columns, stored_record
from ..resource import Resource
from . import counting, rollups
from .engines import Connection
from .rows import Content, insert_elements
from .tables import Collection, own_names, tables_of

__all__ = ["unfillable", "widen"]

_ENDS = ("_until", "_until_revision", "_gone")


def unfillable(collection: Collection, stored: Sequence[str]) -> list[str]:
    """The columns that stand in the way: stored ones that are declared no more, and declared ones that have to be
    written and have no default.

    stored: the columns of its table.
    """
    declared = [*own_names(collection), *(column.name for column in collection.columns), "_doc"]
    needed = _needed(collection.feed.record)
    return sorted({*stored} - {"_id", *declared}) + [name for name in needed if name not in stored]


def _needed(record: type[Record]) -> list[str]:
    """The fields that a document has to have."""
    nullable = {column.name for column in columns(record) if column.nullable}
    required = [item.encode_name for item in msgspec.structs.fields(record) if item.required]
    return [name for name in required if name not in nullable]


def widen(sql: Connection, collection: Collection, stored: Sequence[str]) -> Collection:
    """The collection in its next generation: the same records and versions with the fields that they had not, inside
    the caller's transaction. No version is made; ETags and cursors are other ones, as the answers are.

    stored: the columns that its table had; `unfillable` found nothing in them.
    """
    resource, following = collection.feed, replace(collection, generation=collection.generation + 1)
    assert isinstance(resource, Resource)
    added = [column.name for column in collection.columns if column.name not in stored]
    tables = tables_of(following)
    pairs = [(collection.table, ()), (collection.versions, _ENDS)]
    for name, _ in pairs:
        sql.execute(f'CREATE TEMPORARY TABLE "old_{name}" AS SELECT * FROM "{name}"')  # noqa: S608
    for table in tables:
        sql.drop(table.name)
    sql.create(tables)
    for name, ends in pairs:
        for row, key, record in _filled(sql, following, name, ends, added):
            marks = ", ".join("?" * len(row))
            names = ", ".join(f'"{column}"' for column in _columns(following, ends))
            sql.execute(f'INSERT INTO "{name}" ({names}) VALUES ({marks})', row)  # noqa: S608
            if not ends:
                insert_elements(sql, following, key, record)
        sql.execute(f'DROP TABLE "old_{name}"')
    for number in range(len(resource.rollups)):
        rollups.rebuild(sql, following, number)
    for statement in _NEXT:
        sql.execute(statement, (collection.name,))
    counting.drop(sql, following)  # whoever opens the store counts anew
    return following


_NEXT = (
    "UPDATE _commit SET generation = generation + 1 WHERE collection = ?",
    "UPDATE _collection SET generation = generation + 1 WHERE name = ?",
)
"""What people wrote keeps its revisions: each of them has the same records as before."""


def _columns(collection: Collection, ends: Sequence[str]) -> tuple[str, ...]:
    fields = (column.name for column in collection.columns)
    return (*own_names(collection), *fields, "_doc", *ends)


def _filled(
    sql: Connection, collection: Collection, name: str, ends: Sequence[str], added: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """The rows of a table as they are to be, each with its key and its record."""
    own = own_names(collection)
    names = ", ".join(f'"{column}"' for column in (*own, "_doc", *ends))
    for values in sql.execute(f'SELECT {names} FROM "old_{name}" ORDER BY _id'):  # noqa: S608
        head, doc, tail = list(values[: len(own)]), values[len(own)], values[len(own) + 1 :]
        key = head[own.index("_key")]
        record = _with(collection, doc, added)
        content = Content.of(collection, key, record)
        head[own.index("_hash")] = content.hash
        yield (*head, *content.values, content.doc, *tail), key, record


def _with(collection: Collection, doc: str, added: Sequence[str]) -> Any:
    """The stored record with the added fields: their defaults, or what the declared normal form makes of the others."""
    resource = collection.feed
    assert isinstance(resource, Resource)
    nulls = [item.encode_name for item in msgspec.structs.fields(resource.record) if item.required]
    missing = {name: None for name in nulls if name in added}
    record: Any = stored_record(resource.record, msgspec.json.encode(msgspec.json.decode(doc) | missing).decode())
    if resource.normal is None or not added:
        return record
    # Only of what is new: a normal form may judge a change, and nothing has changed.
    made = resource.normal(record, None)
    return msgspec.structs.replace(record, **{name: getattr(made, name) for name in added})
