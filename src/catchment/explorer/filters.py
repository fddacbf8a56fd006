"""What an address asks for of a collection: a page's forms as the API's parameters, and filters as what can be taken
away. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..record import Column
from ..store.query import PARAMETERS, fits

__all__ = ["ONE_PAGE", "Chip", "Pairs", "asked", "chips", "flags", "is_filter", "narrowing", "operators", "without"]

Pairs = Sequence[tuple[str, str]]
Lead = Callable[[Pairs], str]
"""The address of a page with these parameters."""

_SIGNS = {
    "": "=",
    "ne": "≠",
    "gt": ">",
    "gte": "≥",
    "lt": "<",
    "lte": "≤",
    "in": "is one of",
    "nin": "is none of",
    "contains": "contains",
    "startswith": "begins with",
    "has": "has",
}
_FLAGS = (("has a value", "false"), ("is empty", "true"))
ONE_PAGE = ("cursor",)
_NOT_TOGETHER = ("as_of", "q")  # words are looked for in what holds now


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that holds, and the address without it."""

    field: str
    words: str
    without: str


def asked(pairs: Pairs, columns: Sequence[Column]) -> list[tuple[str, str]]:
    """The parameters as the API takes them: what a form of the page says (`_field`, `_op` and `_value`, `_column`,
    `_as_of`, `_q`) becomes a filter, `fields`, `as_of` and `q`. Whoever asks otherwise is led there, so that all
    state is in the address and the address is the API's.
    """
    form = [(name, value) for name, value in pairs if name.startswith("_")]
    given = [(name, value) for name, value in pairs if not name.startswith("_")]
    if not form:
        return given
    given = without(given, ONE_PAGE)
    said = dict(form)
    if "_field" in said:
        name = said["_field"] + (f"__{said['_op']}" if said.get("_op") else "")
        given = [*without(given, (name,)), (name, said.get("_value", ""))]
    if "_as_of" in said:
        given = without(given, _NOT_TOGETHER) + [("as_of", said["_as_of"])] * bool(said["_as_of"])
    if "_q" in said:
        given = without(given, _NOT_TOGETHER) + [("q", said["_q"])] * bool(said["_q"].strip())
    if chosen := [value for name, value in form if name == "_column"]:
        everything = set(chosen) >= {column.name for column in columns}
        given = without(given, ("fields",)) + [("fields", ",".join(chosen))] * (not everything)
    return given


def without(pairs: Pairs, names: Sequence[str]) -> list[tuple[str, str]]:
    """The parameters but for those of these names."""
    return [pair for pair in pairs if pair[0] not in names]


def is_filter(name: str) -> bool:
    """Whether a parameter says which records are meant, by a field or by words."""
    return name not in PARAMETERS or name == "q"


def narrowing(pairs: Pairs) -> list[tuple[str, str]]:
    """Of a table's parameters those that say which records are meant, and when."""
    return [pair for pair in pairs if is_filter(pair[0]) or pair[0] == "as_of"]


def chips(pairs: Pairs, lead: Lead) -> list[Chip]:
    """The filters among the parameters."""
    return [_chip(pair, lead([item for item in pairs if item != pair])) for pair in pairs if is_filter(pair[0])]


def _chip(pair: tuple[str, str], elsewhere: str) -> Chip:
    name, value = pair
    field, _, suffix = name.partition("__")
    if name == "q":
        return Chip("words", value, elsewhere)
    if suffix == "isnull":
        return Chip(field, "is empty" if value == "true" else "has a value", elsewhere)
    return Chip(field, f"{_SIGNS.get(suffix, suffix)} {value}", elsewhere)


def operators(column: Column) -> list[tuple[str, str]]:
    """How a field may be compared with what somebody writes: the operators' names and words."""
    # A day is picked from a calendar, which gives one.
    others = ("flag", "list") if column.kind == "date" else ("flag",)
    return [(operator.name, _SIGNS[operator.name]) for operator in fits(column) if operator.takes not in others]


def flags(column: Column, pairs: Pairs, lead: Lead) -> list[tuple[str, str]]:
    """For a field that may have no value: words, and the addresses of those records."""
    if not column.nullable:
        return []
    name = f"{column.name}__isnull"
    return [(words, lead([*without(pairs, (name,)), (name, value)])) for words, value in _FLAGS]
