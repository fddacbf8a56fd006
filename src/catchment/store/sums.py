"""Exact sums of stored numbers.

SQLite adds 64-bit integers and refuses what overflows, so every number is added in two parts that cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..record import Kind, from_decimal_key

__all__ = ["SUMS", "Sum", "Total"]


@dataclass(frozen=True, slots=True)
class Total:
    """An exact sum of the values that are there."""

    count: int
    sum: Decimal

    def average(self, places: int) -> Decimal | None:
        """The mean rounded half-even, without trailing zeros; None of nothing."""
        if not self.count:
            return None
        exact = Fraction(self.sum) / self.count * 10**places
        return _number(round(exact), -places)  # round() of a Fraction is half-even and exact


@dataclass(frozen=True, slots=True)
class Sum:
    """How the values of one kind are added. head, tail: the SELECT around `FROM … WHERE …`, `@` is the column."""

    head: str
    tail: str
    total: Callable[[Sequence[Any]], Total]


_HALF = 9  # decimal digits in a part

_INTEGER_SUM = ("SELECT count(@), sum(@ >> 32), sum(@ & 4294967295)", "")
# `decimal_key`: sign, four digits of power, digits; negative ones end with `~`. One group: one sign, power, length.
# A number too long for two parts is no sum of any: its parts are cut, so that they do not overflow for nothing.
_DECIMAL_SUM = (
    "SELECT substr(@, 1, 5), length(rtrim(@, '~')) - 5, count(*), CASE WHEN length(@) > 23 THEN @ END,"  # noqa: ISC004
    f" sum(CASE WHEN length(rtrim(@, '~')) > {_HALF + 5} THEN CAST(substr(@, 6, CASE WHEN length(rtrim(@, '~'))"
    f" > {2 * _HALF + 5} THEN {_HALF} ELSE length(rtrim(@, '~')) - {_HALF + 5} END) AS BIGINT) ELSE 0 END),"
    " sum(CASE WHEN length(@) > 5 THEN CAST(substr(rtrim(@, '~'), CASE WHEN length(rtrim(@, '~'))"
    f" > {_HALF + 5} THEN length(rtrim(@, '~')) - {_HALF - 1} ELSE 6 END) AS BIGINT) ELSE 0 END)",
    " GROUP BY substr(@, 1, 5), length(rtrim(@, '~')) - 5, CASE WHEN length(@) > 23 THEN @ END",
)


def _integer_total(rows: Sequence[Any]) -> Total:
    ((count, high, low),) = rows
    return Total(count, Decimal(((high or 0) << 32) + (low or 0)))


def _decimal_total(rows: Sequence[Any]) -> Total:
    parts = [_group(*row) for row in rows]
    exponent = min((power for _, power in parts), default=0)
    total = sum(whole * 10 ** (power - exponent) for whole, power in parts)
    return Total(sum(row[2] for row in rows), _number(total, exponent))


def _group(head: str, digits: int, count: int, single: str | None, high: int, low: int) -> tuple[int, int]:
    """The sum of one group as (integer, power of ten)."""
    if head == "o":
        return 0, 0
    if single is not None:  # too long for two parts: each different number is a group of its own
        sign, figures, exponent = from_decimal_key(single).as_tuple()
        return count * int("".join(map(str, figures))) * (-1 if sign else 1), int(exponent)
    total = high * 10**_HALF + low
    if head[0] == "n":  # every digit of a negative number is stored as 9 less the digit
        return total - count * (10**digits - 1), _power(head[1:], complemented=True) - digits
    return total, _power(head[1:], complemented=False) - digits


def _power(text: str, *, complemented: bool) -> int:
    return (9999 - int(text) if complemented else int(text)) - 5000


def _number(whole: int, exponent: int) -> Decimal:
    """The decimal `whole * 10**exponent`, exactly, without trailing zeros or an exponent above 0."""
    digits = tuple(map(int, str(abs(whole))))
    while exponent < 0 and digits[-1] == 0 and len(digits) > 1:
        digits, exponent = digits[:-1], exponent + 1
    if whole == 0:
        return Decimal(0)
    return Decimal((int(whole < 0), digits + (0,) * max(exponent, 0), min(exponent, 0)))


SUMS: Mapping[Kind, Sum] = {
    "integer": Sum(*_INTEGER_SUM, _integer_total),
    "decimal": Sum(*_DECIMAL_SUM, _decimal_total),
}
"""The kinds that are added."""
