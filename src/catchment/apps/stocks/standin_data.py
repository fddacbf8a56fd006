"""The series that the stand-in makes up: a geometric walk for each symbol, with splits, dividends, restatements."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from .standin_sessions import sessions

__all__ = ["SIZES", "Bar", "Plan", "World", "as_served", "symbols"]

HUGE_VOLUME = 3_000_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One day as the upstream writes it: numbers are text."""

    day: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    adjusted_close: str = ""
    dividend: str = "0.0000"
    split: str = "1.0"

    def raw(self) -> tuple[str, ...]:
        return (self.open, self.high, self.low, self.close, self.volume)

    def adjusted(self) -> tuple[str, ...]:
        return (*self.raw()[:4], self.adjusted_close, self.volume, self.dividend, self.split)


@dataclass(frozen=True, slots=True)
class World:
    """How much a size holds, and whether its keys are limited."""

    symbols: int
    sessions: int
    limited: bool


SIZES: Mapping[str, World] = {
    "tiny": World(2, 30, limited=False),
    "small": World(10, 500, limited=True),
    "medium": World(100, 5_000, limited=True),
    "large": World(500, 6_000, limited=True),
}
NAMED = ("IBM", "AAPL", "MSFT", "GOOGL", "TSCO.LON", "BRK.B", "AMZN", "ORCL", "XOM", "KO")


# What happens to a symbol in the middle of its series, by its place in the list: price divided by, split said.
EVENTS = ((1.046, "1.046"), (4.0, "4.0"), (2.0, "2.0"), (7.0, "7.0"), (2.0, "1.0"))


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a generated series depends on, but for the date on which it is served."""

    variant: int
    symbol: str
    place: int
    first: date
    event: date


def symbol_at(place: int) -> str:
    """The symbol at this place of the list: known ones first, then made-up ones."""
    return NAMED[place] if place < len(NAMED) else f"S{place:03}"


def symbols(size: str) -> tuple[str, ...]:
    """The symbols that a stand-in of this size knows."""
    return tuple(symbol_at(place) for place in range(SIZES[size].symbols))


@lru_cache(maxsize=8)
def as_served(plan: Plan, day: date) -> tuple[Bar, ...]:
    """The series as the upstream served it in the evening of `day`, oldest first.

    The day's own bar is provisional; about one in 40 others was restated, 5 days to 2 years later. What a session says
    depends on nothing but the plan, so a stand-in that starts later tells the same past.
    """
    walk = random.Random(f"{plan.variant}:{plan.symbol}")
    price, bars = walk.uniform(20, 400), []
    for session in sessions(day):
        before, price = price, min(max(price * math.exp(walk.gauss(0, 0.015)), 1.0), 5_000.0)
        if session >= plan.first:
            rng = random.Random(f"{plan.variant}:{plan.symbol}:{session}")
            bar = bar_of(rng, plan, session, before, price)
            restated = rng.random() < 1 / 40 and session + timedelta(days=5 + 725 * rng.random() ** 2) > day
            bars.append(first_said(bar) if restated or session == day else bar)
    return with_adjusted(bars)


def bar_of(rng: random.Random, plan: Plan, session: date, before: float, close: float) -> Bar:
    """The final bar of a session; its decimals are as uneven as the upstream's."""
    drop, split = EVENTS[plan.place] if plan.place < len(EVENTS) else (1.0, "1.0")
    if session >= plan.event:
        before, close = before / drop, close / drop
    opening = before * math.exp(rng.gauss(0, 0.004))
    high = max(opening, close) * (1 + abs(rng.gauss(0, 0.006)))
    low = min(opening, close) * (1 - abs(rng.gauss(0, 0.006)))
    places = 4 if rng.random() < 0.2 else 2
    volume = round(min(max(math.exp(rng.gauss(15, 1.4)), 1e5), 1e8))
    quarterly = plan.place % 2 == 0 and session.month % 3 == 2 and 8 <= session.day <= 14 and session.weekday() == 2
    return Bar(
        session.isoformat(),
        open=uneven(rng, opening, places),
        high=uneven(rng, high, places),
        low=uneven(rng, low, places),
        close=uneven(rng, close, places),
        volume=str(HUGE_VOLUME if plan.place == 1 and session == plan.event else volume),
        dividend="0.4150" if quarterly else "0.0000",
        split=split if session == plan.event else "1.0",
    )


def uneven(rng: random.Random, value: float, places: int) -> str:
    """The value rounded and padded to four decimals, now and then without its trailing zeros (one digit stays)."""
    text = f"{value:.{places}f}".ljust(len(f"{value:.4f}"), "0")
    return re.sub(r"(\.\d+?)0+$", r"\1", text) if rng.random() < 0.1 else text


def first_said(bar: Bar) -> Bar:
    """The bar as it stood before it was final: fewer shares, and a high that was still to come."""
    high = max(Decimal(bar.open), Decimal(bar.close))
    return replace(bar, high=f"{high:.4f}", volume=str(int(int(bar.volume) * 0.97)))


def with_adjusted(bars: list[Bar]) -> tuple[Bar, ...]:
    """The bars, oldest first, with closes adjusted for every later split and dividend."""
    factor, done = 1.0, []
    for bar in reversed(bars):
        adjusted = float(bar.close) * factor
        done.append(replace(bar, adjusted_close=f"{adjusted:.4f}" if factor == 1.0 else f"{adjusted:.13f}"))
        factor /= float(bar.split)
        factor *= 1 - float(bar.dividend) / float(bar.close)
    return tuple(reversed(done))
