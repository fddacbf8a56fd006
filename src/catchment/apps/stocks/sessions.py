"""On which days an exchange was open: from `exchange_calendars`, which only the extra `calendar` installs.

It is imported when it is first asked: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.util import find_spec
from itertools import groupby

__all__ = ["holes", "installed", "is_session", "sessions_of"]

FIRST = "1999-11-01"
"""The first day that the upstream has."""

EXCHANGES = {"LON": "XLON", "TRT": "XTSE", "TRV": "XTSE", "DEX": "XETR", "BSE": "XBOM", "SHH": "XSHG", "SHZ": "XSHG"}
"""Ending of a symbol -> its exchange; other endings are share classes (`BRK.B`) of New York."""


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec("exchange_calendars") is not None


def sessions_of(symbol: str) -> frozenset[date] | None:
    """The days on which the symbol's exchange was open; None where that is not known."""
    if not installed() or "=" in symbol or "^" in symbol:  # currencies and indices have days of their own
        return None
    return _sessions(EXCHANGES.get(symbol.rpartition(".")[2], "XNYS"))


@cache
def _sessions(exchange: str) -> frozenset[date]:
    from exchange_calendars import get_calendar

    return frozenset(day.date() for day in get_calendar(exchange, start=FIRST).sessions)


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
