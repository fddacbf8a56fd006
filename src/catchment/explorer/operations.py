"""What an operator looks at: how complete each collection is, what budgets have left, runs, rejects and drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..errors import QueryError
from ..feed import Feed
from ..serve import freshness
from ..serve.allowance import Allowance, allowances
from ..serve.data import Data
from ..serve.status import partitions_of
from ..store.attempts import Attempt, Pass
from ..store.desk import Noted, Reason
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from .grid import DAYS, Grid, Row, counts, grid
from .links import completeness_of

__all__ = ["Completeness", "Desk", "Standing", "completeness", "desk"]

DRIFT_SHOWN, RUNS_SHOWN, ATTEMPTS_SHOWN = 20, 12, 20


@dataclass(frozen=True, slots=True)
class Standing:
    """One collection: how many of its partitions stand how, the worst first."""

    name: str
    href: str
    states: Mapping[str, int]

    @property
    def all(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Desk:
    """The one screen."""

    standings: Sequence[Standing]
    allowances: Sequence[Allowance]
    runs: Sequence[Pass]
    rejects: Sequence[Reason]
    drift: Sequence[Noted]


@dataclass(frozen=True, slots=True)
class Completeness:
    """One collection's grid. chosen: the partition that was asked for, with its last attempts, newest first."""

    collection: Collection
    states: Mapping[str, int]
    grid: Grid
    chosen: Row | None
    attempts: Sequence[Attempt]


def desk(data: Data) -> Desk:
    """How things stand, of all that this reader may read."""
    visible = data.visible()
    names = [item.name for item in visible]
    feeds = [item for item in visible if isinstance(item.feed, Feed)]
    with data.reader.snapshot() as snapshot:
        return Desk(
            [_standing(snapshot, item, data) for item in feeds],
            allowances(snapshot, feeds, data),
            snapshot.attempts.runs(sorted({item.app for item in visible}), RUNS_SHOWN),
            snapshot.desk.reasons(names),
            snapshot.desk.drift(names, limit=DRIFT_SHOWN),
        )


def _standing(snapshot: Snapshot, item: Collection, data: Data) -> Standing:
    due = freshness.due(item.feed, data.now, data.settings)
    return Standing(item.name, completeness_of(item.name), counts(partitions_of(snapshot, item, data), due))


def completeness(data: Data, collection: Collection, partition: str | None) -> Completeness:
    """The grid of one collection. QueryError: 404 for what people write, and for a partition that there is not."""
    if collection.written:
        raise QueryError("what people write has no partitions", kind="not-found", status=404)
    due = freshness.due(collection.feed, data.now, data.settings)
    with data.reader.snapshot() as snapshot:
        rows = partitions_of(snapshot, collection, data)
        attempts = snapshot.attempts.since(collection.name, data.now - timedelta(days=DAYS))
    chosen = next((row for row in rows if row["key"] == partition), None)
    if partition is not None and chosen is None:
        raise QueryError("there is no such partition", kind="not-found", status=404)
    own = [item for item in reversed(attempts) if item.partition == partition][:ATTEMPTS_SHOWN]
    return Completeness(collection, counts(rows, due), grid(rows, attempts, due, data.now), chosen, own)
