"""The units of collecting: which partitions a feed has.

A source is a value; `expand` turns it into partitions. It asks nobody: settings, stored rows and the time are
arguments.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from .errors import DeclarationError, UsageError
from .record import columns
from .settings import Setting, Settings

__all__ = [
    "Expected",
    "Partition",
    "Source",
    "Surroundings",
    "counted",
    "days",
    "each",
    "grid",
    "listed_by",
    "months",
    "once",
    "rows_of",
]

STAMP = "_hash"
"""The name under which a row's stamp is asked for."""

Values = Setting | Sequence[str] | str
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class Partition:
    """One unit of collecting: named values, in the order of their declaration."""

    params: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """`force=leicestershire,month=2024-03`; "" for a feed of one partition. `%`, `,` and `=` are escaped."""
        return ",".join(f"{name}={_escape(value)}" for name, value in self.params)

    def __getitem__(self, name: str) -> str:
        for known, value in self.params:
            if known == name:
                return value
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.params)

    def matches(self, only: Mapping[str, Sequence[str]]) -> bool:
        """Whether each named parameter has one of the wanted values."""
        mine = dict(self.params)
        return all(mine.get(name) in wanted for name, wanted in only.items())


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace(",", "%2C").replace("=", "%3D")


@dataclass(frozen=True, slots=True)
class Expected:
    """A partition that should be there. reason: why it is not asked for at present ("" when it is).

    stamp: of the row that it comes from; another stamp is another row. probe: nobody knows whether there is such a
    one: where the upstream says that there is not, nothing is missing.
    """

    partition: Partition
    reason: str = ""
    stamp: str = ""
    probe: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What a source may look at.

    rows: feed name -> its present rows, as dicts of text (only fields asked for; `STAMP` changes with the row), None
    for null. collected: whether an answer for a partition has ever been stored.
    """

    settings: Settings
    now: datetime
    rows: Callable[[str, Sequence[str]], Iterable[Mapping[str, str | None]]]
    collected: Callable[[Partition], bool] = lambda _: False


class Source(Protocol):
    """Where partitions come from."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that each partition has."""
        ...

    @property
    def feeds(self) -> tuple[str, ...]:
        """The feeds whose rows it reads: they are collected first."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """Parameter -> the setting that its values come from: naming values on the command line replaces those."""
        ...

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        """The partitions, newest or first-named first, none twice."""
        ...


@dataclass(frozen=True)
class once:  # noqa: N801 (a declaring word, as each and months)
    """One partition, without parameters."""

    names: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def expand(self, around: Surroundings) -> Iterator[Expected]:  # noqa: ARG002 (the protocol's shape)
        yield Expected(Partition())


def _settings_of(values: Iterable[tuple[str, Values]]) -> Mapping[str, str]:
    return {name: value.name for name, value in values if isinstance(value, Setting)}


def _texts(values: Values, settings: Settings) -> tuple[str, ...]:
    if isinstance(values, Setting):
        return values.values(settings)
    return (values,) if isinstance(values, str) else tuple(dict.fromkeys(values))


@dataclass(frozen=True)
class _Each:
    name: str
    values: Values
    form: Callable[[str], str]
    feeds: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def settings(self) -> Mapping[str, str]:
        return _settings_of([(self.name, self.values)])

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        for value in dict.fromkeys(map(self._formed, _texts(self.values, around.settings))):
            yield Expected(Partition(((self.name, value),)))

    def _formed(self, text: str) -> str:
        """The value in its form. UsageError, with the setting that holds it, where it has none."""
        try:
            return self.form(text)
        except ValueError as error:
            where = self.values.name if isinstance(self.values, Setting) else self.name
            raise UsageError(f"{where}: {error}") from error


def each(form: Callable[[str], str] = str, **values: Values) -> Source:
    """A partition for each value: `each(symbol=Setting("STOCK_SYMBOLS", "IBM,AAPL"))`.

    form: a rule for one value, e.g. `str.upper`; it may raise ValueError or UsageError for one that cannot be.
    """
    name, wanted = _single("each", values)
    return _Each(name, wanted, form)


@dataclass(frozen=True)
class _Months:
    name: str
    count: int
    lag: int
    zone: str
    feeds: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def settings(self) -> Mapping[str, str]:
        return {}

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        local = around.now.astimezone(ZoneInfo(self.zone))
        newest = local.year * 12 + local.month - 1 - self.lag
        for index in range(newest, newest - self.count, -1):
            yield Expected(Partition(((self.name, f"{index // 12:04d}-{index % 12 + 1:02d}"),)))


def months(name: str = "month", *, count: int, lag: int = 0, zone: str = "UTC") -> Source:
    """The newest `count` calendar months (`YYYY-MM`), newest first; lag 1 leaves out the present one."""
    _bounds("months", name, count)
    return _Months(name, count, lag, _zone("months", zone))


@dataclass(frozen=True)
class _Days:
    name: str
    count: int
    lag: int
    zone: str
    feeds: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def settings(self) -> Mapping[str, str]:
        return {}

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        today = around.now.astimezone(ZoneInfo(self.zone)).date()
        for back in range(self.lag, self.lag + self.count):
            yield Expected(Partition(((self.name, (today - timedelta(days=back)).isoformat()),)))


def days(name: str = "day", *, count: int, lag: int = 0, zone: str = "UTC") -> Source:
    """The newest `count` days (`YYYY-MM-DD`), newest first; lag 1 leaves out today."""
    _bounds("days", name, count)
    return _Days(name, count, lag, _zone("days", zone))


@dataclass(frozen=True)
class _Grid:
    sources: tuple[Source, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for source in self.sources for name in source.names)

    @property
    def feeds(self) -> tuple[str, ...]:
        return tuple(feed for source in self.sources for feed in source.feeds)

    @property
    def settings(self) -> Mapping[str, str]:
        return {name: setting for source in self.sources for name, setting in source.settings.items()}

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        for cells in itertools.product(*(tuple(source.expand(around)) for source in self.sources)):
            params = tuple(pair for cell in cells for pair in cell.partition.params)
            yield Expected(
                Partition(params),
                next((cell.reason for cell in cells if cell.reason), ""),
                ",".join(cell.stamp for cell in cells if cell.stamp),
                any(cell.probe for cell in cells),
            )


def grid(*sources: Source) -> Source:
    """Every combination of several sources: `grid(each(force=[…]), months(count=36))`."""
    names = [name for source in sources for name in source.names]
    if len(sources) < 2 or len(set(names)) < len(names):
        raise DeclarationError("grid", "needs two or more sources with different parameters")
    return _Grid(sources)


class _Named(Protocol):
    """What is needed of a feed here: partitions come below feeds in the order of modules."""

    @property
    def name(self) -> str: ...

    @property
    def record(self) -> Any: ...


@dataclass(frozen=True)
class _RowsOf:
    feed: str
    fields: tuple[tuple[str, str], ...]
    numbers: frozenset[str]
    """The fields of the feed that hold whole numbers."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.fields)

    @property
    def feeds(self) -> tuple[str, ...]:
        return (self.feed,)

    @property
    def settings(self) -> Mapping[str, str]:
        return {}

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        for partition, rows in self.grouped(around).items():
            yield Expected(partition, stamp=_stamp(rows))

    def grouped(self, around: Surroundings, *more: str) -> dict[Partition, list[Mapping[str, str | None]]]:
        """Partition -> the rows that it comes from, with `more` fields; a row that leaves a parameter null has none."""
        found: dict[Partition, list[Mapping[str, str | None]]] = {}
        for row in around.rows(self.feed, (*(known for _, known in self.fields), *more, STAMP)):
            params = [(name, value) for name, known in self.fields if (value := row[known]) is not None]
            if len(params) == len(self.fields):
                found.setdefault(Partition(tuple(params)), []).append(row)
        return found


def rows_of(feed: _Named, **fields: str) -> Source:
    """A partition for each stored row of another feed: `rows_of(seasons, id="imdb_id")` (parameter = its field)."""
    if not fields:
        raise DeclarationError(f"rows_of({feed.name})", "names no field", hint='e.g. rows_of(seasons, id="imdb_id")')
    _known("rows_of", feed, fields.values())
    numbers = frozenset(column.name for column in columns(feed.record) if column.kind == "integer")
    return _RowsOf(feed.name, tuple(fields.items()), numbers)


def _stamp(rows: Iterable[Mapping[str, str | None]]) -> str:
    """One stamp of all the rows that a partition comes from."""
    return ",".join(sorted(row[STAMP] or "" for row in rows))


@dataclass(frozen=True)
class _Counted:
    rows: _RowsOf
    name: str
    count: str
    most: int

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.rows.names, self.name)

    @property
    def feeds(self) -> tuple[str, ...]:
        return self.rows.feeds

    @property
    def settings(self) -> Mapping[str, str]:
        return {}

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        for partition, rows in self.rows.grouped(around, self.count).items():
            counts = [int(text) for row in rows if (text := row[self.count]) is not None]
            stamp = _stamp(rows)
            if not counts:
                yield from self._open(partition, stamp, around)
                continue
            for number in range(1, min(max(counts), self.most) + 1):
                yield Expected(self._numbered(partition, number), stamp=stamp)
            if max(counts) > self.most:
                yield Expected(self._numbered(partition, self.most + 1), f"more than {self.most}")

    def _open(self, partition: Partition, stamp: str, around: Surroundings) -> Iterator[Expected]:
        """Those that were collected before, and the next one: what comes after it is known when it is answered."""
        known = 0
        while known < self.most and around.collected(self._numbered(partition, known + 1)):
            known += 1
            yield Expected(self._numbered(partition, known), stamp=stamp)
        if known < self.most:
            yield Expected(self._numbered(partition, known + 1), stamp=stamp, probe=True)

    def _numbered(self, partition: Partition, number: int) -> Partition:
        return Partition((*partition.params, (self.name, str(number))))


def counted(rows: Source, *, most: int, **count: str) -> Source:
    """For each row of `rows_of`, partitions 1 to N of its number field: `counted(rows_of(series, series="imdb_id"),
    season="total_seasons", most=50)`.

    Where the field is null: 1, 2, … until the reader says `Meaning.pending` of one that was never collected, which is
    no gap then; in the next round that one is asked for again. most: a greater N is cut there, and said.
    """
    name, field = _single("counted", count)
    if not isinstance(rows, _RowsOf):
        raise DeclarationError("counted", "counts rows_of(…) only", hint='e.g. counted(rows_of(series, id="id"), …)')
    if name in rows.names:
        raise DeclarationError("counted", f"{name} is a parameter of its rows already")
    if field not in rows.numbers:
        raise DeclarationError("counted", f"{field} is no whole number of {rows.feed}")
    if most < 1:
        raise DeclarationError("counted", "most is at least 1")
    return _Counted(rows, name, str(field), most)


@dataclass(frozen=True)
class _ListedBy:
    feed: str
    given: tuple[tuple[str, Values], ...]
    listed: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*(name for name, _ in self.given), *self.listed)

    @property
    def feeds(self) -> tuple[str, ...]:
        return (self.feed,)

    @property
    def settings(self) -> Mapping[str, str]:
        return _settings_of(self.given)

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        names = self.names
        # The list's fields are its key, and so never null.
        rows = {
            tuple(str(row[name]) for name in names): _stamp([row]) for row in around.rows(self.feed, (*names, STAMP))
        }
        given = [self._given(index, values, rows, around) for index, (_, values) in enumerate(self.given)]
        others = sorted({row[len(given) :] for row in rows}, reverse=True)
        for other in others:
            for chosen in itertools.product(*given):
                place = (*chosen, *other)
                reason = "" if place in rows else "not listed"
                yield Expected(Partition(tuple(zip(names, place, strict=True))), reason, rows.get(place, ""))

    @staticmethod
    def _given(index: int, values: Values, rows: Collection[tuple[str, ...]], around: Surroundings) -> tuple[str, ...]:
        """The wanted values; `all` means every one that the list has."""
        texts = _texts(values, around.settings)
        return tuple(sorted({row[index] for row in rows})) if texts == ("all",) else texts


def listed_by(feed: _Named, **given: Values) -> Source:
    """The partitions that an upstream's own list offers, for wanted values: `listed_by(availability, force=…)`.

    The other key fields of the list's feed are parameters too, newest (greatest) first. A wanted combination that
    the list does not have costs no request: it is expected, with the reason `not listed`.
    """
    key = getattr(feed, "key", ())
    if not given or not isinstance(key, tuple):
        raise DeclarationError(f"listed_by({feed.name})", "names no value, or the list has no key by fields")
    if stray := [name for name in given if name not in key]:
        raise DeclarationError(f"listed_by({feed.name})", f"{stray[0]} is not in the list's key {key}")
    return _ListedBy(feed.name, tuple(given.items()), tuple(name for name in key if name not in given))


def _known(word: str, feed: _Named, fields: Iterable[str]) -> None:
    known = feed.record.__struct_fields__
    for name in fields:
        if name not in known:
            raise DeclarationError(f"{word}({feed.name})", f"has no field {name}", hint=f"it has {', '.join(known)}")


def _single(word: str, values: Mapping[str, Values]) -> tuple[str, Values]:
    if len(values) != 1 or not _NAME.match(next(iter(values))):
        raise DeclarationError(word, "takes one named parameter", hint="e.g. each(symbol=['IBM'])")
    return next(iter(values.items()))


def _bounds(word: str, name: str, count: int) -> None:
    if not _NAME.match(name) or count < 1:
        raise DeclarationError(word, f"{name}, count {count}: needs a plain name and a count of at least 1")


def _zone(word: str, name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise DeclarationError(word, f"{name} is no time zone", hint="e.g. Europe/London") from error
    return name
