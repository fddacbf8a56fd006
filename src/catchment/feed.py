"""The words for declaring: an upstream, what it allows, how its answers are read, and what to collect from it.

Frozen values, checked when they are built: a wrong one names its feed and field before anything runs.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Literal
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from .auth import Auth, NoAuth
from .errors import DeclarationError, UsageError
from .exchange import Answer, Request
from .paging import Pager, single
from .partitions import Partition, Source, once
from .record import Column, Record, columns
from .settings import Setting, Settings

__all__ = [
    "CONTENT",
    "FIRST",
    "KEEP",
    "LAST",
    "RETIRE",
    "Budget",
    "Cron",
    "Every",
    "Feed",
    "Get",
    "Meaning",
    "Upstream",
    "Window",
    "items",
    "read_http",
]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")
_FEED_NAME = re.compile(r"[a-z](?:_?[a-z0-9]){0,40}(?<!_version)\Z")
"""No `__` and no `_version` at the end: the collection's table of versions and its indexes are called so."""


class Content(Enum):
    """The key of records that have none: their content, and which of several equal ones they are."""

    CONTENT = "content"


class Missing(Enum):
    """What happens to a stored record that a complete answer no longer has."""

    KEEP = "keep"
    RETIRE = "retire"


class Conflict(Enum):
    """Which of two different records with one key in one answer counts."""

    LAST = "last"
    FIRST = "first"


CONTENT = Content.CONTENT
KEEP, RETIRE = Missing.KEEP, Missing.RETIRE
LAST, FIRST = Conflict.LAST, Conflict.FIRST


# -- what an upstream allows ---------------------------------------------------------------------------------------

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

    windows: all hold at once. zone: where the day turns. burst: how many may follow each other at once in the short
    windows (1: evenly spaced, so that no span holds more than its count). concurrency: open requests at a time.
    """

    windows: tuple[Window, ...]
    zone: str
    burst: int
    concurrency: int

    def __init__(self, *windows: str, zone: str = "UTC", burst: int = 1, concurrency: int = 4) -> None:
        object.__setattr__(self, "windows", tuple(_window(text) for text in windows))
        object.__setattr__(self, "zone", _zone("Budget", zone))
        object.__setattr__(self, "burst", burst)
        object.__setattr__(self, "concurrency", concurrency)
        if burst < 1 or concurrency < 1:
            raise DeclarationError("Budget", "burst and concurrency are at least 1")
        if len({window.unit for window in self.windows}) < len(self.windows):
            raise DeclarationError("Budget", "has two windows of one unit")


def _window(text: str) -> Window:
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour|day)", text)
    if not match:
        raise DeclarationError("Budget", f"{text!r} is no window", hint='write e.g. "1/second" or "25/day"')
    return Window(int(match[1]), match[2])  # type: ignore[arg-type]  # the pattern allows only the units


def _zone(where: str, name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise DeclarationError(where, f"{name} is no time zone", hint="e.g. Europe/London") from error
    return name


# -- when -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cron:
    """A schedule by the clock of a place: `Cron("30 22 * * mon-fri", zone="America/New_York")`."""

    expression: str
    zone: str = "UTC"

    def __post_init__(self) -> None:
        from cronsim import CronSim, CronSimError

        _zone("Cron", self.zone)
        try:
            CronSim(self.expression, datetime(2026, 1, 1, tzinfo=ZoneInfo(self.zone)))
        except CronSimError as error:
            raise DeclarationError(f"Cron({self.expression!r})", str(error), hint='e.g. "0 4 * * *"') from error

    def next_after(self, moment: datetime) -> datetime:
        """The first slot after `moment`. A slot in the hour that summer time skips comes right after it, one in the
        hour that comes twice comes once.
        """
        from cronsim import CronSim

        # In the second pass of an hour that comes twice, the first answers are slots of its first pass: gone by.
        slots = CronSim(self.expression, moment.astimezone(ZoneInfo(self.zone)))
        return next(slot for slot in (item.astimezone(moment.tzinfo) for item in slots) if slot > moment)


@dataclass(frozen=True)
class Every:
    """A schedule by distance: `Every(minutes=30)` after the last time."""

    interval: timedelta

    def __init__(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        interval = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if interval < timedelta(seconds=1):
            raise DeclarationError("Every", "is at least one second")
        object.__setattr__(self, "interval", interval)

    def next_after(self, moment: datetime) -> datetime:
        return moment + self.interval


# -- what an answer means -------------------------------------------------------------------------------------------

MeaningKind = Literal["data", "pending", "throttled", "quota", "auth", "stop", "refused", "transient", "failed"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer is, whatever its status says. Built by the class methods.

    wait: how long to wait before the same request is sent again, where the upstream or the feed says so.
    """

    kind: MeaningKind
    reason: str = ""
    wait: timedelta | None = None

    @classmethod
    def data(cls) -> Meaning:
        """Records, to be decoded."""
        return cls("data")

    @classmethod
    def pending(cls, reason: str) -> Meaning:
        """Not published yet: nothing is wrong, nothing is stored, asked again later."""
        return cls("pending", reason)

    @classmethod
    def throttled(cls, reason: str, wait: timedelta | None = None) -> Meaning:
        """Too fast: the same request again after a wait; not counted as a try."""
        return cls("throttled", reason, wait)

    @classmethod
    def quota(cls, reason: str) -> Meaning:
        """The allowance is used up: no request to this upstream until its day turns."""
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
    def refused(cls, reason: str) -> Meaning:
        """This partition will not be answered, however often it is asked."""
        return cls("refused", reason)

    @classmethod
    def failed(cls, reason: str) -> Meaning:
        """A fault that asking again now does not mend."""
        return cls("failed", reason)

    @classmethod
    def transient(cls, reason: str, wait: timedelta | None = None) -> Meaning:
        """A fault that may pass: tried again a few times."""
        return cls("transient", reason, wait)


Reader = Callable[[Answer, Partition], Meaning]


def read_http(answer: Answer, partition: Partition) -> Meaning:  # noqa: ARG001 (a reader's shape)
    """What the status says by itself (RFC 9110), for upstreams that mean what they send."""
    status = answer.status
    if status in (200, 203, 206, 304):
        return Meaning.data()
    if status == 429:
        return Meaning.throttled("429")
    if status in (401, 403):
        return Meaning.auth(str(status))
    if status in (408, 425) or status >= 500:
        return Meaning.transient(str(status))
    return Meaning.refused(str(status))


# -- what is collected ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Get:
    """A request for one partition: `Get("/query", function="TIME_SERIES_DAILY", symbol="{symbol}")`.

    `{name}` stands for the partition's value; a `Setting` for what the operator set. Plain names only: this is no
    language.
    """

    path: str
    query: tuple[tuple[str, str | Setting], ...]
    headers: tuple[tuple[str, str], ...]

    def __init__(self, path: str, *, headers: Mapping[str, str] | None = None, **query: str | Setting) -> None:
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "query", tuple(query.items()))
        object.__setattr__(self, "headers", tuple((headers or {}).items()))
        if not path.startswith("/"):
            raise DeclarationError(f"Get({path!r})", "the path begins with /")
        if "?" in path or "#" in path:
            raise DeclarationError(f"Get({path!r})", "the path holds a query", hint='e.g. Get("/query", symbol="IBM")')
        _ = self.names

    @property
    def names(self) -> frozenset[str]:
        """The partition parameters that it uses."""
        texts = [self.path, *(value for _, value in self.query if isinstance(value, str))]
        return frozenset(name for text in texts for name in _placeholders(text))

    def request(self, partition: Partition, settings: Settings) -> Request:
        """The request for a partition."""
        values = dict(partition.params)
        query = [
            (name, value.text(settings) if isinstance(value, Setting) else value.format_map(values))
            for name, value in self.query
        ]
        # A value is one segment of the path, whatever is in it.
        path = self.path.format_map({name: quote(value, safe="") for name, value in values.items()})
        return Request(path, tuple(query), self.headers)


def _placeholders(text: str) -> Iterable[str]:
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise DeclarationError(f"Get({text!r})", str(error)) from error
    for _, name, form, conversion in parts:
        if name is None:
            continue
        if not _NAME.match(name) or form or conversion:
            raise DeclarationError(f"Get({text!r})", f"{{{name}}} is no plain parameter name")
        yield name


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class items:  # noqa: N801 (a declaring word, as each and months)
    """The rows are the members of a JSON array: the body itself, or the member named.

    They are split and hashed as bytes, so that rows already known are not decoded at all, and a body of any size is
    read record by record.
    """

    member: str = ""


RowsOf = items | Callable[[Any, Partition], Iterable[Row]]
Shape = Callable[[Row, Partition], Row]
Rule = Callable[[Any], str]


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

    url: `https://…`; `CATCHMENT_UPSTREAM_<NAME>` replaces it. read: what an answer means. deadline: for one whole
    request. max_body: bytes of one decoded body.
    """

    name: str
    url: str
    auth: Auth = field(default=NoAuth(), kw_only=True)
    budget: Budget = field(default_factory=Budget, kw_only=True)
    read: Reader = field(default=read_http, kw_only=True)
    tries: tuple[float, ...] = field(default=(1, 2, 4, 8), kw_only=True)
    deadline: timedelta = field(default=timedelta(seconds=60), kw_only=True)
    max_body: int = field(default=64 * 2**20, kw_only=True)

    def __post_init__(self) -> None:
        where = f"upstream {self.name}"
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", self.name):
            raise DeclarationError(where, "the name is lower case, digits and hyphens")
        if "@" in self.url.partition("//")[2].partition("/")[0]:
            raise DeclarationError(where, "the URL holds a password", hint="use auth=BasicAuth(Secret(…), Secret(…))")
        if not _is_base_url(self.url):
            raise DeclarationError(where, f"{self.url} is no base URL", hint="e.g. https://api.example.org/v1")
        if any(wait < 0 for wait in self.tries):
            raise DeclarationError(where, "tries are waits in seconds, none negative")

    def base_url(self, settings: Settings) -> str:
        return settings.upstream_url(self.name) or self.url.rstrip("/")

    def budget_now(self, settings: Settings) -> Budget:
        """The declared budget, or the one in the setting `<NAME>_BUDGET`, e.g. `75/minute`."""
        name = f"{self.name.upper().replace('-', '_')}_BUDGET"
        if not (windows := Setting(name).values(settings)):
            return self.budget
        try:
            return Budget(*windows, zone=self.budget.zone, burst=self.budget.burst, concurrency=self.budget.concurrency)
        except DeclarationError as error:
            raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


@dataclass(frozen=True)
class Feed:
    """What to collect from an upstream, into the collection of the same name.

    Args:
        request: one partition's request.
        partitions: where partitions come from; without it there is one.
        rows: the rows in a body: `items()`, or a function (decoded body, partition) -> dicts. A body that is no
            JSON reaches the function as text. What it cannot read it refuses with DecodeError.
        shape: (row, partition) -> the fields of the record, where the upstream's row is not the record already.
        strict: False takes text for the number or date that it spells.
        key: the fields that identify a record, or CONTENT where the upstream gives no identity.
        refuse: (record) -> why this record is not acceptable, "" if it is: such a record is a reject.
        volatile: fields whose change alone makes no version.
        missing: KEEP, or RETIRE where a complete partition is the whole truth about it.
        conflict: LAST or FIRST, of two different records with one key in one answer.
        schedule: makes partitions due; one never collected is due at once.
        settle: how long after its first collection a partition is re-read at every `reread` (default: the
            schedule); after that at every `reconcile` only.
        sort: the order of lists. indexes: further orders that readers ask for often.
        public: anyone may read it.
    """

    name: str
    record: type[Record]
    upstream: Upstream
    request: Get = field(kw_only=True)
    partitions: Source = field(default=once(), kw_only=True)
    pages: Pager = field(default=single, kw_only=True)
    read: Reader | None = field(default=None, kw_only=True)
    rows: RowsOf = field(default=items(), kw_only=True)
    shape: Shape | None = field(default=None, kw_only=True)
    strict: bool = field(default=True, kw_only=True)
    key: tuple[str, ...] | Content = field(kw_only=True)
    refuse: Rule | None = field(default=None, kw_only=True)
    volatile: Sequence[str] = field(default=(), kw_only=True)
    missing: Missing = field(default=KEEP, kw_only=True)
    conflict: Conflict = field(default=LAST, kw_only=True)
    schedule: Cron | Every = field(default=Every(days=1), kw_only=True)
    settle: timedelta | None = field(default=None, kw_only=True)
    reread: Every | None = field(default=None, kw_only=True)
    reconcile: Every = field(default=Every(days=30), kw_only=True)
    pass_max_age: timedelta = field(default=timedelta(hours=6), kw_only=True)
    max_partition_records: int = field(default=200_000, kw_only=True)
    sort: Sequence[str] = field(default=(), kw_only=True)
    indexes: Sequence[Sequence[str]] = field(default=(), kw_only=True)
    public: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        where = f"feed {self.name}"
        if not _FEED_NAME.match(self.name):
            raise DeclarationError(where, "the name is lower case, digits and single underscores, without _version")
        known = tuple(column.name for column in self.columns)
        self._check_key(where)
        lists = {"volatile": self.volatile, "sort": self.sort}
        lists |= {f"indexes[{number}]": names for number, names in enumerate(self.indexes)}
        if isinstance(self.key, tuple):
            lists["key"] = self.key
        for name, fields in lists.items():
            for item in fields:
                if item.removeprefix("-") not in known:
                    raise DeclarationError(
                        f"{where}: {name}", f"{item} is no field", hint=f"fields: {', '.join(known)}"
                    )
        if stray := sorted(self.request.names - set(self.partitions.names)):
            raise DeclarationError(f"{where}: request", f"{{{stray[0]}}} is no parameter of its partitions")
        if self.max_partition_records < 1:
            raise DeclarationError(f"{where}: max_partition_records", "is at least 1")

    def _check_key(self, where: str) -> None:
        if isinstance(self.key, Content):
            return
        if type(self.key) is not tuple or not self.key:
            raise DeclarationError(f"{where}: key", "is a tuple of field names, or CONTENT", hint='e.g. key=("id",)')
        optional = {column.name for column in self.columns if column.nullable or column.kind in ("json", "number")}
        if loose := [name for name in self.key if name in optional or name in self.volatile]:
            raise DeclarationError(
                f"{where}: key", f"{loose[0]} may be null, volatile or inexact: it identifies nothing"
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        return columns(self.record)

    @property
    def reader(self) -> Reader:
        return self.read or self.upstream.read

    @property
    def order(self) -> tuple[str, ...]:
        """The fields by which lists are sorted when nobody asks otherwise; the key comes after them."""
        return tuple(self.sort) or (self.key if isinstance(self.key, tuple) else ())
