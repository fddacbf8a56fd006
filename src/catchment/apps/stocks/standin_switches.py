"""What can be turned while the stand-in runs, and what that does to the bars of an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Literal
from zoneinfo import available_timezones

from .standin_data import Bar

__all__ = ["Said", "Switches", "mended"]

Said = Literal[
    "none", "burst", "quota", "throttle", "demo", "premium-size", "premium-function", "bad-key", "unknown-function",
    "bad-symbol", "other-information", "other-note", "other-error", "empty", "no-series",
    "html", "500", "502", "503", "truncated", "slow", "hang",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be turned while it runs.

    per_second, per_minute, per_day: calls allowed to one key, 0 for any number. error: what every call answers, or
    only the first `error_calls` after the switches were turned last. as_of: the date on which the data is served, ""
    for the clock's. `_bar`: the n-th bar from the newest, 0 for none. restated_bar: its close is a cent higher.
    bad_bar: its high is below its low.
    """

    per_second: int = 0
    per_minute: int = 0
    per_day: int = 0
    day_zone: str = "America/New_York"
    key_echo: bool = False
    bad_keys: tuple[str, ...] = ()
    demo_keys: tuple[str, ...] = ()
    premium_full: bool = False
    premium_daily: bool = False
    premium_adjusted: bool = False
    error: Said = "none"
    error_calls: int = 0
    as_of: str = ""
    recorded: Literal["vintages", "sp500", "none"] = "vintages"
    refreshed_with_time: bool = False
    newest_changes: bool = False
    newest_flaps: bool = False
    restated_bar: int = 0
    bad_bar: int = 0
    missing_bar: int = 0
    doubled_bar: int = 0
    doubled_differs: bool = False
    unordered: bool = False
    renamed_field: bool = False
    other_symbol: str = ""
    lower_echo: bool = False

    def __post_init__(self) -> None:
        if self.as_of:
            date.fromisoformat(self.as_of)
        if self.day_zone not in available_timezones():
            raise ValueError(f"day_zone: {self.day_zone} is no zone")


def mended(bars: list[Bar], call: int, switches: Switches) -> list[Bar]:
    """The bars, newest first, with what the switches spoil on this call for the symbol."""
    bars = list(bars)
    if switches.newest_changes and bars:
        bars[0] = replace(bars[0], volume=str(int(bars[0].volume) + call))
    for place, change in ((switches.restated_bar, cent_higher), (switches.bad_bar, turned_over)):
        if 0 < place <= len(bars):
            bars[place - 1] = change(bars[place - 1])
    if 0 < switches.doubled_bar <= len(bars):
        twin = bars[switches.doubled_bar - 1]
        bars.insert(switches.doubled_bar, cent_higher(twin) if switches.doubled_differs else twin)
    if 0 < switches.missing_bar <= len(bars):
        del bars[switches.missing_bar - 1]
    if switches.newest_flaps and call % 2 == 0:
        del bars[:1]
    return sorted(bars, key=lambda bar: bar.day[::-1]) if switches.unordered else bars


def cent_higher(bar: Bar) -> Bar:
    close = Decimal(bar.close) + Decimal("0.01")
    return replace(bar, close=f"{close}", high=f"{max(close, Decimal(bar.high))}")


def turned_over(bar: Bar) -> Bar:
    return replace(bar, high=bar.low, low=bar.high)
