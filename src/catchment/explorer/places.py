"""Records with a place on a sheet: near ones together, so that however many there are can be told apart. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..record import Column
from .drawing import WIDTH, Scale, Tick, steps

__all__ = ["Cluster", "Frame", "Place", "axes", "clusters", "degrees", "frame"]

CELL = 44
"""How far apart spots stand at least, about: of the sheet's units."""
LEAST = 0.002
"""Degrees that a sheet shows at least."""
TALL, FLAT = 560, 280
"""The bounds of a sheet's height."""
_NAMES = (("latitude", "longitude"), ("lat", "lon"), ("lat", "lng"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where some records are, in degrees: how many, and the key of one."""

    latitude: float
    longitude: float
    count: int
    key: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """Some places near each other. south, west, north, east: the least and the greatest of their degrees."""

    x: float
    y: float
    count: int
    south: float
    west: float
    north: float
    east: float
    key: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What a sheet shows: a scale each way."""

    across: Scale
    up: Scale
    height: float


def axes(columns: Sequence[Column]) -> tuple[str, str] | None:
    """The fields that say a record's latitude and longitude; None where there are none."""
    numbers = {column.name for column in columns if column.kind in ("decimal", "number")}
    return next((pair for pair in _NAMES if numbers.issuperset(pair)), None)


def frame(places: Sequence[Place]) -> Frame:
    """A sheet for all of the places, as high as they want: a degree of longitude is the shorter the further north."""
    south, north = _span([place.latitude for place in places])
    west, east = _span([place.longitude for place in places])
    shorter = max(0.05, math.cos(math.radians((south + north) / 2)))
    height = (north - south) / ((east - west) * shorter) * WIDTH
    if height > TALL:
        more = ((north - south) / (TALL / WIDTH) / shorter - (east - west)) / 2
        west, east, height = west - more, east + more, TALL
    elif height < FLAT:
        more = (FLAT / WIDTH * (east - west) * shorter - (north - south)) / 2
        south, north, height = south - more, north + more, FLAT
    return Frame(Scale(west, east, 0, WIDTH), Scale(south, north, height, 0), round(height, 1))


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    around = max((high - low) * 0.06, LEAST)
    return low - around, high + around


def clusters(places: Sequence[Place], shown: Frame) -> list[Cluster]:
    """The places by where they fall on the sheet, none nearer to another than a spot is wide; the fullest first."""
    cells: dict[tuple[int, int], list[Place]] = {}
    for place in places:
        x, y = shown.across.at(place.longitude), shown.up.at(place.latitude)
        cells.setdefault((int(x // CELL), int(y // CELL)), []).append(place)
    found: list[Cluster] = []
    for one in sorted((_cluster(cell, shown) for cell in cells.values()), key=lambda item: -item.count):
        near = next(
            (at for at, other in enumerate(found) if math.dist((one.x, one.y), (other.x, other.y)) < CELL), None
        )
        if near is None:
            found.append(one)
        else:
            found[near] = _together(found[near], one)
    return found


def _cluster(found: Sequence[Place], shown: Frame) -> Cluster:
    north, east = [place.latitude for place in found], [place.longitude for place in found]
    return Cluster(
        shown.across.at(sum(east) / len(found)),
        shown.up.at(sum(north) / len(found)),
        sum(place.count for place in found),
        min(north),
        min(east),
        max(north),
        max(east),
        found[0].key,
    )


def _together(one: Cluster, other: Cluster) -> Cluster:
    """Both, where the fuller one stands."""
    return replace(
        one,
        count=one.count + other.count,
        south=min(one.south, other.south),
        west=min(one.west, other.west),
        north=max(one.north, other.north),
        east=max(one.east, other.east),
    )


def degrees(scale: Scale, count: int) -> list[Tick]:
    """The ticks of a sheet's side."""
    marks = [mark for mark in steps(scale.low, scale.high, count) if scale.low < mark < scale.high]
    return [Tick(scale.at(mark), f"{mark:.4f}".rstrip("0").rstrip(".") + "°") for mark in marks]
