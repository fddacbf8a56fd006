"""What collecting did lately: runs, attempts, and how much changed on which day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..clock import render_moment
from .engines import Connection, mapped

__all__ = ["Attempt", "Attempts", "Brought", "Pass", "Tried"]

_CHANGED = 'sum("new" + changed + back + gone)'


@dataclass(frozen=True, slots=True)
class Attempt:
    """One ended try at one partition, and what it brought."""

    partition: str
    ended_at: str
    verdict: str
    reason: str
    received: int
    new: int
    changed: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Tried:
    """One try of a run. ended_at, verdict: None while it goes on, or where its process died (`reason` says so)."""

    collection: str
    partition: str
    started_at: str
    ended_at: str | None
    verdict: str | None
    reason: str
    requests: int
    bytes: int
    received: int
    new: int
    changed: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Pass:
    """One run that asked for something. ended_at: None while it goes on, or where its process died."""

    id: int
    app: str
    started_at: str
    ended_at: str | None
    attempts: int
    good: int
    requests: int
    changed: int


@dataclass(frozen=True, slots=True)
class Brought:
    """What the attempts at one collection's partitions brought that ended within a span of time."""

    requests: int
    new: int
    changed: int
    same: int
    rejected: int


class Attempts:
    """Questions about collecting, on one connection. names: of collections, as `stocks/bars`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def per_day(self, names: Sequence[str], since: datetime) -> dict[str, dict[str, int]]:
        """Collection -> day (UTC) -> how many records were new, changed, gone or back, from then on."""
        sql = (
            f"SELECT feed, substr(ended_at, 1, 10), {_CHANGED} FROM _attempt"  # noqa: S608 (marks, own words)
            f" WHERE ended_at >= ? AND feed IN ({_marks(names)}) GROUP BY 1, 2"
        )
        found: dict[str, dict[str, int]] = {name: {} for name in names}
        with mapped():
            for feed, day, count in self._connection.execute(sql, (render_moment(since), *names)).fetchall():
                found[feed][day] = int(count)
        return found

    def since(self, name: str, moment: datetime) -> list[Attempt]:
        """The attempts at one collection's partitions that ended since then, oldest first."""
        sql = (
            'SELECT "partition", ended_at, verdict, reason, received, "new", changed, rejected FROM _attempt'
            " WHERE feed = ? AND ended_at >= ? AND verdict IS NOT NULL ORDER BY id"
        )
        with mapped():
            rows = self._connection.execute(sql, (name, render_moment(moment))).fetchall()
        return [Attempt(*row) for row in rows]

    def run(self, number: int, apps: Sequence[str]) -> Pass | None:
        """One run of these apps; None where there is none of that id, or it asked for nothing."""
        return next((item for item in self.runs(apps, 1, before=number + 1) if item.id == number), None)

    def of_run(self, number: int, names: Sequence[str], limit: int) -> list[Tried]:
        """The attempts of a run at partitions of these collections, the latest first."""
        sql = (
            'SELECT feed, "partition", started_at, ended_at, verdict, reason,'  # noqa: S608 (marks)
            ' requests, bytes, received, "new", changed, rejected'
            f" FROM _attempt WHERE run = ? AND feed IN ({_marks(names)}) ORDER BY id DESC LIMIT ?"
        )
        with mapped():
            return [Tried(*row) for row in self._connection.execute(sql, (number, *names, limit)).fetchall()]

    def brought(self, names: Sequence[str], since: datetime) -> dict[str, Brought]:
        """Collection -> what its attempts brought that ended from then on; without those that made none."""
        sums = ", ".join(
            f'CAST(sum("{name}") AS BIGINT)' for name in ("requests", "new", "changed", "same", "rejected")
        )
        sql = (
            f"SELECT feed, {sums} FROM _attempt WHERE ended_at >= ? AND feed IN ({_marks(names)})"  # noqa: S608 (marks)
            " GROUP BY feed"
        )
        with mapped():
            rows = self._connection.execute(sql, (render_moment(since), *names)).fetchall()
        return {name: Brought(*counts) for name, *counts in rows}

    def verdicts(self, names: Sequence[str]) -> list[tuple[str, str, int]]:
        """Collection, verdict of the last attempt ("" where there was none), and how many partitions have it."""
        sql = (
            "SELECT feed, coalesce(verdict, ''), count(*) FROM _partition"  # noqa: S608 (marks)
            f" WHERE feed IN ({_marks(names)}) GROUP BY 1, 2 ORDER BY 1, 2"
        )
        with mapped():
            return [(feed, verdict, count) for feed, verdict, count in self._connection.execute(sql, names).fetchall()]

    def runs(self, apps: Sequence[str], limit: int = 20, *, before: int | None = None) -> list[Pass]:
        """The last runs of these apps that asked for something, newest first, from before the one of that id."""
        sql = (
            "SELECT r.id, r.app, r.started_at, r.ended_at, count(*),"  # noqa: S608 (marks, own words)
            " count(*) FILTER (WHERE a.verdict IN ('complete', 'unchanged')), CAST(sum(a.requests) AS BIGINT),"
            ' CAST(sum(a."new" + a.changed + a.back + a.gone) AS BIGINT)'
            f" FROM _run r JOIN _attempt a ON a.run = r.id WHERE r.app IN ({_marks(apps)}) AND r.id < ?"
            " GROUP BY r.id, r.app, r.started_at, r.ended_at ORDER BY r.id DESC LIMIT ?"
        )
        with mapped():
            rows = self._connection.execute(sql, (*apps, 2**62 if before is None else before, limit)).fetchall()
        return [Pass(*row) for row in rows]


def _marks(names: Sequence[str]) -> str:
    return ", ".join("?" * len(names)) or "NULL"
