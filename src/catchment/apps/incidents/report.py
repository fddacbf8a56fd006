"""The report: incidents by employee and priority, in the words of the upstream.

The report of everything is one walk through the table in the order in which it lies on the disk, sorted here: an index
would jump about in it for each row, which takes three times as long. A page is a range of an index.

A walk through pages sees one snapshot: the rows that hold now and came no later than its revision, and those that
ended after it. What the table of versions adds to a page are the rows that ended during the walk, found by when.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from catchment.web import QueryError, View, to_stored

from .asking import Asked
from .rules import PRIORITIES, SOURCES, SUBJECTS

__all__ = ["KEPT_FOR", "Pin", "Report", "Unattributed", "read_report", "read_unattributed"]

KEPT_FOR = timedelta(minutes=15)
"""How long a walk sees the snapshot that it began with."""

Expression = sa.ColumnElement[Any]
Side = tuple[sa.Table, list[Expression]]
_Told = tuple[int, str, str, str, str, str]
"""One incident: employee, place in time, type and key, by which it is sorted; priority, and its JSON.

A plain tuple of plain values: the collector of garbage leaves it alone, and a report has very many.
"""


@dataclass(frozen=True)
class Pin:
    """The snapshot that a walk sees, until when, how far it has come, and what the whole of it holds.

    until_s: epoch seconds. after: the place of the last one given.
    """

    generation: int
    revision: int
    changed_at: str
    until_s: int
    after: tuple[Any, ...]
    employees: int
    total: int
    unattributed: int


@dataclass(frozen=True)
class Report:
    """One answer. employees, total, unattributed: of all pages together. next: the cursor of the next one."""

    body: bytes
    employees: int
    total: int
    unattributed: int
    changed_at: str
    next: str = ""


@dataclass(frozen=True)
class Unattributed:
    """Incidents that nobody's yet are: those of one page as JSON, and how many there are on all."""

    body: bytes
    count: int
    changed_at: str
    next: str = ""


def read_report(view: View, asked: Asked, now: datetime) -> Report:
    """The report, or the page of it that is asked for.

    Raises:
        QueryError: 400 for a cursor of something else, 410 for one whose snapshot is no longer kept.
    """
    if asked.limit is None and not asked.cursor:
        found = _found(view, asked, _sides(view, None))
        report, pin = _by_employee(found, asked), _new_pin(view, asked, now)
        return Report(_object(report), len(report), len(found), pin.unattributed, pin.changed_at)
    pin = _opened(view, asked, now) if asked.cursor else _counted(view, asked, _new_pin(view, asked, now))
    sides = _sides(view, pin.revision)
    limit = asked.limit or pin.after[1]
    here = _employees(view, asked, sides, pin.after[0] if pin.after else 0, limit + 1)
    page = here[:limit]
    bounds = (page[0], page[-1]) if page else None
    report = _by_employee(_found(view, asked, sides, bounds) if bounds else (), asked)
    following = view.seal(asked.purpose, _content(replace(pin, after=(page[-1], limit)))) if len(here) > limit else ""
    return Report(_object(report), pin.employees, pin.total, pin.unattributed, pin.changed_at, following)


def read_unattributed(view: View, asked: Asked, now: datetime) -> Unattributed:
    """The incidents that belong to nobody known, by timestamp, type and key. QueryError as for the report."""
    purpose = "unattributed"
    pin = _opened(view, asked, now, purpose) if asked.cursor else _new_pin(view, asked, now)
    limit = asked.limit or 1
    found = _nobodys(view, _sides(view, pin.revision), pin.after, limit + 1)
    page = found[:limit]
    following = view.seal(purpose, _content(replace(pin, after=page[-1][1:4]))) if len(found) > limit else ""
    listed = ",".join(told[-1] for told in page)
    body = f'{{"count":{pin.unattributed},"incidents":[{listed}]}}'.encode()
    return Unattributed(body, pin.unattributed, pin.changed_at, following)


# -- snapshots ------------------------------------------------------------------------------------------------------


def _new_pin(view: View, asked: Asked, now: datetime) -> Pin:
    """The present snapshot, with the number of its unattributed incidents."""
    state, (table, _) = view.state("incidents"), _sides(view, None)[0]
    nobodys = _count(view, sa.select(sa.func.count()).where(table.c["employee_id"].is_(None), *_meant(table, asked)))
    until = int((now + KEPT_FOR).timestamp())
    return Pin(state.generation, state.revision, state.changed_at or "", until, (), 0, 0, nobodys)


def _counted(view: View, asked: Asked, pin: Pin) -> Pin:
    """The same with how many employees and incidents are meant."""
    table, _ = _sides(view, None)[0]
    employee = table.c["employee_id"]
    meant = [employee.is_not(None), *_meant(table, asked), *_named(table, asked)]
    each = sa.select(sa.func.count().label("number")).where(*meant).group_by(employee).subquery()
    both = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(each.c["number"]), 0))
    ((people, incidents),) = view.select(both)
    return replace(pin, employees=people, total=incidents)


def _content(pin: Pin) -> list[Any]:
    where = [pin.generation, pin.revision, pin.changed_at, pin.until_s, list(pin.after)]
    return [*where, pin.employees, pin.total, pin.unattributed]


def _opened(view: View, asked: Asked, now: datetime, purpose: str = "") -> Pin:
    """The snapshot that the cursor names. QueryError: 410 where it is over."""
    generation, revision, changed_at, until_s, after, *counts = view.unseal(purpose or asked.purpose, asked.cursor)
    pin, state = Pin(generation, revision, changed_at, until_s, tuple(after), *counts), view.state("incidents")
    if until_s < now.timestamp() or generation != state.generation or revision < state.horizon:
        message = f"the cursor is over: its snapshot was kept for {KEPT_FOR.seconds // 60} minutes; begin again"
        raise QueryError(message, kind="history-gone", status=410, parameter="cursor")
    return pin


def _sides(view: View, revision: int | None) -> list[Side]:
    """The tables that hold rows of a revision (None: the present one), each with what is true of those rows."""
    tables = view.tables("incidents")
    if revision is None or revision == view.state("incidents").revision:
        return [(tables.current, [])]
    old = tables.versions.c
    return [
        (tables.current, [tables.current.c["_revision"] <= revision]),
        (tables.versions, [old["_until_revision"] > revision, old["_revision"] <= revision]),
    ]


# -- rows -----------------------------------------------------------------------------------------------------------


def _meant(table: sa.Table, asked: Asked) -> list[Expression]:
    """What is asked of an incident, whoever's it is."""
    moment = table.c["timestamp"]
    found: list[Expression] = []
    if asked.priorities:
        found.append(_one_of(table.c["priority"], asked.priorities))
    if asked.types:
        found.append(_one_of(table.c["type"], asked.types))
    if asked.since is not None:
        found.append(moment >= to_stored("decimal", asked.since))
    if asked.until is not None:
        found.append(moment < to_stored("decimal", asked.until))
    return found


def _named(table: sa.Table, asked: Asked) -> list[Expression]:
    return [_one_of(table.c["employee_id"], asked.employees)] if asked.employees else []


def _one_of(column: Expression, values: Iterable[Any]) -> Expression:
    return sa.or_(*(column == value for value in values))


def _count(view: View, question: sa.Select[Any]) -> int:
    return int(view.select(question)[0][0])


def _employees(view: View, asked: Asked, sides: Sequence[Side], after: int, limit: int) -> list[int]:
    """The next employees who have an incident that is meant, in their order."""
    found: set[int] = set()
    for table, true in sides:
        employee = table.c["employee_id"]
        meant = [employee > after, *true, *_meant(table, asked), *_named(table, asked)]
        found.update(
            row[0] for row in view.select(sa.select(employee).where(*meant).distinct().order_by(employee).limit(limit))
        )
    return sorted(found)[:limit]


def _found(view: View, asked: Asked, sides: Sequence[Side], bounds: tuple[int, int] | None = None) -> list[_Told]:
    """The incidents that are meant and belong to somebody, by employee, timestamp, type and key."""
    rows: list[Any] = []
    for table, true in sides:
        c = table.c
        # Without bounds nothing is said of the employee, so that no index seems to be of use.
        between = [c["employee_id"].between(*bounds)] if bounds else []
        wanted = sa.select(c["employee_id"], c["timestamp"], c["_doc"])
        rows += view.select(wanted.where(*between, *true, *_meant(table, asked), *_named(table, asked)))
    return sorted(_told(*row) for row in rows if row[0] is not None)


def _nobodys(view: View, sides: Sequence[Side], after: Sequence[Any], limit: int) -> list[_Told]:
    """The next incidents that belong to nobody known, by timestamp, type and key. after: those of the last one."""
    order = ("timestamp", "type", "_key")
    rows: list[Any] = []
    for table, true in sides:
        place = [table.c[name] for name in order]
        beyond = [sa.tuple_(*place) > sa.tuple_(*after)] if after else []
        wanted = sa.select(table.c["timestamp"], table.c["_doc"])
        found = wanted.where(table.c["employee_id"].is_(None), *true, *beyond)
        rows += view.select(found.order_by(*place).limit(limit))
    return sorted(_told(0, *row) for row in rows)[:limit]


# -- JSON -----------------------------------------------------------------------------------------------------------


class _Document(msgspec.Struct, rename={"key": "_key"}, gc=False):
    """What of a record's document is shown, or decides its place."""

    key: str
    type: str
    priority: str
    timestamp: str
    reported_by: int | None = None
    source_ip: str | None = None
    internal_ip: str | None = None
    machine_ip: str | None = None
    ip: str | None = None
    employee_id_given: int | None = None
    identifier: str | None = None
    identifier_kind: str | None = None


_DOCUMENT = msgspec.json.Decoder(_Document).decode
_QUOTED = json.JSONEncoder(ensure_ascii=False).encode


def _told(employee: int, moment: str, document: str) -> _Told:
    found = _DOCUMENT(document)
    return employee, moment, found.type, found.key, found.priority, _text(found)


def _text(incident: _Document) -> str:
    """The incident as its endpoint told it, the number digit for digit, with its type."""
    name = SUBJECTS[incident.type]
    source = f',"source_ip":{_QUOTED(incident.source_ip)}' if incident.type in SOURCES else ""
    return (
        f'{{"priority":"{incident.priority}","{name}":{_subject(incident, name)},"timestamp":{incident.timestamp}'
        f'{source},"type":"{incident.type}"}}'
    )


def _subject(incident: _Document, name: str) -> str | int | None:
    if name == "employee_id":
        return incident.employee_id_given
    if name == "reported_by":
        return incident.reported_by
    if name == "identifier" and incident.identifier_kind == "int":
        return incident.identifier
    return _QUOTED(getattr(incident, name))


_EMPTY = {priority: f'"{priority}":{{"count":0,"incidents":[]}}' for priority in PRIORITIES}


def _by_employee(found: Iterable[_Told], asked: Asked) -> list[str]:
    """The members of the report, one an employee."""
    members = []
    for employee, mine in groupby(found, key=itemgetter(0)):
        lists: dict[str, list[str]] = {}
        for told in mine:
            lists.setdefault(told[4], []).append(told[5])
        listed = ",".join([_list(name, lists[name], asked) if name in lists else _EMPTY[name] for name in PRIORITIES])
        members.append(f'"{employee}":{{{listed}}}')
    return members


def _list(priority: str, told: list[str], asked: Asked) -> str:
    listed = ",".join(told[::-1] if asked.descending else told)
    return f'"{priority}":{{"count":{len(told)},"incidents":[{listed}]}}'


def _object(members: Sequence[str]) -> bytes:
    return f"{{{','.join(members)}}}".encode()
