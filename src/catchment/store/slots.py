"""Places among the requests that an upstream may have open at a time: shared by every process on the store."""

from __future__ import annotations

from .engines import Connection, Workers, transaction

__all__ = ["Slots"]

_TAKE = "INSERT INTO _slot VALUES (?, ?, ?) ON CONFLICT (upstream, number) DO UPDATE SET owner = excluded.owner"


class Slots:
    """The places of each upstream on one connection. Those of a process that ended, however it ended, are free."""

    def __init__(self, connection: Connection, workers: Workers) -> None:
        self._connection = connection
        self._workers = workers

    def take(self, upstream: str, most: int) -> int | None:
        """A free place from 0 to `most` - 1, ours from now on; None while others have them all."""
        with transaction(self._connection, durable=False) as sql:
            taken = dict(sql.execute("SELECT number, owner FROM _slot WHERE upstream = ?", (upstream,)).fetchall())
            alive = {owner: self._workers.alive(owner) for owner in set(taken.values())}
            for number in range(most):
                if number not in taken or not alive[taken[number]]:
                    sql.execute(_TAKE, (upstream, number, self._workers.me))
                    return number
        return None

    def leave(self, upstream: str, number: int) -> None:
        """Gives a place back."""
        with transaction(self._connection, durable=False) as sql:
            sql.execute(
                "DELETE FROM _slot WHERE upstream = ? AND number = ? AND owner = ?",
                (upstream, number, self._workers.me),
            )
