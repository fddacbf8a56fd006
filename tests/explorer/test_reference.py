"""The description as pages: all of it is there, and what only reads can be asked with what its form begins with."""

import json
import re

import pytest
from asgi_client import Client

STRANGER = "192.0.2.7"


@pytest.fixture
def document(here, front):
    here.collect(("a b,c", 1), ("b", 2))
    return Client(front, "127.0.0.1").get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            yield path, method, found


def values_of(page) -> dict[str, str]:
    """What the form of an operation is sent with, as it comes."""
    return {item["name"]: item.get("value", "") for item in page.all("input") if "name" in item}


def asked(visit, name: str, **values: str) -> str:
    """The address that the form of an operation makes; "" where something is missing."""
    page = visit(f"/docs/{name}")
    pairs = {**values_of(page), **values}
    sent = visit(f"/docs/{name}?{'&'.join(f'{key}={escaped(value)}' for key, value in pairs.items())}")
    return next((attrs["data-run"] for _, attrs in sent.tags if "data-run" in attrs), "")


def escaped(value: str) -> str:
    return value.replace("%", "%25").replace(" ", "%20").replace("&", "%26").replace("+", "%2B")


def test_every_operation_is_listed_and_has_a_page(document, visit):
    listed = visit("/docs")
    links = {attrs["href"] for attrs in listed.all("a")}
    for path, _, found in operations(document):
        assert f"/docs/{found['operationId']}" in links
        page = visit(f"/docs/{found['operationId']}")
        assert page.answer.status_code == 200
        assert path in page.text
        expected = {item["name"] for item in found.get("parameters", ()) if item["in"] != "header"}
        assert set(values_of(page)) - {"_ask"} == expected
        assert len(page.answer.content) < 100_000
    assert len(listed.answer.content) < 100_000


def test_every_form_asks_something_that_is_answered(document, front, visit):
    """The examples are executable: what a form begins with is asked, and answered with 200."""
    client, tried = Client(front, "127.0.0.1"), []
    for path, method, found in operations(document):
        if method != "get" or "/things" not in path:  # of nothing else is there a record, or a revision
            continue
        if address := asked(visit, found["operationId"]):
            assert client.get(address).status_code == 200, address
            tried.append(address)
    assert "/v1/shop/things?limit=10" in tried
    assert "/v1/shop/things/a%20b%2Cc" in tried, "the key of a record that there is, encoded once"
    assert len(tried) == 11


def test_what_is_filled_in_is_what_is_asked(document, visit):
    assert asked(visit, "shop_things_list", limit="5", value__gte="2", sort="-value") == (
        "/v1/shop/things?sort=-value&limit=5&value__gte=2"
    )
    assert asked(visit, "shop_things_get", key="") == "", "a key is needed"
    page = visit("/docs/shop_things_list?_ask=1&value__gte=2")
    assert values_of(page)["value__gte"] == "2"
    command = "curl -H 'Authorization: Bearer KEY' 'http://localhost/v1/shop/things?value__gte=2'"
    assert command in page.text


def test_words_find_operations_without_a_script(document, visit):
    found = visit("/docs?q=THINGS+history")
    assert [attrs["href"] for attrs in found.all("a") if attrs["href"].startswith("/docs/")] == [
        "/docs/shop_things_history"
    ]
    assert "Nothing has all of these words." in visit("/docs?q=nosuch").text


def test_nobody_reads_of_what_is_hidden_from_him(document, visit):
    assert "shop" not in visit("/docs", STRANGER).text
    assert visit("/docs/shop_things_list", STRANGER).answer.status_code == 404
    assert visit("/docs/nosuch").answer.status_code == 404


def test_nothing_of_a_page_is_run_or_loaded_from_elsewhere(document, visit):
    for url in ("/docs", "/docs/shop_things_stats?_ask=1&by=%3Cscript%3E"):
        page = visit(url)
        assert " style=" not in page.answer.text
        assert re.findall(r"<script(?! src=\"/explore/_/assets/)", page.answer.text) == []
        assert "script-src 'self'" in page.answer.headers["content-security-policy"]
        assert all(attrs.get("href", "/").startswith(("/", "#")) for _, attrs in page.tags)


def test_the_list_of_apps_leads_to_it(document, front):
    client = Client(front, "127.0.0.1")
    assert json.loads(client.get("/v1").content)["links"]["docs"] == "/docs"
    assert client.get("/docs", headers={"accept": "text/html"}).status_code == 200
