"""What an unknown provider is taken for: the mean of all reviews, counted at most once an hour for all processes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from catchment.web import Data, Kept, Request, StoreError, View

from .judging import all_reviews
from .ranking import FIRST_PRIOR, PRIOR_MEAN, PRIOR_WEIGHT, Prior, is_old

__all__ = ["Desk"]

_STATE, _MEAN = "providers", "mean"


class Desk:
    """What the operator has set, read once."""

    def __init__(self, data: Data) -> None:
        fixed = PRIOR_MEAN.text(data.settings)
        self._fixed = Decimal(fixed) if fixed else None
        self._weight = int(PRIOR_WEIGHT.text(data.settings))

    @classmethod
    def of(cls, request: Request[Any, Any, Any], data: Data) -> Desk:
        """The one of the process that answers this request."""
        state = request.app.state
        if _STATE not in state:
            state[_STATE] = cls(data)
        found: Desk = state[_STATE]
        return found

    def prior(self, view: View, store: Data) -> Prior:
        """What an unknown provider is taken for: counted again when an hour has passed, then kept in the database.

        So every process goes by the same one. Where it cannot be kept just now the one before stands.
        """
        if self._fixed is not None:
            return Prior(_millionths(self._fixed), self._weight)
        last = view.kept(_MEAN)
        if last is None or is_old(last.at, store.now):
            counted = _counted(view)
            try:
                last = store.keep(_MEAN, counted, of="reviews", before=last)
            except StoreError:
                last = last or Kept(counted, store.now)
        millionths, version = last.value
        return Prior(millionths, self._weight, version)


def _counted(view: View) -> list[int]:
    """The mean of all reviews, half-up in whole millionths, and the revision that it was counted at."""
    rated = all_reviews(view)
    mean = (rated.hundredths * 20_000 + rated.count) // (2 * rated.count) if rated.count else _millionths(FIRST_PRIOR)
    return [mean, view.state("reviews").revision]


def _millionths(value: Decimal) -> int:
    return int(value.scaleb(6).to_integral_value())
