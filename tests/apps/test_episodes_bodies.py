"""The rules from the upstream's texts to typed values."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from catchment.app import load_app
from catchment.apps.episodes import app
from catchment.decode import Entry, decode, model_digest
from catchment.errors import DecodeError
from catchment.exchange import Answer
from catchment.partitions import Partition

pytestmark = pytest.mark.storeless

FEEDS = {feed.name: feed for feed in app.feeds}
EPISODE = {"imdbID": "tt1480055", "seriesID": "tt0944947", "Title": "x", "Type": "episode", "Response": "True"}
AT = datetime(2024, 1, 1, tzinfo=UTC)


def read(feed: str, body, **params: str):
    """What each row of a body became: the record's fields, or the reason why it is none."""
    partition = Partition(tuple(params.items()))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    rows = decode(FEEDS[feed], partition, raw, known={}, model=model_digest(FEEDS[feed]))
    return [json.loads("{" + row.doc) if isinstance(row, Entry) else row.reason for row in rows]


def episode(**members):
    (found,) = read("episodes", EPISODE | members, id="tt1480055")
    return found


def season(*rows, number: str = "1"):
    return read("seasons", {"Season": number, "Episodes": rows}, series="tt0944947", season=number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17 Apr 2011", "2011-04-17"),
        ("2011-04-17", "2011-04-17"),
        ("7 Dec 1999", "1999-12-07"),
        ("N/A", None),
        ("", None),
    ],
)
def test_both_forms_of_a_date_are_one(text, expected):
    """Acceptance 4."""
    assert episode(Released=text)["released"] == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("2,370,839", 2370839), ("9471", 9471), ("0", 0), ("N/A", None), ("", None)]
)
def test_votes_are_whole_numbers(text, expected):
    """Acceptance 4."""
    assert episode(imdbVotes=text)["imdb_votes"] == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [({"imdbRating": "9.0"}, "9.0"), ({"imdbRating": "10.0"}, "10.0"), ({"imdbRating": "N/A"}, None), ({}, None)],
)
def test_a_rating_that_is_not_there_is_null(members, expected):
    """Acceptance 3: by its word, or by its absence."""
    assert episode(**members)["imdb_rating"] == expected
    row = {"imdbID": "tt1480055", "Title": "x", "Episode": "1", "Released": "2011-04-17", **members}
    assert season(row)[0]["imdb_rating"] == expected


@pytest.mark.parametrize(
    ("text", "years"),
    [("2011–2019", (2011, 2019)), ("2011–", (2011, None)), ("2001", (2001, 2001)), ("2011-2019", (2011, 2019))],
)
def test_years_of_a_series(text, years):
    body = {"imdbID": "tt0944947", "Title": "x", "Year": text, "Type": "series"}
    (found,) = read("series", body, series="tt0944947")
    assert (found["year_from"], found["year_to"]) == years
    assert (found["genres"], found["total_seasons"], found["imdb_votes"]) == ([], None, None)


@pytest.mark.parametrize(
    ("title", "expected"),
    [("Episode #3.4", True), ("Episode #12.10", True), ("Winter Is Coming", False), ("Episode #3.4 of many", False)],
)
def test_made_up_titles_are_known(title, expected):
    assert episode(Title=title)["placeholder_title"] is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Drama, Fantasy", ["Drama", "Fantasy"]),
        ("N/A", []),
        ('George (based on "Ice, Fire" by), D.B. Weiss', ['George (based on "Ice, Fire" by)', "D.B. Weiss"]),
        ("Dulé Hill", ["Dulé Hill"]),
    ],
)
def test_names_stand_between_commas(text, expected):
    assert episode(Writer=text)["writers"] == expected


@pytest.mark.parametrize(("text", "expected"), [("62 min", 62), ("1 h 2 min", 62), ("1 h", 60), ("N/A", None)])
def test_minutes(text, expected):
    assert episode(Runtime=text)["runtime_min"] == expected


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"imdbRating": "11.0"}, "rating not 0 to 10"),
        ({"imdbRating": "nine"}, "imdbRating: 'nine' is no number"),
        ({"imdbVotes": "1,2"}, "imdbVotes: '1,2' is no whole number"),
        ({"imdbVotes": "-1"}, "imdbVotes: '-1' is no whole number"),
        ({"Released": "17 Foo 2011"}, "Released: Foo is no month"),
        ({"Released": "31 Feb 2011"}, "day is out of range for month"),
        ({"Released": "04/17/2011"}, "Released: '04/17/2011' is no date"),
        ({"Runtime": "long"}, "Runtime: 'long' is no time"),
        ({"Metascore": 7}, "Metascore: no text"),
    ],
)
def test_what_cannot_be_is_a_reject_with_its_reason(members, reason):
    assert episode(**members) == reason


def test_a_row_without_an_id_is_a_reject():
    rows = season({"imdbID": "tt1480055", "Title": "x"}, {"Title": "x"}, {"imdbID": "N/A", "Title": "x"})
    assert rows[0]["imdb_id"] == "tt1480055"
    assert rows[1:] == ["missing 'imdbID'", "'N/A' is no IMDb id: tt and 7 to 10 digits"]


@pytest.mark.parametrize(
    ("feed", "body", "params", "reason"),
    [
        ("episodes", EPISODE | {"imdbID": "tt1480056"}, {"id": "tt1480055"}, "id"),
        ("episodes", EPISODE | {"Type": "movie"}, {"id": "tt1480055"}, "type"),
        ("series", EPISODE, {"series": "tt1480055"}, "type"),
        ("seasons", {"Season": "2", "Episodes": []}, {"series": "tt0944947", "season": "1"}, "season"),
        ("seasons", {"Season": "1"}, {"series": "tt0944947", "season": "1"}, "shape"),
        ("episodes", {}, {"id": "tt1480055"}, "id"),
    ],
)
def test_another_body_than_was_asked_for_is_refused_whole(feed, body, params, reason):
    with pytest.raises(DecodeError) as caught:
        read(feed, body, **params)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("feed", "body", "said"),
    [
        ("seasons", {"Season": "1"}, "a season has a list `Episodes`"),
        ("seasons", {"Season": "1", "Episodes": {}}, "a season has a list `Episodes`"),
        ("seasons", [], "the body is no object"),
        ("series", ["x"], "the body is no object"),
    ],
)
def test_a_body_of_another_shape_says_what_was_expected(feed, body, said):
    with pytest.raises(DecodeError) as caught:
        read(feed, body, series="tt0944947", season="1")
    assert caught.value.message == said


def test_a_row_of_another_shape_says_what_was_expected():
    assert season(5, None, {"imdbID": 5}) == ["is no object", "is no object", "imdbID: no text"]
    assert episode(Title=5) == "Title: no text"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"Response":"True"}', "data"),
        (200, b'{"Response":"true"}', "failed"),
        (200, b'{"Response":true}', "failed"),
        (200, b"[]", "failed"),
        (200, b"", "failed"),
        (200, b"<html>", "failed"),
        (200, b'{"Response":"False","Error":"Movie not found! Your key is ***."}', "refused"),
        (401, b"<html>", "auth"),
        (401, b'{"Response":"True"}', "auth"),
        (401, b'{"Response":"False","Error":"Request limit reached!"}', "quota"),
        (403, b"", "auth"),
        (429, b"", "throttled"),
        (503, b"<html>", "transient"),
        (522, b"<html>", "transient"),
        (304, b"", "data"),
        (404, b"", "refused"),
    ],
)
def test_an_answer_is_what_its_words_say(status, body, kind):
    """Acceptance 5."""
    assert FEEDS["episodes"].reader(Answer(status, body, AT), Partition((("id", "tt1480055"),))).kind == kind


def test_the_app_is_one_that_ships():
    assert load_app("episodes") is app
