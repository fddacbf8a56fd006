"""How often one client may ask: token buckets in memory, each of them known, all of them on."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from ..clock import monotonic
from ..errors import TooManyWrites
from ..principal import Principal, may
from ..rate import Rate, parse_rate, take_one
from ..settings import Settings
from .problems import Problem, of_status

__all__ = ["LIMITS", "Buckets", "Limits"]

LIMITS = {
    "CATCHMENT_LIMIT_ANONYMOUS": "10/second,50",
    "CATCHMENT_LIMIT_KEY": "50/second,100",
    "CATCHMENT_LIMIT_WRITES": "5/second,20",
    "CATCHMENT_LIMIT_FAILED_KEYS": "5/minute,5",
}
"""The settings and what holds without them: a rate, and how many at once. `off` lifts a limit."""


class Buckets:
    """One bucket for each client, the longest unused ones forgotten: memory is bounded whoever asks.

    A bucket is one number: when it will be full again.
    """

    def __init__(self, limit: Rate | None, *, max_clients: int = 10_000) -> None:
        self.limit = limit
        self._max_clients = max_clients
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, client: str, now: float) -> float:
        """Takes one token and gives 0; or takes none and gives the seconds until there is one.

        now: seconds that never go back.
        """
        if self.limit is None:
            return 0.0
        full_at, wait = take_one(self.limit, self._full_at.get(client, now), now)
        if wait:
            return wait
        self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._max_clients:
            self._full_at.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        return len(self._full_at)


class Limits:
    """The limits of one server process."""

    def __init__(self, settings: Settings, tick: Callable[[], float] = monotonic) -> None:
        def buckets(name: str) -> Buckets:
            return Buckets(parse_rate(name, settings.get(name, LIMITS[name])))

        self._tick = tick
        self._anonymous = buckets("CATCHMENT_LIMIT_ANONYMOUS")
        self._known = buckets("CATCHMENT_LIMIT_KEY")
        self._writes = buckets("CATCHMENT_LIMIT_WRITES")
        self._failed = buckets("CATCHMENT_LIMIT_FAILED_KEYS")

    def refusal(self, principal: Principal, peer: str) -> Problem | None:
        """Why the request comes too soon; None when it does not. This machine's own asking is not counted."""
        if principal.id:
            return self._take("key", self._known, _client(principal))
        return None if principal.via == "loopback" else self._take("anonymous", self._anonymous, peer)

    def count_write(self, principal: Principal) -> None:
        """Counts what somebody writes who may. TooManyWrites when it comes too soon."""
        if not may(principal, "write"):
            return
        if wait := self._writes.take(_client(principal), self._tick()):
            raise TooManyWrites(math.ceil(wait), policy=_policy("writes", self._writes))

    def failure(self, peer: str) -> Problem | None:
        """Counts a key that proved nobody; says whether its peer has tried too many."""
        return self._take("failed-keys", self._failed, peer)

    def _take(self, name: str, buckets: Buckets, client: str) -> Problem | None:
        wait = buckets.take(client, self._tick())
        if buckets.limit is None or not wait:
            return None
        seconds = math.ceil(wait)
        headers = {"Retry_After": str(seconds), "RateLimit_Policy": _policy(name, buckets)}
        return of_status(429, f"Too many requests; ask again in {seconds} s.", **headers)


def _client(principal: Principal) -> str:
    return f"key {principal.key_id}" if principal.key_id else f"user {principal.id}"


def _policy(name: str, buckets: Buckets) -> str:
    assert buckets.limit is not None
    window = math.ceil(buckets.limit.burst / buckets.limit.per_second)
    return f'"{name}";q={buckets.limit.burst};w={window}'
