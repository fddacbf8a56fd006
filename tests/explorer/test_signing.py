"""Signing in to the pages: what a session is, what it may, and what other sites cannot do with it."""

from datetime import timedelta

import pytest

from catchment.store.audit import Asked
from catchment.store.keys import revoke, split
from catchment.store.sessions import LASTS

OPERATIONS = "/explore/_/operations"
SIGN_IN, SIGN_OUT = "/explore/_/sign-in", "/explore/_/sign-out"
ORDERS = "/v1/_/orders"
WHO = "00000000-0000-0000-0000-000000000007"
ORDER = {"collection": "shop/things", "verb": "pause"}


def test_who_signs_in_may_what_the_key_may_and_nothing_more(here, person, key):
    somebody = person()
    assert somebody.get(OPERATIONS).answer.status_code == 401
    page = somebody.sign_in(key("operate"))
    assert "Ada’s key" in page.text.replace("'", "’")
    assert "Sign out" in page.text
    assert somebody.get(OPERATIONS).answer.status_code == 200
    assert somebody.get("/explore/shop/things").answer.status_code == 404, "to operate is not to read"
    reader = person()
    reader.sign_in(key("read"))
    assert reader.get("/explore/shop/things").answer.status_code == 200
    assert reader.get(OPERATIONS).answer.status_code == 403
    assert person().get("/explore/shop/things").answer.status_code == 401, "another browser is nobody"


def test_signing_out_ends_it_also_for_whoever_kept_the_cookie(here, person, key):
    somebody = person()
    somebody.sign_in(key("read"))
    kept = dict(somebody.cookies)
    page = somebody.send(SIGN_OUT)
    assert "Sign in" in page.text
    assert somebody.cookies == {}
    somebody.cookies = kept
    assert somebody.get("/explore/shop/things").answer.status_code == 401
    assert [item.action for item in here.store.desk.audit(Asked(who=WHO))][:2] == ["sign-out", "sign-in"]


def test_a_session_ends_with_its_time_and_with_its_key(here, front, person, key):
    text = key("read")
    first, second = person(), person()
    first.sign_in(text)
    front.clock.advance(LASTS - timedelta(seconds=1))
    assert first.get("/explore/shop/things").answer.status_code == 200
    front.clock.advance(timedelta(seconds=1))
    assert first.get("/explore/shop/things").answer.status_code == 401
    second.sign_in(text)
    assert second.get("/explore/shop/things").answer.status_code == 200
    revoke(here.store.database, split(text)[0], front.clock.now())
    assert second.get("/explore/shop/things").answer.status_code == 401


def test_the_cookie_says_nothing_and_goes_nowhere_else(person, key):
    somebody = person()
    text = key("read")
    given = somebody.get(SIGN_IN).answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(given.split("; "))
    assert "Secure" not in given
    before = dict(somebody.cookies)
    page = somebody.send(SIGN_IN, key=text)
    assert somebody.cookies != before, "who is signed in is known by another one than before"
    for part in split(text):
        assert part not in "".join(somebody.cookies.values())
        assert part not in page.answer.text
    behind = person(**{"x-forwarded-proto": "https"})
    assert behind.get(SIGN_IN).answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("text", ["", "ck_nothing", "ck_aaaaaaaa_" + "a" * 40, "<script>alert(1)</script>"])
def test_a_key_that_opens_nothing_is_refused_at_its_field_and_not_shown_again(here, person, text):
    somebody = person()
    page = somebody.sign_in(text)
    assert page.answer.status_code == 401
    assert "This key opens nothing" in page.text
    assert "value" not in next(item for item in page.all("input") if item.get("name") == "key")
    if text:
        assert text not in page.answer.text
    assert [item.result for item in here.store.desk.audit(Asked(action="authenticate"))] == ["denied"]


def test_guessing_is_limited(person):
    somebody = person()
    found = [somebody.sign_in("ck_aaaaaaaa_" + "a" * 40).answer.status_code for _ in range(8)]
    assert found[0] == 401
    assert found[-1] == 429


def test_no_key_is_in_a_log(person, key, capsys):
    text = key("read")
    person().sign_in(text)
    person().sign_in(text + "x")
    said = "".join(capsys.readouterr())
    assert split(text)[1] not in said


def test_a_form_of_another_browser_or_site_does_nothing(here, person, key):
    somebody, other = person(), person()
    somebody.sign_in(key("read"))
    other.get(SIGN_IN)
    for token in ("", "x", other.token):
        refused = somebody.send(SIGN_OUT, token=token)
        assert refused.answer.status_code == 403
        somebody.get("/")
    assert somebody.get("/explore/shop/things").answer.status_code == 200, "still signed in"


def test_a_session_writes_by_forms_alone(here, person, key):
    """A site that has a browser send its cookie to the API gets nothing done by that."""
    somebody = person()
    somebody.sign_in(key("operate"))
    assert somebody._ask("GET", ORDERS).answer.status_code == 200
    assert somebody._ask("POST", ORDERS, json=ORDER).answer.status_code == 401
    assert here.store.desk.orders(["shop/things"]) == []


def test_what_a_session_reads_is_kept_for_nobody_else(person, key, here):
    here.collect(("a", 1))
    somebody = person()
    somebody.sign_in(key("read"))
    answer = somebody._ask("GET", "/v1/shop/things").answer
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")
    assert "Cookie" in answer.headers["vary"]
    assert person()._ask("GET", "/v1/shop/things").answer.status_code == 401


@pytest.mark.parametrize(
    ("to", "leads"),
    [
        ("/explore/shop/things?limit=5", "/explore/shop/things?limit=5"),
        ("//elsewhere.example/", "/"),
        ("https://elsewhere.example/", "/"),
        ("/explore/\\elsewhere", "/"),
        ("/explore/\r\nset-cookie: a=b", "/"),
    ],
    ids=["a page", "another host", "another site", "a backslash", "a header"],
)
def test_it_leads_back_to_a_page_of_ours_alone(person, key, to, leads):
    somebody = person()
    somebody.get(SIGN_IN)
    somebody.send(SIGN_IN, key=key("read"), to=to)
    assert str(somebody.page.answer.url) == f"http://localhost{leads}"


def test_what_is_no_form_is_refused(person, key):
    somebody = person()
    somebody.get(SIGN_IN)
    assert somebody._ask("POST", SIGN_IN, json={"key": key("read")}).answer.status_code == 415
