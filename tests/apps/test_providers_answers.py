"""The providers app's contract over HTTP, case by case; the docstring names the case of the contract."""

import asyncio
import json
import re
from contextlib import closing
from datetime import timedelta

import pytest
from marketplace import BODY, LIMITLESS, NOW, OUTSIDE, marketplace, span, user
from openapi_spec_validator import OpenAPIV31SpecValidator

from catchment.errors import UsageError
from catchment.store.rollups import kept, recomputed
from catchment.store.tables import collections_of

REVIEW = {"rating": 4.5}
NOBODY = "00000000-0000-0000-0000-00000000dead"


@pytest.fixture
def market(tmp_path):
    with marketplace(tmp_path, PROVIDERS_PRIOR_MEAN="3.5") as made:
        yield made


@pytest.fixture(scope="module")
def empty(engine, tmp_path_factory):
    """A marketplace that is asked for what is refused alone, so that nothing is ever in it."""
    with marketplace(tmp_path_factory.mktemp("empty")) as made:
        yield made


@pytest.fixture(scope="module")
def shared(engine, tmp_path_factory):
    """A marketplace in which each test has a provider of its own, and looks at no other one."""
    with marketplace(tmp_path_factory.mktemp("shared"), PROVIDERS_PRIOR_MEAN="3.5") as made:
        yield made


def status(answer) -> int:
    """The status; a problem has the one shape."""
    if answer.status_code >= 400:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["trace_id"] == answer.headers["x-request-id"]
        assert problem["error"]
    return answer.status_code


# -- who may what ---------------------------------------------------------------------------------------------------

OWNERS = {
    "owner": (1, {}, {"POST": 201, "review": 403, "PUT": 200, "DELETE": 200}),
    "other": (2, {}, {"POST": 201, "review": 201, "PUT": 404, "DELETE": 404}),
    "none": (0, {}, {"POST": 401, "review": 401, "PUT": 401, "DELETE": 401}),
    "malformed": (0, {"user_id": "x"}, {"POST": 422, "review": 422, "PUT": 422, "DELETE": 422}),
}


@pytest.mark.parametrize("who", OWNERS)
def test_only_owners_change_their_providers(market, who):
    """Acceptance 1."""
    number, headers, expected = OWNERS[who]
    place = f"/service-provider/{market.offer()}"
    found = {
        "POST": status(market.ask("POST", "/service-provider", BODY, number, **headers)),
        "review": status(market.ask("POST", f"{place}/review", REVIEW, number, **headers)),
        "PUT": status(market.ask("PUT", place, BODY, number, **headers)),
        "DELETE": status(market.ask("DELETE", place, None, number, **headers)),
    }
    assert found == expected


def test_of_two_changes_at_once_one_is_made(market):
    """Acceptance 2."""
    place = f"/service-provider/{market.offer()}"
    tag = market.ask("GET", place).headers["etag"]

    async def both():
        change = [market.asked("PUT", place, BODY | {"name": name}, if_match=tag) for name in ("one", "other")]
        return await asyncio.gather(*change)

    answers = asyncio.run(both())
    assert sorted(map(status, answers)) == [200, 412]
    (made,) = [answer for answer in answers if answer.status_code == 200]
    now = market.ask("GET", place)
    assert now.json()["name"] == made.json()["name"]
    assert now.headers["etag"] == made.headers["etag"] != tag


def test_a_review_changes_the_etag_and_not_the_version_that_is_meant(market):
    provider = market.offer()
    place = f"/service-provider/{provider}"
    tag = market.ask("GET", place).headers["etag"]
    market.rate(provider, 5)
    fresh = market.ask("GET", place, if_none_match=tag)
    assert fresh.status_code == 200
    assert fresh.headers["etag"] != tag
    assert market.ask("GET", place, if_none_match=fresh.headers["etag"]).status_code == 304
    assert market.ask("PUT", place, BODY | {"name": "new"}, if_match=tag).status_code == 200
    assert status(market.ask("PUT", place, BODY, if_match=tag)) == 412


# -- dates and money ------------------------------------------------------------------------------------------------

DATES = {
    "inside": ([span("2023-01-01", "2023-01-31")], span("2023-01-10", "2023-01-12"), True),
    "exactly": ([span("2023-01-10", "2023-01-12")], span("2023-01-10", "2023-01-12"), True),
    "begins later": ([span("2023-01-11", "2023-01-20")], span("2023-01-10", "2023-01-12"), False),
    "overlapping": (
        [span("2023-01-01", "2023-01-10"), span("2023-01-10", "2023-01-20")],
        span("2023-01-05", "2023-01-15"),
        True,
    ),
    "adjoining": (
        [span("2023-01-01", "2023-01-10"), span("2023-01-11", "2023-01-20")],
        span("2023-01-05", "2023-01-15"),
        True,
    ),
    "leap day": ([span("2024-02-29")], span("2024-02-29"), True),
}


@pytest.mark.parametrize("case", DATES)
def test_a_range_is_met_when_every_day_of_it_is_free(market, case):
    """Acceptance 3."""
    free, wanted, expected = DATES[case]
    provider = market.offer(availability=free)
    assert (provider in market.recommended(availability=[wanted])) is expected
    assert (provider in market.found(body={"availability": [wanted]})) is expected


def test_a_day_that_is_not_in_the_calendar_is_refused(market):
    """Acceptance 3: the 29th of February of another year."""
    answer = market.ask("POST", "/service-provider", BODY | {"availability": [span("2023-02-29")]})
    assert status(answer) == 422
    assert answer.json()["errors"][0]["field"] == "availability.0.from_date"


def test_ranges_are_all_wanted_or_any_and_one_day_is_a_range(market):
    """Acceptance 4."""
    provider = market.offer(availability=[span("2023-05-05"), span("2023-06-01", "2023-06-09")])
    assert market.provider(provider)["availability"] == [span("2023-05-05"), span("2023-06-01", "2023-06-09")]
    both = [span("2023-05-05"), span("2023-07-01")]
    assert market.recommended(availability=both) == []
    assert market.recommended(availability=both, availability_mode="any") == [provider]


@pytest.mark.parametrize(
    ("cost", "duration", "budget", "found"),
    [
        (3333, 3, 10_000, True),
        (3334, 3, 10_000, False),
        (500, 1, 500, True),
        (501, 1, 500, False),
        (1000, 2, 2001, True),
        (1001, 2, 2001, False),
    ],
)
def test_the_job_is_within_the_budget(market, cost, duration, budget, found):
    """Acceptance 5."""
    market.offer(cost_in_pence=cost)
    job = {"job_budget_in_pence": budget, "expected_job_duration_in_days": duration}
    assert bool(market.recommended(**job)) is found


# -- ranking --------------------------------------------------------------------------------------------------------


def test_many_good_reviews_rank_before_a_lone_five(market):
    """Acceptance 6, with fewer reviews than the rule's own test."""
    lone, many = market.offer(name="A"), market.offer(name="B")
    market.rate(lone, 5)
    for who in range(2, 27):
        market.rate(many, 4.5, who)
    assert market.recommended(rank="best") == [many, lone]
    assert market.recommended(rank="best", score="wilson") == [many, lone]
    assert market.recommended(rank="price") == [lone, many]
    assert market.provider(lone)["score"] == 3.6364
    assert market.provider(many)["score"] == 4.2143  # (25 * 4.5 + 35) / 35


def test_at_one_cost_the_better_mean_comes_first_and_the_unrated_last(market):
    """Acceptance 7."""
    unrated, four, five = (market.offer(name=name) for name in "ABC")
    market.rate(four, 4)
    market.rate(five, 5)
    assert market.recommended(rank="price") == [five, four, unrated]
    dear = market.offer(name="D", cost_in_pence=30000)
    assert market.recommended(rank="price") == [dear, five, four, unrated]


def test_best_counts_matched_skills_first_and_then_the_reviews_of_those(market):
    one, two = market.offer(name="A", skills=["x"]), market.offer(name="B", skills=["x", "y"])
    market.rate(one, 5)
    assert market.recommended(rank="best", skills=["X", " y "]) == [two, one]
    assert market.recommended(rank="best", skills=["x", "y"], skills_mode="all") == [two]
    market.rate(two, 0.5)
    market.rate(two, 5, skill="X")
    market.rate(two, 5, who=3, skill="x")
    assert market.recommended(rank="best", skills=["x"]) == [two, one]
    assert market.provider(two)["skill_ratings"] == {"x": {"review_rating": 5.0, "review_count": 2}}


def test_a_decayed_score_forgets_old_reviews(market):
    old, new = market.offer(name="A"), market.offer(name="B")
    market.rate(old, 5)
    market.rate(old, 5, who=3)
    market.clock.advance(timedelta(seconds=5 * 365 * 86400))
    market.rate(new, 5)
    assert market.recommended(rank="best") == [old, new]
    assert market.recommended(rank="best", score="decayed") == [new, old]


def test_an_explanation_says_why(market):
    provider = market.offer(skills=["x", "y"], availability=[span("2023-01-05", "2023-02-01")])
    job = {
        "job_budget_in_pence": 80_000,
        "skills": ["x", "y", "z"],
        "expected_job_duration_in_days": 3,
        "explain": True,
    }
    job |= {"availability": [span("2023-01-01", "2023-01-20")], "availability_match": "window"}
    (item,) = market.ask("POST", "/service-providers/recommend", job, 0).json()["service_providers"]
    assert item["id"] == provider
    assert item["match"] == {
        "skills": 0.67,
        "score": 3.5,
        "review_count": 0,
        "headroom_in_pence": 5000,
        "free_from": "2023-01-05",
        "prior_version": 0,
    }


def test_the_general_mean_is_of_all_reviews_and_stands_for_an_hour(tmp_path):
    with marketplace(tmp_path) as market:
        rated, other = market.offer(), market.offer()
        assert market.provider(other)["score"] == 3.0
        market.rate(rated, 4)
        market.rate(rated, 4.5, who=3)
        assert market.provider(other)["score"] == 3.0
        market.clock.advance(timedelta(seconds=3600))
        market.rate(rated, 4.25, who=4)
        assert market.provider(other)["score"] == 4.25
        (item,) = market.ask(
            "POST",
            "/service-providers/recommend",
            {"job_budget_in_pence": 10**6, "skills": BODY["skills"], "explain": True},
        ).json()["service_providers"][:1]
        assert item["match"]["prior_version"] == 3


def test_reviews_of_who_is_gone_are_not_in_the_general_mean(tmp_path):
    with marketplace(tmp_path) as market:
        bad, good = market.offer(), market.offer(who=3)
        for who in (4, 5):
            market.rate(bad, 1, who)
            market.rate(good, 5, who)
        assert market.ask("DELETE", f"/service-provider/{bad}").status_code == 200
        market.clock.advance(timedelta(seconds=3600))
        assert market.provider(market.offer())["score"] == 5.0
        left = market.ask("GET", f"/v1/providers/reviews?provider={bad}", who=0, **market.key(9, "read")).json()["data"]
        assert left == []
        assert market.provider(good)["score"] == 5.0
        check_sums(market)


def check_sums(market):
    """What is kept beside the reviews is what counting them gives."""
    from catchment.apps.providers import app

    reviews = collections_of(app)[1]
    with closing(market.database.open()) as sql:
        for number in range(3):
            assert kept(sql, reviews, number) == recomputed(sql, reviews, number) != {}


# -- pages ----------------------------------------------------------------------------------------------------------


def walk(market, path, body, between):
    """The ids of all pages by cursor, with something happening between them."""
    found, cursor = [], None
    while True:
        query = "?page_size=5" + (f"&cursor={cursor}" if cursor else "")
        answer = market.ask("POST", path + query, body, 0)
        assert answer.status_code == 200, answer.text
        found += [item["id"] for item in answer.json()["service_providers"]]
        cursor = answer.json()["pagination"]["next"]
        if cursor is None:
            return found
        between(len(found))


@pytest.mark.parametrize("rank", ["name", "best", "price"])
def test_every_item_of_the_beginning_comes_once(market, rank):
    """Acceptance 8: thirty equal providers, while others insert and review."""
    made = [market.offer() for _ in range(30)]
    path, body = "/service-providers", {}
    if rank != "name":
        path, body = f"{path}/recommend", {"job_budget_in_pence": 10**9, "skills": BODY["skills"], "rank": rank}

    def others(number):
        market.offer(who=3)
        market.rate(made[number % 30], 5, who=4)
        market.rate(made[-number % 30], 0, who=5)

    found = walk(market, path, body, others)
    assert len(found) == len(set(found))
    assert set(made) <= set(found)


def test_pages_by_number_have_every_item_once(market):
    """Acceptance 8."""
    made = {market.offer() for _ in range(11)}
    pages = [market.ask("GET", f"/service-providers?page={page}&page_size=5&count=exact", who=0) for page in (1, 2, 3)]
    found = [item["id"] for page in pages for item in page.json()["service_providers"]]
    assert sorted(found) == sorted(made)
    assert pages[2].json()["pagination"] == {"page": 3, "page_size": 5, "next": None, "count": 11}


def test_a_cursor_continues_its_own_list_only(market):
    for _ in range(3):
        market.offer()
    cursor = market.ask("GET", "/service-providers?page_size=2").json()["pagination"]["next"]
    assert market.ask("GET", f"/service-providers?page_size=2&cursor={cursor}").status_code == 200
    for wrong in (f"cost_gt=1&cursor={cursor}", f"cursor={cursor[:-4]}AAAA", "cursor=x", "cursor=%C3%A9"):
        assert status(market.ask("GET", f"/service-providers?{wrong}")) == 400
    assert status(market.ask("GET", f"/v1_1/service-providers?cursor={cursor}")) == 400


# -- reviews --------------------------------------------------------------------------------------------------------


def test_what_is_replaced_keeps_its_reviews_and_what_is_deleted_its_versions(market):
    """Acceptance 9."""
    provider = market.offer()
    place, generic = f"/service-provider/{provider}", f"/v1/providers/reviews?provider={provider}"
    market.rate(provider, 4)
    reviews = market.ask("GET", f"{place}/reviews").json()
    replaced = market.ask("PUT", place, BODY | {"name": "New"})
    assert (replaced.status_code, replaced.json()["review_rating"], replaced.json()["review_count"]) == (200, 4.0, 1)
    assert market.ask("GET", f"{place}/reviews").json() == reviews
    market.clock.advance(timedelta(seconds=60))
    (review,) = market.ask("GET", generic).json()["data"]
    gone = market.ask("DELETE", place)
    assert (gone.status_code, gone.json()) == (200, {})
    for method, path in [("GET", place), ("DELETE", place), ("GET", f"{place}/reviews"), ("GET", f"{place}/review")]:
        assert status(market.ask(method, path)) == 404
    assert market.found() == market.recommended() == market.ask("GET", generic).json()["data"] == []
    then = f"as_of={NOW:%Y-%m-%dT%H:%M:%SZ}"
    old = market.ask("GET", f"/v1/providers/providers/{provider}?{then}")
    assert (old.status_code, old.json()["data"]["name"]) == (200, "New")
    assert market.ask("GET", f"{generic}&{then}").json()["data"] == [review]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/service-providers/", {"skills": 5}, "Expected a list, got a whole number"),
        ("/service-providers/", {"cost_gt": True}, "Expected a whole number, got true or false"),
        ("/service-providers/recommend", {"skills": ["x"], "job_budget_in_pence": {}}, "a whole number, got an object"),
    ],
)
def test_a_wrong_type_is_told_to_people_who_write_no_python(empty, path, body, said):
    answer = empty.ask("POST", path, body)
    assert status(answer) == 422
    assert said in answer.json()["errors"][0]["message"]


def test_a_second_review_replaces_the_first(market):
    """Acceptance 10: the mean follows, by that of another one too; of one's own and of no provider there is none."""
    provider = market.offer()
    market.rate(provider, 2, who=3)
    first, second = market.rate(provider, 1), market.rate(provider, 4)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    shown = market.provider(provider)
    assert (shown["review_count"], shown["review_rating"]) == (2, 3.0)
    assert status(market.ask("POST", f"/service-provider/{provider}/review", REVIEW, 1)) == 403
    for unknown in (NOBODY, "no-uuid"):
        answer = market.ask("POST", f"/service-provider/{unknown}/review", REVIEW)
        assert (status(answer), answer.json()["error"]) == (404, "Service provider not found")
    assert market.provider(provider)["review_count"] == 2


def test_what_is_kept_beside_reviews_is_what_counting_gives(market):
    """Acceptance 11, the short of it: eight people write, change and delete at once."""
    made = [market.offer() for _ in range(3)]

    async def writes(who):
        for step in range(9):
            place = f"/service-provider/{made[(who + step) % 3]}/review"
            await market.asked("POST", place, {"rating": (who * step) % 501 / 100}, who)
            if step % 3 == 2:
                await market.asked("DELETE", place, None, who)

    async def everybody():
        await asyncio.gather(*(writes(who) for who in range(2, 10)))

    asyncio.run(everybody())
    check_sums(market)


def test_a_comment_is_seen_by_others_once_it_is_published(market):
    """Acceptance 12."""
    provider = market.offer()
    answer = market.rate(provider, 4, comment="Good\nwork").json()
    assert answer["comment_state"] == "held"
    assert market.provider(provider)["review_count"] == 1
    listed, moderation = f"/service-provider/{provider}/reviews", f"/reviews/{answer['id']}/moderation"

    def seen(who, **headers):
        (item,) = market.ask("GET", listed, None, who, **headers).json()["reviews"]
        return item["comment"]

    assert [seen(who) for who in (0, 1, 2)] == [None, None, "Good\nwork"]
    assert seen(0, **market.key(9, "moderate")) == "Good\nwork"
    moderator = market.key(9, "moderate")
    assert status(market.ask("POST", moderation, {"decision": "publish"})) == 403
    assert status(market.ask("POST", moderation, {"decision": "maybe"}, 0, **moderator)) == 422
    assert status(market.ask("POST", f"/reviews/{NOBODY}/moderation", {"decision": "publish"}, 0, **moderator)) == 404
    assert market.ask("POST", moderation, {"decision": "publish"}, 0, **moderator).status_code == 200
    assert seen(0) == "Good\nwork"
    assert market.rate(provider, 3, comment="Good\nwork").json()["comment_state"] == "published"
    assert market.rate(provider, 3, comment="Other").json()["comment_state"] == "held"
    assert seen(0) is None
    assert market.ask("POST", moderation, {"decision": "refuse"}, 0, **moderator).json()["comment_state"] == "refused"
    assert seen(0) is None


GENERIC = [
    "",
    "/{id}",
    "/{id}/history",
    "?as_of=1",
    "/{id}?as_of=1",
    "?fields=rating",
    "?sort=-rating&limit=1",
    "/stats?by=rating",
]


@pytest.mark.parametrize("path", GENERIC)
def test_a_held_comment_is_on_no_generic_route(market, path):
    """Acceptance 12: anybody reads reviews there, comments are the moderators'."""
    provider = market.offer()
    market.rate(provider, 4)
    review = market.rate(provider, 4, comment="canary").json()["id"]
    url = "/v1/providers/reviews" + path.format(id=review)
    for headers in ({}, {"peer": OUTSIDE}, market.key(9, "read"), market.key(2, "write")):
        answer = market.ask("GET", url, who=0, **headers)
        assert answer.status_code == 200, answer.text
        assert "canary" not in answer.text
        assert "comment" not in answer.text
    seen = market.ask("GET", url, who=0, **market.key(9, "moderate"))
    assert ("canary" in seen.text) is (path not in ("?fields=rating", "?as_of=1", "/{id}?as_of=1", "/stats?by=rating"))


@pytest.mark.parametrize(
    "query",
    [
        *(
            "?{}=canary",
            "?{}__contains=c",
            "?{}__isnull=true",
            "?sort={}",
            "?fields={}",
            "?fields=rating,{}",
            "?sort=-{}",
        ),
        *("/stats?by={}", "/stats?of=min({})", "/stats?of=count({})", "/stats?by=rating&sort={}", "/stats?{}=canary"),
    ],
)
def test_what_is_hidden_is_asked_for_like_what_is_not_there(shared, query):
    """Advisory A3, A4: byte for byte, but for the name; so nothing of it is guessed letter by letter."""
    shared.rate(shared.offer(), 4, comment="canary")
    told = []
    for name in ("comment", "comnemt"):
        answer = shared.ask("GET", f"/v1/providers/reviews{query.format(name)}", who=0, x_request_id="same")
        assert answer.status_code == 400
        # What is nearest to a name is sought among those that are shown.
        told.append(re.sub(r"nearest is [a-z_()]+", "nearest is another", answer.text.replace(name, "X")))
    assert told[0] == told[1]


def test_the_description_does_not_name_what_is_hidden(market):
    def fields(**headers):
        document = market.ask("GET", "/openapi.json", who=0, **headers).json()
        listed = document["paths"]["/v1/providers/reviews"]["get"]["parameters"]
        counted = document["paths"]["/v1/providers/reviews/stats"]["get"]["parameters"]
        asked = {item["name"].partition("__")[0] for item in (*listed, *counted)}
        asked |= {name for item in counted if item["name"] == "by" for name in item["schema"]["items"]["enum"]}
        assert "Review" not in document["components"]["schemas"] or headers
        return asked, set(document["components"]["schemas"]["providers_reviews"]["properties"])

    asked, shown = fields()
    assert not {"comment", "comment_state"} & (asked | shown)
    asked, shown = fields(**market.key(9, "moderate"))
    assert {"comment", "comment_state"} <= asked & shown


def test_a_review_is_changed_by_the_tag_with_which_it_was_read(market):
    """Its author reads it without its comment there, and writes to the very version that he read."""
    provider = market.offer()
    url = f"/v1/providers/reviews/{market.rate(provider, 4, comment='x').json()['id']}"
    read = market.ask("GET", url, who=2)
    everything = market.ask("GET", url, who=0, **market.key(9, "moderate"))
    assert read.headers["etag"] != everything.headers["etag"]
    changed = market.ask("PATCH", url, {"rating": 3}, 2, if_match=read.headers["etag"])
    assert (changed.status_code, changed.json()["data"]["comment"]) == (200, "x")
    assert market.ask("PATCH", url, {"rating": 2}, 2, if_match=read.headers["etag"]).status_code == 412
    assert market.ask("PATCH", url, {"rating": 2}, 2, if_match=changed.headers["etag"]).status_code == 200


def test_lists_are_filtered_by_what_they_hold(market):
    first = market.offer(name="A", skills=["SEO", "x,y"])
    market.offer(name="B", skills=["Selling"])
    path = "/v1/providers/providers"

    def found(query):
        answer = market.ask("GET", f"{path}?{query}", who=0)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["data"]], answer.json()["meta"]["count"]

    assert found("skills__has=SEO") == (["A"], 1)
    assert found("skills__has=seo") == ([], 0)
    assert found("skill_keys__has=seo&skills__has=x%2Cy") == (["A"], 1)
    market.ask("PUT", f"/service-provider/{first}", BODY | {"name": "A", "skills": ["Other"]})
    assert found("skills__has=SEO") == ([], 0)
    assert found("skills__has=SEO&as_of=2") == (["A"], 1)
    for wrong in ("name__has=A", "availability__has=1", "free_days__has=1", "skills=SEO"):
        assert market.ask("GET", f"{path}?{wrong}", who=0).status_code == 400


def test_a_review_of_ones_own_is_read_changed_and_deleted(market):
    provider = market.offer()
    place = f"/service-provider/{provider}/review"
    assert status(market.ask("GET", place, who=2)) == 404
    market.rate(provider, 2)
    market.rate(provider, 5, skill="seo  OPTIMISATION")
    mine = market.ask("GET", f"{place}?skill=Seo+optimisation", who=2)
    assert (mine.json()["rating"], mine.json()["skill"]) == (5.0, "SEO Optimisation")
    changed = market.ask("PATCH", place, {"rating": 3}, 2, if_match=market.ask("GET", place, who=2).headers["etag"])
    assert (changed.status_code, changed.json()["rating"]) == (200, 3.0)
    assert status(market.ask("PATCH", place, {"rating": 3.001}, 2)) == 422
    assert status(market.ask("PATCH", place, {"user_id": user(3)}, 2)) == 422
    assert market.provider(provider)["review_rating"] == 4.0
    listed = market.ask("GET", f"/service-provider/{provider}/reviews?skill=SEO%20Optimisation&count=exact").json()
    assert ([item["rating"] for item in listed["reviews"]], listed["pagination"]["count"]) == ([5.0], 1)
    assert market.ask("DELETE", place, who=2).json() == {}
    assert status(market.ask("DELETE", place, who=2)) == 404
    assert market.provider(provider)["review_count"] == 1
    assert status(market.ask("POST", place, REVIEW | {"skill": "none of it"}, 2)) == 422


def test_reviews_are_listed_newest_first_by_cursor_too(market):
    provider = market.offer()
    for who in range(2, 9):
        market.clock.advance(timedelta(seconds=1))
        market.rate(provider, 4, who)
    place = f"/service-provider/{provider}/reviews?page_size=3"
    pages = [market.ask("GET", place).json()]
    while cursor := pages[-1]["pagination"]["next"]:
        pages.append(market.ask("GET", f"{place}&cursor={cursor}").json())
    assert [item["user_id"] for page in pages for item in page["reviews"]] == [user(who) for who in range(8, 1, -1)]


# -- what is refused ------------------------------------------------------------------------------------------------

WRONG_PROVIDERS = {
    "fraction": {"cost_in_pence": 10.7},
    "nothing": {"cost_in_pence": 0},
    "too dear": {"cost_in_pence": 100_000_001},
    "text": {"cost_in_pence": "10"},
    "unknown member": {"rating": 5},
    "owner": {"user_id": user(3)},
    "empty name": {"name": "  "},
    "long name": {"name": "x" * 10_240},
    "control character": {"name": "a\u0007b"},
    "no skills": {"skills": []},
    "blank skill": {"skills": [" "]},
    "51 skills": {"skills": [f"s{number}" for number in range(51)]},
    "no availability": {"availability": []},
    "backwards": {"availability": [span("2023-01-02", "2023-01-01")]},
    "too early": {"availability": [span("1969-12-31", "1970-01-01")]},
    "too late": {"availability": [span("2199-12-31", "2200-01-01")]},
    "null": {"name": None},
}


@pytest.mark.parametrize("case", WRONG_PROVIDERS)
def test_a_wrong_provider_is_refused_and_named(empty, case):
    """Acceptance 13 and 22."""
    answer = empty.ask("POST", "/service-provider", BODY | WRONG_PROVIDERS[case])
    assert status(answer) == 422
    (field,) = WRONG_PROVIDERS[case]
    assert answer.json()["errors"][0]["field"].split(".")[0] == field
    assert answer.json()["error"]
    assert empty.found() == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "5.01", "-0.01", "4.555", "true", "[]"])
def test_a_wrong_rating_is_refused(shared, number):
    """Acceptance 13: it is not stored, and reading works afterwards."""
    provider = shared.offer()
    answer = shared.ask("POST", f"/service-provider/{provider}/review", f'{{"rating":{number}}}'.encode(), 2)
    assert status(answer) == 422
    assert shared.provider(provider)["review_count"] == 0


@pytest.mark.parametrize(
    ("number", "expected"),
    [("4.5" + "0" * 300, 201), ("4." + "1" * 300, 422), ("4.50" + "0" * 40 + "1", 422), ("0." + "0" * 300 + "1", 422)],
    ids=["zeros", "ones", "one at the 43rd place", "one at the 301st place"],
)
def test_a_rating_of_very_many_digits_is_judged_by_all_of_them(shared, number, expected):
    """Acceptance 13: arithmetic in 28 digits would round it to one of two."""
    provider = shared.offer()
    answer = shared.ask("POST", f"/service-provider/{provider}/review", f'{{"rating":{number}}}'.encode(), 2)
    assert status(answer) == expected, answer.text
    assert shared.provider(provider)["review_rating"] == (4.5 if expected == 201 else 0.0)


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"1",
        b'{"\\ud800":1}',
        b'{"name":"\\u0000"}',
        b'{"skills":["\\ud800"]}',
        b'{"availability":[1]}',
        b'{"availability":[{"from_date":"2024-01-01"}]}',
        b'{"availability":[{"from_date":"2024-01-01","to_date":"2024-01-01","\\ud800":1}]}',
        b'{"cost_gt":1e400}',
    ],
)
def test_hostile_filters_are_refused(shared, body):
    shared.offer()
    assert status(shared.ask("POST", "/service-providers", body)) == 422


@pytest.mark.parametrize("path", ["/service-provider", "/v1/providers/providers"])
def test_half_a_character_is_refused_however_deep_it_stands(empty, path):
    body = json.dumps(BODY).replace('"to_date"', '"\\ud800": 1, "to_date"').encode()
    assert status(empty.ask("POST", path, body)) == 422


def test_the_largest_question_is_answered(market):
    """Fifty skills and a hundred ranges, judged as of the walk's beginning."""
    skills = [f"skill {number}" for number in range(50)]
    made = [market.offer(skills=skills, availability=[span("2000-01-01", "2100-01-01")]) for _ in range(3)]
    job = {"job_budget_in_pence": 10**12, "skills": skills, "skills_mode": "all", "rank": "best", "score": "decayed"}
    job |= {"availability": [span(f"2024-01-{number % 28 + 1:02}") for number in range(100)], "explain": True}
    first = market.ask("POST", "/service-providers/recommend?page_size=2&count=exact", job).json()
    market.rate(made[0], 5, skill=skills[3])
    cursor = first["pagination"]["next"]
    second = market.ask("POST", f"/service-providers/recommend?page_size=2&cursor={cursor}", job).json()
    found = [item["id"] for page in (first, second) for item in page["service_providers"]]
    assert (sorted(found), first["pagination"]["count"]) == (sorted(made), 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("page_size=101", 422),
        ("page_size=0", 422),
        (f"page={10**20}", 422),
        ("page=1001&page_size=10", 422),
        ("page=x", 422),
        ("cost_lte=1", 400),
        ("page=1&page=1", 400),
        ("reviews_gt=NaN", 422),
        ("available_from=2023-01-01", 422),
    ],
)
def test_a_wrong_query_is_refused(empty, query, expected):
    """Acceptance 14."""
    assert status(empty.ask("GET", f"/service-providers?{query}")) == expected


def test_a_misspelt_filter_names_the_nearest(market):
    """Acceptance 14."""
    for answer in (
        market.ask("POST", "/service-providers/", {"cost_lte": 1}),
        market.ask("GET", "/service-providers?cost_lte=1"),
    ):
        assert "cost_lt?" in answer.json()["errors"][0]["message"]
        assert answer.json()["errors"][0]["field"] == "cost_lte"
    assert status(market.ask("POST", "/service-providers/", {"cost_lte": 1})) == 422


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"{", 400), (b'{"name":"a","name":"b"}', 400), (b"[]", 422), (b'"' + b"x" * 2**18 + b'"', 413)],
)
def test_what_is_no_body_is_refused(empty, body, expected):
    assert status(empty.ask("POST", "/service-provider", body)) == expected


def test_the_least_rating_leaves_out_the_unrated(market):
    """Acceptance 15."""
    provider = market.offer()
    assert market.recommended(minimum_review_rating=None) == market.recommended(minimum_review_rating=0) == [provider]
    assert market.recommended(minimum_review_rating=0.1) == []
    market.rate(provider, 0.1)
    assert market.recommended(minimum_review_rating=0.1) == [provider]
    assert market.recommended(minimum_review_rating=0.11) == []


@pytest.mark.parametrize("root", ["/v1_0", "/v1_1"])
def test_a_job_longer_than_every_range_is_refused(market, root):
    """Acceptance 16."""
    job = {"job_budget_in_pence": 10**6, "skills": ["x"], "expected_job_duration_in_days": 50}
    answer = market.ask(
        "POST", f"{root}/service-providers/recommend", job | {"availability": [span("2023-01-01", "2023-01-02")]}
    )
    assert status(answer) == 422
    assert answer.json()["errors"][0]["field"] == "expected_job_duration_in_days"


@pytest.mark.parametrize(
    ("free", "duration", "found"),
    [
        ([span("2023-01-04", "2023-01-05")], 2, True),
        ([span("2023-01-04")], 2, False),
        ([span("2022-12-01", "2023-01-01")], 2, False),
        ([span("2022-12-01", "2023-01-02")], 2, True),
        ([span("2023-01-09", "2023-03-01")], 2, True),
        ([span("2023-01-01", "2023-01-09")], None, False),
        ([span("2023-01-01", "2023-01-10")], None, True),
    ],
)
def test_a_window_is_met_by_a_run_as_long_as_the_job(market, free, duration, found):
    """Acceptance 16 and 20: `window` is the default of v1_1, `range` that of v1_0."""
    market.offer(availability=free)
    job = {"expected_job_duration_in_days": duration, "availability": [span("2023-01-01", "2023-01-10")]}
    assert bool(market.recommended(availability_match="window", **job)) is found
    assert bool(market.recommended("/v1_1", **job)) is found
    assert bool(market.recommended(**job)) is (found and duration is None)


def test_rank_is_by_price_in_the_older_version_and_by_worth_in_the_newer(market):
    """Acceptance 20."""
    dear, cheap = market.offer(cost_in_pence=900), market.offer(cost_in_pence=100)
    assert market.recommended("/v1_0") == [dear, cheap]
    assert market.recommended("/v1_1") == [cheap, dear]


# -- ways to ask ----------------------------------------------------------------------------------------------------

QUERIES = [
    ("skills=Y&skills=z", {"skills": ["y", "Z"]}),
    ("skills=x&skills=y&skills_mode=all", {"skills": ["x", "y"], "skills_mode": "all"}),
    ("cost_gt=100&cost_lt=300", {"cost_gt": 100, "cost_lt": 300}),
    ("reviews_gt=4", {"reviews_gt": 4}),
    ("reviews_lte=3.5", {"reviews_lte": 3.5}),
    ("name=Two", {"name": "Two"}),
    ("available_from=2023-01-02&available_to=2023-01-03", {"availability": [span("2023-01-02", "2023-01-03")]}),
]


@pytest.mark.parametrize(("query", "body"), QUERIES)
def test_query_and_body_find_the_same(market, query, body):
    """Acceptance 17."""
    market.offer(name="One", skills=["x"], cost_in_pence=100)
    two = market.offer(
        name="Two", skills=["X", "y"], cost_in_pence=200, availability=[span("2023-01-01", "2023-01-09")]
    )
    market.offer(name="Three", skills=["z"], cost_in_pence=300)
    market.rate(two, 4)
    by_query = market.ask("GET", f"/service-providers?{query}").json()["service_providers"]
    found = market.found(body=body)
    assert [item["id"] for item in by_query] == found
    assert 0 < len(found) < 3


def test_a_final_slash_makes_no_difference(market):
    """Acceptance 17."""
    provider = market.offer()
    place = f"/service-provider/{provider}"
    asked = [
        ("GET", place, None),
        ("GET", f"{place}/reviews", None),
        ("GET", "/service-providers", None),
        ("GET", "/health", None),
    ]
    asked += [("POST", "/service-providers", {}), ("POST", "/service-provider", BODY), ("PUT", place, BODY)]
    asked += [("POST", "/service-providers/recommend", {"job_budget_in_pence": 1, "skills": ["x"]})]
    for method, path, body in asked:
        plain, slashed = (market.ask(method, path + end, body).status_code for end in ("", "/"))
        assert plain == slashed in (200, 201), path


def test_names_are_exact_and_listed_whatever_their_case(market):
    made = {name: market.offer(name=name) for name in ("beta", "Alpha", "ALPHA", "gamma")}
    assert set(market.found()[:2]) == {made["Alpha"], made["ALPHA"]}
    assert market.found()[2:] == [made["beta"], made["gamma"]]
    assert market.found(body={"name": "Alpha"}) == [made["Alpha"]]


def test_the_first_spelling_of_a_skill_is_shown(market):
    """By everybody and for ever: also where it was changed otherwise, and when its first writer is gone."""
    first = market.offer(skills=["SEO Optimisation", "seo   optimisation"])
    other = market.offer(skills=["Selling", "seo optimisation"])
    assert market.provider(other)["skills"] == ["Selling", "SEO Optimisation"]
    assert market.ask("DELETE", f"/service-provider/{first}").status_code == 200
    market.ask("PUT", f"/service-provider/{other}", BODY | {"skills": ["sEO  oPTIMISATION"]})
    assert market.provider(other)["skills"] == ["SEO Optimisation"]
    generic = market.ask("POST", "/v1/providers/providers", BODY | {"skills": ["SEO OPTIMISATION", "SELLING"]})
    assert generic.json()["data"]["skills"] == ["SEO Optimisation", "Selling"]
    review = {"provider": other, "rating": 4, "skill": "seo optimisation"}
    said = market.ask("POST", "/v1/providers/reviews", review, 2)
    assert said.json()["data"]["skill"] == "SEO Optimisation"


def test_what_is_refused_leaves_no_spelling_behind(market):
    provider = market.offer(skills=["x"])
    refused = {"provider": provider, "rating": 4, "skill": "NEVER Had"}
    assert market.ask("POST", "/v1/providers/reviews", refused, 2).status_code == 422
    assert market.provider(market.offer(skills=["never had"]))["skills"] == ["never had"]


def test_who_asks_is_told_by_a_trusted_gateway_alone(tmp_path):
    """Acceptance 18."""
    with marketplace(tmp_path / "off", CATCHMENT_TRUSTED_GATEWAYS="") as market:
        assert status(market.ask("POST", "/service-provider", BODY)) == 401
    with marketplace(tmp_path / "on") as market:
        assert market.ask("POST", "/service-provider", BODY, 0, user_id=user(1)).status_code == 201
        answer = market.ask("POST", "/service-provider", BODY, 1, **market.key(2, "write"))
        assert status(answer) == 403
        assert (
            market.ask("POST", "/service-provider", BODY, 0, peer=OUTSIDE, **market.key(2, "write")).status_code == 201
        )


@pytest.mark.once  # it is the description, not the database
def test_the_description_is_valid_and_each_example_works(market):
    """Acceptance 19."""
    document = market.ask("GET", "/openapi.json", who=0, **market.key(9, "read")).json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert market.ask("GET", "/openapi.json", who=0).status_code == 200
    provider = market.offer()
    review = market.rate(provider, 4, comment="x").json()["id"]
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if "requestBody" not in operation:
                continue
            key = review if path.startswith("/v1/providers/reviews") else provider
            url = path.replace("{provider}", provider).replace("{review_id}", review).replace("{key}", key)
            who = 2 if "/review" in path else 1
            headers = {"if_match": "*"} | (market.key(9, "moderate") if "moderation" in path else {})
            if "moderation" in path:
                who, _ = 0, market.rate(provider, 4, comment="x")
            members = {"provider": provider} if "provider" in content["example"] else {}
            answer = market.ask(method.upper(), url, content["example"] | members, who, **headers)
            assert answer.status_code in (200, 201), (method, path, answer.text)
            tried += 1
    assert tried == 20


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/nothing-here", {}, 404),
        ("PATCH", "/service-providers", {}, 405),
        ("GET", "/service-providers?api_key=ck_x_y", {}, 400),
        ("GET", "/service-providers", {"authorization": "Bearer ck_nothing"}, 401),
        ("GET", "/service-providers", {"user_id": "x"}, 422),
        ("GET", "/service-providers", {"accept": "text/plain"}, 406),
        ("GET", f"/service-providers?name={'x' * 2**14}", {}, 414),
        ("GET", "/service-providers", {"x_long": "x" * 2**16}, 431),
        ("POST", "/service-provider", {"content_length": str(2**31)}, 413),
        ("POST", "/service-provider", {"content_type": "text/plain"}, 415),
    ],
)
def test_what_no_route_has_seen_is_refused_in_the_same_words(market, method, path, headers, expected):
    """`error` is always there, whoever refuses."""
    who = 1 if method == "POST" else 0
    answer = market.ask(method, path, {} if method == "POST" else None, who, **headers)
    assert status(answer) == expected
    assert answer.json()["error"] == answer.json()["detail"]


def test_the_description_tells_a_new_review_from_a_replaced_one(market):
    responses = market.ask("GET", "/openapi.json").json()["paths"]["/v1_0/service-provider/{provider}/review"]["post"]
    assert {"200", "201", "403", "404", "422", "429"} <= set(responses["responses"])
    assert "default" not in responses["responses"]


def test_the_older_version_answers_beside_the_newer(market):
    """Acceptance 19."""
    provider = market.offer()
    assert set(market.ask("GET", "/v1_1/service-providers").json()) == {"items", "next", "count"}
    assert set(market.ask("GET", "/v1_0/service-providers").json()) == {"service_providers", "pagination"}
    place = f"/service-provider/{provider}"
    assert status(market.ask("PUT", f"/v1_1{place}", BODY)) == 428
    tag = market.ask("GET", f"/v1_1{place}").headers["etag"]
    assert market.ask("PUT", f"/v1_1{place}", BODY | {"name": "x"}, if_match=tag).status_code == 200
    assert market.ask("PUT", f"/v1_0{place}", BODY).status_code == 200
    market.rate(provider, 4)
    assert market.found(body={"reviews_gt": 4}) == [provider]
    assert market.found("/v1_1/service-providers", {"reviews_gt": 4}) == []


def test_one_trace_id_is_in_header_problem_and_log(market, capsys):
    """Acceptance 20."""
    answer = market.ask("GET", f"/service-provider/{NOBODY}", x_request_id="trace-1")
    assert answer.headers["x-request-id"] == answer.json()["trace_id"] == "trace-1"
    denied = market.ask("PUT", f"/service-provider/{market.offer()}", BODY, 0, x_request_id="trace-2")
    assert denied.json()["trace_id"] == "trace-2"
    refused = market.ask("POST", f"/reviews/{NOBODY}/moderation", {}, 2, x_request_id="trace-3")
    assert status(refused) == 403
    logged = capsys.readouterr().out.splitlines()
    (line,) = [line for line in logged if "trace-1" in line]
    for part in ("GET", "/v1_0/service-provider/{provider}", "404", user(1)):
        assert part in line
    assert NOBODY not in line
    assert [line for line in logged if "trace-2" in line]
    lines = [line for line in logged if "trace-3" in line]
    assert lines
    assert all(user(2) in line for line in lines)


@pytest.mark.parametrize("name", ["Müller & Söhne", "🛠️ Fixers 👩‍🔧", "שירותי ניקיון", "x" * 200, 'O\'Brien "Best" <b>'])
def test_names_of_all_kinds_are_returned_unchanged(market, name):
    """Acceptance 22."""
    assert market.provider(market.offer(name=name))["name"] == name


WRITES = {
    "contract": lambda market, who: market.ask("POST", "/service-provider", BODY, who),
    "generic": lambda market, who: market.ask("POST", "/v1/providers/providers", BODY, who),
}


def test_who_writes_too_much_is_told_when_to_go_on(tmp_path):
    """Whichever way one writes, and in whichever process of one store; what was refused is not counted."""
    limits = LIMITLESS | {"PROVIDERS_LIMIT_WRITES": "3/minute"}
    with marketplace(tmp_path, **limits) as market, marketplace(tmp_path, **limits) as beside:
        place = f"/service-provider/{market.offer()}"
        assert status(beside.ask("POST", "/service-provider", BODY | {"skills": []})) == 422
        assert beside.ask("PUT", f"/v1/providers/providers/{place.rpartition('/')[2]}", BODY).status_code == 200
        assert beside.ask("PUT", place, BODY | {"name": "x"}).status_code == 200
        for service in (market, beside):
            for way in WRITES.values():
                answer = way(service, 1)
                assert (status(answer), answer.headers["retry-after"]) == (429, "60")
            assert status(service.ask("DELETE", place)) == 429
        assert WRITES["contract"](market, 2).status_code == 201
        market.clock.advance(timedelta(seconds=59))
        assert status(market.ask("DELETE", place)) == 429
        market.clock.advance(timedelta(seconds=1))
        assert market.ask("DELETE", place).status_code == 200


def test_reviews_have_a_limit_of_their_own(tmp_path):
    with marketplace(tmp_path, **LIMITLESS | {"PROVIDERS_LIMIT_REVIEWS": "2/hour"}) as market:
        provider = market.offer()
        place = f"/service-provider/{provider}/review"
        market.rate(provider, 4)
        assert market.ask("PATCH", place, {"rating": 3}, 2).status_code == 200
        for path, body in [(place, REVIEW), ("/v1/providers/reviews", REVIEW | {"provider": provider})]:
            answer = market.ask("POST", path, body, 2)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
        assert market.ask("DELETE", place, who=2).status_code == 200


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PROVIDERS_LIMIT_WRITES", "often"),
        ("PROVIDERS_PRIOR_MEAN", "6"),
        ("PROVIDERS_PRIOR_MEAN", "5.1"),
        ("PROVIDERS_PRIOR_WEIGHT", "0"),
        ("PROVIDERS_PRIOR_WEIGHT", "1.5"),
    ],
)
def test_a_setting_that_cannot_be_read_stops_the_start(tmp_path, name, text):
    """Nobody writes what is stored and then answered with an error."""
    with pytest.raises(UsageError, match=f"{name}={text}"), marketplace(tmp_path, **{name: text}):
        pass


def test_where_nothing_is_asked_for_a_name_is_not_compared_with_none(market):
    answer = market.ask("POST", "/v1_0/service-provider?x=1", {})
    assert (answer.status_code, "nothing is asked for here" in answer.text) == (400, True)


def test_what_people_wrote_is_served_generically_too(market):
    provider = market.offer(name="A\u0300b")
    item = market.ask("GET", f"/v1/providers/providers/{provider}").json()["data"]
    assert re.fullmatch("[0-9a-f-]{36}", item["id"])
    assert item["name"] == "\u00c0b"
    assert json.loads(market.ask("GET", f"/v1/providers/providers/{provider}/history").text)["data"][0][
        "author"
    ] == user(1)
