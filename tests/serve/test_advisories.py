"""What went wrong in other services, tried on this one: redirects, forms, health that costs, authority in cookies."""

from datetime import timedelta

import pytest
from demo_feeds import BARS
from filled_store import bar

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises

ELSEWHERE = (
    *("//evil.example", "///evil.example", "/%2F/evil.example", "/%2f%2fevil.example", "/\\evil.example"),
    *("/%5Cevil.example", "/%5c%5cevil.example/", "//evil.example/%2e%2e", "/docs//evil.example", "/docs/"),
    *("//evil.example/..", "/.//evil.example", "/v1//evil.example", "/v1/../..//evil.example", "/%09/evil.example"),
    *("/%0d%0aLocation:%20//evil.example", "//evil.example@localhost/docs", "/docs?next=//evil.example", "/?//evil"),
)


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_elsewhere(asgi, connect, target):
    """Advisory A8: open redirects. The only redirect there is leads to our own page, whatever the path says."""
    for method in ("GET", "HEAD", "POST"):
        answer = connect().request(method, f"http://localhost{target}", headers={"x-forwarded-host": "evil.example"})
        location = answer.headers.get("location", "")
        assert location in ("", "/openapi.json"), (method, location)
        assert "evil.example" not in str(answer.headers)
        assert answer.is_redirect is bool(location)


def test_a_browser_brings_no_authority_along(store, client, connect):
    """Advisory A10: there is no cookie, no form, and nothing that a page of another origin could send for somebody."""
    store.put(BARS, bar("IBM", "2026-01-02"))
    for url in ("/openapi.json", "/v1", "/v1/demo/bars"):
        answer = client.get(url, headers={"cookie": "session=ck_a_b", "origin": "https://evil.example"})
        assert not {"set-cookie", "access-control-allow-origin"} & set(answer.headers)
        assert "<form" not in answer.text
    outside = connect("192.0.2.7")
    cookie = {"cookie": "authorization=Bearer ck_a_b; X-API-Key=ck_a_b"}
    assert outside.get("/v1/demo/notes", headers=cookie).status_code == 401


@pytest.mark.sqlite
def test_health_is_found_out_once_a_second_whoever_asks(store, settings, client, clock):
    """Advisory A13: many requests for health are one question to the database, and none to an upstream."""
    store.put(BARS, bar("IBM", "2026-01-02"))
    first = client.get("/health/data")
    assert first.json()["data"][0]["partitions"]["all"] > 0
    away = store.database.path.with_name("away")
    store.database.path.rename(away)
    try:
        # Nothing can be asked any more: what was found out stands for a second, and no longer.
        assert {client.get("/health/data").content for _ in range(20)} == {first.content}
        clock.advance(timedelta(seconds=1))
        assert client.get("/health/data").status_code == 503
        assert client.get("/health/live").status_code == 200
    finally:
        away.rename(store.database.path)
    assert client.get("/health/ready").json() == {"status": "ready"}
    assert client.get("/health/data").status_code == 200


FORMS = ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain", "")


@pytest.mark.parametrize("media_type", FORMS)
def test_no_form_is_read(asgi, connect, media_type):
    """Advisory A17: what parses forms is not there to be overrun."""
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n' * 1000
    for path in ("/v1/demo/bars", "/openapi.json"):
        answer = connect().request("POST", path, content=body, headers={"content-type": media_type})
        assert answer.status_code == 405


def test_ranges_and_hosts_mean_nothing(store, client):
    """Advisory A17: a thousand ranges are the whole, and no address is built from a Host header."""
    for number in range(2, 5):
        store.put(BARS, bar("IBM", f"2026-01-0{number}"))
    ranges = {"range": "bytes=" + ",".join("0-0" for _ in range(1000))}
    for url in ("/openapi.json", "/v1/demo/bars"):
        assert client.get(url, headers=ranges).content == client.get(url).content
    assert client.get("/v1/demo/bars", headers={"host": "evil.example"}).status_code == 400
    link = client.get("/v1/demo/bars?limit=1", headers={"host": "localhost:99"}).headers["link"]
    assert link.startswith("</v1/demo/bars?")


def test_markup_in_a_path_is_answered_as_data(client):
    """Advisory A7: what somebody puts into an address is text in JSON, which no browser takes for a page."""
    for text in (
        "<script>alert(1)</script>",
        '"><svg onload=alert(1)>',
        "javascript:alert(1)",
        "<img src=x onerror=x>",
    ):
        for url in (
            f"/{text}",
            f"/v1/demo/{text}",
            f"/v1/demo/bars/{text}",
            f"/v1/demo/bars?{text}=1",
            f"/docs/{text}",
        ):
            answer = client.get(url)
            assert answer.status_code in (400, 404)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
