"""Declared counters, kept in the transaction that writes the records.

A commit is followed by what it says itself: the rows of its revision are new, the versions that ended with it are not
counted any more. Where the mark says that a commit was not followed, all records are counted anew.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..grouping import BY_BUCKET, Counter
from ..record import Kind, Stored, decimal_key
from .counters import mark, mark_name, table_name, table_of, told_names
from .engines import Connection
from .rollups import group_text
from .sql import quoted, shown
from .sums import EXACT, Total, key_sum
from .tables import Collection

__all__ = ["differing", "drop", "follow", "is_stale", "move", "prepare", "rebuild", "rename"]

PIECE = 10_000
"""Rows that are held in memory together."""
_FOUND = 300
"""Groups that are looked up together."""

Row = Sequence[Any]
Key = tuple[Stored, ...]


# -- what rows change ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """How much a group has more, or less. totals: of the counter's fields."""

    count: int
    totals: list[Total]


@dataclass(frozen=True)
class _One:
    """One counter's groups, as far as they change. key: of a row's group. fields: the places of its fields in a row,
    with their kinds.
    """

    key: Callable[[Row], Key]
    fields: Sequence[tuple[int, Kind]]
    parts: dict[Key, _Part] = field(default_factory=dict)

    def take(self, rows: Sequence[Row], sign: int) -> None:
        """Counts rows in (1), or out again (-1)."""
        if not self.fields:
            for key, many in Tally(map(self.key, rows)).items():
                self._part(key).count += sign * many
            return
        grouped = defaultdict[Key, list[Row]](list)
        for row in rows:
            grouped[self.key(row)].append(row)
        for key, some in grouped.items():
            part = self._part(key)
            part.count += sign * len(some)
            part.totals = [
                total + _total([row[place] for row in some], kind, sign)
                for total, (place, kind) in zip(part.totals, self.fields, strict=True)
            ]

    def _part(self, key: Key) -> _Part:
        found = self.parts.get(key)
        if found is None:
            found = self.parts[key] = _Part(0, [_NOTHING] * len(self.fields))
        return found


_NOTHING = Total(0, Decimal(0))


def _total(values: Iterable[Any], kind: Kind, sign: int) -> Total:
    there = [value for value in values if value is not None]
    whole = key_sum(",".join(there)) if kind == "decimal" else Decimal(sum(there))
    return Total(sign * len(there), EXACT.multiply(whole, sign))


class _Change:
    """What rows change in all counters of a collection."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        kinds = {column.name: column.kind for column in collection.columns}
        places: dict[str, int] = {}
        self.counters = [_one(collection, counter, kinds, places) for counter in collection.feed.counters]
        self._selected = ", ".join(places)

    def take(self, sql: Connection, table: str, where: str, values: Sequence[Stored], *, sign: int, by: str) -> None:
        """Counts the rows of a table that meet a condition. by: the column in whose order an index has them."""
        visible = shown(self._collection, table)
        for rows in _pieces(sql, self._selected, table, f"({where}) AND {visible}", values, by):
            for counter in self.counters:
                counter.take(rows, sign)


def _one(collection: Collection, counter: Counter, kinds: dict[str, Kind], places: dict[str, int]) -> _One:
    """places: SQL -> where its value is in a row, for all counters."""

    def place(sql: str) -> int:
        return places.setdefault(sql, len(places))

    groups = [
        place(f"substr({quoted(g.field)}, 1, {BY_BUCKET[g.bucket].length})" if g.bucket else quoted(g.field))
        for g in counter.groups(collection.columns)
    ]
    fields = [(place(quoted(name)), kinds[name]) for name in counter.of]
    if not places:
        place("1")
    several = itemgetter(*groups) if len(groups) > 1 else lambda row: tuple(row[place] for place in groups)
    return _One(several, fields)


def _pieces(
    sql: Connection, selected: str, table: str, where: str, values: Sequence[Stored], by: str
) -> Iterator[list[Row]]:
    """The rows, some at a time: a driver may hold all that it is asked for."""
    statement = (
        f"SELECT {selected}, {by} FROM {quoted(table)} WHERE {where} AND {by} > ?"  # noqa: S608 (declared names)
        f" ORDER BY {by} LIMIT {PIECE}"
    )
    last: Stored = "" if by == "_key" else 0
    while rows := sql.execute(statement, (*values, last)).fetchall():
        yield rows
        last = rows[-1][-1]


# -- writing -------------------------------------------------------------------------------------------------------


def _marked(sql: Connection, collection: Collection) -> str:
    """How far the counters follow; "" where there are none."""
    row = sql.execute("SELECT value FROM _meta WHERE name = ?", (mark_name(collection.name),)).fetchone()
    return str(row[0]) if row else ""


def _is_of_now(sql: Connection, collection: Collection) -> bool:
    return _marked(sql, collection).partition(" ")[2] == mark(collection, 0).partition(" ")[2]


def _revision(sql: Connection, collection: Collection) -> int:
    row = sql.execute("SELECT revision FROM _collection WHERE name = ?", (collection.name,)).fetchone()
    return int(row[0])


def _note(sql: Connection, collection: Collection, revision: int) -> None:
    sql.execute(
        "INSERT INTO _meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (mark_name(collection.name), mark(collection, revision)),
    )


def follow(sql: Connection, collection: Collection, revision: int | None = None) -> None:
    """Inside a transaction: has the counters follow the commit that brought this revision; None: the newest one."""
    if not collection.feed.counters:
        return
    if revision is None:
        revision = _revision(sql, collection)
    marked = _marked(sql, collection)
    if marked == mark(collection, revision):
        return
    if marked != mark(collection, revision - 1):
        rebuild(sql, collection, revision)
        return
    change = _Change(collection)
    change.take(sql, collection.table, "_revision = ?", (revision,), sign=1, by="_key")
    # What came and went within the commit was never counted.
    ended = "_until_revision = ? AND _revision < ?"
    change.take(sql, collection.versions, ended, (revision, revision), sign=-1, by="_key")
    _put(sql, collection, change)
    _note(sql, collection, revision)


def move(
    sql: Connection, collection: Collection, table: str, where: str, values: Sequence[Stored], *, sign: int
) -> None:
    """Inside a transaction: counts rows in (1) or out (-1) that change without a revision of their own, or by more
    than one.

    table: where they stand now, with the collection's columns.
    """
    # Where the tables are of another declaration, whoever follows counts anew.
    if collection.feed.counters and _is_of_now(sql, collection):
        change = _Change(collection)
        change.take(sql, table, where, values, sign=sign, by="_id")
        _put(sql, collection, change)


def _put(sql: Connection, collection: Collection, change: _Change) -> None:
    for number, one in enumerate(change.counters):
        parts = {group_text(key): (key, part) for key, part in one.parts.items()}
        groups = list(parts)
        for start in range(0, len(groups), _FOUND):
            _put_some(sql, collection, number, {group: parts[group] for group in groups[start : start + _FOUND]})


def _put_some(sql: Connection, collection: Collection, number: int, parts: dict[str, tuple[Key, _Part]]) -> None:
    counter, name = collection.feed.counters[number], quoted(table_name(collection, number))
    told = told_names(counter)
    marks = ", ".join("?" * len(parts))
    there = {
        group: _read(row)
        for group, *row in sql.execute(
            f"SELECT _group, {', '.join(map(quoted, told))} FROM {name} WHERE _group IN ({marks})",  # noqa: S608
            list(parts),
        )
    }
    rows, empty = [], []
    for group, (key, part) in parts.items():
        now = _sum(there.get(group), part)
        if now.count:
            rows.append((group, *key, now.count, *_stored(now.totals)))
        else:
            empty.append((group,))
    sets = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in told)
    sql.executemany(
        f"INSERT INTO {name} VALUES ({', '.join('?' * (1 + len(counter.by) + len(told)))})"  # noqa: S608 (declared names)
        f" ON CONFLICT (_group) DO UPDATE SET {sets}",
        rows,
    )
    sql.executemany(f"DELETE FROM {name} WHERE _group = ?", empty)  # noqa: S608


def _sum(before: _Part | None, part: _Part) -> _Part:
    if before is None:
        return part
    pairs = zip(before.totals, part.totals, strict=True)
    return _Part(before.count + part.count, [one + other for one, other in pairs])


def _read(row: Row) -> _Part:
    """A group as it is kept: how many, then how many and how much of each field."""
    pairs = zip(row[1::2], row[2::2], strict=True)
    return _Part(row[0], [Total(count, key_sum(said)) for count, said in pairs])


def _stored(totals: Iterable[Total]) -> Iterator[Stored]:
    for total in totals:
        yield from (total.count, decimal_key(total.sum))


# -- from the beginning --------------------------------------------------------------------------------------------


def rebuild(sql: Connection, collection: Collection, revision: int) -> None:
    """Inside a transaction: counts all records anew. revision: the collection's, which they then follow."""
    drop(sql, collection)
    if not collection.feed.counters:
        return
    metadata = sa.MetaData()
    sql.create([table_of(collection, number, metadata) for number in range(len(collection.feed.counters))])
    _note(sql, collection, revision)
    move(sql, collection, collection.table, "TRUE", (), sign=1)


def prepare(sql: Connection, collection: Collection) -> None:
    """Inside a transaction: the counters as they are declared now; what is declared no more is removed."""
    if is_stale(sql, collection):
        rebuild(sql, collection, _revision(sql, collection))


def is_stale(sql: Connection, collection: Collection) -> bool:
    """Whether the counters are others than those declared, or do not follow the newest revision."""
    marked = _marked(sql, collection)
    return marked != (mark(collection, _revision(sql, collection)) if collection.feed.counters else "")


def drop(sql: Connection, collection: Collection) -> None:
    """Inside a transaction: removes the collection's counters, however many there are."""
    for name in _there(sql, collection):
        sql.drop(name)
    sql.execute("DELETE FROM _meta WHERE name = ?", (mark_name(collection.name),))


def _there(sql: Connection, collection: Collection) -> list[str]:
    start = f"{collection.table}__counter_"
    return sorted(name for name in sql.tables() if name.startswith(start) and name.removeprefix(start).isdigit())


def rename(sql: Connection, collection: Collection, following: Collection) -> None:
    """Inside a transaction: puts the counters of the next generation in the place of the present ones."""
    drop(sql, collection)
    if not collection.feed.counters:
        return
    present, start = f"{collection.table}__counter_", f"{following.table}__counter_"
    sql.rename([(name, present + name.removeprefix(start)) for name in _there(sql, following)])
    names = (mark_name(collection.name), mark_name(following.name))
    sql.execute("UPDATE _meta SET name = ? WHERE name = ?", names)


# -- for who checks ------------------------------------------------------------------------------------------------


def differing(sql: Connection, collection: Collection) -> Iterator[str]:
    """How the counters contradict the records, in words. Those that readers do not believe contradict nothing: another
    declaration has written since.
    """
    if not collection.feed.counters or not _is_of_now(sql, collection):
        return
    if _marked(sql, collection) != mark(collection, _revision(sql, collection)):
        yield f"counters follow up to revision {_marked(sql, collection).partition(' ')[0]}"
        return
    change = _Change(collection)
    change.take(sql, collection.table, "TRUE", (), sign=1, by="_id")
    for number, one in enumerate(change.counters):
        there, counted = _kept(sql, collection, number), {group_text(key): part for key, part in one.parts.items()}
        for group in sorted(there.keys() | counted.keys()):
            if there.get(group) != counted.get(group):
                yield f"counter {number} {group}: is {there.get(group)}, counted anew {counted.get(group)}"


def _kept(sql: Connection, collection: Collection, number: int) -> dict[str, _Part]:
    names = ", ".join(map(quoted, ["_group", *told_names(collection.feed.counters[number])]))
    rows = sql.execute(f"SELECT {names} FROM {quoted(table_name(collection, number))}")  # noqa: S608 (declared names)
    return {group: _read(row) for group, *row in rows}
