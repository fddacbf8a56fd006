"""`catchment pause` and `resume`: leave a feed's upstream alone, and ask it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from ..clock import open_clock
from ..errors import UsageError
from .arguments import DataFlag, JsonFlag, Targets, find_apps, names_of, read_settings
from .manual import manual
from .output import console, print_json, say

if TYPE_CHECKING:  # it loads the database: only for commands that use it
    from ..store.orders import Order, Verb

__all__ = ["pausing"]

pausing = typer.Typer()


@pausing.command(
    **manual(
        "Collect",
        ("one feed", "catchment pause stocks/bars"),
        ("all feeds of an app", "catchment pause police"),
    )
)
def pause(targets: Targets, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Leave the upstream of feeds alone, until they are resumed.

    It holds at once, also for a collector that runs; what it is at just now it ends. What is stored is served on.
    """
    orders = _give(targets, "pause", data)
    _show(orders, "is paused: nobody asks its upstream until catchment resume", json=json)


@pausing.command(
    **manual(
        "Collect",
        ("one feed", "catchment resume stocks/bars"),
        ("all feeds of an app", "catchment resume police"),
    )
)
def resume(targets: Targets, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Ask the upstream of paused feeds again.

    A collector that runs begins with what is due now; without one, `catchment collect` does.
    """
    orders = _give(targets, "resume", data)
    _show(orders, "is resumed: what is due is asked for by catchment up, or by catchment collect", json=json)


def _give(targets: Sequence[str], verb: Verb, data: str) -> list[Order]:
    """The order for each feed of the targets, as it was noted."""
    from ..store.audit import Entry
    from ..store.engines import database_of
    from ..store.orders import Wanted, give
    from ..store.store import prepare

    apps, settings = find_apps(targets), read_settings(data)
    names = names_of(apps, targets)
    if not names:
        raise UsageError(f"{apps[0].name} collects nothing", hint="people write all that it has")
    database, now = database_of(settings.database), open_clock(settings.get("CATCHMENT_CLOCK")).now()
    prepare(database, apps)
    orders = [give(database, Wanted(name, verb), Entry("", "", "", ""), now) for name in names]
    return [order for order in orders if order is not None]


def _show(orders: Sequence[Order], words: str, *, json: bool) -> None:
    if json:
        print_json(orders)
        return
    for order in orders:
        say(console(), f"{order.collection} {words} {order.collection}")
