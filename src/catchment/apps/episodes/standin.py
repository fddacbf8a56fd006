"""A stand-in for `https://www.omdbapi.com`: series, seasons, episodes and searches, generated or recorded.

One path, `/`, as the upstream has; every scalar is text, `N/A` is absent, and most errors answer 200. Left out:
`callback`, and films.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import available_timezones

from catchment.standin import Answer, Daily, Fault, Meter, Options, Request

from .standin_recorded import NEEDED, Recorded
from .standin_world import Episode, Series, World

__all__ = ["Omdb", "Switches", "service"]

NA = "N/A"
KEPT = timedelta(days=1)
PAGE = 10
MOST_PAGES = 100

Json = dict[str, Any]

# Class of error -> status and text. Source: apps/episodes.md, section 2.
ERRORS: Mapping[str, tuple[int, str]] = {
    "movie": (200, "Movie not found!"),
    "series": (200, "Series not found!"),
    "episode": (200, "Series or episode not found!"),
    "season": (200, "Series or season not found!"),
    "bad-id": (200, "Incorrect IMDb ID."),
    "too-many": (200, "Too many results."),
    "no-data": (200, "Error getting data."),
    "unheard-of": (200, "We are closed for the holidays."),
    "bad-key": (401, "Invalid API key!"),
    "no-key": (401, "No API key provided."),
    "limit": (401, "Request limit reached!"),
}
Said = Literal[
    "none", "movie", "series", "episode", "season", "bad-id", "too-many", "no-data", "unheard-of", "bad-key", "no-key",
    "limit", "503", "522", "xml", "no-response", "truncated", "slow", "hang",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be turned while it runs.

    keys: those that are let in; none: every one. per_day: calls allowed to a key on a day of `day_zone`, 0 for any
    number. error: what calls answer, all or only the first `error_calls` after the switches were turned last, and,
    where `error_for` is set, those alone that ask for this id. cached: answers, whatever they say, are repeated for a
    day. lost_seasons: not found. lost_last: of each season so many episodes are left out. vanished: ids that no season
    has, and nobody finds. ratings: id -> what is said from the `ratings_from`-th request on. na_ids: episodes do not
    say where they belong. total_seasons: what series and seasons say, "absent" for nothing. wrong_id: the id that is
    answered whatever was asked; seasons are then of another series. hits: how many results a search has.
    """

    keys: tuple[str, ...] = ()
    per_day: int = 0
    day_zone: str = "UTC"
    key_echo: bool = False
    error: Said = "none"
    error_calls: int = 0
    error_for: str = ""
    cached: bool = False
    capture: Literal["later", "earlier", "none"] = "later"
    lost_seasons: tuple[int, ...] = ()
    lost_last: int = 0
    vanished: tuple[str, ...] = ()
    ratings: Mapping[str, str] = field(default_factory=dict)
    ratings_from: int = 0
    na_ids: bool = False
    total_seasons: str = ""
    wrong_id: str = ""
    hits: int = 95

    def __post_init__(self) -> None:
        if self.day_zone not in available_timezones():
            raise ValueError(f"day_zone: {self.day_zone} is no zone")


def service(options: Options) -> Omdb:
    """The episodes stand-in of this size and variant."""
    return Omdb(options)


class Omdb:
    """The upstream as talk. Its state: the calls of each key, how often the switched error was said, its cache."""

    name = "episodes"

    def __init__(self, options: Options) -> None:
        self._world = World(options.size, options.variant)
        folder = options.recorded("omdb", *NEEDED)
        self._recorded = Recorded.load(folder) if folder else None
        self._meter = Meter()
        self._turned, self._errors = Switches(), 0
        self._kept: dict[str, tuple[datetime, Answer]] = {}

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        self._meter.clear()
        self._kept.clear()
        self._errors = 0

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path != "/":
            return Answer(404, b"<h1>Not Found</h1>", (("Content-Type", "text/html"),))
        at, kept = self._kept.get(request.target, (request.at, None))
        if switches.cached and kept is not None and request.at - at < KEPT:
            return cached(kept, "HIT", request.at - at)
        found = cached(self._fresh(request, switches), "MISS", timedelta(0))
        if switches.cached:
            self._kept[request.target] = (request.at, found)
        return found

    def _fresh(self, request: Request, switches: Switches) -> Answer:
        key = request.query.get("apikey", "")
        if not key:
            return refused("no-key", request, switches)
        if switches.keys and key not in switches.keys:
            return refused("bad-key", request, switches)
        if switches.per_day and self._meter.refusal(key, request.at, Daily(switches.per_day, switches.day_zone)):
            return refused("limit", request, switches)
        query = {name.lower(): value for name, value in request.query.items()}
        if switches is not self._turned:
            self._turned, self._errors = switches, 0
        told = switches.error
        due = not switches.error_calls or self._errors < switches.error_calls
        if told != "none" and due and switches.error_for in ("", query.get("i")):
            self._errors += 1
            return self._told(told, request, query, switches)
        return self._found(request, query, switches)

    def _told(self, told: Said, request: Request, query: Mapping[str, str], switches: Switches) -> Answer:
        """The answer of the switch `error`."""
        if told in ERRORS:
            return refused(told, request, switches)
        if told in ("503", "522"):
            page = b"<!DOCTYPE html><html><head><title>omdbapi.com | Connection timed out</title></head></html>"
            return Answer(int(told), page, (("Content-Type", "text/html; charset=UTF-8"),))
        if told == "xml":
            text = b'<?xml version="1.0" encoding="UTF-8"?><root response="True"></root>'
            return Answer(200, text, (("Content-Type", "text/xml; charset=utf-8"),))
        if told == "no-response":
            return Answer.json({"imdbID": query.get("i", ""), "Title": "Untold"})
        whole = self._found(request, query, switches)
        return replace(whole, fault=Fault({"truncated": "truncate", "slow": "drip"}.get(told, told)))

    def _found(self, request: Request, query: Mapping[str, str], switches: Switches) -> Answer:
        if self._recorded is not None and switches.capture != "none":
            said = self._recorded.said(query, switches.capture)
            if said is not None:
                return Answer(said.status, said.body, (("Content-Type", "application/json; charset=utf-8"),))
        found = self._search(query, switches) if "s" in query else self._title(query, switches)
        if isinstance(found, str):
            return refused(found, request, switches)
        if switches.wrong_id:  # a season has no id: only its title says whose it is
            found |= {"imdbID": switches.wrong_id} if "imdbID" in found else {"Title": f"Not {query.get('i')}"}
        if request.number >= switches.ratings_from:
            rerated(found, switches.ratings)
        return Answer.json(found | {"Response": "True"})

    def _title(self, query: Mapping[str, str], switches: Switches) -> Json | str:
        """The body about an id or a title, or the class of error that it earns."""
        key = query.get("i", "")
        series = self._world.series_of(key) if key else self._world.titled(query.get("t", ""))
        if "season" in query:
            return self._season(series, query, switches)
        if series is not None:
            return series_body(series) | said_seasons(series, switches)
        episode = self._world.episode_of(key)
        if episode is None or episode.id in switches.vanished:
            return "bad-id" if key else "movie"
        return episode_body(episode, bare=switches.na_ids)

    def _season(self, series: Series | None, query: Mapping[str, str], switches: Switches) -> Json | str:
        season = int(query["season"]) if query["season"].isascii() and query["season"].isdigit() else 0
        lost = season in switches.lost_seasons
        episodes = self._world.season(series, season) if series is not None and not lost else []
        if "episode" in query:
            found = next((item for item in episodes if str(item.number) == query["episode"]), None)
            return episode_body(found, bare=switches.na_ids) if found else "episode"
        if series is None or not episodes:
            return "season"
        kept = episodes[: len(episodes) - switches.lost_last]
        rows = [season_row(item) for item in kept if item.id not in switches.vanished]
        return {"Title": series.title, "Season": str(season)} | said_seasons(series, switches) | {"Episodes": rows}

    def _search(self, query: Mapping[str, str], switches: Switches) -> Json | str:
        """A page of made-up results: of every term as many, in the same order."""
        term, text = query["s"], query.get("page", "1")
        if len(term.strip()) < 3:
            return "too-many"
        page = int(text) if text.isascii() and text.isdigit() else 0
        places = range((page - 1) * PAGE, min(page * PAGE, switches.hits))
        if not 1 <= page <= MOST_PAGES or not places:
            return "movie"
        return {"Search": [search_row(term, place) for place in places], "totalResults": str(switches.hits)}


# -- bodies ---------------------------------------------------------------------------------------------------------


def cached(answer: Answer, hit: str, age: timedelta) -> Answer:
    """The answer as the cache before the upstream hands it on: all of them for a day, whatever they say."""
    headers = (
        ("Cache-Control", "public, max-age=86400"),
        ("CF-Cache-Status", hit),
        ("Age", str(int(age.total_seconds()))),
    )
    return replace(answer, headers=(*(pair for pair in answer.headers if pair[0] not in dict(headers)), *headers))


def refused(word: str, request: Request, switches: Switches) -> Answer:
    """An error as this upstream says it."""
    status, text = ERRORS[word]
    if switches.key_echo:
        text = f"{text} Your key is {request.query.get('apikey', '')}."
    return Answer.json({"Response": "False", "Error": text}, status)


def said_seasons(series: Series, switches: Switches) -> Json:
    """How many seasons there are, as it is said."""
    if switches.total_seasons == "absent":
        return {}
    return {"totalSeasons": switches.total_seasons or str(len(series.seasons))}


def season_row(episode: Episode) -> Json:
    row = {
        "Title": episode.title,
        "Released": episode.released.isoformat(),
        "Episode": str(episode.number),
        "imdbRating": episode.rating or NA,
        "imdbID": episode.id,
    }
    return {name: value for name, value in row.items() if not (episode.keyless and name == "imdbRating")}


def episode_body(episode: Episode, *, bare: bool) -> Json:
    """bare: it does not say where it belongs."""
    series = episode.series
    return {
        "Title": episode.title,
        "Year": str(episode.released.year),
        "Rated": "TV-MA",
        "Released": f"{episode.released:%d %b %Y}",
        "Season": NA if bare else str(episode.season),
        "Episode": NA if bare else str(episode.number),
        "Runtime": f"{episode.runtime_min} min",
        "Genre": ", ".join(series.genres),
        "Director": episode.director,
        "Writer": ", ".join(episode.writers),
        "Actors": ", ".join(episode.actors),
        "Plot": f"What happens in {episode.title}, of {series.title}.",
        "Language": "English",
        "Country": "USA, UK",
        "Awards": NA,
        "Poster": f"https://m.media-amazon.com/images/{episode.id}.jpg",
        **ratings(episode.rating),
        "Metascore": NA,
        "imdbRating": episode.rating or NA,
        "imdbVotes": str(episode.votes),
        "imdbID": episode.id,
        "seriesID": NA if bare else series.id,
        "Type": "episode",
    }


def series_body(series: Series) -> Json:
    return {
        "Title": series.title,
        "Year": series.years,
        "Rated": "TV-MA",
        "Released": f"17 Apr {series.year}",
        "Runtime": "57 min",
        "Genre": ", ".join(series.genres),
        "Director": NA,
        "Writer": "David Benioff, D.B. Weiss",
        "Actors": "Emilia Clarke, Peter Dinklage",
        "Plot": f"All of {series.title}.",
        "Language": "English",
        "Country": "USA, UK",
        "Awards": NA,
        "Poster": f"https://m.media-amazon.com/images/{series.id}.jpg",
        **ratings(series.rating),
        "Metascore": NA,
        "imdbRating": series.rating,
        "imdbVotes": f"{series.votes:,}",
        "imdbID": series.id,
        "Type": "series",
    }


def ratings(rating: str) -> Json:
    return {"Ratings": [{"Source": "Internet Movie Database", "Value": f"{rating}/10"}] if rating else []}


def rerated(body: Json, said: Mapping[str, str]) -> None:
    """Puts the switched ratings into a body, of whatever kind it is."""
    for item in (body, *body.get("Episodes", ())):
        if item.get("imdbID") in said:
            rating = item["imdbRating"] = said[item["imdbID"]]
            if "Ratings" in item:
                item.update(ratings("" if rating == NA else rating))


def search_row(term: str, place: int) -> Json:
    kind = ("movie", "series", "episode")[place % 3]
    return {
        "Title": f"{term} {place + 1}",
        "Year": f"{1990 + place % 30}–" if kind == "series" else str(1990 + place % 30),  # noqa: RUF001
        "imdbID": f"tt{8_000_000 + place}",
        "Type": kind,
        "Poster": NA,
    }
