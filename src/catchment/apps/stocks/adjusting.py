"""Prices as if a share had always been what it is today: after splits, and after what was paid on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

__all__ = ["Adjustments", "adjusted", "adjustments"]

PLACES = Decimal(1).scaleb(-7)
"""Adjusted prices are quotients: they are given to as many places as averages."""

Event = tuple[date, Decimal]


@dataclass(frozen=True)
class Adjustments:
    """What a symbol's bars are multiplied by: those before `days[n]` by the n-th of `prices` and of `volumes`."""

    days: tuple[date, ...]
    prices: tuple[Decimal, ...]
    volumes: tuple[Decimal, ...]


def adjustments(splits: Sequence[Event], dividends: Sequence[tuple[date, Decimal, Decimal]] = ()) -> Adjustments:
    """The factors of all days before events.

    Args:
        splits: (day, shares that there are for one).
        dividends: (day, amount, the last close before that day). A payment is worth its share of that close.
    """
    steps = [(day, 1 / factor, factor) for day, factor in splits]
    steps += [(day, 1 - amount / close, Decimal(1)) for day, amount, close in dividends if amount < close]
    price = volume = Decimal(1)
    found = []
    with localcontext(prec=50):
        for day, prices, volumes in sorted(steps, reverse=True):
            price, volume = price * prices, volume * volumes
            found.append((day, price, volume))
    days, *factors = zip(*reversed(found), strict=True) if found else ((), (), ())
    return Adjustments(days, *factors)


def adjusted(bar: Mapping[str, Any], by: Adjustments) -> dict[str, Any]:
    """The bar with its prices and its volume adjusted; the day of an event is already as it is today."""
    place = bisect_right(by.days, bar["date"])
    if place == len(by.days):
        return dict(bar)
    with localcontext(prec=50):
        prices = {
            name: (bar[name] * by.prices[place]).quantize(PLACES, ROUND_HALF_EVEN)
            for name in ("open", "high", "low", "close")
            if name in bar
        }
        volume = {"volume": int((bar["volume"] * by.volumes[place]).to_integral_value(ROUND_HALF_EVEN))}
    return {**bar, **prices, **volume}
