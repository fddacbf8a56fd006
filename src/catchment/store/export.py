"""A whole list of one revision, read in pieces: each is a short question, however long who takes them needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..errors import QueryError
from .cursors import Position
from .query import AsOf, Query
from .reader import Reader
from .seen import State
from .tables import Collection

__all__ = ["AT_A_TIME", "Export"]

AT_A_TIME = 1000
DEADLINE_S = 30.0
"""Of one piece: one in an order that no index has is long by nature."""


@dataclass(frozen=True, slots=True)
class Export:
    """The records that a query asks for, as they stood at one revision. state: when it began."""

    reader: Reader
    collection: Collection
    query: Query
    state: State

    @classmethod
    def begin(cls, reader: Reader, collection: Collection, query: Query) -> Export:
        """The export of what stands now, or of what the query's `as_of` means. QueryError: 410 for what is not kept."""
        with reader.snapshot() as snapshot:
            state = snapshot.state(collection)
            snapshot.points(collection, state).kept(query.as_of)
            return cls(reader, collection, replace(query, limit=AT_A_TIME), state)

    def pieces(self) -> Iterator[list[str]]:
        """The records' JSON in the query's order, some at a time; by key where it has none.

        Raises:
            QueryError: 410 where what is exported was removed, or derived again, meanwhile.
        """
        position: Position | None = None
        while True:
            found, position = self._piece(position)
            if found:
                yield found
            if position is None:
                return

    def _piece(self, position: Position | None) -> tuple[list[str], Position | None]:
        with self.reader.snapshot(DEADLINE_S) as snapshot:
            state = snapshot.state(self.collection)
            if state.generation != self.state.generation:
                raise QueryError("the collection was derived again meanwhile", kind="history-gone", status=410)
            as_of = self.query.as_of
            if as_of is None and state.revision != self.state.revision:
                as_of = AsOf(revision=self.state.revision)
            return snapshot.piece(self.collection, replace(self.query, as_of=as_of), position)
