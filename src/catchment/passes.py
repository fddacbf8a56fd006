"""The answers of one partition's pass: from the archive what was answered already, from the upstream the rest."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Self

from .budget import Wait, take
from .clock import Clock
from .decode import model_digest
from .errors import StoreUnavailable
from .exchange import Answer, Request
from .feed import Feed
from .fetch.ask import PROBE, Asker
from .fetch.client import Client
from .runs import Event, OnEvent
from .settings import Secret, Settings
from .store.archive import Exchange, Place
from .store.ledger import Lease
from .store.store import Store
from .upstream import NEVER, Budget, Meaning, Upstream

__all__ = ["Fetched", "Passes"]

KEEP_TRIES = 6
"""How often archiving is tried again, each time after the database's own patience."""

_ASK_AGAIN = frozenset({"throttled", "transient"})
"""What an archived answer may say without being the end of it."""


@dataclass(frozen=True)
class Fetched:
    """The answers of one pass; `meaning` is `data`, or says why there are no more.

    until: when to ask again, where that is known. requests, bytes: sent and received by this attempt.
    """

    meaning: Meaning
    pages: tuple[Exchange, ...] = ()
    until: datetime | None = None
    requests: int = 0
    bytes: int = 0

    @property
    def digest(self) -> str:
        """One digest of all bodies; "" where there is none."""
        digests = [page.digest for page in self.pages]
        if len(digests) < 2:
            return "".join(digests)
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    @property
    def not_modified(self) -> bool:
        """Whether the upstream says itself that nothing changed (RFC 9110, 304)."""
        return any(page.answer.status == 304 for page in self.pages)


def _unasked(request: Request, answer: Answer) -> bool:
    """Whether "not modified" answers a request that had no condition: it says nothing then."""
    return answer.status == 304 and not any(name.startswith("If-") for name, _ in request.headers)


def _meaning(feed: Feed, lease: Lease, request: Request, answer: Answer) -> Meaning:
    if _unasked(request, answer):
        return Meaning.failed("304 to a request without a condition")
    return feed.reader(answer, lease.partition)


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
        self._slots: dict[str, asyncio.Semaphore] = {}

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    def slot(self, upstream: Upstream) -> asyncio.Semaphore:
        """A place among the requests that may be open at a time."""
        concurrency = upstream.budget_now(self._settings).concurrency
        return self._slots.setdefault(upstream.name, asyncio.Semaphore(concurrency))

    async def wait_for(self, upstream: Upstream) -> Wait | None:
        """Until when the upstream's budget has no place, and why; None when it has one now. Nothing is spent."""
        counts = await self._store.paid(self._store.budgets.counts, upstream.name)
        step = take(upstream.budget_now(self._settings), counts, self._clock.now())
        return step if isinstance(step, Wait) else None

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
        """Forgets that the upstream did not let us in: a person asks, who may have mended the key."""
        await self._store.paid(self._store.budgets.resume, upstream.name, "auth")

    async def fetch(self, feed: Feed, lease: Lease) -> Fetched:
        """The answers of this partition's pass. What a crash left in the archive is not asked for again.

        Raises:
            BudgetSpent: the rest has to wait for longer than we do; what was answered stays archived.
        """
        since = self._clock.now() - feed.pass_max_age
        kept = await self._store.paid(
            self._store.archive.answered, lease.feed, lease.partition.key, lease.number, since
        )
        answered = {exchange.fingerprint: exchange for exchange in kept}
        pager = feed.pages(self._first(feed, lease))
        fetched = Fetched(Meaning.data())
        request = next(pager)
        while True:
            fetched = await self._page(feed, lease, request, answered.pop(request.fingerprint, None), fetched)
            if fetched.meaning.kind != "data":
                return fetched
            try:
                request = pager.send(fetched.pages[-1].answer)
            except StopIteration:
                return fetched

    def _first(self, feed: Feed, lease: Lease) -> Request:
        """The partition's request; conditional where the same declaration has merged an answer before."""
        request = feed.request.request(lease.partition, self._settings)
        if lease.model != model_digest(feed):
            return request
        conditions = (("If-None-Match", lease.etag), ("If-Modified-Since", lease.last_modified))
        return request.with_headers(*((name, value) for name, value in conditions if value))

    async def _page(
        self, feed: Feed, lease: Lease, request: Request, kept: Exchange | None, before: Fetched
    ) -> Fetched:
        """The pass with one page more: the archived answer if that settles it, else the upstream's."""
        if kept is not None and not _unasked(request, kept.answer):
            meaning = feed.reader(kept.answer, lease.partition)
            if meaning.kind not in _ASK_AGAIN:
                until = self._clock.now() + PROBE if meaning.kind in ("auth", "stop") else None
                until = NEVER if meaning.forever else until
                return replace(before, meaning=meaning, pages=(*before.pages, kept), until=until)
        url = feed.upstream.base_url(self._settings) + request.target
        place = Place(lease.feed, lease.partition.key, lease.number, lease.attempt)

        async def waiting(until: datetime, reason: str) -> None:
            self._tell(Event("waiting", lease.feed, lease.partition.key, until=until, reason=reason))

        asked = await self._asker(feed.upstream).ask(
            request,
            read=lambda answer: _meaning(feed, lease, request, answer),
            keep=lambda answer: self._keep(place, request, url, answer),
            waiting=waiting,
        )
        return Fetched(
            asked.meaning,
            (*before.pages, asked.kept) if asked.kept else before.pages,
            asked.until,
            before.requests + asked.requests,
            before.bytes + asked.bytes,
        )

    async def _keep(self, place: Place, request: Request, url: str, answer: Answer) -> Exchange:
        """Archives an answer. It was paid for: a store that is locked just now is waited for."""
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

    async def take(self, now: datetime) -> Wait | None:
        return await self.store.paid(self.store.budgets.take, self.upstream, self.budget, now)

    async def pause(self, until: datetime, reason: str) -> None:
        await self.store.paid(self.store.budgets.pause, self.upstream, until, reason)

    async def pause_for_quota(self, now: datetime) -> datetime:
        return await self.store.paid(self.store.budgets.pause_for_quota, self.upstream, self.budget, now)
