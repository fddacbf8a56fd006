"""police: every published stop-and-search record of chosen UK forces, month by month.

The upstream says itself which force has published which month; a month that it does not list is pending and costs no
request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from catchment import (
    CONTENT,
    RETIRE,
    Answer,
    App,
    Budget,
    Cron,
    DecodeError,
    Every,
    Feed,
    Get,
    Meaning,
    Partition,
    Record,
    Setting,
    Upstream,
    listed_by,
    read_http,
)

__all__ = ["Availability", "Force", "Stop", "app", "availability", "forces", "stops"]

LONDON = "Europe/London"
DEFAULT_FORCES = "avon-and-somerset,leicestershire,cambridgeshire"


class Force(Record):
    """A police force."""

    id: str
    name: str


class Availability(Record):
    """A month that a force has published."""

    month: str
    force: str


class Stop(Record):
    """One stop and search, with the force and the month that it was asked for: the upstream's record has neither."""

    force: str
    month: str
    datetime: datetime
    type: str | None
    involved_person: bool | None
    operation: bool | None
    operation_name: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    street_id: int | None
    street_name: str | None
    gender: str | None
    age_range: str | None
    self_defined_ethnicity: str | None
    officer_defined_ethnicity: str | None
    legislation: str | None
    object_of_search: str | None
    outcome: str | None
    outcome_id: str | None
    outcome_linked_to_object_of_search: bool | None
    removal_of_more_than_outer_clothing: bool | None


def stop(row: Mapping[str, Any], partition: Partition) -> Mapping[str, Any]:
    """The upstream's record, flat. An empty text, an outcome of `false` and an absent outcome object are null."""
    location = row.get("location") or {}
    street = location.get("street") or {}
    outcome = row.get("outcome")
    fields = {
        **{name: row.get(name) for name in Stop.__struct_fields__},
        "force": partition["force"],
        "month": partition["month"],
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "street_id": street.get("id"),
        "street_name": street.get("name"),
        "outcome": None if outcome is False else outcome,
        "outcome_id": (row.get("outcome_object") or {}).get("id"),
    }
    return {name: None if value == "" else value for name, value in fields.items()}


def published(body: Any, partition: Partition) -> Iterable[Mapping[str, Any]]:  # noqa: ARG001 (a feed's shape)
    """Month by month, the forces that have published it."""
    if not isinstance(body, list):
        raise DecodeError("no list of months")
    for entry in body:
        for force in entry["stop-and-search"]:
            yield {"month": entry["date"], "force": force}


def read_stops(answer: Answer, partition: Partition) -> Meaning:
    """A month that nobody has published answers an empty list: that is no empty month."""
    if answer.status == 200 and answer.body.strip() == b"[]":
        return Meaning.pending("answered empty")
    if answer.status == 404:  # of a month that the list has: not there today
        return Meaning.transient("404")
    return read_http(answer, partition)


def stand_in(options: Any) -> Any:
    from .standin import service

    return service(options)


def demo(size: str) -> Mapping[str, str]:  # noqa: ARG001 (an app's shape)
    """What a client of the stand-in sets: forces that it has at every size."""
    return {"FORCES": DEFAULT_FORCES}


police_api = Upstream(
    "police",
    "https://data.police.uk/api",
    budget=Budget("15/second", burst=15, concurrency=4),
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
    partitions=listed_by(availability, force=Setting("FORCES", DEFAULT_FORCES)),
    read=read_stops,
    shape=stop,
    key=CONTENT,
    missing=RETIRE,
    schedule=Cron("0 4 * * *", zone=LONDON),
    settle=timedelta(days=90),
    reread=Every(days=7),
    reconcile=Every(days=30),
    sort=("force", "month", "datetime"),
    public=True,
)

app = App("police", feeds=[forces, availability, stops], standin=stand_in, demo=demo)
