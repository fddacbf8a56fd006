"""A list that is read page after page, judged the same from its first page to its last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Literal

from catchment.web import Data, View

from ..asking import Filters, Paging
from ..desk import Desk
from ..ranges import day_number
from ..ranking import Prior, Score
from ..search import Found
from ..walking import Asked, page

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
            prior, revision = desk.prior(view, store), view.state("reviews").revision
            return cls(view, paging, purpose, prior, store.now.astimezone(UTC).date(), revision)
        known, today, revision, place = view.unseal(purpose, paging.cursor)
        return cls(view, paging, purpose, Prior(*known), date.fromisoformat(today), revision, tuple(place))

    @property
    def pinned(self) -> int | None:
        """The revision that reviews are read as of; None while that is how they are."""
        return None if self.view.state("reviews").revision == self.revision else self.revision

    def page(
        self, filters: Filters, rank: Literal["name", "price", "best"] = "name", score: Score = "bayes"
    ) -> tuple[list[Found], str | None]:
        """The page's providers, and the cursor of the next page where there is one."""
        size, skipped = self.paging.page_size, self.paging.offset
        asked = Asked(filters, rank, self.prior, score, day_number(self.today), self.after, self.pinned)
        found = page(self.view, asked, skipped + size + 1)[skipped:]
        if len(found) <= size:
            return found, None
        prior = self.prior.millionths, self.prior.weight, self.prior.version
        place = found[size - 1].place
        return found[:size], self.view.seal(self.purpose, [prior, self.today.isoformat(), self.revision, place])
