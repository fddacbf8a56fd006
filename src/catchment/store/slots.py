"""Places among the requests that an upstream may have open at a time: shared by every process on the store."""

from __future__ import annotations

from datetime import datetime

from ..clock import render_moment
from .engines import Connection, Workers, transaction
from .ledger import LEASE

__all__ = ["Slots"]

_TAKE = (
    "INSERT INTO _slot (upstream, number, owner, until) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (upstream, number) DO UPDATE SET owner = excluded.owner, until = excluded.until"
)


class Slots:
    """The places of each upstream on one connection. Those of a process that ended, however it ended, are free, and so
    are those of one that was stopped for longer than a lease.
    """

    def __init__(self, connection: Connection, workers: Workers) -> None:
        self._connection = connection
        self._workers = workers
        self._own: set[tuple[str, int]] = set()
        """The places that are ours. What else stands under our name could not be given back."""

    def take(self, upstream: str, most: int, now: datetime) -> int | None:
        """A free place from 0 to `most` - 1, ours from now on; None while others have them all."""
        at, until = render_moment(now), render_moment(now + LEASE)
        with transaction(self._connection, durable=False) as sql:
            rows = sql.execute("SELECT number, owner, until FROM _slot WHERE upstream = ?", (upstream,)).fetchall()
            held = [(number, owner) for number, owner, until in rows if until > at and owner != self._workers.me]
            alive = {owner for owner in {owner for _, owner in held} if self._workers.alive(owner)}
            taken = {number for number, owner in held if owner in alive}
            taken |= {number for name, number in self._own if name == upstream}
            if (free := next((number for number in range(most) if number not in taken), None)) is None:
                return None
            sql.execute(_TAKE, (upstream, free, self._workers.me, until))
        self._own.add((upstream, free))
        return free

    def renew(self, upstream: str, number: int, now: datetime) -> None:
        """Holds a place for another while; does nothing where somebody else has it by now."""
        with transaction(self._connection, durable=False) as sql:
            sql.execute(
                "UPDATE _slot SET until = ? WHERE upstream = ? AND number = ? AND owner = ?",
                (render_moment(now + LEASE), upstream, number, self._workers.me),
            )

    def leave(self, upstream: str, number: int) -> None:
        """Gives a place back. Where the database is away it is ours to take again, and others' after a lease."""
        self._own.discard((upstream, number))
        with transaction(self._connection, durable=False) as sql:
            sql.execute(
                "DELETE FROM _slot WHERE upstream = ? AND number = ? AND owner = ?",
                (upstream, number, self._workers.me),
            )
