"""What upstreams still allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..budget import day_turns, left_today
from ..clock import render_moment
from ..feed import Feed
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from ..upstream import Upstream
from .data import Data

__all__ = ["Allowance", "allowances"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an upstream allows. windows: as declared, or as a setting has them. left: requests until `resets`, None
    where no day is counted. paused_until, reason: how long it is left alone, and why; None and "" where it is not.
    """

    upstream: str
    windows: list[str]
    left: int | None
    resets: str | None
    paused_until: str | None
    reason: str


def allowances(snapshot: Snapshot, collections: Sequence[Collection], data: Data) -> list[Allowance]:
    """What the upstreams of these collections allow, each once."""
    feeds = [item.feed for item in collections if isinstance(item.feed, Feed)]
    upstreams = {feed.upstream.name: feed.upstream for feed in feeds}
    return [_allowance(snapshot, upstream, data) for upstream in upstreams.values()]


def _allowance(snapshot: Snapshot, upstream: Upstream, data: Data) -> Allowance:
    budget, now = upstream.budget_now(data.settings), data.now
    left = left_today(budget, snapshot.budgets.counts(upstream.name), now)
    alone = snapshot.budgets.left_alone(upstream.name, now)
    return Allowance(
        upstream.name,
        list(map(str, budget.windows)),
        left,
        render_moment(day_turns(budget, now)) if left is not None else None,
        render_moment(alone.until) if alone else None,
        alone.reason if alone else "",
    )
