"""The police app's own routes: how stops break down by their categories, and which months there are.

The service that this app takes over had no HTTP side: both are new. Errors are problems.
"""

from __future__ import annotations

import asyncio
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from msgspec import Meta

from catchment.web import (
    Data,
    Parameter,
    Query,
    QueryError,
    Request,
    Response,
    Store,
    Term,
    View,
    described,
    get,
    parameters,
    read_parameters,
    respond,
    to_stored,
)

from .records import ALIASES, CATEGORIES, FORCES, KNOWN_FORCES, LONDON

__all__ = ["ROUTES"]

Ask = Request[Any, Any, Any]
Pairs = Sequence[tuple[str, str]]

MOST_PENDING = 100
WINDOW = 36
MOST_MONTHS = 600
_FIRST = 12
"""The number of the first month that there is: January of the year 1."""
_ZONE = ZoneInfo(LONDON)
LONG_S = 30.0
"""How long all that there is may take to be counted."""
NOT_RECORDED = "(not recorded)"


def month(text: str) -> str:
    """The month. ValueError if it is none."""
    if not re.fullmatch(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise ValueError(f"{text[:60]!r} is no month, YYYY-MM")
    return text


_Category = Annotated[str, Meta(extra_json_schema={"enum": list(CATEGORIES)})]
BREAKDOWN = {
    "by": Parameter(
        "Categories, separated by commas.", "gender", kind=list[_Category], default=CATEGORIES, commas=True
    ),
    "top": Parameter(
        "How many values of each; the rest is in `other`.", 5, kind=Annotated[int, Meta(ge=1, le=100)], default=20
    ),
}
_WORDS = ("type", "gender", "age_range", "self_defined_ethnicity", "officer_defined_ethnicity", "legislation")
_ANSWERS = ("operation", "outcome_linked_to_object_of_search", "removal_of_more_than_outer_clothing")
_OPTIONAL = (*_WORDS, "object_of_search", "outcome", *_ANSWERS)
FILTERS = {
    "force": Parameter(
        "One force. Each filter takes an operator as those of `/v1/police/stops` do: `force__in`.", "leicestershire"
    ),
    "month": Parameter("One month, YYYY-MM.", "2024-03"),
    "datetime": Parameter("One moment.", "2024-03-31T12:00:00Z"),
    **{name: Parameter(f"One value of {name}.") for name in (*_WORDS, "object_of_search", "outcome")},
    "operation": Parameter("Whether it was part of an operation.", True, kind=bool),
    **{name: Parameter(f"{name}, yes or no.", True, kind=bool, also=alias) for alias, name in ALIASES.items()},
    **{f"{name}__isnull": Parameter(f"`true`: where {name} is not recorded.", True, kind=bool) for name in _OPTIONAL},
    "as_of": Parameter("As it was: a moment, a date or a revision.", "2024-03-31"),
}
"""What the list of stops takes, which reads them all."""
COVERAGE = {
    "force": Parameter("One force; by default every one that is collected.", "leicestershire", default=""),
    "from": Parameter(
        f"First month, YYYY-MM; by default {WINDOW - 1} months before the last.", "2024-01", reads=month, default=""
    ),
    "to": Parameter(
        "Last month, YYYY-MM; by default the newest that is published.", "2024-03", reads=month, default=""
    ),
}


# -- how stops break down ------------------------------------------------------------------------------------------


@get(
    "/police/v1/breakdown",
    operation_class=described("Stops by their categories", BREAKDOWN | FILTERS),
)
async def breakdown(request: Ask, store: Store) -> Response[bytes]:
    """How many of the stops that match have each value of each category, most frequent first."""
    return respond(await asyncio.to_thread(_breakdown, parameters(request), store))


def _breakdown(pairs: Pairs, store: Data) -> dict[str, Any]:
    own = read_parameters([pair for pair in pairs if pair[0] in BREAKDOWN], BREAKDOWN)
    rest = [pair for pair in pairs if pair[0] not in BREAKDOWN]
    by, top = own["by"], own["top"]
    if len(set(by)) < len(by):
        raise QueryError("by: names a category twice", parameter="by")
    if stray := [name for name, _ in rest if name in ("sort", "limit", "cursor", "fields", "count")]:
        raise QueryError(f"{stray[0]}: a breakdown has no pages", kind="unknown-parameter", parameter=stray[0])
    with store.open(LONG_S) as now:
        query = now.query("stops", rest)
        _check_terms(now, query.terms)
        counts = {name: _counts(now, name, query) for name in by}
        places = [group["count()"] for group in now.stats("stops", ["force", "month"], where=query)]
        revision, moment = now.held("stops", query.as_of)
        missing, complete = _missing(now, query.terms, FORCES.values(store.settings), moment)
        parts = {name: _part(found, top) for name, found in counts.items()}
        return {
            "total": sum(places),
            "force_months": len(places),
            "breakdown": {name: values for name, (values, _) in parts.items()},
            "other": {name: other for name, (_, other) in parts.items()},
            "complete": complete,
            "pending": missing[:MOST_PENDING],
            "as_of_revision": revision,
        }


def _counts(now: View, name: str, query: Query) -> dict[str | None, int]:
    """How many stops have each value of a category."""
    return {group[name]: group["count()"] for group in now.stats("stops", [name], where=query)}


def _part(found: Mapping[str | None, int], top: int) -> tuple[list[dict[str, Any]], int]:
    """The most frequent values of a category, what has none of them last; and how many stops have another."""
    order = sorted(((value, count) for value, count in found.items() if value is not None), key=_frequent)
    values: list[dict[str, Any]] = [{"value": value, "count": count} for value, count in order[:top]]
    if without := found.get(None):
        values.append({"value": None, "label": NOT_RECORDED, "count": without})
    return values, sum(count for _, count in order[top:])


def _frequent(pair: tuple[str, int]) -> tuple[int, str]:
    return (-pair[1], pair[0])


def _missing(
    now: View, terms: Iterable[Term], configured: Sequence[str], moment: str | None
) -> tuple[list[dict[str, str]], bool]:
    """The selected force-months that were not collected by that moment (None: by now), and whether there are none.

    Where no force is named, of those that are configured and those that there is something of. What the list has
    counts from its listing on; what the upstream no longer has at all is not waited for. A force that is named and of
    which no month is known is not complete either.
    """
    wanted = [term for term in terms if term.column in ("force", "month")]
    asked = {tuple(dict(item["params"]).values()): item for item in now.partitions("stops")}
    listed = {(row["force"], row["month"]) for row in now.rows("availability", columns=["force", "month"])}
    forces = {force for (force, _), item in asked.items() if item["collected_at"]} | set(configured)
    if "all" in configured or any(term.column == "force" and term.operator in ("", "in") for term in wanted):
        forces = {force for force, _ in asked.keys() | listed}
    places = [{"force": force, "month": month} for force, month in sorted(asked.keys() | listed) if force in forces]
    here = [place for place in places if _selected(place, wanted)]
    missing = [place for place in here if not _is_there(asked.get(tuple(place.values())), moment)]
    named = {
        str(value) for term in wanted if term.column == "force" and term.operator in ("", "in") for value in term.values
    }
    nothing_of = {force for force in named if _selected({"force": force}, wanted)} - {place["force"] for place in here}
    return missing, bool(here) and not missing and not nothing_of


def _is_there(state: Mapping[str, Any] | None, moment: str | None) -> bool:
    """Whether a force-month was collected by then, or is not waited for."""
    if state is None or state["collected_at"] is None:
        return state is not None and state["verdict"] == "refused"
    return moment is None or (state["first_collected_at"] or state["collected_at"]) <= moment


_COMPARED: Mapping[str, Callable[[str, str], bool]] = {
    "": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "contains": operator.contains,
    "startswith": str.startswith,
}


def _selected(params: Mapping[str, str], terms: Iterable[Term]) -> bool:
    """Whether the filters on force and month take this force-month."""
    return all(_takes(params[term.column], term) for term in terms if term.column in params)


def _takes(value: str, term: Term) -> bool:
    if term.operator == "isnull":
        return not term.values[0]
    if term.operator in ("in", "nin"):
        return (value in term.values) == (term.operator == "in")
    return _COMPARED[term.operator](value, str(term.values[0]))


# -- which months there are ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """The months that are asked for, and the forces; none means every one that there is anything of."""

    months: Sequence[str]
    forces: Sequence[str]


@get(
    "/police/v1/coverage",
    operation_class=described("Which months of which force there are", COVERAGE),
)
async def coverage(request: Ask, store: Store) -> Response[bytes]:
    """How each force-month stands, by force, newest month first."""
    return respond(await asyncio.to_thread(_coverage, parameters(request), store))


def _coverage(pairs: Pairs, store: Data) -> dict[str, Any]:
    given = read_parameters(pairs, COVERAGE)
    with store.open() as now:
        states = {tuple(dict(item["params"]).values()): item for item in now.partitions("stops")}
        listed = {(row["force"], row["month"]) for row in now.rows("availability", columns=["force", "month"])}
        if given["force"]:
            _check_force(now, "force", given["force"])
        outside = _outside(now)
        span = Span(
            _months(given, max((month for _, month in listed), default="")),
            [given["force"]] if given["force"] else sorted({force for force, _ in states}),
        )
        return {
            "cells": [
                _cell(outside, force, month, states.get((force, month)), is_listed=(force, month) in listed)
                for force in span.forces
                for month in span.months
            ]
        }


def _cell(
    outside: Callable[[str, str], str], force: str, month: str, state: Mapping[str, Any] | None, *, is_listed: bool
) -> dict[str, Any]:
    collected = state["collected_at"] if state else None
    reason = state["reason"] if state else "not asked yet" if is_listed else "not listed"
    return {
        "force": force,
        "month": month,
        "state": (state["verdict"] if state else None) or "pending",
        "records": state["records"] if state and collected else None,
        "collected_at": collected,
        "reason": "; ".join(filter(None, [reason, outside(force, month) if collected else ""])),
    }


def _outside(now: View) -> Callable[[str, str], str]:
    """How many records of a force-month lie outside it by the clock of the UK, in words; "" for none."""
    stops = now.tables("stops").current.c

    def counted(*beyond: Any) -> Any:
        here = (stops["force"] == sa.bindparam("force"), stops["month"] == sa.bindparam("month"))
        return sa.select(sa.func.count()).where(*here, *beyond).scalar_subquery()

    # Two ranges of the index by force, month and moment; asked for each cell, so the SQL is written once.
    before = counted(stops["datetime"] < sa.bindparam("begin"))
    after = counted(stops["datetime"] >= sa.bindparam("end"))
    count = now.prepared(sa.select(before + after))

    def outside(force: str, month: str) -> str:
        begin, end = _begin(month), _begin(_shown(_number(month) + 1))
        ((found,),) = count(force=force, month=month, begin=begin, end=end)
        return f"outside_month: {found}" if found else ""

    return outside


@cache
def _begin(month: str) -> Any:
    """When a month begins by the clock of the UK, as moments are stored."""
    return to_stored("datetime", datetime(int(month[:4]), int(month[5:]), 1, tzinfo=_ZONE))


def _months(given: Mapping[str, str], newest: str) -> list[str]:
    """The months from the last to the first."""
    last = given["to"] or newest
    if not last:
        return []
    first = _number(given["from"]) if given["from"] else max(_number(last) - (WINDOW - 1), _FIRST)
    if first > _number(last):
        raise QueryError(f"from: {given['from']} is after {last}", parameter="from")
    if _number(last) - first >= MOST_MONTHS:
        raise QueryError(f"from: more than {MOST_MONTHS} months", parameter="from")
    return [_shown(number) for number in range(_number(last), first - 1, -1)]


def _number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _shown(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


# -- parameters ----------------------------------------------------------------------------------------------------


def _check_terms(now: View, terms: Iterable[Term]) -> None:
    """QueryError: 400 for what is no month, 404 for a force that nobody knows."""
    for term in terms:
        if term.operator in ("isnull", "contains", "startswith"):
            continue
        name = term.column + (f"__{term.operator}" if term.operator else "")
        for value in map(str, term.values):
            if term.column == "month":
                _check_month(name, value)
            if term.column == "force" and term.operator in ("", "in"):
                _check_force(now, name, value)


def _check_month(name: str, text: str) -> None:
    try:
        month(text)
    except ValueError as error:
        raise QueryError(f"{name}: {error}", parameter=name) from error


def _check_force(now: View, name: str, force: str) -> None:
    if force in KNOWN_FORCES or now.rows("forces", [("id", "eq", force)], columns=["id"], limit=1):
        return
    if not now.rows("availability", [("force", "eq", force)], columns=["force"], limit=1):
        raise QueryError(f"{name}: there is no force {force[:60]!r}", kind="not-found", status=404, parameter=name)


ROUTES = (breakdown, coverage)
