"""From the upstream's answers to records: what an answer means, by what the upstream's own list says of its month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from catchment import Answer, DecodeError, Meaning, Met, Partition, read_http

from .records import LONDON, Stop

__all__ = ["published", "read_stops", "stop", "wrong_month"]

_ZONE = ZoneInfo(LONDON)
SHORT = 1_000
"""Bytes of an answer that may be empty: a list and blanks."""

OURS = ("force", "month", "latitude", "longitude", "street_id", "street_name", "outcome_id")
"""The fields that no member of the upstream's record is called by."""


def stop(row: Mapping[str, Any], partition: Partition) -> Mapping[str, Any]:
    """The upstream's record, flat. An empty text, an outcome of `false` and an absent outcome object are null.

    Nothing else may be absent: a member that is called otherwise one day is no null in every record of a month.
    """
    location = _inside(row, "location", "latitude", "longitude", "street")
    street = _inside(location, "street", "id", "name") if location else {}
    outcome = _inside(row, "outcome_object", "id") if "outcome_object" in row else {}
    fields = {
        **{name: row[name] for name in Stop.__struct_fields__ if name not in OURS},
        "force": partition["force"],
        "month": partition["month"],
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "street_id": street.get("id"),
        "street_name": street.get("name"),
        "outcome": None if row["outcome"] is False else row["outcome"],
        "outcome_id": outcome.get("id"),
    }
    return {name: None if value == "" else value for name, value in fields.items()}


def _inside(row: Mapping[str, Any], name: str, *members: str) -> Mapping[str, Any]:
    """The object that a member is, empty for null and an empty text. ValueError for anything else, and where it lacks
    one of these.
    """
    found = row[name]
    if found is None or found == "":
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no object")
    if lacking := [member for member in members if member not in found]:
        raise ValueError(f"{name} has no {lacking[0]}")
    return found


def published(body: Any, partition: Partition) -> Iterable[Mapping[str, Any]]:  # noqa: ARG001 (a feed's shape)
    """Month by month, the forces that have published it."""
    if not isinstance(body, list):
        raise DecodeError("no list of months")
    for number, entry in enumerate(body):
        if not isinstance(entry, dict) or not isinstance(entry.get("stop-and-search"), list):
            raise DecodeError(f"[{number}]: a month has a list `stop-and-search`")
        for force in entry["stop-and-search"]:
            yield {"month": entry.get("date"), "force": force}


def read_stops(answer: Answer, partition: Partition) -> Meaning:
    """What an answer of `/stops-force` means. A month that is not there answers an empty list, 404, 500 or 502.

    Of a month that the list has, an empty list is data (which has to be said twice); the others may pass. A month
    before all that is listed never comes back; any other may come. Where there is no list, an empty one says nothing.
    Source: reports of users for the statuses, recorded answers for the rest.
    """
    empty = answer.status == 200 and len(answer.content) < SHORT and answer.body.strip() == b"[]"
    if empty or answer.status in (404, 500, 502):
        if partition.listing == "older":
            return Meaning.refused("before the months that are listed", forever=True)
        if partition.listing in ("newer", "unlisted"):
            return Meaning.pending("not listed")
        if empty:
            return Meaning.pending("answered empty") if partition.listing else Meaning.data()
        return Meaning.transient(str(answer.status))
    if answer.status == 400:
        return Meaning.refused("400: the request is declared wrongly")
    return read_http(answer, partition)


def wrong_month(met: Iterable[Met]) -> str:
    """Why these are not the records of the month that was asked for: most lie outside it. The upstream answers a
    date that it does not understand with its newest month. A few may lie outside: they are what the force gave.
    """
    total = outside = 0
    for item in met:
        total += 1
        outside += outside_month(item.record)
    return f"{outside} of {total} records lie outside the month: the date was ignored" if outside * 2 > total else ""


def outside_month(record: Stop) -> bool:
    """Whether a stop lies outside the month that it was published for, by the clock of the UK."""
    return record.datetime.astimezone(_ZONE).strftime("%Y-%m") != record.month
