"""People over HTTP: who may write what, what every wrong request is told, and what is read afterwards."""

import asyncio
import json
from contextlib import closing
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import httpx
import pytest
from asgi_client import transport
from litestar import put
from market import app
from people import NOTES, NOW, OUTSIDE, PLACE, PLACES, REVIEWS, collect_bar, user

from catchment import App, Record
from catchment.clock import FakeClock
from catchment.errors import DeclarationError
from catchment.resource import Resource
from catchment.serve.app import build
from catchment.serve.openapi import describe
from catchment.settings import Settings
from catchment.store.audit import Asked, find
from catchment.store.tables import collections_of

HOSTILE = [
    "'; DROP TABLE market_places; --",
    '" OR "1"="1',
    "$.name",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "../../etc/passwd",
    "%00%2e%2e%2f",
    "\r\nX-Injected: yes",
    "\u202egnp.exe",
    "a\u0308\u0301\u0323" * 20,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ufeffbom",
    "\ufffe\uffff",
    "\x01\x1b[31m\x7f",
    "١٢٣",
    "ﷺ",
    "\\u0000 \\ud800 \\",
    "null",
    "NaN",
    " leading and trailing ",
    "__proto__",
    "=1+1",
    "İıſK",
]


class Words(Record):
    id: str
    text: str


def stored(market, sql):
    with closing(market.database.open()) as connection:
        return connection.execute(sql).fetchall()


def everything(market):
    """All that writing could change, but for the audit of what was denied."""
    tables = ("places", "places_version", "reviews", "reviews__rollup_0", "notes")
    found = [stored(market, f"SELECT * FROM market_{name}") for name in tables]
    return [*found, stored(market, "SELECT * FROM _collection"), stored(market, "SELECT * FROM _commit")]


# -- the ordinary way -----------------------------------------------------------------------------------------------


def test_what_is_written_is_read_at_once_and_is_the_same(market):
    assert market.ask("GET", PLACES).json()["data"] == []
    made = market.place()
    assert made.headers["location"] == f"{PLACES}/{made.json()['data']['id']}"
    read = market.ask("GET", made.headers["location"], who=0)
    assert (read.content, read.headers["etag"]) == (made.content, made.headers["etag"])
    listed = market.ask("GET", PLACES, who=0)
    assert [item["id"] for item in listed.json()["data"]] == [made.json()["data"]["id"]]
    assert listed.json()["meta"]["revision"] == made.json()["meta"]["revision"] == 1
    assert (listed.headers["x-stale"], listed.headers["x-missing-partitions"]) == ("false", "0")
    assert "x-age" not in listed.headers
    found = made.json()["data"]
    assert (found["owner"], found["created_at"], found["cost"]) == (user(1), "2026-01-31T12:00:00Z", 25000)


def test_put_replaces_patch_merges_delete_ends(market):
    url = market.place(note="old").headers["location"]
    put = market.ask("PUT", url, PLACE | {"name": "New"})
    assert (put.status_code, put.json()["data"]["note"], put.json()["meta"]["version"]) == (200, None, 2)
    patched = market.ask("PATCH", url, {"cost": 1, "note": "new"}, content_type="application/merge-patch+json")
    assert (patched.json()["data"]["name"], patched.json()["data"]["cost"]) == ("New", 1)
    gone = market.ask("DELETE", url)
    assert (gone.status_code, gone.content) == (204, b"")
    for path in ("", "/source"):
        assert market.ask("GET", url + path).status_code == 404
    assert market.ask("DELETE", url).status_code == 404
    assert market.ask("GET", PLACES).json()["data"] == []
    assert market.ask("GET", url + "?as_of=1").json()["data"]["note"] == "old"
    assert market.ask("GET", url + "?as_of=3").json() == patched.json()
    assert market.ask("GET", PLACES + "?as_of=2").json()["data"][0]["name"] == "New"
    history = market.ask("GET", url + "/history").json()["data"]
    assert [(item["version"], item["gone"], item["author"]) for item in history] == [
        (3, True, user(1)),
        (2, False, user(1)),
        (1, False, user(1)),
    ]


def test_a_moderator_deletes_and_the_app_itself_publishes(market):
    place = market.place().json()["data"]["id"]
    body = {"place": place, "skill": None, "rating": 4, "comment": "words"}
    made = market.ask("POST", REVIEWS, body, 2)
    assert made.json()["data"]["comment_state"] == "held"
    key = made.json()["data"]["id"]
    assert market.ask("POST", f"/moderation/{key}", who=3).status_code == 403
    assert market.ask("POST", f"/moderation/{key}", who=3, scopes=("moderate",)).json() == {"version": 2}
    found = market.ask("GET", f"{REVIEWS}/{key}").json()["data"]
    assert (found["comment_state"], found["owner"]) == ("published", user(2))
    history = market.ask("GET", f"{REVIEWS}/{key}/history").json()["data"]
    assert [item["author"] for item in history] == [user(3), user(2)]
    assert market.ask("PATCH", f"{REVIEWS}/{key}", {"rating": 1}, 3, ("moderate",)).status_code == 403
    assert market.ask("GET", f"/score/{place}").json() == {"count": 1, "sum": "4", "listed": 1}
    assert market.ask("DELETE", f"{REVIEWS}/{key}", who=3, scopes=("moderate",)).status_code == 204
    assert market.ask("GET", f"/score/{place}").json() == {"count": 0, "sum": "0", "listed": 0}


def test_a_second_review_takes_the_place_of_the_first(market):
    place = market.place().json()["data"]["id"]
    body = {"place": place, "skill": None, "rating": 4}
    first, second = (market.ask("POST", REVIEWS, body | {"rating": rating}, 2) for rating in (4, 3.5))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"] == second.headers["location"]
    assert second.json()["data"]["rating"] == "3.5"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[1:20])
def test_text_is_text(market, text):
    made = market.place(note=text, skills=[text], name="x" + text)
    found = market.ask("GET", made.headers["location"]).json()["data"]
    assert (found["note"], found["skills"]) == (text, [text])
    listed = market.ask("GET", f"{PLACES}?sort=-note").json()["data"]
    assert [item["note"] for item in listed] == [text]


@pytest.mark.parametrize("path", ["/v1/shop/notes", "/v1/shop/notes/{key:str}"])
def test_an_own_route_where_a_resource_is_written_is_refused_at_the_start(tmp_path, path):
    @put(path)
    async def own() -> None:
        raise AssertionError("it is never asked")

    notes = Resource("notes", Words, public=True)
    values = {"CATCHMENT_DATA": str(tmp_path)}
    with pytest.raises(DeclarationError, match="a resource is written there"):
        build([App("shop", resources=[notes], routes=[own])], Settings().with_values("test", values), FakeClock(NOW))


# -- who --------------------------------------------------------------------------------------------------------------

BODY = PLACE | {"name": "canary"}
WRITES = [("POST", PLACES), ("PUT", "{}"), ("PATCH", "{}"), ("DELETE", "{}")]
PEOPLE = {  # POST, PUT, PATCH, DELETE on a place of user 1, which strangers are not told of
    "nobody": (0, (), {}, (401, 401, 401, 401)),
    "named by a header": (0, (), {"user_id": user(1)}, (401, 401, 401, 401)),
    "reader": (1, ("read",), {}, (403, 403, 403, 403)),
    "operator": (1, ("operate",), {}, (403, 403, 403, 403)),
    "another": (2, ("write",), {}, (201, 404, 404, 404)),
    "moderator": (2, ("moderate",), {}, (403, 403, 403, 403)),
    "moderator who writes": (2, ("moderate", "write"), {}, (201, 404, 404, 404)),
    "owner": (1, ("write",), {}, (201, 200, 200, 204)),
    "overriding": (2, ("write",), {"x_http_method_override": "GET"}, (201, 404, 404, 404)),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_who_may_write_what_and_nothing_changes_when_denied(market, name):
    who, scopes, headers, expected = PEOPLE[name]
    url = market.place().headers["location"]
    for (method, path), status in zip(WRITES, expected, strict=True):
        before = everything(market)
        body = {"POST": BODY, "PUT": BODY, "PATCH": {"cost": 77}}.get(method)
        answer = market.ask(method, path.format(url) if path == "{}" else path, body, who, scopes, **headers)
        assert answer.status_code == status, (method, answer.text)
        assert (everything(market) == before) is (status >= 400)


def test_what_nobody_may_see_is_not_told_to_be_there(
    market,
):
    collect_bar(market.database)
    body = {"symbol": "IBM", "date": "2026-01-02", "text": "private"}
    made = market.ask("POST", NOTES, body)
    assert made.status_code == 201, "who may write needs no right to read"
    for who, scopes, status in ((0, (), 401), (2, ("operate",), 404), (1, ("write",), 404), (2, ("read",), 200)):
        assert market.ask("GET", made.headers["location"], who=who, scopes=scopes).status_code == status
    hidden = market.ask("POST", NOTES, body, 2, ("operate",))
    absent = market.ask("POST", "/v1/market/nothing", body, 2, ("operate",))
    assert (
        (hidden.status_code, hidden.json()["detail"])
        == (absent.status_code, absent.json()["detail"])
        == (404, absent.json()["detail"])
    )
    assert market.ask("OPTIONS", NOTES, who=0).headers["allow"] == "GET, HEAD, OPTIONS"


def test_what_is_collected_is_not_written(market):
    collect_bar(market.database)
    for method, url in (("POST", "/v1/market/bars"), ("PUT", "/v1/market/bars/IBM,2026-01-02")):
        answer = market.ask(method, url, {})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert market.ask("OPTIONS", "/v1/market/bars").headers["allow"] == "GET, HEAD, OPTIONS"
    assert market.ask("OPTIONS", PLACES).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert market.ask("POST", f"{PLACES}/x", {}).status_code == 405


def test_every_write_is_in_the_audit_done_or_denied(market):
    url = market.place(note="canary-text").headers["location"]
    key = url.rpartition("/")[2]
    market.ask("PATCH", url, {"cost": 2}, x_request_id="mine")
    market.ask("DELETE", url, who=0)
    market.ask("DELETE", url)
    with closing(market.database.open()) as sql:
        found = [entry for entry in find(sql, Asked()) if not entry.action.startswith("key-")][::-1]
    shown = [(item.action, item.object, item.principal, item.before, item.after, item.result) for item in found]
    name = f"market/places/{key}"
    assert shown == [
        ("create", name, user(1), None, 1, "allowed"),
        ("change", name, user(1), 1, 2, "allowed"),
        ("delete", url, "", None, None, "denied"),
        ("delete", name, user(1), 2, None, "allowed"),
    ]
    assert found[1].request_id == "mine"
    assert found[1].key_id
    assert "canary" not in str(found)


# -- what is wrong ----------------------------------------------------------------------------------------------------

RAW = json.dumps(PLACE).encode()
WRONG = {
    "no json": (b"{", {}, 400, "malformed"),
    "a member twice": (b'{"cost":1,"cost":2}', {}, 400, "malformed"),
    "NaN": (b'{"cost":NaN}', {}, 400, "malformed"),
    "1e400": (b'{"cost":1e400}', {}, 400, "malformed"),
    "no UTF-8": (b'"\xff"', {}, 400, "malformed"),
    "deep": (b"[" * 100_000, {}, 400, "malformed"),
    "empty": (b"", {}, 400, "malformed"),
    "an array": (b"[]", {}, 422, "invalid"),
    "10.7 for an integer": (RAW.replace(b"25000", b"10.7"), {}, 422, "invalid"),
    "integer beyond": (RAW.replace(b"25000", b"9223372036854775808"), {}, 422, "invalid"),
    "NUL": (RAW.replace(b"Mill", b"Mi\\u0000ll"), {}, 422, "invalid"),
    "lone surrogate": (RAW.replace(b"Mill", b"\\ud800"), {}, 422, "invalid"),
    "lone surrogate in a name": (RAW.replace(b'"name"', b'"\\ud800"'), {}, 422, "invalid"),
    "unknown member": (RAW.replace(b'"name"', b'"label"'), {}, 422, "invalid"),
    "owner in the body": (b'{"owner":"x",' + RAW[1:], {}, 422, "invalid"),
    "text/plain": (RAW, {"content_type": "text/plain"}, 415, "unsupported-media-type"),
    "a form": (RAW, {"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
    "no type": (RAW, {"content_type": ""}, 415, "unsupported-media-type"),
    "a patch posted": (RAW, {"content_type": "application/merge-patch+json"}, 415, "unsupported-media-type"),
    "compressed": (RAW, {"content_encoding": "gzip"}, 415, "unsupported-media-type"),
    "too large": (b" " * 300_000, {}, 413, "body-too-large"),
    "bad idempotency key": (RAW, {"idempotency_key": "a b"}, 400, "bad-request"),
    "no acceptable answer": (RAW, {"accept": "text/html"}, 406, "not-acceptable"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_and_nothing_is_written(market, name):
    body, headers, status, kind = WRONG[name]
    before = everything(market)
    answer = market.ask("POST", PLACES, body, **headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if status == 422:
        assert all(set(item) == {"pointer", "detail"} for item in answer.json()["errors"])
        assert answer.json()["errors"]
    assert everything(market) == before
    if status in (400, 413, 415) and "idempotency" not in name:
        assert market.ask("POST", PLACES, body, who=0, **headers).status_code == 401, "who writes is asked first"


def test_a_body_without_length_is_read_no_further_than_its_bound(market):
    sent = []

    async def pieces():
        for _ in range(1000):
            sent.append(1)
            yield b" " * 1024

    async def post():
        way = transport(market.front, OUTSIDE)
        headers = {"authorization": f"Bearer {market.key(1, 'write')}", "content-type": "application/json"}
        async with httpx.AsyncClient(transport=way, base_url="http://localhost") as client:
            return await client.post(REVIEWS, content=pieces(), headers=headers)

    assert asyncio.run(post()).status_code == 413
    assert len(sent) <= 4 + 64


def test_parameters_and_keys_that_mean_nothing_are_refused(market):
    market.place()
    assert market.ask("POST", PLACES + "?owner=x", PLACE).status_code == 400
    for key in ("nowhere", "%00", "%ff", "a,b", "9" * 30):
        assert market.ask("PATCH", f"{PLACES}/{key}", {"cost": 1}).status_code == 404


def test_a_fault_in_a_declared_rule_is_ours_and_shows_nothing(market):
    place = market.place().json()["data"]["id"]
    body = {"place": place, "skill": None, "rating": 1}
    market.ask("POST", REVIEWS, body | {"comment": "fault of the rule"}, 8)
    answer = market.ask("POST", REVIEWS, body, 2)
    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert market.ask("GET", REVIEWS).json()["meta"]["count"] == 1


# -- versions and keys of one's own -----------------------------------------------------------------------------------


def test_if_match_guards_a_version(market):
    made = market.place()
    url, old = made.headers["location"], made.headers["etag"]
    new = market.ask("PATCH", url, {"cost": 2}, if_match=old).headers["etag"]
    for tag in (old, f"W/{new}", "nothing", '""'):
        for method, body in (("PUT", PLACE), ("PATCH", {"cost": 3}), ("DELETE", None)):
            assert market.ask(method, url, body, if_match=tag).status_code == 412
    assert market.ask("GET", url).headers["etag"] == new
    assert market.ask("PATCH", url, {"cost": 3}, if_match=f"{old}, {new}").status_code == 200
    assert market.ask("DELETE", url, if_match="*").status_code == 204
    assert market.ask("DELETE", url, if_match="*").status_code == 404


def test_if_none_match_writes_only_what_is_not_there_yet(market):
    """RFC 9110, 13.1.2: a record that is there is as it was; one that would take another's place is refused too."""
    made = market.place()
    url, place = made.headers["location"], made.json()["data"]["_key"]
    for method, body in (("PUT", PLACE), ("PATCH", {"cost": 3}), ("DELETE", None)):
        answer = market.ask(method, url, body, if_none_match="*")
        assert (answer.status_code, answer.json()["type"]) == (412, "/problems/changed-meanwhile")
    assert market.ask("GET", url).headers["etag"] == made.headers["etag"]
    assert market.ask("PUT", f"{PLACES}/nowhere", PLACE, if_none_match="*").status_code == 404
    review = {"place": place, "skill": None, "rating": 1}
    first, second = (market.ask("POST", REVIEWS, review | {"rating": stars}, 2, if_none_match="*") for stars in (1, 2))
    assert (first.status_code, second.status_code) == (201, 412)
    assert market.ask("GET", first.headers["location"]).json()["data"]["rating"] == "1"


def test_the_tag_of_a_coded_answer_is_the_version_too(market):
    url = market.place(note="long " * 300).headers["location"]
    tags = {coding: market.ask("GET", url, accept_encoding=coding).headers["etag"] for coding in ("gzip", "zstd")}
    assert [tag.rpartition("-")[2] for tag in tags.values()] == ['gzip"', 'zstd"']
    assert market.ask("PATCH", url, {"cost": 2}, if_match=tags["gzip"]).status_code == 200
    assert market.ask("PATCH", url, {"cost": 3}, if_match=tags["zstd"]).status_code == 412


def test_if_match_is_demanded_where_it_is_declared(market):
    collect_bar(market.database)
    made = market.ask("POST", NOTES, {"symbol": "IBM", "date": "2026-01-02", "text": "a"})
    url = made.headers["location"]
    for method, body in (("PUT", {"text": "b"}), ("PATCH", {"text": "b"}), ("DELETE", None)):
        answer = market.ask(method, url, body)
        assert (answer.status_code, answer.json()["type"]) == (428, "/problems/if-match-needed")
    put = market.ask("PUT", url, {"text": "b"}, if_match=made.headers["etag"])
    assert (put.status_code, put.json()["data"]["symbol"]) == (200, "IBM")
    moved = market.ask("PATCH", url, {"symbol": "MSFT"}, if_match="*")
    assert (moved.status_code, moved.json()["errors"]) == (422, [{"pointer": "/symbol", "detail": "cannot be changed"}])


def test_of_two_puts_with_one_version_one_is_done(market):
    made = market.place()
    headers = {"authorization": f"Bearer {market.key(1, 'write')}", "if-match": made.headers["etag"]}

    async def both():
        way = transport(market.front, OUTSIDE)
        async with httpx.AsyncClient(transport=way, base_url="http://localhost", headers=headers) as client:
            puts = (client.put(made.headers["location"], json=PLACE | {"cost": cost}) for cost in (1, 2))
            return await asyncio.gather(*puts)

    answers = asyncio.run(both())
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert market.ask("GET", made.headers["location"]).json() == winner.json()


def test_an_idempotency_key_makes_a_request_safe_to_send_again(market):
    first, again = (market.ask("POST", PLACES, PLACE, idempotency_key="k-1") for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert (first.content, first.headers["location"]) == (again.content, again.headers["location"])
    assert market.ask("GET", PLACES).json()["meta"]["count"] == 1
    assert market.ask("POST", PLACES, PLACE | {"cost": 1}, idempotency_key="k-1").status_code == 422
    assert market.ask("POST", PLACES, PLACE, 2, idempotency_key="k-1").headers["location"] != first.headers["location"]
    url = first.headers["location"]
    patch = [market.ask("PATCH", url, {"cost": 7}, idempotency_key="k-2", if_match=first.headers["etag"]) for _ in "12"]
    assert [answer.status_code for answer in patch] == [200, 200], "sent again it is not a stale one"
    deleted = [market.ask("DELETE", url, idempotency_key="k-3").status_code for _ in "12"]
    assert deleted == [204, 204]


# -- the description --------------------------------------------------------------------------------------------------


def test_the_description_has_every_route_and_status(market):
    document = market.ask("GET", "/openapi.json", scopes=("read",)).json()
    for name in ("places", "reviews", "notes"):
        paths = document["paths"]
        assert {"get", "post"} <= set(paths[f"/v1/market/{name}"])
        assert {"get", "put", "patch", "delete"} <= set(paths[f"/v1/market/{name}/{{key}}"])
    assert set(document["paths"]["/v1/market/bars"]) == {"get"}
    put = document["paths"]["/v1/market/notes/{key}"]["put"]
    assert {"200", "400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "429", "503"} <= set(
        put["responses"]
    )
    assert [item["required"] for item in put["parameters"] if item["name"] == "If-Match"] == [True]
    schemas = document["components"]["schemas"]
    assert set(schemas["market_places_body"]["properties"]) == {"name", "skills", "cost", "open", "note"}
    assert schemas["market_places_body"]["required"] == ["name", "skills", "cost"]
    assert schemas["market_places_body"]["additionalProperties"] is False
    assert schemas["market_notes_replacement"]["required"] == ["text"]
    assert not schemas["market_places_patch"].get("required")
    assert schemas["market_reviews_body"]["properties"]["rating"]["type"] == ["string", "number"]


def test_answers_have_what_the_description_says(market):
    url = market.place().headers["location"]
    paths = market.ask("GET", "/openapi.json", scopes=("read",)).json()["paths"]

    def described(path, method="get", status="200"):
        answer = paths[path][method]["responses"][status]["content"]["application/json"]["schema"]
        return answer["properties"]

    [version] = market.ask("GET", url + "/history").json()["data"]
    assert set(version) == set(described(f"{PLACES}/{{key}}/history")["data"]["items"]["required"])
    for path, method, status in ((PLACES, "post", "201"), (f"{PLACES}/{{key}}", "get", "200")):
        meta = market.ask("GET", url).json()["meta"]
        assert set(meta) == set(described(path, method, status)["meta"]["required"])
    assert f"{PLACES}/{{key}}/source" not in paths


def test_every_reference_of_the_description_leads_somewhere():
    document = describe([app], collections_of(app), version="1")
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert references
    for reference in references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_moments_are_those_of_the_service(market):
    made = market.place()
    assert made.json()["meta"]["said_at"] == NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_what_breaks_a_bound_that_was_narrowed_since_is_told_mended_and_deleted(market):
    """A cost of 0, as if it had been allowed once."""
    first, second = (market.place().headers["location"] for _ in range(2))
    with closing(market.database.open()) as sql:
        sql.execute("""UPDATE market_places SET cost = 0, _doc = replace(_doc, '"cost":25000', '"cost":0')""")
    told = market.ask("PATCH", first, {"name": "New"})
    assert (told.status_code, told.json()["errors"][0]["pointer"]) == (422, "/cost")
    mended = market.ask("PATCH", first, {"name": "New", "cost": 1})
    assert (mended.status_code, mended.json()["data"]["cost"]) == (200, 1)
    assert market.ask("DELETE", second).status_code == 204


def test_a_stored_record_of_another_type_is_a_conflict_that_says_so(market):
    url = market.place().headers["location"]
    with closing(market.database.open()) as sql:
        sql.execute("""UPDATE market_places SET _doc = replace(_doc, '"cost":25000', '"cost":"dear"')""")
    answer = market.ask("PATCH", url, {"cost": 1})
    assert answer.status_code == 409
    assert "places" in answer.json()["detail"]
    assert "$.cost" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("url", "headers", "status", "closes"),
    [
        (PLACES, {}, 201, False),
        (PLACES, {"content_type": "text/plain"}, 415, True),
        (f"{PLACES}?x=1", {}, 400, True),
        (f"{PLACES}/x/y/z", {}, 404, True),
    ],
)
def test_a_client_is_told_when_its_body_was_not_read(market, url, headers, status, closes):
    """The server closes then: who sent the next request on that connection would write into a closed pipe."""
    answer = market.ask("POST", url, PLACE, **headers)
    assert answer.status_code == status
    assert (answer.headers.get("connection") == "close") is closes


@pytest.mark.sqlite
def test_where_nothing_can_be_written_reading_goes_on(market):
    """No file of this process grows any more, which is what a full disk does to it; then there is room again."""
    listed = market.place().headers["location"].rpartition("/")[0]
    before = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (1, before[1]))
    try:
        refused = market.ask("POST", PLACES, PLACE)
        read = market.ask("GET", f"{listed}?limit=7", accept_encoding="identity")
    finally:
        setrlimit(RLIMIT_FSIZE, before)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/read-only")
    assert refused.headers["retry-after"]
    assert (read.status_code, read.json()["meta"]["count"]) == (200, 1)
    market.place(2)
    assert market.ask("GET", f"{listed}?limit=8").json()["meta"]["count"] == 2
