"""How the stand-in says a series, its events and its errors: as JSON or as CSV, always with status 200."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from catchment.standin import Answer, Request

from .standin_data import Bar
from .standin_switches import Switches

__all__ = [
    "ADJUSTED",
    "DAILY",
    "ERRORS",
    "as_csv",
    "as_json",
    "dividend_row",
    "pretty",
    "said",
    "split_row",
    "text_csv",
]

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


def said(word: str, request: Request, switches: Switches) -> Answer:
    """An error as this upstream says it: status 200 and a sentence, whatever the data type."""
    query = request.query
    whose = f"We have detected your API key as {query.get('apikey', '')} and our" if switches.key_echo else "Our"
    told = {"function": query.get("function", ""), "per_day": switches.per_day or 25, "whose": whose}
    return pretty({MEMBERS.get(word, "Information"): ERRORS[word].format(**told)})


def pretty(value: object) -> Answer:
    """A value as JSON, laid out as the upstream does."""
    return Answer(200, json.dumps(value, indent=4).encode(), (("Content-Type", "application/json"),))


def text_csv(lines: Iterable[str]) -> Answer:
    """Lines as CSV, under the upstream's content type."""
    return Answer(200, "".join(f"{line}\r\n" for line in lines).encode(), (("Content-Type", "application/x-download"),))


def as_csv(bars: list[Bar], function: str) -> Answer:
    """The series as CSV."""
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
    """A split as the function SPLITS lists it."""
    return {"effective_date": bar.day, "split_factor": bar.split}


def dividend_row(bar: Bar) -> dict[str, str]:
    """A dividend as the function DIVIDENDS lists it."""
    unknown = dict.fromkeys(("declaration_date", "record_date", "payment_date"), "None")
    return {"ex_dividend_date": bar.day, **unknown, "amount": bar.dividend}
