"""The layouts of PostgreSQL's tables, from its catalogue: three questions, however many tables there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .interface import Words
from .layout import Column, Index, Kind, Layout

if TYPE_CHECKING:
    from .interface import Connection

__all__ = ["layouts"]

_KINDS: Mapping[str, Kind] = {"text": "text", "bigint": "integer", "double precision": "double", "bytea": "bytes"}
_HERE = "relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'"

_COLUMNS = (
    "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)"  # noqa: S608
    " FROM pg_class t JOIN pg_attribute a ON attrelid = t.oid AND attnum > 0 AND NOT attisdropped"
    f" LEFT JOIN pg_attrdef ON adrelid = t.oid AND adnum = attnum WHERE {_HERE} ORDER BY relname, attnum"
)
_INDEXES = (
    "SELECT t.relname, i.relname, indisprimary, indisunique, c.oid IS NOT NULL,"  # noqa: S608
    " (SELECT array_agg(CASE WHEN option & 1 = 1 THEN '-' ELSE '' END || attname ORDER BY place)"
    " FROM unnest(CAST(indkey AS int[]), CAST(indoption AS int[])) WITH ORDINALITY AS parts (number, option, place)"
    " JOIN pg_attribute ON attrelid = t.oid AND attnum = number)"
    " FROM (SELECT * FROM pg_class WHERE " + _HERE + ") t JOIN pg_index x ON indrelid = t.oid"
    " JOIN pg_class i ON i.oid = indexrelid LEFT JOIN pg_constraint c ON conindid = i.oid AND contype = 'u'"
)
_WORDS = (
    "SELECT relname, tgname, obj_description(to_regclass(quote_ident(tgname)), 'pg_class') FROM pg_trigger"  # noqa: S608
    f" JOIN pg_class t ON t.oid = tgrelid WHERE {_HERE} AND NOT tgisinternal AND tgname LIKE '%\\_\\_words'"
)


def layouts(sql: Connection) -> list[Layout]:
    """All tables that rows are kept in, in the order of their names; that of words is its table's."""
    columns, keys = defaultdict[str, list[Column]](list), dict[str, tuple[str, ...]]()
    for table, name, kind, strict, default in sql.execute(_COLUMNS).fetchall():
        columns[table].append(Column(name, _KINDS.get(kind, "text"), not strict, _said(default)))
    ones, indexes = defaultdict[str, set[tuple[str, ...]]](set), defaultdict[str, set[Index]](set)
    for table, name, primary, unique, constraint, fields in sql.execute(_INDEXES).fetchall():
        if primary:
            keys[table] = tuple(fields)
        elif constraint:
            ones[table].add(tuple(fields))
        else:
            indexes[table].add(Index(name, tuple(fields), unique))
    words = {table: Words(name, tuple(said.split(","))) for table, name, said in sql.execute(_WORDS).fetchall()}
    hidden = {item.name for item in words.values()}
    return [
        Layout(name, tuple(found), keys.get(name, ()), frozenset(ones[name]), frozenset(indexes[name]), words.get(name))
        for name, found in columns.items()
        if name not in hidden
    ]


def _said(default: str | None) -> str | None:
    """What `'0'::bigint` says; a number that the server gives is no default."""
    return None if default is None or default.startswith("nextval") else default.rpartition("::")[0].strip("'")
