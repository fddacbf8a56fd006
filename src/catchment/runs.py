"""What a run is asked for, what is told while it goes on, and what came of it. Values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from .budget import Wait
from .plan import GOOD, Plan, Verdict
from .store.lease import Counts, Outcome

__all__ = ["Event", "Forecast", "OnEvent", "Result", "Scope", "Summary", "in_words"]


@dataclass(frozen=True)
class Scope:
    """What a person asked for.

    only: parameter -> wanted values. again: also what is not due. retry: also what ended incomplete before.
    feeds: by name; none means all.
    """

    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    again: bool = False
    retry: bool = True
    feeds: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for whoever shows it.

    planned: a feed has `total` partitions to ask. waiting: for a place in the budget, or before trying again, until
    `until`. ended: with `outcome`.
    """

    kind: Literal["planned", "started", "waiting", "ended"]
    feed: str
    partition: str = ""
    outcome: Outcome | None = None
    total: int = 0
    until: datetime | None = None
    reason: str = ""


OnEvent = Callable[[Event], None]

_WORDS: Mapping[str, str] = {
    "address": "the address is not allowed: see CATCHMENT_ALLOW_PRIVATE",
    "auth": "the upstream does not take the key",
    "budget": "what the upstream allows is used up",
    "closed": "the connection broke off",
    "connect": "nobody answers at the address",
    "name": "nobody knows the host of that name",
    "quota": "the upstream says that its allowance is used up",
    "stopped": "it was asked to end",
    "tls": "its certificate is not accepted",
}


def in_words(reason: str) -> str:
    """A reason as the ledger has it, and what it means where it is a word of ours alone: `name (nobody knows ...)`."""
    return f"{reason} ({_WORDS[reason]})" if reason in _WORDS else reason


@dataclass(frozen=True, slots=True)
class Result:
    """How one partition stands at the end of a run. verdict: None when it was not asked; then `reason` says why."""

    feed: str
    partition: str
    verdict: Verdict | None
    reason: str = ""
    counts: Counts = field(default_factory=Counts)
    until: datetime | None = None


@dataclass(frozen=True)
class Summary:
    """A run's results. fresh: how many partitions were not due, by feed. fault: why the app's `after` failed."""

    results: tuple[Result, ...]
    fresh: Mapping[str, int]
    fault: str = ""

    @property
    def complete(self) -> bool:
        """Whether every partition of the run says what its upstream said."""
        return not self.fault and all(result.verdict in GOOD for result in self.results)


@dataclass(frozen=True)
class Forecast:
    """What one feed's work costs and when it will be done.

    left: what is left of today's budget, by weight; None where no day is counted. done: when the last of them will have
    been sent. calls: how many requests that are, of partitions in pages as many as their last pass took; units: what
    they take of the budget. paused: until when nobody asks its upstream, and why.
    """

    plan: Plan
    left: int | None
    done: datetime
    calls: int
    paused: Wait | None = None

    @property
    def units(self) -> int:
        return self.calls * self.plan.feed.request.weight
