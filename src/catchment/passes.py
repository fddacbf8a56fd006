"""The answers of one partition's pass: from the archive what was answered already, from the upstream the rest."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from .breaker import Turn
from .budget import Wait
from .clock import Clock, heartbeat
from .decode import model_digest
from .errors import CatchmentError, DecodeError, PagingError, StoreUnavailable
from .exchange import Answer, Request
from .feed import Feed
from .fetch.ask import PROBE, Asker
from .fetch.client import Client
from .page import Page
from .paging import Again, Walk, walk
from .runs import Event, OnEvent
from .settings import Secret, Settings
from .split import outline, raw_rows
from .store.archive import Exchange, Place
from .store.lease import Instead, Lease, Outcome
from .store.store import Store
from .store.tables import Collection
from .upstream import NEVER, Budget, Meaning, Upstream

__all__ = ["RENEW_S", "Fetched", "Passes"]

log = structlog.get_logger("catchment.passes")

KEEP_TRIES = 6
"""How often archiving is tried again, each time after the database's own patience."""

PLACE_S = 0.05
"""How often to look for a place that another process has left."""

RENEW_S = 10.0
"""How often a lease or a place is renewed: it holds for three times as long."""

_ASK_AGAIN = frozenset({"throttled", "transient"})
"""What an archived answer may say without being the end of it."""


@dataclass(frozen=True)
class Fetched:
    """The answers of one pass.

    meaning: `data`, or what the answer after the pages said that is none. pages: the answers with data; the bodies
    of those before the last are in the archive only. broken: why the pages do not count as the whole.
    until: when to ask again, where that is known. requests, bytes: sent and received by this attempt.
    instead: the parameters with which it was asked in the place of those declared.
    """

    meaning: Meaning
    pages: tuple[Exchange, ...] = ()
    broken: CatchmentError | None = None
    until: datetime | None = None
    requests: int = 0
    bytes: int = 0
    instead: Instead | None = None

    @property
    def digest(self) -> str:
        """One digest of all bodies; "" where there is none."""
        digests = [page.digest for page in self.pages]
        if len(digests) < 2:
            return "".join(digests)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @property
    def outcome(self) -> Outcome:
        """What is known of an attempt before its verdict. Only a partition of one answer can be asked conditionally."""
        answer = self.pages[0].answer if len(self.pages) == 1 else None
        return Outcome(
            "failed",
            until=self.until,
            requests=self.requests,
            bytes=self.bytes,
            etag=answer.header("etag") if answer else "",
            last_modified=answer.header("last-modified") if answer else "",
            digest=self.digest,
            instead=self.instead,
        )

    @property
    def not_modified(self) -> bool:
        """Whether the upstream says itself that nothing changed (RFC 9110, 304)."""
        return any(page.answer.status == 304 for page in self.pages)

    def with_page(self, page: Exchange) -> Fetched:
        """The pass with this page as its last."""
        return replace(self, pages=(*self.pages[:-1], *(last.bare for last in self.pages[-1:]), page))


@dataclass(frozen=True)
class _Answered:
    """How one request of a pass was answered; exchange: None where no answer came."""

    meaning: Meaning
    exchange: Exchange | None
    until: datetime | None = None
    requests: int = 0
    bytes: int = 0


class _OtherPass(Exception):
    """What is archived answers other requests than those of this declaration."""


def _unasked(request: Request, answer: Answer) -> bool:
    """Whether "not modified" answers a request that had no condition: it says nothing then."""
    return answer.status == 304 and not any(name.startswith("If-") for name, _ in request.headers)


def _meaning(feed: Feed, lease: Lease, request: Request, answer: Answer) -> Meaning:
    if _unasked(request, answer):
        return Meaning.failed("304 to a request without a condition")
    return feed.reader(answer, lease.partition)


def _has(fetched: Fetched, exchange: Exchange) -> bool:
    """Whether a page of the pass answered the same request."""
    return any(page.fingerprint == exchange.fingerprint for page in fetched.pages)


def _settles(meaning: Meaning, exchange: Exchange) -> bool:
    """Whether an archived answer need not be asked for again. One without data is an attempt's end, not a pass's."""
    return meaning.kind == "data" or (meaning.kind not in _ASK_AGAIN and not exchange.settled)


def _instead(answered: _Answered, first: Request) -> Instead | None:
    """How a pass is begun again whose first request is refused as it was asked; None where that is how it was asked."""
    query, lasts = answered.meaning.query, answered.meaning.park
    if answered.exchange is None or lasts is None or first.with_parameters(*query).fingerprint == first.fingerprint:
        return None
    return Instead(query, answered.exchange.answer.at + lasts)


def _until_reconciled(feed: Feed, now: datetime) -> Instead | None:
    """How long a partition is asked as it is declared, until it is asked for more."""
    return Instead((), feed.reconcile.next_after(now)) if feed.reconcile_with else None


class Passes:
    """Fetches passes of one app's feeds. An async context manager.

    It owns the connections to upstreams and the places in their concurrency.
    """

    def __init__(self, store: Store, settings: Settings, clock: Clock, tell: OnEvent) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._client = Client(clock=clock, allow_private=settings.allow_private)
        self._askers: dict[str, Asker] = {}
        self._secrets: dict[Secret, str] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    def gate(self, upstream: Upstream) -> asyncio.Semaphore:
        """A place among this process's partitions that may be under way at a time."""
        concurrency = upstream.budget_now(self._settings).concurrency
        return self._gates.setdefault(upstream.name, asyncio.Semaphore(concurrency))

    @asynccontextmanager
    async def slot(self, upstream: Upstream, given_up: Callable[[], bool]) -> AsyncIterator[None]:
        """A place among the requests that all processes on the store may have open at a time; waited for.

        given_up: whether nobody wants to wait any longer; then there is none.
        Raises:
            StoreUnavailable: nobody can say now who has which.
        """
        most, take = upstream.budget_now(self._settings).concurrency, self._store.slots.take
        number = None
        while not given_up():
            if (number := await self._store.paid(take, upstream.name, most, self._clock.now())) is not None:
                break
            await heartbeat(PLACE_S)
        if number is None:
            yield
            return
        holding = asyncio.create_task(self._hold(upstream, number))
        try:
            yield
        finally:
            holding.cancel()
            await self._leave(upstream, number)

    async def _hold(self, upstream: Upstream, number: int) -> None:
        """Keeps a place, for as long as this process is not stopped."""
        while True:
            await heartbeat(RENEW_S)
            with suppress(StoreUnavailable):
                await self._store.paid(self._store.slots.renew, upstream.name, number, self._clock.now())

    async def _leave(self, upstream: Upstream, number: int) -> None:
        """Gives a place back, also where this task is broken off: nobody else may have it while we live."""
        leaving = asyncio.ensure_future(self._store.paid(self._store.slots.leave, upstream.name, number))
        with suppress(StoreUnavailable):
            await asyncio.shield(leaving)

    async def wait_for(self, feed: Feed) -> Wait | None:
        """Until when the budget of a feed's upstream has no place for its request, or the upstream rests, and why;
        None when it can be asked now. Nothing is spent.
        """
        budget, now = feed.upstream.budget_now(self._settings), self._clock.now()
        return await self._store.paid(self._store.budgets.wait, feed.upstream.name, budget, now, feed.request.weight)

    async def left_alone(self, upstream: Upstream) -> Wait | None:
        """Until when nobody asks the upstream, whatever its windows have left."""
        return await self._store.paid(self._store.budgets.left_alone, upstream.name, self._clock.now())

    def _reveal(self, secret: Secret) -> str:
        """The secret, read once: a command of a key service takes longer than a request."""
        if secret not in self._secrets:
            self._secrets[secret] = secret.reveal(self._settings)
        return self._secrets[secret]

    def forget(self, upstream: Upstream) -> None:
        """Reads the upstream's secrets anew before the next request: these did not let us in."""
        for secret in upstream.auth.references:
            self._secrets.pop(secret, None)

    async def let_in_again(self, upstream: Upstream) -> None:
        """Forgets that the upstream did not let us in: a person asks, who may have mended the key. One that rests is
        asked once.
        """
        await self._store.paid(self._store.budgets.resume, upstream.name, "auth")
        await self._store.paid(self._store.budgets.let_try, upstream.name, self._clock.now())

    async def fetch(self, feed: Feed, lease: Lease, *, anew: bool = False) -> Fetched:
        """The answers of this partition's pass. What is archived of it is not asked for again.

        Answers are taken from the archive in their order, while they answer what is asked. The first that does not,
        or one that is too old, begins a new pass.

        anew: from the first page, whatever is archived.

        Raises:
            BudgetSpent: the rest has to wait for longer than we do; what was answered stays archived.
        """
        if anew:
            await self._store.derived(self._store.burn_pass, Collection(lease.feed.partition("/")[0], feed), lease)
            return await self._walk(feed, await self._store.derived(self._store.ledger.begin_pass, lease), deque())
        kept = await self._store.paid(self._store.archive.answered, lease.feed, lease.partition.key, lease.number)
        try:
            if kept and kept[0].answer.at < self._clock.now() - feed.oldest:
                raise _OtherPass
            return await self._walk(feed, lease, deque(kept))
        except _OtherPass:
            return await self.fetch(feed, lease, anew=True)

    async def _walk(self, feed: Feed, lease: Lease, kept: deque[Exchange]) -> Fetched:
        """The pages as the feed's pager asks for them. kept: what is archived of them, oldest first."""
        base = feed.upstream.base_url(self._settings)
        pages = self._pages(feed, first := self._first(feed, lease))
        fetched, request = Fetched(Meaning.data(), instead=lease.instead), next(pages)
        while True:
            while kept and kept[0].fingerprint != request.fingerprint and _has(fetched, kept[0]):
                kept.popleft()  # a worker that had lost its lease by then asked for it too
            answered = await self._answer(feed, lease, request, kept)
            fetched = replace(
                fetched,
                meaning=answered.meaning,
                until=answered.until,
                requests=fetched.requests + answered.requests,
                bytes=fetched.bytes + answered.bytes,
            )
            if answered.meaning.kind == "instead" and (other := _instead(answered, first)) is not None:
                fetched = replace(fetched, instead=other)
                pages = self._pages(feed, first := first.with_parameters(*other.query))
                request = next(pages)
                continue
            if answered.exchange is None or answered.meaning.kind != "data":
                return fetched
            if not isinstance(request, Again):
                fetched = fetched.with_page(answered.exchange)
            content = answered.exchange.answer.content
            rows, around = partial(raw_rows, feed, lease.partition, content), partial(outline, feed, content)
            try:
                request = pages.send(Page(request, answered.exchange.answer, base, rows, around))
            except StopIteration:
                return replace(fetched, instead=fetched.instead or _until_reconciled(feed, answered.exchange.answer.at))
            except (PagingError, DecodeError) as error:
                return replace(fetched, broken=error)

    @staticmethod
    def _pages(feed: Feed, first: Request) -> Walk:
        return walk(feed.pages, first, most_rows=feed.max_partition_records, most_bytes=feed.max_partition_bytes)

    def as_declared(self, feed: Feed, lease: Lease) -> Lease:
        """The lease of a partition that a person named: as its upstream refused it, it is asked for again."""
        request = feed.request.request(lease.partition, self._settings)
        if lease.instead and request.with_parameters(*lease.instead.query).fingerprint != request.fingerprint:
            return replace(lease, instead=None)
        return lease

    def _first(self, feed: Feed, lease: Lease) -> Request:
        """The partition's request; conditional where the same declaration has merged its one answer before."""
        request = feed.request.request(lease.partition, self._settings)
        if lease.instead:
            request = request.with_parameters(*lease.instead.query)
        elif feed.reconcile_with and lease.model:  # what was merged last answered another request
            return request.with_parameters(*feed.reconcile_with.items())
        if feed.paged or lease.model != model_digest(feed):
            return request
        conditions = (("If-None-Match", lease.etag), ("If-Modified-Since", lease.last_modified))
        return request.with_headers(*((name, value) for name, value in conditions if value))

    async def _answer(self, feed: Feed, lease: Lease, request: Request, kept: deque[Exchange]) -> _Answered:
        """The archived answer if that settles the request, else the upstream's."""
        url = feed.upstream.base_url(self._settings) + request.target
        while kept:
            if (kept[0].fingerprint, kept[0].url) != (request.fingerprint, url):
                raise _OtherPass
            exchange = await self._store.paid(self._store.archive.whole, kept.popleft())
            if exchange.digest and not exchange.answer.content:
                raise _OtherPass  # its body may not stay, and the pass has not ended yet
            meaning = feed.reader(exchange.answer, lease.partition)
            if not _unasked(request, exchange.answer) and _settles(meaning, exchange):
                until = self._clock.now() + PROBE if meaning.kind in ("auth", "stop") else None
                until = NEVER if meaning.forever else until
                return _Answered(meaning, exchange, until)
        return await self._ask(feed, lease, request, url)

    async def _ask(self, feed: Feed, lease: Lease, request: Request, url: str) -> _Answered:
        """The upstream's answer, archived."""

        async def waiting(until: datetime, reason: str) -> None:
            self._tell(Event("waiting", lease.feed, lease.partition.key, until=until, reason=reason))

        asked = await self._asker(feed.upstream).ask(
            request,
            weight=feed.request.weight,
            read=lambda answer: _meaning(feed, lease, request, answer),
            keep=lambda answer: self._keep(feed, lease, request, url, answer),
            waiting=waiting,
        )
        return _Answered(asked.meaning, asked.kept, asked.until, asked.requests, asked.bytes)

    async def _keep(self, feed: Feed, lease: Lease, request: Request, url: str, answer: Answer) -> Exchange:
        """Archives an answer. It was paid for: a store that is locked just now is waited for."""
        place = Place(lease.feed, lease.partition.key, lease.number, lease.attempt)
        collection = Collection(lease.feed.partition("/")[0], feed)
        answer = await self._store.paid(self._store.without_erased, collection, lease.partition, answer)
        for _ in range(KEEP_TRIES):
            with suppress(StoreUnavailable):
                return await self._store.paid(self._store.archive.put, place, request, url, answer)
            await self._clock.sleep(1)
        return await self._store.paid(self._store.archive.put, place, request, url, answer)

    def _asker(self, upstream: Upstream) -> Asker:
        if upstream.name not in self._askers:
            self._askers[upstream.name] = Asker(
                upstream,
                upstream.base_url(self._settings),
                self._client,
                _SharedPurse(self._store, upstream.name, upstream.budget_now(self._settings)),
                clock=self._clock,
                reveal=self._reveal,
            )
        return self._askers[upstream.name]


@dataclass(frozen=True)
class _SharedPurse:
    """The store's budget of one upstream, spent off the event loop."""

    store: Store
    upstream: str
    budget: Budget

    async def take(self, now: datetime, weight: int) -> Wait | Turn:
        return await self.store.paid(self.store.budgets.take, self.upstream, self.budget, now, weight)

    async def fault(self, now: datetime, reason: str, *, probe: bool) -> None:
        known = await self.store.paid(self.store.budgets.fault, self.upstream, now, reason, probe)
        if known.until:
            log.warning("upstream rests", upstream=self.upstream, faults=known.faults, why=reason, until=known.until)

    async def answered(self) -> None:
        await self.store.paid(self.store.budgets.answered, self.upstream)

    async def pause(self, until: datetime, reason: str) -> None:
        await self.store.paid(self.store.budgets.pause, self.upstream, until, reason)

    async def pause_for_quota(self, now: datetime, weight: int) -> datetime:
        return await self.store.paid(self.store.budgets.pause_for_quota, self.upstream, self.budget, now, weight)
