"""What an unknown provider is taken for: the mean of all reviews, counted at most once an hour for all processes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from catchment import CatchmentError
from catchment.web import Data, Kept, Request, StoreError, View

from .judging import all_reviews
from .ranking import FIRST_PRIOR, PRIOR_MEAN, PRIOR_WEIGHT, Prior, is_old

__all__ = ["Desk"]

_STATE, _MEAN = "providers", "mean"
_NUMBER, _WHOLE = re.compile(r"[0-5](\.[0-9]{1,6})?"), re.compile(r"[1-9][0-9]{0,4}")


class Desk:
    """What the operator has set, read once."""

    def __init__(self, data: Data) -> None:
        self._fixed = _fixed_mean(data)
        self._weight = _weight(data)

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


def _fixed_mean(data: Data) -> Decimal | None:
    """The general mean that the operator has fixed; None where it is to be counted."""
    text = PRIOR_MEAN.text(data.settings)
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or Decimal(text) > 5:
        raise CatchmentError(f"{PRIOR_MEAN.name}={text} is no mean", hint="write a number from 0 to 5, e.g. 3.5")
    return Decimal(text)


def _weight(data: Data) -> int:
    """As many reviews the general mean counts."""
    text = PRIOR_WEIGHT.text(data.settings)
    if not _WHOLE.fullmatch(text):
        raise CatchmentError(f"{PRIOR_WEIGHT.name}={text} is no weight", hint="write a whole number from 1, e.g. 10")
    return int(text)
