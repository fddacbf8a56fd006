"""From a partition's answers to its records: decode, merge, commit. Fresh answers and archived ones alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain, pairwise
from typing import Any

import structlog

from .choices import new_values
from .decode import Entry, Reject, Seen, decode, from_document, model_digest, row_digest
from .drift import SAMPLED
from .erased import Erased
from .errors import DecodeError, MergeOutdated, PagingError, StoreUnavailable
from .failpoints import failpoint
from .feed import CONTENT, RETIRE, Compared, Feed
from .fill import Filler, Lookup
from .merge import STORED, Change, Changes, Fold, Found, Known, compare
from .partitions import Partition
from .rules import Doubt, Met, doubt
from .split import content_of, raw_rows
from .spool import Content
from .store.archive import Exchange
from .store.engines import Undone
from .store.erasing import Burn
from .store.filled import Source
from .store.lease import Counts, Lease, Outcome
from .store.records import Origin, Records, batches
from .store.room import BATCH, Pile
from .store.stage import Stage
from .unread import held_back

__all__ = ["derive"]

log = structlog.get_logger("catchment.derive")

TRIES = 5

MOST_REJECTED, FEW = 0.2, 5
"""Up to a fifth of a page's rows, and of all, may be rejects; fewer than five are never taken for a changed upstream
while another row can be read."""


def derive(
    feed: Feed,
    lease: Lease,
    pages: Sequence[Exchange],
    records: Records,
    outcome: Outcome,
    now: datetime,
    *,
    body_of: Callable[[Exchange], Content] = lambda page: page.answer.content,
    settled: frozenset[str] = frozenset(),
) -> Outcome:
    """Commits what the answers say, as one change of the collection; gives the verdict `complete` with its counts.

    An answer that is not believed on its own word changes nothing: `partial`, or `pending` where nothing was stored.

    Args:
        outcome: what is known of the attempt already.
        body_of: gives a page's body; read one by one.
        settled: the keys that a walk just before found on two pages, or on none: found so again, they count.
    Raises:
        DecodeError: an answer is not of the declared shape, or the feed's guard refuses it. Nothing is stored.
        PagingError: rows may have moved between pages: a key is on two, or a stored one on none. Nothing is stored.
        LeaseLost: another worker has the partition by now. Nothing is stored.
        StoreUnavailable: so it is after `TRIES` tries, each of which another one was in the way of.
    """
    why = ""
    for number in range(1, TRIES + 1):
        try:
            return _once(feed, lease, pages, records, outcome, now, body_of=body_of, settled=settled)
        except (MergeOutdated, Undone) as error:
            why = error.message
            log.info("compared again", feed=lease.feed, partition=lease.partition.key, tries=number, why=why)
    raise StoreUnavailable(f"{lease.label}: given up after {TRIES} comparisons: {why}")


def _once(
    feed: Feed,
    lease: Lease,
    pages: Sequence[Exchange],
    records: Records,
    outcome: Outcome,
    now: datetime,
    *,
    body_of: Callable[[Exchange], Content],
    settled: frozenset[str],
) -> Outcome:
    model, erased = model_digest(feed), records.erased()
    filler = Filler(feed, records, now) if feed.derived else None
    with Stage() as stage:
        known = records.known(lease.partition.key, stage.room)
        # Where fields are derived every row is looked at: what is filled may be other though its bytes are known.
        seen = known if lease.model == model and filler is None else Known()
        fold = Fold(feed, known, stage.room)
        fold, rejects, read = _read(
            feed, lease, map(body_of, pages), fold, stage, seen=seen, model=model, erased=erased
        )
        unlisted = new_values(feed, lease.partition, (reject.raw for reject in rejects))
        outcome = replace(outcome, drift=(*outcome.drift, *unlisted), sample=tuple(read.sample))
        unread, found = len(rejects), fold.found()
        for reject in _refused(feed, lease, map(body_of, pages), fold, model):
            rejects.append(reject)
        _check_guard(_Answer(feed, lease.partition, partial(map, body_of, pages), found, stage, records), now)
        found = filler.fresh(found, stage, records) if filler else found
        elsewhere = records.find(chain(_unknown(found, known), known.beside))
        known_by = feed.key is CONTENT and feed.missing is RETIRE and lease.model == model
        held = _held_back(feed, lease, rejects, known, found, records) if rejects and known_by else frozenset()
        here = _may_be_gone(known.hashes, rejects, held, nameless=not known_by)
        changes = compare(feed, found, known.hashes, here, elsewhere=elsewhere, pile=lambda: stage.room.pile(Change))
        if len(pages) > 1:
            _check_moved(fold.overlap, changes, settled)
        origins = [Origin(page.id, page.answer.at) for page in pages]
        if doubtful := _doubt(feed, lease, len(known.hashes), changes, origins[-1].said_at if origins else now):
            return records.doubt(lease, _doubted(outcome, doubtful), stage, now)
        outcome = replace(outcome, verdict="complete", reason=_said(held), counts=_counts(fold, changes, unread))
        mark = filler.mark if filler else None
        burn = Burn(erased, tuple(pages[number].digest for number in sorted(read.holding)))
        # Derived anew each time, if it says the same: each time its body goes, or what stays is said.
        if burn.digests or held:
            outcome = replace(outcome, digest="", etag="", last_modified="")
        failpoint("page.validated")
        return records.commit(
            lease, outcome, changes, stage, origins, rejects, model=model, now=now, mark=mark, burn=burn
        )


@dataclass(frozen=True)
class _Beside:
    """What is noted while rows are read. sample: the first that were decoded. holding: the pages, from 0, that have a
    row of a record that was erased. ends: after each page, and before the first, how many rows were read and how many
    were not.
    """

    sample: list[bytes]
    holding: set[int]
    ends: list[tuple[int, int]]


def _read(
    feed: Feed,
    lease: Lease,
    bodies: Iterable[Content],
    fold: Fold,
    stage: Stage,
    *,
    seen: Known,
    model: str,
    erased: Erased,
) -> tuple[Fold, Pile[Reject], _Beside]:
    """The rows of all bodies, folded, their records waiting in the stage; what is no acceptable record; and more."""
    rejects, unread = stage.room.pile(Reject, BATCH), 0
    beside, most = _Beside([], set(), [(0, 0)]), feed.max_partition_records
    known, times = seen.by_raw, seen.times if feed.key is CONTENT else None
    make = partial(
        decode, feed, lease.partition, known=known, times=times, model=model, sample=beside.sample, erased=erased
    )
    for number, body in enumerate(bodies):
        if number:
            fold.next_page()
        for row in make(body):
            if isinstance(row, Entry):  # mostly
                fold.add(row, stage.add(row, number))
            elif isinstance(row, Seen):
                fold.add(row)
            elif isinstance(row, Reject):
                rejects.append(row)
                unread += 1
            else:
                beside.holding.update(() if row.marked else (number,))
            if fold.received + unread > most:
                raise _too_many(feed)
        beside.ends.append((fold.received, unread))
        failpoint("page.parsed")
    _check_drift(beside, rejects)
    return fold, rejects, beside


def _too_many(feed: Feed) -> DecodeError:
    return DecodeError(
        f"more than {feed.max_partition_records} records: split the partition, or raise max_partition_records",
        reason="too-many",
    )


def _check_moved(overlap: AbstractSet[str], changes: Changes, settled: AbstractSet[str]) -> None:
    """PagingError where a key is on two pages, or a record would be retired that may have slipped between two; not
    where the walk before found just that: then it is the upstream's way, or the records are gone.
    """
    gone = (change.key for change in changes.gone)
    if any(key not in settled for key in chain(overlap, gone)):
        moved = frozenset(overlap) | {change.key for change in changes.gone}
        said = f"{len(overlap)} records are on two pages, {len(changes.gone)} stored ones on none"
        raise PagingError("unstable", said, hint="rows may have moved while they were paged", keys=moved)


def _check_drift(beside: _Beside, rejects: Pile[Reject]) -> None:
    """DecodeError where so many rows of all, or of one page, are unreadable that the upstream must have changed, not a
    record. Of all it is told first: where every page changed it is not about one of them.
    """
    read, unread = beside.ends[-1]
    if unread and (not read or _too_many_unread(read, unread)):
        raise _drift(f"{unread} of {read + unread} records", rejects[0], beside.sample)
    for number, (before, after) in enumerate(pairwise(beside.ends), 1):
        read, unread = after[0] - before[0], after[1] - before[1]
        if _too_many_unread(read, unread):
            # Not the first rows of all: what this page changed is seen in its own.
            sample = [rejects[place].raw for place in range(before[1], min(after[1], before[1] + SAMPLED))]
            of = f"{unread} of {read + unread} records of page {number}"
            raise _drift(of, rejects[before[1]], sample)


def _too_many_unread(read: int, unread: int) -> bool:
    return unread >= FEW and unread > MOST_REJECTED * (read + unread)


def _drift(which: str, first: Reject, sample: Sequence[bytes]) -> DecodeError:
    at = f" at {first.path}" * bool(first.path)
    said = f"{which} cannot be read, the first{at}: {first.reason}"
    return DecodeError(said, reason="drift", field=first.path, sample=sample)


def _unknown(found: Found, known: Known) -> Iterator[str]:
    """The keys of an answer that its partition has no record of."""
    return (key for key, slot in found.slots.items() if slot != STORED and key not in known.hashes)


def _held_back(
    feed: Feed, lease: Lease, rejects: Pile[Reject], known: Known, found: Found, records: Records
) -> AbstractSet[str]:
    """The stored keys that an answer lacks, and that may be rows of it that cannot be read."""
    missing = batches(key for key in known.hashes if key not in found.slots)
    return held_back(feed, lease.partition, rejects, chain.from_iterable(map(records.documents, missing)))


def _may_be_gone(
    stored: Mapping[str, bytes], rejects: Iterable[Reject], held: AbstractSet[str], *, nameless: bool
) -> Iterable[str]:
    """The stored keys that an answer may have dropped: none that a reject names or that is held back.

    nameless: a reject whose key cannot be read may be any of them, so with one none may be gone. Not so where records
    are their content, as this declaration reads it: then there is more to know one by.
    """
    named = {reject.key for reject in rejects}
    return () if None in named and nameless else (key for key in stored if key not in named and key not in held)


def _refused(feed: Feed, lease: Lease, bodies: Iterable[Content], fold: Fold, model: str) -> Iterator[Reject]:
    """The rows that another record with their key came before, where the first counts."""
    for body in bodies if fold.refused else ():
        for raw in raw_rows(feed, lease.partition, body):
            if key := fold.refused.get(row_digest(raw, model)):
                yield Reject(raw, "another record with this key came first", "", key)


def _check_guard(answer: _Answer, now: datetime) -> None:
    """DecodeError where the feed's own rule says that nothing of this answer may be stored."""
    guard = answer.feed.guard
    if isinstance(guard, Compared):
        reason = guard.rule(answer, Lookup(Source(answer.records, guard.source, now), guard.source))
    else:
        reason = guard(answer) if guard else ""
    if reason:
        raise DecodeError(reason, reason="guard")


@dataclass(frozen=True)
class _Answer:
    """The records of an answer beside the stored ones; they are read from where they wait, as often as asked for."""

    feed: Feed
    partition: Partition
    raw: Callable[[], Iterable[bytes]]
    found: Found
    stage: Stage
    records: Records

    def bodies(self) -> Iterator[Any]:
        return (content_of(body, self.feed.max_whole_body) for body in self.raw())

    def __iter__(self) -> Iterator[Met]:
        read = from_document(self.feed.record)
        slots = self.found.slots
        for some in batches(slots):
            stored = {key: read(doc) for key, doc in self.records.documents(some)}
            fresh = self.stage.read([slot for key in some if (slot := slots[key]) != STORED])
            for key in some:
                before = stored.get(key)
                yield Met(before if slots[key] == STORED else read(next(fresh)[0].doc), before)


def _doubt(feed: Feed, lease: Lease, before: int, changes: Changes, said: datetime) -> Doubt | None:
    """Why the answer has to be said again before it is believed, where it has to."""
    if feed.doubts is None:
        return None
    left = before - len(changes.gone) - len(changes.left) + len(changes.new) + len(changes.shared)
    return doubt(feed.doubts, before, left, collected=bool(lease.model), first=lease.doubted_at, said=said)


def _doubted(outcome: Outcome, doubtful: Doubt) -> Outcome:
    """The outcome of an answer that changes nothing yet. Without a distance of its own it is tried as usual."""
    until = doubtful.again if doubtful.again > doubtful.since else None
    reason = f"{doubtful.reason}: waits until it is said again"
    return replace(
        outcome,
        verdict="pending" if doubtful.empty else "partial",
        reason=reason,
        until=until,
        doubted_at=doubtful.since,
    )


def _said(held: AbstractSet[str]) -> str:
    """What an answer's rows that cannot be read hold back, in words; "" for nothing."""
    return f"kept, as they may be rows that cannot be read: {len(held)}" if held else ""


def _counts(fold: Fold, changes: Changes, unread: int) -> Counts:
    """unread: rows that became no record. With those that came second where the first counts they are the rejects."""
    refused = fold.conflict if fold.refused else 0
    return Counts(
        received=fold.received + unread,
        new=len(changes.new),
        changed=len(changes.changed),
        same=changes.same,
        duplicate=fold.duplicate,
        conflict=fold.conflict - refused,
        rejected=unread + refused,
        gone=len(changes.gone),
    )
