"""From a partition's answers to its records: decode, merge, commit. Fresh answers and archived ones alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from .decode import Reject, Seen, decode, model_digest
from .errors import DecodeError, MergeOutdated, PagingError, StoreUnavailable
from .feed import Feed
from .merge import Changes, Fold, compare
from .store.archive import Exchange
from .store.ledger import Counts, Lease, Outcome
from .store.records import Origin, Records
from .store.stage import Stage

__all__ = ["derive"]

log = structlog.get_logger("catchment.derive")

TRIES = 5

MOST_REJECTED, FEW = 0.2, 5
"""Up to a fifth of the rows may be rejects; fewer than five rejects are never taken for a changed upstream."""


def derive(
    feed: Feed,
    lease: Lease,
    pages: Sequence[Exchange],
    records: Records,
    outcome: Outcome,
    now: datetime,
    *,
    body_of: Callable[[Exchange], bytes] = lambda page: page.answer.body,
    settled: bool = False,
) -> Outcome:
    """Commits what the answers say, as one change of the collection; gives the verdict `complete` with its counts.

    Args:
        outcome: what is known of the attempt already.
        body_of: gives a page's body; read one by one.
        settled: the pages are known to stand still: a key on two of them is the upstream's way.
    Raises:
        DecodeError: an answer is not of the declared shape. Nothing is stored.
        PagingError: a key is on two pages: rows have moved between them. Nothing is stored.
        LeaseLost: another worker has the partition by now. Nothing is stored.
    """
    for _ in range(TRIES):
        try:
            return _once(feed, lease, pages, records, outcome, now, body_of=body_of, settled=settled)
        except MergeOutdated as outdated:
            log.info("compared again", why=outdated.message)
    raise StoreUnavailable(f"{lease.label}: rows changed under {TRIES} comparisons")


def _once(
    feed: Feed,
    lease: Lease,
    pages: Sequence[Exchange],
    records: Records,
    outcome: Outcome,
    now: datetime,
    *,
    body_of: Callable[[Exchange], bytes],
    settled: bool,
) -> Outcome:
    model = model_digest(feed)
    known = records.known(lease.partition.key)
    seen = dict(known.times) if lease.model == model else {}
    fold, rejects = Fold(feed, known), list[Reject]()
    with Stage() as stage:
        for number, page in enumerate(pages):
            if number:
                fold.next_page()
            for row in decode(feed, lease.partition, body_of(page), known=seen, model=model):
                if isinstance(row, Reject):
                    rejects.append(row)
                elif isinstance(row, Seen):
                    fold.add(row)
                else:
                    fold.add(row, stage.add(row, number))
                _check_size(feed, fold.received + len(rejects))
        _check_drift(fold.received, rejects)
        if fold.overlap and not settled:
            raise PagingError(
                "unstable", f"{fold.overlap} rows are on two pages", hint="rows moved while they were paged"
            )
        found = fold.keys()
        elsewhere = records.find(key for key in found if key not in known.hashes)
        changes = compare(feed, found, {**known.hashes, **elsewhere}, _may_be_gone(known.hashes, rejects))
        outcome = replace(outcome, verdict="complete", reason="", counts=_counts(fold, changes, rejects))
        origins = [Origin(page.id, page.answer.at) for page in pages]
        return records.commit(lease, outcome, changes, stage, origins, rejects, model=model, now=now)


def _check_size(feed: Feed, received: int) -> None:
    if received > feed.max_partition_records:
        raise DecodeError(
            f"more than {feed.max_partition_records} records: split the partition, or raise max_partition_records",
            reason="too-many",
        )


def _check_drift(read: int, rejects: Sequence[Reject]) -> None:
    """DecodeError where so many rows are unreadable that the upstream must have changed, not a record."""
    if rejects and (not read or (len(rejects) >= FEW and len(rejects) > MOST_REJECTED * (read + len(rejects)))):
        raise DecodeError(
            f"{len(rejects)} of {read + len(rejects)} records cannot be read, the first: {rejects[0].reason}",
            reason="drift",
        )


def _may_be_gone(stored: Mapping[str, bytes], rejects: Sequence[Reject]) -> list[str]:
    """The stored keys that an answer may have dropped: none that a reject names, and none at all while a reject's
    key cannot be read.
    """
    named = {reject.key for reject in rejects}
    return [] if None in named else [key for key in stored if key not in named]


def _counts(fold: Fold, changes: Changes, rejects: Sequence[Reject]) -> Counts:
    return Counts(
        received=fold.received + len(rejects),
        new=len(changes.new),
        changed=len(changes.changed),
        same=changes.same,
        duplicate=fold.duplicate,
        conflict=fold.conflict,
        rejected=len(rejects),
        gone=len(changes.gone),
    )
