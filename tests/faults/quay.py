"""The harbour once more, as an app that fills its boxes from the ships and keeps old versions for a day, and in which
people write about ships.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import harbour
import msgspec

from catchment import App, Counter, Derived, Feed, Link, Lookup, Record, Resource, Rollup, rows_of

__all__ = ["Note", "app", "notes"]


class Box(harbour.Box):
    """A box, and the name of the ship that it is on."""

    ship_name: str | None = None


def named(box: Box, lookup: Lookup, before: Box | None) -> Box:
    ship = lookup(box.ship)
    return msgspec.structs.replace(box, ship_name=ship.name if ship else None)


ships: Feed = harbour.ships
boxes = replace(
    harbour.boxes,
    record=Box,
    partitions=rows_of(ships, ship="id"),
    derived=Derived(ships, named, fields=("ship_name",)),
    retention=timedelta(days=1),
)


class Note(Record):
    """What a person says about a ship."""

    id: str
    author: str | None
    ship: int
    stars: int
    created_at: datetime


notes = Resource(
    "notes",
    Note,
    about=Link(ships, "ship"),
    owner="author",
    outlives=True,
    rollups=[Rollup(of="stars", by=("ship",))],
    counters=[Counter(by=("ship", "day(created_at)"), of=("stars",))],
)
pins = replace(notes, name="pins", outlives=False, rollups=(), counters=())
app = App("quay", feeds=[ships, boxes], resources=[notes, pins])
