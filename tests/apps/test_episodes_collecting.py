"""How episodes are collected: chained feeds, the upstream's errors in words, what is lost and comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from collecting import by_partition
from television import FIRST, WEEK, television

from catchment import Link, RawFiles
from catchment.apps.episodes import app, bodies, comments, episodes
from catchment.apps.episodes.bodies import Episode
from catchment.raw import export_raw
from catchment.settings import Settings
from catchment.store.store import Store

SERIES, SEASONS, EPISODES, SEARCH = (f"episodes/{name}" for name in ("series", "seasons", "episodes", "search"))
SECOND, THIRD = "tt10000001", "tt10000002"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def versions(tv, name: str) -> int:
    """How many versions of all records there are, older ones too."""
    tables = (f"episodes_{name}", f"episodes_{name}_version")
    return sum(tv.collected.number(f"SELECT count(*) FROM {table}") for table in tables)


def revisions(tv) -> list[int]:
    return [tv.collected.revision(name) for name in ("series", "seasons", "episodes")]


# -- asking no more than is needed ----------------------------------------------------------------------------------


def test_a_full_import_and_a_week_without_news(tmp_path):
    """Acceptance 1."""
    with television(tmp_path, size="small") as tv:
        assert tv.collect().complete
        assert len(tv.requests) == 82
        assert tv.requests[0] == {"i": "tt0944947"}
        assert {"i": "tt0944947", "Season": "8"} in tv.requests
        assert tv.collected.control.max_open() <= 2
        before, count = revisions(tv), [versions(tv, name) for name in ("series", "seasons", "episodes")]
        assert count == [1, 73, 73]
        assert tv.collect(after=WEEK).complete
        assert len(tv.requests) == 82 + 9
        assert revisions(tv) == before
        assert [versions(tv, name) for name in ("series", "seasons", "episodes")] == count


def test_a_changed_rating_asks_for_that_episode_alone(tmp_path):
    with television(tmp_path, size="small") as tv:
        tv.collect()
        tv.collected.control.set(ratings={THIRD: "5.5"})
        assert tv.collect(after=WEEK).complete
        assert tv.requests[82 + 9 :] == [{"i": THIRD}]
        assert (versions(tv, "seasons"), versions(tv, "episodes")) == (74, 74)


def test_an_episode_is_asked_again_at_an_age_of_its_own(tmp_path):
    """Between 28 and 35 days, never before, and not all on one day."""
    with television(tmp_path, size="small") as tv:
        tv.collect()
        asked = []
        for days in (27, *[1] * 9):
            before = len(tv.requests)
            tv.collect(after=days * DAY)
            asked.append(sum("Season" not in query for query in tv.requests[before:] if query["i"] != "tt0944947"))
        assert (asked[0], sum(asked)) == (0, 73)
        assert len([count for count in asked if count]) >= 7


def test_several_series_are_collected_by_their_ids(tmp_path):
    with television(tmp_path, size="medium", OMDB_SERIES="tt0944947,tt9000007") as tv:
        assert tv.collect(feeds=["series", "seasons"]).complete
        assert len(tv.requests) == 2 * (1 + 5)
        counts = tv.collected.sql("SELECT series_id, count(*) FROM episodes_seasons GROUP BY series_id ORDER BY 1")
        assert counts == [("tt0944947", 75), ("tt9000007", 75)]
        assert tv.collect(again=True, only={"series": ["tt9000007"]}, feeds=["series"]).complete
        assert tv.requests[-1] == {"i": "tt9000007"}


# -- what the upstream says in words --------------------------------------------------------------------------------

ERRORS = {
    "movie": ("refused", "not found", 1),
    "series": ("refused", "no such series", 1),
    "episode": ("refused", "no such episode", 1),
    "season": ("pending", "no such season", 1),
    "bad-id": ("refused", "bad id", 1),
    "too-many": ("refused", "search too wide", 1),
    "no-data": ("failed", "upstream-data", 3),
    "unheard-of": ("failed", "said 'We are closed for the holidays.'", 1),
    "503": ("failed", "503", 6),
    "522": ("failed", "522", 6),
    "xml": ("failed", "no answer of its kind: it has no Response", 1),
    "no-response": ("failed", "no answer of its kind: it has no Response", 1),
    "truncated": ("failed", "incomplete", 6),
}


@pytest.mark.parametrize("error", ERRORS)
def test_each_error_is_taken_for_what_it_is(tmp_path, error):
    """Acceptance 5: the class of each, and that nothing of it is kept as an episode or as a valid answer."""
    verdict, reason, calls = ERRORS[error]
    with television(tmp_path, switches={"error": error, "error_for": FIRST}) as tv:
        summary = tv.collect()
        result = by_partition(summary, EPISODES)[f"id={FIRST}"]
        assert (result.verdict, result.reason) == (verdict, reason)
        assert sum(query == {"i": FIRST} for query in tv.requests) == calls
        assert not summary.complete
        assert tv.collected.number("SELECT count(*) FROM episodes_episodes") == 2
        assert tv.collected.sql("SELECT digest, etag, model FROM _partition WHERE key = ?", f"id={FIRST}") == [
            ("", "", "")
        ]
        # Once it is over, a person who asks gets the episode. What was refused is asked when it is named.
        tv.collected.control.set(error="none")
        assert tv.collect(after=DAY, only={"id": [FIRST]}).complete
        assert tv.get(f"/episodes/{FIRST}")["imdbRating"] == 9.0


def test_a_false_answer_never_stands_for_the_true_one_before(tmp_path):
    """Acceptance 5: what was known stays, and the same true answer again is unchanged, not new."""
    with television(tmp_path) as tv:
        tv.collect()
        before = revisions(tv)
        tv.collected.control.set(error="no-data")
        assert not tv.collect(after=WEEK).complete
        assert tv.get("/episodes")["count"] == 3
        tv.collected.control.set(error="none")
        assert tv.collect(after=DAY).complete
        assert revisions(tv) == before


def test_a_cached_error_is_asked_again_until_the_cache_lets_go(tmp_path):
    """Acceptance 5: the cache before the upstream repeats a false answer for a day."""
    switches = {"cached": True, "error": "season", "error_calls": 1, "error_for": "tt0944947"}
    with television(tmp_path) as tv:
        tv.collect(feeds=["series"])
        tv.collected.control.set(**switches)
        assert [tv.collect(feeds=["seasons"], again=True).complete for _ in range(2)] == [False, False]
        assert tv.collected.number("SELECT count(*) FROM episodes_seasons") == 0
        assert tv.collect(after=DAY, again=True).complete
        assert tv.get("/episodes")["count"] == 3


def test_an_upstream_without_data_is_left_alone_for_a_day(tmp_path):
    with television(tmp_path, switches={"error": "no-data", "error_for": FIRST}) as tv:
        tv.collect()
        calls = len(tv.requests)
        tv.collect(after=timedelta(hours=20), retry=False)
        assert len(tv.requests) == calls
        tv.collected.control.set(error="none")
        assert tv.collect(after=timedelta(hours=5), retry=False).complete
        assert tv.requests[calls:] == [{"i": FIRST}]


@pytest.mark.parametrize("body", ["another", "a film"])
def test_another_title_than_was_asked_is_no_answer(tmp_path, body):
    with television(tmp_path) as tv:
        tv.collected.control.set(wrong_id=SECOND)
        if body == "a film":
            film = '{"imdbID": "tt0944947", "Title": "x", "Year": "2001", "Type": "movie", "Response": "True"}'
            tv.collected.control.faults({"path": "/", "fault": "status", "status": 200, "body": film})
        result = by_partition(tv.collect(), SERIES)["series=tt0944947"]
        assert result.verdict == "failed"
        assert result.reason.startswith("id: asked for" if body == "another" else "type: tt0944947 is a movie")
        assert tv.collected.number("SELECT count(*) FROM episodes_series") == 0


def test_a_season_of_another_series_is_no_answer(tmp_path):
    """It names no id: it is known by the title, which the series has. Derived again it is still none."""
    with television(tmp_path) as tv:
        tv.collect(feeds=["series"])
        tv.collected.control.set(wrong_id=SECOND)
        (result,) = tv.collect(feeds=["seasons"]).results
        assert (result.verdict, result.reason) == (
            "failed",
            "guard: asked for 'Game of Thrones', answered 'Not tt0944947'",
        )
        assert tv.collected.number("SELECT count(*) FROM episodes_seasons") == 0
        tv.collected.control.set(wrong_id="")
        assert tv.collect().complete
        listed = tv.listed()
        assert [done.passes for done in tv.collected.replay()] == [1, 1, 3, 0]  # the refused one is none of them
        assert tv.listed() == listed
        assert len(listed) == 3


@pytest.mark.parametrize(
    ("error", "reason"), [("bad-key", "key missing or bad"), ("no-key", "key missing or bad"), ("limit", "quota")]
)
def test_a_refused_key_and_a_spent_day_are_told_apart(tmp_path, error, reason):
    """Acceptance 8: both are 401."""
    with television(tmp_path, switches={"error": error}) as tv:
        summary = tv.collect()
        assert len(tv.requests) == 1
        first = summary.results[0]
        assert (first.verdict, first.reason) == ("failed" if error == "limit" else "refused", reason)
        tv.collected.control.set(error="none")
        # A collector that lives on asks nobody; a person who has mended a key is let in, a spent day stays spent.
        tv.collect(after=timedelta(minutes=30), retry=False)
        assert len(tv.requests) == 1
        assert tv.collect().complete == (error != "limit")
        assert tv.collect(after=DAY).complete


# -- a day's allowance ----------------------------------------------------------------------------------------------


def test_a_spent_day_is_gone_on_with_the_next_day(tmp_path):
    """Acceptance 6."""
    with television(tmp_path, size="small", switches={"per_day": 40}) as tv:
        summary = tv.collect()
        assert not summary.complete
        statuses = [entry["status"] for entry in tv.collected.control.log()]
        assert (statuses.count(200), statuses.count(401)) == (40, len(statuses) - 40)
        assert len(statuses) <= 42  # two may be open at a time
        first = tv.requests[:40]
        assert tv.get("/episodes")["count"] == 40 - 9
        left = [result for result in summary.results if result.verdict != "complete"]
        assert len(left) == 42
        assert {result.reason for result in left} <= {"budget", "quota"}
        # Whoever asks the same day is told so without a request.
        assert not tv.collect(after=HOUR).complete
        assert len(tv.requests) == len(statuses)
        # The next day has room again, from midnight.
        tv.collected.control.set(per_day=1000)
        assert tv.collect(after=timedelta(hours=11)).complete
        second = tv.requests[len(statuses) :]
        assert len(second) == 42
        assert [query for query in second if query in first] == []
        assert tv.get("/episodes")["count"] == 73


# -- searches -------------------------------------------------------------------------------------------------------


def test_a_search_is_whole_or_not_there(tmp_path):
    """Acceptance 12: nine pages today, and tomorrow the one that is missing."""
    with television(tmp_path, OMDB_SEARCH="order") as tv:
        tv.collected.control.set(per_day=9)
        result = by_partition(tv.collect(feeds=["search"]), SEARCH)["term=order"]
        assert (result.verdict, result.reason) == ("partial", "quota")
        assert [query["page"] for query in tv.requests] == [str(page) for page in range(1, 11)]
        assert tv.collected.number("SELECT count(*) FROM episodes_search") == 0
        assert tv.collect(after=DAY, feeds=["search"]).complete
        assert tv.requests[10:] == [{"s": "order", "page": "10"}]
        assert tv.collected.number("SELECT count(*) FROM episodes_search") == 95


@pytest.mark.parametrize("term", ["Law & Order", "Amélie's café", "Room #9", "50% off + tax?", "a/b=c"])
def test_hostile_terms_ask_for_themselves(tmp_path, term):
    """Acceptance 14: the right request and the right record."""
    with television(tmp_path, OMDB_SEARCH=f" {term}, another", switches={"hits": 3}) as tv:
        assert tv.collect(feeds=["search"]).complete
        assert {query["s"] for query in tv.requests} == {term, "another"}
        found = tv.get(f"/v1/episodes/search?term={quote(term, safe='')}")["data"]
        assert [item["title"] for item in found] == [f"{term} {number}" for number in (1, 2, 3)]
        assert [item["kind"] for item in found] == ["movie", "series", "episode"]
        assert tv.get(f"/v1/episodes/search/{found[0]['_key']}")["data"] == found[0]


def test_a_search_is_off_until_somebody_names_a_term(tmp_path):
    with television(tmp_path) as tv:
        assert tv.collect(feeds=["search"]).complete
        assert tv.requests == []


@pytest.mark.parametrize(("term", "reason"), [("A", "search too wide"), ("nobody", "not found")])
def test_a_search_that_cannot_be_had_is_refused(tmp_path, term, reason):
    with television(tmp_path, OMDB_SEARCH=term, switches={"hits": 0}) as tv:
        result = by_partition(tv.collect(feeds=["search"]), SEARCH)[f"term={term}"]
        assert (result.verdict, result.reason) == ("refused", reason)


# -- what is lost and comes back ------------------------------------------------------------------------------------


def test_a_lost_episode_is_still_there_and_says_so(tmp_path):
    """Acceptance 9."""
    with television(tmp_path) as tv:
        tv.collect()
        said = tv.say("before", episode=SECOND)
        tv.collected.control.set(vanished=[SECOND])
        assert tv.collect(after=WEEK).complete
        found = tv.get(f"/episodes/{SECOND}")
        retired = tv.collected.sql("SELECT _until FROM episodes_seasons_version WHERE _gone = 1")[0][0]
        assert found["missing_since"] == retired
        assert retired.startswith("2024-01-08T12:00")
        assert [item["missing_since"] is None for item in tv.listed()] == [True, False, True]
        # Its comments are read and written like any other's.
        assert tv.get(f"/comments/{said['id']}") == said
        tv.say("after", episode=SECOND)
        assert tv.get(f"/episodes/{SECOND}/comments")["count"] == 2
        tv.collected.control.set(vanished=[])
        assert tv.collect(after=WEEK).complete
        assert tv.get(f"/episodes/{SECOND}")["missing_since"] is None
        assert tv.get("/v1/episodes/seasons?count=exact")["meta"]["count"] == 3


def test_the_last_word_of_a_season_counts_after_it_lost_the_episode(tmp_path):
    with television(tmp_path) as tv:
        tv.collect()
        tv.collected.control.set(ratings={FIRST: "9.3"}, error="503", error_for=FIRST)
        tv.collect(after=WEEK)
        tv.collected.control.set(vanished=[FIRST])
        tv.collect(after=WEEK)
        found = tv.get(f"/episodes/{FIRST}")
        assert (found["imdbRating"], found["missing_since"] is None) == (9.3, False)
        assert tv.get("/episodes?gte_imdb_rating=9.3&lt_imdb_rating=9.4")["count"] == 1


def test_a_missing_season_is_waited_for(tmp_path):
    """Acceptance 16."""
    with television(tmp_path, size="small", switches={"lost_seasons": [3]}) as tv:
        summary = tv.collect()
        assert by_partition(summary, SEASONS)["series=tt0944947,season=3"].verdict == "pending"
        assert not summary.complete
        assert tv.get("/episodes")["count"] == 63
        assert not tv.collect().complete
        asked = len(tv.requests)
        tv.collected.control.set(lost_seasons=[])
        assert tv.collect(after=WEEK).complete
        later = tv.requests[asked:]
        # The weekly round, and besides it the episodes of that season alone.
        assert sum("Season" in query for query in later) == 8
        assert len(later) == 9 + 10
        assert tv.get("/episodes?season=3")["count"] == 10


def test_an_episode_that_does_not_say_where_it_belongs_is_placed_by_its_season(tmp_path):
    """And stays there when its season has lost it."""
    with television(tmp_path, switches={"na_ids": True}) as tv:
        assert tv.collect().complete
        places = [(item["series_id"], item["season"], item["episode"]) for item in tv.listed()]
        assert places == [("tt0944947", 1, number) for number in (1, 2, 3)]
        before = versions(tv, "episodes")
        tv.collected.control.set(vanished=[SECOND])
        assert tv.collect(after=WEEK).complete
        assert tv.get(f"/episodes/{SECOND}")["season"] == 1
        assert tv.collect(again=True).complete
        assert versions(tv, "episodes") == before


@pytest.mark.parametrize("said", ["N/A", "absent"])
def test_seasons_that_nobody_counts_are_asked_until_there_is_none(tmp_path, said):
    with television(tmp_path, size="small", switches={"total_seasons": said}) as tv:
        assert tv.collect(feeds=["series", "seasons"]).complete
        assert tv.collected.number("SELECT count(*) FROM episodes_seasons") == 73
        assert [query["Season"] for query in tv.requests if "Season" in query] == [str(n) for n in range(1, 10)]
        assert tv.collect(after=WEEK, feeds=["series", "seasons"]).complete


def test_more_seasons_than_there_are_stay_incomplete(tmp_path):
    with television(tmp_path, switches={"total_seasons": "3"}) as tv:
        summary = tv.collect()
        assert not summary.complete
        assert [result.verdict for result in summary.results if result.feed == SEASONS] == [
            "complete", "pending", "pending",
        ]  # fmt: skip


def test_a_body_that_shrinks_loses_no_episode(tmp_path):
    with television(tmp_path) as tv:
        tv.collect()
        tv.collected.control.set(lost_last=1)
        tv.collect(after=WEEK)
        assert tv.collected.number("SELECT count(*) FROM episodes_seasons") == 2
        assert tv.get("/episodes")["count"] == 3


# -- another model --------------------------------------------------------------------------------------------------


class Typed(Episode):
    """An episode with a field that nobody had declared."""

    kind: str | None = None


def typed(row, partition):
    return {**bodies.episode(row, partition), "kind": row["Type"]}


def test_a_new_field_is_filled_from_what_is_archived(tmp_path):
    """Acceptance 15: without a request, with every version, and with what people have written."""
    more = replace(episodes, record=Typed, shape=typed)
    about = replace(comments, about=Link(more, "episode"))
    later = replace(app, feeds=[*(feed for feed in app.feeds if feed is not episodes), more], resources=[about])
    with television(tmp_path, switches={"na_ids": True}) as tv:
        tv.collect()
        tv.collected.control.set(ratings={FIRST: "9.3"}, vanished=[SECOND])
        assert tv.collect(after=WEEK).complete
        said, requests = tv.say(), len(tv.requests)
        before = tv.get(f"/episodes/{FIRST}"), tv.get(f"/episodes/{FIRST}/ratings"), tv.listed()
        count = versions(tv, "episodes")
        tv.collected.replay(later)
        assert len(tv.requests) == requests
        assert tv.collected.sql("SELECT DISTINCT kind FROM episodes_episodes") == [("episode",)]
        assert tv.collected.sql("SELECT DISTINCT kind FROM episodes_episodes_version") == [("episode",)]
        assert versions(tv, "episodes") == count
        assert tv.get(f"/comments/{said['id']}") == said
        again = tv.get(f"/episodes/{FIRST}"), tv.get(f"/episodes/{FIRST}/ratings"), tv.listed()
        assert {**again[0], "kind": None} == {**before[0], "kind": None}
        assert again[1:] == before[1:]


# -- recorded answers -----------------------------------------------------------------------------------------------


def test_two_captures_of_a_season_make_versions_of_what_differs(tmp_path, samples):
    """Acceptance 10."""
    switches = {"capture": "earlier", "total_seasons": "1"}
    with television(tmp_path, samples=samples, switches=switches) as tv:
        tv.collect(feeds=["series", "seasons"])
        assert tv.collected.number("SELECT count(*) FROM episodes_seasons WHERE season = 1") == 10
        tv.collect(feeds=["episodes"], only={"id": [FIRST]})
        before = tv.get(f"/episodes/{FIRST}")["imdbRating"]
        tv.collected.control.set(capture="later")
        tv.collect(after=WEEK, feeds=["series", "seasons"])
        rows = tv.collected.sql("SELECT episode, _version FROM episodes_seasons WHERE season = 1 ORDER BY episode")
        assert [number for number, version in rows if version == 2] == [3, 4, 6, 10]
        assert {version for _, version in rows} == {1, 2}
        assert before == 9.0


def test_ratings_of_two_captures_are_told_with_their_moments(tmp_path, samples):
    """Acceptance 10: the later one is served."""
    third = "tt1829962"
    with television(tmp_path, samples=samples, switches={"capture": "earlier"}) as tv:
        tv.collect(feeds=["series", "seasons"])
        # Of this episode no body is recorded: another one's shape with its id and the rating of the earlier capture.
        body = json.loads((samples / "omdb/game_of_thrones/episode_tt1480055_2017-08.json").read_bytes())
        body |= {"imdbID": third, "Title": "Lord Snow", "Episode": "3", "imdbRating": "8.6"}
        fault = {"path": "/", "query": {"i": third}, "fault": "status", "status": 200, "body": json.dumps(body)}
        tv.collected.control.faults(fault)
        tv.collect(feeds=["episodes"], only={"id": [third]})
        assert tv.get(f"/episodes/{third}")["imdbRating"] == 8.6
        tv.collected.control.set(capture="later")
        tv.collect(after=WEEK, feeds=["series", "seasons"])
        found = tv.get(f"/episodes/{third}/ratings")["ratings"]
        assert [entry["imdbRating"] for entry in found] == [8.6, 8.7]
        assert found[0]["to"] == found[1]["from"] > found[0]["from"]
        assert found[1]["from"].startswith("2024-01-08")
        assert tv.get(f"/episodes/{third}")["imdbRating"] == 8.7


# -- raw bodies -----------------------------------------------------------------------------------------------------

NAMED = {"tt1480055": "Same", "tt10000001": "same", "tt10000002": "alldata"}


def test_raw_bodies_whose_names_fold_alike_are_files_of_their_own(tmp_path):
    """As on a disk where case does not count; and none takes the place of the file that has them all."""
    named = {"series": "_.x", "seasons": ".x"}
    with television(tmp_path / "here") as tv:
        assert tv.collect().complete
        raw = RawFiles(lambda feed, partition: named.get(feed) or NAMED[partition["id"]], whole="alldata")
        settings = Settings().with_values("test", tv.collected.environment)
        app = replace(tv.collected.app, raw=raw)
        with Store(settings, [app]) as store:
            assert export_raw(app, store, tmp_path / "raw") == 5
    files = [str(path.relative_to(tmp_path / "raw")) for path in (tmp_path / "raw").rglob("*") if path.is_file()]
    assert len({name.casefold() for name in files}) == len(files) == 6
    whole = json.loads((tmp_path / "raw" / "alldata").read_text())
    assert {name: json.loads((tmp_path / "raw" / name).read_text()) for name in whole} == whole
    assert {name.partition("-")[0] for name in whole} == {"_.x", "Same", "same", "alldata"}
