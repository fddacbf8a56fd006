"""The series that the stand-in for OMDb makes up: the same for the same variant, each episode by itself.

Nothing is stored: a series or an episode is made from its number when it is asked for, so that the largest size costs
no more to start than the smallest.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

__all__ = ["SIZES", "Episode", "Extent", "Series", "World"]

FIRST_SERIES, FIRST_EPISODE = "tt0944947", "tt1480055"
MOST_EPISODES = 1_000
"""Of one series: an episode's id holds its series' place and its own number."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a size holds. seasons: episodes of each season of every series."""

    series: int
    seasons: tuple[int, ...]

    @property
    def episodes(self) -> int:
        return self.series * sum(self.seasons)


SIZES: Mapping[str, Extent] = {
    "tiny": Extent(1, (3,)),
    "small": Extent(1, (10, 10, 10, 10, 10, 10, 7, 6)),
    "medium": Extent(50, (15,) * 5),
    "large": Extent(2_000, (15,) * 5),
}

_NAMED = ("Game of Thrones", "Law & Order", "Amélie's Café", "Room #9", "Breaking Bad", "50% Off + Tax?")
_FIRST = ("The Long", "A Cold", "Broken", "The Last", "Winter", "Silent", "Burning", "The Queen's", "Señor", "Crème &")
_SECOND = ("Night", "Promise", "Road", "Is Coming", "Crown", "Harvest", "Letter", "Brûlée", "Gate", "#1 Rule")
_PEOPLE = ("Ann Lee", "Björn Åkesson", "Miguel Ángel Ruiz", "Alan Taylor", "Michelle MacLaren", "D.B. Weiss")
_GENRES = ("Action", "Adventure", "Comedy", "Crime", "Drama", "Fantasy", "Mystery")


@dataclass(frozen=True, slots=True)
class Series:
    """A series as the upstream knows it. running: it has no last year yet."""

    place: int
    id: str
    title: str
    year: int
    running: bool
    rating: str
    votes: int
    genres: tuple[str, ...]
    seasons: tuple[int, ...]

    @property
    def years(self) -> str:
        """With the upstream's dash, open at its end while the series runs."""
        return f"{self.year}–" if self.running else f"{self.year}–{self.year + len(self.seasons)}"  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode as the upstream knows it. rating: "" for none; keyless: its season's row has no member for it."""

    id: str
    series: Series
    season: int
    number: int
    title: str
    released: date
    runtime_min: int
    rating: str
    keyless: bool
    votes: int
    director: str
    writers: tuple[str, ...]
    actors: tuple[str, ...]


class World:
    """All that a size and a variant hold."""

    def __init__(self, size: str, variant: int) -> None:
        self.extent = SIZES[size]
        self._variant = variant

    def series(self) -> Iterator[Series]:
        """Every series, the known one first."""
        return (series_at(self._variant, self.extent.seasons, place) for place in range(self.extent.series))

    def series_of(self, key: str) -> Series | None:
        """The series of that id; None for none."""
        place = 0 if key == FIRST_SERIES else _number(key, 9_000_000, self.extent.series)
        known = key == FIRST_SERIES or bool(place)
        return series_at(self._variant, self.extent.seasons, place) if known else None

    def titled(self, title: str) -> Series | None:
        """The series of that title in any case; None for none."""
        return next((series for series in self.series() if series.title.casefold() == title.casefold()), None)

    def episode_of(self, key: str) -> Episode | None:
        """The episode of that id; None for none."""
        if key == FIRST_EPISODE:
            return self._episode(0, 0)
        place, number = divmod(_number(key, 10_000_000, self.extent.series * MOST_EPISODES), MOST_EPISODES)
        there = number < sum(self.extent.seasons) and (place, number) != (0, 0)
        return self._episode(place, number) if there else None

    def season(self, series: Series, season: int) -> list[Episode]:
        """The season's episodes in their order; empty for no such season."""
        if not 1 <= season <= len(series.seasons):
            return []
        first = sum(series.seasons[: season - 1])
        return [self._episode(series.place, first + number) for number in range(series.seasons[season - 1])]

    def _episode(self, place: int, number: int) -> Episode:
        return episode_at(self._variant, self.extent.seasons, place, number)


def _number(key: str, first: int, count: int) -> int:
    """Which one of the ids from `first` on; 0, which is none of them, for any other text."""
    if not re.fullmatch(r"tt[0-9]{7,8}", key):
        return 0
    number = int(key[2:]) - first
    return number if 0 < number < count else 0


@lru_cache(maxsize=256)
def series_at(variant: int, seasons: tuple[int, ...], place: int) -> Series:
    """The series at a place of the list."""
    rng = random.Random(f"{variant}:series:{place}")
    return Series(
        place,
        FIRST_SERIES if place == 0 else f"tt{9_000_000 + place}",
        _NAMED[place] if place < len(_NAMED) else f"{rng.choice(_FIRST)} {rng.choice(_SECOND)} {place}",
        2011 if place == 0 else rng.randint(1990, 2020),
        running=(place + variant) % 2 == 1,
        rating="9.2" if place == 0 else f"{rng.uniform(5, 9.5):.1f}",
        votes=2_370_839 if place == 0 else rng.randint(200, 900_000),
        genres=tuple(sorted(rng.sample(_GENRES, 3))),
        seasons=seasons,
    )


def episode_at(variant: int, seasons: tuple[int, ...], place: int, number: int) -> Episode:
    """The number-th episode (from 0) of the series at a place."""
    rng = random.Random(f"{variant}:episode:{place}:{number}")
    series = series_at(variant, seasons, place)
    season, before = _season_of(seasons, number)
    within = number - before + 1
    return Episode(
        FIRST_EPISODE if place == number == 0 else f"tt{10_000_000 + place * MOST_EPISODES + number}",
        series,
        season,
        within,
        _title(rng, place, number, season, within),
        date(series.year + season - 1, 4, 17) + timedelta(weeks=within - 1),
        runtime_min=rng.randint(42, 80),
        rating=_rating(rng, series, number, sum(seasons)),
        keyless=_keyless(number),
        votes=21_370 if place == number == 0 else rng.randint(50, 60_000),
        director=rng.choice(_PEOPLE),
        writers=tuple(rng.sample(_PEOPLE, 2)),
        actors=tuple(rng.sample(_PEOPLE, 3)),
    )


def _season_of(seasons: Sequence[int], number: int) -> tuple[int, int]:
    """The season that an episode is in, and how many episodes came before it."""
    before = 0
    for season, count in enumerate(seasons, 1):
        if number < before + count:
            return season, before
        before += count
    raise ValueError(f"there is no episode {number}")


def _title(rng: random.Random, place: int, number: int, season: int, within: int) -> str:
    if place == number == 0:
        return "Winter Is Coming"
    if number % 97 == 31:
        return f"Episode #{season}.{within}"
    return f"{rng.choice(_FIRST)} {rng.choice(_SECOND)}"


def _keyless(number: int) -> bool:
    return number % 89 == 40


def _rating(rng: random.Random, series: Series, number: int, count: int) -> str:
    """5.0 to 10.0 around 8.0; some exactly 8.8, one 10.0; of a running series about one in six is not there."""
    drawn, lacking = min(max(rng.gauss(8.0, 0.7), 5.0), 9.9), rng.random() < 0.16
    if number == 0:
        return "9.0"
    if number == count - 2:
        return "10.0"
    if number % 12 in (2, 5):
        return "8.8" if number % 12 == 2 else "8.9"
    return "" if series.running and lacking and not _keyless(number) else f"{drawn:.1f}"
