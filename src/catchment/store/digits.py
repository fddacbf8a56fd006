"""How long the decimals of a list are, told by the database: from the texts that `record.decimal_key` makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .query import Query
from .sql import Statement, condition, quoted, rows_from
from .tables import Collection

__all__ = ["Digits", "digits_statement", "read_digits"]


@dataclass(frozen=True, slots=True)
class Digits:
    """The most digits that any number of a field has, before its point and behind it."""

    whole: int = 0
    fraction: int = 0


# A key is a sign, four digits of the power of ten, the digits; below zero all of them complemented, and a `~`.
_POWER = "CASE substr({0}, 1, 1) WHEN 'p' THEN {1} - 5000 WHEN 'n' THEN 4999 - {1} ELSE 0 END"
_LENGTH = "CASE substr({0}, 1, 1) WHEN 'p' THEN length({0}) - 5 WHEN 'n' THEN length({0}) - 6 ELSE 0 END"


def digits_statement(collection: Collection, query: Query, names: Sequence[str]) -> Statement:
    """The question for the digits of these decimal fields, two numbers each, in one row."""
    told = [f"max({power}), max({length} - {power})" for power, length in map(_parts, names)]
    used = ["_key", *names, *(term.column for term in query.terms)]
    rows = rows_from(collection, query.as_of, used) + Statement(" WHERE ")
    return Statement(f"SELECT {', '.join(told)}") + rows + condition(collection, query.terms, query.as_of, query.words)


def _parts(name: str) -> tuple[str, str]:
    key = quoted(name)
    return _POWER.format(key, f"CAST(substr({key}, 2, 4) AS INTEGER)"), _LENGTH.format(key)


def read_digits(row: Sequence[int | None]) -> list[Digits]:
    """What the row says; of no value at all, no digits."""
    return [
        Digits(max(whole or 0, 0), max(fraction or 0, 0)) for whole, fraction in zip(row[::2], row[1::2], strict=True)
    ]
