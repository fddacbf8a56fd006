"""An app's own routes: what they are given, and what every answer of theirs gets."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from asgi_client import Client
from demo_feeds import BARS, NOTES, Note, app
from filled_store import bar
from litestar.response import Stream

from catchment.serve.app import build
from catchment.serve.gate import refusal
from catchment.web import Request, Response, Store, get, number, parameters, post, problem, respond

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises


@get("/own/closes")
async def closes(request: Request[Any, Any, Any], store: Store) -> Response[bytes]:
    name = dict(parameters(request)).get("of", "bars")
    with store.open() as now:
        ((total, count),) = (row.values() for row in now.stats(name, of=["sum(close)", "count(close)"]))
        partitions = [item["key"] for item in now.partitions(name)]
    return respond({"sum": number(total or Decimal(0)), "count": count, "partitions": partitions})


@get("/own/texts")
async def texts(store: Store) -> Response[bytes]:
    with store.open() as now:
        return respond([row["text"] for row in now.rows("notes")])


@get("/own/now")
async def at_once(store: Store) -> Response[bytes]:
    with store.open() as now:
        now.count("bars")
    return respond(b'{"at": %d}' % time.monotonic_ns(), headers={"cache-control": "no-store"})


@get("/own/none")
async def none() -> Response[bytes]:
    return problem(404, "there is none", instance="/own/none")


@get("/own/lines")
async def lines() -> Stream:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one\n", b"two\n"):
            yield part

    return Stream(parts(), media_type="text/plain")


@get("/own/broken")
async def broken() -> Stream:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one\n"
        raise RuntimeError("in the middle")

    return Stream(parts(), media_type="text/plain")


@get("/own/mixed")
async def mixed(store: Store) -> Response[bytes]:
    with store.open() as now:
        before = now.count("bars")
    MEANWHILE.pop()()
    with store.open() as now:
        return respond([before, now.count("bars")])


MEANWHILE: list[Any] = []


@post("/own/notes", status_code=201)
async def take(request: Request[Any, Any, Any]) -> Response[bytes]:
    return respond({"bytes": len(await request.body())}, 201)


@pytest.fixture
def client(store, settings, clock):
    front = build([replace(app, routes=[closes, texts, at_once, none, lines, broken, mixed, take])], settings, clock)
    store.put(BARS, bar("IBM", "2026-01-02", close="0.1"))
    store.put(BARS, bar("IBM", "2026-01-03", close="0.2"))
    yield Client(front, "127.0.0.1")
    front.close()


def test_exact_numbers_tags_and_ages_come_by_themselves(store, client):
    answer = client.get("/own/closes")
    assert answer.text == '{"sum":0.3,"count":2,"partitions":["all=1"]}'
    assert {"etag", "x-collected-at", "x-age", "x-stale", "x-missing-partitions"} <= set(answer.headers)
    assert client.get("/own/closes", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    store.put(BARS, bar("IBM", "2026-01-04", close="1"), revision=2)
    assert client.get("/own/closes").json()["sum"] == 1.3


def test_what_says_no_store_is_not_kept(client):
    first, second = client.get("/own/now"), client.get("/own/now")
    assert first.json() != second.json()
    assert first.headers["cache-control"] == "no-store"


def test_own_routes_guard_what_is_not_public(store, client):
    store.put(NOTES, Note("secret", None, None, None, []))
    assert client.get("/own/texts").json() == ["secret"]
    outside = Client(client._app, "192.0.2.7")
    assert outside.get("/own/texts").status_code == 401
    assert outside.get("/own/closes").status_code == 200
    assert client.get("/own/closes?of=nothing").status_code == 404


def test_a_problem_is_one(client):
    answer = client.get("/own/none")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "there is none"


def test_what_comes_in_pieces_goes_on_in_pieces(client):
    answer = client.get("/own/lines")
    assert answer.text == "one\ntwo\n"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "etag" not in answer.headers


def test_head_of_pieces_has_no_body(client):
    answer = client.request("HEAD", "/own/lines")
    assert (answer.status_code, answer.content) == (200, b"")


def test_half_an_answer_is_not_taken_for_whole(client):
    with pytest.raises(Exception, match="response started"):
        client.get("/own/broken")


def test_what_mixes_two_states_is_not_kept(store, client):
    add = [lambda day=day: store.put(BARS, bar("IBM", f"2026-02-0{day}"), revision=day) for day in (2, 3)]
    MEANWHILE.extend(reversed(add))
    assert client.get("/own/mixed").json() == [2, 3]
    assert client.get("/own/mixed").json() == [3, 4]


def test_a_body_is_taken_up_to_its_cap(client):
    assert client.request("POST", "/own/notes", content=b"x" * 1000).json() == {"bytes": 1000}
    refused = client.request("POST", "/own/notes", content=b"x" * (2**20 + 1))
    assert (refused.status_code, refused.json()["type"]) == (413, "/problems/body-too-large")
    assert client.get("/own/notes").status_code == 405


def test_a_number_is_written_digit_for_digit():
    assert bytes(number(Decimal("1E+3"))) == b"1000"
    assert bytes(number(Decimal("0.10000000000000000001"))) == b"0.10000000000000000001"


def test_lifespan_reaches_the_framework(client):
    sent = []
    waiting = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive():
        return next(waiting)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(client._app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


BODIES = {
    "get with chunks": ("GET", [(b"transfer-encoding", b"chunked")], 400),
    "two lengths": ("POST", [(b"transfer-encoding", b"chunked"), (b"content-length", b"5")], 400),
    "post with chunks": ("POST", [(b"transfer-encoding", b"chunked")], None),
}


@pytest.mark.parametrize(("method", "headers", "status"), BODIES.values(), ids=BODIES.keys())
def test_a_body_has_one_length_and_a_place(method, headers, status):
    scope = {"method": method, "path": "/", "raw_path": b"/", "query_string": b""}
    found = refusal(scope | {"headers": [(b"host", b"localhost"), *headers]}, frozenset({"localhost"}))
    assert (found.status if found else None) == status


# -- `/` where one app is served alone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        pytest.param("", 200, id="nothing said"),
        pytest.param("*/*", 200, id="anything"),
        pytest.param("application/json", 200, id="data"),
        pytest.param("text/html,application/json", 200, id="no preference"),
        pytest.param("text/html;q=0.4,application/*;q=0.5", 200, id="rather data"),
        pytest.param("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 302, id="a browser"),
        pytest.param("text/html", 302, id="a page"),
    ],
)
def test_home_is_the_apps_own_page_for_who_reads_data(store, settings, clock, accept, status):
    store.put(BARS, bar("IBM", "2024-01-02"))
    alone = build([replace(app, routes=[closes], home="/own/closes")], settings, clock)
    try:
        client = Client(alone, "127.0.0.1")
        answer = client.get("/?of=bars", headers={"accept": accept})
        assert answer.status_code == status
        if status == 200:
            assert answer.content == client.get("/own/closes?of=bars").content
            assert answer.headers["etag"] == client.get("/own/closes?of=bars").headers["etag"]
            assert client.request("HEAD", "/", headers={"accept": accept}).content == b""
    finally:
        alone.close()


def test_beside_another_app_nobody_is_at_home(store, settings, clock):
    other = replace(app, name="other", routes=[])
    both = build([replace(app, routes=[closes], home="/own/closes"), other], settings, clock)
    try:
        assert Client(both, "127.0.0.1").get("/").headers["location"] == "/openapi.json"
    finally:
        both.close()
