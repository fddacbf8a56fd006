"""Points in time of one collection: which are still kept, and which revision held when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..clock import parse_moment, render_moment
from ..errors import QueryError
from .engines import Connection
from .query import AsOf
from .seen import State
from .tables import Collection

__all__ = ["Points"]

_CLOCKS_APART = timedelta(days=1)
_FIRST = "0001-01-03"


@dataclass(frozen=True, slots=True)
class Points:
    """The commits of one collection's generation, as of one moment of the store."""

    connection: Connection
    collection: Collection
    state: State

    def kept(self, as_of: AsOf | None, parameter: str = "as_of") -> AsOf | None:
        """The same point in time, a moment with its floor.

        Raises:
            QueryError: 410 for what is no longer kept, 400 for a revision that is still to come.
        """
        if as_of is None:
            return None
        if as_of.by_revision and as_of.revision > self.state.revision:
            raise QueryError(f"{parameter}: the newest revision is {self.state.revision}", parameter=parameter)
        if not (self._was(as_of.revision) if as_of.by_revision else self._reaches(as_of.moment)):
            message = f"{parameter}: the oldest revision that is kept is {self.state.horizon}"
            raise QueryError(message, kind="history-gone", status=410, parameter=parameter)
        return as_of if as_of.by_revision else replace(as_of, floor=self._floor(as_of.moment))

    def _was(self, revision: int) -> bool:
        """Whether there was that revision, and is kept: not one that was lost before a backup was restored."""
        if revision in (self.state.horizon, self.state.revision):
            return True
        return revision > self.state.horizon and self.committed_at(revision) is not None

    def _reaches(self, moment: str) -> bool:
        """Whether all that held at that moment is kept."""
        since = self.committed_at(self.state.horizon)
        return self.state.horizon <= 1 or since is None or moment >= since

    def _floor(self, moment: str) -> int:
        """A revision that was committed so long before the moment that nothing was said after it and committed by then,
        whatever the clocks of several collectors say.
        """
        before = render_moment(parse_moment(moment) - _CLOCKS_APART) if moment > _FIRST else ""
        return self._one("revision", "at <= ? ORDER BY revision DESC LIMIT 1", before) or 0

    def committed_at(self, revision: int) -> str | None:
        """When that revision was committed; None where there is no note of it."""
        at: str | None = self._one("at", "revision = ?", revision)
        return at

    def held(self, as_of: AsOf | None) -> tuple[int, str | None]:
        """The revision that held then, and the moment that is meant; None for now. 0 where nothing was committed."""
        if as_of is None or as_of.revision == self.state.revision:
            return self.state.revision, None
        if as_of.by_revision:
            return as_of.revision, self.committed_at(as_of.revision) or ""
        return self._one("max(revision)", "at <= ?", as_of.moment) or 0, as_of.moment

    def held_until(self, revision: int) -> str | None:
        """When another revision took this one's place; None for one that holds, or is still to come."""
        following = self._one("min(revision)", "revision > ?", revision)
        return None if following is None else self.committed_at(following)

    def _one(self, wanted: str, which: str, value: Any) -> Any:
        sql = f'SELECT {wanted} FROM "_commit" WHERE collection = ? AND generation = ? AND {which}'  # noqa: S608 (own words)
        row = self.connection.execute(sql, (self.collection.name, self.state.generation, value)).fetchone()
        return row[0] if row else None
