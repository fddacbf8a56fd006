"""Rate limits as upstreams keep them: by key, on the stand-in's clock. Refused calls are not counted."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

__all__ = ["Bucket", "Daily", "Limit", "Meter", "Sliding"]

KEPT = timedelta(days=2)


class Limit(Protocol):
    """A rule over the past calls of one key."""

    def full(self, past: deque[datetime], now: datetime) -> bool:
        """Whether one more call now would be too many. past: accepted calls, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Sliding:
    """At most `count` calls in any span of `seconds`."""

    count: int
    seconds: float

    def full(self, past: deque[datetime], now: datetime) -> bool:
        start = now - timedelta(seconds=self.seconds)
        return len(past) >= self.count and past[-self.count] > start


@dataclass(frozen=True, slots=True)
class Daily:
    """At most `count` calls on one calendar day of `zone`."""

    count: int
    zone: str

    def full(self, past: deque[datetime], now: datetime) -> bool:
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        return len(past) >= self.count and past[-self.count].astimezone(zone).date() >= today


class Meter:
    """The calls of each key, and whether one more is allowed."""

    def __init__(self) -> None:
        self._past: defaultdict[str, deque[datetime]] = defaultdict(deque)

    def refusal(self, key: str, now: datetime, *limits: Limit) -> Limit | None:
        """The first of `limits` that a call now would break; None when it is allowed, and then it is counted."""
        past = self._past[key]
        while past and past[0] < now - KEPT:
            past.popleft()
        broken = next((limit for limit in limits if limit.full(past, now)), None)
        if broken is None:
            past.append(now)
        return broken

    def clear(self) -> None:
        self._past.clear()


class Bucket:
    """A leaky bucket for each key: a call pours one in, `per_second` leak out, at most `burst` fit."""

    def __init__(self) -> None:
        self._level: dict[str, tuple[float, datetime]] = {}

    def pour(self, key: str, now: datetime, *, per_second: float, burst: int) -> bool:
        """Whether the call fits; only then it is counted."""
        level, since = self._level.get(key, (0.0, now))
        level = max(0.0, level - (now - since).total_seconds() * per_second)
        fits = level + 1 <= burst
        self._level[key] = (level + 1 if fits else level, now)
        return fits

    def clear(self) -> None:
        self._level.clear()
