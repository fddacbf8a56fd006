"""The harbour once more, as an app that fills its boxes from the ships and keeps old versions for a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import harbour
import msgspec

from catchment import App, Derived, Feed, Lookup, rows_of

__all__ = ["app"]


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
app = App("quay", feeds=[ships, boxes])
