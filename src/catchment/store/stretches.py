"""Stretches of time: by which part of a stored date or moment rows are put together, and when such a stretch begins.

Both engines know the first signs of a text; zones, weeks and quarters are counted here, so that they are the same.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from zoneinfo import ZoneInfo

from ..errors import QueryError
from ..grouping import BY_BUCKET

__all__ = ["Start", "beginning", "prefix", "read_zone", "together"]

Start = date | datetime

_EPOCH = "1970"
_WHOLE = "0000-01-01T00:00:00"
_DAY = 86_400
_HOUR, _MINUTE, _SECOND = 13, 16, 19
"""How many signs of a moment tell its hour, its minute and its second."""


def read_zone(text: str) -> ZoneInfo:
    """The zone of that name. QueryError where there is none."""
    if text not in _zones():
        message = f"zone: {text[:60]!r} is no time zone, e.g. Europe/London"
        raise QueryError(message, parameter="zone")
    return ZoneInfo(text)


@cache
def _zones() -> set[str]:
    return zoneinfo.available_timezones()


def prefix(bucket: str, zone: ZoneInfo | None) -> str:
    """The SQL of what rows are grouped by, `@` being the column. zone: None for dates, and for moments in UTC.

    In a zone it is the hour, or what is smaller where its clocks are not set by whole hours: some zones are half an
    hour off, and before 1970 many were off by seconds.
    """
    if zone is None:
        return f"substr(@, 1, {BY_BUCKET[bucket].length})"
    return f"CASE WHEN @ < '{_EPOCH}' THEN substr(@, 1, {_SECOND}) ELSE substr(@, 1, {_grain(zone)}) END"


def together(bucket: str, zone: ZoneInfo | None) -> bool:
    """Whether several of these prefixes may lie in one stretch."""
    return zone is not None or bucket in ("week", "quarter")


def beginning(bucket: str, zone: ZoneInfo | None) -> Callable[[str], Start]:
    """From a prefix to when its stretch begins: a date, of an hour a moment. QueryError where there is no such day."""
    if zone is not None:
        return partial(_begins_there, bucket, zone)
    return _begins_at if bucket == "hour" else partial(_begins, bucket)


def _begins_at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}:00:00+00:00")


def _begins(bucket: str, text: str) -> date:
    return _first_day(bucket, date.fromisoformat(text + _WHOLE[len(text) : 10]))


def _begins_there(bucket: str, zone: ZoneInfo, text: str) -> Start:
    try:
        there = datetime.fromisoformat(f"{text}{_WHOLE[len(text) :]}+00:00").astimezone(zone)
    except OverflowError as error:
        raise QueryError("zone: a moment lies outside of all years there", parameter="zone") from error
    if bucket == "hour":
        return there.replace(minute=0, second=0)
    return _first_day(bucket, there.date())


def _first_day(bucket: str, day: date) -> date:
    if bucket == "week":
        return day - timedelta(days=day.weekday())
    month = {"quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}.get(bucket, day.month)
    return day if bucket == "day" else date(day.year, month, 1)


@cache
def _grain(zone: ZoneInfo) -> int:
    """How many signs of a moment since 1970 tell what time it is there. After 2037 the rules of every zone repeat."""
    at = int(datetime(1970, 1, 1, tzinfo=UTC).timestamp())
    finest = _signs(_offset(zone, at))
    for day in range(at, at + 68 * 366 * _DAY, _DAY):
        if _offset(zone, day) != _offset(zone, day + _DAY):
            finest = max(finest, _signs(_offset(zone, day + _DAY)), _signs(_change(zone, day)))
    return finest


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _change(zone: ZoneInfo, day: int) -> int:
    """The second at which the clocks were set, within a day of which the ends differ."""
    low, high = day, day + _DAY
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == _offset(zone, day) else (low, middle)
    return high


def _signs(seconds: int) -> int:
    return _HOUR if seconds % 3600 == 0 else _MINUTE if seconds % 60 == 0 else _SECOND
