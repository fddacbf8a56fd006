"""What is due, in which order, at what cost; and when a partition is asked again. Pure: the time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import xxhash

from .budget import Count, Wait, take
from .feed import Feed
from .partitions import Expected, Partition
from .upstream import NEVER, Budget

__all__ = [
    "END",
    "GOOD",
    "PARKED",
    "REFUSED_FOR",
    "Plan",
    "State",
    "Task",
    "Verdict",
    "calls",
    "due_at",
    "forecast",
    "plan",
    "retry_at",
]

Verdict = Literal["complete", "unchanged", "pending", "partial", "refused", "failed"]

GOOD = frozenset({"complete", "unchanged"})
"""The verdicts after which a partition says what its upstream said."""

REFUSED_FOR = timedelta(days=30)
"""How long a partition is left alone that its upstream will not answer."""

PARKED = timedelta(hours=1)
"""Our own waits after failures are no longer: a longer one was asked for, and holds also where a person asks."""

AT_ONCE = datetime.min.replace(tzinfo=UTC)

END = "no more"
"""The reason of a partition that was counted on trial, and that its upstream does not have: that is all there is."""


@dataclass(frozen=True, slots=True)
class State:
    """What the ledger knows of a partition.

    verdict: None before its first attempt ended. stamp: of the row for which it was last collected. merged: whether
    an answer was ever stored. held: a worker has it.
    """

    partition: Partition
    verdict: Verdict | None = None
    reason: str = ""
    checked_at: datetime | None = None
    collected_at: datetime | None = None
    first_collected_at: datetime | None = None
    retry_at: datetime | None = None
    failures: int = 0
    records: int = 0
    stamp: str = ""
    merged: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A partition to be asked for now.

    why: `never collected`, `changed`, `scheduled`, `incomplete`, `asked for` or `named`. stamp, probe: as expected.
    """

    partition: Partition
    why: str
    state: State
    stamp: str = ""
    probe: bool = False


@dataclass(frozen=True)
class Plan:
    """One feed's share of a run.

    due: to be asked, in this order. held: expected, but not asked, with the reason. good: how many need nothing now.
    waiting: not due, though the last attempt did not end well. next: when the next one is due.
    paused: how many were due, had an operator not paused the feed: nothing is then; None where nobody has.
    """

    feed: Feed
    due: tuple[Task, ...]
    held: tuple[Expected, ...]
    good: int
    waiting: tuple[State, ...]
    next: datetime | None
    paused: int | None = None

    @property
    def left_alone(self) -> Plan:
        """The same where an operator has paused the feed."""
        return replace(self, due=(), held=(), next=None, paused=len(self.due))

    @property
    def empty(self) -> bool:
        """Whether nothing at all is expected."""
        return not (self.due or self.held or self.good or self.waiting or self.paused)


def plan(
    feed: Feed,
    expected: Iterable[Expected],
    states: Mapping[str, State],
    now: datetime,
    *,
    retry: bool = False,
    again: bool = False,
    named: bool = False,
) -> Plan:
    """What one feed has to do now: never collected ones in the order of their source, then the stalest.

    Args:
        states: partition key -> what the ledger knows.
        retry: a person asks: what ended incomplete before is due at once.
        again: everything is due, whatever the schedule says, but what was refused forever.
        named: so it is, a person having named each of these.
    """
    due: list[Task] = []
    held: list[Expected] = []
    later: list[tuple[datetime, State]] = []
    for item in expected:
        state = states.get(item.partition.key, State(item.partition))
        if item.partition.listing:  # the ledger does not know it, and whoever reads the answer needs it
            state = replace(state, partition=item.partition)
        if item.reason:
            held.append(item)
            continue
        moment = due_at(feed, state)
        why = _why(state, moment, now, retry=retry, asked="named" if named else "asked for" if again else "")
        if not why and _is_changed(feed, state, item.stamp):
            why = "changed"
        if why:
            due.append(Task(item.partition, why, state, item.stamp, item.probe))
        else:
            later.append((moment, state))
    due.sort(key=lambda task: task.state.checked_at or AT_ONCE)
    waiting = tuple(state for _, state in later if state.verdict not in GOOD)
    soonest = min((moment for moment, _ in later if moment != NEVER), default=None)
    return Plan(feed, tuple(due), tuple(held), len(later) - len(waiting), waiting, soonest)


def _why(state: State, moment: datetime, now: datetime, *, retry: bool, asked: str) -> str:
    if state.verdict is None:
        return "never collected"
    if asked and state.retry_at != NEVER:
        return asked
    if retry and (_may_pass(state) or _may_be_mended(state)):
        return "incomplete"
    return "scheduled" if moment <= now else ""


def _is_changed(feed: Feed, state: State, stamp: str) -> bool:
    """Whether the row of a collected partition is another by now. Where either stamp is not known, nothing is said."""
    asked = feed.due is not None and feed.due.changed and state.verdict in GOOD
    return asked and bool(state.stamp and stamp) and state.stamp != stamp


def _may_pass(state: State) -> bool:
    """Whether a failure is one that nobody asked this partition to wait for: a quota is its whole upstream's."""
    if state.verdict not in ("failed", "partial"):
        return False
    if state.reason == "quota":
        return True
    return state.retry_at is None or state.checked_at is None or state.retry_at <= state.checked_at + PARKED


def _may_be_mended(state: State) -> bool:
    """Whether a refusal was about us (a key, a plan), not about the partition: a person may have mended that."""
    if state.verdict != "refused" or state.retry_at is None or state.checked_at is None:
        return False
    return state.retry_at < state.checked_at + REFUSED_FOR


def due_at(feed: Feed, state: State) -> datetime:
    """When a partition is asked again.

    After a failure not before `retry_at`; otherwise at the next slot of its schedule, or, where the feed settles,
    at the distance that its age asks for; with `due=` at the age that is this partition's own.
    """
    if state.verdict is None or state.checked_at is None:
        return AT_ONCE
    if state.retry_at is not None:
        return state.retry_at
    if state.verdict in GOOD and feed.due is not None and state.merged:
        return state.checked_at + own_age(feed, state.partition) if feed.due.ages else NEVER
    if state.verdict in GOOD and state.first_collected_at and feed.settle is not None:
        settled = state.checked_at - state.first_collected_at >= feed.settle
        return (feed.reconcile if settled else feed.reread or feed.schedule).next_after(state.checked_at)
    return feed.schedule.next_after(state.checked_at)


def own_age(feed: Feed, partition: Partition) -> timedelta:
    """The age at which this partition is asked again: always the same one in the span that `due=` gives."""
    assert feed.due is not None
    assert feed.due.ages is not None
    low, high = feed.due.ages
    place: int = xxhash.xxh3_64_intdigest(f"{feed.name}/{partition.key}".encode())
    return low + (high - low) * (place / 2**64)


def retry_at(verdict: Verdict, failures: int, now: datetime, *, until: datetime | None = None) -> datetime | None:
    """Not before when an incomplete partition is asked again; None leaves it to the schedule.

    Args:
        failures: how many attempts in a row have failed, this one among them.
        until: what the upstream or its budget says.

    1, 2, 4 … 60 minutes after failures; `REFUSED_FOR` after a refusal, which no repetition mends.
    """
    if until is not None:
        return until
    if verdict in ("failed", "partial"):
        return now + min(timedelta(minutes=2 ** min(failures - 1, 6)), PARKED)
    if verdict == "refused":
        return now + REFUSED_FOR
    return None


def calls(due: Sequence[Task], pages: Mapping[str, int]) -> int:
    """How many requests partitions take that are due: as many as their last pass took.

    Args:
        pages: partition key -> that number, where it is known. Others take what those took on average, at least one.
    """
    usual = -(-sum(pages.values()) // len(pages)) if pages else 1
    return sum(pages.get(task.partition.key, usual) for task in due)


def forecast(weights: Iterable[int], budget: Budget, counts: Mapping[str, Count], now: datetime) -> datetime:
    """When requests of these weights will have been sent in this order, by the arithmetic by which they are sent."""
    used = dict(counts)
    moment = now
    for weight in weights:
        while isinstance(step := take(budget, used, moment, weight), Wait):
            moment = step.until
        used.update(step)
    return moment


def only(expected: Iterable[Expected], wanted: Mapping[str, Sequence[str]], *, ask: bool) -> list[Expected]:
    """Those that a person named. ask: also where the list does not have them: naming one asks for it once."""
    found = [item for item in expected if item.partition.matches(wanted)]
    return [replace(item, reason="") for item in found] if ask else found
