"""An app's own questions, in the words of SQLAlchemy Core: the tables that they are about, and their SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import StoreError
from ..resource import Resource
from .sql import Statement
from .tables import Collection, current_table, list_table, once, rollup_table, version_table

__all__ = ["Question", "Tables", "prepared", "tables", "written"]


@dataclass(frozen=True)
class Tables:
    """A collection's tables. lists: of a resource, its list fields that are kept apart; rollups: as declared.

    Columns are named as the fields; our own begin with `_`: `_key`, `_version`, `_revision`, `_doc` (the record's
    JSON), in `versions` `_until_revision`, in a list `_key` and `_place`, in a roll-up `_group` (the group's values
    as a JSON array), `_count` and `_sum` (decimal digits).
    """

    current: sa.Table
    versions: sa.Table
    lists: Mapping[str, sa.Table]
    rollups: tuple[sa.Table, ...]


@once
def tables(collection: Collection) -> Tables:
    """The collection's tables."""
    metadata, feed = sa.MetaData(), collection.feed
    lists, rollups = (feed.lists, feed.rollups) if isinstance(feed, Resource) else ((), ())
    return Tables(
        current_table(collection, metadata),
        version_table(collection, metadata),
        {name: list_table(collection, name, metadata) for name in lists},
        tuple(rollup_table(collection, number, metadata) for number in range(len(rollups))),
    )


_SHAPES: dict[Any, Any] = {}
_MOST_SHAPES = 500


@dataclass(frozen=True, slots=True)
class Question:
    """SQL that is asked again and again. names: of its marks, in their order; values: of those that are given."""

    sql: str
    names: tuple[str, ...]
    values: Mapping[str, Any]

    def with_values(self, **others: Any) -> Statement:
        """The statement with the values of all its marks. StoreError where one has none."""
        values = {**self.values, **others}
        if missing := [name for name in self.names if name not in values]:
            raise StoreError(f"a question was asked without a value for {', '.join(missing)}")
        return Statement(self.sql, tuple(values[name] for name in self.names))


def written(statement: sa.Select[Any], dialect: sa.Dialect) -> Statement:
    """The statement in SQL with its values."""
    return prepared(statement, dialect).with_values()


def prepared(statement: sa.Select[Any], dialect: sa.Dialect) -> Question:
    """The statement in SQL, its `bindparam`s open; of one shape the SQL is written once, whatever the values."""
    shape = statement._generate_cache_key()
    if shape is None:
        raise StoreError("a question has a part without a shape of its own")
    found = _SHAPES.get((dialect.name, shape.key))
    if found is None:
        if len(_SHAPES) >= _MOST_SHAPES:
            _SHAPES.clear()
        found = _SHAPES[dialect.name, shape.key] = statement.compile(dialect=dialect, cache_key=shape)
    values = found.construct_params(extracted_parameters=shape.bindparams, _check=False)
    left_open = {bind.key for bind in shape.bindparams if bind.required}
    given = {name: value for name, value in values.items() if name not in left_open}
    return Question(str(found), tuple(found.positiontup or ()), given)
