"""When to try again: rules without I/O."""

from __future__ import annotations

import random as chance
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ..upstream import Meaning

__all__ = ["next_wait", "retry_after"]

_LONGEST_NUMBER = 10  # digits of seconds: more is no waiting time
_LONGEST_THROTTLE_S = 60.0


def next_wait(
    meaning: Meaning,
    attempt: int,
    waits: Sequence[float],
    *,
    throttled_s: float = 1.0,
    random: Callable[[], float] = chance.random,
) -> timedelta | None:
    """How long to wait before the same request is sent again; None: it is not.

    With `waits=(1, 2, 4, 8)` a fault that may pass is tried five times, 1, 2, 4 and 8 s apart, each stretched by up
    to a quarter so that workers do not come back together. Throttling waits 1, 2, 4 … 60 s for as long as it is asked
    for: it is no failed try. A meaning with `tries` of its own takes those, the last wait again where there are no
    more. What the upstream says (`meaning.wait`) is never undercut.

    Args:
        attempt: how many answers of this kind there were, from 1.
        waits: seconds after the first, second … try.
        throttled_s: seconds after the first throttling; doubled each time.
        random: an even draw from 0 (included) to 1.
    """
    asked = meaning.wait or timedelta(0)
    if meaning.kind == "throttled":
        return asked or timedelta(seconds=min(throttled_s * 2.0 ** min(attempt - 1, 10), _LONGEST_THROTTLE_S))
    if meaning.kind != "transient" or attempt >= (meaning.tries or len(waits) + 1):
        return None
    seconds = waits[min(attempt, len(waits)) - 1] if waits else 0
    return max(asked, timedelta(seconds=seconds * (1 + random() / 4)))


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
