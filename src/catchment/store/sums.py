"""Exact sums of stored numbers: no digit is lost, however many and however long they are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, Overflow
from fractions import Fraction
from functools import reduce

from ..record import LONGEST_POWER, from_decimal_key

__all__ = ["EXACT", "Total", "key_sum", "mean", "plain"]

# A stored decimal has fewer than 5,000 digits on either side of its point (`record.decimal_key`): no sum is rounded.
EXACT = Context(prec=12_000, traps=[Inexact, Overflow])
_MEAN = Context(prec=34, rounding=ROUND_HALF_EVEN)
_HEAD = 5
"""Signs of a key before its digits: the number's own, and its power of ten."""


@dataclass(frozen=True, slots=True)
class Total:
    """An exact sum of the values that are there."""

    count: int
    sum: Decimal

    def __add__(self, other: Total) -> Total:
        return Total(self.count + other.count, EXACT.add(self.sum, other.sum))

    def average(self, places: int) -> Decimal | None:
        """The mean rounded half-even, without trailing zeros; None of nothing."""
        if not self.count:
            return None
        exact = Fraction(self.sum) / self.count * 10**places
        return _number(round(exact), -places)  # round() of a Fraction is half-even and exact


def mean(total: Total) -> Decimal | None:
    """The mean to 34 significant digits, rounded half-even; None of nothing."""
    return _MEAN.divide(total.sum, Decimal(total.count)) if total.count else None


def plain(value: Decimal) -> str:
    """The number in plain digits, one text for equal numbers."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def key_sum(keys: str) -> Decimal:
    """The sum of decimals, given as `decimal_key` stores them, joined by commas; "" for none."""
    if not keys or "n" in keys:
        return reduce(EXACT.add, (from_decimal_key(key) for key in keys.split(",") if key), Decimal(0))
    # `p5003142380` is 0.142380 times 10**3: each is written as a share of the greatest power, many at a time.
    top = max(keys.split(","))[1:_HEAD]
    text = keys.replace("o", "0")
    while (place := text.find("p")) >= 0:
        head = text[place : place + _HEAD]
        text = text.replace(head, "0." + "0" * (int(top) - int(head[1:])))
    total = reduce(EXACT.add, map(Decimal, text.split(",")))
    return total.scaleb(int(top or LONGEST_POWER) - LONGEST_POWER, EXACT)


def _number(whole: int, exponent: int) -> Decimal:
    """The decimal `whole * 10**exponent`, exactly, without trailing zeros or an exponent above 0."""
    digits = tuple(map(int, str(abs(whole))))
    while exponent < 0 and digits[-1] == 0 and len(digits) > 1:
        digits, exponent = digits[:-1], exponent + 1
    if whole == 0:
        return Decimal(0)
    return Decimal((int(whole < 0), digits + (0,) * max(exponent, 0), min(exponent, 0)))
