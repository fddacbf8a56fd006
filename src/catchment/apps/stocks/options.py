"""The settings of the stocks app, each with what may be written in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from catchment import Setting

from .sessions import installed

__all__ = ["DATATYPE", "DIVIDENDS", "FUNCTION", "LOOKBACK", "OUTPUTSIZE", "QUOTA_ZONE", "SESSIONS", "SPLITS", "SYMBOLS"]


def symbol(text: str) -> str:
    """The symbol in upper case. ValueError if it is none."""
    # Before it is raised: other letters than these have some of A to Z as their capital.
    if not re.fullmatch(r"[A-Za-z0-9.:^=-]{1,20}", text):
        raise ValueError(f"{text[:40]!r} is no symbol: 1 to 20 of A-Z 0-9 . : ^ - =")
    return text.upper()


def _one_of(*words: str, meaning: Mapping[str, str] | None = None) -> Callable[[str], str]:
    def form(text: str) -> str:
        if text not in words:
            raise ValueError(f"is none of {', '.join(words)}")
        return meaning[text] if meaning else text

    return form


def _days(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise ValueError("is no number of days: write e.g. 14, or 0 for all")
    return text


def _calendar(text: str) -> str:
    if _one_of("yes", "no")(text) == "yes" and not installed():
        raise ValueError("needs the extra `calendar`: pip install 'catchment[calendar]'")
    return text


FUNCTIONS = {"daily": "TIME_SERIES_DAILY", "adjusted": "TIME_SERIES_DAILY_ADJUSTED"}

SYMBOLS = Setting("STOCK_SYMBOLS", "IBM,AAPL")
FUNCTION = Setting("STOCK_FUNCTION", "daily", form=_one_of(*FUNCTIONS, meaning=FUNCTIONS))
OUTPUTSIZE = Setting("STOCK_OUTPUTSIZE", "compact", form=_one_of("compact", "full"))
DATATYPE = Setting("STOCK_DATATYPE", "json", form=_one_of("json", "csv"))
LOOKBACK = Setting("STOCK_LOOKBACK_DAYS", "0", form=_days)
SESSIONS = Setting("STOCK_SESSIONS", "no", form=_calendar)
QUOTA_ZONE = Setting("STOCK_QUOTA_ZONE", "America/New_York")
SPLITS = Setting("STOCK_SPLITS", "no", form=_one_of("yes", "no"))
DIVIDENDS = Setting("STOCK_DIVIDENDS", "no", form=_one_of("yes", "no"))
