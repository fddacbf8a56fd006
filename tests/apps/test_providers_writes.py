"""Writing by the providers' contract: nothing is done that was refused, and nothing is written over unseen."""

import asyncio
import json
from contextlib import closing
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest
from asgi_client import transport
from marketplace import BODY, GATEWAY, LIMITLESS, NOW, marketplace, user

from catchment.app import load_app
from catchment.errors import UsageError
from catchment.settings import Settings
from catchment.store.store import Store

REVIEW = {"rating": 4, "skill": None, "comment": "x"}


@pytest.fixture(scope="module")
def market(engine, tmp_path_factory):
    with marketplace(tmp_path_factory.mktemp("market")) as found:
        yield found


def contents(market):
    """Every row of every table, but for keys: there it is noted that they are used."""
    with closing(market.database.open()) as sql:
        return {name: sql.execute(f'SELECT * FROM "{name}"').fetchall() for name in sql.tables() - {"_api_key"}}


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


def test_every_process_goes_by_one_general_mean_and_answers_follow_it(tmp_path):
    """It is counted once an hour for all of them, and what was answered with the old one is answered anew."""
    with marketplace(tmp_path) as market, marketplace(tmp_path) as beside:
        rated, other = market.offer(), market.offer()
        place = f"/service-provider/{other}"
        first = market.ask("GET", place)
        market.rate(rated, 5)
        assert first.json()["score"] == beside.provider(other)["score"] == market.provider(other)["score"] == 3.0
        for service in (market, beside):
            service.clock.advance(timedelta(seconds=3600))
        assert beside.provider(rated)["score"] == 5.0
        again = market.ask("GET", place, if_none_match=first.headers["etag"])
        assert (again.status_code, again.json()["score"]) == (200, 5.0)


def test_pages_by_number_of_two_processes_are_of_one_list(tmp_path):
    """The general mean decides who is first, so all have to go by the same one."""
    with marketplace(tmp_path) as market:
        made = [market.offer() for _ in range(4)]
        market.rate(made[0], 3.5)
        market.rate(made[1], 5)
        market.found()
        market.rate(made[2], 0)
        market.rate(made[2], 0, who=3)
        with marketplace(tmp_path) as beside:
            pages = []
            for page, service in ((1, market), (2, beside)):
                path = f"/v1_1/service-providers/recommend?page_size=2&page={page}"
                pages += service.found(path, {"job_budget_in_pence": 10**9, "skills": BODY["skills"]})
            assert sorted(pages) == sorted(made)


def test_in_no_span_more_is_written_than_the_limit(tmp_path):
    with marketplace(tmp_path, **LIMITLESS | {"PROVIDERS_LIMIT_WRITES": "3/minute"}) as market:
        written = []
        for second in range(0, 240, 5):
            if market.ask("POST", "/service-provider", BODY).status_code == 201:
                written.append(second)
            market.clock.advance(timedelta(seconds=5))
        assert len(written) == 12
        assert all(later - one >= 60 for one, later in zip(written, written[3:], strict=False))


def test_a_review_of_a_skill_that_was_dropped_is_still_its_authors(market):
    provider = market.offer()
    place, query = f"/service-provider/{provider}/review", "?skill=Digital%20Marketing"
    assert market.rate(provider, 4, skill="Digital Marketing").status_code == 201
    assert market.ask("PUT", f"/service-provider/{provider}", BODY | {"skills": ["Other"]}).status_code == 200
    assert market.ask("PATCH", place + query, {"rating": 1}, 2).status_code == 200
    assert market.ask("POST", place, REVIEW | {"skill": "digital marketing"}, 2).status_code == 200
    assert market.ask("POST", place, REVIEW | {"skill": "digital marketing"}, 3).status_code == 422


@pytest.mark.parametrize("text", ["4", " 4", "\uff14", "+4", "4e0", ".5", "-0"])
def test_a_text_is_no_number(market, text):
    """Neither a rating nor a bound of a search; a generic route takes plain decimal digits alone as text."""
    provider, _ = there(market)
    place = f"/service-provider/{provider}/review"
    assert market.ask("POST", place, {"rating": text}, 3).status_code == 422
    assert market.ask("PATCH", place, {"rating": text}, 2).status_code == 422
    for name in ("reviews_gt", "cost_gt"):
        assert market.ask("POST", "/service-providers", {name: text}).status_code == 422
    job = {"job_budget_in_pence": 1000, "skills": ["x"]}
    assert market.ask("POST", "/service-providers/recommend", job | {"minimum_review_rating": text}).status_code == 422
    generic = market.ask("POST", "/v1/providers/reviews", {"rating": text, "provider": provider}, 3)
    assert generic.status_code == (201 if text == "4" else 422)


@pytest.mark.parametrize("text", ["1e0", "1.0", "1e3", "+1", "%201", "%EF%BC%91", "-0", ""])
def test_a_whole_number_of_a_query_is_digits(market, text):
    for name in ("page", "page_size", "cost_gt"):
        assert market.ask("GET", f"/service-providers?{name}={text}").status_code == 422


@pytest.mark.parametrize("text", ["\u200b", "\u3164", "\u2800", "\u2003", "\u202e\u200f", "\u0301"])
def test_what_shows_nothing_is_no_text(market, text):
    assert market.ask("POST", "/service-provider", BODY | {"name": text}).status_code == 422
    assert market.ask("POST", "/service-provider", BODY | {"skills": [text]}).status_code == 422
    provider, _ = there(market)
    answer = market.ask("POST", f"/service-provider/{provider}/review", REVIEW | {"comment": text}, 3)
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["/v1_0/service-provider", "/v1/providers/providers"])
def test_a_body_that_does_not_come_to_its_end_is_given_up(tmp_path, path):
    async def half():
        yield b'{"name": "Mi'
        await asyncio.Event().wait()

    async def post(front):
        given = {"content-type": "application/json", "user-id": user(1)}
        async with asyncio.timeout(20):
            way = transport(front, GATEWAY)
            async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
                return await client.post(path, content=half(), headers=given)

    with marketplace(tmp_path, CATCHMENT_BODY_TIMEOUT="0.05") as slow:
        answer = asyncio.run(post(slow.front))
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")


@pytest.mark.parametrize("text", ["0", "-1", "soon", "inf"])
def test_a_timeout_that_is_no_time_is_told_before_the_start(tmp_path, text):
    with pytest.raises(UsageError, match="CATCHMENT_BODY_TIMEOUT"), marketplace(tmp_path, CATCHMENT_BODY_TIMEOUT=text):
        pass


def test_a_long_row_of_marks_is_refused_for_its_length(market):
    provider, _ = there(market)
    text = "x" + "\u0301\u0316" * 60_000

    def status(method, path, body, who):
        return market.ask(method, path, json.dumps(body, ensure_ascii=False).encode(), who).status_code

    for members in ({"name": text}, {"skills": [text]}):
        assert status("POST", "/service-provider", BODY | members, 1) == 422
        assert status("POST", "/service-providers", members, 0) == 422
    review = f"/service-provider/{provider}/review"
    for members in ({"comment": text}, {"skill": text}):
        assert status("POST", review, {"rating": 4} | members, 3) == 422
        generic = {"rating": 4, "skill": None, "provider": provider}
        assert status("POST", "/v1/providers/reviews", generic | members, 3) == 422
    job = {"job_budget_in_pence": 1000, "skills": [text]}
    assert status("POST", "/service-providers/recommend", job, 0) == 422


@pytest.mark.parametrize("scopes", [("moderate",), ("moderate", "write")], ids=["moderates", "writes too"])
def test_who_moderates_deletes_reviews_and_no_providers(market, scopes):
    provider, review = there(market)
    key = market.key(9, *scopes)
    for path in (f"/service-provider/{provider}", f"/v1/providers/providers/{provider}"):
        refused = 404 if "write" in scopes else 403
        assert market.ask("DELETE", path, who=0, if_match="*", **key).status_code == refused
    assert market.ask("DELETE", f"/v1/providers/reviews/{review}", who=0, **key).status_code == 204
    assert market.ask("DELETE", f"/service-provider/{provider}", who=1).status_code == 200


@pytest.mark.parametrize("skill", [" ", "\u2003 "], ids=["space", "wide spaces"])
def test_a_skill_of_spaces_alone_is_not_the_review_in_general(market, skill):
    provider, review = there(market)
    place = f"/service-provider/{provider}/review"
    other = {"rating": 1, "skill": skill}
    assert market.ask("POST", place, other, 2).status_code == 422
    assert market.ask("POST", "/v1/providers/reviews", other | {"provider": provider}, 2).status_code == 422
    query = f"?skill={quote(skill)}"
    for method, body in (("GET", None), ("PATCH", {"rating": 1}), ("DELETE", None)):
        assert market.ask(method, place + query, body, 2).status_code == 422
    assert market.ask("GET", f"{place}s{query}", who=0).status_code == 422
    found = market.ask("GET", place, who=2).json()
    assert (found["id"], found["rating"]) == (review, 4)


def test_names_are_trimmed_of_the_same_blanks_as_skills(market):
    assert market.provider(market.offer(name="\u2003 Mill \u205f"))["name"] == "Mill"


def test_a_gateway_on_this_machine_is_no_operator(tmp_path):
    with marketplace(tmp_path, CATCHMENT_TRUSTED_GATEWAYS="127.0.0.0/8") as market:
        assert market.ask("GET", "/v1/_/feeds", who=0, peer="127.0.0.1").status_code == 401
    with marketplace(tmp_path) as market:
        assert market.ask("GET", "/v1/_/feeds", who=0, peer="127.0.0.1").status_code == 200


def test_a_public_answer_says_by_what_it_varies(market, tmp_path):
    told = "Accept, Authorization, Cookie, X-API-Key, user-id, user_id, Accept-Encoding"
    for path in ("/service-providers", "/v1/providers/reviews"):
        first = market.ask("GET", path, who=0)
        assert (first.headers["cache-control"], first.headers["vary"]) == ("public, no-cache", told)
        known = market.ask("GET", path, who=0, if_none_match=first.headers["etag"])
        assert (known.status_code, known.headers["vary"]) == (304, told)
    with marketplace(tmp_path, CATCHMENT_TRUSTED_GATEWAYS="") as alone:
        listed = alone.ask("GET", "/service-providers", who=0)
        assert listed.headers["vary"] == "Accept, Authorization, Cookie, X-API-Key, Accept-Encoding"


def test_who_judged_a_comment_is_not_public(market):
    """Nor is it that it was judged."""
    provider, review = there(market)
    place = f"/reviews/{review}/moderation"
    assert market.ask("POST", place, {"decision": "publish"}, 0, **market.key(9, "moderate")).status_code == 200
    url = f"/v1/providers/reviews/{review}/history"
    (public,) = market.ask("GET", url, who=0).json()["data"]
    assert (public["author"], public["until"]) == (user(2), None)
    whole = market.ask("GET", url, who=0, **market.key(9, "moderate")).json()["data"]
    assert [item["author"] for item in whole] == [user(9), user(2)]
    assert market.ask("PATCH", f"/service-provider/{provider}/review", {"rating": 1}, 2).status_code == 200
    assert [item["author"] for item in market.ask("GET", url, who=0).json()["data"]] == [user(2), user(2)]


def test_what_is_denied_as_if_it_were_not_there_is_audited(market):
    provider = market.offer()
    for number, (method, path) in enumerate(
        [("PUT", f"/service-provider/{provider}"), ("DELETE", f"/v1/providers/providers/{provider}")]
    ):
        body = BODY if method == "PUT" else None
        assert market.ask(method, path, body, 5, x_request_id=f"denied-{number}").status_code == 404
        with closing(market.database.open()) as sql:
            found = sql.execute("SELECT principal, result FROM _audit WHERE request_id = ?", (f"denied-{number}",))
            assert found.fetchall() == [(user(5), "denied")]


def audit(market, query=""):
    answer = market.ask("GET", f"/v1/_/audit{query}", who=0, **market.key(8, "operate"))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_operators_read_who_tried_what(market):
    """What is concealed from whoever tried it is told to operators; of what was written nothing is."""
    provider = market.offer(name="canary")
    assert market.ask("PUT", f"/service-provider/{provider}", BODY, 77).status_code == 404
    assert market.ask("DELETE", f"/service-provider/{provider}").status_code == 200
    deleted, made = audit(market, f"?what=providers/providers/{provider}")["data"]
    assert [(item["action"], item["before"], item["after"]) for item in (made, deleted)] == [
        ("create", None, 1),
        ("delete", 1, None),
    ]
    assert {(item["principal"], item["result"]) for item in (made, deleted)} == {(user(1), "allowed")}
    (denied,) = audit(market, f"?who={user(77)}&result=denied")["data"]
    assert (denied["action"], denied["object"]) == ("put", f"/v1_0/service-provider/{provider}")
    assert made["id"] < denied["id"] < deleted["id"]
    assert "canary" not in str([made, denied, deleted])
    assert market.ask("GET", "/v1/_/audit", who=0, **market.key(7, "read", "write", "moderate")).status_code == 403


def test_the_audit_is_paged_and_asked_for_by_moments(market):
    for _ in range(3):
        market.offer(who=88)
    mine = audit(market, f"?who={user(88)}")["data"]
    found, before = [], ""
    while True:
        page = audit(market, f"?who={user(88)}&limit=2{before}")
        found += page["data"]
        if page["meta"]["next"] is None:
            break
        before = f"&before={page['meta']['next']}"
    assert found == mine
    assert len(found) == 3
    at = mine[0]["at"]
    assert len(audit(market, f"?who={user(88)}&action=create&since={at}")["data"]) == 3
    assert audit(market, f"?who={user(88)}&until={at}")["data"] == []
    for wrong in ("result=perhaps", "since=yesterday", "limit=0", "limit=1001", "before=x", "nothing=1", "who=a&who=b"):
        answer = market.ask("GET", f"/v1/_/audit?{wrong}", who=0, **market.key(8, "operate"))
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, wrong.partition("=")[0])


def test_the_log_has_a_line_of_every_write_and_no_value_of_a_query(market, capsys):
    market.ask("POST", "/service-provider", BODY, x_request_id="written")
    market.ask("GET", "/service-providers?name=canary&x=1", x_request_id="refused")
    market.ask("GET", "/service-providers?name=canary", x_request_id="served")
    lines = capsys.readouterr().out.splitlines()
    assert (
        len([line for line in lines if "written" in line and "201" in line and "/v1_0/service-provider" in line]) == 1
    )
    assert len([line for line in lines if "refused" in line and "400" in line]) == 1
    assert not [line for line in lines if "canary" in line or "served" in line]


def test_reviews_of_a_person_who_is_erased_stay_without_the_name(tmp_path):
    """Section 3 of providers: the mean stays, and whoever wrote it is nobody."""
    with marketplace(tmp_path) as market:
        provider, own = market.offer(1), market.offer(2)
        market.rate(provider, 5, 2, comment="Came on time.")
        market.rate(provider, 2, 3)
        before = market.provider(provider)
        values = {"CATCHMENT_DATA": str(tmp_path)}
        app = load_app("providers")
        with Store(Settings().with_values("test", values), [app]) as store:
            assert store.person(user(2), [app]).run(NOW).done
        assert {**market.provider(provider), "updated_at": ""} == {**before, "updated_at": ""}
        assert market.ask("GET", f"/service-provider/{own}").status_code == 404
        for root in ("/v1_0", "/v1_1"):
            listed = market.ask("GET", f"{root}/service-provider/{provider}/reviews").json()
            shown = listed.get("items", listed.get("reviews"))
            assert {item["user_id"]: item["rating"] for item in shown} == {None: 5, user(3): 2}
        assert user(2) not in market.ask("GET", "/v1/providers/reviews").text
        assert market.rate(provider, 1, 2).status_code == 201
