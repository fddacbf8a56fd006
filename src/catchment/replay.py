"""The way of the data with the archive as its source: a collection is derived again, and no upstream is asked.

What a changed record type, key or function makes of every answer that is archived becomes the collection's next
generation. Until that is whole, readers and collectors have the present one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from .app import App, in_order
from .clock import Clock
from .decode import model_digest
from .derive import derive
from .errors import CatchmentError, DecodeError, PagingError, StoreError, UsageError, choices
from .exchange import Request
from .feed import Feed
from .fill import refill
from .page import Page
from .paging import Again, walk
from .partitions import Partition, Surroundings
from .passes import Fetched
from .plan import END
from .rules import Confirm
from .runs import Event, OnEvent, Scope
from .settings import Settings
from .split import outline, raw_rows
from .store.archive import Exchange
from .store.engines import Connection
from .store.lease import Lease, Outcome, Pass
from .store.store import Held, Store
from .store.tables import Collection
from .upstream import Meaning

__all__ = ["Left", "Replayed", "replay"]

_BELIEVED = Confirm(least=2**62)
"""A rule for partitions of more records than any has: every answer is believed at once."""


@dataclass(frozen=True, slots=True)
class Left:
    """A pass that could not be derived again. kept: the partition's present rows were carried over for that."""

    partition: str
    number: int
    reason: str
    kept: bool


@dataclass(frozen=True)
class Replayed:
    """What a replay did to one collection.

    passes: how many were derived. before, after: records and rejects that it held, and holds.
    """

    collection: str
    generation: int
    passes: int
    before: Held
    after: Held
    left: tuple[Left, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that holds now is of the present declaration."""
        return not any(item.kept for item in self.left)


def replay(app: App, scope: Scope, store: Store, settings: Settings, clock: Clock, tell: OnEvent) -> list[Replayed]:
    """Derives the collections of a scope again from the archive, each after those that it depends on.

    Raises:
        UsageError: a name that there is not; another process replays already; or what can only be carried over does
            not fit the declared fields. The present generation then stands as it was.
    """
    chosen = [feed for feed in in_order(app.feeds) if not scope.feeds or feed.name in scope.feeds]
    if stray := sorted(set(scope.feeds) - {feed.name for feed in app.feeds}):
        names = [feed.name for feed in app.feeds]
        raise UsageError(f"app {app.name} has no feed {stray[0]}", hint=choices(stray[0], names))
    if stray := sorted(set(scope.only) - {name for feed in chosen for name in feed.partitions.names}):
        raise UsageError(f"no partition of {app.name} has {stray[0]}")
    wanted = [feed for feed in chosen if set(scope.only) <= set(feed.partitions.names)]
    return [_Again(app, feed, scope, store, settings, clock, tell).run() for feed in wanted]


class _Again:
    """One collection's replay."""

    def __init__(
        self, app: App, feed: Feed, scope: Scope, store: Store, settings: Settings, clock: Clock, tell: OnEvent
    ) -> None:
        self._app = app
        self._feed = feed.as_set(settings)
        self._collection = Collection(app.name, feed)
        self._name = self._collection.name
        self._only = scope.only
        self._store = store
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._next = store.next_generation(self._collection)
        self._merged: set[str] = set()
        self._doubted: dict[str, datetime] = {}
        self._done: set[tuple[str, int]] = set()
        self._stamps: dict[str, dict[str, str]] = {}
        self._left: dict[tuple[str, int], str] = {}
        self._derived = 0

    def run(self) -> Replayed:
        """Derives what is archived, then what was committed meanwhile, until the switch finds nothing more."""
        before = self._store.held(self._collection)
        try:
            generation = self._derive_and_switch()
        except BaseException:
            with suppress(StoreError):  # the next replay removes what is left
                self._next.abandon()
            raise
        after = self._store.held(self._collection)
        return Replayed(self._name, generation, self._derived, before, after, tuple(self._what_is_left()))

    def _derive_and_switch(self) -> int:
        if self._only and not self._next.has_the_present_fields():
            raise UsageError(f"{self._name}: the stored fields are not the declared ones", hint="replay without --only")
        while True:
            todo = self._waiting()
            self._tell(Event("planned", self._name, total=len(todo)))
            for item in todo:
                self._take(item)
            self._fill()
            self._check_kept()
            self._next.carry(self._kept())
            generation = self._next.switch(self._settled, self._follow, self._clock.now())
            if generation is not None:
                return generation

    def _fill(self) -> None:
        """Fills what is filled from another collection as that stands now: answers were filled as it stood then."""
        if self._feed.derived is not None:
            run = self._store.ledger.begin_run(self._app.name, self._clock.now())
            refill(self._feed, run, self._next.records, self._clock.now())
            self._store.ledger.end_run(run, self._clock.now())

    # -- one pass --------------------------------------------------------------------------------------------------

    def _waiting(self) -> list[Pass]:
        """The passes that are to be derived and are not yet, in the order in which they were answered."""
        found = self._store.ledger.passes(self._name)
        wanted = [item for item in found if _brought(item) and item.partition.matches(self._only)]
        return [item for item in wanted if _identity(item) not in self._done]

    def _take(self, item: Pass) -> None:
        self._done.add(_identity(item))
        try:
            outcome = self._merge(item, self._pages(item))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a feed's own function raises is one pass's fault)
            reason = error.message if isinstance(error, CatchmentError) else f"{type(error).__name__}: {error}"
            outcome = Outcome("failed", reason)
        if outcome.verdict == "complete":
            self._derived += 1
        elif item.verdict == "complete":  # what was not believed or read when it was answered has not been lost now
            self._left[_identity(item)] = outcome.reason
        self._tell(Event("ended", self._name, item.partition.key, outcome))

    def _pages(self, item: Pass) -> list[Exchange]:
        """The answers of a pass as its pager asks for them, bare. DecodeError where they do not reach its end.

        Answers are known by their requests. Where the declared request is another by now (a setting stands in it), they
        are taken as they came.
        """
        usable = self._usable(item)
        bounds = {"most_rows": self._feed.max_partition_records, "most_bytes": self._feed.max_partition_bytes}
        pages = walk(self._feed.pages, self._request(item), **bounds)
        found, request = list[Exchange](), next(pages)
        by_request = True
        while True:
            if (answered := next(usable, None)) is None:
                raise DecodeError("its answers do not reach the end of its pages", reason="archive")
            by_request = by_request and (bool(found) or answered.fingerprint == request.fingerprint)
            if by_request and answered.fingerprint != request.fingerprint:
                if answered.fingerprint in {page.fingerprint for page in found}:
                    continue  # a worker that had lost its lease by then asked for it too
                raise DecodeError("its pages lead elsewhere by now", reason="archive")
            if not isinstance(request, Again):
                found.append(answered.bare)
            content = answered.answer.content
            rows = partial(raw_rows, self._feed, item.partition, content)
            around = partial(outline, self._feed, content)
            # Where it was asked then: that is where its links lead, and no address need be set to derive it again.
            base = answered.url.removesuffix(request.target)
            try:
                request = pages.send(Page(request, answered.answer, base, rows, around))
            except StopIteration:
                return found

    def _usable(self, item: Pass) -> Iterator[Exchange]:
        """The archived answers of a pass that hold data, oldest first. DecodeError for one whose body is lost, and
        where an answer that holds none is the last.
        """
        meaning = Meaning.data()
        for exchange in self._store.archive.answered(self._name, item.partition.key, item.number):
            if exchange.digest and not self._store.archive.has(exchange.digest):
                raise DecodeError("the archive no longer holds its answer", reason="archive")
            whole = self._store.archive.whole(exchange)
            meaning = self._feed.reader(whole.answer, item.partition)
            if meaning.kind == "data":
                yield whole
        if meaning.kind != "data":
            raise DecodeError(f"its answer is read as {meaning.kind} ({meaning.reason})", reason="archive")

    def _request(self, item: Pass) -> Request:
        try:
            return self._feed.request.request(item.partition, self._settings)
        except KeyError as error:
            raise DecodeError(f"its partition has no {error.args[0]}", reason="archive") from error

    def _merge(self, item: Pass, pages: list[Exchange]) -> Outcome:
        """The outcome of a pass, merged. What was believed when it was answered is believed now."""
        key, at = item.partition.key, pages[-1].answer.at
        believed = item.verdict == "complete"
        feed = replace(self._feed, guard=None, confirm=self._feed.doubts and _BELIEVED) if believed else self._feed
        model = model_digest(feed) if key in self._merged else ""
        lease = Lease(self._next.collection.name, item.partition, 0, item.attempt, item.number, "", "", "", model)
        lease = replace(lease, doubted_at=self._doubted.get(key))
        known = Fetched(Meaning.data(), tuple(pages)).outcome

        def merge(settled: frozenset[str] = frozenset()) -> Outcome:
            return derive(feed, lease, pages, self._next.records, known, at, body_of=self._store.body, settled=settled)

        try:
            outcome = merge()
        except PagingError as moved:
            if not believed:
                raise
            outcome = merge(moved.keys)  # a second walk found it so when it was answered
        if outcome.verdict == "complete":
            self._merged.add(key)
            self._doubted.pop(key, None)
        elif outcome.doubted_at:
            self._doubted[key] = outcome.doubted_at
        return outcome

    # -- what is carried over --------------------------------------------------------------------------------------

    def _settled(self) -> list[Partition] | None:
        """The partitions whose present rows are carried over; None while a pass waits to be derived."""
        if self._waiting():
            return None
        self._stamps = self._stamps_of_dependents()
        return self._kept()

    def _kept(self) -> list[Partition]:
        """Those that were not asked for, and those whose last answer cannot be derived again."""
        states = self._store.ledger.states(self._name).values()
        others = [state.partition for state in states if not state.partition.matches(self._only)]
        last = {
            item.partition.key: item for item in self._store.ledger.passes(self._name) if item.verdict == "complete"
        }
        return others + [item.partition for item in last.values() if _identity(item) in self._left]

    def _check_kept(self) -> None:
        """UsageError where rows would have to be carried over that do not have the declared fields."""
        if (kept := self._kept()) and not self._next.has_the_present_fields():
            reason = next(reason for (key, _), reason in self._left.items() if key == kept[0].key)
            raise UsageError(
                f"{self._name}: {len(kept)} partitions cannot be derived with the declared fields; nothing is changed",
                hint=f"the first is {kept[0].key or 'the only one'}: {reason}",
            )

    def _what_is_left(self) -> Iterator[Left]:
        kept = {partition.key for partition in self._kept()}
        for (key, number), reason in self._left.items():
            yield Left(key, number, reason, kept=key in kept)

    # -- what comes from its rows ----------------------------------------------------------------------------------

    def _follow(self, sql: Connection) -> None:
        """Has feeds whose partitions come from these rows know them again: no upstream said that they changed."""
        now = self._stamps_of_dependents()
        for feed, before in self._stamps.items():
            stamps = {key: (stamp, now[feed][key]) for key, stamp in before.items() if key in now[feed]}
            self._store.ledger.restamp(sql, feed, stamps)

    def _stamps_of_dependents(self) -> dict[str, dict[str, str]]:
        """Feed -> partition -> the stamp of the rows that it comes from."""
        dependents = [feed for feed in self._app.feeds if feed.due and self._feed.name in feed.partitions.feeds]
        return {self._app.collection(feed): self._stamps_of(feed) for feed in dependents}

    def _stamps_of(self, feed: Feed) -> dict[str, str]:
        states = self._store.ledger.states(self._app.collection(feed))

        def collected(partition: Partition) -> bool:
            return partition.key in states and states[partition.key].merged

        around = Surroundings(self._settings, self._clock.now(), self._rows, collected)
        return {item.partition.key: item.stamp for item in feed.partitions.expand(around)}

    def _rows(self, name: str, fields: Sequence[str]) -> list[dict[str, str | None]]:
        found = next(feed for feed in self._app.feeds if feed.name == name)
        return self._store.records(Collection(self._app.name, found)).rows(fields)


def _brought(item: Pass) -> bool:
    """Whether a pass may have brought something: it did not say the same as the one before, nor that there is none."""
    return item.verdict != "unchanged" and item.reason != END


def _identity(item: Pass) -> tuple[str, int]:
    return item.partition.key, item.number
