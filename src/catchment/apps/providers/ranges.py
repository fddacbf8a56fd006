"""Days on which a provider is free: both ends included as people write them, half-open numbers inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec

__all__ = [
    "EARLIEST",
    "LATEST",
    "DateRange",
    "Days",
    "Free",
    "day_number",
    "days_of",
    "first_free",
    "free_of",
    "merged",
    "spans",
    "wrong_range",
]

EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)
_ORIGIN = EARLIEST.toordinal()


class DateRange(msgspec.Struct, frozen=True):
    """Days, both included."""

    from_date: date
    to_date: date


class Days(msgspec.Struct, frozen=True, order=True):
    """The same as numbers of days since 1970-01-01: from `first` to before `end`."""

    first: int
    end: int


class Free(msgspec.Struct, frozen=True):
    """Days as they are searched. span: how many binary digits their number has, so about how many they are."""

    span: int
    first: int
    end: int


LONGEST = LATEST.toordinal() - _ORIGIN + 1


def spans(shortest: int) -> list[tuple[int, int]]:
    """The spans of ranges of that many days or more, each with the number of days that none of it reaches."""
    return [(span, 2**span) for span in range(shortest.bit_length(), LONGEST.bit_length() + 1)]


def free_of(item: DateRange) -> Free:
    """The range as it is searched."""
    days = days_of(item)
    return Free((days.end - days.first).bit_length(), days.first, days.end)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _ORIGIN


def days_of(item: DateRange) -> Days:
    """The range as half-open numbers."""
    return Days(day_number(item.from_date), day_number(item.to_date) + 1)


def _range_of(item: Days) -> DateRange:
    return DateRange(date.fromordinal(item.first + _ORIGIN), date.fromordinal(item.end - 1 + _ORIGIN))


def wrong_range(item: DateRange) -> str:
    """Why the range cannot be, "" when it can."""
    if item.from_date > item.to_date:
        return "from_date is after to_date"
    if item.from_date < EARLIEST or item.to_date > LATEST:
        return f"is not within the years {EARLIEST.year} to {LATEST.year}"
    return ""


def merged(ranges: Iterable[DateRange]) -> list[DateRange]:
    """The same days in the fewest ranges, ascending: what overlaps or adjoins is one. Needs ranges that can be."""
    found: list[Days] = []
    for item in sorted(map(days_of, ranges)):
        if found and item.first <= found[-1].end:
            found[-1] = Days(found[-1].first, max(found[-1].end, item.end))
        else:
            found.append(item)
    assert all(one.end < other.first for one, other in pairwise(found))
    return list(map(_range_of, found))


def first_free(free: Sequence[Days], wanted: Sequence[Days], need: int) -> date | None:
    """The first day of the earliest run of free days inside a wanted range that is long enough; None for none.

    need: days of the run; a wanted range that is shorter needs to be free as a whole. 0: it always does.
    """
    starts = [
        start
        for asked in wanted
        for item in free
        if (start := max(item.first, asked.first)) + _needed(asked, need) <= min(item.end, asked.end)
    ]
    return EARLIEST + timedelta(days=min(starts)) if starts else None


def _needed(asked: Days, need: int) -> int:
    return min(need, asked.end - asked.first) if need else asked.end - asked.first
