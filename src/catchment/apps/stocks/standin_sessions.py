"""Sessions of the exchange, in local dates."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

__all__ = ["evening", "sessions"]

EASTERN = ZoneInfo("America/New_York")
EPOCH = date(1999, 11, 1)

CLOSED = {
    date(2001, 9, 11), date(2001, 9, 12), date(2001, 9, 13), date(2001, 9, 14), date(2004, 6, 11), date(2007, 1, 2),
    date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9),
}  # fmt: skip


def evening(now: datetime) -> date:
    """The last date whose bar, if it has one, is out: bars appear at 16:30 Eastern."""
    local = now.astimezone(EASTERN)
    return local.date() if (local.hour, local.minute) >= (16, 30) else local.date() - timedelta(days=1)


@lru_cache(maxsize=32)
def sessions(until: date) -> tuple[date, ...]:
    """Trading days from the first one served up to `until`, oldest first."""
    days = (EPOCH + timedelta(days=count) for count in range((until - EPOCH).days + 1))
    return tuple(day for day in days if day.weekday() < 5 and day not in holidays(day.year))


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """Weekdays of the year on which the exchange stays closed."""
    fixed = [date(year, 7, 4), date(year, 12, 25), *([date(year, 6, 19)] if year >= 2022 else [])]
    moved = {day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0)) for day in fixed}
    new_year = date(year, 1, 1)  # one on a Saturday is not moved into the old year
    moved.add(new_year + timedelta(days=1) if new_year.weekday() == 6 else new_year)
    memorial = nth(year, 5, 0, 5) if nth(year, 5, 0, 5).month == 5 else nth(year, 5, 0, 4)
    mondays = {nth(year, 1, 0, 3), nth(year, 2, 0, 3), memorial, nth(year, 9, 0, 1)}
    return frozenset(moved | mondays | {nth(year, 11, 3, 4), easter(year) - timedelta(days=2)} | CLOSED)


def nth(year: int, month: int, weekday: int, count: int) -> date:
    """The n-th such weekday of the month, which may lie beyond it."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def easter(year: int) -> date:
    """Easter Sunday. Source: the anonymous Gregorian algorithm."""
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    day = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * day) // 451
    month, rest = divmod(h + day - 7 * m + 114, 31)
    return date(year, month, rest + 1)
