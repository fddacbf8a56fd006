"""How old an answer is, and whether that is too old."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ..clock import parse_moment, render_moment
from ..errors import UsageError
from ..feed import Feed
from ..partitions import Partition, Surroundings
from ..resource import Resource
from ..schedule import Cron, Every
from ..settings import Settings
from ..store.reader import Reader
from ..store.seen import Due, Freshness, State
from ..store.snapshot import Snapshot
from ..store.tables import Collection

__all__ = ["Age", "Ages", "age", "due", "never_asked", "read"]


def due(feed: Feed | Resource, now: datetime, settings: Settings) -> Due:
    """The moments before which a partition's last collection is too old: a whole round of its schedule was missed.

    One slot may just be at work; the one before it should be done. What people write is never too old.
    """
    if isinstance(feed, Resource):
        return Due("")
    feed = feed.as_set(settings)
    if feed.stale is not None:
        return Due(render_moment(now - feed.stale))
    if feed.due is not None:
        return Due(render_moment(_two_rounds_ago(feed.schedule, now) - feed.due.ages[1]) if feed.due.ages else "")
    stale = render_moment(_two_rounds_ago(feed.reread or feed.schedule, now))
    if feed.settle is None:
        return Due(stale)
    return Due(stale, render_moment(now - feed.settle), render_moment(_two_rounds_ago(feed.reconcile, now)))


def read(snapshot: Snapshot, collection: Collection, now: datetime, settings: Settings) -> Freshness:
    """How old the collection is; what is wanted and was never asked for is missing too."""
    found = snapshot.freshness(collection, due(collection.feed, now, settings))
    more = len(never_asked(snapshot, collection, now, settings))
    return replace(found, partitions=found.partitions + more, missing=found.missing + more)


def never_asked(snapshot: Snapshot, collection: Collection, now: datetime, settings: Settings) -> list[Partition]:
    """The partitions that the settings name, and of which the ledger knows nothing yet.

    Of those that come from rows or from an upstream's list it knows as soon as there is one.
    """
    feed = collection.feed
    if isinstance(feed, Resource) or feed.partitions.feeds:
        return []
    try:
        wanted = [item.partition for item in feed.partitions.expand(Surroundings(settings, now, lambda *_: ()))]
    except UsageError:  # whoever collects is told
        return []
    known = snapshot.known(collection)
    return [partition for partition in wanted if partition.key not in known]


def _two_rounds_ago(schedule: Cron | Every, now: datetime) -> datetime:
    if isinstance(schedule, Every):
        return now - 2 * min(schedule.interval, timedelta(days=36500))
    from cronsim import CronSim

    assert isinstance(schedule.expression, str)  # it is as set
    backwards = CronSim(schedule.expression, now.astimezone(ZoneInfo(schedule.zone)), reverse=True)
    slots: list[datetime] = list(itertools.islice(backwards, 2))
    return slots[-1].astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Age:
    """What the headers of one answer say about the collections that it was made from.

    named: what of them is too old; None where it is only said whether something is.
    """

    collected_at: datetime | None
    seconds: int | None
    stale: bool
    missing: int
    named: tuple[str, ...] | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        stale = "true" if self.stale else "false"
        if self.named is not None:
            stale = ",".join(self.named) or "false"
        pairs = [("x-stale", stale), ("x-missing-partitions", str(self.missing))]
        if self.collected_at is not None:
            moment = self.collected_at.strftime("%Y-%m-%dT%H:%M:%SZ")
            pairs += [("x-collected-at", moment), ("x-age", str(self.seconds))]
        return [(name.encode(), value.encode()) for name, value in pairs]


def age(parts: Iterable[Freshness], now: datetime) -> Age:
    """The age of an answer: that of its oldest collected part. Never collected counts as stale."""
    known = [part for part in parts if part.collected]
    oldest = min((part.oldest for part in known if part.oldest), default=None)
    collected_at = parse_moment(oldest) if oldest else None
    return Age(
        collected_at,
        max(0, int((now - collected_at).total_seconds())) if collected_at else None,
        any(part.stale or part.oldest is None for part in known),
        sum(part.missing for part in known),
    )


class Ages:
    """How old the collections are, read again when something was committed or another second began."""

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self._of: tuple[Mapping[str, State] | None, int] = (None, 0)
        self._fresh: dict[str, Freshness] = {}
        self._headers: dict[tuple[object, ...], list[tuple[bytes, bytes]]] = {}

    def headers(
        self, names: Iterable[str], stale_by: Mapping[str, str], states: Mapping[str, State], now: datetime
    ) -> list[tuple[bytes, bytes]]:
        """What the headers of an answer from these collections say. states: the present ones.

        stale_by: collection -> the part of its partitions by which what is too old is named.
        """
        second = int(now.timestamp())
        if self._of[0] is not states or self._of[1] != second:
            self._of = states, second
            self._fresh.clear()
            self._headers.clear()
        key = (*names, *stale_by.items()) if stale_by else tuple(names)
        found = self._headers.get(key)
        if found is None:
            told = age([self._freshness(name, now) for name in names], now)
            told = replace(told, named=self._too_old(stale_by, now)) if stale_by else told
            found = self._headers[key] = told.headers
        return found

    def _freshness(self, name: str, now: datetime) -> Freshness:
        if name not in self._fresh:
            with self._reader.snapshot() as snapshot:
                self._fresh[name] = read(snapshot, self._reader.collections[name], now, self._settings)
        return self._fresh[name]

    def _too_old(self, stale_by: Mapping[str, str], now: datetime) -> tuple[str, ...]:
        """What of the collections is too old, by the part of their partitions that the answer names."""
        named: set[str] = set()
        with self._reader.snapshot() as snapshot:
            for name, part in stale_by.items():
                collection = self._reader.collections[name]
                before = due(collection.feed, now, self._settings).stale
                late = (item for item in snapshot.partitions(collection) if (item["collected_at"] or before) < before)
                named.update(dict(item["params"])[part] for item in late)
        return tuple(sorted(named))
