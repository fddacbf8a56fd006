"""police: every published stop-and-search record of chosen UK forces, month by month.

The upstream says itself which force has published which month; a month that it does not list is pending and costs no
request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from catchment import (
    CONTENT,
    RETIRE,
    App,
    Budget,
    Confirm,
    Counter,
    Cron,
    Every,
    Feed,
    Get,
    Setting,
    Upstream,
    each,
    listed_by,
    months,
    rows_of,
)

from .answers import published, read_stops, stop, wrong_month
from .records import ALIASES, CATEGORIES, FORCES, KNOWN_FORCES, LONDON, Availability, Force, Stop

__all__ = ["Availability", "Force", "Stop", "app", "availability", "forces", "stops"]


def routes() -> Sequence[Any]:
    """The app's own routes; they bring the web framework."""
    from .routes import ROUTES

    return ROUTES


def stand_in(options: Any) -> Any:
    from .standin import service

    return service(options)


def demo(size: str) -> Mapping[str, str]:  # noqa: ARG001 (an app's shape)
    """What a client of the stand-in sets: forces that it has at every size."""
    return {"FORCES": FORCES.default}


police_api = Upstream(
    "police",
    "https://data.police.uk/api",
    # It takes 30 in a second, as they arrive: 5 places are left to those that arrive later than they were sent.
    budget=Budget("15/second", burst=10, concurrency=4),
    deadline=timedelta(seconds=120),
    throttled_s=2,
)

forces = Feed(
    "forces",
    Force,
    police_api,
    request=Get("/forces"),
    key=("id",),
    schedule=Cron("0 4 * * *", zone=LONDON),
    public=True,
)

availability = Feed(
    "availability",
    Availability,
    police_api,
    request=Get("/crimes-street-dates"),
    rows=published,
    key=("month", "force"),
    missing=RETIRE,
    schedule=Cron("0 4 * * *", zone=LONDON),
    public=True,
)

stops = Feed(
    "stops",
    Stop,
    police_api,
    request=Get("/stops-force", force="{force}", date="{month}"),
    partitions=listed_by(
        availability,
        months=months("month", count=36, zone=LONDON),
        known=(each(force=KNOWN_FORCES), rows_of(forces, force="id")),
        force=FORCES,
    ),
    read=read_stops,
    shape=stop,
    key=CONTENT,
    equal=Setting("POLICE_DEDUPE", "count"),
    missing=RETIRE,
    guard=wrong_month,
    confirm=Confirm(after=timedelta(hours=24), share=0.5, empty=True),
    schedule=Cron("0 4 * * *", zone=LONDON),
    settle=timedelta(days=90),
    reread=Every(days=7),
    reconcile=Every(days=30),
    aliases=ALIASES,
    sort=("force", "month", "datetime"),
    # How stops break down is read of these, whatever forces and months are meant: nobody walks through all stops.
    counters=[Counter(by=("force", "month", name)) for name in CATEGORIES if name != "force"],
    public=True,
)

app = App(
    "police",
    feeds=[forces, availability, stops],
    routes=routes,
    standin=stand_in,
    demo=demo,
    example="/police/v1/breakdown?by=gender,outcome&top=3",
)
