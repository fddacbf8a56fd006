"""What to collect from an upstream, into one collection: a frozen value, checked when it is built.

A wrong declaration names its feed and field before anything runs.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import Any
from urllib.parse import quote

from .errors import DeclarationError, DecodeError, UsageError
from .exchange import Answer, Request
from .grouping import Counter, check_counters
from .paging import Pager, first_page, single
from .partitions import Partition, Source, once
from .record import Column, Record, check_search, columns
from .rows import Row, RowsOf, items
from .rules import MASS_VANISH, Answered, Attribute, Confirm, Guard, Lookup
from .schedule import Cron, Due, Every
from .settings import Setting, Settings
from .upstream import Meaning, Reader, Upstream

__all__ = ["CONTENT", "FIRST", "KEEP", "LAST", "RETIRE", "Compared", "Derived", "Feed", "Get", "Row", "items"]

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


@dataclass(frozen=True)
class Get:
    """A request for one partition: `Get("/query", function="TIME_SERIES_DAILY", symbol="{symbol}")`.

    `{name}` stands for the partition's value; a `Setting` for what the operator set. Plain names only: this is no
    language.

    weight: how much of each window of its upstream's budget every such request takes, where the upstream counts some
    requests as several. A parameter of the query cannot have its name, nor be called `headers`.
    """

    path: str
    query: tuple[tuple[str, str | Setting], ...]
    headers: tuple[tuple[str, str], ...]
    weight: int

    def __init__(
        self, path: str, *, headers: Mapping[str, str] | None = None, weight: int = 1, **query: str | Setting
    ) -> None:
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "query", tuple(query.items()))
        object.__setattr__(self, "headers", tuple((headers or {}).items()))
        object.__setattr__(self, "weight", weight)
        if type(weight) is not int or weight < 1:
            raise DeclarationError(f"Get({path!r})", f"weight={weight!r} is no whole number of at least 1")
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
        path = self.path.format_map({name: _segment(value) for name, value in values.items()})
        return Request(path, tuple(query), self.headers)


def _segment(value: str) -> str:
    """A value as one segment of a path, whatever is in it. UsageError for one that means another folder."""
    if value in ("", ".", ".."):
        raise UsageError(f"{value!r} cannot stand in a path")
    return quote(value, safe="")


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


def _as_set(function: Any, settings: Settings) -> Any:
    """A `functools.partial` with the texts of the settings that are bound to it by name; anything else as it is."""
    bound = getattr(function, "keywords", {})
    if not any(isinstance(value, Setting) for value in bound.values()):
        return function
    texts = {name: value.text(settings) if isinstance(value, Setting) else value for name, value in bound.items()}
    return functools.partial(function.func, *function.args, **texts)


def _one_of(words: Sequence[str], setting: Setting, settings: Settings) -> str:
    found = setting.text(settings).strip()
    if found not in words:
        raise UsageError(f"{setting.name}={found} is none of {', '.join(words)}")
    return found


def _days(setting: Setting, settings: Settings) -> timedelta | None:
    """A number of days; None for 0, which is for ever."""
    found = setting.text(settings).strip()
    if not (found.isascii() and found.isdigit() and len(found) < 6):
        raise UsageError(f"{setting.name}={found} is no number of days", hint=f"e.g. {setting.name}=30; 0 is for ever")
    return timedelta(days=int(found)) or None


EQUAL = ("count", "collapse")

Shape = Callable[[Row, Partition], Row]
Rule = Callable[[Any], str]


@dataclass(frozen=True)
class Derived:
    """Fields that are filled from the records of another feed of the app, which is collected before.

    They are no part of what identifies a record, and each change of them is a version. Fresh records are filled
    before they are compared; stored ones again whenever the other collection has changed.

    source: the feed that is looked up. attribute: (record, lookup, before) -> the record with its fields filled;
    without I/O, the same for the same. fields: those; null until they are filled. max_age: what was said longer ago
    is not found.
    """

    source: Feed
    attribute: Attribute
    fields: tuple[str, ...] = field(kw_only=True)
    max_age: timedelta | None = field(default=None, kw_only=True)

    def check(self, where: str, known: Sequence[Column], key: Sequence[str]) -> None:
        """DeclarationError where the feed of these columns and this key cannot have such fields."""
        nullable = {column.name for column in known if column.nullable}
        if type(self.fields) is not tuple or not self.fields:
            raise DeclarationError(
                f"{where}: derived", "fields is a tuple of field names", hint='e.g. ("employee_id",)'
            )
        for name in self.fields:
            if name in key:
                raise DeclarationError(f"{where}: derived", f"{name} is in the key or volatile: it is not filled")
            if name not in nullable:
                raise DeclarationError(f"{where}: derived", f"{name} is no field that may be null: it begins as null")
        if isinstance(self.source.key, Content):
            raise DeclarationError(f"{where}: derived", f"records of {self.source.name} have no key to look up by")


@dataclass(frozen=True)
class Compared:
    """A guard that sees the records of another feed of the app, which is collected before.

    source: the feed that is looked up. rule: (answer, lookup) -> why nothing of it may be stored, "" if it may.
    """

    source: Feed
    rule: Callable[[Answered, Lookup], str]

    def __post_init__(self) -> None:
        if isinstance(self.source.key, Content):
            raise DeclarationError("Compared", f"records of {self.source.name} have no key to look up by")


@dataclass(frozen=True)
class Feed:
    """What to collect from an upstream, into the collection of the same name.

    Args:
        request: one partition's request.
        partitions: where partitions come from; without it there is one.
        pages: how the answers of one partition follow each other: `by_page`, `by_offset`, `by_cursor`, `by_link`,
            `by_header_link`, or a generator of one's own. Without it one answer is the whole partition, and one that
            says that there is more is refused; `first_page` takes it knowingly.
        pass_max_age: what was answered longer ago is asked again before a partition is complete. By default 6 hours;
            3 days where there are pages, since the upstream's day may end in their middle.
        rows: the rows in a body: `items()`, `table(…)`, or a function (decoded body, partition) -> dicts, which has
            the body in memory whole; one that is no JSON reaches it as text. What it cannot read it refuses with
            DecodeError. A `Setting` that is bound by name (`functools.partial(rows, lookback=Setting(…))`) reaches it
            as text; so with `refuse`.
        shape: (row, partition) -> the fields of the record, where the upstream's row is not the record already.
        strict: False takes text for the number or date that it spells.
        key: the fields that identify a record, or CONTENT where the upstream gives no identity.
        refuse: (record) -> why this record is not acceptable, "" if it is: such a record is a reject.
        volatile: fields whose change alone makes no version.
        missing: KEEP, or RETIRE where a complete partition is the whole truth about it.
        conflict: LAST or FIRST, of two different records with one key in one answer. With FIRST the other is a reject.
        equal: `count` or `collapse` equal records of a feed whose key is CONTENT; a `Setting` lets the operator say.
        guard: (a whole answer, which is every `Met` record of it) -> why nothing of it may be stored, "" if it may:
            such an attempt has failed and changed nothing. `Compared(…)` where another feed's records tell.
        confirm: which answers have to be said twice before they are believed. Where records are retired and nothing
            is declared: those that leave less than half of at least 20.
        derived: fields that are filled from another feed's records.
        retention: how long versions are kept after they have ended, and records after they were retired; a `Setting`
            says it in days, 0 being for ever. keep_bodies: the bytes of all answers are kept all the same.
        schedule: makes partitions due; one never collected is due at once.
        due: `changed() | older_than(…)`: when a collected partition is asked again, in the place of the schedule.
        settle: how long after its first collection a partition is re-read at every `reread` (default: the
            schedule); after that at every `reconcile` only.
        reconcile_with: parameters with which a collected partition is asked at every `reconcile`, in the place of its
            own: for more than what is asked daily. Where the upstream refuses them, as `Meaning.instead()` says.
        max_partition_records, max_partition_bytes: a partition of more rows, or of larger bodies together, is not
            taken: it is split, or they are raised knowingly.
        max_whole_body: bytes of one body that functions of one's own (`rows`, `read`, `guard`) are given, which have
            it in memory whole, and read as values several times as large. A larger one fails the attempt;
            `items()` and `table()` read a body of any size.
        aliases: other names under which readers may ask for a field: `{"removal": "removal_of_clothing"}`.
        sort: the order of lists. indexes: further orders that readers ask for often. search: the fields of text that
            `q=` looks for words in.
        counters: groups whose counts and exact sums are kept with every commit, and so read at once.
        stale: the age at which a partition is too old; without it, that of a missed round of its schedule.
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
    equal: str | Setting = field(default="count", kw_only=True)
    guard: Guard | Compared | None = field(default=None, kw_only=True)
    confirm: Confirm | None = field(default=None, kw_only=True)
    derived: Derived | None = field(default=None, kw_only=True)
    retention: timedelta | Setting | None = field(default=None, kw_only=True)
    keep_bodies: bool = field(default=False, kw_only=True)
    schedule: Cron | Every = field(default=Every(days=1), kw_only=True)
    due: Due | None = field(default=None, kw_only=True)
    settle: timedelta | None = field(default=None, kw_only=True)
    reread: Every | None = field(default=None, kw_only=True)
    reconcile: Every = field(default=Every(days=30), kw_only=True)
    reconcile_with: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    pass_max_age: timedelta | None = field(default=None, kw_only=True)
    max_partition_records: int = field(default=200_000, kw_only=True)
    max_partition_bytes: int = field(default=2**30, kw_only=True)
    max_whole_body: int = field(default=4 * 2**20, kw_only=True)
    aliases: Mapping[str, str] = field(default_factory=dict, kw_only=True, hash=False)
    sort: Sequence[str] = field(default=(), kw_only=True)
    indexes: Sequence[Sequence[str]] = field(default=(), kw_only=True)
    search: Sequence[str] = field(default=(), kw_only=True)
    counters: Sequence[Counter] = field(default=(), kw_only=True)
    stale: timedelta | None = field(default=None, kw_only=True)
    public: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        where = f"feed {self.name}"
        if not _FEED_NAME.match(self.name):
            raise DeclarationError(where, "the name is lower case, digits and single underscores, without _version")
        known = tuple(column.name for column in self.columns)
        self._check_key(where)
        lists = {"volatile": self.volatile, "aliases": tuple(self.aliases.values()), "sort": self.sort}
        lists |= {f"indexes[{number}]": names for number, names in enumerate(self.indexes)}
        if isinstance(self.key, tuple):
            lists["key"] = self.key
        for name, fields in lists.items():
            for item in fields:
                if item.removeprefix("-") not in known:
                    raise DeclarationError(
                        f"{where}: {name}", f"{item} is no field", hint=f"fields: {', '.join(known)}"
                    )
        check_search(where, self.search, self.columns)
        check_counters(where, self.counters, self.columns)
        if stray := sorted(self.request.names - set(self.partitions.names)):
            raise DeclarationError(f"{where}: request", f"{{{stray[0]}}} is no parameter of its partitions")
        self.upstream.budget.check_weight(f"{where}: request", self.request.weight)
        if self.due and self.settle:
            raise DeclarationError(f"{where}: due", "says when, and so does settle", hint="leave one of them out")
        if self.due and self.due.changed and not self.partitions.feeds:
            raise DeclarationError(f"{where}: due", "its partitions come from no rows that could change")
        for bound in ("max_partition_records", "max_partition_bytes", "max_whole_body"):
            if getattr(self, bound) < 1:
                raise DeclarationError(f"{where}: {bound}", "is at least 1")
        self._check_rules(where)

    def _check_rules(self, where: str) -> None:
        if isinstance(self.equal, str) and self.equal not in EQUAL:
            raise DeclarationError(f"{where}: equal", f"{self.equal} is none of {', '.join(EQUAL)}")
        if self.equal != "count" and not isinstance(self.key, Content):
            raise DeclarationError(f"{where}: equal", "its records have keys: equal ones are one", hint="key=CONTENT")
        if isinstance(self.retention, timedelta) and self.retention <= timedelta(0):
            raise DeclarationError(f"{where}: retention", "is longer than nothing", hint="without it all is kept")
        if self.derived:
            names = (*self.volatile, *(self.key if isinstance(self.key, tuple) else ()))
            self.derived.check(where, self.columns, names)
        if self.confirm and not self.confirm.empty and self.missing is KEEP:
            raise DeclarationError(f"{where}: confirm", "it loses no records", hint="missing=RETIRE")

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

    def as_set(self, settings: Settings) -> Feed:
        """The same with what is set in the place of settings. UsageError, naming the setting, where that cannot be."""
        schedule, equal, retention = self.schedule.as_set(settings), self.equal, self.retention
        rows, refuse = _as_set(self.rows, settings), _as_set(self.refuse, settings)
        self.upstream.check_weight(f"feed {self.name}: request", self.request.weight, settings)
        for _, value in self.request.query:
            if isinstance(value, Setting):
                value.text(settings)
        if isinstance(equal, Setting):
            equal = _one_of(EQUAL, equal, settings)
        if isinstance(retention, Setting):
            retention = _days(retention, settings)
        found = {"schedule": schedule, "equal": equal, "retention": retention, "rows": rows, "refuse": refuse}
        changed = {name: value for name, value in found.items() if value is not getattr(self, name)}
        return replace(self, **changed) if changed else self

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the feeds whose records it is collected by or filled from."""
        beside = (self.derived, self.guard if isinstance(self.guard, Compared) else None)
        return (*self.partitions.feeds, *(item.source.name for item in beside if item))

    @property
    def doubts(self) -> Confirm | None:
        """Which of its answers have to be said twice."""
        return self.confirm or (MASS_VANISH if self.missing is RETIRE else None)

    @property
    def columns(self) -> tuple[Column, ...]:
        return columns(self.record)

    @property
    def paged(self) -> bool:
        """Whether a partition may have more than one answer."""
        return self.pages not in (single, first_page)

    @property
    def oldest(self) -> timedelta:
        """How old an answer may be that a pass goes on from."""
        return self.pass_max_age or (timedelta(days=3) if self.paged else timedelta(hours=6))

    def reader(self, answer: Answer, partition: Partition) -> Meaning:
        """What an answer means, as the feed or its upstream reads it."""
        try:
            return (self.read or self.upstream.read)(replace(answer, most=self.max_whole_body), partition)
        except DecodeError as error:
            return Meaning.failed(f"{error.reason}: {error.message}")

    @property
    def order(self) -> tuple[str, ...]:
        """The fields by which lists are sorted when nobody asks otherwise; the key comes after them."""
        return tuple(self.sort) or (self.key if isinstance(self.key, tuple) else ())
