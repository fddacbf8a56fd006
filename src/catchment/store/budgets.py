"""Budgets as rows: shared by every process on the store, kept over restarts, spent before the request is sent."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from ..budget import PAUSE, Count, Wait, pause_after_quota, take
from ..clock import parse_moment, render_moment
from ..upstream import Budget
from .sqlite import mapped, transaction

__all__ = ["Budgets"]


class Budgets:
    """The counts of each upstream's windows on one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def counts(self, upstream: str) -> dict[str, Count]:
        """Window -> how far it is used."""
        with mapped():
            rows = self._connection.execute(
                "SELECT name, period, used, until, reason FROM _budget WHERE upstream = ?", (upstream,)
            ).fetchall()
        return {
            name: Count(period, used, parse_moment(until) if until else None, reason)
            for name, period, used, until, reason in rows
        }

    def take(self, upstream: str, budget: Budget, now: datetime) -> Wait | None:
        """Spends one request, durably; or says until when to wait."""
        with transaction(self._connection, durable=bool(budget.windows)):
            taken = take(budget, self.counts(upstream), now)
            if isinstance(taken, Wait):
                return taken
            for name, count in taken.items():
                self._put(upstream, name, count)
        return None

    def pause(self, upstream: str, until: datetime, reason: str) -> None:
        """Leaves the upstream alone until then; a longer pause already there stays."""
        with transaction(self._connection, durable=True):
            now = self.counts(upstream).get(PAUSE, Count()).until
            if now is None or now < until:
                self._put(upstream, PAUSE, Count(until=until, reason=reason))

    def pause_for_quota(self, upstream: str, budget: Budget, now: datetime) -> datetime:
        """Pauses until the allowance is there again; gives that moment."""
        until = pause_after_quota(budget, self.counts(upstream), now)
        self.pause(upstream, until, "quota")
        return until

    def resume(self, upstream: str, reason: str) -> None:
        """Ends a pause that has this reason."""
        with transaction(self._connection, durable=True) as sql:
            sql.execute("DELETE FROM _budget WHERE upstream = ? AND name = ? AND reason = ?", (upstream, PAUSE, reason))

    def _put(self, upstream: str, name: str, count: Count) -> None:
        self._connection.execute(
            "INSERT INTO _budget (upstream, name, period, used, until, reason) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (upstream, name) DO UPDATE SET period = excluded.period, used = excluded.used,"
            " until = excluded.until, reason = excluded.reason",
            (
                upstream,
                name,
                count.period,
                count.used,
                render_moment(count.until) if count.until else None,
                count.reason,
            ),
        )
