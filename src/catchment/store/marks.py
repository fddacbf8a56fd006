"""Where a collection stands that other records are filled from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import MergeOutdated
from .engines import Connection

__all__ = ["Mark", "check_mark"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the collection of that name stands. at: when it was last collected. model: of the
    declaration that fills.
    """

    name: str
    generation: int
    revision: int
    at: datetime | None
    model: str


def check_mark(sql: Connection, mark: Mark) -> None:
    """Inside a transaction: what records were filled from has not changed since. Who slept meanwhile ends here."""
    row = sql.execute("SELECT generation, revision FROM _collection WHERE name = ?", (mark.name,)).fetchone()
    if tuple(row) != (mark.generation, mark.revision):
        raise MergeOutdated(f"{mark.name} changed meanwhile")
