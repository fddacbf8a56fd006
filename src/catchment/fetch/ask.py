"""One request until it is answered: in its budget, archived before it is read, and again while that may help.

The budget and the archive are arguments: what sends does not know what stores.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from ..auth import Reveal
from ..breaker import Turn
from ..budget import Wait
from ..clock import Clock, heartbeat
from ..errors import BudgetSpent, FetchError, Refused
from ..exchange import Answer, Request
from ..failpoints import failpoint
from ..upstream import NEVER, Meaning, Upstream
from ..watching import spanning
from .client import Client
from .limits import Limits
from .retry import next_wait, retry_after

__all__ = ["PATIENCE", "PROBE", "Asked", "Asker", "Purse", "too_long"]

Kept = TypeVar("Kept")

PATIENCE = timedelta(minutes=10)
"""How long a free place in the budget, or the end of a throttling, is waited for. Longer waits are the plan's."""

LONGEST_BAN = timedelta(days=1)
"""What `Retry-After` may keep a whole upstream shut for: whoever says ten years is asked once a day."""

PROBE = timedelta(hours=6)
"""How long an upstream is left alone that does not let us in, unless a person asks before."""

LOOK_S = 0.05
"""How often to look whether another request has found out that the upstream is well again."""


def too_long(wait: Wait, now: datetime) -> bool:
    """Whether a wait is the plan's and nobody's here: nobody waits for the end of an upstream's rest."""
    return wait.kind == "rest" or (wait.kind == "budget" and wait.until - now > PATIENCE)


class Purse(Protocol):
    """The budget of one upstream and what is known of its faults, shared with every other worker."""

    async def take(self, now: datetime, weight: int) -> Wait | Turn:
        """Spends one request of that weight, or says until when to wait."""
        ...

    async def fault(self, now: datetime, reason: str, *, probe: bool) -> None:
        """Notes a request that was given up."""
        ...

    async def answered(self) -> None:
        """Forgets the faults."""
        ...

    async def pause(self, until: datetime, reason: str) -> None:
        """Nobody asks this upstream before then."""
        ...

    async def pause_for_quota(self, now: datetime, weight: int) -> datetime:
        """Nobody asks before the allowance is there again; gives that moment. weight: of the request that was told."""
        ...


@dataclass(frozen=True, slots=True)
class Asked(Generic[Kept]):
    """How asking ended. kept: the archived answer, None when none came. until: when to ask again, where that is known.

    requests, bytes: sent and received for it, all tries together. well: the last answer shows that the upstream is.
    """

    meaning: Meaning
    kept: Kept | None = None
    until: datetime | None = None
    requests: int = 0
    bytes: int = 0
    well: bool = False


class Asker:
    """Asks one upstream."""

    def __init__(
        self, upstream: Upstream, base_url: str, client: Client, purse: Purse, *, clock: Clock, reveal: Reveal
    ) -> None:
        self._upstream = upstream
        self._base_url = base_url
        self._client = client
        self._purse = purse
        self._clock = clock
        self._reveal = reveal
        self._limits = Limits(
            deadline_s=upstream.deadline.total_seconds(),
            header_s=upstream.deadline.total_seconds(),
            wire_bytes=upstream.max_body,
            decoded_bytes=upstream.max_body,
            redirects=upstream.redirects,
        )

    async def ask(
        self,
        request: Request,
        *,
        weight: int = 1,
        read: Callable[[Answer], Meaning],
        keep: Callable[[Answer], Awaitable[Kept]],
        waiting: Callable[[datetime, str], Awaitable[None]],
    ) -> Asked[Kept]:
        """The answer to a request, or why there is none.

        Args:
            weight: how much of the budget it takes, at every try.
            read: what an answer means. keep: archives it, before it is read.
            waiting: told (until, why) before each wait.
        Raises:
            BudgetSpent: no place in the budget for longer than `PATIENCE`. Nothing was sent by this call, or what
                was sent is archived.
        """
        meaning = Meaning.data()
        asked: Asked[Kept] = Asked(meaning)
        tries = throttled = in_a_row = 0
        patient_until = self._clock.now() + PATIENCE
        while True:
            turn = await self._take(weight, waiting)
            asked = await self._once(request, asked, read, keep)
            meaning, before = asked.meaning, meaning
            in_a_row = in_a_row + 1 if (meaning.kind, meaning.reason) == (before.kind, before.reason) else 1
            if meaning.kind == "throttled" and in_a_row == meaning.tries:
                meaning = replace(meaning, kind="quota")
                asked = replace(asked, meaning=meaning)
            tries += meaning.kind == "transient"
            throttled += meaning.kind == "throttled"
            count = throttled if meaning.kind == "throttled" else tries
            wait = next_wait(meaning, count, self._upstream.tries, throttled_s=self._upstream.throttled_s)
            if turn.probe and meaning.kind == "transient":
                wait = None  # one request alone: what comes next comes after the next rest
            now = self._clock.now()
            too_far = wait and (wait > self._upstream.longest_wait or (throttled and now + wait > patient_until))
            await self._note(asked, turn, now, given_up=wait is None or bool(too_far))
            if wait and meaning.kind == "throttled":
                await self._purse.pause(now + wait, "throttled")  # everybody's, also where we do not sit it out
            if wait is None or too_far:
                return await self._end(asked, wait, now, weight)
            if meaning.kind != "throttled":
                await waiting(now + wait, meaning.reason)
                await self._clock.sleep(wait.total_seconds())

    async def _take(self, weight: int, waiting: Callable[[datetime, str], Awaitable[None]]) -> Turn:
        """Returns when one request may be sent. It is spent then, whatever happens after."""
        while isinstance(wait := await self._purse.take(self._clock.now(), weight), Wait):
            now = self._clock.now()
            if too_long(wait, now):
                raise BudgetSpent(self._upstream.name, wait.until, wait.reason, resting=wait.kind == "rest")
            if wait.kind == "probe":
                await heartbeat(LOOK_S)
                continue
            await waiting(wait.until, wait.reason)
            await self._clock.sleep((wait.until - now).total_seconds())
        return wait

    async def _note(self, asked: Asked[Kept], turn: Turn, now: datetime, *, given_up: bool) -> None:
        """Notes whether the upstream is well, where that is news."""
        if asked.well and turn.faults:
            await self._purse.answered()
        elif not asked.well and (turn.probe or (given_up and asked.meaning.kind == "transient")):
            await self._purse.fault(now, asked.meaning.reason, probe=turn.probe)

    async def _once(
        self,
        request: Request,
        before: Asked[Kept],
        read: Callable[[Answer], Meaning],
        keep: Callable[[Answer], Awaitable[Kept]],
    ) -> Asked[Kept]:
        asked = replace(before, requests=before.requests + 1, kept=None, well=False)
        failpoint("request.before")
        try:
            answer = await self._send(request)
        except FetchError as error:
            return replace(asked, meaning=_meaning_of(error))
        kept = await keep(answer)
        failpoint("exchange.kept")
        meaning = read(answer)
        after = retry_after(answer.header("retry-after"), answer.at)
        if meaning.kind in ("throttled", "quota", "transient") and after is not None:
            after = after if meaning.kind == "transient" else min(after, LONGEST_BAN)
            meaning = replace(meaning, wait=max(after, meaning.wait or after))
        # A word about one thing, however it is read, is said by an upstream that is well.
        well = meaning.kind != "transient" or answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return replace(asked, meaning=meaning, kept=kept, bytes=before.bytes + answer.wire_bytes, well=well)

    async def _send(self, request: Request) -> Answer:
        """The answer, told to those who watch."""
        with spanning(
            f"{request.method} {self._upstream.name}",
            "client",
            http__request__method=request.method,
            server__address=urlsplit(self._base_url).hostname or "",
        ) as told:
            answer = await self._client.send(
                self._base_url, request, auth=self._upstream.auth, reveal=self._reveal, limits=self._limits
            )
            told["http.response.status_code"] = answer.status
            return answer

    async def _end(self, asked: Asked[Kept], wait: timedelta | None, now: datetime, weight: int) -> Asked[Kept]:
        kind = asked.meaning.kind
        if kind == "quota":
            until = now + (asked.meaning.wait or timedelta(0))
            await self._purse.pause(until, kind)
            return replace(asked, until=max(until, await self._purse.pause_for_quota(now, weight)))
        if kind == "auth":
            await self._purse.pause(now + PROBE, "auth")
        if kind in ("auth", "stop"):
            return replace(asked, until=now + PROBE)
        if asked.meaning.forever:
            return replace(asked, until=NEVER)
        wait = wait or asked.meaning.park
        return replace(asked, until=now + wait if wait else None)


def _meaning_of(error: FetchError) -> Meaning:
    if isinstance(error, Refused) and error.cause == "redirect":
        return Meaning.refused(error.cause)
    if isinstance(error, Refused) or error.hint:  # an address, a scheme, a disk: what the operator has to mend
        return Meaning.failed(f"{error.cause}: {error}")
    return Meaning.transient(error.cause) if error.retry else Meaning.failed(error.cause)
