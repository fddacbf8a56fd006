"""A stand-in for `https://www.alphavantage.co`: daily bars, generated or recorded, as served on the clock's date.

Functions: TIME_SERIES_DAILY, TIME_SERIES_DAILY_ADJUSTED, SPLITS, DIVIDENDS. The upstream's others are left out: here
they "do not exist".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from catchment.standin import Answer, Daily, Fault, Limit, Meter, Options, Request, Sliding

from .standin_data import SIZES, Bar, Plan, as_served, symbols
from .standin_recorded import Recorded
from .standin_says import ADJUSTED, DAILY, ERRORS, as_csv, as_json, dividend_row, pretty, said, split_row, text_csv
from .standin_sessions import evening, sessions
from .standin_switches import Said, Switches, mended

__all__ = ["Stocks", "Switches", "service", "symbols"]

COMPACT = 100


def service(options: Options) -> Stocks:
    """The stocks stand-in of this size and variant."""
    return Stocks(options)


class Stocks:
    """The upstream as talk. Its state: the calls of each key, how often each symbol was served, and how often the error
    was told since switches were turned last.
    """

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
        self._turned, self._told_times = Switches(), 0

    def switches(self) -> Switches:
        return Switches(per_second=1, per_day=25) if self._world.limited else Switches()

    def reset(self) -> None:
        self._meter.clear()
        self._served.clear()
        self._told_times = 0

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path != "/query":
            return Answer(404, b"<h1>Not Found</h1>", (("Content-Type", "text/html"),))
        if switches is not self._turned:
            self._turned, self._told_times = switches, 0
        told = switches.error
        if told != "none" and (not switches.error_calls or self._told_times < switches.error_calls):
            self._told_times += 1
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


def served_on(now: datetime, switches: Switches) -> date:
    """The date on whose evening the data was served: the one switched to, or the clock's."""
    return date.fromisoformat(switches.as_of) if switches.as_of else evening(now)
