"""What changed in a collection, one change after another: derived from its versions, in the order of (revision, key).

A change is known by its position, `revision:number`: the number counts the changes of one revision, by their keys. The
order is that of two indexes, so a page costs what it holds, wherever it begins.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..errors import QueryError
from ..record import Column
from .engines import Connection
from .query import Order
from .sql import order_by, still_there
from .tables import Collection

if TYPE_CHECKING:
    from .seen import State

__all__ = ["Change", "Changed", "Changes", "Position", "parse_position", "withdrawn"]

_POSITION = re.compile(r"(0|[1-9][0-9]{0,17})(?::([1-9][0-9]{0,8}))?\Z")


@dataclass(frozen=True, slots=True)
class Position:
    """Behind one change of a revision, or (number 0) behind all of it. key: of that change, where it is known."""

    revision: int
    number: int = 0
    key: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.revision}:{self.number}" if self.number else str(self.revision)


def parse_position(text: str, parameter: str = "after") -> Position:
    """The position that a text says: `12` is behind all of revision 12, `12:3` behind its third change."""
    found = _POSITION.match(text)
    if not found:
        message = f"{parameter}: {text[:60]!r} is no position, e.g. 12 or 12:3"
        raise QueryError(message, parameter=parameter)
    return Position(int(found[1]), int(found[2] or 0))


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one record. document: the record's JSON since then; None when it is gone.

    fields: of a changed one, which differ. before: the JSON that was there, where it was asked for.
    """

    position: Position
    at: str
    kind: Literal["new", "changed", "gone", "back"]
    key: str
    fields: tuple[str, ...] = ()
    document: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Some changes. position: behind the last of them. more: whether there are others behind that."""

    changes: Sequence[Change]
    position: Position
    more: bool
    state: State


def withdrawn(collection: str) -> str:
    """Where `_meta` has the revision that took something away of which no version tells: a feed of changes that began
    before it cannot go on.
    """
    return f"withdrawn {collection}"


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a collection, as of one moment of the store."""

    connection: Connection
    collection: Collection
    state: State

    def after(self, position: Position, limit: int, columns: Sequence[Column]) -> Changed:
        """The changes behind a position, at most so many.

        columns: the fields whose differences are told; with fewer than all, `before` is filled.

        Raises:
            QueryError: 410 where not everything behind the position is kept, or it is of another history.
        """
        self._check(position)
        start = self._start(position)
        found = self._all(start, limit + 1, columns)
        more = len(found) > limit
        changes = list(self._told(found[:limit], start, columns))
        here = changes[-1].position if more else Position(self.state.revision)
        return Changed(changes, here, more, self.state)

    def oldest(self) -> int:
        """The oldest revision behind which everything is kept."""
        sql = "SELECT value FROM _meta WHERE name = ?"
        row = self.connection.execute(sql, (withdrawn(self.collection.name),)).fetchone()
        return max(self.state.horizon, int(row[0]) if row else 0)

    def _check(self, position: Position) -> None:
        oldest, newest = self.oldest(), self.state.revision
        if oldest <= position.revision <= newest and self._was(position.revision):
            return
        raise QueryError(
            f"after: not everything since then is kept: the oldest usable position is {oldest}, the newest {newest};"
            " take the whole collection anew, and go on from the revision of that",
            kind="history-gone",
            status=410,
            parameter="after",
        )

    def _was(self, revision: int) -> bool:
        """Whether there was that revision here: those that were lost before a backup was restored are no others'."""
        if revision in (self.state.horizon, self.state.revision):
            return True
        return bool(self._moments(revision, revision))

    # -- where to begin ------------------------------------------------------------------------------------------------

    def _start(self, position: Position) -> _Mark:
        """The place behind a position. One that does not say its key is looked for by its number."""
        if not position.number:
            return _Mark(position.revision + 1, "", 0)
        key = position.key or self._key_of(position)
        return _Mark(position.revision, key, position.number) if key else _Mark(position.revision + 1, "", 0)

    def _key_of(self, position: Position) -> str:
        current, versions = self._tables
        parts = [
            f"SELECT _key AS k FROM {current} WHERE _revision = ?1",  # noqa: S608 (declared names)
            f"SELECT _key FROM {versions} WHERE _revision = ?1",  # noqa: S608
            f"SELECT _key FROM {versions} WHERE _until_revision = ?1 AND _gone = 1",  # noqa: S608
            *(
                f"SELECT t._key FROM {current} AS t JOIN _commit AS c ON c.partition = t.{name}"  # noqa: S608
                " WHERE c.collection = ?2 AND c.generation = ?3 AND c.revision = ?1"
                for name in self._links
            ),
        ]
        sql = f"SELECT k FROM ({' UNION '.join(parts)}) AS found ORDER BY k LIMIT 1 OFFSET ?4"  # noqa: S608
        values = (position.revision, self.collection.name, self.state.generation, position.number - 1)
        row = self.connection.execute(sql, values).fetchone()
        return str(row[0]) if row else ""

    @property
    def _tables(self) -> tuple[str, str]:
        return f'"{self.collection.table}"', f'"{self.collection.versions}"'

    @property
    def _links(self) -> list[str]:
        """The fields by which its records are about what else people wrote: they are hidden when that goes."""
        return [f'"{name}"' for _, name in self.collection.targets]

    # -- what is there -------------------------------------------------------------------------------------------------

    def _all(self, start: _Mark, limit: int, columns: Sequence[Column]) -> list[_Row]:
        """The first changes from there on, in their order; one a key and revision."""
        begun = self._begun(start, limit, columns)
        # A version that ends and is not gone ends where another one begins: no further than those is to be looked.
        end = _Mark(begun[-1].revision, begun[-1].key, 0) if len(begun) == limit else _END
        gone = self._gone(start, end, limit)
        hidden = [row for name in self._links for row in self._hidden(name, start, end, limit)]
        merged = heapq.merge(begun, gone, sorted(hidden, key=_place), key=_place)
        return list(_once(merged))[:limit]

    def _begun(self, start: _Mark, limit: int, columns: Sequence[Column]) -> list[_Row]:
        """The versions that begin there, each with what it differs in from the one before."""
        names = [f'"{column.name}"' for column in columns]
        own = ", ".join(
            ["_revision AS r", "_key AS k", "_version AS v", "{document} AS d"]
            + [f"{name} AS c{number}" for number, name in enumerate(names)]
        )
        behind = f"WHERE (_revision, _key) > (?1, ?2){_IN_ORDER} LIMIT ?3"
        current, versions = self._tables
        # Of what was deleted since, and is not shown, there is no document: it is told as gone from the first.
        documents = {current: "_doc", versions: f"CASE WHEN {still_there(self.collection)} THEN _doc END"}
        sides = " UNION ALL ".join(
            f"SELECT * FROM (SELECT {own.format(document=document)} FROM {table} {behind}) AS side_{number}"  # noqa: S608
            for number, (table, document) in enumerate(documents.items())
        )
        differs = " || ".join(
            f"CASE WHEN w.c{number} IS DISTINCT FROM p.{name} THEN '{number} ' ELSE '' END"
            for number, name in enumerate(names)
        )
        before = "NULL" if len(columns) == len(self.collection.columns) else "p._doc"
        sql = (
            "SELECT w.r, w.k, w.v, w.d, p._until_revision,"  # noqa: S608 (declared names)
            f" CASE WHEN p._key IS NOT NULL THEN {differs} END, {before} FROM ({sides}{_BY_PLACE} LIMIT ?3) AS w"
            f" LEFT JOIN {self._tables[1]} AS p ON p._key = w.k AND p._version = w.v - 1 ORDER BY w.r, w.k"
        )
        rows = self.connection.execute(sql, (start.revision, start.key, limit)).fetchall()
        return [_Row(*row) for row in rows]

    def _gone(self, start: _Mark, end: _Mark, limit: int) -> list[_Row]:
        sql = (
            f"SELECT _until_revision, _key FROM {self._tables[1]} WHERE (_until_revision, _key) > (?, ?)"  # noqa: S608
            f" AND (_until_revision, _key) <= (?, ?) AND _gone = 1{order_by([Order('_until_revision')])} LIMIT ?"
        )
        values = (start.revision, start.key, end.revision, end.key, limit)
        return [_Row(*row) for row in self.connection.execute(sql, values).fetchall()]

    def _hidden(self, name: str, start: _Mark, end: _Mark, limit: int) -> list[_Row]:
        """The records that are shown no more since what they are about is gone: a commit says what went."""
        sql = (
            f"SELECT c.revision, t._key FROM _commit AS c JOIN {self._tables[0]} AS t ON t.{name} = c.partition"  # noqa: S608
            " WHERE c.collection = ? AND c.generation = ? AND c.revision BETWEEN ? AND ?"
            " AND (c.revision, t._key) > (?, ?) AND (c.revision, t._key) <= (?, ?) ORDER BY c.revision, t._key LIMIT ?"
        )
        places = (start.revision, end.revision, start.revision, start.key, end.revision, end.key)
        values = (self.collection.name, self.state.generation, *places, limit)
        return [_Row(*row) for row in self.connection.execute(sql, values).fetchall()]

    # -- what is told of it --------------------------------------------------------------------------------------------

    def _told(self, rows: Sequence[_Row], start: _Mark, columns: Sequence[Column]) -> Iterator[Change]:
        if not rows:
            return
        moments = self._moments(rows[0].revision, rows[-1].revision)
        revision, number = start.revision, start.number
        for row in rows:
            number = number + 1 if row.revision == revision else 1
            revision = row.revision
            yield _change(row, number, moments.get(revision, ""), columns)

    def _moments(self, first: int, last: int) -> dict[int, str]:
        sql = "SELECT revision, at FROM _commit WHERE collection = ? AND generation = ? AND revision BETWEEN ? AND ?"
        values = (self.collection.name, self.state.generation, first, last)
        return dict(self.connection.execute(sql, values).fetchall())


_IN_ORDER = order_by([Order("_revision")])
_BY_PLACE = order_by([Order("r")], key="k")


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place between changes: behind that key of that revision, which is its change of that number."""

    revision: int
    key: str
    number: int


@dataclass(frozen=True, slots=True)
class _Row:
    """A change as it was found. version: 0 where something ended. ended: when the version before did."""

    revision: int
    key: str
    version: int = 0
    document: str | None = None
    ended: int | None = None
    differs: str | None = None
    before: str | None = None


_END = _Mark(2**62, "", 0)


def _place(row: _Row) -> tuple[int, str]:
    return row.revision, row.key


def _once(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Of what ends and begins anew in one commit, the beginning: those stand first."""
    last = None
    for row in rows:
        if _place(row) != last:
            yield row
        last = _place(row)


def _change(row: _Row, number: int, at: str, columns: Sequence[Column]) -> Change:
    position = Position(row.revision, number, row.key)
    if not row.version or row.document is None:
        return Change(position, at, "gone", row.key)
    if row.ended == row.revision:
        fields = tuple(columns[int(place)].name for place in (row.differs or "").split())
        return Change(position, at, "changed", row.key, fields, row.document, row.before)
    return Change(position, at, "new" if row.version == 1 else "back", row.key, (), row.document)
