"""How good a provider is, from its reviews: exact rules, and nothing asked of anybody.

A review's rating has two decimals at most, so ratings are added as whole hundredths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Literal

from catchment import Setting

__all__ = [
    "FIRST_PRIOR",
    "HALF_LIFE_DAYS",
    "PRIOR_MEAN",
    "PRIOR_WEIGHT",
    "WEIGHTS",
    "Prior",
    "Rated",
    "Score",
    "bayesian",
    "decayed",
    "is_old",
    "mean",
    "wilson",
]

Score = Literal["bayes", "wilson", "decayed"]

_NUMBER, _WHOLE = re.compile(r"[0-5](\.[0-9]{1,6})?"), re.compile(r"[1-9][0-9]{0,4}")


def _mean(text: str) -> str:
    if text and (not _NUMBER.fullmatch(text) or Decimal(text) > 5):
        raise ValueError("is no mean; write a number from 0 to 5, e.g. 3.5, or nothing to have it counted")
    return text


def _weight(text: str) -> str:
    if not _WHOLE.fullmatch(text):
        raise ValueError("is no weight; write a whole number from 1 to 99999, e.g. 10")
    return text


PRIOR_MEAN = Setting("PROVIDERS_PRIOR_MEAN", form=_mean)
PRIOR_WEIGHT = Setting("PROVIDERS_PRIOR_WEIGHT", "10", form=_weight)
"""C and m of the score; without the first the mean of all reviews is counted."""
FIRST_PRIOR = Decimal("3.0")
"""The mean that is assumed while nobody has reviewed anything."""
REFRESHED = timedelta(hours=1)
HALF_LIFE_DAYS = 365
WEIGHTS = 10**9
"""Parts of the weight that a review has on its first day, in which the store adds what has aged."""
Z = Fraction(196, 100)
_PLACES = Decimal("0.0001")
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Rated:
    """How many reviews, and the sum of their ratings in hundredths."""

    count: int = 0
    hundredths: int = 0


@dataclass(frozen=True, slots=True)
class Prior:
    """What an unknown provider is taken for. version: the revision of the reviews it was counted at; 0 for a fixed one.

    millionths: the mean, in whole millionths, so that scores are compared exactly. weight: as many reviews it counts.
    """

    millionths: int
    weight: int
    version: int = 0

    @property
    def mean(self) -> Fraction:
        return Fraction(self.millionths, 10**6)


def is_old(counted_at: datetime, now: datetime) -> bool:
    """Whether the general mean is to be counted again."""
    return not counted_at <= now < counted_at + REFRESHED


def mean(rated: Rated) -> Decimal:
    """The plain mean, half-up to 4 decimals; 0.0 without reviews."""
    return _rounded(Fraction(rated.hundredths, 100 * rated.count)) if rated.count else Decimal("0.0")


def bayesian(rated: Rated, prior: Prior) -> Decimal:
    """The mean as if `weight` reviews of the general mean had come first, half-up to 4 decimals.

    Source: apps' contract, `(sum + m * C) / (n + m)`.
    """
    whole = Fraction(rated.hundredths, 100) + prior.weight * prior.mean
    return _rounded(whole / (rated.count + prior.weight)) if rated.count + prior.weight else Decimal("0.0")


def wilson(rated: Rated) -> Decimal:
    """The lower bound of the mean at z = 1.96, with mean / 5 as a proportion, half-up to 4 decimals; 0 without reviews.

    Source: Wilson, 1927: the score interval of a proportion.
    """
    if not rated.count:
        return Decimal("0.0")
    count, part = rated.count, Fraction(rated.hundredths, 500 * rated.count)
    spread = part * (1 - part) / count + Z**2 / (4 * count**2)
    root = _EXACT.sqrt(_EXACT.divide(Decimal(spread.numerator), Decimal(spread.denominator)))
    low = part + Z**2 / (2 * count) - Z * Fraction(root)
    return _rounded(5 * low / (1 + Z**2 / count))


def decayed(by_day: Mapping[int, Rated], prior: Prior, today: int) -> Decimal:
    """As `bayesian`, where a review counts half after 365 days, a quarter after 730; half-up to 4 decimals.

    by_day: number of the day -> the reviews given on it.
    """
    weight = whole = Decimal(0)
    for day, rated in by_day.items():
        part = _EXACT.power(Decimal("0.5"), _EXACT.divide(Decimal(today - day), Decimal(HALF_LIFE_DAYS)))
        weight, whole = weight + part * rated.count, whole + part * rated.hundredths / 100
    first = Decimal(prior.weight * prior.millionths).scaleb(-6)
    return _EXACT.divide(whole + first, weight + prior.weight).quantize(_PLACES, rounding=ROUND_HALF_UP)


def _rounded(value: Fraction) -> Decimal:
    """The number half-up to 4 decimals."""
    exact = _EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return exact.quantize(_PLACES, rounding=ROUND_HALF_UP)
