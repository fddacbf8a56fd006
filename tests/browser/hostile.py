"""An app whose upstream says nothing but what would run where it is not told apart from a page's own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from catchment import App, Feed, Get, Record, Upstream, each
from catchment.standin import Answer, Options, Request

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))


class Inner(msgspec.Struct):
    said: str


class Saying(Record):
    """What somebody says who means harm: <script>alert(1)</script>."""

    id: str
    said: str
    shared: str | None
    words: list[str]
    inner: Inner
    day: date
    price: Decimal
    latitude: Decimal
    longitude: Decimal


class Count(Record):
    """What cannot be read, of partitions that are called as nobody should call them."""

    id: str
    number: int


def texts() -> Sequence[str]:
    """The corpus, as far as JSON can say it."""
    from hunted.corpora import MARKED

    return [text for text in MARKED if "\x00" not in text]


@dataclass(frozen=True)
class Switches:
    """turn: by how many places the texts have moved on."""

    turn: int = 0


class Hostile:
    """The upstream: each text in every field; and rows that are no records, with fields that nobody knows."""

    name = "hostile"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        found = texts()
        if request.path == "/counts":
            odd = found[switches.turn :: 9]
            rows = [{"id": text, "number": text, "more": place} for place, text in enumerate(odd)]
            good = [{"id": f"{number} {request.query['word']}", "number": number} for number in range(200)]
            return Answer.json([*rows, *({**row, **dict.fromkeys(odd, 1)} for row in good)])
        return Answer.json([_row(n, text, found[(n + switches.turn) % len(found)]) for n, text in enumerate(found)])


def _row(number: int, text: str, other: str) -> Mapping[str, Any]:
    shared = "<img src=x onerror=alert(1)>" if number % 3 else None
    place = {"latitude": f"{50 + number / 100}", "longitude": f"{number / 50}"}
    rest = {"day": f"2026-01-{1 + number % 28:02d}", "price": f"{number}.5", **place}
    return {"id": text, "said": other, "shared": shared, "words": [text, other], "inner": {"said": text}, **rest}


def stand_in(options: Options) -> Hostile:
    return Hostile()


sayings = Feed(
    "sayings",
    Saying,
    Upstream("hostile", "https://hostile.example"),
    request=Get("/sayings"),
    strict=False,
    key=("id",),
    public=True,
)
counts = Feed(
    "counts",
    Count,
    sayings.upstream,
    request=Get("/counts", word="{word}"),
    partitions=each(word=[text for text in texts() if text.isprintable()][:12]),
    strict=False,
    key=("id",),
    public=True,
)
app = App("hostile", feeds=[sayings, counts], standin=stand_in)
