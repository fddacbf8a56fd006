"""Whether an upstream that fails again and again is asked at all, as arithmetic over what every process knows of it.

Closed: it is asked. After `MOST` faults in a row, each given up after all its tries, one request goes alone (the
probe), and up to `DOUBTS` more, one after the other: it may be just these partitions that are broken. Where none of
them is answered it is open: nobody asks for a while, then one probe goes. Answered, it closes; else the rest is twice
as long. A fault is a transient one: an upstream that refuses, or says that its allowance is used up, is well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .budget import Wait

__all__ = ["CLOSED", "DOUBTS", "LONGEST", "MOST", "REST", "Breaker", "Turn", "enter", "failed", "let_try", "resting"]

MOST = 5
"""Faults in a row after which an upstream is asked for one thing at a time."""

DOUBTS = 5
"""Probes that may fail before it is left alone. Those that were under way beside the faults are among them."""

REST, LONGEST = timedelta(seconds=60), timedelta(minutes=30)
"""The first rest; it doubles with every probe that fails, up to the longest."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of an upstream's faults. faults: in a row. until: nobody asks before then; None: closed.

    probing: one request is under way alone; where nothing is heard of it, the next one goes at `until`. reason: of
    the last fault.
    """

    faults: int = 0
    until: datetime | None = None
    probing: bool = False
    reason: str = ""


CLOSED = Breaker()


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to send one request. probe: it alone is sent. faults: that there were in a row before it."""

    probe: bool = False
    faults: int = 0


def enter(breaker: Breaker, now: datetime) -> Breaker | Wait:
    """What is known once one more request is sent at `now` (it is the probe where that says `probing`), or until when
    to wait.
    """
    if breaker.until is None:
        return breaker
    if breaker.until > now:
        return resting(breaker)
    return replace(breaker, until=now + REST, probing=True)


def resting(breaker: Breaker) -> Wait:
    """The wait before an open breaker."""
    assert breaker.until is not None
    said = f"resting: {breaker.faults} faults in a row, the last {breaker.reason}"
    return Wait(breaker.until, said, "probe" if breaker.probing else "rest")


def failed(breaker: Breaker, now: datetime, reason: str, *, probe: bool) -> Breaker:
    """What is known after a request was given up. What was sent before it opened says nothing more than that.

    >>> from datetime import UTC
    >>> now, breaker = datetime(2026, 1, 1, tzinfo=UTC), CLOSED
    >>> for number in range(10):
    ...     breaker = failed(breaker, now, "503", probe=number >= 5)
    >>> breaker.until - now, failed(breaker, now, "503", probe=True).until - now
    (datetime.timedelta(seconds=60), datetime.timedelta(seconds=120))
    """
    if breaker.until is not None and not probe:
        return breaker
    faults = breaker.faults + 1
    return Breaker(faults, now + _rest(faults) if faults >= MOST else None, reason=reason)


def let_try(breaker: Breaker, now: datetime) -> Breaker:
    """What is known where a person asks: the next request is a probe, whatever is left of the rest."""
    return replace(breaker, until=min(breaker.until, now), probing=False) if breaker.until else breaker


def _rest(faults: int) -> timedelta:
    if faults < MOST + DOUBTS:
        return timedelta(0)
    doubled: int = 2 ** min(faults - MOST - DOUBTS, 10)
    return min(REST * doubled, LONGEST)
