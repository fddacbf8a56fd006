"""What a stored table is, in words of no engine: as a value that can be compared, and made anew elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ..schema import INTEGER, TEXT
from .interface import WORDS, Words

__all__ = ["Column", "Index", "Kind", "Layout"]

Kind = Literal["text", "integer", "double", "bytes"]

_TYPES: dict[Kind, Any] = {"text": TEXT, "integer": INTEGER, "double": sa.Double(), "bytes": sa.LargeBinary()}


@dataclass(frozen=True, slots=True)
class Column:
    """A column. default: what a row has where nothing is said, as text; None for none."""

    name: str
    kind: Kind
    nullable: bool
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index. fields: names of columns, with a `-` before one that descends."""

    name: str
    fields: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A table. key: the columns of its primary key. ones: each some columns of which there is every value once."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    ones: frozenset[tuple[str, ...]] = frozenset()
    indexes: frozenset[Index] = frozenset()
    words: Words | None = None

    @classmethod
    def of(cls, table: sa.Table) -> Layout:
        """That of a declared table."""
        key = tuple(column.name for column in table.primary_key.columns)
        columns = (Column(item.name, _kind(item.type), item.nullable is True, _default(item)) for item in table.columns)
        ones = (item for item in table.constraints if isinstance(item, sa.UniqueConstraint))
        return cls(
            table.name,
            tuple(columns),
            key,
            frozenset(tuple(column.name for column in one.columns) for one in ones),
            frozenset(_index(index) for index in table.indexes),
            table.info.get(WORDS),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of its columns, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def numbered(self) -> str:
        """The column whose numbers the engine gives by itself; "" where there is none."""
        kinds = {column.name: column.kind for column in self.columns}
        return self.key[0] if len(self.key) == 1 and kinds[self.key[0]] == "integer" else ""

    def table(self, *, bare: bool = False) -> sa.Table:
        """To make it anew. bare: without what is better made when it is full: indexes and words."""
        made = sa.Table(self.name, sa.MetaData(), *map(self._column, self.columns))
        for one in sorted(self.ones):
            made.append_constraint(sa.UniqueConstraint(*one))
        if bare:
            return made
        for index in self.indexes:
            parts = (made.c[name.removeprefix("-")] for name in index.fields)
            ways = (part.desc() if name[0] == "-" else part for name, part in zip(index.fields, parts, strict=True))
            sa.Index(index.name, *ways, unique=index.unique)
        if self.words:
            made.info[WORDS] = self.words
        return made

    def _column(self, column: Column) -> sa.Column[Any]:
        return sa.Column(
            column.name,
            _TYPES[column.kind],
            primary_key=column.name in self.key,
            nullable=column.nullable,
            server_default=column.default,
        )


def _kind(declared: Any) -> Kind:
    if isinstance(declared, sa.LargeBinary):
        return "bytes"
    if isinstance(declared, sa.Integer):
        return "integer"
    return "double" if isinstance(declared, sa.Double) else "text"


def _default(column: sa.Column[Any]) -> str | None:
    said = column.server_default
    return str(said.arg) if isinstance(said, sa.DefaultClause) else None


def _index(index: sa.Index) -> Index:
    fields = []
    for part in index.expressions:
        column = part.element if isinstance(part, sa.UnaryExpression) else part
        assert isinstance(column, sa.Column)
        fields.append(column.name if column is part else f"-{column.name}")
    return Index(str(index.name), tuple(fields), index.unique is True)
