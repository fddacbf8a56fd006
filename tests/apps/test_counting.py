"""Feeds chained by stored rows: counted up to a number or to the end, and asked again when their row is another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from collecting import Collecting, by_partition
from shows import APP, DAY, NOW, collecting_shows

from catchment.collect import Collector
from catchment.runs import Scope
from catchment.settings import load_settings
from catchment.store.store import Store


def asked(shows: Collecting, path: str, name: str, since: int = 0) -> list[str]:
    """The values that requests for a path had, in the order of their names."""
    return sorted(entry["query"][name] for entry in shows.asked(path)[since:])


def test_without_a_number_seasons_are_asked_for_until_there_is_none_in_one_run(tmp_path):
    with collecting_shows(tmp_path) as shows:
        summary = shows.run()
        assert summary.complete
        assert asked(shows, "/season", "season") == ["1", "2", "3", "4"]
        assert {key: result.reason for key, result in by_partition(summary, "shows/seasons").items()} == {
            "show=lost,season=1": "",
            "show=lost,season=2": "",
            "show=lost,season=3": "",
            "show=lost,season=4": "no more",
        }
        assert shows.number("SELECT count(*) FROM shows_seasons") == 6
        assert asked(shows, "/episode", "id") == ["1-1", "1-2", "2-1", "2-2", "3-1", "3-2"]


def test_the_end_is_asked_for_again_in_the_next_round_and_only_then(tmp_path):
    with collecting_shows(tmp_path) as shows:
        shows.run()
        assert shows.run().complete
        assert len(shows.asked("/season")) == 4  # nothing is due yet
        shows.control.set(seasons=4)
        shows.clock.advance(DAY)
        assert shows.run().complete
        assert asked(shows, "/season", "season", since=4) == ["1", "2", "3", "4", "5"]
        assert shows.number("SELECT count(*) FROM shows_seasons") == 8


def test_counting_ends_at_the_most(tmp_path):
    with collecting_shows(tmp_path, seasons=100) as shows:
        assert shows.run().complete
        assert asked(shows, "/season", "season") == ["1", "2", "3", "4", "5"]


def test_a_season_that_was_told_and_is_not_there_is_a_gap(tmp_path):
    with collecting_shows(tmp_path, told=3, seasons=2) as shows:
        summary = shows.run()
        assert not summary.complete
        assert by_partition(summary, "shows/seasons")["show=lost,season=3"].verdict == "pending"
        assert asked(shows, "/season", "season") == ["1", "2", "3"]


def test_a_season_that_was_there_and_is_not_any_more_is_a_gap_and_keeps_its_episodes(tmp_path):
    with collecting_shows(tmp_path) as shows:
        shows.run()
        shows.control.set(seasons=2)
        shows.clock.advance(DAY)
        summary = shows.run()
        assert not summary.complete
        assert by_partition(summary, "shows/seasons")["show=lost,season=3"].verdict == "pending"
        assert shows.number("SELECT count(*) FROM shows_seasons WHERE season = 3") == 2


def test_a_probe_that_fails_is_no_end(tmp_path):
    with collecting_shows(tmp_path) as shows:
        shows.control.faults({"path": "/season", "query": {"season": "2"}, "fault": "status", "status": 500})
        summary = shows.run()
        assert not summary.complete
        assert set(asked(shows, "/season", "season")) == {"1", "2"}
        shows.control.faults()
        assert shows.run().complete
        assert shows.number("SELECT count(*) FROM shows_seasons") == 6


def test_an_episode_is_asked_for_again_when_its_row_changed_and_no_other(tmp_path):
    with collecting_shows(tmp_path) as shows:
        shows.run()
        shows.control.set(rating="9.9")
        shows.clock.advance(7 * DAY)
        assert shows.run().complete
        assert asked(shows, "/episode", "id", since=6) == ["1-1"]
        shows.clock.advance(7 * DAY)
        assert shows.run().complete
        assert len(shows.asked("/episode")) == 7


def test_an_episode_is_asked_for_again_at_its_age_and_new_ones_at_once(tmp_path):
    with collecting_shows(tmp_path) as shows:
        shows.run()
        per_day: dict[int, int] = {}
        for day in range(1, 37):
            if day == 20:
                shows.control.set(seasons=4)
            shows.clock.advance(NOW + day * DAY - shows.clock.now())
            before = len(shows.asked("/episode"))
            shows.run()
            per_day |= {day: count} if (count := len(shows.asked("/episode")) - before) else {}
        assert per_day.pop(20) == 2
        assert sum(per_day.values()) == 6
        assert min(per_day) >= 28
        assert max(per_day) <= 36
        assert len(per_day) > 1


def test_a_row_that_changed_while_its_partition_is_asked_is_seen_the_next_time(tmp_path):
    """The stamp that is noted is that of the row with which the request was planned."""
    with collecting_shows(tmp_path) as shows:
        shows.run()
        shows.control.set(rating="9.9")
        shows.clock.advance(7 * DAY)
        assert shows.run(feeds=["shows", "seasons"]).complete
        assert shows.number("SELECT count(DISTINCT stamp) FROM _partition WHERE feed = 'shows/episodes'") == 6
        assert shows.run(feeds=["episodes"]).complete
        assert asked(shows, "/episode", "id", since=6) == ["1-1"]


@pytest.mark.parametrize("told", [None, 3])
def test_what_is_planned_costs_no_request(tmp_path, told: int | None):
    with collecting_shows(tmp_path, told=told) as shows:
        shows.run()
        shows.clock.advance(DAY)
        before = len(shows.control.log())
        assert asyncio.run(due_of(shows)) == {"shows": 1, "seasons": 3 if told else 4, "episodes": 0}
        assert len(shows.control.log()) == before


async def due_of(shows: Collecting) -> Mapping[str, int]:
    settings = load_settings(shows.environment, folder=shows.folder, environ={})
    with Store(settings, [APP]) as store:
        async with Collector(APP, store, settings, shows.clock) as collector:
            return {feed.name: len((await collector.plan(feed, Scope())).due) for feed in APP.feeds}
