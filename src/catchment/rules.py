"""What a feed may say about whole answers and about fields that another collection fills; the rules are pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from .errors import DeclarationError
from .partitions import Partition

__all__ = ["MASS_VANISH", "Answered", "Attribute", "Confirm", "Doubt", "Guard", "Lookup", "Met", "doubt"]


@dataclass(frozen=True, slots=True)
class Met:
    """A record of an answer, and the one that is stored under its key; None where there is none."""

    record: Any
    before: Any


class Answered(Protocol):
    """A whole answer as a guard sees it: each `Met` record, as often as it is looked through, and what they came in."""

    @property
    def partition(self) -> Partition:
        """What was asked for."""

    def bodies(self) -> Iterator[Any]:
        """What was answered, page by page: JSON as values, anything else as text."""

    def __iter__(self) -> Iterator[Met]:
        """The records."""


Guard = Callable[[Answered], str]
"""From a whole answer to why nothing of it may be stored; "" where it may."""


class Lookup(Protocol):
    """Finds records of another collection by their key: `lookup("17.0.0.1")`; None where there is none, or where what
    is stored of it was said too long ago.
    """

    @property
    def at(self) -> datetime | None:
        """When that was said: the record found last; before one was found, the whole. None: never, or too long ago."""

    def __call__(self, *key: Any) -> Any:
        """The record of that key."""


Attribute = Callable[[Any, Lookup, Any], Any]
"""From a record, a way to look up others, and the record stored under its key (or None) to the record filled."""


@dataclass(frozen=True)
class Confirm:
    """Which answers have to be said twice: those that leave too few of a partition's records, or none.

    after: the second answer is asked for so long after the first. share: how much of the records it may lose and be
    believed at once, 0 to 1. least: partitions of fewer records are believed at once. empty: an answer without
    records waits too where nothing was ever stored.
    """

    after: timedelta = timedelta(0)
    share: float = 0.5
    least: int = 1
    empty: bool = False

    def __post_init__(self) -> None:
        if self.after < timedelta(0):
            raise DeclarationError("Confirm: after", "is a time from now on", hint="e.g. timedelta(hours=24)")
        if not 0 <= self.share <= 1:
            raise DeclarationError("Confirm: share", f"{self.share} is no share", hint="from 0 to 1, e.g. 0.5")
        if self.least < 1:
            raise DeclarationError("Confirm: least", "is at least 1")


MASS_VANISH = Confirm(least=20)
"""What holds for every feed that retires: more than half of at least 20 records are not given up on one answer's word.

Source: the fault "mass vanish" (half of at least 20 records; a second run confirms).
"""


@dataclass(frozen=True, slots=True)
class Doubt:
    """An answer that has to be said again. since: when it was first said. empty: where nothing was ever stored."""

    since: datetime
    again: datetime
    reason: str
    empty: bool = False


def doubt(
    rule: Confirm, before: int, left: int, *, collected: bool, first: datetime | None, said: datetime
) -> Doubt | None:
    """Why an answer is not believed yet; None where it is.

    Args:
        before, left: records of the partition that are stored, and that would be after this answer.
        collected: whether the partition was ever merged.
        first: when an answer was first in doubt, with none since that was not; None when none is.
        said: when the upstream said this one.
    """
    reason = _reason(rule, before, left, collected)
    if not reason or (first is not None and first < said and said - first >= rule.after):
        return None
    since = first or said
    return Doubt(since, since + rule.after, reason, empty=not before)


def _reason(rule: Confirm, before: int, left: int, collected: bool) -> str:
    if not before:
        return "empty" if rule.empty and not left and not collected else ""
    if before >= rule.least and (not left or before - left > rule.share * before):
        return f"{left} of {before} records left"
    return ""
