"""The completeness grid: partitions by time, each square with its verdict and what it means. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ..clock import parse_moment, render_moment
from ..store.attempts import Attempt
from ..store.seen import Due
from .figures import age, plural

__all__ = ["MEANINGS", "Grid", "Line", "Square", "by_day", "counts", "grid", "square"]

ROWS, COLUMNS, DAYS = 100, 12, 14
"""The most rows and columns of one grid, and the days behind for partitions that have no time in their names."""

MEANINGS: Mapping[str, tuple[str, str]] = {
    "complete": ("✓", "collected, with proof of the end"),
    "unchanged": ("=", "asked again, and nothing had changed"),
    "late": ("!", "collected, but longer ago than the schedule allows"),
    "pending": ("…", "not published yet"),
    "partial": ("½", "without proof of the end: what was there before is kept"),
    "refused": ("\N{EN DASH}", "the upstream refuses to answer"),
    "failed": ("\N{MULTIPLICATION SIGN}", "the last attempt failed: what was there before is kept"),
    "never": ("?", "wanted, and not collected yet"),
}
"""What a square says: its sign, so that no colour is needed, and what that means."""

_WORST = ("failed", "partial", "refused", "never", "late", "pending", "unchanged", "complete")
_TIME = re.compile(r"\d{4}(-\d{2}){0,2}")

Row = Mapping[str, Any]
"""A partition as the ledger shows it."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Square:
    """One square. partition: the key that leads to more of it; says: one line."""

    state: str
    sign: str
    partition: str
    says: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of squares: None where there is no such partition, or no attempt."""

    name: str
    squares: Sequence[Square | None]


@dataclass(frozen=True, slots=True)
class Grid:
    """The squares, the newest first. time: what the columns are. left_out: how many rows are not shown, the best of
    them.

    older, newer: the column that the grid begins with which goes on where this one ends, or ends where this one begins;
    "" where there is none.
    """

    time: str
    columns: Sequence[str]
    lines: Sequence[Line]
    left_out: int
    older: str = ""
    newer: str = ""


def square(row: Row, due: Due, now: datetime) -> Square:
    """How a partition stands."""
    state = _state(row, due)
    sign, meaning = MEANINGS[state]
    told = [row["key"] or "the only partition", meaning]
    told += [plural(row["records"], "record")] if row["records"] else []
    told += [f"collected {age(row['collected_at'], now)}"] if row["collected_at"] else []
    told += [row["reason"]] if row["reason"] and state not in ("complete", "unchanged", "late", "never") else []
    return Square(state, sign, row["key"], ": ".join([told[0], ", ".join(told[1:])]))


def _state(row: Row, due: Due) -> str:
    verdict = row["verdict"]
    if verdict in ("complete", "unchanged"):
        return "late" if _is_late(row, due) else verdict
    if verdict is None:
        return "never"
    return str(verdict)


def _is_late(row: Row, due: Due) -> bool:
    closed = row["first_collected_at"] is not None and row["first_collected_at"] < due.closed
    return bool(row["collected_at"] < (due.closed_stale if closed else due.stale))


def counts(rows: Sequence[Row], due: Due) -> Mapping[str, int]:
    """How many partitions stand how, the worst first."""
    found = Counter(_state(row, due) for row in rows)
    return {state: found[state] for state in _WORST if found[state]}


def grid(rows: Sequence[Row], attempts: Sequence[Attempt], due: Due, now: datetime, until: str = "") -> Grid:
    """The partitions by the time in their names; else by the days on which they were asked for.

    until: the newest time in a name that is shown; "" for the newest that there is.
    """
    place = _time_of(rows)
    return _by_day(rows, attempts, due, now) if place is None else _by_name(rows, place, due, now, until)


def _time_of(rows: Sequence[Row]) -> int | None:
    """Which parameter of the partitions is a time; None where none is."""
    places = range(len(rows[0]["params"])) if rows else ()
    return next((it for it in places if all(_TIME.fullmatch(row["params"][it][1]) for row in rows)), None)


def _by_name(rows: Sequence[Row], place: int, due: Due, now: datetime, until: str) -> Grid:
    every = sorted({row["params"][place][1] for row in rows}, reverse=True)
    first = next((number for number, column in enumerate(every) if not until or column <= until), 0)
    columns = every[first : first + COLUMNS]
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        line = found.setdefault(_others(row, place), {})
        if row["params"][place][1] in columns:
            line[row["params"][place][1]] = row
    shown = _worst(list(found.items()), lambda line: [_state(row, due) for row in line[1].values()])
    lines = [Line(name, [square(line[at], due, now) if at in line else None for at in columns]) for name, line in shown]
    older = every[first + COLUMNS] if first + COLUMNS < len(every) else ""
    newer = every[max(0, first - COLUMNS)] if first else ""
    return Grid(rows[0]["params"][place][0], columns, lines, len(found) - len(lines), older, newer)


def _others(row: Row, place: int) -> str:
    """The name of a partition without its time."""
    return ", ".join(value for number, (_, value) in enumerate(row["params"]) if number != place) or "all"


def by_day(rows: Sequence[Row], due: Due) -> Sequence[Row]:
    """The partitions that are laid out by the days on which they were asked for, as many as fit; none where they have
    a time in their names.
    """
    return _worst(rows, lambda row: [_state(row, due)]) if _time_of(rows) is None else ()


def _by_day(rows: Sequence[Row], attempts: Sequence[Attempt], due: Due, now: datetime) -> Grid:
    days = [render_moment(now - timedelta(days=back))[:10] for back in range(DAYS)]
    tried: dict[tuple[str, str], Attempt] = {(item.partition, item.ended_at[:10]): item for item in attempts}
    lines = []
    for row in by_day(rows, due):
        past = [_tried(tried.get((row["key"], day)), row["key"]) for day in days]
        name = ", ".join(value for _, value in row["params"]) or "all"
        lines.append(Line(name, [square(row, due, now), *past]))
    return Grid("day", ["now", *(day[5:] for day in days)], lines, len(rows) - len(lines))


def _tried(attempt: Attempt | None, partition: str) -> Square | None:
    if attempt is None:
        return None
    sign, meaning = MEANINGS[attempt.verdict]
    at = parse_moment(attempt.ended_at).strftime("%H:%M")
    told = [meaning, f"{attempt.new} new", f"{attempt.changed} changed"] + [attempt.reason] * bool(attempt.reason)
    return Square(attempt.verdict, sign, partition, f"{partition or 'the only partition'} at {at}: {', '.join(told)}")


def _worst(lines: Sequence[T], states: Callable[[T], Sequence[str]]) -> Sequence[T]:
    """All of them where they fit; else as many as do: what wants a look before what is well, and what is empty last."""
    if len(lines) <= ROWS:
        return lines
    return sorted(lines, key=lambda line: min(map(_WORST.index, states(line)), default=len(_WORST)))[:ROWS]
