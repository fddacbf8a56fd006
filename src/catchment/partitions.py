"""The units of collecting: which partitions a feed has.

A source is a value; `expand` turns it into partitions. It asks nobody: settings, stored rows and the time are
arguments.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from .errors import DeclarationError, UsageError
from .settings import Setting, Settings

__all__ = [
    "STAMP",
    "Expected",
    "Grid",
    "Listing",
    "Months",
    "Partition",
    "Source",
    "Surroundings",
    "Values",
    "days",
    "each",
    "grid",
    "months",
    "once",
    "settings_of",
    "single",
    "texts_of",
    "when",
]

STAMP = "_hash"
"""The name under which a row's stamp is asked for."""

Values = Setting | Sequence[str] | str
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


Listing = Literal["", "unlisted", "newer", "older", "unknown"]
"""`newer`, `older`: than all that is listed. `unknown`: the list cannot be read. "": it is listed, or there is none."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One unit of collecting: named values, in the order of their declaration.

    listing: what its upstream's own list says of it now; a reader may need it to tell what an answer means. It is no
    part of what the partition is.
    """

    params: tuple[tuple[str, str], ...] = ()
    listing: Listing = field(default="", compare=False)

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
    for null. collected: whether an answer for a partition has ever been stored. named: parameter -> the values that a
    person named. unread: whether the list that a feed collects could not be read for so long that it says nothing.
    """

    settings: Settings
    now: datetime
    rows: Callable[[str, Sequence[str]], Iterable[Mapping[str, str | None]]]
    collected: Callable[[Partition], bool] = lambda _: False
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unread: Callable[[str], bool] = lambda _: False


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


def settings_of(values: Iterable[tuple[str, Values]]) -> Mapping[str, str]:
    """Parameter -> the setting that its values come from."""
    return {name: value.name for name, value in values if isinstance(value, Setting)}


def texts_of(values: Values, settings: Settings) -> tuple[str, ...]:
    """The values, each once."""
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
        return settings_of([(self.name, self.values)])

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        for value in dict.fromkeys(map(self._formed, texts_of(self.values, around.settings))):
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
    name, wanted = single("each", values)
    return _Each(name, wanted, form)


@dataclass(frozen=True)
class when:  # noqa: N801 (a declaring word, as each and months)
    """The partitions of a source where a setting says `yes`, and none where it says `no`: `when(Setting(…), each(…))`.

    Raises:
        UsageError: when the partitions are asked for and the setting says neither.
    """

    setting: Setting
    source: Source

    @property
    def names(self) -> tuple[str, ...]:
        return self.source.names

    @property
    def feeds(self) -> tuple[str, ...]:
        return self.source.feeds

    @property
    def settings(self) -> Mapping[str, str]:
        return self.source.settings

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        said = self.setting.text(around.settings)
        if said not in ("yes", "no"):
            raise UsageError(f"{self.setting.name}={said} is neither yes nor no")
        yield from self.source.expand(around) if said == "yes" else ()


@dataclass(frozen=True)
class Months:
    """Calendar months, as `months` makes them."""

    name: str
    count: int
    lag: int
    zone: str
    feeds: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        # A month that a person names is asked for, also where it is not among the newest.
        for month in around.named.get(self.name) or self.newest(around.now):
            yield Expected(Partition(((self.name, month),)))

    def newest(self, now: datetime) -> list[str]:
        """The months that there are at that moment, newest first."""
        return [self._before(now, back) for back in range(self.lag, self.lag + self.count)]

    def read(self, text: str, now: datetime) -> str:
        """The month that a person means: `2024-03`, or `-2` for two calendar months before the present one."""
        if re.fullmatch(r"-[0-9]{1,4}", text):
            return self._before(now, int(text[1:]))
        if not re.fullmatch(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])", text):
            raise UsageError(
                f"{self.name}={text} is no month",
                hint="write e.g. 2024-03, or -2 for the month two before this one",
            )
        return text

    def _before(self, now: datetime, back: int) -> str:
        local = now.astimezone(ZoneInfo(self.zone))
        index = local.year * 12 + local.month - 1 - back
        return f"{index // 12:04d}-{index % 12 + 1:02d}"


def months(name: str = "month", *, count: int, lag: int = 0, zone: str = "UTC") -> Months:
    """The newest `count` calendar months (`YYYY-MM`), newest first; lag 1 leaves out the present one."""
    _bounds("months", name, count)
    return Months(name, count, lag, _zone("months", zone))


@dataclass(frozen=True)
class _Days:
    name: str
    count: int
    lag: int
    zone: str
    feeds: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        today = around.now.astimezone(ZoneInfo(self.zone)).date()
        for back in range(self.lag, self.lag + self.count):
            yield Expected(Partition(((self.name, (today - timedelta(days=back)).isoformat()),)))


def days(name: str = "day", *, count: int, lag: int = 0, zone: str = "UTC") -> Source:
    """The newest `count` days (`YYYY-MM-DD`), newest first; lag 1 leaves out today."""
    _bounds("days", name, count)
    return _Days(name, count, lag, _zone("days", zone))


@dataclass(frozen=True)
class Grid:
    """Every combination, as `grid` makes it."""

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
    return Grid(sources)


def single(word: str, values: Mapping[str, Values]) -> tuple[str, Values]:
    """The one named parameter, with its values. DeclarationError, naming the declaring word, for none or several."""
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
