"""A stand-in for `https://www.alphavantage.co`: daily bars, generated or recorded, as served on the clock's date.

Functions: TIME_SERIES_DAILY, TIME_SERIES_DAILY_ADJUSTED, SPLITS, DIVIDENDS. The upstream's others are left out: here
they "do not exist".
"""

from __future__ import annotations

import csv
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from catchment.standin import Answer, Daily, Fault, Limit, Meter, Options, Request, Sliding

__all__ = ["Stocks", "Switches", "service", "symbols"]

EASTERN = ZoneInfo("America/New_York")
COMPACT = 100
EPOCH = date(1999, 11, 1)
HUGE_VOLUME = 3_000_000_000

DAILY = "TIME_SERIES_DAILY"
ADJUSTED = "TIME_SERIES_DAILY_ADJUSTED"
INFORMATION = {
    DAILY: "Daily Prices (open, high, low, close) and Volumes",
    ADJUSTED: "Daily Time Series with Splits and Dividend Events",
}
RAW_COLUMNS = ("open", "high", "low", "close", "volume")
ADJUSTED_COLUMNS = (
    "open", "high", "low", "close", "adjusted close", "volume", "dividend amount", "split coefficient",
)  # fmt: skip

# Class of error -> its sentence. Source: apps/stocks.md, section 2, and the upstream's own wording.
THANKS = "Thank you for using Alpha Vantage!"
PREMIUM = "any of the premium plans at https://www.alphavantage.co/premium/"
CLAIM_KEY = "Please claim your free API key"
SUPPORT = "(https://www.alphavantage.co/support/#api-key)"
ERRORS: Mapping[str, str] = {
    "burst": (
        f"{THANKS} Please consider spreading out your free API requests more sparingly (1 request per second). You may "
        f"subscribe to {PREMIUM} to lift the free key rate limit (25 requests per day), raise the per-second burst "
        "limit, and instantly unlock all premium endpoints"
    ),
    "quota": (
        "{whose} standard API rate limit is {per_day} requests per day. Please subscribe to "
        f"{PREMIUM} to instantly remove all daily rate limits."
    ),
    "throttle": (
        f"{THANKS} Our standard API call frequency is 5 calls per minute and 500 calls per day. Please visit "
        "https://www.alphavantage.co/premium/ if you would like to target a higher API call frequency."
    ),
    "demo": (
        f"The **demo** API key is for demo purposes only. {CLAIM_KEY} at {SUPPORT} to explore our full API offerings. "
        "It takes fewer than 20 seconds."
    ),
    "premium-size": (
        f"{THANKS} The outputsize=full parameter value is a premium feature for the {{function}} endpoint. You may "
        f"subscribe to {PREMIUM} to instantly unlock all premium features"
    ),
    "premium-function": (
        f"{THANKS} This is a premium endpoint. You may subscribe to {PREMIUM} to instantly unlock all premium endpoints"
    ),
    "bad-key": (
        f"the parameter apikey is invalid or missing. {CLAIM_KEY} on {SUPPORT}. It should take less than 20 seconds."
    ),
    "unknown-function": "This API function ({function}) does not exist.",
    "bad-symbol": (
        "Invalid API call. Please retry or visit the documentation "
        "(https://www.alphavantage.co/documentation/) for {function}."
    ),
    "other-information": "We are moving to a new home. Please come back tomorrow.",
    "other-note": "This endpoint will change its address soon.",
    "other-error": "The service is busy with itself.",
}
MEMBERS = dict.fromkeys(("throttle", "other-note"), "Note") | dict.fromkeys(
    ("bad-key", "unknown-function", "bad-symbol", "other-error"), "Error Message"
)
Said = Literal[
    "none", "burst", "quota", "throttle", "demo", "premium-size", "premium-function", "bad-key", "unknown-function",
    "bad-symbol", "other-information", "other-note", "other-error", "empty", "no-series",
    "html", "500", "502", "503", "truncated", "slow", "hang",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be turned while it runs.

    per_second, per_minute, per_day: calls allowed to one key, 0 for any number. error: what every call answers, or
    only the first `error_calls`. as_of: the date on which the data is served, "" for the clock's. `_bar`: the n-th bar
    from the newest, 0 for none. restated_bar: its close is a cent higher. bad_bar: its high is below its low.
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


def service(options: Options) -> Stocks:
    """The stocks stand-in of this size and variant."""
    return Stocks(options)


class Stocks:
    """The upstream as talk. Its state: the calls of each key, and how often each symbol was served."""

    name = "stocks"

    def __init__(self, options: Options) -> None:
        self._world = SIZES[options.size]
        self._variant = options.variant
        folder = options.recorded("stocks", "*/*.csv")
        self._recorded = Recorded.load(folder) if folder else None
        self._symbols = symbols(options.size)
        # Where the generated series begin is fixed here: they grow when the clock moves on.
        served = sessions(evening(options.clock.now()))[-self._world.sessions :]
        self._first, self._event = served[0], served[len(served) // 2]
        self._meter = Meter()
        self._served: Counter[str] = Counter()

    def switches(self) -> Switches:
        return Switches(per_second=1, per_day=25) if self._world.limited else Switches()

    def reset(self) -> None:
        self._meter.clear()
        self._served.clear()

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path != "/query":
            return Answer(404, b"<h1>Not Found</h1>", (("Content-Type", "text/html"),))
        told = switches.error
        if told != "none" and (not switches.error_calls or request.number <= switches.error_calls):
            return self._told(told, request, switches)
        refused = self._refusal(request, switches)
        return said(refused, request, switches) if refused else self._data(request, switches)

    def _told(self, told: Said, request: Request, switches: Switches) -> Answer:
        """The answer of the switch `error`."""
        if told in ERRORS:
            return said(told, request, switches)
        if told in ("500", "502", "503"):
            return Answer(int(told), b"", (("Content-Type", "text/html"),))
        if told in ("html", "hang"):
            return Answer(fault=Fault(told))
        if told in ("empty", "no-series"):
            return Answer.json({} if told == "empty" else {"Meta Data": {"2. Symbol": request.query.get("symbol", "")}})
        whole = self._data(request, switches)
        return replace(whole, fault=Fault("truncate" if told == "truncated" else "drip"))

    def _refusal(self, request: Request, switches: Switches) -> str:
        """The class of error that this call earns, "" for none. Only a good key's calls are counted."""
        query, key = request.query, request.query.get("apikey", "")
        if key in ("", *switches.bad_keys):
            return "bad-key"
        if key in switches.demo_keys:
            return "demo"
        function = query.get("function", "")
        premium = {name for name, on in ((DAILY, switches.premium_daily), (ADJUSTED, switches.premium_adjusted)) if on}
        checks: Iterable[tuple[bool, str]] = (
            (function not in FUNCTIONS, "unknown-function"),
            (function in premium, "premium-function"),
            (not self._has(query.get("symbol", ""), request, switches), "bad-symbol"),
            (switches.premium_full and query.get("outputsize") == "full", "premium-size"),
        )
        return self._limited(key, request.at, switches) or next((word for wrong, word in checks if wrong), "")

    def _limited(self, key: str, now: datetime, switches: Switches) -> str:
        limits: dict[Limit, str] = {}
        if switches.per_second:
            limits[Sliding(switches.per_second, 1.0)] = "burst"
        if switches.per_minute:
            limits[Sliding(switches.per_minute, 60.0)] = "throttle"
        if switches.per_day:
            limits[Daily(switches.per_day, switches.day_zone)] = "quota"
        broken = self._meter.refusal(key, now, *limits)
        return limits[broken] if broken else ""

    def _data(self, request: Request, switches: Switches) -> Answer:
        handler = FUNCTIONS.get(request.query.get("function", ""), Stocks._series)
        return handler(self, request, switches)

    def _has(self, symbol: str, request: Request, switches: Switches) -> bool:
        return bool(self._bars(symbol.upper(), ADJUSTED, request, switches))

    def _bars(self, symbol: str, function: str, request: Request, switches: Switches) -> list[Bar]:
        """The symbol's whole series as served on the date, newest first; empty when there is none."""
        day = served_on(request.at, switches)
        if self._recorded is not None and switches.recorded != "none" and self._recorded.knows(symbol):
            return self._recorded.bars(symbol, function, day, switches.recorded)
        if symbol not in self._symbols:
            return []
        place = self._symbols.index(symbol)
        plan = Plan(self._variant, symbol, place, self._first, self._event)
        return list(reversed(as_served(plan, day)))

    def _series(self, request: Request, switches: Switches) -> Answer:
        """The daily functions: as JSON by name, or as CSV."""
        query = request.query
        function = query.get("function", DAILY)
        typed = query.get("symbol", "")
        symbol = (switches.other_symbol or typed).upper()
        self._served[symbol] += 1
        bars = self._bars(symbol, function, request, switches)
        size = "Full size" if query.get("outputsize") == "full" else "Compact"
        bars = mended(bars if size == "Full size" else bars[:COMPACT], self._served[symbol], switches)
        echo = (switches.other_symbol or typed).lower() if switches.lower_echo else switches.other_symbol or typed
        if query.get("datatype") == "csv":
            return as_csv(bars, function)
        return as_json(bars, function, echo, size, switches)

    def _splits(self, request: Request, switches: Switches) -> Answer:
        return self._events(request, switches, lambda bar: Decimal(bar.split) != 1, split_row)

    def _dividends(self, request: Request, switches: Switches) -> Answer:
        return self._events(request, switches, lambda bar: Decimal(bar.dividend) != 0, dividend_row)

    def _events(
        self,
        request: Request,
        switches: Switches,
        wanted: Callable[[Bar], bool],
        row: Callable[[Bar], dict[str, str]],
    ) -> Answer:
        """One row for each day on which something happened, newest first."""
        symbol = request.query.get("symbol", "")
        rows = [row(bar) for bar in self._bars(symbol.upper(), ADJUSTED, request, switches) if wanted(bar)]
        if request.query.get("datatype") != "csv":
            return pretty({"symbol": symbol, "data": rows})
        names = row(Bar("", "", "", "", "", "")).keys()
        return text_csv([",".join(names), *(",".join(one.values()) for one in rows)])


FUNCTIONS: Mapping[str, Callable[[Stocks, Request, Switches], Answer]] = {
    DAILY: Stocks._series,
    ADJUSTED: Stocks._series,
    "SPLITS": Stocks._splits,
    "DIVIDENDS": Stocks._dividends,
}


# Rendering.


def said(word: str, request: Request, switches: Switches) -> Answer:
    """An error as this upstream says it: status 200 and a sentence, whatever the data type."""
    query = request.query
    whose = f"We have detected your API key as {query.get('apikey', '')} and our" if switches.key_echo else "Our"
    told = {"function": query.get("function", ""), "per_day": switches.per_day or 25, "whose": whose}
    return pretty({MEMBERS.get(word, "Information"): ERRORS[word].format(**told)})


def pretty(value: object) -> Answer:
    return Answer(200, json.dumps(value, indent=4).encode(), (("Content-Type", "application/json"),))


def text_csv(lines: Iterable[str]) -> Answer:
    return Answer(200, "".join(f"{line}\r\n" for line in lines).encode(), (("Content-Type", "application/x-download"),))


def as_csv(bars: list[Bar], function: str) -> Answer:
    columns = ADJUSTED_COLUMNS if function == ADJUSTED else RAW_COLUMNS
    header = ",".join(["timestamp", *(name.replace(" ", "_") for name in columns)])
    return text_csv([header, *(",".join([bar.day, *values_of(bar, function)]) for bar in bars)])


def as_json(bars: list[Bar], function: str, echo: str, size: str, switches: Switches) -> Answer:
    """The series as one object; written by hand, for a day may stand in it twice."""
    refreshed = bars[0].day if bars else ""
    meta = {
        "1. Information": INFORMATION[function],
        "2. Symbol": echo,
        "3. Last Refreshed": f"{refreshed} 16:00:01" if switches.refreshed_with_time else refreshed,
        "4. Output Size": size,
        "5. Time Zone": "US/Eastern",
    }
    columns = ADJUSTED_COLUMNS if function == ADJUSTED else RAW_COLUMNS
    names = [f"{place}. {name}" for place, name in enumerate(columns, 1)]
    if switches.renamed_field:
        names[3] = "4. last"
    days = ",\n        ".join(
        f'"{bar.day}": {json.dumps(dict(zip(names, values_of(bar, function), strict=True)))}' for bar in bars
    )
    head = json.dumps({"Meta Data": meta}, indent=4).removesuffix("\n}")
    text = f'{head},\n    "Time Series (Daily)": {{\n        {days}\n    }}\n}}'
    return Answer(200, text.encode(), (("Content-Type", "application/json"),))


def values_of(bar: Bar, function: str) -> tuple[str, ...]:
    return bar.adjusted() if function == ADJUSTED else bar.raw()


def split_row(bar: Bar) -> dict[str, str]:
    return {"effective_date": bar.day, "split_factor": bar.split}


def dividend_row(bar: Bar) -> dict[str, str]:
    unknown = dict.fromkeys(("declaration_date", "record_date", "payment_date"), "None")
    return {"ex_dividend_date": bar.day, **unknown, "amount": bar.dividend}


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


# Sessions of the exchange, in local dates.

CLOSED = {
    date(2001, 9, 11), date(2001, 9, 12), date(2001, 9, 13), date(2001, 9, 14), date(2004, 6, 11), date(2007, 1, 2),
    date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9),
}  # fmt: skip


def served_on(now: datetime, switches: Switches) -> date:
    """The date on whose evening the data was served: the one switched to, or the clock's."""
    return date.fromisoformat(switches.as_of) if switches.as_of else evening(now)


def evening(now: datetime) -> date:
    """The last date whose bar, if it has one, is out: bars appear at 16:30 Eastern."""
    local = now.astimezone(EASTERN)
    return local.date() if (local.hour, local.minute) >= (16, 30) else local.date() - timedelta(days=1)


@lru_cache(maxsize=32)
def sessions(until: date) -> tuple[date, ...]:
    """Trading days from the first one served up to `until`, oldest first."""
    days = (EPOCH + timedelta(days=count) for count in range((until - EPOCH).days + 1))
    return tuple(day for day in days if day.weekday() < 5 and day not in holidays(day.year))


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """Weekdays of the year on which the exchange stays closed."""
    fixed = [date(year, 7, 4), date(year, 12, 25), *([date(year, 6, 19)] if year >= 2022 else [])]
    moved = {day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0)) for day in fixed}
    new_year = date(year, 1, 1)  # one on a Saturday is not moved into the old year
    moved.add(new_year + timedelta(days=1) if new_year.weekday() == 6 else new_year)
    memorial = nth(year, 5, 0, 5) if nth(year, 5, 0, 5).month == 5 else nth(year, 5, 0, 4)
    mondays = {nth(year, 1, 0, 3), nth(year, 2, 0, 3), memorial, nth(year, 9, 0, 1)}
    return frozenset(moved | mondays | {nth(year, 11, 3, 4), easter(year) - timedelta(days=2)} | CLOSED)


def nth(year: int, month: int, weekday: int, count: int) -> date:
    """The n-th such weekday of the month, which may lie beyond it."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (count - 1))


def easter(year: int) -> date:
    """Easter Sunday. Source: the anonymous Gregorian algorithm."""
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    day = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * day) // 451
    month, rest = divmod(h + day - 7 * m + 114, 31)
    return date(year, month, rest + 1)


# Generated series.

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


# Recorded series.


@dataclass(frozen=True)
class Recorded:
    """What a folder of recorded answers holds. vintages: date -> file, of each symbol."""

    vintages: Mapping[str, Mapping[date, Path]]
    sp500: Mapping[str, Path]

    @classmethod
    def load(cls, folder: Path) -> Recorded:
        """The folder's content."""
        vintages: dict[str, dict[date, Path]] = {}
        for path in sorted((folder / "vintages").glob("daily_*.csv")):
            *_, symbol, day = path.stem.replace("_full_", "_").split("_")
            vintages.setdefault(symbol, {})[date.fromisoformat(day)] = path
        return cls(vintages, {path.stem.removesuffix("_data"): path for path in (folder / "sp500").glob("*_data.csv")})

    def knows(self, symbol: str) -> bool:
        return symbol in self.vintages or symbol in self.sp500

    def bars(self, symbol: str, function: str, day: date, prefer: str) -> list[Bar]:
        """The newest file's bars that is not newer than `day`, newest first; empty when all are newer."""
        if symbol in self.sp500 and (prefer == "sp500" or symbol not in self.vintages):
            return list(read_bars(self.sp500[symbol]))
        files = {taken: path for taken, path in self.vintages[symbol].items() if taken <= day}
        adjusted = {taken: path for taken, path in files.items() if "_adjusted_" in path.name}
        fitting = adjusted if function == ADJUSTED and adjusted else files
        return list(read_bars(fitting[max(fitting)])) if fitting else []


@lru_cache(maxsize=16)
def read_bars(path: Path) -> tuple[Bar, ...]:
    """A recorded file's bars, newest first; a file without adjusted closes gives the closes for them."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        bars = [bar_of_row(row) for row in csv.DictReader(lines)]
    return tuple(sorted(bars, key=lambda bar: bar.day, reverse=True))


def bar_of_row(row: Mapping[str, str]) -> Bar:
    return Bar(
        row.get("timestamp") or row["date"],
        open=row["open"],
        high=row["high"],
        low=row["low"],
        close=row["close"],
        volume=row["volume"],
        adjusted_close=row.get("adjusted_close", row["close"]),
        dividend=row.get("dividend_amount", "0.0000"),
        split=row.get("split_coefficient", "1.0"),
    )
