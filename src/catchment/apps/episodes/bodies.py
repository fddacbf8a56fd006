"""What OMDb answers, as records: the rules from its texts to typed values. Pure.

Every scalar is text there, and `N/A`, an empty text and an absent member all say the same: nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from catchment import Answered, DecodeError, Lookup, Partition, Record

__all__ = [
    "BELONGS",
    "Episode",
    "Hit",
    "SeasonEntry",
    "Series",
    "belonging",
    "episode",
    "episode_rows",
    "hit",
    "imdb_id",
    "impossible",
    "of_another_series",
    "raw_name",
    "season_entry",
    "season_rows",
    "series",
    "series_rows",
]

Row = Mapping[str, Any]


class Series(Record):
    """A television series. year_to: null while it runs."""

    imdb_id: str
    title: str
    year_from: int
    year_to: int | None
    total_seasons: int | None
    imdb_rating: Decimal | None
    imdb_votes: int | None
    plot: str | None
    poster: str | None
    genres: list[str]


class SeasonEntry(Record):
    """What a season's body says of one of its episodes."""

    imdb_id: str
    series_id: str
    season: int
    episode: int | None
    title: str
    released: date | None
    imdb_rating: Decimal | None


class Episode(Record):
    """An episode, as its own body says it. Where it belongs its season says if it does not."""

    imdb_id: str
    series_id: str | None
    season: int | None
    episode: int | None
    title: str
    placeholder_title: bool
    released: date | None
    year: int | None
    runtime_min: int | None
    rated: str | None
    genres: list[str]
    directors: list[str]
    writers: list[str]
    actors: list[str]
    plot: str | None
    languages: list[str]
    countries: list[str]
    awards: str | None
    poster: str | None
    metascore: int | None
    imdb_rating: Decimal | None
    imdb_votes: int | None


class Hit(Record):
    """A result of a search."""

    term: str
    imdb_id: str
    title: str
    year_from: int | None
    year_to: int | None
    kind: str | None
    poster: str | None


# -- rows -----------------------------------------------------------------------------------------------------------


def series_rows(body: Any, partition: Partition) -> Iterable[Row]:
    """The series itself. DecodeError for another one, and for what is none."""
    yield _asked(body, partition["series"], "series")


def season_rows(body: Any, partition: Partition) -> Iterable[Row]:
    """A row for each episode of the season. DecodeError for another season, and for what has no list of episodes."""
    said = _object(body).get("Season")
    if said not in (None, "N/A", partition["season"]):
        raise DecodeError(f"asked for season {partition['season']}, answered {said}", reason="season")
    if not isinstance(listed := body.get("Episodes"), list):
        raise DecodeError("a season has a list `Episodes`")
    yield from listed


def episode_rows(body: Any, partition: Partition) -> Iterable[Row]:
    """The episode itself. DecodeError for another one."""
    yield _asked(body, partition["id"], "episode")


def _object(body: Any) -> Row:
    if not isinstance(body, dict):
        raise DecodeError("the body is no object")
    return body


def _asked(body: Any, wanted: str, kind: str) -> Row:
    if _object(body).get("imdbID") != wanted:
        raise DecodeError(f"asked for {wanted}, answered {body.get('imdbID', 'nothing')}", reason="id")
    if (said := body.get("Type", kind)) != kind:
        raise DecodeError(f"{wanted} is a {said}, no {kind}", reason="type")
    found: Row = body
    return found


def series(row: Row, partition: Partition) -> Row:  # noqa: ARG001 (a feed's shape)
    """The fields of a series."""
    first, last = _years(row)
    return {
        "imdb_id": row["imdbID"],
        "title": row["Title"],
        "year_from": first,
        "year_to": last,
        "total_seasons": _integer(row, "totalSeasons"),
        "imdb_rating": _decimal(row, "imdbRating"),
        "imdb_votes": _integer(row, "imdbVotes"),
        "plot": _text(row, "Plot"),
        "poster": _text(row, "Poster"),
        "genres": _list(row, "Genre"),
    }


def season_entry(row: Row, partition: Partition) -> Row:
    """The fields of an episode as its season has it; series and season are those that were asked for."""
    return {
        "imdb_id": imdb_id(_named(row, "imdbID")),
        "series_id": partition["series"],
        "season": int(partition["season"]),
        "episode": _integer(row, "Episode"),
        "title": row["Title"],
        "released": _date(row, "Released"),
        "imdb_rating": _decimal(row, "imdbRating"),
    }


def episode(row: Row, partition: Partition) -> Row:  # noqa: ARG001 (a feed's shape)
    """The fields of an episode. Where it belongs is null where its body does not say it."""
    return {
        "imdb_id": row["imdbID"],
        "series_id": _text(row, "seriesID"),
        "season": _integer(row, "Season"),
        "episode": _integer(row, "Episode"),
        "title": row["Title"],
        "placeholder_title": re.fullmatch(r"Episode #[0-9]+\.[0-9]+", _named(row, "Title")) is not None,
        "released": _date(row, "Released"),
        "year": _years(row)[0],
        "runtime_min": _minutes(row, "Runtime"),
        "rated": _text(row, "Rated"),
        "genres": _list(row, "Genre"),
        "directors": _list(row, "Director"),
        "writers": _list(row, "Writer"),
        "actors": _list(row, "Actors"),
        "plot": _text(row, "Plot"),
        "languages": _list(row, "Language"),
        "countries": _list(row, "Country"),
        "awards": _text(row, "Awards"),
        "poster": _text(row, "Poster"),
        "metascore": _integer(row, "Metascore"),
        "imdb_rating": _decimal(row, "imdbRating"),
        "imdb_votes": _integer(row, "imdbVotes"),
    }


def hit(row: Row, partition: Partition) -> Row:
    """The fields of a search's result."""
    first, last = _years(row)
    return {
        "term": partition["term"],
        "imdb_id": imdb_id(_named(row, "imdbID")),
        "title": row["Title"],
        "year_from": first,
        "year_to": last,
        "kind": _text(row, "Type"),
        "poster": _text(row, "Poster"),
    }


def impossible(record: Any) -> str:
    """Why a record cannot be, "" when it can."""
    rating, votes = record.imdb_rating, record.imdb_votes if isinstance(record, Series | Episode) else None
    if rating is not None and not 0 <= rating <= 10:
        return "rating not 0 to 10"
    return "votes below 0" if votes is not None and votes < 0 else ""


def of_another_series(answer: Answered, lookup: Lookup) -> str:
    """Why a season's body is none of the series that was asked for, "" where it may be: it says a title, and no id."""
    wanted = lookup(answer.partition["series"])
    said = next(iter(answer.bodies())).get("Title")
    if wanted is None or said in (None, "", "N/A", wanted.title):
        return ""
    return f"asked for {wanted.title[:60]!r}, answered {str(said)[:60]!r}"


BELONGS = ("series_id", "season", "episode")


def belonging(record: Episode, lookup: Any, before: Episode | None) -> Episode:
    """The episode with its place in its series: as its body says it, else as it was known, else as its season says."""
    entry = lookup(record.imdb_id)
    known = [source for source in (record, before, entry) if source is not None]
    values = {name: [value for item in known if (value := getattr(item, name)) is not None] for name in BELONGS}
    return msgspec.structs.replace(record, **{name: found[0] for name, found in values.items() if found})


# -- texts ----------------------------------------------------------------------------------------------------------

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEARS = re.compile(r"([0-9]{4})(?:(?P<dash>[–-])([0-9]{4})?)?")  # noqa: RUF001 (the upstream's dash)


def imdb_id(text: str) -> str:
    """The id. ValueError if it is none."""
    if not re.fullmatch(r"tt[0-9]{7,10}", text):
        raise ValueError(f"{text[:40]!r} is no IMDb id: tt and 7 to 10 digits")
    return text


def _named(row: Row, name: str) -> str:
    """A text without which there is no record."""
    if not isinstance(value := row[name], str):
        raise ValueError(f"{name}: no text")
    return value


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: no text")
    return None if value in (None, "", "N/A") else value


def _integer(row: Row, name: str) -> int | None:
    """`2,370,839` and `9471` alike."""
    text = _text(row, name)
    if text is not None and not re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})*|[0-9]{1,18}", text):
        raise ValueError(f"{name}: {text[:40]!r} is no whole number")
    return None if text is None else int(text.replace(",", ""))


def _decimal(row: Row, name: str) -> Decimal | None:
    text = _text(row, name)
    if text is not None and not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,4})?", text):
        raise ValueError(f"{name}: {text[:40]!r} is no number")
    return None if text is None else Decimal(text)


def _date(row: Row, name: str) -> date | None:
    """`2011-04-17` and `17 Apr 2011` alike, in any locale."""
    text = _text(row, name)
    if text is None:
        return None
    if found := re.fullmatch(r"([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4})", text):
        if found[2] not in _MONTHS:
            raise ValueError(f"{name}: {found[2]} is no month")
        return date(int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]))
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(f"{name}: {text[:40]!r} is no date")
    return date.fromisoformat(text)


def _years(row: Row) -> tuple[int | None, int | None]:
    """First and last year: `2011–2019`, `2011–` (still running, so no last one), `2001` (the same)."""  # noqa: RUF002
    text = _text(row, "Year")
    if text is None:
        return None, None
    if not (found := _YEARS.fullmatch(text)):
        raise ValueError(f"Year: {text[:40]!r} is no span of years")
    last = found[3] if found["dash"] else found[1]
    return int(found[1]), int(last) if last else None


def _minutes(row: Row, name: str) -> int | None:
    """`62 min`, `1 h 2 min`."""
    text = _text(row, name)
    if text is None:
        return None
    found = re.fullmatch(r"(?:([0-9]{1,3}) h)? ?(?:([0-9,]{1,7}) min)?", text)
    if not found or not (found[1] or found[2]):
        raise ValueError(f"{name}: {text[:40]!r} is no time")
    return int(found[1] or 0) * 60 + int((found[2] or "0").replace(",", ""))


def _list(row: Row, name: str) -> list[str]:
    """The names between commas; a comma inside brackets belongs to its name."""
    text = _text(row, name) or ""
    return [part for part in (item.strip() for item in re.split(r",(?![^()]*\))", text)) if part]


def raw_name(feed: str, partition: Partition) -> str:
    """The file of a raw body, named as the original named it."""
    names = {"series": "titledata", "seasons": "seasondata-{season}", "episodes": "episodedata-{id}"}
    return names.get(feed, "").format_map(dict(partition.params))
