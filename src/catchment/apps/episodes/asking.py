"""What a request asks for, read from its query into one frozen value. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Literal, get_args

from catchment.web import Parameter, QueryError, unstorable

__all__ = ["BEST", "COMMENTS", "FILTERS", "PAGING", "Asked", "Paging", "Sort", "asked", "given", "imdb_id", "paging"]

Sort = Literal["series,season,episode", "-imdbRating", "released"]
Pairs = Sequence[tuple[str, str]]

BEST = Decimal("8.8")
OPERATORS = ("gt", "gte", "lt", "lte")
RATINGS = tuple(f"{operator}_imdb_rating" for operator in OPERATORS)
PAGING: Mapping[str, Parameter] = {
    "page": Parameter("Which page, from 1.", 1, type="integer", minimum=1, maximum=1000, default=1),
    "page_size": Parameter("How many on a page.", 50, type="integer", minimum=1, maximum=200, default=50),
}


def _bound(words: str, example: float) -> Parameter:
    return Parameter(f"{words}; 0 to 10, at most 2 decimals.", example, type="number", minimum=0, maximum=10)


FILTERS: Mapping[str, Parameter] = {
    "season": Parameter("Of this season; may be given several times.", 1, several=True, type="integer", minimum=0),
    "series": Parameter("Of the series with this IMDb id.", "tt0944947", pattern="^tt[0-9]{7,10}$"),
    "gt_imdb_rating": _bound("Rated above this", 8.8),
    "gte_imdb_rating": _bound("Rated at least this", 8.8),
    "lt_imdb_rating": _bound("Rated below this", 9.5),
    "lte_imdb_rating": _bound("Rated at most this", 9.5),
    "only_best": Parameter("`true`: the same as `gt_imdb_rating=8.8`, and alone.", True, type="boolean"),
    "title": Parameter("Its title has this text in it, in any case.", "winter", min_length=1, max_length=200),
    "sort": Parameter(
        "The order; nothing comes last, and the id decides between equal ones.",
        "-imdbRating",
        enum=list(get_args(Sort)),
    ),
    **PAGING,
}
"""The parameters of a list of episodes."""
COMMENTS: Mapping[str, Parameter] = {
    "episode": Parameter("On the episode with this IMDb id.", "tt1480055", pattern="^tt[0-9]{7,10}$"),
    **PAGING,
}
_SEVERAL = ("season",)
_RATING = re.compile(r"(?:10(?:\.0{1,2})?|[0-9](?:\.[0-9]{1,2})?)")


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


def given(pairs: Pairs, known: Mapping[str, Parameter]) -> dict[str, list[str]]:
    """The parameters' values by name. QueryError: 400 for one that is unknown, or given twice where one is meant."""
    found: dict[str, list[str]] = {}
    for name, text in pairs:
        shown = name[:100]
        if name not in known:
            nearest = get_close_matches(shown, list(known), n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known) or 'none'}"
            raise QueryError(f"{shown}: is not known; {hint}", kind="unknown-parameter", parameter=shown)
        if name in found and name not in _SEVERAL:
            raise QueryError(f"{name}: is given twice", kind="repeated-parameter", parameter=name)
        if fault := next(unstorable(text), None):
            raise _wrong(name, fault.message)
        found.setdefault(name, []).append(text)
    return found


def paging(values: Mapping[str, Sequence[str]]) -> Paging:
    """The page that is meant. QueryError for one out of bounds."""
    return Paging(_number(values, "page", 1, 1, 1000), _number(values, "page_size", 50, 1, 200))


def asked(values: Mapping[str, Sequence[str]]) -> Asked:
    """The episodes that are meant. QueryError: 400 for a value that cannot be, or two that exclude each other."""
    best, ratings = _best(values), _ratings(values)
    if best and ratings:
        raise _wrong("only_best", "is a rating filter; give no other one with it")
    sort = values.get("sort", ["series,season,episode"])[0]
    if sort not in get_args(Sort):
        raise _wrong("sort", f"is one of {' | '.join(get_args(Sort))}")
    return Asked(
        tuple(_season(text) for text in values.get("season", ())),
        imdb_id(values, "series") or "",
        (("gt", BEST),) if best else ratings,
        _title(values),
        sort,  # type: ignore[arg-type]  # it is one of them
    )


def _number(values: Mapping[str, Sequence[str]], name: str, default: int, least: int, most: int) -> int:
    if name not in values:
        return default
    text = values[name][0]
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise _wrong(name, f"is a whole number from {least} to {most}")
    return int(text)


def _season(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _wrong("season", "is a whole number from 0")
    return int(text)


def imdb_id(values: Mapping[str, Sequence[str]], name: str) -> str | None:
    """The id that a parameter gives, None where it is not given. QueryError for one that is none."""
    if name not in values:
        return None
    text = values[name][0]
    if not re.fullmatch(r"tt[0-9]{7,10}", text):
        raise _wrong(name, "is an IMDb id, e.g. tt0944947")
    return text


def _title(values: Mapping[str, Sequence[str]]) -> str:
    text = values.get("title", [""])[0]
    if len(text) > 200 or ("title" in values and not text):
        raise _wrong("title", "is a text of 1 to 200 characters")
    return text.casefold()


def _best(values: Mapping[str, Sequence[str]]) -> bool:
    text = values.get("only_best", ["false"])[0]
    if text not in ("true", "false"):
        raise _wrong("only_best", "is true or false")
    return text == "true"


def _ratings(values: Mapping[str, Sequence[str]]) -> tuple[tuple[str, Decimal], ...]:
    found = []
    for operator, name in zip(OPERATORS, RATINGS, strict=True):
        if name in values:
            if not _RATING.fullmatch(values[name][0]):
                raise _wrong(name, "is a number from 0 to 10 with at most 2 decimals")
            found.append((operator, Decimal(values[name][0])))
    return tuple(found)


def _wrong(name: str, reason: str) -> QueryError:
    return QueryError(f"{name}: {reason}", parameter=name)
