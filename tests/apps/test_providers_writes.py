"""Writing by the providers' contract: nothing is done that was refused, and nothing is written over unseen."""

import sqlite3
from contextlib import closing

import pytest
from marketplace import BODY, LIMITLESS, marketplace

REVIEW = {"rating": 4, "skill": None, "comment": "x"}


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    with marketplace(tmp_path_factory.mktemp("market")) as found:
        yield found


def contents(market):
    """Every row of every table, but for keys: there it is noted that they are used."""
    with closing(sqlite3.connect(market.database)) as sql:
        names = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_api_key'").fetchall()
        return {name: sql.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in names}


# Method, path with the ids of a provider and a review of it, body, and the number of who writes (9 moderates).
WRITES = {
    "create": ("POST", "/service-provider", BODY, 1),
    "replace": ("PUT", "/service-provider/{provider}", BODY | {"name": "Other"}, 1),
    "remove": ("DELETE", "/service-provider/{provider}", None, 1),
    "review": ("POST", "/service-provider/{provider}/review", REVIEW, 3),
    "change review": ("PATCH", "/service-provider/{provider}/review", {"rating": 1}, 2),
    "remove review": ("DELETE", "/service-provider/{provider}/review", None, 2),
    "moderate": ("POST", "/reviews/{review}/moderation", {"decision": "publish"}, 9),
    "replace review": ("POST", "/service-provider/{provider}/review", REVIEW | {"rating": 1}, 2),
}
GENERIC = {
    "create": ("POST", "/v1/providers/providers", BODY, 1),
    "replace": ("PUT", "/v1/providers/providers/{provider}", BODY | {"name": "Other"}, 1),
    "patch": ("PATCH", "/v1/providers/providers/{provider}", {"name": "Other"}, 1),
    "remove": ("DELETE", "/v1/providers/providers/{provider}", None, 1),
}
ROUTES = [
    *((f"/v1_{version}{path}", method, body, who) for version in (0, 1) for method, path, body, who in WRITES.values()),
    *((path, method, body, who) for method, path, body, who in GENERIC.values()),
]


def send(market, method, path, body, who, provider, review, **headers):
    given = headers | (market.key(9, "moderate") if who == 9 else {})
    url = path.format(provider=provider, review=review)
    return market.ask(method, url, body, 0 if who == 9 else who, **given)


def there(market):
    """The ids of a new provider and of a review of it, whose comment waits for a moderator."""
    provider = market.offer()
    return provider, market.rate(provider, 4, comment="x").json()["id"]


@pytest.mark.parametrize(("path", "method", "body", "who"), ROUTES, ids=lambda item: str(item)[:40])
def test_what_is_answered_406_is_not_done(market, path, method, body, who):
    provider, review = there(market)
    market.key(9, "moderate")
    before = contents(market)
    refused = send(market, method, path, body, who, provider, review, accept="text/xml", if_match="*")
    assert refused.status_code == 406, refused.text
    assert contents(market) == before
    done = send(market, method, path, body, who, provider, review, accept="application/json", if_match="*")
    assert done.is_success, done.text
    assert contents(market) != before


def test_searching_by_post_does_not_use_up_the_writes(tmp_path):
    """Who may write searches as often as anybody, and a write is counted as one."""
    with marketplace(tmp_path, **LIMITLESS | {"CATCHMENT_LIMIT_WRITES": "2/hour"}) as market:
        job = {"job_budget_in_pence": 1000, "skills": ["x"]}
        for _ in range(5):
            assert market.ask("POST", "/service-providers", {}).status_code == 200
            assert market.ask("POST", "/service-providers/recommend", job).status_code == 200
        assert [market.ask("POST", "/service-provider", BODY).status_code for _ in range(3)] == [201, 201, 429]
        assert market.ask("POST", "/service-providers", {}).status_code == 200


MEANT = ["replace", "remove", "change review", "remove review", "moderate", "replace review"]


@pytest.mark.parametrize("name", MEANT)
def test_a_write_over_something_names_its_version(market, name):
    """428 without If-Match from v1_1 on, 412 for another version in both, done for the one that was read."""
    provider, review = there(market)
    method, path, body, who = WRITES[name]
    before = contents(market)
    for root, headers, expected in [
        ("/v1_1", {}, 428),
        ("/v1_1", {"if_match": '"another"'}, 412),
        ("/v1_0", {"if_match": '"another"'}, 412),
    ]:
        answer = send(market, method, root + path, body, who, provider, review, **headers)
        assert answer.status_code == expected, answer.text
        assert contents(market).keys() == before.keys()
        for table in ("providers_providers", "providers_reviews"):
            assert contents(market)[table] == before[table]
    of_review = market.ask("GET", f"/service-provider/{provider}/review", who=2)
    of_provider = market.ask("GET", f"/service-provider/{provider}")
    tag = (of_provider if name in ("replace", "remove") else of_review).headers["etag"]
    assert send(market, method, "/v1_1" + path, body, who, provider, review, if_match=tag).status_code == 200


def test_a_first_review_needs_no_version_and_has_none(market):
    provider, _ = there(market)
    path = f"/service-provider/{provider}/review"
    assert market.ask("POST", f"/v1_1{path}", REVIEW, 3, if_match='"another"').status_code == 412
    assert market.ask("POST", f"/v1_1{path}", REVIEW, 3).status_code == 201


RETRIED = ["replace", "remove", "change review", "remove review", "moderate", "review", "replace review"]


@pytest.mark.parametrize("name", RETRIED)
def test_what_is_sent_again_with_its_key_is_answered_as_at_first(market, name):
    """Even when what it was about has gone meanwhile."""
    provider, review = there(market)
    method, path, body, who = WRITES[name]
    first = send(market, method, path, body, who, provider, review, idempotency_key=f"once {name}".replace(" ", "-"))
    assert first.is_success, first.text
    if name != "remove":
        assert market.ask("DELETE", f"/service-provider/{provider}").status_code == 200
    again = send(market, method, path, body, who, provider, review, idempotency_key=f"once {name}".replace(" ", "-"))
    assert again.status_code == first.status_code
    assert {**again.json(), "score": 0, "review_count": 0, "review_rating": 0} == {
        **first.json(),
        "score": 0,
        "review_count": 0,
        "review_rating": 0,
    }
    assert send(market, method, path, body, who, provider, review).status_code == 404


def test_reviews_of_who_is_gone_are_listed_and_changed_no_more(market):
    """Their versions stay, and how everything was then."""
    provider, review = there(market)
    url, listed = f"/v1/providers/reviews/{review}", f"/v1/providers/reviews?provider={provider}&count=exact"
    then = market.ask("GET", url).json()["meta"]["revision"]
    tag = market.ask("GET", listed).headers["etag"]
    assert market.ask("GET", listed).json()["meta"]["count"] == 1
    assert market.ask("DELETE", f"/service-provider/{provider}").status_code == 200
    assert market.ask("GET", url).status_code == 404
    again = market.ask("GET", listed, if_none_match=tag)
    assert (again.status_code, again.json()["data"], again.json()["meta"]["count"]) == (200, [], 0)
    for method, body in [("PATCH", {"rating": 1}), ("PUT", REVIEW), ("DELETE", None)]:
        assert market.ask(method, url, body, 2).status_code == 404
    assert len(market.ask("GET", f"{url}/history").json()["data"]) == 1
    assert market.ask("GET", f"{url}?as_of={then}").status_code == 200
    assert market.ask("GET", f"{listed}&as_of={then}").json()["meta"]["count"] == 1
