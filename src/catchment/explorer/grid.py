"""The completeness grid: partitions by time, each square with its verdict and what it means. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ..clock import parse_moment, render_moment
from ..store.attempts import Attempt
from ..store.seen import Due
from .figures import age, plural

__all__ = ["MEANINGS", "Grid", "Line", "Square", "counts", "grid", "square"]

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
    names = [name for name, _ in rows[0]["params"]] if rows else []
    for place, name in enumerate(names):
        if all(_TIME.fullmatch(row["params"][place][1]) for row in rows):
            return _by_name(rows, place, name, due, now, until)
    return _by_day(rows, attempts, due, now)


def _by_name(rows: Sequence[Row], place: int, name: str, due: Due, now: datetime, until: str) -> Grid:
    every = sorted({row["params"][place][1] for row in rows}, reverse=True)
    first = next((number for number, column in enumerate(every) if not until or column <= until), 0)
    columns = every[first : first + COLUMNS]
    lines: dict[str, dict[str, Square]] = {}
    for row in rows:
        found = lines.setdefault(_others(row, place), {})
        if row["params"][place][1] in columns:
            found[row["params"][place][1]] = square(row, due, now)
    drawn = _cut(name, columns, [Line(line, [found.get(at) for at in columns]) for line, found in lines.items()])
    older = every[first + COLUMNS] if first + COLUMNS < len(every) else ""
    return replace(drawn, older=older, newer=every[max(0, first - COLUMNS)] if first else "")


def _others(row: Row, place: int) -> str:
    """The name of a partition without its time."""
    return ", ".join(value for number, (_, value) in enumerate(row["params"]) if number != place) or "all"


def _by_day(rows: Sequence[Row], attempts: Sequence[Attempt], due: Due, now: datetime) -> Grid:
    days = [render_moment(now - timedelta(days=back))[:10] for back in range(DAYS)]
    tried: dict[tuple[str, str], Attempt] = {(item.partition, item.ended_at[:10]): item for item in attempts}
    lines = []
    for row in rows:
        past = [_tried(tried.get((row["key"], day)), row["key"]) for day in days]
        name = ", ".join(value for _, value in row["params"]) or "all"
        lines.append(Line(name, [square(row, due, now), *past]))
    return _cut("day", ["now", *(day[5:] for day in days)], lines)


def _tried(attempt: Attempt | None, partition: str) -> Square | None:
    if attempt is None:
        return None
    sign, meaning = MEANINGS[attempt.verdict]
    at = parse_moment(attempt.ended_at).strftime("%H:%M")
    told = [meaning, f"{attempt.new} new", f"{attempt.changed} changed"] + [attempt.reason] * bool(attempt.reason)
    return Square(attempt.verdict, sign, partition, f"{partition or 'the only partition'} at {at}: {', '.join(told)}")


def _cut(time: str, columns: Sequence[str], lines: Sequence[Line]) -> Grid:
    """What needs a look comes first where there is more than fits."""
    if len(lines) <= ROWS:
        return Grid(time, columns, lines, 0)
    ordered = sorted(lines, key=_worst)
    return Grid(time, columns, ordered[:ROWS], len(lines) - ROWS)


def _worst(line: Line) -> int:
    """By which rows are sorted: what wants a look before what is well, and what is empty last."""
    return min((_WORST.index(item.state) for item in line.squares if item), default=len(_WORST))
