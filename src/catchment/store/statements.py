"""The SQL by which a collection's records are read and changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from .tables import Collection

__all__ = ["Statements"]


@dataclass(frozen=True)
class Statements:
    """A collection's SQL. Names come from checked declarations only, values are always bound."""

    table: str
    versions: str
    row: tuple[str, ...]

    @classmethod
    def of(cls, collection: Collection) -> Statements:
        """Those of a collection; they are written once."""
        return _statements(collection.table, collection.versions, collection.row)

    @property
    def names(self) -> str:
        return ", ".join(f'"{name}"' for name in self.row)

    @cached_property
    def insert(self) -> str:
        marks = ", ".join("?" * len(self.row))
        return f'INSERT INTO "{self.table}" ({self.names}) VALUES ({marks})'  # noqa: S608

    @cached_property
    def update(self) -> str:
        """Everything but the key, for a key with the expected hash; the version counts up."""
        own = [name for name in self.row if name not in ("_key", "_version")]
        sets = ", ".join(f'"{name}" = ?' for name in own)
        return (
            f'UPDATE "{self.table}" SET _version = _version + 1, {sets}'  # noqa: S608
            " WHERE _key = ? AND _hash = ?"
        )

    @cached_property
    def keep(self) -> str:
        """Copies the row of a key with the expected hash to the versions: until, until_revision, gone, key, hash."""
        return (
            f'INSERT INTO "{self.versions}" ({self.names}, _until, _until_revision, _gone)'  # noqa: S608
            f' SELECT {self.names}, ?, ?, ? FROM "{self.table}" WHERE _key = ? AND _hash = ?'
        )

    @cached_property
    def delete(self) -> str:
        return f'DELETE FROM "{self.table}" WHERE _key = ? AND _hash = ?'  # noqa: S608

    @cached_property
    def known(self) -> str:
        return f'SELECT _key, _hash, _raw FROM "{self.table}" WHERE _partition = ?'  # noqa: S608

    def find(self, number: int) -> str:
        marks = ", ".join("?" * number)
        return f'SELECT _key, _hash FROM "{self.table}" WHERE _key IN ({marks})'  # noqa: S608

    def documents(self, number: int) -> str:
        marks = ", ".join("?" * number)
        return f'SELECT _key, _doc FROM "{self.table}" WHERE _key IN ({marks})'  # noqa: S608

    def last_documents(self, number: int) -> str:
        """Of keys that may be stored no more: of those, the version that held last."""
        marks = ", ".join("?" * number)
        last = f'SELECT max(_version) FROM "{self.versions}" WHERE _key = v._key'  # noqa: S608
        return f'SELECT _key, _doc FROM "{self.versions}" v WHERE _key IN ({marks}) AND _version = ({last})'  # noqa: S608

    def last_versions(self, number: int) -> str:
        marks = ", ".join("?" * number)
        return (
            f'SELECT _key, max(_version) FROM "{self.versions}"'  # noqa: S608
            f" WHERE _key IN ({marks}) GROUP BY _key"
        )

    @cached_property
    def any_version(self) -> str:
        return f'SELECT 1 FROM "{self.versions}" LIMIT 1'  # noqa: S608

    def rows(self, fields: Sequence[str]) -> str:
        names = ", ".join(f'"{name}"' for name in fields)
        return f'SELECT DISTINCT {names} FROM "{self.table}" ORDER BY {names}'  # noqa: S608


@lru_cache(maxsize=256)
def _statements(table: str, versions: str, row: tuple[str, ...]) -> Statements:
    return Statements(table, versions, row)
