"""What a request asks for: one table of parameters, and the frozen values that they come to. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta

from catchment.web import Parameter, QueryError

__all__ = ["COMMENT", "COMMENTS", "EPISODE", "FILTERS", "OF_EPISODE", "Asked", "Paging", "Sort", "asked", "paging"]

Sort = Literal["series,season,episode", "-imdbRating", "released"]

BEST = Decimal("8.8")
OPERATORS = ("gt", "gte", "lt", "lte")
_ImdbId = Annotated[str, Meta(pattern=r"^tt[0-9]{7,10}\Z")]
_Rating = Annotated[Decimal, Meta(extra_json_schema={"minimum": 0, "maximum": 10})]
_RATING = re.compile(r"(?:10(?:\.0{1,2})?|[0-9](?:\.[0-9]{1,2})?)")


def _bound(text: str) -> Decimal:
    if not _RATING.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is not a number from 0 to 10 with at most 2 decimals")
    return Decimal(text)


def _rated(words: str, example: float) -> Parameter:
    return Parameter(f"{words}; at most 2 decimals.", example, kind=_Rating, reads=_bound)


PAGING = {
    "page": Parameter("Which page.", 1, kind=Annotated[int, Meta(ge=1, le=1000)], default=1),
    "page_size": Parameter("How many on a page.", 50, kind=Annotated[int, Meta(ge=1, le=200)], default=50),
}
FILTERS = {
    "season": Parameter(
        "Of this season; may be given several times.", 1, kind=list[Annotated[int, Meta(ge=0, le=2**31)]], default=()
    ),
    "series": Parameter("Of the series with this IMDb id.", "tt0944947", kind=_ImdbId, default=""),
    "gt_imdb_rating": _rated("Rated above this", 8.8),
    "gte_imdb_rating": _rated("Rated at least this", 8.8),
    "lt_imdb_rating": _rated("Rated below this", 9.5),
    "lte_imdb_rating": _rated("Rated at most this", 9.5),
    "only_best": Parameter("`true`: the same as `gt_imdb_rating=8.8`, and alone.", True, kind=bool, default=False),
    "title": Parameter(
        "Its title has this text in it, in any case.",
        "winter",
        kind=Annotated[str, Meta(min_length=1, max_length=200)],
        default="",
    ),
    "sort": Parameter(
        "The order; nothing comes last, and the id decides between equal ones.",
        "-imdbRating",
        kind=Sort,
        default="series,season,episode",
    ),
    **PAGING,
}
"""The parameters of a list of episodes."""
COMMENTS = {"episode": Parameter("On the episode with this IMDb id.", "tt1480055", kind=_ImdbId), **PAGING}
EPISODE = {"episode": Parameter("The episode's IMDb id.", "tt1480055", place="path")}
OF_EPISODE = EPISODE | PAGING
COMMENT = {"comment": Parameter("The comment's id.", place="path")}


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page, from 1, of how many each."""

    page: int = 1
    page_size: int = 50

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size


@dataclass(frozen=True, slots=True)
class Asked:
    """Which episodes are meant, in which order. ratings: pairs of operator and bound; title: contained, case folded."""

    seasons: tuple[int, ...] = ()
    series: str = ""
    ratings: tuple[tuple[str, Decimal], ...] = ()
    title: str = ""
    sort: Sort = "series,season,episode"


def paging(values: Mapping[str, Any]) -> Paging:
    """The page that is meant."""
    return Paging(**{name: values[name] for name in PAGING})


def asked(values: Mapping[str, Any]) -> Asked:
    """The episodes that are meant. QueryError: 400 for filters that exclude each other."""
    bounds = ((operator, values[f"{operator}_imdb_rating"]) for operator in OPERATORS)
    ratings = tuple((operator, bound) for operator, bound in bounds if bound is not None)
    if values["only_best"] and ratings:
        raise QueryError("only_best: is a rating filter; give no other one with it", parameter="only_best")
    return Asked(
        values["season"],
        values["series"],
        (("gt", BEST),) if values["only_best"] else ratings,
        values["title"].casefold(),
        values["sort"],
    )
