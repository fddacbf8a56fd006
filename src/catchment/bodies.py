"""What people send: JSON values as typed ones, and everything that is wrong with them. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any

import msgspec

from .errors import QueryError
from .record import LEAST, MOST, Kind, to_stored

__all__ = [
    "PLAIN_NUMBER",
    "Fault",
    "InvalidRecord",
    "in_words",
    "merge_patch",
    "pointer_to",
    "typed",
    "unfit",
    "unstorable",
]

_MOST_FAULTS, _LONGEST_NAME = 50, 100
PLAIN_NUMBER = re.compile(r"(?!-0(?:\.0+)?\Z)-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
"""A number as text: ASCII digits, no exponent, no sign but a minus of something."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend in what was written. pointer: where (RFC 6901), "" for the whole."""

    pointer: str
    message: str


class InvalidRecord(QueryError):
    """What was written is no acceptable record; `faults` has every reason that could be told at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        first = faults[0]
        where = f"{first.pointer}: " if first.pointer else ""
        super().__init__(f"{where}{first.message}", kind="invalid", status=422)
        self.faults = tuple(faults[:_MOST_FAULTS])


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch merged into it (RFC 7396); neither is changed."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def pointer_to(pointer: str, name: str | int) -> str:
    """The pointer one step on. A name comes from anybody: half characters cannot be answered, nor long ones."""
    text = str(name)[:_LONGEST_NAME].encode(errors="replace").decode()
    return f"{pointer}/{text.replace('~', '~0').replace('/', '~1')}"


# Nearly every value is in order: where one stands is spelled out for a fault only.
_Path = tuple[str | int, ...]


def _at(pointer: str, path: _Path) -> str:
    return reduce(pointer_to, path, pointer)


def unstorable(value: Any) -> Iterator[Fault]:
    """What in a JSON value no engine stores: NUL, half a pair of surrogates, an integer beyond 64 bits."""
    if not _is_plain(value):
        for path, message in _unstorable(value, ()):
            yield Fault(_at("", path), message)


def _is_plain(value: Any) -> bool:
    """Whether nothing in a value can be one of these: its JSON says so of nearly all, sooner than a walk through it."""
    try:
        return _DOUBTFUL.search(_json(value)) is None
    except (UnicodeEncodeError, OverflowError, TypeError, RecursionError):
        return False


_json = msgspec.json.Encoder().encode
_DOUBTFUL = re.compile(rb"[0-9]{19}|\\u0000")


def _unstorable(value: Any, path: _Path) -> Iterator[tuple[_Path, str]]:
    if isinstance(value, str):
        if "\0" in value:
            yield path, "holds a NUL character"
        elif not _whole(value):
            yield path, "holds half a character (a lone surrogate)"
    elif type(value) is int:
        if not LEAST <= value <= MOST:
            yield path, "integer beyond 64 bits"
    elif isinstance(value, dict):
        for name, item in value.items():
            if not _whole(name) or "\0" in name:
                yield path, "a member's name holds a NUL character or half a character"
            else:
                yield from _unstorable(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unstorable(item, (*path, number))


def _whole(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_PLAIN = (str, int, bool)
_AT = re.compile(r"(?P<message>.*?)(?: - at `\$(?P<path>.*)`)?\Z", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[([0-9]+)\]")


def typed(value: Any, wanted: Any, pointer: str) -> tuple[Any, list[Fault]]:
    """The value in its type, and what is wrong with it."""
    if wanted is type(value) and wanted in _PLAIN:
        return value, []
    try:
        found = msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        match = _AT.match(str(error))
        assert match is not None
        steps = "".join(f"/{name or number}" for name, number in _STEP.findall(match["path"] or ""))
        return None, [Fault(pointer + steps, in_words(match["message"]))]
    return found, unfit(value, found, pointer)


def unfit(given: Any, found: Any, pointer: str) -> list[Fault]:
    """What is wrong with a value although its type took it. found: what the type made of what was given."""
    kind = type(found)
    if kind in _FIT or (kind is list and all(type(item) in _FIT for item in found)):
        return []
    # Dates stay dates and numbers numbers, so that the walk can look at them.
    taken = found if kind in _CHECKED else msgspec.to_builtins(found, builtin_types=(Decimal, datetime))
    return [Fault(_at(pointer, path), message) for path, message in _unfit(given, taken, ())]


_KINDS = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number with a fraction",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "datetime": "a moment",
    "date": "a date",
}


def in_words(message: str) -> str:
    """What the validator of types says, for people who write no Python."""
    if not message.startswith("Expected"):
        return message
    return _KINDS.sub(lambda kinds: " or ".join(_WORDS.get(kind, kind) for kind in kinds[1].split(" | ")), message)


def _unfit(given: Any, taken: Any, path: _Path) -> Iterator[tuple[_Path, str]]:
    """What a type lets pass and we do not: members that nested objects do not have, values that no rule could judge."""
    if isinstance(given, dict) and isinstance(taken, dict):
        for name, value in given.items():
            if name not in taken:
                yield (*path, name), "is no field of this record"
            else:
                yield from _unfit(value, taken[name], (*path, name))
    elif isinstance(given, list) and isinstance(taken, list):
        for number, (one, other) in enumerate(zip(given, taken, strict=False)):
            if type(other) not in _FIT:
                yield from _unfit(one, other, (*path, number))
    elif isinstance(taken, Decimal) and isinstance(given, str) and not PLAIN_NUMBER.fullmatch(given):
        yield path, "is no number, e.g. 4.5"
    elif (kind := _CHECKED.get(type(taken))) is not None:
        try:
            to_stored(kind, taken)
        except (ValueError, ArithmeticError) as error:
            yield path, str(error)


_FIT = (str, int, bool, type(None))
"""Of these a type lets nothing pass that we do not take."""
_CHECKED: dict[type, Kind] = {Decimal: "decimal", datetime: "datetime", float: "number"}
