"""The API as a client meets it: statuses, headers, caching, and who may read what."""

import json
from datetime import timedelta

import pytest
from demo_feeds import BARS, NOTES, Note, app
from filled_store import bar

from catchment.app import App
from catchment.errors import DeclarationError
from catchment.serve.app import build
from catchment.serve.cache import Answer, Cache
from catchment.serve.gate import accepts
from catchment.store.seen import State

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises

LIST, ITEM = "/v1/demo/bars", "/v1/demo/bars/IBM,2026-01-02"


@pytest.fixture
def filled(store):
    for day in range(1, 8):
        for symbol in ("IBM", "AAPL"):
            store.put(BARS, bar(symbol, f"2026-01-0{day}"))
    return store


def test_a_list_says_its_revision_and_where_it_goes_on(filled, client):
    answer = client.get(f"{LIST}?limit=3&symbol=IBM&fields=date")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    content = answer.json()
    assert content["data"][0] == {"_key": "IBM,2026-01-01", "date": "2026-01-01"}
    assert content["meta"]["count"] == 7
    assert content["meta"]["revision"] == 1
    target = answer.headers["link"].partition(">")[0].removeprefix("<")
    following = client.get(target).json()
    assert [item["date"] for item in following["data"]] == ["2026-01-04", "2026-01-05", "2026-01-06"]
    last = client.get(f"{LIST}?limit=3&symbol=IBM&fields=date&cursor={following['meta']['next']}")
    assert last.json()["meta"]["next"] is None
    assert "link" not in last.headers


def test_an_item_is_known_by_its_version(filled, client):
    first = client.get(ITEM)
    assert first.json()["data"]["open"] == "133.25"
    assert first.json()["meta"]["version"] == 1
    filled.put(BARS, bar("AAPL", "2026-01-09"), revision=2)
    same = client.get(ITEM, headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert client.get(ITEM).content == first.content
    filled.put(BARS, bar("IBM", "2026-01-02", "5"), revision=3)
    new = client.get(ITEM, headers={"if-none-match": first.headers["etag"]})
    assert (new.status_code, new.json()["meta"]["version"]) == (200, 2)
    assert client.get(f"{ITEM}?as_of=1").headers["etag"] == first.headers["etag"]
    assert client.get(f"{ITEM}?fields=open").headers["etag"] != new.headers["etag"]


def test_keys_survive_the_address(store, client):
    store.put(BARS, bar("A/B,C %é", "2026-01-02"))
    (record,) = client.get(LIST).json()["data"]
    assert client.get(f"{LIST}/{record['_key']}").json()["data"]["symbol"] == "A/B,C %é"
    assert client.get(f"{LIST}/A%2fB%2CC%20%25%C3%A9,2026%2D01%2D02").status_code == 200


def test_history_source_and_bytes(filled, client):
    filled.put(BARS, bar("IBM", "2026-01-02", "5"), revision=2)
    versions = client.get(f"{ITEM}/history").json()["data"]
    assert [(item["version"], item["record"]["open"]) for item in versions] == [(2, "5"), (1, "133.25")]
    source = client.get(f"{ITEM}/source?version=1").json()["data"]
    assert (source["url"], source["headers"], source["size"]) == ("/bars", {"etag": "x"}, 19)
    for target in (source["body"], f"{ITEM}/source?raw=true"):
        body = client.get(target)
        assert body.content == b'[{"symbol": "IBM"}]'
        assert body.headers["content-disposition"].startswith("attachment")
        assert body.headers["content-type"] == "application/octet-stream"
        assert body.headers["x-content-type-options"] == "nosniff"


def test_nothing_is_read_again_while_nothing_changes(filled, client, asgi):
    first = client.get(LIST)
    filled.db.execute(f"UPDATE {BARS.table} SET _doc = 'x'")  # not a commit of ours: the revision stands
    assert client.get(LIST).content == first.content
    assert client.get(LIST, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    filled.put(BARS, bar("AAPL", "2026-01-09"), revision=2)
    assert client.get(LIST, headers={"if-none-match": first.headers["etag"]}).status_code == 200
    assert len(asgi._cache) == 1


def test_a_304_touches_no_row(filled, client, connect, settings, clock):
    etag = client.get(f"{LIST}?symbol=IBM").headers["etag"]
    filled.db.execute(f"DROP TABLE {BARS.table}")
    other = build([app], settings, clock)  # without anything kept
    asked = type(client)(other, "127.0.0.1")
    answer = asked.get(f"{LIST}?symbol=IBM", headers={"if-none-match": f'"other", {etag}'})
    assert answer.status_code == 304
    assert answer.headers["etag"] == etag
    assert answer.headers["x-age"] == "28800"
    other.close()


def test_equal_requests_have_equal_tags_and_others_do_not(filled, client):
    one = client.get(f"{LIST}?symbol=IBM&limit=3").headers["etag"]
    assert client.get(f"{LIST}?limit=3&symbol=IBM").headers["etag"] == one
    assert client.get(f"{LIST}?limit=4&symbol=IBM").headers["etag"] != one
    assert not one.startswith("W/")


def test_age_grows_without_a_revision_also_in_a_304(filled, client, clock):
    first = client.get(LIST)
    assert (first.headers["x-collected-at"], first.headers["x-age"]) == ("2026-01-31T04:00:00Z", "28800")
    assert (first.headers["x-stale"], first.headers["x-missing-partitions"]) == ("false", "0")
    clock.advance(timedelta(days=2))
    later = client.get(LIST, headers={"if-none-match": first.headers["etag"]})
    assert (later.status_code, later.headers["x-age"]) == (304, str(28800 + 2 * 86400))
    assert later.headers["x-stale"] == "true"


def test_partitions_that_are_not_there_are_counted(filled, client):
    filled.partition(BARS, "all=2", verdict=None, collected_at=None, first_collected_at=None)
    filled.partition(BARS, "all=3", verdict="pending", collected_at=None, first_collected_at=None)
    filled.partition(BARS, "all=4", verdict="failed")
    answer = client.get(LIST)
    assert (answer.headers["x-missing-partitions"], answer.headers["x-stale"]) == ("1", "true")
    health = client.get("/health/data").json()
    assert health["status"] == "stale"
    assert health["data"][0]["partitions"] == {"all": 4, "stale": 1, "missing": 1}
    listed = client.get("/v1/_/partitions?collection=demo/bars").json()["data"]
    assert [item["verdict"] for item in listed] == ["complete", None, "pending", "failed"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize("path", ["/v1/_/partitions?collection=demo/bars&", "/v1/_/feeds?"])
def test_what_operators_list_comes_in_pages(filled, client, path, limit):
    for number in (3, 2, 10):
        filled.partition(BARS, f"all={number}", verdict="failed")
    whole = client.get(path).json()
    assert whole["meta"] == {"next": None}
    found, answer = [], client.get(f"{path}limit={limit}").json()
    while answer["meta"]["next"] is not None:
        assert len(answer["data"]) == limit
        found += answer["data"]
        answer = client.get(f"{path}limit={limit}&after={answer['meta']['next']}").json()
    assert found + answer["data"] == whole["data"]
    assert len(whole["data"]) == (4 if "partitions" in path else 2)


def test_head_is_get_without_its_body(filled, client):
    headers = {"x-request-id": "same"}
    got, head = client.get(LIST, headers=headers), client.request("HEAD", LIST, headers=headers)
    assert head.content == b""
    assert dict(head.headers) == dict(got.headers)


def test_index_feeds_and_health(filled, client):
    (entry,) = client.get("/v1").json()["data"]
    assert [item["href"] for item in entry["collections"]] == [LIST, "/v1/demo/notes"]
    assert client.get(entry["collections"][0]["href"]).status_code == 200
    feeds = client.get("/v1/_/feeds").json()["data"]
    assert feeds[0]["key"] == ["symbol", "date"]
    assert feeds[1]["key"] == "content"
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


# -- who may read --------------------------------------------------------------------------------------------------

PRIVATE = "/v1/demo/notes"


@pytest.mark.parametrize("path", ["", "/k", "/k/history", "/k/source", "/k/source/body", "?symbol=x"])
def test_what_is_not_public_stays_on_this_machine(store, connect, path):
    store.put(NOTES, Note("secret", None, None, None, []))
    inside, outside = connect("127.0.0.1"), connect("192.0.2.7")
    inside.get(PRIVATE + path)
    refused = outside.get(PRIVATE + path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "secret" not in refused.text


def test_what_is_kept_for_one_is_not_given_to_another(store, connect):
    store.put(NOTES, Note("secret", None, None, None, []))
    inside = connect("::1").get(PRIVATE)
    assert "secret" in inside.text
    assert inside.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in inside.headers["vary"]
    outside = connect("192.0.2.7").get(PRIVATE, headers={"if-none-match": inside.headers["etag"]})
    assert outside.status_code == 401


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
def test_a_gateway_on_this_machine_speaks_for_others(store, client, header):
    assert client.get(PRIVATE).status_code == 200
    assert client.get(PRIVATE, headers={header: "192.0.2.7"}).status_code == 401


def test_what_is_not_public_is_not_named_outside(store, connect):
    outside = connect("192.0.2.7")
    for path in ("/v1", "/health/data", "/openapi.json"):
        answer = outside.get(path)
        assert answer.status_code == 200
        assert "notes" not in answer.text
        assert "bars" in answer.text
    for path in ("/v1/_/feeds", "/v1/_/partitions?collection=demo/notes", "/v1/_/partitions?collection=demo/bars"):
        assert outside.get(path).status_code == 401
    assert outside.get(LIST).headers["cache-control"] == "public, no-cache"


# -- what is wrong -------------------------------------------------------------------------------------------------

WRONG = {
    "unknown parameter": ("GET", f"{LIST}?symbool=IBM", {}, 400),
    "repeated parameter": ("GET", f"{LIST}?limit=1&limit=1", {}, 400),
    "bad integer": ("GET", f"{LIST}?volume=1_000", {}, 400),
    "65 bit": ("GET", f"{LIST}?volume=9223372036854775808", {}, 400),
    "bad utf-8": ("GET", f"{LIST}?symbol=%ff", {}, 400),
    "encoded surrogate": ("GET", f"{LIST}?symbol=%ed%a0%80", {}, 400),
    "encoded NUL": ("GET", f"{LIST}?symbol=%00", {}, 400),
    "too many parameters": ("GET", f"{LIST}?{'&'.join(f'a{n}=1' for n in range(300))}", {}, 400),
    "cursor": ("GET", f"{LIST}?cursor=abc", {}, 400),
    "future revision": ("GET", f"{LIST}?as_of=99", {}, 400),
    "item parameter": ("GET", f"{ITEM}?symbol=IBM", {}, 400),
    "item as_of": ("GET", f"{ITEM}?as_of=x", {}, 400),
    "history parameter": ("GET", f"{ITEM}/history?limit=1", {}, 400),
    "source version": ("GET", f"{ITEM}/source?version=x", {}, 400),
    "source raw": ("GET", f"{ITEM}/source?raw=yes", {}, 400),
    "partitions of nothing": ("GET", "/v1/_/partitions", {}, 400),
    "partitions by half": ("GET", "/v1/_/partitions?collection=demo/bars&limit=0.5", {}, 400),
    "feeds of something": ("GET", "/v1/_/feeds?app=demo", {}, 400),
    "partitions of unknown": ("GET", "/v1/_/partitions?collection=demo/none", {}, 404),
    "partitions without app": ("GET", "/v1/_/partitions?collection=bars", {}, 404),
    "bad host": ("GET", LIST, {"host": "evil.example"}, 400),
    "host with a trick": ("GET", LIST, {"host": "localhost.evil.example:80"}, 400),
    "empty host": ("GET", LIST, {"host": ""}, 400),
    "unknown path": ("GET", "/nothing", {}, 404),
    "unknown app": ("GET", "/v1/none/bars", {}, 404),
    "unknown collection": ("GET", "/v1/demo/none", {}, 404),
    "table name": ("GET", "/v1/demo/bars_version", {}, 404),
    "unknown key": ("GET", f"{LIST}/IBM,1999-01-01", {}, 404),
    "key of bad utf-8": ("GET", f"{LIST}/%ff", {}, 404),
    "key with quotes": ("GET", f"{LIST}/'%20OR%201=1--", {}, 404),
    "65 bit key": ("GET", f"{LIST}/9223372036854775808", {}, 404),
    "dots": ("GET", f"{LIST}/%2e%2e/%2e%2e", {}, 404),
    "history of nothing": ("GET", f"{LIST}/x/history", {}, 404),
    "source of nothing": ("GET", f"{LIST}/x/source", {}, 404),
    "body of no version": ("GET", f"{ITEM}/source/body?version=9", {}, 404),
    "post": ("POST", LIST, {}, 405),
    "delete": ("DELETE", ITEM, {}, 405),
    "patch": ("PATCH", "/v1", {}, 405),
    "unknown method": ("BREW", LIST, {}, 405),
    "post to nowhere": ("POST", "/nothing", {}, 404),
    "accept": ("GET", LIST, {"accept": "text/html"}, 406),
    "accept nothing": ("GET", LIST, {"accept": "application/json;q=0"}, 406),
    "accept a page": ("GET", "/openapi.json", {"accept": "text/html"}, 406),
    "long url": ("GET", f"{LIST}?symbol={'a' * 17000}", {}, 414),
    "large headers": ("GET", LIST, {"x-large": "a" * 66000}, 431),
}


@pytest.mark.parametrize(("method", "url", "headers", "status"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_a_problem(filled, client, method, url, headers, status):
    answer = client.request(method, url, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "error", "instance", "errors", "trace_id"}
    assert problem["trace_id"] == answer.headers["x-request-id"]
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["detail"]
    for leak in ("Traceback", "SELECT", "sqlite", filled.values["CATCHMENT_DATA"], 'File "'):
        assert leak not in answer.text
    if status == 405:
        assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


def test_options_say_what_is_allowed(client):
    answer = client.request("OPTIONS", LIST)
    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_every_answer_is_guarded(filled, client):
    for url in (LIST, ITEM, "/nothing", "/v1", "/openapi.json", f"{LIST}?x=1"):
        headers = client.get(url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["server"] == "catchment"
        assert "cache-control" in headers
        assert "access-control-allow-origin" not in headers


def test_history_that_is_gone_is_410(filled, client):
    cursor = client.get(f"{LIST}?limit=1").json()["meta"]["next"]
    filled.db.execute("UPDATE _collection SET revision = 8, horizon = 5")
    for query in (f"cursor={cursor}", "as_of=4"):
        answer = client.get(f"{LIST}?{query}")
        assert (answer.status_code, answer.json()["type"]) == (410, "/problems/history-gone")
        assert "5" in answer.json()["detail"]
    assert client.get(f"{LIST}?as_of=5").status_code == 200


@pytest.mark.sqlite
def test_without_a_database_the_process_lives_and_says_so(tmp_path, settings, clock, client):
    nowhere = {"CATCHMENT_DATA": str(tmp_path / "nowhere"), "CATCHMENT_DATABASE": ""}
    empty = settings.with_values("test", nowhere)
    other = type(client)(build([app], empty, clock), "127.0.0.1")
    assert other.get("/health/live").status_code == 200
    for url in (LIST, ITEM, "/health/ready", "/health/data"):
        answer = other.get(url)
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/database-unavailable")
        assert "retry-after" in answer.headers
        assert str(tmp_path) not in answer.text


@pytest.mark.sqlite
def test_a_database_that_goes_away_is_noticed(filled, client):
    assert client.get(LIST).status_code == 200
    away = filled.database.path.with_name("away")
    filled.database.path.rename(away)
    assert client.get(LIST).status_code == 503
    away.rename(filled.database.path)
    assert client.get(LIST).status_code == 200


def broken_routes():
    from catchment.web import get

    @get("/broken")
    async def broken() -> None:
        raise RuntimeError("canary-secret")

    return [broken]


def test_an_unexpected_error_is_an_incident_and_no_more(store, settings, clock, client, capsys):
    front = build([App("broken", feeds=[], routes=broken_routes)], settings, clock)
    answer = type(client)(front, "127.0.0.1").get("/broken")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert "canary" not in answer.text
    incident = answer.json()["detail"].split()[-1].rstrip(".")
    logged = capsys.readouterr().out
    assert incident in logged
    assert "canary-secret" in logged
    front.close()


def doubled_routes():
    from catchment.web import get

    @get("/v1")
    async def doubled() -> None:
        """Takes a path that is ours."""

    return [doubled]


def test_two_routes_of_one_path_are_refused_before_the_start(settings, clock):
    with pytest.raises(DeclarationError, match="routes"):
        build([App("doubled", feeds=[], routes=doubled_routes)], settings, clock)


# -- small rules ---------------------------------------------------------------------------------------------------

ACCEPTS = {
    "": True,
    "*/*": True,
    "application/*": True,
    "application/json": True,
    "APPLICATION/JSON": True,
    "text/html, application/json;q=0.1": True,
    "text/html": False,
    "application/json;q=0": False,
    "application/json;q=x": False,
    "application/jsonx": False,
}


@pytest.mark.parametrize(("header", "expected"), ACCEPTS.items(), ids=ACCEPTS.keys())
def test_accept(header, expected):
    assert accepts(header, "application/json") is expected


def test_the_cache_is_bounded_in_bytes():
    state = {"a": State(1, 1, 0, None)}
    cache = Cache(max_bytes=100_000)

    def put(path: str, body: bytes) -> None:
        cache.put((path, b"", ""), Answer.of([], body, '"e"', "", states=state))

    def get(path: str, states=state) -> Answer | None:
        return cache.get((path, b"", ""), states)

    for number in range(100):
        put(f"/{number}", b"x" * 2900)
    assert 0 < len(cache) <= 50_000 // 2900
    assert get("/99") is not None
    assert get("/0") is None
    small = len(cache)
    for number in range(5):
        put(f"/large/{number}", b"x" * 20_000)
    assert [get(f"/large/{number}") is None for number in range(5)] == [True] * 3 + [False] * 2
    assert len(cache) == small + 2
    put("/larger", b"x" * 50_000)
    assert get("/larger") is None
    put("/large/4", b"y")
    assert (get("/large/4").body, len(cache)) == (b"y", small + 2)
    assert get("/99", {"a": State(1, 2, 0, None)}) is None
    assert get("/99") is None


def test_answers_are_json_whatever_the_records_hold(store, client):
    store.put(NOTES, Note('</script>"\u2028\\', 1e300, False, None, ['"']))
    answer = client.get(PRIVATE)
    assert json.loads(answer.content)["data"][0]["text"] == '</script>"\u2028\\'


def test_whether_the_process_lives_is_not_asked_of_the_database(asgi, client):
    for _ in range(2):
        assert client.get("/health/live").status_code == 200
    assert (asgi._reader._watch, asgi._reader._idle) == (None, [])
    assert client.get("/health/ready").status_code == 200
    assert asgi._reader._watch is not None
