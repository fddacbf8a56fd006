"""What an answer asks for: a number of tries of its own, a long rest, never again; and what is set in declarations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from collecting import by_partition
from shows import collecting_shows

from catchment.clock import parse_moment
from catchment.errors import UsageError

EPISODE = "id=1-1"
HOUR = timedelta(hours=1)


def broken(**fault: object) -> dict[str, object]:
    """Something is wrong with one episode."""
    return {"path": "/episode", "query": {"id": "1-1"}, "fault": "status", **fault}


def test_bad_data_of_the_upstream_is_tried_thrice_and_then_left_alone_for_a_day(tmp_path):
    with collecting_shows(tmp_path, told=1) as shows:
        shows.control.faults(broken(status=200, body='{"error": "no data"}'))
        result = by_partition(shows.run(), "shows/episodes")[EPISODE]
        assert (result.verdict, result.reason) == ("failed", "upstream-data")
        assert result.until == parse_moment(shows.sql("SELECT retry_at FROM _partition WHERE key = ?", EPISODE)[0][0])
        asked = len(shows.asked("/episode"))
        assert asked == 3 + 1
        shows.control.faults()
        shows.clock.advance(result.until - shows.clock.now() - HOUR)
        assert not shows.run().complete  # also where a person asks
        assert len(shows.asked("/episode")) == asked
        shows.clock.advance(HOUR)
        assert shows.run().complete
        assert len(shows.asked("/episode")) == asked + 1


def test_what_rests_is_asked_for_by_naming_it(tmp_path):
    with collecting_shows(tmp_path, told=1) as shows:
        shows.control.faults(broken(status=200, body='{"error": "no data"}'))
        shows.run()
        shows.control.faults()
        assert shows.run(feeds=["episodes"], only={"id": ["1-1"]}).complete


def test_what_is_refused_forever_is_asked_for_once(tmp_path):
    with collecting_shows(tmp_path, told=1) as shows:
        shows.control.faults(broken(status=410))
        assert by_partition(shows.run(), "shows/episodes")[EPISODE].verdict == "refused"
        shows.clock.advance(timedelta(days=400))
        assert by_partition(shows.run(), "shows/episodes")[EPISODE].reason == "removed"
        shows.run(feeds=["episodes"], only={"id": ["1-1"]})
        assert [entry["query"]["id"] for entry in shows.asked("/episode")].count("1-1") == 1


@pytest.mark.parametrize(("seconds", "requests"), [(600, 2), (601, 1)], ids=["the longest", "longer"])
def test_a_longer_wait_than_the_upstream_is_allowed_ends_the_attempt(tmp_path, seconds, requests):
    with collecting_shows(tmp_path, told=1) as shows:
        shows.control.faults(broken(status=503, retry_after=str(seconds), call=1))
        result = by_partition(shows.run(), "shows/episodes")[EPISODE]
        assert [entry["query"]["id"] for entry in shows.asked("/episode")].count("1-1") == requests
        assert result.verdict == ("complete" if requests == 2 else "failed")


WRONG = {
    "schedule": ({"SHOWS_SCHEDULE": "at noon"}, "SHOWS_SCHEDULE=at noon is no schedule"),
    "zone": ({"SHOWS_ZONE": "Mars/Olympus"}, "SHOWS_ZONE: Mars/Olympus is no time zone"),
    "budget": ({"SHOWS_BUDGET": "some/day"}, "SHOWS_BUDGET: .*'some/day' is no window"),
}


@pytest.mark.parametrize(("values", "said"), WRONG.values(), ids=WRONG)
def test_a_setting_that_cannot_be_is_said_before_anything_is_asked(tmp_path, values, said):
    with collecting_shows(tmp_path, values=values) as shows:
        with pytest.raises(UsageError, match=said):
            shows.run()
        assert shows.control.log() == []


def test_a_schedule_that_is_set_holds(tmp_path):
    with collecting_shows(tmp_path, values={"SHOWS_SCHEDULE": "0 3 * * mon"}) as shows:
        days = []
        for day in range(15):  # from a Monday, 03:00
            before = len(shows.asked("/show"))
            shows.run()
            days += [day] * (len(shows.asked("/show")) - before)
            shows.clock.advance(timedelta(days=1))
        assert days == [0, 7, 14]


def test_the_day_of_a_budget_turns_where_it_is_set(tmp_path):
    """03:00 UTC is the evening before in New York: the day that is counted there is not over at midnight UTC."""
    with collecting_shows(tmp_path, values={"SHOWS_ZONE": "America/New_York"}) as shows:
        shows.run()
        assert shows.sql("SELECT period FROM _budget WHERE name = 'day'") == [("2026-03-01",)]
