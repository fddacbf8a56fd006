"""People who list, review and comment: made up, the same each time. `crowd` has them write through the API.

There is no upstream to stand in for. What is made has the shapes that real listings have: few skills that many have
and many that few have, spelled in several ways; round prices; ranges that adjoin, last a day or a year; providers
without reviews and some with very many; names in several scripts.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

__all__ = ["SIZES", "Extent", "Offer", "Opinion", "offers", "opinions", "user"]

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
}
"""What is written through the API: tiny and small within the limits that stand without a setting."""


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
_RATINGS = (("5", 34), ("4.5", 22), ("4", 20), ("3.75", 8), ("3", 8), ("2", 4), ("1", 3), ("0.5", 1))
_YEAR = date(2024, 1, 1)


def user(number: int, variant: int) -> str:
    """The id of a made-up person."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"stand-in {variant} user {number}"))


def offers(size: str, variant: int = 1) -> list[Offer]:
    """The providers of that size, the same for the same variant."""
    extent, chance = SIZES[size], random.Random(f"offers {size} {variant}")
    return [
        Offer(
            user(number % extent.users, variant),
            {
                "name": _name(number, chance),
                "skills": _skills(chance),
                "cost_in_pence": _cost(chance),
                "availability": _ranges(number, chance),
            },
        )
        for number in range(extent.providers)
    ]


def _name(number: int, chance: random.Random) -> str:
    name = _NAMES[number % len(_NAMES)].format(f"{chance.choice(_SUBJECTS)} {number + 1}")
    return name.ljust(200, "x") if number % 17 == 16 else name


def _skills(chance: random.Random) -> list[str]:
    """One to eight skills: the n-th is had by one n-th of those who have the first."""
    weights = [1 / place for place in range(1, len(SKILLS) + 1)]
    chosen = dict.fromkeys(chance.choices(SKILLS, weights, k=chance.randint(1, 8)))
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


def opinions(listed: list[Offer], size: str, variant: int = 1) -> list[Opinion]:
    """The reviews: of two providers in five there is none, and of a few there are many."""
    extent, chance = SIZES[size], random.Random(f"opinions {size} {variant}")
    reviewed = [place for place in range(len(listed)) if place % 5 > 1]
    weights = list(accumulate(1 / place for place in range(1, len(reviewed) + 1)))
    found: dict[tuple[int, str, str | None], Opinion] = {}
    for number in _numbers():
        if len(found) == extent.reviews:
            break
        (place,) = chance.choices(reviewed, cum_weights=weights)
        who = user(number % extent.users, variant)
        skill = chance.choice([None, None, *listed[place].body["skills"]])
        if who != listed[place].user:
            key = place, who, skill and " ".join(skill.casefold().split())
            found.setdefault(key, Opinion(who, place, _opinion(chance, skill)))
    return list(found.values())


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def _opinion(chance: random.Random, skill: str | None) -> Json:
    ratings, weights = zip(*_RATINGS, strict=True)
    comment = chance.choice(_COMMENTS) if chance.random() < 0.3 else None
    return {"rating": float(chance.choices(ratings, weights)[0]), "skill": skill, "comment": comment}
