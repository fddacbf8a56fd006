"""What may be counted of a collection: parameters to a question. Pure: no connection, no time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec

from ..errors import QueryError
from ..grouping import BUCKETS, Group, read_group
from ..record import Column, Kind
from .query import PARAMETERS as OF_LISTS
from .query import Order, Query, chosen, distinct
from .stretches import read_zone
from .values import WHOLE

__all__ = [
    "BY_FUNCTION",
    "DEFAULT_GROUPS",
    "FUNCTIONS",
    "MAX_GROUPS",
    "MAX_MEASURES",
    "MAX_PARTS",
    "PARAMETERS",
    "Function",
    "Measure",
    "Statistics",
    "groups_of",
    "measures_of",
    "parse_statistics",
    "read_measure",
]

DEFAULT_GROUPS, MAX_GROUPS = 100, 10_000
MAX_PARTS, MAX_MEASURES = 8, 20


@dataclass(frozen=True, slots=True)
class Function:
    """One thing that is told of a group. kinds: of the fields that it may be told of."""

    name: str
    kinds: frozenset[Kind]
    words: str


_PLAIN: frozenset[Kind] = frozenset({"text", "integer", "number", "decimal", "boolean", "date", "datetime"})
_NUMBERS: frozenset[Kind] = frozenset({"integer", "decimal", "number"})

FUNCTIONS = (
    Function("count", _PLAIN | {"json"}, "how many records; of a field, how many of them have a value"),
    Function("sum", _NUMBERS, "the exact sum; of a `number` the nearest one"),
    Function("avg", _NUMBERS, "the mean, to 34 digits, rounded half-even; of a `number` the nearest one"),
    Function("min", _PLAIN - {"boolean"}, "the least value"),
    Function("max", _PLAIN - {"boolean"}, "the greatest value"),
    Function("distinct", _PLAIN, "how many different values"),
)
"""The one table from which the parser, the OpenAPI parameters and the documentation are made."""

BY_FUNCTION = {function.name: function for function in FUNCTIONS}

PARAMETERS = {
    "by": "What puts records into groups, separated by commas: fields, and stretches of time of a date or a moment ("
    + ", ".join(f"`{bucket.name}(field)`" for bucket in BUCKETS)
    + "). Without it all records are one group.",
    "of": "What is told of each group, separated by commas: `count()`, or one of "
    + ", ".join(f"`{function.name}(field)`" for function in FUNCTIONS)
    + ". Without it `count()`. Of no value at all the sum, the mean, the least and the greatest are null.",
    "zone": "The time zone in which a moment's stretches of time begin, e.g. `Europe/London`; without it UTC.",
    "sort": "By what groups are sorted: parts of `by` and of `of`, separated by commas, `-` before what descends; then,"
    " and without it, by the parts of `by`. Nulls are the smallest.",
    "limit": f"How many groups, 1 to {MAX_GROUPS}; `meta.groups` says how many there are.",
    "as_of": OF_LISTS["as_of"],
}
"""The parameters that are no filters, and what they mean."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What is told of a group. field: "" for all its records."""

    function: str
    field: str = ""

    def __str__(self) -> str:
        return f"{self.function}({self.field})"


_ALL = Query()


@dataclass(frozen=True, slots=True)
class Statistics:
    """What to tell of which groups. where: the records that are meant. order: by the texts of groups and measures.

    zone: "" for UTC.
    """

    by: tuple[Group, ...] = ()
    of: tuple[Measure, ...] = (Measure("count"),)
    where: Query = _ALL
    zone: str = ""
    order: tuple[Order, ...] = ()
    limit: int = DEFAULT_GROUPS

    @property
    def normal(self) -> bytes:
        """The request in one form, whatever the order of its parameters was."""
        return msgspec.msgpack.encode(self)

    def zone_of(self, column: Column) -> ZoneInfo | None:
        """Where the stretches of a field begin; None for UTC. A date is a day wherever one is."""
        return ZoneInfo(self.zone) if self.zone not in ("", "UTC") and column.kind == "datetime" else None


def groups_of(columns: Sequence[Column]) -> list[str]:
    """Everything that `by` may name."""
    plain = [column.name for column in columns if column.kind != "json"]
    return plain + [f"{b.name}({column.name})" for column in columns for b in BUCKETS if column.kind in b.kinds]


def measures_of(columns: Sequence[Column]) -> list[str]:
    """Everything that `of` may name."""
    told = [f"{item.name}({column.name})" for column in columns for item in FUNCTIONS if column.kind in item.kinds]
    return ["count()", *told]


def parse_statistics(
    pairs: Iterable[tuple[str, str]],
    columns: Sequence[Column],
    aliases: Mapping[str, str] = MappingProxyType({}),
    *,
    searched: bool = False,
) -> Statistics:
    """The question that the parameters say. Arguments as of `query.parse`.

    Raises:
        QueryError: an unknown or repeated parameter (the nearest is named), what is no field and no function of one,
            a value that is not what its field holds, a limit passed.
    """
    given = distinct(pairs, aliases)
    known = {column.name: column for column in columns}
    where = chosen(given, known, PARAMETERS, searched=searched)
    by = tuple(_group(text, columns) for text in _parts("by", given, MAX_PARTS))
    of = tuple(read_measure(text, columns) for text in _parts("of", given, MAX_MEASURES)) or (Measure("count"),)
    zone = str(read_zone(given["zone"])) if "zone" in given else ""
    if zone and not any(part.bucket and known[part.field].kind == "datetime" for part in by):
        raise QueryError("zone: by has no stretch of time of a moment; a date is the same everywhere", parameter="zone")
    order = tuple(_order(text, [*map(str, by), *map(str, of)]) for text in _parts("sort", given, MAX_PARTS))
    return Statistics(by, of, where, zone, order, _limit(given.get("limit", str(DEFAULT_GROUPS))))


def _parts(parameter: str, given: Mapping[str, str], most: int) -> list[str]:
    if parameter not in given:
        return []
    texts = given[parameter].split(",")
    if len(texts) > most:
        raise QueryError(f"{parameter}: more than {most}", parameter=parameter)
    if len({text.removeprefix("-") for text in texts}) < len(texts):
        raise QueryError(f"{parameter}: names one twice", parameter=parameter)
    return texts


def _group(text: str, columns: Sequence[Column]) -> Group:
    try:
        return read_group(text, columns)
    except ValueError as error:
        raise QueryError(f"by: {error}{_nearest(text, groups_of(columns))}", parameter="by") from error


_MEASURE = re.compile(r"([a-z]+)\(([a-z0-9_]*)\)\Z")


def read_measure(text: str, columns: Sequence[Column]) -> Measure:
    """What a text tells of a group: `avg(close)`. QueryError where it is nothing that is told of these columns."""
    found = _MEASURE.match(text)
    measure = Measure(*found.groups()) if found else Measure("")
    column = next((item for item in columns if item.name == measure.field), None)
    told = BY_FUNCTION.get(measure.function)
    if measure != Measure("count") and (told is None or column is None or column.kind not in told.kinds):
        near = _nearest(text, measures_of(columns))
        raise QueryError(f"of: {text[:60]!r} is nothing that is told of a group{near}", parameter="of")
    return measure


def _order(text: str, names: Sequence[str]) -> Order:
    name = text.removeprefix("-")
    if name not in names:
        raise QueryError(f"sort: {name[:60]!r} is no part of by or of{_nearest(name, names)}", parameter="sort")
    return Order(name, name != text)


def _nearest(text: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(text[:80], names, n=1, cutoff=0.4)
    return f"; the nearest is {near[0]}" if near else ""


def _limit(text: str) -> int:
    if not (text.isascii() and WHOLE.match(text) and 1 <= int(text) <= MAX_GROUPS):
        raise QueryError(f"limit: {text[:60]!r} is not a whole number from 1 to {MAX_GROUPS}", parameter="limit")
    return int(text)
