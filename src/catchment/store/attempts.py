"""What collecting did lately: runs, attempts, and how much changed on which day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..clock import render_moment
from .engines import Connection, mapped

__all__ = ["Attempt", "Attempts", "Brought", "Pass", "Tried"]

_ENDED = '"partition", ended_at, verdict, reason, received, "new", changed, rejected'
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
    """One try at one partition, by its id and that of its run. ended_at, verdict: None while it goes on, or where its
    process died (`reason` says so).
    """

    id: int
    run: int
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

    def since(self, name: str, partitions: Sequence[str], moment: datetime) -> list[Attempt]:
        """The attempts at these partitions of one collection that ended since then, oldest first."""
        sql = (
            f"SELECT {_ENDED} FROM _attempt"  # noqa: S608 (marks)
            f' WHERE feed = ? AND "partition" IN ({_marks(partitions)}) AND ended_at >= ? AND verdict IS NOT NULL'
            " ORDER BY id"
        )
        with mapped():
            rows = self._connection.execute(sql, (name, *partitions, render_moment(moment))).fetchall()
        return [Attempt(*row) for row in rows]

    def last(self, name: str, partition: str, limit: int) -> list[Attempt]:
        """The last ended attempts at one partition, newest first."""
        sql = (
            f"SELECT {_ENDED} FROM _attempt"  # noqa: S608 (own words)
            ' WHERE feed = ? AND "partition" = ? AND verdict IS NOT NULL ORDER BY id DESC LIMIT ?'
        )
        with mapped():
            rows = self._connection.execute(sql, (name, partition, limit)).fetchall()
        return [Attempt(*row) for row in rows]

    def run(self, number: int, apps: Sequence[str]) -> Pass | None:
        """One run of these apps; None where there is none of that id, or it asked for nothing."""
        return next((item for item in self.runs(apps, 1, before=number + 1) if item.id == number), None)

    def tried(
        self, names: Sequence[str], limit: int, *, run: int | None = None, before: int | None = None
    ) -> list[Tried]:
        """The attempts at partitions of these collections, of one run or of all, newest first, from before that id."""
        sql = (
            'SELECT id, run, feed, "partition", started_at, ended_at, verdict, reason,'  # noqa: S608 (marks)
            ' requests, bytes, received, "new", changed, rejected'
            f" FROM _attempt WHERE feed IN ({_marks(names)}) AND id < ?{' AND run = ?' if run is not None else ''}"
            " ORDER BY id DESC LIMIT ?"
        )
        values = (*names, 2**62 if before is None else before, *([run] if run is not None else []), limit)
        with mapped():
            return [Tried(*row) for row in self._connection.execute(sql, values).fetchall()]

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

    def runs(
        self, apps: Sequence[str], limit: int = 20, *, before: int | None = None, known: dict[int, Pass] | None = None
    ) -> list[Pass]:
        """The last runs of these apps that asked for something, newest first, from before the one of that id.

        known: the runs that had ended when they were asked for, which are not summed up again; it is added to.
        """
        known = {} if known is None else known
        sql = (
            f"SELECT id, app, started_at, ended_at FROM _run WHERE app IN ({_marks(apps)}) AND id < ?"  # noqa: S608 (marks)
            " AND EXISTS (SELECT 1 FROM _attempt WHERE run = _run.id) ORDER BY id DESC LIMIT ?"
        )
        with mapped():
            heads = self._connection.execute(sql, (*apps, 2**62 if before is None else before, limit)).fetchall()
            sums = self._sums([head[0] for head in heads if not _is_head_of(known.get(head[0]), head)])
        found = [Pass(*head, *sums[head[0]]) if head[0] in sums else known[head[0]] for head in heads]
        known |= {item.id: item for item in found if item.ended_at is not None}
        return found

    def _sums(self, runs: Sequence[int]) -> dict[int, Sequence[int]]:
        """Run -> its attempts, how many of them were good, their requests and changes."""
        sql = (
            "SELECT run, count(*), count(*) FILTER (WHERE verdict IN ('complete', 'unchanged')),"  # noqa: S608 (marks)
            f" CAST(sum(requests) AS BIGINT), CAST({_CHANGED} AS BIGINT)"
            f" FROM _attempt WHERE run IN ({_marks(runs)}) GROUP BY run"
        )
        return {run: counts for run, *counts in self._connection.execute(sql, runs).fetchall()}


def _is_head_of(run: Pass | None, head: Sequence[object]) -> bool:
    """Whether that is what is known of the run: in a database that took the place of another one it is not."""
    return run is not None and (run.id, run.app, run.started_at, run.ended_at) == tuple(head)


def _marks(names: Sequence[object]) -> str:
    return ", ".join("?" * len(names)) or "NULL"
