"""The fields of a form, of what a resource declares: types, limits, choices; and a form's texts as a body. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
from msgspec import inspect

from ..bodies import Fault, pointer_to
from ..errors import QueryError
from ..resource import Resource
from ..serve.members import read_json

__all__ = ["Input", "inputs_of", "members_of", "with_faults", "with_values"]

Way = Literal["line", "text", "number", "date", "choice", "lines", "rows", "json"]
"""How a value is written: a line, a text of several, a number, a date, one of some, a list a line each, a list of
objects a row each, or as JSON."""

SHORT = 120
"""Characters: what may be longer is a text of several lines."""
SPARE = 2
"""Rows that are offered beside those that are there."""
_NEEDED = re.compile(r"Object missing required field `([a-z0-9_]+)`")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_FRACTION = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Input:
    """One field. name: in the form, as the path to it (`availability.0.from_date`); pointer: in the body.

    empties: whether nothing at all may be written there; defaults: what is left out then, instead of being null.
    hint: its limits in words. least, most, longest: as attributes of HTML, "" where there are none. parts: of the
    rows of a list of objects. fixed: it is shown and not changed. faults: what is wrong with it.
    """

    name: str
    label: str
    way: Way
    type: Any
    pointer: str
    empties: bool = False
    defaults: bool = False
    hint: str = ""
    least: str = ""
    most: str = ""
    longest: str = ""
    choices: Sequence[str] = ()
    value: str = ""
    fixed: bool = False
    faults: Sequence[str] = ()
    parts: Sequence[Sequence[Input]] = ()

    @property
    def own_name(self) -> str:
        """Its name in the object that it belongs to."""
        return self.name.rpartition(".")[2]


# -- what is asked -------------------------------------------------------------------------------------------------


def inputs_of(resource: Resource, shown: Sequence[str], *, changing: bool) -> list[Input]:
    """The fields that people write. shown: those that this reader reads. changing: what never changes is fixed."""
    info = inspect.type_info(resource.record)
    assert isinstance(info, inspect.StructType)
    fields = {field.encode_name: field for field in info.fields}
    links = {name for link in resource.links for name in link.fields}
    names = [name for name in resource.writable if name in shown]
    found = []
    for name in [*(item for item in names if item in links), *(item for item in names if item not in links)]:
        one = _input(name, name, fields[name].type, pointer_to("", name))
        defaults = not fields[name].required and not one.empties
        found.append(replace(one, defaults=defaults, fixed=changing and name in links))
    return found


def _input(name: str, label: str, kind: Any, pointer: str) -> Input:
    plain, empties = _plain(kind)
    way = _way(plain)
    least, most = _bounds(plain)
    longest = getattr(plain, "max_length", None) if isinstance(plain, inspect.StrType) else None
    return Input(
        *(name, label.replace("_", " "), way, plain, pointer),
        empties=empties,
        hint=_hint(plain, way, least, most),
        least=least,
        most=most,
        longest=str(longest or ""),
        choices=_choices(plain),
    )


def _plain(kind: Any) -> tuple[Any, bool]:
    """The type without what may be said of it besides, and whether it may be null."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        others = [item for item in kind.types if not isinstance(item, inspect.NoneType)]
        if len(others) == 1:
            return _plain(others[0])[0], len(others) < len(kind.types)
    return kind, False


_WAYS: Mapping[type, Way] = {
    inspect.LiteralType: "choice",
    inspect.EnumType: "choice",
    inspect.BoolType: "choice",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.DecimalType: "number",
    inspect.DateType: "date",
    inspect.DateTimeType: "line",
}


def _way(kind: Any) -> Way:
    if isinstance(kind, inspect.StrType):
        return "line" if kind.pattern or (kind.max_length is not None and kind.max_length <= SHORT) else "text"
    if isinstance(kind, inspect.ListType):
        return _way_of_list(_plain(kind.item_type)[0])
    return _WAYS.get(type(kind), "json")


def _choices(kind: Any) -> Sequence[str]:
    if isinstance(kind, inspect.LiteralType):
        return [str(value) for value in kind.values]
    if isinstance(kind, inspect.EnumType):
        return [str(item.value) for item in kind.cls]
    return ("true", "false") if isinstance(kind, inspect.BoolType) else ()


def _way_of_list(item: Any) -> Way:
    if isinstance(item, inspect.StructType):
        flat = all(_way(_plain(field.type)[0]) not in ("json", "lines", "rows") for field in item.fields)
        return "rows" if flat else "json"
    return "json" if _way(item) in ("json", "lines", "rows") else "lines"


def _bounds(kind: Any) -> tuple[str, str]:
    """The least and the greatest number that may be written; "" where there is none."""
    least, most = getattr(kind, "ge", None), getattr(kind, "le", None)
    if isinstance(kind, inspect.IntType):
        least = kind.gt + 1 if kind.gt is not None else least
        most = kind.lt - 1 if kind.lt is not None else most
    return ("" if least is None else str(least)), ("" if most is None else str(most))


def _hint(kind: Any, way: Way, least: str, most: str) -> str:
    """The limits of a value, in words."""
    told = []
    if least or most:
        told.append(f"{least} to {most}" if least and most else f"at least {least}" if least else f"at most {most}")
    if isinstance(kind, inspect.StrType) and kind.max_length:
        told.append(f"at most {kind.max_length} characters")
    if isinstance(kind, inspect.IntType):
        told.append("a whole number")
    told += ["one a line"] * (way == "lines") + ["as JSON"] * (way == "json")
    told += ["e.g. 2024-03-31T12:00:00Z"] * isinstance(kind, inspect.DateTimeType)
    if isinstance(kind, inspect.ListType) and kind.max_length:
        told.append(f"at most {kind.max_length} of them")
    return ", ".join(told)


# -- what is written -----------------------------------------------------------------------------------------------


def members_of(inputs: Sequence[Input], pairs: Pairs, *, changing: bool) -> dict[str, Any]:
    """The members of a body that a form says. changing: of a patch, where what is left out stays as it was."""
    given = dict(pairs)
    members: dict[str, Any] = {}
    for item in inputs:
        if item.fixed:
            continue
        value = _rows(item, given) if item.way == "rows" else _value(item, given.get(item.name, ""))
        if value == [] and not changing and not item.defaults:
            value = None  # of a new record: nothing is written there
        if value is not None or item.empties or changing:
            # Of a patch null empties a field, or gives its default; what is needed is told to be missing by its rule.
            members[item.name] = value if value is not None or item.empties or item.defaults else ""
    return members


def _value(item: Input, text: str) -> Any:
    """A text as the JSON value that it means; as it is where it means none: its rule says why. None: nothing."""
    if item.way == "lines":
        inner = _plain(item.type.item_type)[0]
        return [_scalar(inner, line.strip()) for line in text.split("\n") if line.strip()]
    if not text.strip():
        return None
    if item.way == "json":
        try:
            return read_json(text.encode())
        except (QueryError, UnicodeEncodeError):
            return text
    return _scalar(item.type, text)


def _scalar(kind: Any, text: str) -> Any:
    """Texts stay as they were written; of all else the white space around it says nothing."""
    bare = text.strip()
    if isinstance(kind, inspect.IntType) and _WHOLE.fullmatch(bare):
        return int(bare)
    if isinstance(kind, inspect.FloatType) and _FRACTION.fullmatch(bare):
        return float(bare)
    if isinstance(kind, inspect.BoolType) and bare in ("true", "false"):
        return bare == "true"
    if isinstance(kind, inspect.LiteralType | inspect.EnumType):
        values = kind.values if isinstance(kind, inspect.LiteralType) else [item.value for item in kind.cls]
        return next((value for value in values if str(value) == bare), text)
    return text if isinstance(kind, inspect.StrType) else bare


def _rows(item: Input, given: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of which something is written."""
    found = []
    for number in _numbers(item.name, given):
        values = {part.own_name: _value(part, given.get(part.name, "")) for part in _row(item, number)}
        row = {name: value for name, value in values.items() if value is not None}
        found += [row] * bool(row)
    return found


def _numbers(name: str, given: Mapping[str, str]) -> list[int]:
    """The numbers of the rows that a form has, in their order."""
    found = {match[1] for key in given if (match := re.fullmatch(rf"{re.escape(name)}\.([0-9]{{1,4}})\..+", key))}
    return sorted(map(int, found))


def _row(item: Input, number: int) -> list[Input]:
    """The fields of one row."""
    names = {field.encode_name: field.type for field in _plain(item.type.item_type)[0].fields}
    place, pointer = f"{item.name}.{number}", f"{item.pointer}/{number}"
    return [_input(f"{place}.{name}", name, kind, f"{pointer}/{name}") for name, kind in names.items()]


# -- what is shown -------------------------------------------------------------------------------------------------


def with_values(inputs: Sequence[Input], members: Mapping[str, Any], *, spare: int = SPARE) -> list[Input]:
    """The fields with what stands in them: of a record, or of a body that was not taken. spare: rows to write in."""
    return [_filled(item, members.get(item.name), spare) for item in inputs]


def _filled(item: Input, value: Any, spare: int) -> Input:
    if item.way == "rows":
        rows = value if isinstance(value, list) else []
        parts = []
        for number in range(len(rows) + spare):
            row = rows[number] if number < len(rows) and isinstance(rows[number], dict) else {}
            parts.append([_filled(part, row.get(part.own_name), 0) for part in _row(item, number)])
        return replace(item, parts=parts)
    text = _written(item, value)
    # What is no date a browser would not show in the field of one: refused, it stays to be mended.
    way: Way = "line" if item.way == "date" and text and not _DAY.fullmatch(text) else item.way
    return replace(item, value=text, way=way)


def _written(item: Input, value: Any) -> str:
    if value is None:
        return ""
    if item.way == "lines" and isinstance(value, list):
        return "\n".join(map(_text, value))
    if item.way == "json" and not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def with_faults(inputs: Sequence[Input], faults: Sequence[Fault]) -> tuple[list[Input], list[str]]:
    """The fields, each with what is wrong with it; and what is wrong with none of them."""
    left = list(faults)
    found = [_faulty(item, left) for item in inputs]
    return found, [f"{fault.pointer}: {fault.message}".removeprefix(": ") for fault in left]


def _faulty(item: Input, left: list[Fault]) -> Input:
    """The field with its faults, which are taken away from those that are left."""
    parts = [[_faulty(part, left) for part in row] for row in item.parts]
    own = [fault for fault in left if fault.pointer == item.pointer or fault.pointer.startswith(f"{item.pointer}/")]
    for fault in own:
        left.remove(fault)
    return replace(item, parts=parts, faults=list(_said(item, own)))


def _said(item: Input, faults: Sequence[Fault]) -> Iterator[str]:
    """What is wrong; of a list, in which line."""
    for fault in faults:
        place, said = fault.pointer[len(item.pointer) + 1 :], _NEEDED.sub(r"\1 is missing", fault.message)
        yield f"{'row' if item.way == 'rows' else 'line'} {int(place) + 1}: {said}" if place.isdigit() else said
