"""By what records are put into groups: fields, and stretches of time. Said alike in a question and in a declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import DeclarationError
from .record import Column, Kind

__all__ = ["BUCKETS", "BY_BUCKET", "Bucket", "Counter", "Group", "check_counters", "read_group"]

_SAID = re.compile(r"(?:([a-z]+)\(([a-z0-9_]+)\)|([a-z0-9_]+))\Z")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of time. length: the first signs of a stored date or moment that tell (in UTC) in which it lies."""

    name: str
    length: int
    kinds: frozenset[Kind]
    words: str


_MOMENTS: frozenset[Kind] = frozenset({"datetime"})
_DAYS: frozenset[Kind] = frozenset({"date", "datetime"})

BUCKETS = (
    Bucket("hour", 13, _MOMENTS, "the hour's beginning, a moment"),
    Bucket("day", 10, _DAYS, "the day"),
    Bucket("week", 10, _DAYS, "the week's Monday"),
    Bucket("month", 7, _DAYS, "the month's first day"),
    Bucket("quarter", 7, _DAYS, "the quarter's first day"),
    Bucket("year", 4, _DAYS, "the year's first day"),
)
BY_BUCKET = {bucket.name: bucket for bucket in BUCKETS}


@dataclass(frozen=True, slots=True)
class Group:
    """One part of what tells groups apart: a field, or the stretches of time (`bucket`) that its values lie in."""

    field: str
    bucket: str = ""

    def __str__(self) -> str:
        return f"{self.bucket}({self.field})" if self.bucket else self.field


def read_group(text: str, columns: Sequence[Column]) -> Group:
    """The part that a text says: `symbol`, `month(date)`. ValueError, saying why, where it is none of these columns."""
    found = _SAID.match(text)
    bucket, inner, plain = found.groups() if found else ("", "", "")
    group = Group(inner or plain or "", bucket or "")
    column = next((item for item in columns if item.name == group.field), None)
    if column is None:
        raise ValueError(f"{text[:60]!r} is no field and no stretch of time of one")
    if bucket and bucket not in BY_BUCKET:
        raise ValueError(f"{bucket} is no stretch of time; there are {', '.join(BY_BUCKET)}")
    if bucket and column.kind not in BY_BUCKET[bucket].kinds:
        raise ValueError(f"{column.name} has no {bucket}: it is {_A[column.kind]}")
    if column.kind == "json":
        raise ValueError(f"{column.name} makes no groups: it is {_A['json']}")
    return group


_A: Mapping[Kind, str] = {
    "text": "a text",
    "integer": "an integer",
    "number": "a number",
    "decimal": "a decimal",
    "boolean": "true or false",
    "date": "a date",
    "datetime": "a moment",
    "json": "a list",
}


@dataclass(frozen=True)
class Counter:
    """How many records each group has, and exact sums of fields, kept with every commit and so read at once:
    `Counter(by=("symbol", "month(date)"), of=("close", "volume"))`.

    It answers every question for counts, sums and averages of these fields by what is in `by`, or by a part of it,
    whose filters are on plain fields of `by`, or take its stretches of time whole (`date__gte=2024-03-01`).
    """

    by: tuple[str, ...]
    of: tuple[str, ...] = ()

    def groups(self, columns: Sequence[Column]) -> tuple[Group, ...]:
        """The parts of `by`."""
        return tuple(read_group(text, columns) for text in self.by)

    def check(self, where: str, columns: Sequence[Column]) -> None:
        """DeclarationError where records of these columns cannot be counted so."""
        for name, texts in (("by", self.by), ("of", self.of)):
            if type(texts) is not tuple:
                raise DeclarationError(f"{where}: {name}", "is a tuple of texts", hint='e.g. by=("symbol",)')
            if len(set(texts)) < len(texts):
                raise DeclarationError(f"{where}: {name}", "names one twice")
        try:
            self.groups(columns)
        except ValueError as error:
            raise DeclarationError(f"{where}: by", str(error)) from error
        exact = {column.name for column in columns if column.kind in ("integer", "decimal")}
        if loose := [name for name in self.of if name not in exact]:
            hint = f"fields: {', '.join(sorted(exact))}"
            raise DeclarationError(f"{where}: of", f"{loose[0]} is no exact number", hint=hint)


def check_counters(where: str, counters: Sequence[Counter], columns: Sequence[Column]) -> None:
    """DeclarationError where one of the counters cannot be kept of records of these columns."""
    for number, counter in enumerate(counters):
        counter.check(f"{where}: counters[{number}]", columns)
