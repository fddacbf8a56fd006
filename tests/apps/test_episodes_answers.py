"""The episodes app's own routes: episodes, ratings and comments. Cases are those of its contract."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from television import FIRST, NOW, WEEK, person, television

from catchment.clock import render_moment
from catchment.errors import UsageError


@pytest.fixture(scope="module")
def filled(engine, tmp_path_factory):
    """Eight seasons of a running series, collected once; people come and go."""
    with television(tmp_path_factory.mktemp("filled"), size="small") as made:
        assert made.collect().complete
        yield made


@pytest.fixture
def tv(tmp_path):
    with television(tmp_path) as made:
        assert made.collect().complete
        yield made


def status(answer) -> int:
    """The status; a problem has its text in `detail`."""
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert isinstance(answer.json()["detail"], str)
        assert answer.json()["detail"]
    return answer.status_code


# -- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_has_the_members_of_the_contract(filled):
    page = filled.get("/episodes")
    assert {name: page[name] for name in ("count", "page", "page_size", "pages")} == {
        "count": 73,
        "page": 1,
        "page_size": 50,
        "pages": 2,
    }
    assert page["results"][0] == {
        "id": FIRST,
        "imdbID": FIRST,
        "series_id": "tt0944947",
        "season": 1,
        "episode": 1,
        "title": "Winter Is Coming",
        "released": "2011-04-17",
        "imdbRating": 9.0,
        "imdbVotes": 21370,
        "missing_since": None,
        "comments": f"/episodes/{FIRST}/comments",
    }
    assert b'"imdbRating":9.0,' in filled.ask("GET", "/episodes").content
    assert [(item["season"], item["episode"]) for item in filled.listed()] == sorted(
        (item["season"], item["episode"]) for item in filled.listed()
    )


def said(filled) -> list[tuple[int, Decimal | None]]:
    """Season and rating of every episode, as the upstream said them."""
    found = [json.loads(row) for row in filled.collected.documents("episodes_episodes")]
    return [(row["season"], row["imdb_rating"] and Decimal(row["imdb_rating"])) for row in found]


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("gt_imdb_rating=8.8", lambda _, rating: rating > Decimal("8.8")),
        ("only_best=true", lambda _, rating: rating > Decimal("8.8")),
        ("gte_imdb_rating=8.8", lambda _, rating: rating >= Decimal("8.8")),
        ("lt_imdb_rating=8.8", lambda _, rating: rating < Decimal("8.8")),
        ("lte_imdb_rating=8.80", lambda _, rating: rating <= Decimal("8.8")),
        ("gt_imdb_rating=9.9", lambda _, rating: rating > Decimal("9.9")),
        ("gt_imdb_rating=8&lt_imdb_rating=8.9", lambda _, rating: Decimal(8) < rating < Decimal("8.9")),
        ("gt_imdb_rating=8.8&season=3", lambda season, rating: season == 3 and rating > Decimal("8.8")),
        ("gte_imdb_rating=8.8&season=3&season=4", lambda season, rating: season in (3, 4) and rating >= Decimal("8.8")),
    ],
)
def test_rating_filters_agree_with_a_count_by_hand(filled, query, matches):
    """Acceptance 2 and 3: numbers are compared as numbers, and no rating matches nothing."""
    expected = sum(1 for season, rating in said(filled) if rating is not None and matches(season, rating))
    assert len(filled.listed(query)) == expected > 0


def test_best_is_above_and_not_equal(filled):
    """Acceptance 2."""
    ratings = {item["imdbRating"] for item in filled.listed("gt_imdb_rating=8.8")}
    assert 8.8 not in ratings
    assert {8.9, 10.0} <= ratings
    assert 8.8 in {item["imdbRating"] for item in filled.listed("gte_imdb_rating=8.8")}
    assert [item["imdbRating"] for item in filled.listed("gte_imdb_rating=10")] == [10.0]


def test_no_rating_is_null_and_no_error(filled):
    """Acceptance 3: said to be absent by a word, or by an absent member in the season's body."""
    lacking = {item["id"] for item in filled.listed() if item["imdbRating"] is None}
    assert len(lacking) == sum(1 for _, rating in said(filled) if rating is None) > 0
    assert lacking.isdisjoint(item["id"] for item in filled.listed("gte_imdb_rating=0"))
    assert filled.collected.number("SELECT count(*) FROM episodes_seasons WHERE imdb_rating IS NULL") > len(lacking)
    assert filled.collected.number("SELECT count(*) FROM _reject") == 0


@pytest.mark.parametrize("sort", ["-imdbRating", "released", "series,season,episode"])
def test_orders_are_total_and_nothing_comes_last(filled, sort):
    def place(item):
        if sort == "-imdbRating":
            return (item["imdbRating"] is None, -(item["imdbRating"] or 0), item["id"])
        if sort == "released":
            return (item["released"], item["id"])
        return (item["series_id"], item["season"], item["episode"], item["id"])

    found = filled.listed(f"sort={sort}")
    assert found == sorted(found, key=place)
    assert len({item["id"] for item in found}) == 73


def test_titles_are_found_by_a_part_in_any_case(filled):
    everything = filled.listed()
    assert [item["id"] for item in filled.listed("title=wINTER%20is")][:1] == [FIRST]
    for text in ("SEÑOR", "brûlée", "#1", "Crème &", "e", "the "):
        wanted = [item["id"] for item in everything if text.casefold() in item["title"].casefold()]
        assert wanted
        assert [item["id"] for item in filled.listed(f"title={quote(text, safe='')}")] == wanted


@pytest.mark.parametrize("text", ["%", "_", "\\", "*", "[a-z]"])
def test_signs_of_patterns_are_letters_like_others(filled, text):
    assert filled.get(f"/episodes?title={quote(text, safe='')}")["count"] == 0


def test_pages_beyond_the_end_are_empty(filled):
    page = filled.get("/episodes?page=9&page_size=10")
    assert (page["results"], page["pages"], page["count"]) == ([], 8, 73)
    assert filled.get("/episodes?series=tt0000001")["count"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "season=x", "season=-1", "season=1.0", "series=GoT", "gt_imdb_rating=11", "gt_imdb_rating=-1",
        "gt_imdb_rating=8.888", "gt_imdb_rating=nan", "gt_imdb_rating=1e1", "only_best=true&gt_imdb_rating=9",
        "only_best=yes", "sort=title", "page=0", "page=1001", "page_size=201", "page_size=", "page=1&page=2",
        "rating=9", "title=", "title=%00", "title=%ff", "gt_imdb_rating=8&gt_imdb_rating=9", "cursor=x",
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_400_and_named(filled, query):
    answer = filled.ask("GET", f"/episodes?{query}")
    assert status(answer) == 400
    if "%ff" not in query:
        assert answer.json()["errors"][0]["parameter"] in query


def test_a_misspelt_parameter_names_the_nearest(filled):
    assert "gt_imdb_rating" in filled.ask("GET", "/episodes?gt_imdb_ratings=8").json()["detail"]


# -- one episode ----------------------------------------------------------------------------------------------------


def test_an_episode_has_all_that_is_known(filled):
    found = filled.get(f"/episodes/{FIRST}")
    assert (found["imdbRating"], found["runtime_min"] > 0, found["rated"]) == (9.0, True, "TV-MA")
    assert found["history"] == f"/v1/episodes/episodes/{FIRST}/history"
    assert len(filled.get(found["history"])["data"]) == 1
    assert filled.get(found["comments"])["page"] == 1
    assert found["countries"] == ["USA", "UK"]
    assert found["awards"] is None
    placeholders = [
        item["title"] for item in filled.listed() if filled.get(f"/episodes/{item['id']}")["placeholder_title"]
    ]
    assert placeholders == ["Episode #4.2"]


@pytest.mark.parametrize("path", ["/episodes/tt0000001", "/episodes/1", "/episodes/tt0000001/ratings", "/comments/1",
                                  "/episodes/tt0000001/comments"])  # fmt: skip
def test_what_is_not_there_is_404(filled, path):
    assert status(filled.ask("GET", path)) == 404


def test_answers_are_known_by_their_tag_until_something_changes(tv):
    first = tv.ask("GET", "/episodes")
    assert tv.ask("GET", "/episodes", if_none_match=first.headers["etag"]).status_code == 304
    tv.collected.control.set(ratings={FIRST: "5.5"})
    assert tv.collect(after=WEEK).complete
    assert tv.ask("GET", "/episodes", if_none_match=first.headers["etag"]).json()["results"][0]["imdbRating"] == 5.5


# -- ratings --------------------------------------------------------------------------------------------------------


def test_ratings_tell_when_each_was_said(tv):
    """Both sources, merged by the moment at which they spoke."""
    tv.collected.control.set(ratings={FIRST: "9.3"})
    assert tv.collect(after=WEEK).complete
    # Its season's row had changed, so the episode was asked again; both say the same now.
    assert tv.requests[-1] == {"i": FIRST}
    found = tv.get(f"/episodes/{FIRST}/ratings")
    assert found["id"] == FIRST
    assert [(entry["imdbRating"], entry["imdbVotes"]) for entry in found["ratings"]] == [(9.0, 21370), (9.3, 21370)]
    # The season spoke first, each time.
    said = tv.collected.sql("SELECT _said_at FROM episodes_seasons WHERE _key = ?", FIRST)[0][0]
    before = tv.collected.sql("SELECT _said_at FROM episodes_seasons_version WHERE _key = ?", FIRST)[0][0]
    assert render_moment(NOW) <= before < render_moment(NOW + WEEK) <= said
    assert [entry["from"] for entry in found["ratings"]] == [before, said]
    assert [entry["to"] for entry in found["ratings"]] == [said, None]
    assert tv.get(f"/episodes/{FIRST}")["imdbRating"] == 9.3


def test_the_rating_served_is_the_one_said_last(tv):
    """A season's newer word counts while the episode's own body cannot be had."""
    tv.collected.control.set(ratings={FIRST: "9.3"}, error="503", error_for=FIRST)
    assert not tv.collect(after=WEEK).complete
    assert tv.get(f"/episodes/{FIRST}")["imdbRating"] == 9.3
    assert [entry["imdbRating"] for entry in tv.get(f"/episodes/{FIRST}/ratings")["ratings"]] == [9.0, 9.3]
    assert [item["id"] for item in tv.listed("gt_imdb_rating=9.2")] == [
        FIRST, *(item["id"] for item in tv.listed("gt_imdb_rating=9.4"))
    ]  # fmt: skip
    # The body says another rating later: it counts again.
    tv.collected.control.set(error="none", ratings={FIRST: "9.5"})
    assert tv.collect(after=timedelta(hours=1)).complete
    assert tv.get(f"/episodes/{FIRST}")["imdbRating"] == 9.5


# -- comments -------------------------------------------------------------------------------------------------------


def test_a_comment_has_the_members_of_the_contract(filled):
    """Acceptance 11."""
    answer = filled.ask("POST", f"/episodes/{FIRST}/comments", {"text": "Great start"}, "anna")
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/comments/{made['id']}"
    assert made == {
        "id": made["id"],
        "episode": FIRST,
        "text": "Great start",
        "owner": person("anna"),
        "created_at": render_moment(filled.collected.clock.now()),
        "updated_at": render_moment(filled.collected.clock.now()),
        "version": 1,
    }
    read = filled.ask("GET", answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])


def test_comments_come_oldest_first_in_pages(tv):
    made = []
    for number in range(5):
        made.append(tv.say(f"number {number}"))
        tv.collected.clock.advance(timedelta(minutes=1))
    tv.say("elsewhere", episode="tt10000001")
    page = tv.get(f"/episodes/{FIRST}/comments?page=2&page_size=2")
    assert [item["text"] for item in page["results"]] == ["number 2", "number 3"]
    assert (page["count"], page["pages"], page["page"], page["page_size"]) == (5, 3, 2, 2)
    assert tv.get(f"/comments?episode={FIRST}&page=3&page_size=2")["results"] == [made[4]]
    assert tv.get("/comments")["count"] == 6
    assert status(tv.ask("GET", "/comments?text=x")) == 400
    assert tv.get("/comments?episode=tt0000001")["count"] == 0
    assert [tv.ask("GET", f"/comments?episode={text}").status_code for text in ("", "tt1", "x")] == [400] * 3


def test_a_comment_is_changed_by_its_owner_alone(filled):
    """Acceptance 11: another owner 403, no key 401, a moderator may delete."""
    made = filled.say()
    place = f"/comments/{made['id']}"
    for method, body in (("PATCH", {"text": "x"}), ("PUT", {"text": "x"}), ("DELETE", None)):
        assert status(filled.ask(method, place, body, "bert")) == 403
        assert status(filled.ask(method, place, body, "reader")) == 403
        assert status(filled.ask(method, place, body)) == 401
    assert status(filled.ask("PATCH", place, {"text": "x"}, "moderator")) == 403
    changed = filled.ask("PATCH", place, {"text": "better"}, "anna").json()
    assert (changed["text"], changed["version"], changed["episode"]) == ("better", 2, FIRST)
    replaced = filled.ask("PUT", place, {"text": "best", "episode": FIRST}, "anna")
    assert replaced.json()["version"] == 3
    assert status(filled.ask("PUT", place, {"text": "best", "episode": "tt10000001"}, "anna")) == 422
    assert status(filled.ask("PUT", place, {}, "anna")) == 422
    assert filled.ask("DELETE", place, None, "moderator").status_code == 204
    assert filled.ask("GET", place).status_code == 404


def test_a_second_deletion_is_404_and_a_stale_tag_412(filled):
    """Acceptance 11."""
    made = filled.ask("POST", "/comments", {"episode": FIRST, "text": "x"}, "anna")
    place, tag = made.headers["location"], made.headers["etag"]
    assert filled.ask("PATCH", place, {"text": "y"}, "anna", if_match=tag).status_code == 200
    for method, body in (("PATCH", {"text": "z"}), ("PUT", {"text": "z"}), ("DELETE", None)):
        assert status(filled.ask(method, place, body, "anna", if_match=tag)) == 412
    deleted = filled.ask("DELETE", place, None, "anna", if_match=filled.ask("GET", place).headers["etag"])
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert status(filled.ask("DELETE", place, None, "anna")) == 404
    assert status(filled.ask("PATCH", place, {"text": "z"}, "anna")) == 404


def test_the_tag_of_a_comment_is_its_version(filled):
    """`If-Match` takes the number that the body says, and no other."""
    made = filled.ask("POST", "/comments", {"episode": FIRST, "text": "x"}, "anna")
    place = made.headers["location"]
    assert (made.json()["version"], made.headers["etag"]) == (1, '"1"')
    assert status(filled.ask("PATCH", place, {"text": "y"}, "anna", if_match='"2"')) == 412
    assert status(filled.ask("PATCH", place, {"text": "y"}, "anna", if_match='W/"1"')) == 412
    changed = filled.ask("PATCH", place, {"text": "y"}, "anna", if_match='"7", "1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert filled.ask("GET", place, if_none_match='"1"').status_code == 200
    assert filled.ask("GET", place, if_none_match='"2"').status_code == 304
    assert filled.ask("PUT", place, {"text": "z"}, "anna", if_match='"2"').headers["etag"] == '"3"'
    assert filled.ask("DELETE", place, None, "anna", if_match='"3"').status_code == 204


HTML = "<script>alert('Dragons')</script> & <b>wolves</b>"


def test_html_is_text(filled):
    """Acceptance 11: given back unchanged."""
    made = filled.say(f"  {HTML}\n")
    assert filled.get(f"/comments/{made['id']}")["text"] == f"  {HTML}\n"
    assert filled.get(f"/v1/episodes/comments/{made['id']}")["data"]["text"] == f"  {HTML}\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": "  \n\t "}, 422),
        ({"text": ""}, 422),
        ({"text": "x" * 5001}, 422),
        ({"text": " " + "x" * 5000 + " "}, 201),
        ({"text": 5}, 422),
        ({"text": None}, 422),
        ({}, 422),
        ([], 422),
        ({"text": "x", "stars": 5}, 422),
        ({"text": "x", "owner": "bert"}, 422),
        ({"text": "x", "id": "1"}, 422),
        ({"text": "x\0"}, 422),
        (b"{", 400),
        (b"", 400),
        (b'{"text":"' + b"x" * 70_000 + b'"}', 413),
        (b'{"text":"' + b"x" * 5 * 2**20 + b'"}', 413),
    ],
    ids=lambda item: repr(item)[:24],
)
def test_bodies_are_judged(filled, body, expected):
    """Acceptance 11."""
    before = filled.get("/comments")["count"]
    assert status(filled.ask("POST", f"/episodes/{FIRST}/comments", body, "anna")) == expected
    whole = body | {"episode": FIRST} if isinstance(body, dict) else body
    assert status(filled.ask("POST", "/comments", whole, "anna")) == expected
    assert filled.get("/comments")["count"] - before == (2 if expected == 201 else 0)


def test_only_json_is_taken(filled):
    answer = filled.ask("POST", f"/episodes/{FIRST}/comments", b"text=x", "anna", content_type="text/plain")
    assert status(answer) == 415


def test_an_unknown_episode_takes_no_comment(filled):
    """Acceptance 11."""
    assert status(filled.ask("POST", "/episodes/tt0000001/comments", {"text": "x"}, "anna")) == 404
    assert status(filled.ask("POST", "/comments", {"text": "x", "episode": "tt0000001"}, "anna")) == 404
    assert status(filled.ask("POST", "/comments", {"text": "x"}, "anna")) == 422
    assert status(filled.ask("POST", "/comments", {"text": "x", "episode": 5}, "anna")) == 422
    assert status(filled.ask("POST", f"/episodes/{FIRST}/comments", {"text": "x"})) == 401
    assert status(filled.ask("POST", f"/episodes/{FIRST}/comments", {"text": "x"}, "reader")) == 403


def test_comments_survive_another_import(tv):
    """Acceptance 11."""
    made = tv.say()
    assert tv.collect(again=True).complete
    assert tv.get(f"/comments/{made['id']}") == made


def test_comments_are_open_where_the_operator_says_so(tmp_path):
    """The original's rule: nobody needs a key, and what is nobody's anybody changes."""
    with television(tmp_path, EPISODES_OPEN_COMMENTS="true") as tv:
        assert tv.collect().complete
        made = tv.say(who="")
        assert made["owner"] is None
        place = f"/comments/{made['id']}"
        assert tv.ask("PATCH", place, {"text": "by another"}).json()["version"] == 2
        assert tv.ask("PUT", place, {"text": "by anna"}, "anna").json()["owner"] is None
        assert tv.ask("DELETE", place, None).status_code == 204
        # What is not there is not there, for whoever asks.
        for gone in (place, f"/comments/{uuid.uuid4()}", "/comments/1"):
            for method, body in (("PATCH", {"text": "x"}), ("PUT", {"text": "x"}), ("DELETE", None)):
                assert status(tv.ask(method, gone, body)) == 404
                assert status(tv.ask(method, gone, body, "anna")) == 404
        # Who has a key owns what is written with it.
        owned = tv.say(who="anna")
        assert owned["owner"] == person("anna")
        assert status(tv.ask("PATCH", f"/comments/{owned['id']}", {"text": "x"})) == 401
        assert status(tv.ask("PATCH", f"/comments/{owned['id']}", {"text": "x"}, "bert")) == 403
        assert tv.ask("PATCH", f"/comments/{owned['id']}", {"text": "x"}, "anna").status_code == 200
        # The generic routes stay with keys.
        assert status(tv.ask("POST", "/v1/episodes/comments", {"text": "x", "episode": FIRST})) == 401
        nobodys = tv.say(who="reader")
    with television(tmp_path) as closed:
        place = f"/comments/{nobodys['id']}"
        assert status(closed.ask("PATCH", place, {"text": "x"})) == 401
        assert status(closed.ask("PATCH", place, {"text": "x"}, "anna")) == 403
        assert closed.ask("DELETE", place, None, "moderator").status_code == 204


def test_a_word_about_open_comments_that_says_nothing_is_told_at_the_start(tmp_path):
    with television(tmp_path, EPISODES_OPEN_COMMENTS="yes") as tv:
        with pytest.raises(UsageError, match="EPISODES_OPEN_COMMENTS=yes is neither true nor false"):
            _ = tv.front
        with pytest.raises(UsageError, match="EPISODES_OPEN_COMMENTS"):
            tv.collect()
        assert tv.requests == []


# -- the description ------------------------------------------------------------------------------------------------

ROUTES = {
    "/episodes": {"get"},
    "/episodes/{episode}": {"get"},
    "/episodes/{episode}/ratings": {"get"},
    "/episodes/{episode}/comments": {"get", "post"},
    "/comments": {"get", "post"},
    "/comments/{comment}": {"get", "put", "patch", "delete"},
}


@pytest.mark.once  # it is the description, not the database
def test_the_description_is_valid_and_whole(filled):
    """Acceptance 17."""
    document = filled.get("/openapi.json")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {path: set(document["paths"][path]) for path in ROUTES} == ROUTES
    named = {item["name"] for item in document["paths"]["/episodes"]["get"]["parameters"]}
    assert named == {
        "season", "series", "gt_imdb_rating", "gte_imdb_rating", "lt_imdb_rating", "lte_imdb_rating", "only_best",
        "title", "sort", "page", "page_size",
    }  # fmt: skip
    writing = document["paths"]["/comments/{comment}"]["patch"]["responses"]
    assert {"200", "400", "401", "403", "404", "412", "413", "415", "422"} <= set(writing)
    assert {"204", "401", "403", "404", "412"} <= set(document["paths"]["/comments/{comment}"]["delete"]["responses"])
    assert {"201", "404", "413", "415", "422"} <= set(document["paths"]["/comments"]["post"]["responses"])


def test_each_example_of_the_description_works(tv):
    """Acceptance 17."""
    document, made = tv.get("/openapi.json"), tv.say()
    tried = 0
    for path in ROUTES:
        for method, operation in sorted(document["paths"][path].items(), key=lambda item: item[0] == "delete"):
            parameters = operation.get("parameters", [])
            url = path.replace("{comment}", made["id"])
            for item in (item for item in parameters if item["in"] == "path" and "example" in item):
                url = url.replace(f"{{{item['name']}}}", item["example"])
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            queries = [item for item in parameters if item["in"] == "query" and "example" in item]
            for query in ["", *(f"?{item['name']}={written(item['example'])}" for item in queries)]:
                answer = tv.ask(method.upper(), url + query, content.get("example"), "anna")
                assert str(answer.status_code) in operation["responses"], (method, url, query, answer.text)
                assert answer.status_code < 300, (method, url, query, answer.text)
                tried += 1
    assert tried == 27


def written(example) -> str:
    if isinstance(example, list):
        return ",".join(map(written, example))
    return str(example).lower() if isinstance(example, bool) else str(example)
