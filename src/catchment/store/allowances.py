"""How often people may write: counted in the writing transaction, so that all processes of a store count together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from ..errors import TooManyWrites
from ..rate import Rate, parse_rate
from ..resource import Resource
from ..settings import Settings
from .engines import Connection
from .tables import Collection
from .write import Write

__all__ = ["Rates", "rates", "take"]

Rates = Mapping[str, Rate | None]
"""Name of a setting -> the rate that it says; None for no limit."""


def rates(collections: Sequence[Collection], settings: Settings) -> Rates:
    """The rates that hold for these collections. UsageError: one of the settings is none."""
    resources = [item.feed for item in collections if isinstance(item.feed, Resource)]
    named = {limit.rate.name: limit.rate for resource in resources for limit in resource.limits}
    return {name: parse_rate(name, setting.text(settings)) for name, setting in named.items()}


def take(sql: Connection, write: Write, rates: Rates, now: datetime) -> None:
    """Counts a write of somebody's own. What comes to nothing takes its count back, with everything else that it did.

    Raises:
        TooManyWrites: one of its limits is reached.
    """
    if not write.as_owner:
        return
    for limit in write.resource.limits:
        rate = rates[limit.rate.name]
        if rate is not None and write.action in limit.actions:
            _take(sql, limit.rate.name, rate, write.principal.id, now.timestamp())


def _take(sql: Connection, name: str, rate: Rate, principal: str, now: float) -> None:
    """Never more than the limit in any span of its length: a write counts until so long after it."""
    sql.execute("DELETE FROM _taken WHERE free_at <= ?", (now,))
    row = sql.execute(
        "SELECT free_at FROM _taken WHERE name = ? AND principal = ? ORDER BY free_at DESC LIMIT 1 OFFSET ?",
        (name, principal, rate.burst - 1),
    ).fetchone()
    if row is not None:
        raise TooManyWrites(max(1, math.ceil(round(row[0] - now, 3))))
    free_at = now + round(rate.burst / rate.per_second, 6)
    sql.execute("INSERT INTO _taken (name, principal, free_at) VALUES (?, ?, ?)", (name, principal, free_at))
