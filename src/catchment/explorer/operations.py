"""What an operator looks at: how complete each collection is, what is due, budgets, orders, runs, rejects and drift."""

from __future__ import annotations

from collections.abc import Collection as Keys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..clock import render_moment
from ..errors import QueryError
from ..feed import Feed
from ..plan import due_at
from ..serve import freshness
from ..serve.ahead import Ahead, ahead
from ..serve.allowance import Allowance, allowances
from ..serve.data import Data
from ..serve.orders import OrderDesk
from ..serve.status import partitions_of
from ..store.attempts import Attempt, Pass, Tried
from ..store.desk import Noted, Reason, Rejected
from ..store.orders import Order
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from ..upstream import NEVER
from .grid import DAYS, MEANINGS, Grid, Row, by_day, counts, grid, square
from .links import completeness_of
from .remembered import remembered

__all__ = [
    "Asked",
    "Completeness",
    "Desk",
    "Rejects",
    "Run",
    "Standing",
    "completeness",
    "desk",
    "last_runs",
    "rejects",
    "run",
]

DRIFT_SHOWN, RUNS_SHOWN, ATTEMPTS_SHOWN, ORDERS_SHOWN = 20, 12, 20, 10
REJECTS_SHOWN, TRIES_SHOWN = 20, 100
PATIENCE_S = 10.0
"""An operator's page asks what nobody makes longer by a parameter; it has to be there when the machine is busy."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What operators asked for lately, and whether somebody takes it. idle: the apps that nobody collects."""

    orders: Sequence[Order]
    idle: Sequence[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """One collection: how many of its partitions stand how, the worst first."""

    name: str
    href: str
    states: Mapping[str, int]
    paused: bool

    @property
    def all(self) -> int:
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Desk:
    """The one screen."""

    standings: Sequence[Standing]
    asked: Asked
    ahead: Sequence[Ahead]
    allowances: Sequence[Allowance]
    runs: Sequence[Pass]
    rejects: Sequence[Reason]
    drift: Sequence[Noted]


@dataclass(frozen=True, slots=True)
class Completeness:
    """One collection's grid. chosen: the partition that was asked for, with its last attempts, newest first.

    means: what its square says. again: the moment from which it is asked again, None where it is not.
    """

    collection: Collection
    states: Mapping[str, int]
    grid: Grid
    paused: bool
    asked: Asked
    chosen: Row | None
    means: str
    again: str | None
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and a page of its attempts, the latest first. next: before which the next page begins."""

    run: Pass
    attempts: Sequence[Tried]
    next: int | None


@dataclass(frozen=True, slots=True)
class Rejects:
    """A page of one collection's rejects. one: that was asked for, whole. next: behind which the next page begins."""

    collection: Collection
    reasons: Sequence[Reason]
    rows: Sequence[Rejected]
    one: Rejected | None
    next: int | None
    asked: Asked


def desk(data: Data, orders: OrderDesk) -> Desk:
    """How things stand, of all that this reader may read."""
    visible = data.visible()
    names = [item.name for item in visible]
    feeds = [item for item in visible if isinstance(item.feed, Feed)]
    with data.reader.snapshot(PATIENCE_S) as snapshot:
        paused = {item.collection for item in snapshot.desk.paused(names)}
        return Desk(
            [_standing(snapshot, item, data, paused) for item in feeds],
            _asked(snapshot, orders, feeds),
            ahead(snapshot, feeds, data),
            allowances(snapshot, feeds, data),
            last_runs(data, snapshot),
            snapshot.desk.reasons(names),
            snapshot.desk.drift(names, limit=DRIFT_SHOWN),
        )


def last_runs(data: Data, snapshot: Snapshot) -> Sequence[Pass]:
    """The last runs that this reader may read, newest first."""
    return remembered(data).runs(snapshot, sorted({item.app for item in data.visible()}), RUNS_SHOWN)


def _standing(snapshot: Snapshot, item: Collection, data: Data, paused: Keys[str]) -> Standing:
    due = freshness.due(item.feed, data.now, data.settings)
    states = counts(partitions_of(snapshot, item, data), due)
    return Standing(item.name, completeness_of(item.name), states, item.name in paused)


def _asked(snapshot: Snapshot, orders: OrderDesk, feeds: Sequence[Collection]) -> Asked:
    collected = orders.collecting(snapshot)
    found = snapshot.desk.orders([item.name for item in feeds], limit=ORDERS_SHOWN)
    return Asked(found, sorted({item.app for item in feeds} - set(collected)))


def completeness(
    data: Data, orders: OrderDesk, collection: Collection, partition: str | None, until: str
) -> Completeness:
    """The grid of one collection, of the times until then. QueryError: 404 for what people write, and for a partition
    that there is not.
    """
    if collection.written:
        raise QueryError("what people write has no partitions", kind="not-found", status=404)
    due = freshness.due(collection.feed, data.now, data.settings)
    with data.reader.snapshot(PATIENCE_S) as snapshot:
        rows = partitions_of(snapshot, collection, data)
        shown = [row["key"] for row in by_day(rows, due)]
        attempts = snapshot.attempts.since(collection.name, shown, data.now - timedelta(days=DAYS))
        own = snapshot.attempts.last(collection.name, partition, ATTEMPTS_SHOWN) if partition is not None else []
        paused, asked = bool(snapshot.desk.paused([collection.name])), _asked(snapshot, orders, [collection])
        again = _again(snapshot, data, collection, partition)
    chosen = next((row for row in rows if row["key"] == partition), None)
    if partition is not None and chosen is None:
        raise QueryError("there is no such partition", kind="not-found", status=404)
    means = MEANINGS[square(chosen, due, data.now).state][1] if chosen else ""
    squares = grid(rows, attempts, due, data.now, until)
    return Completeness(collection, counts(rows, due), squares, paused, asked, chosen, means, again, own)


def _again(snapshot: Snapshot, data: Data, collection: Collection, partition: str | None) -> str | None:
    """The moment from which a partition is asked again; None where it is not, or nobody has asked yet."""
    state = snapshot.planning.ledger.states(collection.name).get(partition or "") if partition is not None else None
    if state is None or state.verdict is None or not isinstance(collection.feed, Feed):
        return None
    moment = due_at(collection.feed.as_set(data.settings), state)
    return None if moment == NEVER else render_moment(moment)


def run(data: Data, number: int, before: int | None) -> Run:
    """One run, with its attempts from before that one. QueryError: 404 for none that this reader may read."""
    visible = data.visible()
    with data.reader.snapshot(PATIENCE_S) as snapshot:
        found = snapshot.attempts.run(number, sorted({item.app for item in visible}))
        names = [item.name for item in visible]
        attempts = snapshot.attempts.tried(names, TRIES_SHOWN + 1, run=number, before=before)
    if found is None:
        raise QueryError("there is no such run", kind="not-found", status=404)
    following = attempts[TRIES_SHOWN - 1].id if len(attempts) > TRIES_SHOWN else None
    return Run(found, attempts[:TRIES_SHOWN], following)


def rejects(data: Data, orders: OrderDesk, collection: Collection, after: int, number: int | None) -> Rejects:
    """The rejects of one collection. QueryError: 404 for one that there is not."""
    names = [collection.name]
    with data.reader.snapshot(PATIENCE_S) as snapshot:
        rows = snapshot.desk.rejects(names, after=after, limit=REJECTS_SHOWN + 1)
        one = snapshot.desk.reject(names, number) if number is not None else None
        reasons, asked = snapshot.desk.reasons(names), _asked(snapshot, orders, [collection])
    if number is not None and one is None:
        raise QueryError("there is no such reject", kind="not-found", status=404)
    following = rows[REJECTS_SHOWN - 1].id if len(rows) > REJECTS_SHOWN else None
    return Rejects(collection, reasons, rows[:REJECTS_SHOWN], one, following, asked)
