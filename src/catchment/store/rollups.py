"""Counts and sums by group, kept with every write: equal at any moment to what counting anew would give."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, Inexact, Overflow
from typing import Any

import msgspec

from ..record import Record, Stored, stored_record, to_stored
from ..resource import Resource, Rollup
from .present import Present
from .tables import Collection

__all__ = ["group_text", "keep", "kept", "leave", "recomputed"]

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
        for record, sign in ((before, -1), (after, 1)):
            if record is not None and _counts(sql, collection, rollup, record):
                _add(sql, table, rollup, _part(collection, rollup, record), sign)


def leave(present: Present, target: Collection, key: str) -> None:
    """Takes the records about one that goes out of the groups in which they count only while it stands."""
    for collection in present.collections.values():
        resource = collection.feed
        if collection.app != target.app or not isinstance(resource, Resource):
            continue
        standing = [number for number, rollup in enumerate(resource.rollups) if rollup.standing]
        for link in resource.links if standing else ():
            if link.target is target.feed:
                _leave(present, collection, standing, {link.fields[0]: key})


def _leave(present: Present, collection: Collection, numbers: Sequence[int], about: dict[str, str]) -> None:
    assert isinstance(collection.feed, Resource)
    documents = present.matching(collection, about)
    records = [stored_record(collection.feed.record, doc) for _, doc in documents]
    for number in numbers:
        rollup = collection.feed.rollups[number]
        counted = [item for item in records if _counts(present.sql, collection, rollup, item)]
        for part in (_part(collection, rollup, item) for item in counted):
            _add(present.sql, f"{collection.table}__rollup_{number}", rollup, part, -1)


def _counts(sql: sqlite3.Connection, collection: Collection, rollup: Rollup, record: Record) -> bool:
    """Whether the record is counted now: everything that it is about stands, or that does not matter."""
    assert isinstance(collection.feed, Resource)
    if not rollup.standing:
        return True
    return all(
        sql.execute(
            f'SELECT 1 FROM "{collection.app}_{link.target.name}" WHERE _key = ?',  # noqa: S608 (declared names)
            (getattr(record, link.fields[0]),),
        ).fetchone()
        for link in collection.feed.links
    )


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
    records = (stored_record(collection.feed.record, doc) for (doc,) in documents)
    return _grouped(_part(collection, rollup, item) for item in records if _counts(sql, collection, rollup, item))


def _grouped(parts: Iterable[tuple[list[Stored], Decimal] | None]) -> dict[str, Group]:
    groups: dict[str, Any] = {}
    for values, amount in filter(None, parts):
        count, total = groups.get(group_text(values), (0, Decimal(0)))
        groups[group_text(values)] = (count + 1, _EXACT.add(total, amount))
    return groups
