"""Counts and sums by group, kept with every write: equal at any moment to what counting anew would give."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, Inexact, Overflow
from typing import Any

import msgspec

from ..record import Record, Stored, stored_record, to_stored
from ..resource import Resource, Rollup
from .tables import Collection

__all__ = ["group_text", "keep", "kept", "recomputed"]

# A stored decimal has fewer than 5,000 digits on either side of its point (`record.decimal_key`): no sum is rounded.
_EXACT = Context(prec=12_000, traps=[Inexact, Overflow])

Group = tuple[int, Decimal]


def group_text(values: Sequence[Stored]) -> str:
    """A group's values as one text: a null is equal to a null, and to nothing else."""
    return msgspec.json.encode(values).decode()


def keep(sql: sqlite3.Connection, collection: Collection, before: Record | None, after: Record | None) -> None:
    """Takes one record out of its groups and puts another in, inside the caller's transaction."""
    assert isinstance(collection.feed, Resource)
    for number, rollup in enumerate(collection.feed.rollups):
        table = f"{collection.table}__rollup_{number}"
        if before is not None:
            _add(sql, table, rollup, _part(collection, rollup, before), -1)
        if after is not None:
            _add(sql, table, rollup, _part(collection, rollup, after), 1)


def _part(collection: Collection, rollup: Rollup, record: Record) -> tuple[list[Stored], Decimal] | None:
    """The record's group and the number that it adds; None if it is not counted."""
    amount = getattr(record, rollup.of) if rollup.of else 0
    if amount is None:
        return None
    kinds = {column.name: column.kind for column in collection.columns}
    return [to_stored(kinds[name], getattr(record, name)) for name in rollup.by], Decimal(amount)


def _add(
    sql: sqlite3.Connection, table: str, rollup: Rollup, part: tuple[list[Stored], Decimal] | None, times: int
) -> None:
    if part is None:
        return
    values, amount = part
    group = group_text(values)
    row = sql.execute(f'SELECT _count, _sum FROM "{table}" WHERE _group = ?', (group,)).fetchone()  # noqa: S608
    count, total = (row[0], Decimal(row[1])) if row else (0, Decimal(0))
    if count + times == 0:
        sql.execute(f'DELETE FROM "{table}" WHERE _group = ?', (group,))  # noqa: S608
        return
    marks = ", ".join("?" * (len(rollup.by) + 3))
    written = _text(_EXACT.add(total, amount * times))
    sql.execute(f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})', (group, *values, count + times, written))  # noqa: S608


def _text(value: Decimal) -> str:
    """The number in plain digits, one text for equal numbers."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def kept(sql: sqlite3.Connection, collection: Collection, number: int) -> dict[str, Group]:
    """The groups of a roll-up as they are kept."""
    rows = sql.execute(f'SELECT _group, _count, _sum FROM "{collection.table}__rollup_{number}"')  # noqa: S608
    return {group: (count, Decimal(total)) for group, count, total in rows}


def recomputed(sql: sqlite3.Connection, collection: Collection, number: int) -> dict[str, Group]:
    """The groups of a roll-up, counted anew from the records that hold now."""
    assert isinstance(collection.feed, Resource)
    rollup = collection.feed.rollups[number]
    documents = sql.execute(f'SELECT _doc FROM "{collection.table}"')  # noqa: S608
    return _grouped(_part(collection, rollup, stored_record(collection.feed.record, doc)) for (doc,) in documents)


def _grouped(parts: Iterable[tuple[list[Stored], Decimal] | None]) -> dict[str, Group]:
    groups: dict[str, Any] = {}
    for values, amount in filter(None, parts):
        count, total = groups.get(group_text(values), (0, Decimal(0)))
        groups[group_text(values)] = (count + 1, _EXACT.add(total, amount))
    return groups
