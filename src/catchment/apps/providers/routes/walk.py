"""A list that is read page after page, judged the same from its first page to its last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from catchment.web import Data, View

from .. import search
from ..asking import Filters, Paging, Wanted
from ..desk import Desk
from ..ranges import day_number
from ..ranking import Prior

__all__ = ["Walk"]


@dataclass(frozen=True)
class Walk:
    """A list that is read page after page, judged the same from its first page to its last.

    purpose: what is asked, so that a cursor continues no other list. revision: of the reviews when it began.
    after: the place of the last item that was given.
    """

    view: View
    paging: Paging
    purpose: str
    prior: Prior
    today: date
    revision: int
    after: tuple[Any, ...] = ()

    @classmethod
    def of(cls, view: View, store: Data, desk: Desk, paging: Paging, purpose: str) -> Walk:
        """The walk that the cursor continues, or a new one."""
        if not paging.cursor:
            prior, revision = desk.prior(view, store.now), view.state("reviews").revision
            return cls(view, paging, purpose, prior, store.now.astimezone(UTC).date(), revision)
        known, today, revision, place = view.unseal(purpose, paging.cursor)
        return cls(view, paging, purpose, Prior(*known), date.fromisoformat(today), revision, tuple(place))

    def ranking(self, wanted: Wanted) -> Callable[[Any], search.Order]:
        """The order in which the job's providers come."""
        if wanted.rank == "price":
            return search.by_price
        skills, today = wanted.filters.skills, day_number(self.today)
        return lambda candidates: search.by_rank(self.view, candidates, skills, self.prior, wanted.score, today)

    def page(self, filters: Filters, order: Callable[[Any], search.Order]) -> tuple[list[search.Found], str | None]:
        """The page's providers, and the cursor of the next page where there is one."""
        size, moved = self.paging.page_size, self.view.state("reviews").revision != self.revision
        found = search.find(
            self.view,
            filters,
            order,
            limit=size + 1,
            offset=self.paging.offset,
            after=self.after,
            pinned=self.revision if moved else None,
        )
        if len(found) <= size:
            return found, None
        prior = self.prior.millionths, self.prior.weight, self.prior.version
        place = found[size - 1].place
        return found[:size], self.view.seal(self.purpose, [prior, self.today.isoformat(), self.revision, place])
