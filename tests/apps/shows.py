"""A small upstream of shows, their seasons and episodes, and the feeds that are chained by its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collecting import Collecting

from catchment import (
    RETIRE,
    App,
    Budget,
    Cron,
    Feed,
    Get,
    Meaning,
    Record,
    Setting,
    Upstream,
    changed,
    counted,
    each,
    older_than,
    read_http,
    rows_of,
)
from catchment.clock import FakeClock
from catchment.standin import Answer, Request, serve_in_thread

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Show(Record):
    id: str
    seasons: int | None


class Entry(Record):
    id: str
    season: int
    rating: str


class Episode(Record):
    id: str


def read_season(answer, partition):
    return Meaning.pending("no such season") if answer.status == 404 else read_http(answer, partition)


def read_episode(answer, partition):
    """What is wrong with the upstream's own data passes more slowly; what it has removed never comes back."""
    if answer.status == 410:
        return Meaning.refused("removed", forever=True)
    if b"no data" in answer.body:
        return Meaning.transient("upstream-data", tries=3, park=timedelta(hours=24))
    return read_http(answer, partition)


shows_api = Upstream(
    "shows",
    "https://shows.example",
    budget=Budget("1000/day", zone=Setting("SHOWS_ZONE", "UTC")),
    tries=(1, 2, 4, 8),
    longest_wait=timedelta(minutes=10),
)
shows = Feed(
    "shows",
    Show,
    shows_api,
    request=Get("/show", id="{id}"),
    partitions=each(id="lost"),
    key=("id",),
    schedule=Cron(Setting("SHOWS_SCHEDULE", "0 3 * * *")),
)
seasons = Feed(
    "seasons",
    Entry,
    shows_api,
    request=Get("/season", show="{show}", season="{season}"),
    partitions=counted(rows_of(shows, show="id"), season="seasons", most=5),
    read=read_season,
    shape=lambda row, partition: {**row, "season": int(partition["season"])},
    key=("id",),
    missing=RETIRE,
)
episodes = Feed(
    "episodes",
    Episode,
    shows_api,
    request=Get("/episode", id="{id}"),
    partitions=rows_of(seasons, id="id"),
    read=read_episode,
    key=("id",),
    due=changed() | older_than(days=(28, 35)),
)
APP = App("shows", feeds=[shows, seasons, episodes])


@dataclass(frozen=True)
class Switches:
    """told: the number that the show says. seasons: how many there are. rating: of the first episode of all."""

    told: int | None = None
    seasons: int = 3
    rating: str = "8.0"


class Shows:
    """One show; each season has two episodes."""

    name = "shows"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path == "/show":
            return Answer.json([{"id": "lost", "seasons": switches.told}])
        if request.path == "/episode":
            return Answer.json([{"id": request.query["id"]}])
        season = int(request.query["season"])
        if season > switches.seasons:
            return Answer(404)
        first = {"id": f"{season}-1", "rating": switches.rating if season == 1 else "7.0"}
        return Answer.json([first, {"id": f"{season}-2", "rating": "7.5"}])


@contextmanager
def collecting_shows(folder, *, values: dict[str, str] | None = None, **switches: object) -> Iterator[Collecting]:
    clock = FakeClock(NOW)
    with serve_in_thread(Shows(), clock=clock, switches=switches) as running:
        yield Collecting(APP, folder, running.url, running.control, clock, dict(values or {}))
