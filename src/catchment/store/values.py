"""What the text of a parameter says, by the kind of the field that it is about, as that is stored. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from ..clock import parse_moment, render_moment
from ..errors import QueryError
from ..record import Kind, Stored, to_stored

__all__ = ["WHOLE", "read_value"]

WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_MOMENT = re.compile(_DATE.pattern[:-2] + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z")


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.match(text):
        raise ValueError(text)
    return text


def _integer(text: str) -> int:
    value = int(_matching(WHOLE, text))
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return value


def _number(text: str) -> float:
    value = float(_matching(_NUMBER, text))
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _moment(text: str) -> str:
    return render_moment(parse_moment(text if _DATE.match(text) else _matching(_MOMENT, text)))


def _boolean(text: str) -> int:
    return {"true": 1, "false": 0}[text]


_READ: dict[Kind, tuple[Callable[[str], Stored], str]] = {
    "text": (str, "text"),
    "integer": (_integer, "a whole number of 64 bits, e.g. 12"),
    "number": (_number, "a number, e.g. 1.5"),
    "decimal": (lambda text: to_stored("decimal", Decimal(_matching(_DECIMAL, text))), "a decimal number, e.g. 139.78"),
    "boolean": (_boolean, "true or false"),
    "date": (lambda text: date.fromisoformat(_matching(_DATE, text)).isoformat(), "a date, e.g. 2024-03-31"),
    "datetime": (_moment, "a moment with its zone, e.g. 2024-03-31T12:00:00Z (write + as %2B), or a date"),
}


def read_value(kind: Kind, text: str, parameter: str) -> Stored:
    """The value in its stored form. QueryError, naming the parameter, where the text is none of that kind."""
    read, wanted = _READ[kind]
    if "\0" in text:
        raise QueryError(f"{parameter}: holds a NUL character", parameter=parameter)
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError) as error:
        raise QueryError(f"{parameter}: {text[:60]!r} is not {wanted}", parameter=parameter) from error
