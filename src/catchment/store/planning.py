"""What a plan is made of, on a connection that cannot write: a server plans as a collector does, and asks nobody."""

from __future__ import annotations

from .engines import Connection
from .ledger import Ledger
from .orders import Orders
from .records import Records
from .tables import Collection

__all__ = ["Planning"]


class _Nobody:
    """No worker: whoever only looks takes nothing."""

    me = ""

    def alive(self, name: str) -> bool:  # noqa: ARG002 (as workers are asked)
        return False

    def close(self) -> None:
        """There is nothing to give back."""


class Planning:
    """The parts of a store that a planner asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.ledger = Ledger(connection, _Nobody())
        self.orders = Orders(connection, _Nobody())

    def records(self, collection: Collection) -> Records:
        return Records(self._connection, collection)
