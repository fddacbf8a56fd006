"""What a serving process keeps between requests: the mean of all reviews."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from catchment import CatchmentError
from catchment.web import Data, Request, View

from .judging import all_reviews
from .ranking import FIRST_PRIOR, PRIOR_MEAN, PRIOR_WEIGHT, Prior, is_old

__all__ = ["Desk"]

_STATE = "providers"
_NUMBER, _WHOLE = re.compile(r"[0-5](\.[0-9]{1,6})?"), re.compile(r"[1-9][0-9]{0,4}")


class Desk:
    """The memory of one process. It is asked by one thread at a time or loses nothing by being asked by two."""

    def __init__(self, data: Data) -> None:
        self._fixed = _fixed_mean(data)
        self._weight = _weight(data)
        self._counted: tuple[datetime, Prior] | None = None

    @classmethod
    def of(cls, request: Request[Any, Any, Any], data: Data) -> Desk:
        """The one of the process that answers this request."""
        state = request.app.state
        if _STATE not in state:
            state[_STATE] = cls(data)
        found: Desk = state[_STATE]
        return found

    def prior(self, view: View, now: datetime) -> Prior:
        """What an unknown provider is taken for: counted again when an hour has passed."""
        if self._fixed is not None:
            return Prior(_millionths(self._fixed), self._weight)
        if self._counted is None or is_old(self._counted[0], now):
            rated, revision = all_reviews(view), view.state("reviews").revision
            # Half-up in whole millionths.
            mean = (rated.hundredths * 20_000 + rated.count) // (2 * rated.count) if rated.count else None
            prior = Prior(_millionths(FIRST_PRIOR) if mean is None else mean, self._weight, revision)
            self._counted = now, prior
        return self._counted[1]


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
