"""Charts as shapes: from numbers to places on a sheet, in its own units. Pure; digits for reading stay texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Bar", "Candle", "Line", "Picture", "Point", "Spot", "Tick", "candles", "columns", "lines", "rows", "spots"]

WIDTH, HEIGHT = 960, 320
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 12, 28
LABEL, ROW = 240, 26
"""Of lying bars: the room for their names, and for each of them."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A value on an axis, and where it stands."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a moment. words: what is told of it."""

    at: datetime
    value: float | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle that leads somewhere."""

    x: float
    y: float
    width: float
    height: float
    words: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A series. path: in the words of SVG, broken where there is no value. tone: which of the ways to draw it."""

    name: str
    tone: int
    path: str
    dots: Sequence[tuple[float, float, str]]


@dataclass(frozen=True, slots=True)
class Candle:
    """What a price did in a while: from low to high a thin line, from open to close a body."""

    x: float
    low: float
    high: float
    top: float
    height: float
    rising: bool
    words: str


@dataclass(frozen=True, slots=True)
class Spot:
    """Some places near each other. label: how many, where there is room."""

    x: float
    y: float
    radius: float
    words: str
    href: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One chart. across, up: the ticks of its axes. body: the width of a candle's body."""

    height: float = HEIGHT
    width: float = WIDTH
    across: Sequence[Tick] = ()
    up: Sequence[Tick] = ()
    bars: Sequence[Bar] = ()
    names: Sequence[Tick] = ()
    lines: Sequence[Line] = ()
    candles: Sequence[Candle] = ()
    spots: Sequence[Spot] = field(default=())
    body: float = 0
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


# -- scales ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places: low stands at `start`, high at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = self.high - self.low
        part = (value - self.low) / span if span else 0.5
        return round(self.start + part * (self.end - self.start), 1)


def steps(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that span the values, about so many."""
    span = high - low or abs(high) or 1.0
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def figure(value: float) -> str:
    """A round number in few signs: `12 500`, `0.25`, `1.5 M`."""
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M")):
        if abs(value) >= size:
            return f"{value / size:.12g}{unit}"
    text = f"{value:,.10f}".rstrip("0").rstrip(".").replace(",", "\N{NARROW NO-BREAK SPACE}")
    return "0" if text in ("-0", "") else text


def _upwards(values: Sequence[float], *, from_0: bool) -> tuple[Scale, list[Tick]]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    marks = steps(min(low, 0.0) if from_0 else low, max(high, 0.0) if from_0 else high)
    scale = Scale(marks[0], marks[-1], HEIGHT - BOTTOM, TOP)
    return scale, [Tick(scale.at(mark), figure(mark)) for mark in marks]


def _in_time(moments: Sequence[datetime], inset: float = 0) -> tuple[Scale, list[Tick]]:
    first, last = min(moments), max(moments)
    scale = Scale(first.timestamp(), last.timestamp(), LEFT + inset, WIDTH - RIGHT - inset)
    chosen = sorted(set(moments))
    every = max(1, math.ceil(len(chosen) / 8))
    form = "%Y" if (last - first).days > 3650 else "%Y-%m" if (last - first).days > 240 else "%Y-%m-%d"
    form = "%m-%d %H:%M" if (last - first).days < 3 else form
    return scale, [Tick(scale.at(at.timestamp()), at.strftime(form)) for at in chosen[::every]]


# -- charts ----------------------------------------------------------------------------------------------------------


def lines(series: Sequence[tuple[str, Sequence[Point]]], *, from_0: bool) -> Picture:
    """Series over time."""
    points = [point for _, found in series for point in found]
    scale, up = _upwards([point.value for point in points if point.value is not None], from_0=from_0)
    times, across = _in_time([point.at for point in points])
    return Picture(
        across=across,
        up=up,
        lines=[_line(name, tone, found, times, scale) for tone, (name, found) in enumerate(series)],
    )


def _line(name: str, tone: int, points: Sequence[Point], times: Scale, scale: Scale) -> Line:
    path, dots, drawn = [], [], False
    for point in points:
        if point.value is None:
            drawn = False
            continue
        x, y = times.at(point.at.timestamp()), scale.at(point.value)
        path.append(f"{'L' if drawn else 'M'}{x} {y}")
        dots.append((x, y, point.words))
        drawn = True
    return Line(name, tone, "".join(path), dots)


def columns(values: Sequence[tuple[float, str, str]], edges: Sequence[str]) -> Picture:
    """A histogram: standing bars without gaps between their edges. values: number, words, address."""
    scale, up = _upwards([value for value, _, _ in values], from_0=True)
    width = (WIDTH - RIGHT - LEFT) / len(values)
    bars = [
        Bar(
            round(LEFT + place * width + 0.5, 1),
            scale.at(value),
            round(width - 1, 1),
            round(scale.at(0) - scale.at(value), 1),
            words,
            href,
        )
        for place, (value, words, href) in enumerate(values)
    ]
    every = max(1, math.ceil(len(edges) / 9))
    across = [Tick(round(LEFT + place * width, 1), text) for place, text in enumerate(edges) if place % every == 0]
    return Picture(bars=bars, up=up, across=across)


def rows(values: Sequence[tuple[str, float, str, str]]) -> Picture:
    """Lying bars, one below the other. values: name, number, words, address."""
    marks = steps(min([0.0, *(value for _, value, _, _ in values)]), max([0.0, *(value for _, value, _, _ in values)]))
    scale = Scale(marks[0], marks[-1], LABEL, WIDTH - 90)
    bars, names = [], []
    for place, (name, value, words, href) in enumerate(values):
        start, end = sorted((scale.at(0), scale.at(value)))
        bars.append(Bar(start, place * ROW + 4, round(max(end - start, 1), 1), ROW - 8, words, href))
        names.append(Tick(place * ROW + ROW / 2, name if len(name) <= 34 else f"{name[:33]}…"))
    height = len(values) * ROW + 4
    return Picture(height=height, bars=bars, names=names, left=LABEL, bottom=height)


def candles(values: Sequence[tuple[datetime, float, float, float, float, str]]) -> Picture:
    """Prices: moment, open, high, low, close, words; the oldest first."""
    scale, up = _upwards([price for _, *prices, _ in values for price in prices], from_0=False)
    times, across = _in_time([at for at, *_ in values], inset=8)
    body = max(1.5, min(12.0, round((WIDTH - RIGHT - LEFT) / len(values) * 0.55, 1)))
    found = [
        Candle(
            times.at(at.timestamp()),
            scale.at(low),
            scale.at(high),
            scale.at(max(opened, closed)),
            max(1.0, round(scale.at(min(opened, closed)) - scale.at(max(opened, closed)), 1)),
            closed >= opened,
            words,
        )
        for at, opened, high, low, closed, words in values
    ]
    return Picture(across=across, up=up, candles=found, body=body)


def spots(found: Sequence[Spot], across: Sequence[Tick], up: Sequence[Tick], height: float) -> Picture:
    """A map without a map: places by their coordinates."""
    return Picture(height=height, across=across, up=up, spots=found, left=0, right=WIDTH, bottom=height)
