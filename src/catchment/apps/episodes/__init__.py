"""episodes: the episodes of chosen television series, with the history of their ratings and what people say of them.

Three feeds, each by the rows of the one before: a series says how many seasons it has, a season names its episodes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from catchment import (
    RETIRE,
    App,
    Budget,
    Compared,
    Cron,
    Derived,
    Feed,
    Get,
    Link,
    QueryKey,
    RawFiles,
    Resource,
    Secret,
    Setting,
    Upstream,
    by_page,
    changed,
    counted,
    each,
    items,
    older_than,
    rows_of,
)

from . import bodies
from .comments import MAX_BODY, OPEN, Comment, check_comment, may_comment
from .meanings import read_answer

__all__ = ["app", "comments", "episodes", "search", "seasons", "series"]


def routes() -> Any:
    from .routes import ROUTES

    return ROUTES


def stand_in(options: Any) -> Any:
    from .standin import service

    return service(options)


def demo(size: str) -> dict[str, str]:  # noqa: ARG001 (an app's shape)
    """What a client of the stand-in sets: a key, its series, and comments by anybody, as the original had it."""
    return {"OMDB_API_KEY": "stand-in", "OMDB_SERIES": "tt0944947", "EPISODES_OPEN_COMMENTS": "true"}


omdb = Upstream(
    "omdb",
    "https://www.omdbapi.com",
    auth=QueryKey("apikey", Secret("OMDB_API_KEY")),
    budget=Budget("5/second", "1000/day", zone=Setting("OMDB_QUOTA_ZONE", "UTC"), concurrency=2),
    read=read_answer,
    tries=(1, 2, 4, 8, 16),
)

weekly = partial(Feed, upstream=omdb, schedule=Cron(Setting("OMDB_SCHEDULE", "0 3 * * 1")), public=True)

series = weekly(
    "series",
    bodies.Series,
    request=Get("/", i="{series}"),
    partitions=each(bodies.imdb_id, series=Setting("OMDB_SERIES", "tt0944947")),
    rows=bodies.series_rows,
    shape=bodies.series,
    key=("imdb_id",),
    refuse=bodies.impossible,
    search=("title", "plot"),
)

seasons = weekly(
    "seasons",
    bodies.SeasonEntry,
    request=Get("/", i="{series}", Season="{season}"),
    partitions=counted(rows_of(series, series="imdb_id"), season="total_seasons", most=50),
    rows=bodies.season_rows,
    shape=bodies.season_entry,
    guard=Compared(series, bodies.of_another_series),
    key=("imdb_id",),
    refuse=bodies.impossible,
    missing=RETIRE,
    sort=("series_id", "season", "episode"),
)

episodes = weekly(
    "episodes",
    bodies.Episode,
    request=Get("/", i="{id}"),
    partitions=rows_of(seasons, id="imdb_id"),
    due=changed() | older_than(days=(28, 35)),
    rows=bodies.episode_rows,
    shape=bodies.episode,
    derived=Derived(seasons, bodies.belonging, fields=bodies.BELONGS),
    key=("imdb_id",),
    refuse=bodies.impossible,
    sort=("series_id", "season", "episode"),
    search=("title", "plot"),
)

search = weekly(
    "search",
    bodies.Hit,
    request=Get("/", s="{term}"),
    partitions=each(str.strip, term=Setting("OMDB_SEARCH", "")),
    pages=by_page("page", total="totalResults", most=100),
    rows=items("Search"),
    shape=bodies.hit,
    key=("term", "imdb_id"),
)

comments = Resource(
    "comments",
    Comment,
    about=Link(episodes, "episode"),
    owner="owner",
    check=check_comment,
    may=may_comment,
    moderates=("delete",),
    retracts=True,
    max_body=MAX_BODY,
    sort=("created_at",),
    indexes=[("episode", "created_at")],
    public=True,
    example={"episode": "tt1480055", "text": "The best first episode of all."},
)

app = App(
    "episodes",
    feeds=[series, seasons, episodes, search],
    resources=[comments],
    routes=routes,
    standin=stand_in,
    settings=[OPEN, Setting("DATA_DIR", "data")],
    raw=RawFiles(bodies.raw_name, whole="alldata"),
    demo=demo,
    example="/episodes?gt_imdb_rating=8.8",
)
