"""Fields filled from another collection: of fresh records before they are compared, of stored ones when it changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import msgspec
import structlog

from .decode import Entry, from_document, model_digest, render_key
from .errors import DecodeError, MergeOutdated, StoreUnavailable
from .failpoints import failpoint
from .feed import Feed
from .merge import Change, Found
from .record import content_hash, stored_values
from .store.filled import Filled, Source
from .store.marks import Mark
from .store.records import Records, batches
from .store.stage import Stage

__all__ = ["Filler", "Lookup", "outdated", "refill"]

log = structlog.get_logger("catchment.fill")

TRIES = 5
REMEMBERED = 10_000
"""Records looked up that are kept in memory."""


class Lookup:
    """Records of another collection by their key, as it stands at one mark."""

    def __init__(self, source: Source, feed: Feed, oldest: datetime | None = None) -> None:
        moments = source.collected()
        self._good = {key: at for key, at in moments.items() if oldest is None or at >= oldest}
        self._find = lru_cache(REMEMBERED)(source.placed)
        self._read = from_document(feed.record)
        self.at: datetime | None = max(self._good.values(), default=None)

    def __call__(self, *key: Any) -> Any:
        """The record of that key; None where there is none, or it was said too long ago."""
        found = self._find(render_key(key))
        if found is None or found[0] not in self._good:
            return None
        self.at = self._good[found[0]]
        return self._read(found[1])


class Filler:
    """Fills the derived fields of one feed's records from its source, as that was at a moment: now, or, of archived
    answers that are derived again, when they were given.

    mark: where the source stands now. What was filled may be stored only while it still stands there.
    """

    def __init__(self, feed: Feed, records: Records, now: datetime) -> None:
        assert feed.derived is not None
        source = Source(records, feed.derived.source, now)
        self.feed = feed
        self.derived = feed.derived
        self.mark = source.mark(model_digest(feed))
        oldest = now - feed.derived.max_age if feed.derived.max_age is not None else None
        self._lookup = Lookup(source, feed.derived.source, oldest)

    @cached_property
    def read(self) -> Callable[[str], Any]:
        return from_document(self.feed.record)

    def __call__(self, record: Any, before: Any) -> Any:
        """The record with its fields filled. before: the one stored under its key, by now or until it went; or None.

        DecodeError where the feed's rule gives something else.
        """
        filled = self.derived.attribute(record, self._lookup, before)
        if type(filled) is not self.feed.record:
            raise DecodeError(f"gave {type(filled).__name__}, no {self.feed.record.__name__}", reason="derived")
        if other := [name for name in self._given if getattr(filled, name) != getattr(record, name)]:
            raise DecodeError(f"changed {other[0]}, which is none of its fields", reason="derived")
        return filled

    @cached_property
    def _given(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.feed.columns if column.name not in self.derived.fields)

    def unfilled(self, record: Any) -> Any:
        """The record as the upstream gave it."""
        return msgspec.structs.replace(record, **dict.fromkeys(self.derived.fields))

    def entry(self, key: str, record: Any, raw: bytes = b"") -> Entry:
        """The record ready to be stored; its hash is over all fields that make a version."""
        values = self._values(record)
        content = content_hash(tuple(values[position] for position in self._steady))
        return Entry(key, content, raw, values, msgspec.json.encode(record)[1:].decode())

    @cached_property
    def _values(self) -> Callable[[Any], tuple[Any, ...]]:
        return stored_values(self.feed.record)

    @cached_property
    def _steady(self) -> tuple[int, ...]:
        volatile = self.feed.volatile
        return tuple(place for place, column in enumerate(self.feed.columns) if column.name not in volatile)

    def fresh(self, found: Found, stage: Stage, records: Records) -> Found:
        """What an answer has, filled; every record of it waits in the stage."""
        filled = Found()
        if len(found.slots) >= stage.room.few:
            filled.slots = stage.room.spilled(filled.slots)
        for some in batches(found.slots):
            stored = {key: self.read(doc) for key, doc in records.last_documents(some).items()}
            waiting = stage.read([found.slots[key] for key in some])
            for key, (entry, origin) in zip(some, waiting, strict=True):
                record = self(self.read(entry.doc), stored.get(key))
                ready = self.entry(entry.key, record, entry.raw)
                filled.put(key, ready.hash, stage.add(ready, origin))
        return filled


def outdated(noted: Mark | None, mark: Mark, max_age: timedelta | None) -> bool:
    """Whether stored records have to be filled again: the source is another one than the noted, or the rule is.

    Or there was a time in which the source was too old to be looked up, and has been collected since.
    """
    if noted is None or (noted.generation, noted.revision, noted.model) != (mark.generation, mark.revision, mark.model):
        return True
    if max_age is None or mark.at is None:
        return False
    return noted.at is None or mark.at - noted.at > max_age


def refill(feed: Feed, run: int, records: Records, now: datetime) -> int:
    """Fills the stored records of a feed again where that is due, a commit a partition; gives how many changed.

    What a crash leaves undone is done by the next run: the source is noted at the end.

    Raises:
        StoreUnavailable: the source or the records change faster than they can be compared.
    """
    filled = Filled(records)
    for _ in range(TRIES):
        filler, noted = Filler(feed, records, now), filled.noted()
        if noted == filler.mark:
            return 0
        try:
            changed = 0
            if outdated(noted, filler.mark, filler.derived.max_age):
                changed = sum(_refill(filler, run, filled, key, now) for key in filled.partitions())
            filled.note(filler.mark)
        except MergeOutdated as error:
            log.info("filled again", why=error.message)
        else:
            return changed
    raise StoreUnavailable(f"{feed.name}: changed under {TRIES} fillings")


def _refill(filler: Filler, run: int, filled: Filled, partition: str, now: datetime) -> int:
    """Fills one partition's records again; gives how many changed."""
    same = 0
    with Stage() as stage:
        changes = stage.room.pile(Change)
        for key, content, doc in filled.stored(partition):
            before = filler.read(doc)
            if before is None:  # another declaration stored it: its own merge comes
                continue
            record = filler(filler.unfilled(before), before)
            if record != before and (entry := filler.entry(key, record)).hash != content:
                changes.append(Change(key, stage.add(entry, 0), content))
            else:
                same += 1
        if changes:
            filled.commit(run, partition, changes, stage, filler.mark, same, now)
            failpoint("rows.filled")
    return len(changes)
