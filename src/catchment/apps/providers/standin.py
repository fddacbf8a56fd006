"""People who list, review and comment: made up, the same each time. `crowd` has them write through the API.

There is no upstream to stand in for. What is made has the shapes that real listings have: few skills that many have
and many that few have, spelled in several ways; round prices; ranges that adjoin, last a day or a year; providers
without reviews and some with very many; names in several scripts.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from catchment.web import Clock, Draft, load

__all__ = ["SIZES", "Extent", "Offer", "Opinion", "fill", "filling", "offers", "opinions", "user"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How many of each there are."""

    providers: int
    users: int
    reviews: int


SIZES: Mapping[str, Extent] = {
    "tiny": Extent(20, 5, 40),
    "small": Extent(1_000, 500, 5_000),
    "medium": Extent(100_000, 20_000, 500_000),
    "large": Extent(1_000_000, 200_000, 5_000_000),
}
"""Tiny and small are written through the API within the limits that stand without a setting, medium without limits;
`fill` loads any of them below it.
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider that a user lists."""

    user: str
    body: Json


@dataclass(frozen=True, slots=True)
class Opinion:
    """A user's review of the provider of that place in the list."""

    user: str
    provider: int
    body: Json


# -- what is made up ------------------------------------------------------------------------------------------------

_SUBJECTS = ("SEO", "Web", "Garden", "Piano", "Tax", "Roof", "Boiler", "Wedding", "Dog", "Data")
_CRAFTS = ("Optimisation", "Design", "Repair", "Lessons", "Advice", "Photography", "Care", "Planning")
_FINISH = ("", " for Beginners", " at Home")
SKILLS = tuple(f"{subject} {craft}{more}" for more in _FINISH for craft in _CRAFTS for subject in _SUBJECTS)[:200]
_NAMES = (
    "{} Incorporated",
    "Müller & Söhne {}",
    "🛠️ {} 👩‍🔧",
    "שירותי {} ניקיון",
    'O\'Brien "Best" {}',
    "Señor {} y Cía.",
)
_COMMENTS = ("Came on time.\nWould ask again.", "Très bien 👍", "Not what we had agreed on.", "ממליצה")
_RATINGS = {5: 34, 4.5: 22, 4: 20, 3.75: 8, 3: 8, 2: 4, 1: 3, 0.5: 1}
_RATED, _RATED_SO_OFTEN = list(map(float, _RATINGS)), list(accumulate(_RATINGS.values()))
_HAD_SO_OFTEN = list(accumulate(1 / place for place in range(1, len(SKILLS) + 1)))
_YEAR = date(2024, 1, 1)
MOST_EVEN, EVEN, MOST_REMEMBERED = 25, 20, 250_000


@lru_cache(MOST_REMEMBERED)
def user(number: int, variant: int) -> str:
    """The id of a made-up person."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"stand-in {variant} user {number}"))


def offers(extent: Extent, variant: int = 1) -> Iterator[Offer]:
    """The providers, the same for the same variant."""
    return (offer(number, extent, variant) for number in range(extent.providers))


def offer(number: int, extent: Extent, variant: int = 1) -> Offer:
    """The provider of that place in the list."""
    chance = random.Random(f"offer {number} {variant}")
    return Offer(
        user(number % extent.users, variant),
        {
            "name": _name(number, chance),
            "skills": _skills(chance),
            "cost_in_pence": _cost(chance),
            "availability": _ranges(number, chance),
        },
    )


def _name(number: int, chance: random.Random) -> str:
    name = _NAMES[number % len(_NAMES)].format(f"{chance.choice(_SUBJECTS)} {number + 1}")
    return name.ljust(200, "x") if number % 17 == 16 else name


def _skills(chance: random.Random) -> list[str]:
    """One to eight skills: the n-th is had by one n-th of those who have the first."""
    chosen = dict.fromkeys(chance.choices(SKILLS, cum_weights=_HAD_SO_OFTEN, k=chance.randint(1, 8)))
    spellings: list[Callable[[str], str]] = [str, str, str, str.lower, lambda text: text.replace(" ", "  ")]
    return [chance.choice(spellings)(skill) for skill in chosen]


def _cost(chance: random.Random) -> int:
    """Pence a day: half are below 25,000, and most are round."""
    cost = max(100, round(chance.lognormvariate(0, 0.7) * 25_000))
    return cost if chance.random() < 0.2 else max(1, round(cost / 2_500)) * 2_500


def _ranges(number: int, chance: random.Random) -> list[Json]:
    start = _YEAR + timedelta(days=chance.randrange(300))
    after = start + timedelta(days=chance.randint(1, 30))
    special = [
        (after + timedelta(days=1), after + timedelta(days=7)),  # adjoining
        (date(2025, 5, 5), date(2025, 5, 5)),
        (date(2024, 2, 27), date(2024, 3, 2)),
        (date(2025, 1, 1), date(2025, 12, 31)),
    ]
    later = date(2026, 1, 1) + timedelta(days=chance.randrange(300))
    spans = [(start, after), special[number % len(special)], (later, later + timedelta(days=chance.randrange(30)))]
    return [{"from_date": first.isoformat(), "to_date": last.isoformat()} for first, last in spans]


def opinions(extent: Extent, variant: int = 1) -> Iterator[Opinion]:
    """The reviews, provider by provider: of two in five there is none, and of a few there are many."""
    reviewed = [number for number in range(extent.providers) if number % 5 > 1]
    flat = min(MOST_EVEN, len(reviewed) / EVEN)  # so many share the place of those with most
    whole = sum(1 / (place + flat) for place in range(1, len(reviewed) + 1))
    due, owed = 0.0, 0
    for place, number in enumerate(reviewed, 1):
        due += extent.reviews / whole / (place + flat)
        found = _opinions_of(number, round(due) - owed, extent, variant)
        owed += len(found)
        yield from found


def _opinions_of(number: int, reviews: int, extent: Extent, variant: int) -> list[Opinion]:
    """That many reviews of one provider, if so many can be: a person has one of it, and one of each skill."""
    made, chance = offer(number, extent, variant), random.Random(f"opinions {number} {variant}")
    spelt = {" ".join(skill.casefold().split()): skill for skill in made.body["skills"]}
    most = (extent.users - 1) * (1 + len(spelt))
    found, about = dict[tuple[str, str | None], Opinion](), [None, None, *spelt]
    while len(found) < min(reviews, most):
        who, key = user(chance.randrange(extent.users), variant), chance.choice(about)
        if who != made.user:
            skill = None if key is None else spelt[key]
            found.setdefault((who, key), Opinion(who, number, _opinion(chance, skill)))
    return list(found.values())


def _opinion(chance: random.Random, skill: str | None) -> Json:
    comment = chance.choice(_COMMENTS) if chance.random() < 0.3 else None
    return {"rating": chance.choices(_RATED, cum_weights=_RATED_SO_OFTEN)[0], "skill": skill, "comment": comment}


# -- below the API --------------------------------------------------------------------------------------------------


def fill(path: Path, extent: Extent, clock: Clock, variant: int = 1) -> Extent:
    """What was loaded into a new database: as if it had been written through the API, in a fraction of the time."""
    for _ in filling(path, extent, clock, variant):
        pass
    return extent


def filling(path: Path, extent: Extent, clock: Clock, variant: int = 1) -> Iterator[int]:
    """How many records are loaded so far, for each; all is there and can be read when this is at its end."""
    from . import app

    made: list[str] = []
    offered = (Draft("providers/providers", one.user, one.body) for one in offers(extent, variant))
    for number, done in enumerate(load(path, app, chain(offered, _said(extent, variant, made)), clock), 1):
        if number <= extent.providers:
            made.append(done.key)
        yield number


def _said(extent: Extent, variant: int, made: Sequence[str]) -> Iterator[Draft]:
    """The reviews, once the providers that they are about have been made."""
    for one in opinions(extent, variant):
        members = {"provider": made[one.provider], "rating": Decimal(str(one.body["rating"]))}
        yield Draft("providers/reviews", one.user, one.body | members)
