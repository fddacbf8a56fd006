"""A `Query` as SQL. Its text comes from this file and from declared columns alone; every value is bound. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..record import Stored
from .cursors import Position
from .query import BY_NAME, AsOf, Order, Query, Term
from .tables import Collection

__all__ = [
    "Statement",
    "condition",
    "count_statement",
    "document",
    "order_by",
    "page_rows",
    "quoted",
    "rows_from",
    "shown",
    "sides",
    "still_there",
]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its bound values. `+` joins two."""

    sql: str
    values: tuple[Stored, ...] = field(default=())

    def __add__(self, other: Statement) -> Statement:
        return Statement(self.sql + other.sql, self.values + other.values)


def quoted(name: str) -> str:
    """A declared name for SQL; names are checked when they are declared, the doubling is the second lock."""
    return '"' + name.replace('"', '""') + '"'


def shown(collection: Collection, rows: str = "") -> str:
    """Which of the rows that hold now are shown: those whose targets are there. rows: another table of theirs."""
    found = []
    for table, name in collection.targets:
        field = f"{quoted(rows or collection.table)}.{quoted(name)}"
        there = f"EXISTS (SELECT 1 FROM {quoted(table)} AS target WHERE target._key = {field})"  # noqa: S608
        found.append(f"({field} IS NULL OR {there})")
    return " AND ".join(found) or "TRUE"


def sides(collection: Collection, as_of: AsOf | None) -> list[Statement]:
    """`FROM … WHERE …` for each table that holds rows of then: what holds now, and what held before."""
    current, versions = quoted(collection.table), quoted(collection.versions)
    if as_of is None:
        return [Statement(f" FROM {current} WHERE {shown(collection)}")]
    since, until = ("_revision", "_until_revision") if as_of.by_revision else ("_said_at", "_until")
    point: Stored = as_of.revision if as_of.by_revision else as_of.moment
    return [
        Statement(f" FROM {current} WHERE {since} <= ?", (point,)),
        Statement(f" FROM {versions} WHERE {since} <= ? AND {until} > ? AND {still_there(collection)}", (point, point))
        + _since(as_of),
    ]


def _since(as_of: AsOf) -> Statement:
    """Where in the index of what ended it is worth looking: of a moment."""
    return Statement("") if as_of.by_revision else Statement(" AND _until_revision > ?", (as_of.floor,))


def still_there(collection: Collection) -> str:
    """Which of the rows that held before are shown: all, or those of records that nobody has deleted since."""
    if collection.deleted:
        return "TRUE"
    key = f"{quoted(collection.versions)}._key"
    return f"EXISTS (SELECT 1 FROM {quoted(collection.table)} AS still WHERE still._key = {key})"  # noqa: S608


def rows_from(collection: Collection, as_of: AsOf | None, columns: Sequence[str]) -> Statement:
    """`FROM …`: the rows that hold now, or held then."""
    if as_of is None:
        table = quoted(collection.table)
        if collection.targets:
            table = f"(SELECT * FROM {table} WHERE {shown(collection)}) AS shown"  # noqa: S608 (declared names)
        return Statement(f" FROM {table}")
    select = Statement(f"SELECT {', '.join(map(quoted, dict.fromkeys(columns)))}")
    left, right = sides(collection, as_of)
    return Statement(" FROM (") + select + left + Statement(" UNION ALL ") + select + right + Statement(") AS held")


def condition(collection: Collection, terms: Sequence[Term], as_of: AsOf | None = None, words: str = "") -> Statement:
    """All terms as one condition on rows of the collection; `TRUE` for none. words: that its texts have besides."""
    parts = [_condition(collection, item, as_of) for item in terms]
    if words:
        name = quoted(collection.words)
        parts.append(Statement(f"_id IN (SELECT rowid FROM {name} WHERE {name} MATCH ?)", (words,)))  # noqa: S608
    return Statement(
        " AND ".join(part.sql for part in parts) or "TRUE", tuple(v for part in parts for v in part.values)
    )


def _condition(collection: Collection, item: Term, as_of: AsOf | None) -> Statement:
    operator = BY_NAME[item.operator]
    if operator.takes == "element" and as_of is None and item.column in collection.apart:
        elements = quoted(f"{collection.table}__{item.column}")
        return Statement(f"_key IN (SELECT _key FROM {elements} WHERE value = ?)", item.values)  # noqa: S608
    sql = operator.sql.replace("@", quoted(item.column))
    if operator.takes == "list":
        return Statement(sql.replace("?", ", ".join("?" * len(item.values))), item.values)
    return Statement(sql, item.values * sql.count("?"))


_WAYS = {
    (False, False): " NULLS FIRST",
    (False, True): " DESC NULLS LAST",
    (True, False): "",
    (True, True): " DESC",
}
"""How an order runs, by whether it is of the key and whether it descends."""


def order_by(order: Sequence[Order], *, key: str = "_key") -> str:
    """`ORDER BY …`, made unique by the key, which runs as the last field does: an index then serves both ways.

    Nulls are the smallest, on every engine; the key is none.
    """
    parts = [f"{quoted(item.column)}{_WAYS[item.column == key, item.descending]}" for item in _with_key(order, key)]
    return f" ORDER BY {', '.join(parts)}"


def _with_key(order: Sequence[Order], key: str = "_key") -> list[Order]:
    return [*order, Order(key, bool(order) and order[-1].descending)]


def after(order: Sequence[Order], position: Position, nullable: frozenset[str]) -> Statement:
    """The rows behind a position. Nulls are the smallest: first ascending, last descending."""
    steps = list(zip(_with_key(order), (*position.values, position.key), strict=True))
    if len({step.descending for step, _ in steps}) == 1 and not any(step.column in nullable for step, _ in steps):
        names = ", ".join(quoted(step.column) for step, _ in steps)
        sign = "<" if steps[0][0].descending else ">"
        return Statement(f"({names}) {sign} ({', '.join('?' * len(steps))})", tuple(value for _, value in steps))
    ways = [_equal(steps[:index]) + _beyond(*step) for index, step in enumerate(steps)]
    return Statement(f"({' OR '.join(f'({way.sql})' for way in ways)})", tuple(v for way in ways for v in way.values))


def _equal(steps: Sequence[tuple[Order, Stored]]) -> Statement:
    terms = (f"{quoted(step.column)} {'IS NULL' if value is None else '= ?'} AND " for step, value in steps)
    return Statement("".join(terms), tuple(value for _, value in steps if value is not None))


def _beyond(step: Order, value: Stored) -> Statement:
    name = quoted(step.column)
    if value is None:
        return Statement("FALSE" if step.descending else f"{name} IS NOT NULL")
    return Statement(f"({name} < ? OR {name} IS NULL)" if step.descending else f"{name} > ?", (value,))


def document(fields: Sequence[str]) -> str:
    """The SQL that gives a record's JSON: the stored text, or chosen members of it."""
    if not fields:
        return "_doc"
    members = [f"""'"{name}":' || coalesce(_doc -> '$.{name}', 'null')""" for name in ("_key", *fields)]
    inner = " || ',' || ".join(members)
    return f"'{{' || {inner} || '}}'"


def page_rows(collection: Collection, query: Query, position: Position | None) -> Statement:
    """The page's rows and one more: `d` is the document, `o0` the key, `o1` … the values in the walk's order."""
    where = condition(collection, query.terms, query.as_of, query.words)
    if position is not None:
        nullable = frozenset(column.name for column in collection.columns if column.nullable)
        where = Statement(f"({where.sql}) AND ", where.values) + after(query.order, position, nullable)
    # Numbered, because a field may be called as one of our columns.
    names = ["_key", *(item.column for item in query.order)]
    wanted = ", ".join(f"{quoted(name)} AS o{index}" for index, name in enumerate(names))
    found = [
        Statement(f"SELECT {document(query.fields)} AS d, {wanted}{side.sql} AND (", side.values)
        + where
        + Statement(f"){order_by(query.order)} LIMIT ?", (query.limit + 1,))
        for side in sides(collection, query.as_of)
    ]
    if len(found) == 1:
        return found[0]
    # Each side by its own index and no further than the page needs; ordering the union of all would read it all.
    numbered = [Order(f"o{index}", item.descending) for index, item in enumerate(query.order, 1)]
    together = Statement(f"{order_by(numbered, key='o0')} LIMIT ?", (query.limit + 1,))
    left, right = found
    opening = Statement("SELECT * FROM (")
    return (
        opening + left + Statement(") AS current UNION ALL SELECT * FROM (") + right + Statement(") AS past") + together
    )


def count_statement(collection: Collection, query: Query, cap: int | None) -> Statement:
    """How many rows match; with a cap no more than one above it are looked at."""
    columns = ["_key", *(item.column for item in query.terms)]
    body = rows_from(collection, query.as_of, columns) + Statement(" WHERE ")
    body += condition(collection, query.terms, query.as_of, query.words)
    if cap is None:
        return Statement("SELECT count(*)") + body
    return Statement("SELECT count(*) FROM (SELECT 1") + body + Statement(" LIMIT ?) AS found", (cap + 1,))
