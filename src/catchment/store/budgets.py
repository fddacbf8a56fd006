"""Budgets as rows: shared by every process on the store, kept over restarts, spent before the request is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..breaker import CLOSED, Breaker, Turn, enter, failed, let_try, resting
from ..budget import PAUSE, QUOTA, Count, Wait, pause_after_quota, take
from ..clock import parse_moment, render_moment
from ..upstream import Budget
from .engines import Connection, mapped, transaction

__all__ = ["Budgets"]

BREAKER = "breaker"
"""The row of an upstream's faults, beside those of its windows and its pause."""

PROBING = "probe"
"""Its period while one request is under way alone."""


class Budgets:
    """The counts of each upstream's windows on one connection."""

    def __init__(self, connection: Connection) -> None:
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

    def take(self, upstream: str, budget: Budget, now: datetime, weight: int = 1) -> Wait | Turn:
        """Spends one request of that weight, durably; or says until when to wait."""
        with transaction(self._connection, durable=bool(budget.windows)):
            counts = self.counts(upstream)
            breaker = enter(_breaker(counts), now)
            if isinstance(breaker, Wait):
                return breaker
            taken = take(budget, counts, now, weight)
            if isinstance(taken, Wait):
                return taken
            for name, count in taken.items():
                self._put(upstream, name, count)
            if breaker.probing:
                self._put(upstream, BREAKER, _row(breaker))
        return Turn(breaker.probing, breaker.faults)

    def wait(self, upstream: str, budget: Budget, now: datetime, weight: int = 1) -> Wait | None:
        """Until when a request of that weight has to wait; None where it need not. Nothing is spent."""
        counts = self.counts(upstream)
        steps = (enter(_breaker(counts), now), take(budget, counts, now, weight))
        return next((step for step in steps if isinstance(step, Wait)), None)

    # -- the breaker ---------------------------------------------------------------------------------------------------

    def fault(self, upstream: str, now: datetime, reason: str, probe: bool) -> Breaker:
        """Notes a request that was given up; gives what is known of the upstream then."""
        with transaction(self._connection, durable=True):
            breaker = failed(_breaker(self.counts(upstream)), now, reason, probe=probe)
            self._put(upstream, BREAKER, _row(breaker))
        return breaker

    def answered(self, upstream: str) -> None:
        """Forgets an upstream's faults: it answers."""
        with transaction(self._connection, durable=True) as sql:
            sql.execute("DELETE FROM _budget WHERE upstream = ? AND name = ?", (upstream, BREAKER))

    def let_try(self, upstream: str, now: datetime) -> None:
        """Lets the next request to an upstream that rests be a probe: a person asks."""
        with transaction(self._connection, durable=True):
            before = _breaker(self.counts(upstream))
            if (breaker := let_try(before, now)) != before:
                self._put(upstream, BREAKER, _row(breaker))

    def left_alone(self, upstream: str, now: datetime) -> Wait | None:
        """Until when nobody asks an upstream, whatever its windows have left: it rests, or a pause holds."""
        counts = self.counts(upstream)
        breaker, pause = _breaker(counts), counts.get(PAUSE, Count())
        waits = [resting(breaker)] if breaker.until else []
        waits += [Wait(pause.until, pause.reason)] if pause.until else []
        return max((wait for wait in waits if wait.until > now), key=lambda wait: wait.until, default=None)

    # -- pauses --------------------------------------------------------------------------------------------------------

    def pause(self, upstream: str, until: datetime, reason: str) -> None:
        """Leaves the upstream alone until then; a longer pause already there stays."""
        with transaction(self._connection, durable=True):
            now = self.counts(upstream).get(PAUSE, Count()).until
            if now is None or now < until:
                self._put(upstream, PAUSE, Count(until=until, reason=reason))

    def pause_for_quota(self, upstream: str, budget: Budget, now: datetime, weight: int = 1) -> datetime:
        """Pauses until the allowance is there again; gives that moment."""
        until = pause_after_quota(budget, self.counts(upstream), now, weight)
        self.pause(upstream, until, QUOTA)
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


def _breaker(counts: Mapping[str, Count]) -> Breaker:
    row = counts.get(BREAKER)
    return Breaker(row.used, row.until, row.period == PROBING, row.reason) if row else CLOSED


def _row(breaker: Breaker) -> Count:
    return Count(PROBING if breaker.probing else "", breaker.faults, breaker.until, breaker.reason)
