"""How often people may write: counted in the writing transaction, so that all processes of a store count together."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime

from ..errors import TooManyWrites
from ..rate import Rate, parse_rate, take_one
from ..resource import Resource
from ..settings import Settings
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


def take(sql: sqlite3.Connection, write: Write, rates: Rates, now: datetime) -> None:
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


def _take(sql: sqlite3.Connection, name: str, rate: Rate, principal: str, now: float) -> None:
    sql.execute("DELETE FROM _allowance WHERE full_at <= ?", (now,))  # whose rows say what no row says
    row = sql.execute("SELECT full_at FROM _allowance WHERE name = ? AND principal = ?", (name, principal)).fetchone()
    full_at, wait = take_one(rate, row[0] if row else now, now)
    if wait:
        raise TooManyWrites(math.ceil(wait))
    sql.execute("INSERT OR REPLACE INTO _allowance VALUES (?, ?, ?)", (name, principal, full_at))
