"""On which days an exchange was open: from `exchange_calendars`, which only the extra `calendar` installs.

To import it takes seconds, and as much memory as a server. So what the locked release says stands in `sessions.json`,
and only another one is asked itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

__all__ = [
    "EXCHANGES",
    "KEPT",
    "LIBRARY",
    "NEW_YORK",
    "holes",
    "installed",
    "is_session",
    "kept_sessions",
    "library_sessions",
    "sessions_of",
    "weekdays",
]

FIRST, LAST = date(1999, 11, 1), date(2027, 12, 31)
"""The first day that the upstream has, and the last one that is kept of an exchange that says its holidays so far."""

LIBRARY = "exchange_calendars"
KEPT = Path(__file__).with_name("sessions.json")

NEW_YORK = "XNYS"
EXCHANGES = {"LON": "XLON", "TRT": "XTSE", "TRV": "XTSE", "DEX": "XETR", "BSE": "XBOM", "SHH": "XSHG", "SHZ": "XSHG"}
"""Ending of a symbol -> its exchange; other endings are share classes (`BRK.B`) of New York."""


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec(LIBRARY) is not None


def sessions_of(symbol: str) -> frozenset[date] | None:
    """The days on which the symbol's exchange was open; None where that is not known."""
    if not installed() or "=" in symbol or "^" in symbol:  # currencies and indices have days of their own
        return None
    return _sessions(EXCHANGES.get(symbol.rpartition(".")[2], NEW_YORK))


@cache
def _sessions(exchange: str) -> frozenset[date]:
    kept = json.loads(KEPT.read_text())
    return kept_sessions(exchange) if kept["release"] == version(LIBRARY) else library_sessions(exchange)


def kept_sessions(exchange: str) -> frozenset[date]:
    """The sessions that `sessions.json` has: weekdays, but for those that it names, and the weekend's that it names."""
    kept = json.loads(KEPT.read_text())["exchanges"][exchange]
    return weekdays(date.fromisoformat(kept["last"])).symmetric_difference(map(date.fromisoformat, kept["others"]))


def library_sessions(exchange: str) -> frozenset[date]:
    """The same, as the library says it now."""
    from exchange_calendars import get_calendar

    bound = type(get_calendar(exchange)).bound_max()
    last = min(LAST, bound.date()) if bound else LAST
    return frozenset(day.date() for day in get_calendar(exchange, start=FIRST, end=last).sessions)


def weekdays(last: date) -> frozenset[date]:
    """From the first day that the upstream has to this one."""
    days = (FIRST + timedelta(days=number) for number in range((last - FIRST).days + 1))
    return frozenset(day for day in days if day.weekday() < 5)


def is_session(symbol: str, day: date) -> bool | None:
    """Whether the exchange was open; None where that is not known."""
    known = sessions_of(symbol)
    return day in known if known and min(known) <= day <= max(known) else None


def holes(days: Iterable[date], steps: Iterable[date]) -> list[list[date]]:
    """The days in runs that nothing interrupts. steps: all days that could be, in any order.

    >>> holes([date(2024, 1, 5), date(2024, 1, 8)], [date(2024, 1, 4) + timedelta(days=n) for n in (0, 1, 4, 5)])
    [[datetime.date(2024, 1, 5), datetime.date(2024, 1, 8)]]
    """
    places = {day: place for place, day in enumerate(sorted(steps))}
    numbered = enumerate(sorted(days))
    return [[day for _, day in run] for _, run in groupby(numbered, key=lambda pair: places[pair[1]] - pair[0])]
