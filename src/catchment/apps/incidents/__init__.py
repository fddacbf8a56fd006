"""incidents: security incidents of seven types, each with the employee whom it belongs to, as one merged report.

Every poll brings a new week: what is served is the present one, what it replaced is history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from catchment import (
    CONTENT,
    RETIRE,
    App,
    BasicAuth,
    Budget,
    Confirm,
    Cron,
    Derived,
    Feed,
    Get,
    Secret,
    Setting,
    Upstream,
    each,
    items,
)

from .filing import writable
from .rules import (
    SUBJECTS,
    Identity,
    Incident,
    attribute,
    identities_of,
    incident,
    no_employee,
    read_incidents,
    read_map,
)

__all__ = ["Identity", "Incident", "app", "identities", "incidents"]

HISTORY = Setting("INCIDENTS_HISTORY_DAYS", "30")
FILE = Setting("INCIDENTS_FILE", form=writable)
MOST_BYTES = 16 * 2**20
POLL = Cron("*/30 * * * *")
STALE = timedelta(minutes=45)
EMPTY = Confirm(after=timedelta(seconds=60), share=1.0)
"""An empty list counts only when it is read twice; another week, in which nothing of the last one is left, at once."""


def routes() -> Sequence[Any]:
    from .routes import ROUTES

    return ROUTES


def write_file(store: Any) -> None:
    from .routes import write_report

    write_report(store, FILE.text(store.settings))


def stand_in(options: Any) -> Any:
    from .standin import service

    return service(options)


def demo(size: str) -> Mapping[str, str]:  # noqa: ARG001 (an app's shape)
    """What a client of the stand-in sets: the user that it knows."""
    from .standin import PASSWORD, USER

    return {"INCIDENTS_USER": USER, "INCIDENTS_PASSWORD": PASSWORD}


api = Upstream(
    "incidents",
    "",  # every operator has one of his own: CATCHMENT_UPSTREAM_INCIDENTS
    auth=BasicAuth(Secret("INCIDENTS_USER"), Secret("INCIDENTS_PASSWORD")),
    budget=Budget(concurrency=2),
    tries=(30, 60, 120),
    longest_wait=timedelta(seconds=600),
    deadline=timedelta(seconds=10),
    redirects=2,
    max_body=MOST_BYTES,
)

identities = Feed(
    "identities",
    Identity,
    api,
    request=Get("/identities/"),
    read=read_map,
    rows=identities_of,
    key=("ip",),
    refuse=no_employee,
    missing=RETIRE,
    confirm=EMPTY,
    schedule=POLL,
    stale=STALE,
    retention=HISTORY,
    max_partition_records=1_000_000,
)

incidents = Feed(
    "incidents",
    Incident,
    api,
    request=Get("/incidents/{type}/"),
    partitions=each(type=tuple(SUBJECTS)),
    read=read_incidents,
    rows=items("results"),
    shape=incident,
    key=CONTENT,
    derived=Derived(
        identities,
        attribute,
        fields=("employee_id", "attributed_at", "attributed_from"),
        max_age=timedelta(hours=24),
    ),
    missing=RETIRE,
    confirm=EMPTY,
    schedule=POLL,
    stale=STALE,
    retention=HISTORY,
    indexes=[("employee_id", "timestamp", "type", "priority")],
    max_whole_body=MOST_BYTES,
)

app = App(
    "incidents",
    feeds=[identities, incidents],
    routes=routes,
    home="/incidents",
    after=write_file,
    settings=[FILE],
    standin=stand_in,
    demo=demo,
    example="/incidents?limit=2",
)
