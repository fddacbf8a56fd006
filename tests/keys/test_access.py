"""Who may do what, over the whole application: a table of people and routes, and the ways around it."""

from contextlib import closing
from datetime import timedelta

import pytest
from many_people import GATEWAY, OUTSIDE, USER

PUBLIC, PRIVATE, OPERATING, WRITING = "/v1/demo/bars", "/v1/demo/notes", "/v1/_/feeds", "/own/things"
OTHER = "7f1b52a0-0000-4000-8000-000000000001"

RIGHTS = {  # who: public list, private list, operating route, writing
    "this machine": (200, 200, 200, 401),
    "self-made user inside": (200, 200, 200, 401),
    "nobody": (200, 401, 401, 401),
    "self-made user": (200, 401, 401, 401),
    "forwarded inside": (200, 401, 401, 401),
    "gateway without user": (200, 401, 401, 401),
    "gateway's user": (200, 404, 403, 201),
    "read": (200, 200, 403, 403),
    "same key twice": (200, 200, 403, 403),
    "write": (200, 404, 403, 201),
    "moderate": (200, 404, 403, 403),
    "operate": (200, 404, 200, 403),
    **dict.fromkeys(
        ("revoked", "expired", "unknown", "wrong secret", "malformed", "other scheme", "two keys", "empty key"),
        (401, 401, 401, 401),
    ),
}


def ask(service, person, method, url):
    headers = dict(person)
    return service.client(headers.pop("peer", OUTSIDE)).request(method, url, headers=headers)


@pytest.mark.parametrize("who", RIGHTS)
def test_everybody_may_what_the_table_says(service, people, who):
    person, rows = people[who], (PUBLIC, PRIVATE, OPERATING)
    asked = {url: ask(service, person, "GET", url) for url in rows}
    written = ask(service, person, "POST", WRITING)
    assert (*(asked[url].status_code for url in rows), written.status_code) == RIGHTS[who]
    assert ("canary-note" in asked[PRIVATE].text) is (asked[PRIVATE].status_code == 200)
    for answer in (*asked.values(), written):
        assert (answer.status_code == 401) is ("www-authenticate" in answer.headers)
    if written.status_code == 201:
        assert written.json() == {"owner": USER}


def test_everybody_is_in_the_table(people):
    assert set(RIGHTS) == set(people)


@pytest.mark.parametrize(
    "below", ["", "/{key}", "/{key}/history", "/{key}/source", "/{key}/source/body", "/diff?from=0", "?limit=1"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_public_is_hidden_below_its_list_too(service, people, below, method):
    key = service.ask(PRIVATE, peer="127.0.0.1").json()["data"][0]["_key"]
    url = PRIVATE + below.format(key=key)
    expected = {"this machine": 200, "read": 200, "write": 404, "nobody": 401, "revoked": 401, "gateway's user": 404}
    assert {who: ask(service, people[who], method, url).status_code for who in expected} == expected


def test_an_unknown_collection_looks_as_one_that_is_hidden(service, people):
    hidden, absent = (ask(service, people["write"], "GET", f"/v1/demo/{name}").json() for name in ("notes", "none"))
    for varying in ("instance", "trace_id"):
        hidden.pop(varying), absent.pop(varying)
    assert hidden == absent


AROUND = [
    *("/v1/%5F/feeds", "//v1/_/feeds", "/%761/_/feeds", "/v1/_/feeds/", "/V1/_/feeds", "/v1//_/feeds", "/v1/./_/feeds"),
    *("/x/../v1/_/feeds", "/v1/%2e/_/feeds", "/v1/_%2ffeeds", "/v1/demo/../_/feeds", "/v1/_/feeds?x", "/v1/_/feeds%00"),
    *(
        "/v1/demo//notes",
        "/%761/demo/notes",
        "//v1/demo/notes",
        "/v1/demo/notes/",
        "/v1/demo/%6eotes",
        "/v1/demo/NOTES",
    ),
    *("/v1/demo/bars/../notes", "/v1/demo/bars%2f..%2fnotes", "/v1/demo/notes%00", "/v1/demo/%2e/notes"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_there_is_no_way_around(service, method):
    headers = {"x-http-method-override": "GET", "x-original-url": OPERATING, "x-rewrite-url": PRIVATE}
    for path in AROUND:
        answer = service.client().request(method, path, headers=headers)
        assert answer.status_code in (401, 404, 405) or (method == "OPTIONS" and answer.status_code == 204), path
        assert "canary-note" not in answer.text
        assert "example.org" not in answer.text


def test_a_wrong_key_is_not_better_than_none_and_no_key_tells_on_another(service, people):
    """Advisory A16: answers that differ by what is wrong with a key say which keys there are."""
    said = {}
    for who in ("nobody", "revoked", "expired", "unknown", "wrong secret", "malformed", "two keys", "empty key"):
        service.ticks.seconds += 60
        answer = ask(service, people[who], "GET", PRIVATE)
        body = answer.json()
        assert body.pop("trace_id") == answer.headers["x-request-id"]
        headers = {
            name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")
        }
        said[who] = (answer.status_code, body, headers)
    assert list(said.values()) == [said["nobody"]] * len(said)
    assert said["nobody"][0] == 401


def test_a_revoked_key_is_refused_at_the_next_request(service):
    """Advisory A11: sessions that go on after their user was shut out."""
    key = service.key("read")
    for _ in range(3):
        assert service.ask(PRIVATE, key).status_code == 200
    service.revoke(key)
    assert service.ask(PRIVATE, key).status_code == 401
    assert service.ask(PUBLIC, key).status_code == 401


def test_an_expired_key_is_refused_from_its_moment_on(service):
    key = service.key("read", expires_at=service.clock.now() + timedelta(seconds=10))
    assert service.ask(PRIVATE, key).status_code == 200
    service.clock.advance(timedelta(seconds=10))
    assert service.ask(PRIVATE, key).status_code == 401


def test_keys_that_are_remembered_are_bounded(service):
    ring = service.fronts[0]._rights.ring
    ring._max_keys = 3
    for number in range(2, 8):
        ring.find("a" * 7 + str(number))
        ring.is_to_be_noted(str(number), service.clock.now())
    assert len(ring) == len(ring._noted) == 3


@pytest.mark.parametrize(
    "template", ["?api_key={}", "?limit=1&key={}", "?{}=1", "?symbol=x%20{}", "?key=%63%6b_{rest}"]
)
def test_a_key_in_the_address_is_refused_and_not_repeated(service, template):
    key = service.key("read")
    for url in (PUBLIC, PRIVATE, "/own/mine", "/nothing"):
        answer = service.ask(url + template.format(key, rest=key.removeprefix("ck_")), peer="127.0.0.1")
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/key-in-query")
        assert "header" in answer.json()["detail"]
        assert key.split("_")[2] not in answer.text


# -- gateways ------------------------------------------------------------------------------------------------------

TOLD = {
    "none": ({}, 401),
    "user-id": ({"user-id": USER}, 201),
    "user_id": ({"user_id": USER}, 201),
    "upper case": ({"user-id": USER.upper()}, 201),
    "both, equal": ({"user-id": USER, "user_id": USER}, 201),
    "both, different": ({"user-id": USER, "user_id": OTHER}, 422),
    "no uuid": ({"user-id": "ann"}, 422),
    "empty": ({"user-id": ""}, 422),
    "two in one": ({"user-id": f"{USER}, {OTHER}"}, 422),
    "injection": ({"user-id": f"{USER}' OR 1=1"}, 422),
}


@pytest.mark.parametrize(("headers", "status"), TOLD.values(), ids=TOLD.keys())
def test_a_trusted_gateway_names_the_user(service, headers, status):
    assert service.client(GATEWAY).request("POST", WRITING, headers=headers).status_code == status
    assert service.client(f"::ffff:{GATEWAY}").request("POST", WRITING, headers=headers).status_code == status
    # From anywhere else it is a header like any other.
    assert service.client(OUTSIDE).request("POST", WRITING, headers=headers).status_code == 401
    assert service.client(OUTSIDE).request("GET", PUBLIC, headers=headers).status_code == 200


def test_key_and_gateway_must_agree(service):
    key = service.key("write")
    assert service.ask(WRITING, key, peer=GATEWAY, method="POST", user_id=USER).status_code == 201
    assert service.ask(WRITING, key, peer=GATEWAY, method="POST", user_id=OTHER).status_code == 403
    assert service.ask(WRITING, key, method="POST", user_id=OTHER).json() == {"owner": USER}


def test_no_gateway_is_trusted_unless_it_is_named(service):
    client = service.client("127.0.0.1", CATCHMENT_TRUSTED_GATEWAYS="")
    assert client.request("POST", WRITING, headers={"user-id": USER}).status_code == 401
    trusting = service.client("127.0.0.1", CATCHMENT_TRUSTED_GATEWAYS="10.0.0.0/8, 127.0.0.0/8")
    assert trusting.request("POST", WRITING, headers={"user-id": USER}).status_code == 201


# -- caching -------------------------------------------------------------------------------------------------------


def test_what_depends_on_who_asks_says_so(service, people):
    """Advisory A19: private answers that a shared cache keeps and gives to the next."""
    for who, url in (
        ("this machine", PRIVATE),
        ("read", PRIVATE),
        ("read", PUBLIC),
        ("write", "/own/mine"),
        ("read", "/own/shared"),
    ):
        for _ in range(2):  # made, then kept
            first = ask(service, people[who], "GET", url)
            assert first.headers["cache-control"] == "private, no-cache", (who, url)
            assert (
                first.headers["vary"] == "Accept, Authorization, Cookie, X-API-Key, user-id, user_id, Accept-Encoding"
            )
        known = ask(service, people[who] | {"if-none-match": first.headers["etag"]}, "GET", url)
        assert (known.status_code, known.headers["cache-control"]) == (304, "private, no-cache")
        assert known.headers["vary"] == "Accept, Authorization, Cookie, X-API-Key, user-id, user_id, Accept-Encoding"
    assert ask(service, people["nobody"], "GET", PUBLIC).headers["cache-control"] == "public, no-cache"
    assert ask(service, people["nobody"], "GET", "/own/shared").headers["cache-control"] == "public, max-age=60"
    for who in ("nobody", "revoked", "write"):
        assert ask(service, people[who], "GET", PRIVATE).headers["cache-control"] == "no-store"


def test_what_is_kept_for_one_is_not_given_to_another(service):
    mine, yours = service.key("read"), service.key("read", principal=OTHER)
    for _ in range(2):
        assert service.ask("/own/mine", mine).json()["caller"] == USER
        assert service.ask("/own/mine", yours).json()["caller"] == OTHER
        assert service.ask("/own/mine").json()["caller"] == ""
        assert service.ask("/own/mine", peer=GATEWAY, user_id=OTHER).json()["caller"] == OTHER


def test_a_tag_is_no_way_in(service, people):
    tag = ask(service, people["read"], "GET", PRIVATE).headers["etag"]
    for who, status in (("nobody", 401), ("revoked", 401), ("write", 404), ("read", 304)):
        assert ask(service, people[who] | {"if-none-match": tag}, "GET", PRIVATE).status_code == status
        assert ask(service, people[who] | {"if-none-match": "*"}, "GET", PRIVATE).status_code == status


# -- what is said of it --------------------------------------------------------------------------------------------


def test_the_description_shows_what_its_reader_may_see(service, people):
    """Advisory A9: names of what is protected."""
    seen = {}
    for who in ("this machine", "nobody", "read", "operate"):
        document = ask(service, people[who], "GET", "/openapi.json").json()
        paths = document["paths"]
        seen[who] = (OPERATING in paths, PRIVATE in paths)
        assert PUBLIC in paths
        assert "security" not in paths[PUBLIC]["get"]
        if PRIVATE in paths:
            assert paths[PRIVATE]["get"]["security"] == [{"bearer": []}, {"key": []}]
        assert set(document["components"]["securitySchemes"]) == {"bearer", "key", "gateway"}
    assert seen == {
        "this machine": (True, True),
        "nobody": (False, False),
        "read": (False, True),
        "operate": (True, False),
    }


@pytest.mark.sqlite  # whose file is away; tests/engines/test_away.py has a server that is
def test_without_a_database_nobody_is_let_in_by_a_key(service, store):
    key = service.key("read")
    away = store.database.path.with_name("away")
    store.database.path.rename(away)
    assert service.ask(PUBLIC, key).status_code == 503
    assert service.ask("/health/live").status_code == 200
    away.rename(store.database.path)
    assert service.ask(PRIVATE, key).status_code == 200


def test_use_of_a_key_is_noted_once_a_minute(service):
    key = service.key("read")

    def noted() -> str:
        service.settle()
        with closing(service.database.open()) as sql:
            (found,) = sql.execute("SELECT last_used_at FROM _api_key").fetchone()
        return found

    assert noted() is None
    service.ask(PUBLIC, key)
    first = noted()
    assert first == "2026-01-31T12:00:00.000000Z"
    service.clock.advance(timedelta(seconds=59))
    service.ask(PUBLIC, key)
    assert noted() == first
    service.clock.advance(timedelta(seconds=1))
    service.ask(PUBLIC, key)
    assert noted() == "2026-01-31T12:01:00.000000Z"
    service.revoke(key)
    service.clock.advance(timedelta(seconds=90))
    service.ask(PUBLIC, key)
    assert noted() == "2026-01-31T12:01:00.000000Z"
