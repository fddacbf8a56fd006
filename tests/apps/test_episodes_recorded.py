"""Every recorded answer of OMDb, collected: the app asks by id, and is told what was recorded of a title."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from collecting import by_partition
from recorded import ERROR, of
from television import FIRST, NOW, Television, television

BANDS, SHIPS, PSYCH = "tt0185906", "tt0407362", "tt0491738"
DAY = timedelta(days=1)

# Season -> its file, and how many of its episodes have no rating.
SEASONS = {
    (BANDS, "1"): ("recorded/episodes_Band_of_Brothers_003.json", 0),
    (SHIPS, "1"): ("recorded/episodes_Battlestar_Galactica_004.json", 0),
    (SHIPS, "2"): ("recorded/episodes_Battlestar_Galactica_005.json", 2),
    (SHIPS, "3"): ("recorded/episodes_Battlestar_Galactica_006.json", 2),
    (SHIPS, "4"): ("recorded/episodes_Battlestar_Galactica_007.json", 5),
    (PSYCH, "3"): ("recorded/episodes_Psych_008.json", 7),
}
EPISODES = {
    "tt1247464": "recorded/episode_Band_of_Brothers_episode_5_001.json",
    "tt1189417": "recorded/episode_Psych_episode_10_002.json",
}


def exchange(samples: Path, name: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a recorded file."""
    found = json.loads((samples / "omdb" / name).read_bytes())
    return (found["status"], found["body"]) if "body" in found else (200, found)


def instead(query: Mapping[str, str], said: tuple[int, Mapping[str, Any]]) -> dict[str, Any]:
    """A rule: whoever asks this is told that."""
    return {"path": "/", "query": dict(query), "fault": "status", "status": said[0], "body": json.dumps(said[1])}


def series_of(samples: Path, series: str, season: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The answer about a series of which seasons alone are recorded: another one's, with what its season says."""
    status, body = exchange(samples, "game_of_thrones/series_2017-08.json")
    return status, body | {"imdbID": series, "Title": season["Title"], "totalSeasons": season["totalSeasons"]}


@pytest.fixture
def recorded(samples, tmp_path):
    """The recorded series, seasons and episodes, with nothing collected yet."""
    told = {key: exchange(samples, name) for key, (name, _) in SEASONS.items()}
    rules = [instead({"i": series, "Season": season}, said) for (series, season), said in told.items()]
    # No more is known of these series: their other seasons are none.
    unknown = (200, {"Response": "False", "Error": "Series or season not found!"})
    rules += [instead({"i": PSYCH, "Season": str(season)}, unknown) for season in range(1, 9) if season != 3]
    rules += [instead({"i": series}, series_of(samples, series, body)) for (series, _), (_, body) in told.items()]
    with television(tmp_path, samples=samples, OMDB_SERIES=f"{BANDS},{SHIPS},{PSYCH}") as tv:
        tv.collected.control.faults(*rules)
        yield tv


def test_every_recorded_season_is_stored_row_for_row(recorded: Television):
    """Acceptance 3: 16 of 100 episodes have no rating."""
    rows = of("omdb", "seasons")
    result = by_partition(recorded.collect(feeds=["series", "seasons"]), "episodes/seasons")
    stored = recorded.collected.sql(
        "SELECT series_id, season, count(*), count(*) - count(imdb_rating) FROM episodes_seasons"
        " GROUP BY series_id, season"
    )
    assert {(series, str(season)): (number, lacking) for series, season, number, lacking in stored} == {
        key: (rows[name], lacking) for key, (name, lacking) in SEASONS.items()
    }
    assert sum(number for *_, number, _ in stored) == 100
    assert sum(lacking for *_, lacking in stored) == 16
    assert recorded.collected.sql("SELECT * FROM _reject") == []
    unknown = {key: found.verdict for key, found in result.items() if found.verdict != "complete"}
    assert unknown == {f"series={PSYCH},season={season}": "pending" for season in (1, 2, 4, 5, 6, 7, 8)}


def test_every_recorded_episode_is_served_as_it_was_said(recorded: Television):
    """Acceptance 2, 3 and 4."""
    recorded.collect(feeds=["series", "seasons"])
    result = recorded.collect(feeds=["episodes"], only={"id": list(EPISODES)})
    assert result.complete
    assert sorted(EPISODES.values()) == sorted(of("omdb", "episodes"))[1:]
    crossroads, sea = (recorded.get(f"/episodes/{key}") for key in EPISODES)
    assert (crossroads["title"], crossroads["imdbRating"], crossroads["released"]) == ("Crossroads", 8.8, "2001-09-30")
    assert (sea["title"], sea["imdbRating"], sea["imdbVotes"]) == ("Six Feet Under the Sea", None, 918)
    assert [item["series_id"] for item in (crossroads, sea)] == [BANDS, PSYCH]
    assert recorded.listed("gt_imdb_rating=8.8") == []
    assert [item["id"] for item in recorded.listed("gte_imdb_rating=8.8")] == ["tt1247464"]


def test_the_recorded_series_is_served_with_its_season_and_episode(samples, tmp_path):
    """Acceptance 4 and 10: two captures, one after the other."""
    rows = of("omdb", "seasons")
    with television(tmp_path, samples=samples, switches={"capture": "earlier"}) as tv:
        for capture in ("earlier", "later"):
            tv.collected.control.set(capture=capture)
            found = by_partition(tv.collect(after=DAY * 7, feeds=["series", "seasons"]), "episodes/seasons")
            counts = found["series=tt0944947,season=1"].counts
            name = {"earlier": "season1_earlier_keyless_era", "later": "season1_2017-08"}[capture]
            assert counts.received == rows[f"game_of_thrones/{name}.json"] == 10
        assert (counts.changed, counts.same) == (4, 6)
        assert tv.collect(feeds=["episodes"], only={"id": [FIRST]}).complete
        ((one,),) = tv.collected.sql("SELECT count(*) FROM episodes_series")
        assert one == of("omdb", "series")["game_of_thrones/series_2017-08.json"]
        ((first, last, votes),) = tv.collected.sql("SELECT year_from, year_to, imdb_votes FROM episodes_series")
        assert (first, last, votes) == (2011, None, 1_203_942)
        episode = tv.get(f"/episodes/{FIRST}")
        assert (episode["title"], episode["released"]) == ("Winter Is Coming", "2011-04-17")


def test_the_recorded_search_ends_at_the_limit_and_shows_nothing_of_it_yet(samples, tmp_path):
    """Acceptance 12: nine pages of 777 results, and then the limit; what was answered is not asked again."""
    with television(tmp_path, samples=samples, OMDB_SEARCH="order") as tv:
        for day in (0, 1):
            (result,) = tv.collect(after=DAY * day, feeds=["search"]).results
            assert (result.verdict, result.reason) == ("partial", "quota")
            assert [entry["page"] for entry in tv.requests] == [*map(str, range(1, 11)), *(["10"] * day)]
        assert tv.collected.number("SELECT count(*) FROM episodes_search") == 0
        # The rest was never recorded: with one that is made up, the recorded results are there.
        rest = [{"Title": "?", "Year": "2001", "imdbID": f"tt{99_000_000 + place}"} for place in range(687)]
        pages = [rest[first : first + 10] for first in range(0, 687, 10)]
        answers = [(200, {"Search": page, "totalResults": "777", "Response": "True"}) for page in pages]
        tv.collected.control.faults(*(instead({"page": str(10 + at)}, said) for at, said in enumerate(answers)))
        (result,) = tv.collect(after=DAY, feeds=["search"]).results
        assert result.verdict == "complete", result.reason
        assert result.counts.received == sum(of("omdb", "search").values()) + 687 == 777
        found = [row["imdbID"] for name in of("omdb", "search") for row in exchange(samples, name)[1]["Search"]]
        stored = {key for (key,) in tv.collected.sql("SELECT imdb_id FROM episodes_search")}
        assert stored == {*found, *(row["imdbID"] for row in rest)}


# File -> the feed that is told this, and what becomes of it.
ERRORS = {
    "exceptions_bad_api_key_Band_of_Brothers_009.json": ("series", "refused", "key missing or bad"),
    "exceptions_limit_reached_order_019.json": ("series", "failed", "quota"),
    "exceptions_no_results_Band_of_Brothers_020.json": ("series", "refused", "no such episode"),
    "exceptions_no_results_Random_Movie_Title_021.json": ("series", "refused", "not found"),
    "exceptions_no_results_Random_Movie_Title_022.json": ("series", "refused", "no such series"),
    "exceptions_no_results_tt596799_023.json": ("series", "refused", "bad id"),
    "exceptions_too_many_results_A_024.json": ("search", "refused", "search too wide"),
}


def test_of_every_recorded_error_it_is_known_what_follows():
    assert sorted(f"recorded/{name}" for name in ERRORS) == sorted(of("omdb", ERROR))


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_error_is_told_by_its_text(samples, tmp_path, name):
    """Acceptance 5 and 8: one request, its class, and no record."""
    feed, verdict, reason = ERRORS[name]
    with television(tmp_path, now=NOW, OMDB_SEARCH="A") as tv:
        tv.collected.control.faults(instead({}, exchange(samples, f"recorded/{name}")))
        (result,) = tv.collect(feeds=[feed]).results
        assert (result.verdict, result.reason) == (verdict, reason)
        assert len(tv.requests) == 1
        assert tv.collected.number(f"SELECT count(*) FROM episodes_{feed}") == 0
