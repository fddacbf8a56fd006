"""What is due, what it costs and when it will be done, by the arithmetic by which it is sent. Nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from litestar import Response, get

from ..app import App
from ..budget import left_today
from ..clock import render_moment
from ..errors import DeclarationError, UsageError
from ..feed import Feed
from ..plan import calls, forecast
from ..planner import Planner
from ..runs import Scope
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from .data import Data
from .desk import Ask, data_of, given_of, json_answer, look

__all__ = ["HANDLERS", "Ahead", "Plans", "ahead"]

MOST = 5000
"""Requests whose end is computed: each takes a step."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What one feed has to do. due: partitions that are asked for now. next: when another one is due.

    calls: requests that those take, about; left: what its upstream allows today, by weight, None where no day is
    counted. done: when the last of them will have been sent; None where nothing is due, or it is too much to tell.
    paused: nothing is asked, due is what would be. fault: why it cannot be planned, "" where it can.
    """

    collection: str
    due: int
    next: str | None
    calls: int
    left: int | None
    done: str | None
    paused: bool
    fault: str


class Plans(TypedDict):
    """What every feed has to do."""

    data: list[Ahead]


class _Standing:
    """A clock for which it is always this moment."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    async def sleep(self, seconds: float) -> None:
        """Nothing is waited for."""


def ahead(snapshot: Snapshot, collections: Sequence[Collection], data: Data) -> list[Ahead]:
    """What each feed among these has to do; those of one app in the order in which they are collected."""
    found = []
    for name in dict.fromkeys(item.app for item in collections):
        wanted = [item.feed.name for item in collections if item.app == name and isinstance(item.feed, Feed)]
        every = [item.feed for item in data.reader.collections.values() if item.app == name]
        app = App(name, [feed for feed in every if isinstance(feed, Feed)])
        found += _of_app(snapshot, app, wanted, data)
    return found


def _of_app(snapshot: Snapshot, app: App, wanted: Sequence[str], data: Data) -> list[Ahead]:
    planner = Planner(app, snapshot.planning, data.settings, _Standing(data.now))
    owed: dict[str, list[int]] = {}
    feeds = planner.feeds(Scope()) if app.feeds else []
    return [_of_feed(snapshot, planner, app, feed, owed, data) for feed in feeds if feed.name in wanted]


def _of_feed(
    snapshot: Snapshot, planner: Planner, app: App, feed: Feed, owed: dict[str, list[int]], data: Data
) -> Ahead:
    name, now = app.collection(feed), data.now
    try:
        todo = planner.plan(feed, Scope(retry=False))
    except (DeclarationError, UsageError) as error:  # whoever collects is told the same
        return Ahead(name, 0, None, 0, None, None, paused=False, fault=str(error))
    budget, upstream = feed.upstream.budget_now(data.settings), feed.upstream.name
    counts = snapshot.budgets.counts(upstream)
    needed = calls(todo.due, snapshot.planning.ledger.pages(name) if feed.paged else {})
    owed.setdefault(upstream, []).extend([feed.request.weight] * needed)
    alone = snapshot.budgets.left_alone(upstream, now)
    told = needed > 0 and len(owed[upstream]) <= MOST
    done = forecast(owed[upstream], budget, counts, alone.until if alone else now) if told else None
    return Ahead(
        name,
        len(todo.due) if todo.paused is None else todo.paused,
        render_moment(todo.next) if todo.next else None,
        needed,
        left_today(budget, counts, now),
        render_moment(done) if done else None,
        paused=todo.paused is not None,
        fault="",
    )


@get("/v1/_/plan")
async def plan(request: Ask) -> Response[bytes]:
    """What is due, what it costs and when it will be done under the budget."""
    _, names = given_of(request, "/v1/_/plan")
    data = data_of(request)
    chosen = [item for item in data.visible() if item.name in names]
    found = await look(request, lambda snapshot: ahead(snapshot, chosen, data))
    return json_answer({"data": found})


HANDLERS = (plan,)
