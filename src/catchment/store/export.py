"""A whole list of one revision, read in pieces: each is a short question, however long who takes them needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import QueryError
from .cursors import Position
from .digits import Digits, digits_statement, read_digits
from .query import AsOf, Query
from .reader import Reader
from .seen import State
from .snapshot import Snapshot
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

    def digits(self, names: Sequence[str]) -> dict[str, Digits]:
        """How long the numbers of these decimal fields are, in what is exported. QueryError as of `pieces`."""
        if not names:
            return {}
        with self.reader.snapshot(DEADLINE_S) as snapshot:
            pinned = self._pinned(snapshot)
            query = replace(pinned, as_of=snapshot.points(self.collection).kept(pinned.as_of))
            (row,) = snapshot.ask(digits_statement(self.collection, query, names))
        return dict(zip(names, read_digits(row), strict=True))

    def _piece(self, position: Position | None) -> tuple[list[str], Position | None]:
        with self.reader.snapshot(DEADLINE_S) as snapshot:
            return snapshot.piece(self.collection, self._pinned(snapshot), position)

    def _pinned(self, snapshot: Snapshot) -> Query:
        """The query of the revision that stood when it began, whatever was committed since."""
        state = snapshot.state(self.collection)
        if state.generation != self.state.generation:
            raise QueryError("the collection was derived again meanwhile", kind="history-gone", status=410)
        if self.query.as_of is None and state.revision != self.state.revision:
            return replace(self.query, as_of=AsOf(revision=self.state.revision))
        return self.query
