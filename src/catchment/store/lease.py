"""The right to write a partition, and what came of it: the values that the ledger takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..drift import Drift
from ..partitions import Partition
from ..plan import Verdict

__all__ = ["Counts", "Instead", "Lease", "Outcome", "Pass"]

Raw = bytes
"""A row of an answer, as it was said."""


@dataclass(frozen=True, slots=True)
class Instead:
    """The parameters with which a partition is asked in the place of its own, and until when. Without any it is asked
    as declared, until it is to be reconciled.
    """

    query: tuple[tuple[str, str], ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one partition, for as long as its token is the partition's.

    number: of the pass. etag, last_modified, digest, model: of what was merged last. stamp: of the row for which it
    is collected. doubted_at: when an answer was first said that still waits to be said again. instead: how it is asked
    at present, where its own parameters were refused.
    """

    feed: str
    partition: Partition
    token: int
    attempt: int
    number: int
    etag: str
    last_modified: str
    digest: str
    model: str
    stamp: str = ""
    doubted_at: datetime | None = None
    instead: Instead | None = None

    @property
    def label(self) -> str:
        return f"{self.feed} {self.partition.key}".rstrip()


@dataclass(frozen=True, slots=True)
class Counts:
    """What an attempt did, in records: received = new + changed + back + same + duplicate + conflict + rejected."""

    received: int = 0
    new: int = 0
    changed: int = 0
    back: int = 0
    same: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. until: when the partition may be asked again, where something says so.

    goes_on: the next attempt goes on with this one's pass, from where it ended.
    doubted_at: when the answer was first said, where it is to be said again before it is believed.
    instead: how it was asked, where its own parameters are refused.
    drift, sample: what is not as it was, and some of the rows that were decoded, in which more of that may be seen.
    """

    verdict: Verdict
    reason: str = ""
    until: datetime | None = None
    counts: Counts = Counts()
    requests: int = 0
    bytes: int = 0
    etag: str = ""
    last_modified: str = ""
    digest: str = ""
    goes_on: bool = False
    doubted_at: datetime | None = None
    drift: tuple[Drift, ...] = ()
    sample: tuple[Raw, ...] = ()
    instead: Instead | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass that has ended: what one attempt, or several that went on where one broke off, were told.

    attempt: the one that ended it, with its verdict and reason.
    """

    partition: Partition
    number: int
    attempt: int
    verdict: Verdict
    reason: str
