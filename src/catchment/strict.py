"""JSON as strictly as every engine and reader can take it: no NaN, no half characters, no name twice, not deep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from .errors import DecodeError

__all__ = ["DEPTH", "Members", "doubled", "load_json", "most_names", "names", "too_deep", "twice"]

DEPTH = 64
"""How deep a value may be nested. Interpreters and databases have limits of their own, each another one."""


class Members(dict[str, Any]):
    """An object that names a member twice. Its members are all there in their order (`items()`, `values()`); what is
    asked for by a name that it has twice is refused.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs
        self._twice = {name for name in self if sum(name == other for other, _ in pairs) > 1}

    def items(self) -> Any:
        return list(self._pairs)

    def values(self) -> Any:
        return [value for _, value in self._pairs]

    def __getitem__(self, name: str) -> Any:
        if name in self._twice:
            raise DecodeError(_said(name), reason="json")
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return default if name not in self.keys() else self[name]


def load_json(data: bytes, *, doubles: bool = False) -> Any:
    """The JSON value in strict reading (RFC 8259): no NaN, no lone surrogates, nested no deeper than `DEPTH`, no member
    named twice; numbers with a fraction are exact Decimals. DecodeError for anything else.

    doubles: an object that names a member twice is given as `Members`, for who can tell what is meant.
    """
    if too_deep(data):
        raise DecodeError(f"nested deeper than {DEPTH}", reason="json")
    try:
        value = _any_json.decode(data)
    except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
        raise DecodeError(f"no JSON: {error}", reason="json") from error
    except RecursionError as error:
        raise DecodeError(f"nested deeper than {DEPTH}", reason="json") from error
    members = _members(value)
    if most_names(data) == members or names(data) == members:
        return value
    if doubles:
        return json.loads(data, parse_float=Decimal, object_pairs_hook=_object)
    raise DecodeError(_said(doubled(data)), reason="json")


_any_json = msgspec.json.Decoder(float_hook=Decimal)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Members(pairs)


def _said(name: str) -> str:
    return f"{name} is named twice in one object"


# -- depth -------------------------------------------------------------------------------------------------------------

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


def too_deep(data: bytes) -> bool:
    """Whether a value is nested deeper than `DEPTH`; without any recursion, in a time that its size bounds."""
    if data.count(b"[") + data.count(b"{") <= DEPTH:
        return False
    brackets = _TEXT.sub(b"", data).translate(_BRACKETS, _OTHERS)
    for _ in range(DEPTH):
        brackets, before = brackets.replace(b"[]", b""), len(brackets)  # one level less
        if len(brackets) == before:
            break
    return brackets.count(b"[") > 0


# -- names -------------------------------------------------------------------------------------------------------------

_NAME = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"[ \t\r\n]*(:?)', re.DOTALL)


def names(data: bytes) -> int:
    """How many members all objects of a JSON text name."""
    return sum(map(len, _NAME.findall(data)))


def most_names(data: bytes) -> int:
    """The same in little time, or a greater number: a text that begins with a colon is counted too."""
    # A byte alone is looked for much faster than two: most texts have none of these.
    if b"\\" in data or b"\t" in data or b"\n" in data or b"\r" in data or b" :" in data:
        return names(data)
    return data.count(b'":')


def _members(value: Any) -> int:
    """How many members all objects in a value have."""
    if type(value) is dict:
        return len(value) + sum(_members(item) for item in value.values() if type(item) in (dict, list))
    return sum(_members(item) for item in value if type(item) in (dict, list)) if type(value) is list else 0


def doubled(data: bytes, *, outermost: bool = False) -> str:
    """The first name that an object of a JSON text has twice; "" for none. outermost: of the outermost object."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = list(_twice(pairs))
        found[:] = twice if outermost else [*found, *twice]
        return dict(pairs)

    try:
        json.loads(data, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return ""
    return found[0] if found else ""


def twice(data: bytes) -> str:
    """As `doubled`, in little time where there is none, as a rule."""
    try:
        value = _rough_json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return doubled(data)
    return doubled(data) if most_names(data) != _members(value) else ""


_rough_json = msgspec.json.Decoder()


def _twice(pairs: list[tuple[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            yield name
        seen.add(name)
