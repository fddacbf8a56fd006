"""The records of the stocks app, and what is wrong with some that the upstream sends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from catchment import Met, Record

from .sessions import is_session

__all__ = ["Bar", "Dividend", "Split", "impossible", "not_above_0", "other_series"]


class Bar(Record):
    """One trading day of one symbol, as the exchange reported it. Prices have up to 13 decimals; the date is local.

    adjusted_close: the close as the upstream adjusts it for splits and dividends, where that function is asked.
    """

    symbol: str
    date: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    adjusted_close: Decimal | None = None


class Split(Record):
    """From that day on there are `factor` shares where there was one."""

    symbol: str
    date: date
    factor: Decimal


class Dividend(Record):
    """What was paid on one share whose owner had it before that day."""

    symbol: str
    date: date
    amount: Decimal


def impossible(bar: Bar, *, sessions: Any) -> str:
    """Why a bar cannot be, "" when it can. sessions: `yes` where a date has to be a session of its exchange."""
    if bar.date.weekday() >= 5:
        return "date on a weekend"
    if str(sessions) == "yes" and is_session(bar.symbol, bar.date) is False:
        return "date is no session"
    if min(bar.open, bar.high, bar.low, bar.close) <= 0:
        return "price not above 0"
    if bar.low > min(bar.open, bar.close):
        return "low above open or close"
    if bar.high < max(bar.open, bar.close):
        return "high below open or close"
    return "volume below 0" if bar.volume < 0 else ""


def not_above_0(event: Split | Dividend, *, field: str) -> str:
    """Why a split or a dividend cannot be, "" when it can. field: its number."""
    return "" if getattr(event, field) > 0 else f"{field} not above 0"


COMMON, OFF = 10, Decimal("0.01")


def other_series(met: Iterable[Met]) -> str:
    """Why an answer is not the symbol's series, "" when it may be: of at least 10 days that are stored too, more than
    half of the closes are off by more than 1 %. A CSV does not say whose bars it has.
    """
    common = off = 0
    for item in met:
        if item.before is not None:
            common += 1
            off += abs(item.record.close - item.before.close) > OFF * item.before.close
    if common >= COMMON and off * 2 > common:
        return f"{off} of {common} closes are off by more than 1 %: these may be another symbol's bars"
    return ""
