"""What pages found out of a database and what still holds: counts and changes of a revision, runs that have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from ..clock import render_moment
from ..serve.data import Data
from ..store.attempts import Pass
from ..store.query import Query
from ..store.reader import Reader
from ..store.seen import State
from ..store.snapshot import Snapshot
from ..store.tables import Collection

__all__ = ["DAYS", "Remembered", "remembered"]

DAYS = 30
"""How far back the little charts of changes go."""
_MOST_RUNS = 1000


class Remembered:
    """Of one database. What depends on a revision is asked for once for each of them."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[State, int, bool]] = {}
        self._changes: dict[str, tuple[State, str, Mapping[str, int]]] = {}
        self._runs: dict[int, Pass] = {}

    # -- records ---------------------------------------------------------------------------------------------------

    def count(self, snapshot: Snapshot, collection: Collection, state: State) -> tuple[int, bool]:
        """How many records a collection has, and whether those are all: at first no further than a list is counted, so
        that the first page waits for none of them.
        """
        known = self._counts.get(collection.name)
        if known is None or known[0] != state:
            count, exact = snapshot.counted(collection, Query())
            known = self._counts[collection.name] = state, count or 0, exact
        return known[1:]

    def count_all(self, data: Data, collection: Collection) -> int:
        """How many there are. QueryError: 503 where that takes too long."""
        with data.reader.snapshot() as snapshot:
            state = data.note(snapshot, collection)
            count = snapshot.count(collection)
        self._counts[collection.name] = state, count, True
        return count

    # -- collecting ------------------------------------------------------------------------------------------------

    def changes(
        self, snapshot: Snapshot, states: Mapping[str, State], now: datetime
    ) -> Mapping[str, Mapping[str, int]]:
        """Collection -> day -> how many records changed. states: of the collections that are meant.

        An attempt that changed something raised the revision, so that of a revision they stay the same all day.
        """
        today = render_moment(now)[:10]
        stale = [name for name, state in states.items() if self._changes.get(name, ("", ""))[:2] != (state, today)]
        for name, days in snapshot.attempts.per_day(stale, now - timedelta(days=DAYS - 1)).items() if stale else ():
            self._changes[name] = states[name], today, days
        return {name: self._changes[name][2] for name in states}

    def runs(self, snapshot: Snapshot, apps: Sequence[str], limit: int) -> list[Pass]:
        """The last runs of these apps, newest first."""
        if len(self._runs) > _MOST_RUNS:
            self._runs.clear()
        return snapshot.attempts.runs(apps, limit, known=self._runs)


_of: WeakKeyDictionary[Reader, Remembered] = WeakKeyDictionary()
"""Of each database that this process reads."""


def remembered(data: Data) -> Remembered:
    """Of the database that this request reads."""
    return _of.setdefault(data.reader, Remembered())
