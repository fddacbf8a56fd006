"""The stand-in for OMDb: its sizes, its quirks and its switches."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from catchment.apps.episodes.standin import ERRORS, service
from catchment.apps.episodes.standin_world import SIZES, World
from catchment.clock import FakeClock
from catchment.standin import serve_in_thread

from .conftest import START, ask, options

GOT = "tt0944947"


@pytest.fixture
def small():
    clock = FakeClock(START)
    with serve_in_thread(service(options("small")), clock=clock) as running:
        yield running


def get(running, query: str, key: str = "k") -> dict:
    return ask(running.url, f"/?apikey={key}&{query}").json()


@pytest.mark.parametrize(
    ("size", "series", "episodes"), [("tiny", 1, 3), ("small", 1, 73), ("medium", 50, 3_750), ("large", 2_000, 150_000)]
)
def test_sizes_hold_what_they_say(size, series, episodes):
    assert (SIZES[size].series, SIZES[size].episodes) == (series, episodes)
    world = World(size, 1)
    last = list(world.series())[-1]
    rows = world.season(last, len(last.seasons))
    assert world.episode_of(rows[-1].id) == rows[-1]
    assert world.series_of(last.id) == last


def test_one_variant_is_always_the_same():
    def whole(variant):
        world = World("small", variant)
        return [world.season(series, number) for series in world.series() for number in range(1, 9)]

    assert whole(1) == whole(1)
    assert whole(1) != whole(2)


def test_every_scalar_is_text_in_the_upstreams_forms(small):
    series, season = get(small, f"i={GOT}"), get(small, f"i={GOT}&Season=1")
    episode = get(small, "i=tt1480055")
    for body in (series, season, episode, *season["Episodes"]):
        assert {type(value) for value in body.values()} <= {str, list}
    assert re.fullmatch(r"\d{4}–(\d{4})?", series["Year"])
    assert re.fullmatch(r"\d{1,3}(,\d{3})+", series["imdbVotes"])
    assert episode["imdbVotes"].isdigit()
    assert season["Episodes"][0]["Released"] == "2011-04-17"
    assert episode["Released"] == "17 Apr 2011"
    assert (episode["Response"], episode["seriesID"], episode["Season"]) == ("True", GOT, "1")


def test_ratings_have_the_spread_that_is_said(small):
    rows = [row for number in range(1, 9) for row in get(small, f"i={GOT}&Season={number}")["Episodes"]]
    said = [row.get("imdbRating") for row in rows]
    assert said.count("10.0") == 1
    assert said.count("8.8") >= 5
    assert said.count(None) == 1
    assert 4 <= said.count("N/A") <= 20
    assert all(5 <= float(text) <= 10 for text in said if text not in (None, "N/A"))
    assert sum(row["Title"].startswith("Episode #") for row in rows) == 1


@pytest.mark.parametrize("word", ERRORS)
def test_each_error_has_its_status_and_text(small, word):
    small.control.set(error=word, key_echo=True)
    answer = ask(small.url, f"/?apikey=canary&i={GOT}")
    status, text = ERRORS[word]
    assert (answer.status, answer.json()["Response"]) == (status, "False")
    assert answer.json()["Error"] == f"{text} Your key is canary."
    assert answer.header("Cache-Control") == "public, max-age=86400"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("i=tt0000001", "bad-id"),
        ("i=nonsense", "bad-id"),
        ("t=Nobody", "movie"),
        (f"i={GOT}&Season=9", "season"),
        (f"i={GOT}&Season=x", "season"),
        (f"i={GOT}&Season=1&Episode=22", "episode"),
        ("s=A", "too-many"),
        ("s=order&page=11", "movie"),
        ("s=order&page=0", "movie"),
    ],
)
def test_what_is_not_there_is_said_in_words(small, query, error):
    assert get(small, query) == {"Response": "False", "Error": ERRORS[error][1]}


def test_names_of_parameters_are_read_in_any_case(small):
    assert get(small, f"i={GOT}&season=2")["Season"] == "2"
    assert get(small, "t=game%20of%20thrones&SEASON=1&EPISODE=1")["imdbID"] == "tt1480055"


def test_keys_and_days_are_kept_apart(small):
    small.control.set(keys=["good", "other"], per_day=2)
    assert ask(small.url, f"/?i={GOT}").json()["Error"] == ERRORS["no-key"][1]
    assert ask(small.url, f"/?apikey=bad&i={GOT}").status == 401
    assert [ask(small.url, f"/?apikey=good&i={GOT}").status for _ in range(3)] == [200, 200, 401]
    assert ask(small.url, f"/?apikey=other&i={GOT}").status == 200
    small.control.advance(86400)
    assert ask(small.url, f"/?apikey=good&i={GOT}").status == 200


def test_a_cached_answer_is_repeated_for_a_day_whatever_it_says(small):
    small.control.set(cached=True, error="no-data", error_calls=1)
    first, second = (ask(small.url, f"/?apikey=k&i={GOT}") for _ in range(2))
    assert (first.header("CF-Cache-Status"), second.header("CF-Cache-Status")) == ("MISS", "HIT")
    assert first.json() == second.json() == {"Response": "False", "Error": ERRORS["no-data"][1]}
    small.control.advance(timedelta(days=1).total_seconds())
    assert get(small, f"i={GOT}")["Response"] == "True"


SWITCHED = [
    ({"lost_seasons": [1]}, f"i={GOT}&Season=1", lambda body: body.get("Error") == ERRORS["season"][1]),
    ({"lost_last": 3}, f"i={GOT}&Season=1", lambda body: len(body["Episodes"]) == 7),
    ({"vanished": ["tt1480055"]}, f"i={GOT}&Season=1", lambda body: len(body["Episodes"]) == 9),
    ({"vanished": ["tt1480055"]}, "i=tt1480055", lambda body: body.get("Error") == ERRORS["bad-id"][1]),
    ({"ratings": {"tt1480055": "1.1"}}, "i=tt1480055", lambda body: body["imdbRating"] == "1.1"),
    ({"ratings": {"tt1480055": "N/A"}}, "i=tt1480055", lambda body: body["Ratings"] == []),
    ({"ratings": {"tt1480055": "1.1"}, "ratings_from": 9}, "i=tt1480055", lambda body: body["imdbRating"] == "9.0"),
    ({"na_ids": True}, "i=tt1480055", lambda body: {body["seriesID"], body["Season"], body["Episode"]} == {"N/A"}),
    ({"total_seasons": "12"}, f"i={GOT}", lambda body: body["totalSeasons"] == "12"),
    ({"total_seasons": "absent"}, f"i={GOT}", lambda body: "totalSeasons" not in body),
    ({"wrong_id": "tt1"}, f"i={GOT}", lambda body: body["imdbID"] == "tt1"),
    ({"hits": 12}, "s=order&page=2", lambda body: (len(body["Search"]), body["totalResults"]) == (2, "12")),
    ({"error": "no-response"}, f"i={GOT}", lambda body: "Response" not in body),
]


@pytest.mark.parametrize(
    ("switches", "query", "holds"), SWITCHED, ids=[f"{switches} {query}" for switches, query, _ in SWITCHED]
)
def test_switches_do_what_they_say(small, switches, query, holds):
    before = get(small, query)
    assert not holds(before) or "ratings_from" in switches
    small.control.set(**switches)
    assert holds(get(small, query))


@pytest.mark.parametrize(("error", "status"), [("503", 503), ("522", 522), ("xml", 200)])
def test_pages_instead_of_json(small, error, status):
    small.control.set(error=error)
    answer = ask(small.url, f"/?apikey=k&i={GOT}")
    assert answer.status == status
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_recorded_answers_are_served_as_they_were(samples):
    clock = FakeClock(START)
    with serve_in_thread(service(options("small", samples=samples)), clock=clock) as running:
        assert get(running, f"i={GOT}")["imdbVotes"] == "1,203,942"
        assert get(running, "t=Psych&Season=3&Episode=10&type=episode")["imdbVotes"] == "918"
        assert get(running, "i=tt1189417")["imdbRating"] == "N/A"
        pages = [ask(running.url, f"/?apikey=k&s=order&page={page}") for page in range(1, 11)]
        assert [page.status for page in pages] == [200] * 9 + [401]
        assert {page.json()["totalResults"] for page in pages[:9]} == {"777"}
        assert get(running, "s=A")["Error"] == ERRORS["too-many"][1]
        later = get(running, f"i={GOT}&Season=1")["Episodes"]
        running.control.set(capture="earlier")
        earlier = get(running, f"i={GOT}&Season=1")["Episodes"]
        assert [one["Episode"] for one, two in zip(earlier, later, strict=True) if one != two] == ["3", "4", "6", "10"]
        running.control.set(capture="none")
        assert get(running, f"i={GOT}")["imdbVotes"] == "2,370,839"
