"""The collections as they are inside a writing transaction: what rules may look up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ..decode import render_key
from ..errors import QueryError
from ..record import Record, stored_record, to_stored
from .engines import Connection
from .tables import Collection

__all__ = ["Present", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it is stored now."""

    key: str
    version: int
    hash: bytes
    at: str
    revision: int
    doc: str
    record: Any


@dataclass(frozen=True, slots=True)
class Present:
    """The collections as they are inside the writing transaction: what rules may look up."""

    sql: Connection
    collections: Mapping[str, Collection]
    app: str

    def named(self, name: str) -> Collection:
        """The collection `app/name`, or `name` of this app."""
        return self.collections[name if "/" in name else f"{self.app}/{name}"]

    def get(self, collection: str, *key: Any) -> Record | None:
        row = self.row(self.named(collection), render_key(key))
        return row.record if row else None

    def find(self, collection: str, **fields: Any) -> list[Record]:
        found = self.named(collection)
        return [_record(found, doc) for _, doc in self.matching(found, fields)]

    def matching(self, collection: Collection, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Key and document of the records with these values, in the order of keys."""
        kinds = {column.name: column.kind for column in collection.columns}
        values = [to_stored(kinds[name], value) for name, value in fields.items()]
        given = list(zip(fields, values, strict=True))
        terms = [f'"{name}" IS NULL' if value is None else f'"{name}" = ?' for name, value in given]
        return self.sql.execute(
            f'SELECT _key, _doc FROM "{collection.table}" WHERE {" AND ".join(terms) or "TRUE"} ORDER BY _key',  # noqa: S608
            [value for value in values if value is not None],
        ).fetchall()

    def stands(self, collection: Collection, record: Any) -> bool:
        """Whether what else people wrote that the record is about is there; without that it is not shown."""
        targets = [(table, getattr(record, name)) for table, name in collection.targets]
        return all(key is None or self._is_in(table, "_key", key) for table, key in targets)

    def about(self, target: Collection, key: str) -> list[tuple[Collection, list[str]]]:
        """The collections of what people wrote that have records about this one, which people wrote too, each with the
        fields that name it.
        """
        links = [
            (
                item,
                [name for table, name in item.targets if table == target.table and self._is_in(item.table, name, key)],
            )
            for item in self.collections.values()
        ]
        return [(item, names) for item, names in links if names]

    def _is_in(self, table: str, column: str, value: Any) -> bool:
        sql = f'SELECT 1 FROM "{table}" WHERE "{column}" = ? LIMIT 1'  # noqa: S608 (declared names)
        return self.sql.execute(sql, (value,)).fetchone() is not None

    def row(self, collection: Collection, key: str) -> Row | None:
        found = self.sql.execute(
            f'SELECT _key, _version, _hash, _said_at, _revision, _doc FROM "{collection.table}" WHERE _key = ?',  # noqa: S608
            (key,),
        ).fetchone()
        if found is None:
            return None
        key, version, content, at, revision, doc = found
        return Row(key, version, content, at, revision, doc, _record(collection, doc))


def _record(collection: Collection, doc: str) -> Record:
    try:
        return stored_record(collection.feed.record, doc)
    except msgspec.ValidationError as error:
        message = f"a stored record of {collection.feed.name} is no longer what its declaration says: {error}"
        raise QueryError(message, kind="conflict", status=409) from error
