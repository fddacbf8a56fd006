"""What is seen at one moment of the store: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Due", "Freshness", "Item", "Page", "Run", "State", "Version"]


@dataclass(frozen=True, slots=True)
class State:
    """What a collection's answers depend on."""

    generation: int
    revision: int
    horizon: int
    changed_at: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. body: the records' JSON joined by commas. count: None when not asked for."""

    body: str
    count: int | None
    count_exact: bool
    next: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Item:
    """One record's JSON as it is or was. revision, changed_at: of the commit that brought this version."""

    body: str
    version: int
    said_at: str
    revision: int
    changed_at: str | None
    state: State


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a record; until, until_revision: None while it holds. author: of what people write, who wrote it."""

    version: int
    said_at: str
    until: str | None
    revision: int
    until_revision: int | None
    gone: bool
    run: int | None
    attempt: int
    exchange: int
    record: str
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Moments for judging age: a partition collected before `stale` (a closed one: before `closed_stale`) is stale.

    closed: a partition first collected before this is closed; "" when none ever is.
    """

    stale: str
    closed: str = ""
    closed_stale: str = ""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old a collection is. oldest: of the partitions that are still re-read, or of all when none is.

    collected: False for what people write, which has no partitions and no age.
    """

    oldest: str | None
    newest: str | None
    partitions: int
    stale: int
    missing: int
    collected: bool = True


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over what was due. ended_at: None while it goes on, and where its process died before its end.

    running: whether a worker is at it.
    """

    started_at: datetime
    ended_at: datetime | None
    running: bool
