"""Counts and sums by group, kept with every write: equal at any moment to what counting anew would give."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

from ..record import Record, Stored, from_decimal_key, stored_record, to_stored
from ..resource import Resource, Rollup
from .engines import Connection
from .present import Present
from .sums import EXACT, plain
from .tables import Collection

__all__ = ["carry", "group_text", "keep", "kept", "leave", "rebuild", "recomputed"]

Group = tuple[int, Decimal]

PIECE = 10_000
"""Groups that are held in memory together."""


def group_text(values: Sequence[Stored]) -> str:
    """A group's values as one text: a null is equal to a null, and to nothing else."""
    return msgspec.json.encode(values).decode()


def keep(sql: Connection, collection: Collection, before: Record | None, after: Record | None) -> None:
    """Takes one record out of its groups and puts another in, inside the caller's transaction."""
    assert isinstance(collection.feed, Resource)
    for number, rollup in enumerate(collection.feed.rollups):
        groups = _Groups(sql, collection, number)
        for record, sign in ((before, -1), (after, 1)):
            if record is not None and _counts(sql, collection, rollup, record):
                part = _part(collection, rollup, record)
                if part is not None:
                    groups.add(part[0], sign, EXACT.multiply(part[1], sign))


def carry(
    sql: Connection,
    collections: Iterable[Collection],
    about: Collection,
    before: Record | None,
    after: Record | None,
) -> None:
    """Has the groups of other collections follow a record that they are about, inside the caller's transaction."""
    for collection in collections:
        if collection.app != about.app or not isinstance(collection.feed, Resource):
            continue
        for number, rollup in enumerate(collection.feed.rollups):
            if rollup.carries and collection.feed.carried_from(rollup) is about.feed:
                _Groups(sql, collection, number).carry(before, after)


def rebuild(sql: Connection, collection: Collection, number: int) -> None:
    """Has a roll-up count anew, from the records that hold now. It reads some groups at a time."""
    groups = _Groups(sql, collection, number)
    sql.execute(f'DELETE FROM "{collection.table}__rollup_{number}"')  # noqa: S608
    counted = _stored_groups(sql, collection, number)
    while some := list(itertools.islice(counted, PIECE)):
        groups.put_all(some)
    groups.carry_all()
    groups.fill()


def _stored_groups(
    sql: Connection, collection: Collection, number: int, about: tuple[str, str] | None = None
) -> Iterator[tuple[list[Stored], int, Decimal]]:
    """The groups of the stored records that are counted now: values, how many, how much. One SELECT, read in turn.

    about: the field and the key of the one record that those are about which are meant; None: all.
    """
    assert isinstance(collection.feed, Resource)
    rollup = collection.feed.rollups[number]
    by = [f'"{name}"' for name in rollup.by]
    names = ", ".join([*by, f'"{rollup.of}"' if rollup.of else "0"])
    terms = [f'"{rollup.of}" IS NOT NULL'] if rollup.of else []
    if about is not None:
        terms.append(f'"{about[0]}" = ?')
    if rollup.standing:
        terms += [
            f'EXISTS (SELECT 1 FROM "{collection.app}_{link.target.name}" AS t WHERE t._key = "{link.fields[0]}")'  # noqa: S608
            for link in collection.feed.links
        ]
    counted = f"WHERE {' AND '.join(terms)}" if terms else ""
    ordered = f"ORDER BY {', '.join(by)}" if by else ""
    rows = sql.execute(
        f'SELECT {names} FROM "{collection.table}" {counted} {ordered}',  # noqa: S608
        () if about is None else about[1:],
    )
    for values, group in itertools.groupby(rows, key=lambda row: row[:-1]):
        count, whole, total = 0, 0, Decimal(0)
        for *_, amount in group:
            count += 1
            if isinstance(amount, str):
                total = EXACT.add(total, from_decimal_key(amount))
            else:
                whole += amount
        yield list(values), count, EXACT.add(total, whole)


def leave(present: Present, target: Collection, key: str) -> None:
    """Takes the records about one that goes out of the groups in which they count only while it stands.

    However many these are, each group is changed once.
    """
    for collection in present.collections.values():
        resource = collection.feed
        if collection.app != target.app or not isinstance(resource, Resource):
            continue
        standing = [number for number, rollup in enumerate(resource.rollups) if rollup.standing]
        for link in resource.links if standing else ():
            if link.target is target.feed:
                for number in standing:
                    _leave(present.sql, collection, number, (link.fields[0], key))


def _leave(sql: Connection, collection: Collection, number: int, about: tuple[str, str]) -> None:
    for values, count, total in list(_stored_groups(sql, collection, number, about)):
        _Groups(sql, collection, number).add(values, -count, EXACT.minus(total))


def _counts(sql: Connection, collection: Collection, rollup: Rollup, record: Record) -> bool:
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


@dataclass(frozen=True)
class _Groups:
    """The rows of one roll-up."""

    sql: Connection
    collection: Collection
    number: int

    @property
    def _resource(self) -> Resource:
        assert isinstance(self.collection.feed, Resource)
        return self.collection.feed

    @property
    def _rollup(self) -> Rollup:
        return self._resource.rollups[self.number]

    @property
    def _table(self) -> str:
        return f'"{self.collection.table}__rollup_{self.number}"'

    @property
    def _of_all(self) -> bool:
        """Whether what is not written about yet has a row too."""
        return bool(self._rollup.carries) and len(self._rollup.by) == 1

    def add(self, values: list[Stored], more: int, amount: Decimal) -> None:
        """Counts records of one group in, or out again: how many more there are, and how much they add."""
        group = group_text(values)
        row = self.sql.execute(f"SELECT _count, _sum FROM {self._table} WHERE _group = ?", (group,)).fetchone()  # noqa: S608
        count, total = (row[0], Decimal(row[1])) if row else (0, Decimal(0))
        count, total = count + more, EXACT.add(total, amount)
        numbers = self._numbers(count, total)
        if count == 0 and not self._stands(group):
            self.sql.execute(f"DELETE FROM {self._table} WHERE _group = ?", (group,))  # noqa: S608
        elif row:
            sets = ", ".join(f"{name} = ?" for name in numbers)
            self.sql.execute(f"UPDATE {self._table} SET {sets} WHERE _group = ?", (*numbers.values(), group))  # noqa: S608
        else:
            self.put(values, count, total)

    def put(self, values: list[Stored], count: int, total: Decimal) -> None:
        """A group that has no row yet."""
        carried = self._carried(values[0]) if self._rollup.carries else ()
        self._insert(group_text(values), values, carried, self._numbers(count, total))

    def put_all(self, some: Iterable[tuple[list[Stored], int, Decimal]]) -> None:
        """Groups that have no rows yet; what they carry comes with `carry_all`."""
        nothing = (None,) * len(self._rollup.carries)
        rows = [
            (group_text(values), *values, *nothing, *self._numbers(count, total).values())
            for values, count, total in some
        ]
        marks = ", ".join("?" * len(rows[0]))
        self.sql.executemany(f"INSERT INTO {self._table} VALUES ({marks})", rows)  # noqa: S608

    def carry_all(self) -> None:
        """Has every row carry what the record says that it is about."""
        if not self._rollup.carries:
            return
        names, about = ", ".join(f'"{name}"' for name in self._rollup.carries), self._rollup.by[0]
        self.sql.execute(
            f"UPDATE {self._table} SET ({names}) = (SELECT {names} FROM"  # noqa: S608 (declared names)
            f' "{self._about.table}" WHERE _key = {self._table}."{about}")'
        )

    def fill(self) -> None:
        """Has everything that may be written about have its row."""
        if not self._of_all:
            return
        names = ", ".join(f'"{name}"' for name in self._rollup.carries)
        numbers = self._numbers(0, Decimal(0))
        marks = ", ".join("?" * len(numbers))
        self.sql.execute(
            # The group's text as `group_text` has it: a key needs no escaping.
            f"INSERT INTO {self._table} SELECT '[\"' || _key || '\"]', _key, {names}, {marks}"  # noqa: S608
            f' FROM "{self._about.table}" WHERE TRUE ON CONFLICT DO NOTHING',
            tuple(numbers.values()),
        )

    @property
    def _about(self) -> Collection:
        target = self._resource.carried_from(self._rollup)
        assert target is not None
        return Collection(self.collection.app, target)

    def _insert(
        self, group: str, values: Sequence[Stored], carried: Sequence[Stored], numbers: Mapping[str, Stored]
    ) -> None:
        row = (group, *values, *carried, *numbers.values())
        marks = ", ".join("?" * len(row))
        self.sql.execute(f"INSERT INTO {self._table} VALUES ({marks})", row)  # noqa: S608

    def _numbers(self, count: int, total: Decimal) -> dict[str, Stored]:
        """The columns that say how many and how much, in their order."""
        found: dict[str, Stored] = {"_count": count, "_sum": plain(total)}
        if self._rollup.orders:
            whole = max(-(2**63), min(2**63 - 1, int(total)))
            found |= {"_whole": whole, "_mean": _quotient(total, count) if count else 0.0}
        return found

    def _stands(self, group: str) -> bool:
        """Whether a group without records keeps its row: what it is about is there."""
        if not self._of_all:
            return False
        name = self._rollup.carries[0]
        found = self.sql.execute(f'SELECT "{name}" FROM {self._table} WHERE _group = ?', (group,)).fetchone()  # noqa: S608
        return found is not None and found[0] is not None

    def _carried(self, key: Stored) -> Sequence[Stored]:
        """The carried values of the record that is written about; nulls where it is gone."""
        names = ", ".join(f'"{name}"' for name in self._rollup.carries)
        found = self.sql.execute(f'SELECT {names} FROM "{self._about.table}" WHERE _key = ?', (key,)).fetchone()  # noqa: S608
        return found or (None,) * len(self._rollup.carries)

    def carry(self, before: Record | None, after: Record | None) -> None:
        """Has the rows follow the record that they are about."""
        values = [self._values(record) for record in (before, after)]
        if values[0] == values[1]:
            return
        (key,) = {getattr(record, "id") for record in (before, after) if record is not None}  # noqa: B009
        carried = values[1] or [None] * len(self._rollup.carries)
        sets = ", ".join(f'"{name}" = ?' for name in self._rollup.carries)
        where, mine = ("_group", group_text([key])) if self._of_all else (f'"{self._rollup.by[0]}"', key)
        done = self.sql.execute(f"UPDATE {self._table} SET {sets} WHERE {where} = ?", (*carried, mine))  # noqa: S608
        if self._of_all and after is None:
            self.sql.execute(f"DELETE FROM {self._table} WHERE _group = ? AND _count = 0", (mine,))  # noqa: S608
        elif self._of_all and done.rowcount == 0:
            self._insert(mine, [key], carried, self._numbers(0, Decimal(0)))

    def _values(self, record: Record | None) -> list[Stored]:
        if record is None:
            return []
        kinds = {column.name: column.kind for column in self._about.columns}
        return [to_stored(kinds[name], getattr(record, name)) for name in self._rollup.carries]


def _quotient(total: Decimal, count: int) -> float:
    """The quotient, rounded once."""
    whole = int(total)
    return whole / count if whole == total else float(Fraction(total) / count)


def kept(sql: Connection, collection: Collection, number: int) -> dict[str, Group]:
    """The groups of a roll-up as they are kept."""
    rows = sql.execute(f'SELECT _group, _count, _sum FROM "{collection.table}__rollup_{number}" WHERE _count > 0')  # noqa: S608
    return {group: (count, Decimal(total)) for group, count, total in rows}


def recomputed(sql: Connection, collection: Collection, number: int) -> dict[str, Group]:
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
        groups[group_text(values)] = (count + 1, EXACT.add(total, amount))
    return groups
