"""When to try again: rules without I/O."""

from __future__ import annotations

import random as chance
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ..errors import FetchError
from ..exchange import Answer

__all__ = ["Retry", "next_wait", "retry_after"]

# 408 and 425 ask for it, 429 and 503 promise it, the others are a server's or a gateway's bad moment.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_NUMBER = 10  # digits of seconds: more is no waiting time


@dataclass(frozen=True)
class Retry:
    """How often and how long apart one request is tried.

    attempts: tries in all. base_s, factor, cap_s: the n-th wait is at most base_s * factor ** (n - 1), never over
    cap_s. jitter: the wait is drawn evenly between 0 and that.
    waits: seconds to wait instead, exactly; the last one repeats.

    Source: reliability figures in use elsewhere: 5 attempts, factor 2, cap 300 s; full jitter spreads workers best.
    """

    attempts: int = 5
    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 300.0
    jitter: bool = True
    waits: tuple[float, ...] = ()

    def longest(self, attempt: int) -> float:
        """Seconds to wait at most after the `attempt`-th try (from 1), before jitter."""
        if self.waits:
            return self.waits[min(attempt, len(self.waits)) - 1]
        wait = self.base_s
        for _ in range(attempt - 1):  # not a power: that overflows after a thousand tries
            if wait >= self.cap_s:
                break
            wait *= self.factor
        return min(wait, self.cap_s)


def next_wait(
    outcome: Answer | FetchError,
    attempt: int,
    policy: Retry,
    *,
    retry_after: timedelta | None = None,
    random: Callable[[], float] = chance.random,
) -> timedelta | None:
    """How long to wait before the next try; None: do not try again.

    Without jitter the default policy waits 1 s, 2 s, 4 s, 8 s and gives up after the fifth try; with `random` always
    0.5 it waits 0.5 s, 1 s, 2 s, 4 s. `Retry(attempts=4, waits=(1, 10))` waits 1 s, 10 s, 10 s.
    `retry_after=30 s` makes each of these waits 30 s; a `retry_after` of 0 leaves them as they are.

    Args:
        attempt: the number of tries made, from 1.
        retry_after: what the upstream asked for; never waits less. Over an hour is the caller's to reschedule.
        random: an even draw from 0 (included) to 1.
    """
    if attempt >= policy.attempts or not _passing(outcome):
        return None
    wait = policy.longest(attempt)
    if policy.jitter and not policy.waits:
        wait *= random()
    return max(timedelta(seconds=wait), retry_after or timedelta(0))


def _passing(outcome: Answer | FetchError) -> bool:
    if isinstance(outcome, FetchError):
        return outcome.retry
    return outcome.status in PASSING


def retry_after(header: str, now: datetime) -> timedelta | None:
    """How long a `Retry-After` header asks to wait; None when it says nothing that can be understood.

    `120` is two minutes; an HTTP date the time until then; a past date 0. `-5`, `soon`, `1.5` and an empty one are
    None. Ten years are ten years: judging that is the caller's.

    Source: RFC 9110, section 10.2.3.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text)) if len(text) <= _LONGEST_NUMBER else None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(aware - now, timedelta(0))
