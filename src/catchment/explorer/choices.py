"""What a chart's address asks for, and what else could be asked of these fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import QueryError
from ..record import Column
from .filters import Pairs, without
from .places import axes

__all__ = ["COUNT", "PRICES", "STEPS", "WORDS", "Choice", "Draw", "asked", "measures", "offered", "read"]

Draw = Literal["time", "candles", "bars", "histogram", "map"]

WORDS: Mapping[Draw, str] = {
    "time": "Over time",
    "candles": "Candles",
    "bars": "By field",
    "histogram": "Spread",
    "map": "Map",
}
STEPS = ("hour", "day", "week", "month", "quarter", "year")
PRICES = ("open", "high", "low", "close")
OWN = ("_draw", "by", "of")
"""The parameters that are no filters; `by` and `of` as statistics have them."""
COUNT = "count()"
_NUMBERS = frozenset({"integer", "number", "decimal"})
_TIMES = frozenset({"date", "datetime"})
_PART = re.compile(r"(?:([a-z]+)\()?([a-z0-9_]+)\)?\Z")


@dataclass(frozen=True, slots=True)
class Choice:
    """One chart. on: its field of time, of groups or of numbers. step: of time, "" for what suits; split: a field by
    whose values there is a line each, "" for one line. of: what is told, as statistics say it.
    where: the filters and the time that is meant.
    """

    draw: Draw
    on: str = ""
    step: str = ""
    split: str = ""
    of: str = COUNT
    where: tuple[tuple[str, str], ...] = ()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that ask for it."""
        on = f"{self.step}({self.on})" if self.step else self.on
        by = ",".join(part for part in (self.split, on) if part)
        own = [("_draw", self.draw), *([("by", by)] if by else []), *([("of", self.of)] if self.of != COUNT else [])]
        return [*self.where, *own]


def asked(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters as `Choice.pairs` has them, also what a form says: `_on`, `_step`, `_split`, `_of`."""
    form = {name: value for name, value in pairs if name in ("_on", "_step", "_split", "_of")}
    given = without(pairs, ("_on", "_step", "_split", "_of"))
    if not form:
        return given
    on = f"{form['_step']}({form.get('_on', '')})" if form.get("_step") else form.get("_on", "")
    by = ",".join(part for part in (form.get("_split", ""), on) if part)
    of = form.get("_of", COUNT)
    return [*without(given, ("by", "of")), *([("by", by)] if by else []), *([("of", of)] if of != COUNT else [])]


def offered(columns: Sequence[Column]) -> dict[Draw, list[str]]:
    """The charts that these fields can make, the most telling first, each with the fields that it can be drawn on."""
    times = [column.name for column in columns if column.kind in _TIMES]
    names = {column.name for column in columns if column.kind in _NUMBERS}
    groups = [column.name for column in columns if column.kind in ("text", "boolean", "integer", "date")]
    found: dict[Draw, list[str]] = {
        "candles": times if names.issuperset(PRICES) else [],
        "time": times,
        "bars": groups,
        "histogram": [column.name for column in columns if column.name in names],
        "map": list(axes(columns) or ()),
    }
    return {draw: fields for draw, fields in found.items() if fields}


def measures(columns: Sequence[Column]) -> list[str]:
    """What may be told of groups, as statistics say it."""
    numbers = [column.name for column in columns if column.kind in _NUMBERS]
    return [COUNT, *(f"{name}({number})" for number in numbers for name in ("avg", "sum", "min", "max"))]


def read(pairs: Pairs, columns: Sequence[Column]) -> Choice:
    """The chart that the address asks for. QueryError for one that these fields do not make."""
    said, possible = dict(pairs), offered(columns)
    draw = said.get("_draw") or next(iter(possible), "")
    if draw not in get_args(Draw) or draw not in possible:
        others = f"there are {', '.join(possible)}" if possible else "its fields make none"
        raise QueryError(f"_draw: {draw[:60]!r} is no chart of these records; {others}", parameter="_draw")
    kind: Draw = draw
    where = tuple(without(pairs, OWN))
    of = said.get("of", COUNT)
    if of not in measures(columns):
        raise QueryError(f"of: {of[:60]!r} is nothing that a chart tells", parameter="of")
    on, step, split = _by(said.get("by", ""), possible[kind])
    if split and split not in possible.get("bars", ()):
        raise QueryError(f"by: {split[:60]!r} makes no lines", parameter="by")
    return Choice(kind, on, step, split, of, where)


def _by(text: str, fields: Sequence[str]) -> tuple[str, str, str]:
    """The field that the chart is drawn on, its step, and the field that splits it."""
    *split, last = text.split(",")
    found = _PART.match(last) if last else None
    step, on = (found[1] or "", found[2]) if found else ("", last)
    on = on or fields[0]
    if on not in fields or len(split) > 1 or step not in ("", *STEPS):
        message = f"by: {text[:60]!r} is nothing that this chart is drawn on; there are {', '.join(fields)}"
        raise QueryError(message, parameter="by")
    return on, step, "".join(split)
