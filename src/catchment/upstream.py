"""A third-party API: where it is, what it allows, how it lets us in, and what its answers mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from .auth import Auth, NoAuth
from .errors import DeclarationError, UsageError
from .exchange import Answer
from .partitions import Partition
from .schedule import known_zone
from .settings import Setting, Settings

__all__ = ["NEVER", "Budget", "Meaning", "MeaningKind", "Reader", "Upstream", "Window", "read_http"]


NEVER = datetime.max.replace(tzinfo=UTC)
"""The moment of what is not asked again."""

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
Unit = Literal["second", "minute", "hour", "day"]


@dataclass(frozen=True, slots=True)
class Window:
    """`count` requests in a `unit`: of the calendar for a day, of any such span for the shorter ones."""

    count: int
    unit: Unit

    @property
    def seconds(self) -> float:
        return float(_SECONDS.get(self.unit, 86400))

    def __str__(self) -> str:
        return f"{self.count}/{self.unit}"


@dataclass(frozen=True)
class Budget:
    """How often we may ask: `Budget("1/second", "25/day", zone="America/New_York")`.

    windows: all hold at once. zone: where the day turns, or the `Setting` that says
    it. burst: how many may follow each other at once in the short
    windows (1: evenly spaced, so that no span holds more than its count). concurrency: open requests at a time.

    A request takes its `Get(…, weight=)` of every window and of the burst, 1 unless it is declared.
    """

    windows: tuple[Window, ...]
    zone: str | Setting
    burst: int
    concurrency: int

    def __init__(self, *windows: str, zone: str | Setting = "UTC", burst: int = 1, concurrency: int = 4) -> None:
        object.__setattr__(self, "windows", tuple(_window(text) for text in windows))
        known_zone("Budget", zone.default if isinstance(zone, Setting) else zone)
        object.__setattr__(self, "zone", zone)
        object.__setattr__(self, "burst", burst)
        object.__setattr__(self, "concurrency", concurrency)
        if burst < 1 or concurrency < 1:
            raise DeclarationError("Budget", "burst and concurrency are at least 1")
        if len({window.unit for window in self.windows}) < len(self.windows):
            raise DeclarationError("Budget", "has two windows of one unit")

    @property
    def heaviest(self) -> int | None:
        """The most that one request may weigh to be sent ever; None where there is no window."""
        sizes = [window.count for window in self.windows]
        short = any(window.unit != "day" for window in self.windows)
        return min([*sizes, self.burst] if short else sizes, default=None)

    def check_weight(self, where: str, weight: int) -> None:
        """DeclarationError where there is never a place for a request that weighs so much."""
        if self.heaviest is not None and weight > self.heaviest:
            raise DeclarationError(
                where,
                f"weighs {weight}, and its budget never has a place for more than {self.heaviest} at once",
                hint=f"a window of at least {weight}, and where there is one shorter than a day burst={weight}",
            )

    @property
    def clock(self) -> ZoneInfo:
        """Where the day turns; of a budget whose zone is a setting `Upstream.budget_now` knows."""
        assert isinstance(self.zone, str)
        return ZoneInfo(self.zone)


def _window(text: str) -> Window:
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour|day)", text)
    if not match:
        raise DeclarationError("Budget", f"{text!r} is no window", hint='write e.g. "1/second" or "25/day"')
    return Window(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows only the units


MeaningKind = Literal[
    "data", "pending", "throttled", "quota", "auth", "stop", "refused", "transient", "failed", "instead"
]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer is, whatever its status says. Built by the class methods.

    wait: how long to wait before the same request is sent again, where the upstream or the feed says so. tries: how
    often it is sent in all, 0 for as often as the upstream's faults allow; of throttling, how often in a row it may be
    said before it is a quota. park: how long the partition is left alone
    after that. forever: never asked again. scheduled: asked again at every slot of the feed's schedule. query: the
    parameters with which it is asked instead.
    """

    kind: MeaningKind
    reason: str = ""
    wait: timedelta | None = None
    tries: int = 0
    park: timedelta | None = None
    forever: bool = False
    scheduled: bool = False
    query: tuple[tuple[str, str], ...] = ()

    @classmethod
    def data(cls) -> Meaning:
        """Records, to be decoded."""
        return cls("data")

    @classmethod
    def pending(cls, reason: str) -> Meaning:
        """Not published yet: nothing is wrong, nothing is stored, asked again later."""
        return cls("pending", reason)

    @classmethod
    def throttled(cls, reason: str, wait: timedelta | None = None, *, quota_after: int = 0) -> Meaning:
        """Too fast: the same request again after a wait; not counted as a try.

        quota_after: said so often in a row, it stands for the whole day's allowance. 0: never.
        """
        return cls("throttled", reason, wait, quota_after)

    @classmethod
    def quota(cls, reason: str) -> Meaning:
        """The allowance is used up: no request to this upstream until its day turns, or a later `Retry-After` ends."""
        return cls("quota", reason)

    @classmethod
    def auth(cls, reason: str) -> Meaning:
        """We are not let in: no request to this upstream before a person has looked."""
        return cls("auth", reason)

    @classmethod
    def stop(cls, reason: str) -> Meaning:
        """This feed cannot be had (not entitled, declared wrongly): its other partitions are not asked."""
        return cls("stop", reason)

    @classmethod
    def refused(cls, reason: str, *, forever: bool = False, scheduled: bool = False) -> Meaning:
        """This partition will not be answered, however often it is asked.

        forever: nor by naming it again. scheduled: it may be one day, and is looked for at every slot of the schedule.
        """
        return cls("refused", reason, forever=forever, scheduled=scheduled)

    @classmethod
    def instead(cls, reason: str, lasts: timedelta, **query: str) -> Meaning:
        """Not as it was asked: asked with these parameters at once, and for so long whenever the partition is due.

        It is asked as declared again after that time, or where a person names it. Said of a request that has these
        parameters already, it is a refusal.
        """
        return cls("instead", reason, park=lasts, query=tuple(query.items()))

    @classmethod
    def failed(cls, reason: str) -> Meaning:
        """A fault that asking again now does not mend."""
        return cls("failed", reason)

    @classmethod
    def transient(
        cls, reason: str, wait: timedelta | None = None, *, tries: int = 0, park: timedelta | None = None
    ) -> Meaning:
        """A fault that may pass: tried again a few times; then the partition is `failed`.

        tries: in all, in the place of the upstream's own number. park: then it is left alone for so long, unless a
        person names it.
        """
        return cls("transient", reason, wait, tries, park)


Reader = Callable[[Answer, Partition], Meaning]


def read_http(answer: Answer, partition: Partition) -> Meaning:  # noqa: ARG001 (a reader's shape)
    """What the status says by itself (RFC 9110), for upstreams that mean what they send."""
    status = answer.status
    if status in (200, 203, 304):
        return Meaning.data()
    if status == 429:
        return Meaning.throttled("429")
    if status in (401, 403):
        return Meaning.auth(str(status))
    if status in (408, 425) or status >= 500:
        return Meaning.transient(str(status))
    return Meaning.refused(str(status))


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an address or a port that cannot be
        return False
    return named and not parts.query and not parts.fragment


@dataclass(frozen=True)
class Upstream:
    """A third-party HTTP API.

    url: `https://…`; `CATCHMENT_UPSTREAM_<NAME>` replaces it. read: what an answer means. throttled_s: seconds of the
    first wait after a throttling that does not say how long, doubled up to 60. tries: seconds between the tries of a
    request whose fault may pass. longest_wait: what an answer may ask for (`Retry-After`); a longer wait ends the
    attempt, and the partition is due after it. Where it is throttled, nobody asks this upstream before then, a day at
    most. deadline: for one whole request. max_body: bytes of one decoded body.
    redirects: how many are followed in one request, to the same scheme, host and port only.

    url "": there is no address that holds for everybody, the operator has to set it.
    """

    name: str
    url: str
    auth: Auth = field(default=NoAuth(), kw_only=True)
    budget: Budget = field(default_factory=Budget, kw_only=True)
    read: Reader = field(default=read_http, kw_only=True)
    throttled_s: float = field(default=1, kw_only=True)
    tries: tuple[float, ...] = field(default=(1, 2, 4, 8), kw_only=True)
    longest_wait: timedelta = field(default=timedelta(hours=1), kw_only=True)
    deadline: timedelta = field(default=timedelta(seconds=60), kw_only=True)
    max_body: int = field(default=64 * 2**20, kw_only=True)
    redirects: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        where = f"upstream {self.name}"
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", self.name):
            raise DeclarationError(where, "the name is lower case, digits and hyphens")
        if "@" in self.url.partition("//")[2].partition("/")[0]:
            raise DeclarationError(where, "the URL holds a password", hint="use auth=BasicAuth(Secret(…), Secret(…))")
        if self.url and not _is_base_url(self.url):
            raise DeclarationError(where, f"{self.url} is no base URL", hint="e.g. https://api.example.org/v1")
        if any(wait < 0 for wait in self.tries):
            raise DeclarationError(where, "tries are waits in seconds, none negative")

    def base_url(self, settings: Settings) -> str:
        """Where it is. UsageError where nobody has said so."""
        if found := settings.upstream_url(self.name) or self.url.rstrip("/"):
            return found
        name = f"CATCHMENT_UPSTREAM_{self.name.upper().replace('-', '_')}"
        raise UsageError(
            f"{name} is not set", hint=f"set it to the base URL of {self.name}, e.g. https://api.example.org"
        )

    def budget_now(self, settings: Settings) -> Budget:
        """The declared budget, or the one in the setting `<NAME>_BUDGET`, e.g. `75/minute`, in the zone that is set.

        UsageError, naming the setting, where that cannot be.
        """
        budget = self.budget
        zone = _zone_now(budget.zone, settings) if isinstance(budget.zone, Setting) else budget.zone
        name = f"{self.name.upper().replace('-', '_')}_BUDGET"
        windows = Setting(name).values(settings)
        if not windows and zone == budget.zone:
            return budget
        try:
            return Budget(
                *(windows or map(str, budget.windows)), zone=zone, burst=budget.burst, concurrency=budget.concurrency
            )
        except DeclarationError as error:
            raise UsageError(f"{name}: {error.message}", hint=error.hint) from error

    def check_weight(self, where: str, weight: int, settings: Settings) -> None:
        """UsageError where the budget that is set never has a place for a request that weighs so much."""
        if weight == 1:
            return
        try:
            self.budget_now(settings).check_weight(where, weight)
        except DeclarationError as error:
            raise UsageError(str(error), hint=error.hint) from error


def _zone_now(zone: Setting, settings: Settings) -> str:
    try:
        return known_zone(zone.name, zone.text(settings))
    except DeclarationError as error:
        raise UsageError(error.message, hint=error.hint) from error
