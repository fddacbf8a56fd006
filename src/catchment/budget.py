"""What an upstream allows, as arithmetic: may a request be sent now, and if not, when.

Short windows follow the generic cell rate algorithm (ITU-T I.371): one moment a window, the theoretical arrival time
of the next request. Days are counted by the calendar of their zone, since that is how upstreams reset them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

from .upstream import Budget, Window

__all__ = ["Count", "Wait", "day_of", "day_turns", "left_today", "pause_after_quota", "take"]

PAUSE, QUOTA = "pause", "quota"
SLACK = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Count:
    """How far one window is used: the day counted and its number, or the moment of the next free place."""

    period: str = ""
    used: int = 0
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: not before `until`, because of the window or pause called `reason`.

    kind: `rest`, where the upstream failed so often that it is left alone; `probe`, where one request finds out just
    now whether it is well again.
    """

    until: datetime
    reason: str
    kind: Literal["budget", "rest", "probe"] = "budget"


def take(budget: Budget, counts: Mapping[str, Count], now: datetime, weight: int = 1) -> dict[str, Count] | Wait:
    """The counts after one more request at `now`, or until when to wait. All windows must allow it, else none counts.

    weight: how much of each window it takes; never more than `Budget.heaviest`, for which there is no place ever.

    >>> from datetime import UTC
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> used = take(Budget("1/second", "25/day"), {}, now)
    >>> take(Budget("1/second", "25/day"), used, now).until - now
    datetime.timedelta(seconds=1, microseconds=100000)
    """
    pause = counts.get(PAUSE)
    if pause and pause.until and pause.until > now:
        return Wait(pause.until, pause.reason)
    taken: dict[str, Count] = {}
    waits: list[Wait] = []
    for window in budget.windows:
        step = _take(window, budget, counts.get(window.unit, Count()), now, weight)
        if isinstance(step, Wait):
            waits.append(step)
        else:
            taken[window.unit] = step
    return max(waits, key=lambda wait: wait.until) if waits else taken


def _take(window: Window, budget: Budget, count: Count, now: datetime, weight: int) -> Count | Wait:
    if window.unit == "day":
        today = day_of(budget, now)
        used = count.used if count.period == today else 0
        full = used + weight > window.count
        return Wait(day_turns(budget, now), "day") if full else Count(today, used + weight)
    interval = _interval(window, budget)
    # Never further ahead than a full burst: a clock that was set back must not keep an upstream shut.
    arrival = min(max(count.until or now, now), now + interval * budget.burst)
    free = arrival - interval * (budget.burst - weight)
    return Wait(free, window.unit) if free > now else Count(until=arrival + interval * weight)


def _interval(window: Window, budget: Budget) -> timedelta:
    """The distance of requests. Upstreams count them as they arrive: where one at a time may come, two that were sent
    in time can arrive too close together, and the second would be paid for nothing. So they keep a little more.
    """
    # Rounded up: a part of a microsecond too early, times the count, puts one request too many into the window.
    even = timedelta(microseconds=math.ceil(window.seconds * 1_000_000 / window.count))
    return even + min(even / 10, SLACK) if budget.burst == 1 else even


def day_of(budget: Budget, now: datetime) -> str:
    """The day that is counted at `now`, in the budget's zone."""
    return now.astimezone(budget.clock).date().isoformat()


def day_turns(budget: Budget, now: datetime) -> datetime:
    """The next midnight of the budget's zone, in UTC."""
    tomorrow = now.astimezone(budget.clock).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), budget.clock).astimezone(now.tzinfo)


def left_today(budget: Budget, counts: Mapping[str, Count], now: datetime) -> int | None:
    """What is left of the day, by weight; None where no day is counted. While the upstream says so there is none."""
    pause = counts.get(PAUSE, Count())
    for window in budget.windows:
        if window.unit == "day":
            if pause.reason == QUOTA and pause.until and pause.until > now:
                return 0
            count = counts.get("day", Count())
            return window.count - (count.used if count.period == day_of(budget, now) else 0)
    return None


def pause_after_quota(budget: Budget, counts: Mapping[str, Count], now: datetime, weight: int = 1) -> datetime:
    """Until when to leave an upstream alone that says its allowance is used up: until the day turns; one hour only
    where it says so at the first request of our day, whose start the upstream may see later. weight: of that request.
    """
    used = counts.get("day", Count())
    first = used.period == day_of(budget, now) and used.used <= weight
    return now + timedelta(hours=1) if first else day_turns(budget, now)
