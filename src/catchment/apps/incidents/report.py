"""The report: incidents by employee and priority, in the words of the upstream; read by SQL that writes their JSON.

A walk through pages sees one snapshot: the rows that hold now and came no later than its revision, and those that
ended after it. What the table of versions adds to a page are the rows that ended during the walk, found by when.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from catchment.web import QueryError, View, to_stored

from .asking import Asked
from .rules import PRIORITIES, SOURCES, SUBJECTS

__all__ = ["KEPT_FOR", "Pin", "Report", "Unattributed", "read_report", "read_unattributed"]

KEPT_FOR = timedelta(minutes=15)
"""How long a walk sees the snapshot that it began with."""

Expression = sa.ColumnElement[Any]
Side = tuple[sa.Table, list[Expression]]


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
        groups, rows = _rendered(_rows(view, asked, _sides(view, None)), asked)
        pin = _new_pin(view, asked, now)
        return Report(_object(groups), len(groups), rows, pin.unattributed, pin.changed_at)
    pin = _opened(view, asked, now) if asked.cursor else _counted(view, asked, _new_pin(view, asked, now))
    sides = _sides(view, pin.revision)
    limit = asked.limit or pin.after[1]
    here = _employees(view, asked, sides, pin.after[0] if pin.after else 0, limit + 1)
    page = here[:limit]
    bounds = (page[0], page[-1]) if page else None
    groups, _ = _rendered(_rows(view, asked, sides, bounds) if bounds else (), asked)
    following = view.seal(asked.purpose, _content(replace(pin, after=(page[-1], limit)))) if len(here) > limit else ""
    return Report(_object(groups), pin.employees, pin.total, pin.unattributed, pin.changed_at, following)


def read_unattributed(view: View, asked: Asked, now: datetime) -> Unattributed:
    """The incidents that belong to nobody known, by timestamp, type and key. QueryError as for the report."""
    purpose = "unattributed"
    pin = _opened(view, asked, now, purpose) if asked.cursor else _new_pin(view, asked, now)
    limit = asked.limit or 1
    found = _nobodys(view, _sides(view, pin.revision), pin.after, limit + 1)
    page = found[:limit]
    following = view.seal(purpose, _content(replace(pin, after=tuple(page[-1][1:])))) if len(found) > limit else ""
    listed = ",".join(row[0] for row in page)
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
    meant = [table.c["employee_id"].is_not(None), *_meant(table, asked), *_named(table, asked)]
    employees = sa.select(table.c["employee_id"]).where(*meant).distinct().subquery()
    return replace(
        pin,
        employees=_count(view, sa.select(sa.func.count()).select_from(employees)),
        total=_count(view, sa.select(sa.func.count()).where(*meant)),
    )


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


def _rows(
    view: View, asked: Asked, sides: Sequence[Side], bounds: tuple[int, int] | None = None
) -> list[tuple[int, str, str]]:
    """Employee, priority and JSON of each incident that is meant, by employee, timestamp, type and key."""
    parts = []
    for table, true in sides:
        c = table.c
        between = [c["employee_id"].between(*bounds)] if bounds else [c["employee_id"].is_not(None)]
        parts.append(
            sa.select(c["employee_id"], c["priority"], _shown(c).label("shown"), c["timestamp"], c["type"], c["_key"])
            .where(*between, *true, *_meant(table, asked), *_named(table, asked))
        )  # fmt: skip
    return view.select(_in_order(parts, ("employee_id", "timestamp", "type", "_key"), 3))


def _nobodys(view: View, sides: Sequence[Side], after: Sequence[Any], limit: int) -> list[tuple[Any, ...]]:
    """JSON, timestamp, type and key of the next incidents that belong to nobody known."""
    order = ("timestamp", "type", "_key")
    parts = []
    for table, true in sides:
        place = [table.c[name] for name in order]
        beyond = [sa.tuple_(*place) > sa.tuple_(*after)] if after else []
        shown = _shown(table.c).label("shown")
        parts.append(sa.select(shown, *place).where(table.c["employee_id"].is_(None), *true, *beyond))
    return view.select(_in_order(parts, order, 4).limit(limit))


def _in_order(parts: Sequence[sa.Select[Any]], order: Sequence[str], wanted: int) -> sa.Select[Any]:
    """The rows of all parts in one order; the first so many columns of them."""
    if len(parts) == 1:
        columns = list(parts[0].selected_columns)
        named = {column.name: column for column in columns}
        return parts[0].with_only_columns(*columns[:wanted]).order_by(*(named[name] for name in order))
    both = sa.union_all(*parts).subquery()
    return sa.select(*list(both.c)[:wanted]).order_by(*(both.c[name] for name in order))


# -- JSON -----------------------------------------------------------------------------------------------------------


def _shown(c: Any) -> Expression:
    """The incident as its endpoint told it, with its type: JSON made by the database, without a row in Python."""
    quoted = sa.func.json_quote
    ip_or_digits = quoted(c["identifier"])
    values: dict[str, Expression] = {
        "reported_by": c["reported_by"],
        "employee_id": c["employee_id_given"],
        "identifier": sa.case((c["identifier_kind"] == "int", c["identifier"]), else_=ip_or_digits),
        **{name: quoted(c[name]) for name in ("internal_ip", "machine_ip", "ip")},
    }
    subjects = {kind: _joined(f',"{name}":', values[name]) for kind, name in SUBJECTS.items()}
    source = {kind: _joined(',"source_ip":', quoted(c["source_ip"])) for kind in SOURCES}
    return _joined(
        '{"priority":"',
        c["priority"],
        '"',
        sa.case(subjects, value=c["type"]),
        ',"timestamp":',
        _number(c["_doc"]),
        sa.case(source, value=c["type"], else_=""),
        ',"type":"',
        c["type"],
        '"}',
    )


def _joined(*parts: Any) -> Expression:
    texts = [sa.literal(part) if isinstance(part, str) else part for part in parts]
    return reduce(lambda left, right: left.op("||")(right), texts)


_BEFORE = '"timestamp":"'


def _number(document: Expression) -> Expression:
    """The timestamp digit for digit, as its text stands in the record's document.

    Cut out, since reading the whole document costs more than all the rest. What comes before it in a document (a key of
    hexadecimal digits, the names of a type and a priority) cannot look like it.
    """
    start = sa.func.substr(document, sa.func.instr(document, _BEFORE) + len(_BEFORE), 64)
    return sa.func.substr(start, 1, sa.func.instr(start, '"') - 1)


def _rendered(rows: Iterable[tuple[int, str, str]], asked: Asked) -> tuple[list[str], int]:
    """The members of the report, one an employee, and how many incidents are in them."""
    groups, total = [], 0
    for employee, mine in groupby(rows, key=itemgetter(0)):
        lists: dict[str, list[str]] = {priority: [] for priority in PRIORITIES}
        for _, priority, shown in mine:
            lists[priority].append(shown)
        if asked.descending:
            lists = {priority: shown[::-1] for priority, shown in lists.items()}
        total += sum(map(len, lists.values()))
        members = (
            f'"{name}":{{"count":{len(shown)},"incidents":[{",".join(shown)}]}}' for name, shown in lists.items()
        )
        groups.append(f'"{employee}":{{{",".join(members)}}}')
    return groups, total


def _object(members: Sequence[str]) -> bytes:
    return f"{{{','.join(members)}}}".encode()
