"""Partitions that come from stored rows: of another feed, counted up, or of the list that an upstream keeps itself."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from .errors import DeclarationError, UsageError
from .partitions import (
    STAMP,
    Expected,
    Grid,
    Listing,
    Months,
    Partition,
    Source,
    Surroundings,
    Values,
    settings_of,
    single,
    texts_of,
)
from .record import columns
from .settings import Setting

__all__ = ["check_values", "counted", "listed_by", "read_value", "rows_of"]


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
    name, field = single("counted", count)
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
    months: Months | None
    known: tuple[Source, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return (*(name for name, _ in self.given), *self.listed)

    @property
    def feeds(self) -> tuple[str, ...]:
        return (self.feed,)

    @property
    def settings(self) -> Mapping[str, str]:
        return settings_of(self.given)

    def expand(self, around: Surroundings) -> Iterator[Expected]:
        rows = self._rows(around)
        others = {place[len(self.given) :] for place in rows}
        given = [self._given(index, rows, around) for index in range(len(self.given))]
        unread = not rows or around.unread(self.feed)
        for other in sorted(others | self._besides(around), reverse=True):
            listing = _listing(other, others, unread=unread)
            for chosen in itertools.product(*given):
                place = (*chosen, *other)
                params = tuple(zip(self.names, place, strict=True))
                if place in rows:
                    yield Expected(Partition(params), stamp=rows[place])
                else:
                    yield Expected(Partition(params, listing), "" if unread else "not listed")

    def _rows(self, around: Surroundings) -> dict[tuple[str, ...], str]:
        """What the list has, each with its stamp. A list that was not read for too long still says what it had."""
        names = self.names  # the list's fields are its key, and so never null
        return {
            tuple(str(row[name]) for name in names): _stamp([row]) for row in around.rows(self.feed, (*names, STAMP))
        }

    def _besides(self, around: Surroundings) -> set[tuple[str, ...]]:
        """What is expected whether the list has it or not: what a person named; without a list, the newest months."""
        named = [around.named.get(name, ()) for name in self.listed]
        found = set(itertools.product(*named)) if named else set()
        if self.months and self.listed == self.months.names and around.unread(self.feed):
            found |= {(month,) for month in self.months.newest(around.now)}
        return found

    def _given(self, index: int, rows: Iterable[tuple[str, ...]], around: Surroundings) -> tuple[str, ...]:
        """The wanted values; `all` means every one that the list has."""
        name, values = self.given[index]
        texts = texts_of(values, around.settings)
        if texts != ("all",):
            return texts
        return tuple(sorted({row[index] for row in rows} or self._known(name, around)))

    def _known(self, name: str, around: Surroundings) -> set[str]:
        """The values that there are besides those of the list."""
        return {item.partition[name] for source in self.known if name in source.names for item in source.expand(around)}

    def stray(self, name: str, around: Surroundings) -> list[str]:
        """The wanted values that neither the list has nor what is known besides it; none while nothing is known."""
        index = [given for given, _ in self.given].index(name)
        there = {row[index] for row in self._rows(around)} | self._known(name, around)
        return sorted(set(self._given(index, (), around)) - there) if there else []


def _listing(other: tuple[str, ...], listed: Collection[tuple[str, ...]], *, unread: bool) -> Listing:
    """What a list says of what it does not have. Where it cannot be read, nothing."""
    if unread or not listed:
        return "unknown"
    return "newer" if other > max(listed) else "older" if other < min(listed) else "unlisted"


def listed_by(feed: _Named, *, months: Months | None = None, known: Sequence[Source] = (), **given: Values) -> Source:
    """The partitions that an upstream's own list offers, for wanted values: `listed_by(availability, force=…)`.

    The other key fields of the list's feed are parameters too, newest (greatest) first. A wanted combination that
    the list does not have costs no request: it is expected, with the reason `not listed`. The reader of an answer
    sees in `partition.listing` what the list says. A list that cannot be read is used for as long as it is young.

    months: which of the other parameters is a month, and how many are asked for where there is no list.
    known: where values of the given parameters come from, besides the list: any other is refused before a request.
    """
    key = getattr(feed, "key", ())
    if not given or not isinstance(key, tuple):
        raise DeclarationError(f"listed_by({feed.name})", "names no value, or the list has no key by fields")
    if stray := [name for name in given if name not in key]:
        raise DeclarationError(f"listed_by({feed.name})", f"{stray[0]} is not in the list's key {key}")
    listed = tuple(name for name in key if name not in given)
    if months and months.name not in listed:
        raise DeclarationError(f"listed_by({feed.name})", f"{months.name} is none of the list's months: {listed}")
    return _ListedBy(feed.name, tuple(given.items()), listed, months, tuple(known))


def read_value(source: Source, name: str, text: str, now: datetime) -> str:
    """A parameter's value as its partitions have it, from how a person names it: a month may be `-2`.

    UsageError, naming the parameter, for what cannot be.
    """
    if isinstance(source, Grid):
        return next((read_value(part, name, text, now) for part in source.sources if name in part.names), text)
    months = source.months if isinstance(source, _ListedBy) else source
    return months.read(text, now) if isinstance(months, Months) and months.name == name else text


def check_values(source: Source, around: Surroundings, collection: str, *, before: bool) -> None:
    """UsageError for a named or set value that neither the upstream's list has nor what is known besides it.

    before: nothing was asked yet, so that the list may be an old one: only where something else is known too.
    """
    if isinstance(source, Grid):
        for part in source.sources:
            check_values(part, around, collection, before=before)
    if not isinstance(source, _ListedBy) or (before and not source.known):
        return
    for name, values in source.given:
        if (before or name in around.named) and (stray := source.stray(name, around)):
            where = f", {values.name}" if isinstance(values, Setting) and name not in around.named else ""
            raise UsageError(
                f"{name}={stray[0]} is not in the list that {collection} is collected by{where}",
                hint=f"see {collection.partition('/')[0]}/{source.feed}",
            )


def _known(word: str, feed: _Named, fields: Iterable[str]) -> None:
    known = feed.record.__struct_fields__
    for name in fields:
        if name not in known:
            raise DeclarationError(f"{word}({feed.name})", f"has no field {name}", hint=f"it has {', '.join(known)}")
