"""Answers in fewer bytes, and the short way: what comes is the same whichever way it took and whatever it came in."""

import gzip
import io

import pytest
import zstandard
from asgi_client import Client
from demo_feeds import BARS, app
from filled_store import bar

from catchment.serve.app import build
from catchment.serve.coding import chosen, coded, known_tag, plain

LIST, ITEM = "/v1/demo/bars", "/v1/demo/bars/IBM,2026-01-02"
DECODED = {
    "": bytes,
    "gzip": gzip.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).read(),
}
CHOSEN = {
    "": "",
    "identity": "",
    "gzip": "gzip",
    "br": "",
    "gzip, deflate, br, zstd": "zstd",
    "zstd;q=0.5, gzip": "gzip",
    "gzip;q=0": "",
    "*": "zstd",
    "*;q=0": "",
    "*, zstd;q=0": "gzip",
    "GZIP ; q=0.1": "gzip",
    "gzip;q=x": "",
    f"gzip, {'x' * 400}": "",
}


@pytest.mark.parametrize(("accepted", "coding"), CHOSEN.items(), ids=[key[:30] or "absent" for key in CHOSEN])
def test_the_coding_is_the_one_that_the_client_likes_best(accepted, coding):
    assert chosen(accepted) == coding


def test_a_tag_names_version_and_coding():
    tag = '"abc"'
    assert coded(tag, "gzip") == '"abc-gzip"'
    assert plain('"abc-gzip", W/"de-zstd","f-br"') == '"abc", W/"de","f-br"'
    assert known_tag('"x", "abc-gzip"', tag, "gzip") == '"abc-gzip"'
    assert known_tag('W/"abc"', tag, "gzip") == tag  # too short to be coded, or kept from another time
    assert known_tag('"abc-gzip"', tag, "zstd") == ""  # what is kept is not in a coding for this request
    assert known_tag('"abc-gzip"', tag, "") == ""
    assert known_tag("*", tag, "") == tag


@pytest.fixture
def filled(store):
    for day in range(1, 29):
        store.put(BARS, bar("IBM", f"2026-01-{day:02}"))
    return store


def raw(client, url, method="GET", **headers):
    """The answer, and its body as it came."""
    with_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.raw(method, url, headers={"accept-encoding": "identity", **with_headers})


@pytest.mark.once
def test_a_list_comes_in_the_coding_that_is_asked_for(filled, connect):
    client = connect()
    first, whole = raw(client, LIST)
    assert "content-encoding" not in first.headers
    assert "Accept-Encoding" in first.headers["vary"]
    for coding in ("gzip", "zstd"):
        for _ in range(2):  # made, and kept
            answer, body = raw(client, LIST, accept_encoding=coding)
            assert answer.headers["content-encoding"] == coding
            assert answer.headers["etag"] == coded(first.headers["etag"], coding)
            assert int(answer.headers["content-length"]) == len(body) < len(whole) / 3
            assert DECODED[coding](body) == whole
        known, nothing = raw(client, LIST, accept_encoding=coding, if_none_match=answer.headers["etag"])
        assert (known.status_code, nothing, known.headers["etag"]) == (304, b"", answer.headers["etag"])
        assert "content-encoding" not in known.headers
        other, _ = raw(client, LIST, if_none_match=answer.headers["etag"])
        assert other.status_code == 200
        head, nothing = raw(client, LIST, "HEAD", accept_encoding=coding)
        assert (nothing, head.headers["content-length"]) == (b"", answer.headers["content-length"])


@pytest.mark.once
def test_what_is_short_or_no_text_comes_as_it_is(filled, connect):
    client = connect()
    for url in (ITEM, f"{ITEM}/source?raw=true", "/health/live"):
        answer, _ = raw(client, url, accept_encoding="gzip, zstd")
        assert (answer.status_code, "content-encoding" in answer.headers) == (200, False)


@pytest.mark.once
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_pieces_and_what_is_not_kept_are_coded_too(filled, connect, coding):
    client = connect()
    for url in (f"{LIST}.csv", f"{LIST}.ndjson", "/openapi.json"):
        _, whole = raw(client, url)
        answer, body = raw(client, url, accept_encoding=coding)
        assert answer.headers["content-encoding"] == coding
        assert "Accept-Encoding" in answer.headers["vary"]
        assert len(body) < len(whole) / 2
        assert DECODED[coding](body) == whole
    tag = raw(client, f"{LIST}.csv", accept_encoding=coding)[0].headers["etag"]
    assert raw(client, f"{LIST}.csv", accept_encoding=coding, if_none_match=tag)[0].status_code == 304


WAYS = {
    "list": LIST,
    "first page": f"{LIST}?limit=3",
    "bounded": f"{LIST}?symbol=IBM&date__gte=2026-01-05&limit=4",
    "fields": f"{LIST}?fields=date,close&count=none",
    "item": ITEM,
    "item's fields": f"{ITEM}?fields=close",
    "another spelling of the key": "/v1/demo/bars/%49BM,2026%2D01%2D02",
    "no such record": "/v1/demo/bars/IBM,2027-01-02",
    "no such field": f"{LIST}?volum=1",
    "no cursor": f"{LIST}?cursor=abc",
    "two cursors": f"{LIST}?cursor=abc&cursor=abc",
    "item of another state": f"{ITEM}?as_of=1",
    "in no order of an index": f"{LIST}?sort=volume",
    "difference": f"{LIST}/diff?from=0",
    "no page": "/v1/demo/bars/IBM,2026-01-02/",
}


@pytest.mark.once
@pytest.mark.parametrize("url", WAYS.values(), ids=WAYS.keys())
def test_the_short_way_answers_as_the_whole_way_does(filled, connect, url):
    """A header that comes twice is looked at on the whole way alone."""
    client = connect()
    twice = [("accept-encoding", "identity"), ("accept", "*/*"), ("accept", "*/*"), ("host", "localhost")]
    for method in ("GET", "HEAD", "GET"):
        ways = [client.request(method, url, headers=headers) for headers in (twice[:2], twice)]
        assert _told(ways[0]) == _told(ways[1])
    for tag in (ways[0].headers.get("etag"), '"other"'):
        given = [("if-none-match", tag or '"none"')]
        ways = [client.request("GET", url, headers=[*headers, *given]) for headers in (twice[:2], twice)]
        assert _told(ways[0]) == _told(ways[1])


def _told(answer):
    """All of the answer but what names the request."""
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body.pop("trace_id", None)
    return answer.status_code, sorted((n, v) for n, v in answer.headers.items() if n != "x-request-id"), body


@pytest.mark.once
def test_all_pages_of_a_walk_are_met_on_the_short_way(filled, client):
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{LIST}?limit=5{f'&cursor={cursor}' if cursor else ''}").json()
        assert page["meta"]["count"] == 28
        seen += [record["_key"] for record in page["data"]]
        cursor = page["meta"]["next"]
        filled.put(BARS, bar("AAPL", f"2026-02-{len(seen):02}"), revision=1)  # before all others: none is met
        filled.db.execute(f"DELETE FROM {BARS.table} WHERE symbol = 'AAPL'")
    assert seen == [f"IBM,2026-01-{day:02}" for day in range(1, 29)]


@pytest.mark.once
def test_a_count_is_that_of_its_state(filled, client):
    assert client.get(f"{LIST}?limit=2").json()["meta"]["count"] == 28
    filled.put(BARS, bar("IBM", "2026-02-01"), revision=2)
    assert client.get(f"{LIST}?limit=2").json()["meta"]["count"] == 29


@pytest.mark.once
def test_each_request_is_counted_once_whichever_way_it_takes(filled, settings, clock):
    tight = settings.with_values("test", {"CATCHMENT_LIMIT_ANONYMOUS": "1/second,6"})
    front = build([app], tight, clock, tick=lambda: 0.0)
    outside = Client(front, "192.0.2.7")
    urls = [LIST, LIST, ITEM, f"{LIST}?cursor=abc", f"{LIST}?sort=volume", f"{ITEM}x", LIST]
    assert [outside.get(url).status_code for url in urls] == [200, 200, 200, 400, 200, 404, 429]
    front.close()
