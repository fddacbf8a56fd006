"""How often something may be done, as arithmetic: so many in a time, and so many at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import UsageError

__all__ = ["Rate", "parse_rate", "take_one"]

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_ROUNDING_S = 1e-6
"""What moments since 1970 lose as doubles is less, and nobody waits for that long."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second in the long run, and so many at once."""

    per_second: float
    burst: int


def parse_rate(name: str, text: str) -> Rate | None:
    """The rate that a setting means: `10/second,50` (50 at once), `20/hour` (20 at once); None for `off`.

    Raises:
        UsageError: it is neither; a limit that is misspelt does not lift itself.
    """
    if text == "off":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,6})/(second|minute|hour)(?:,([1-9][0-9]{0,6}))?", text)
    if match is None:
        raise UsageError(f"{name}={text} is no limit", hint="write e.g. 10/second,50 (a rate, and how many at once)")
    count, unit, burst = match.groups()
    return Rate(int(count) / _SECONDS[unit], int(burst or count))


def take_one(rate: Rate, full_at: float, now: float) -> tuple[float, float]:
    """When everything will be free again after one more, and 0; or that it is as it was, and the seconds to wait.

    full_at: when everything is free again (a moment that has passed: it is); seconds, as `now`, which never goes back.
    """
    each, full_at = 1 / rate.per_second, max(full_at, now)
    wait = full_at + each - now - rate.burst * each
    return (full_at, wait) if wait > _ROUNDING_S else (full_at + each, 0.0)
