"""What a person reads of what is stored: home, tables, records; what an address asks for; what nobody gets to run."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from shop import counted, things

from catchment import explorer
from catchment.explorer import filters
from catchment.explorer.excerpts import by_key, excerpt
from catchment.explorer.links import page_of

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))

from hunted.corpora import MARKED

THINGS = "/explore/shop/things"
STRANGER = "192.0.2.7"
_WORDS = """
a aside b body button code dd del div dl dt fieldset footer form h1 h2 h3 head header html img input ins label legend li
link main mark meta nav ol option p pre rect script section select span strong svg table tbody td th thead title tr ul
wbr
"""
OURS = frozenset(_WORDS.split())
"""The tags that pages are made of."""
MANY = [(f"thing-{number:03d}", number) for number in range(120)]


# -- home ------------------------------------------------------------------------------------------------------------


def test_home_says_what_there_is_and_how_old(here, visit):
    here.collect(("a", 1), ("b", 2))
    here.now += timedelta(hours=3)
    page = visit("/")
    assert "2 records in 3 collections of 1 app" in page.text
    assert {THINGS, "/explore/shop/counted", "/explore/shop/priced"} <= {link["href"] for link in page.all("a")}
    assert "collected 3 h ago, 1 missing revision 1, changed 3 h ago" in page.text
    assert [bar.get("height") for bar in page.all("rect")] == ["1", "32"]


def test_home_names_what_needs_a_person(here, visit):
    here.collect(("a", 1), b'{"id": 7, "value": "many"}')
    page = visit("/")
    assert "shop/things 1 partition never collected" in page.text
    assert "shop/things 1 row rejected" in page.text


def test_a_stranger_is_shown_nothing_that_is_not_public(here, visit):
    here.collect(("a", 1))
    page = visit("/", STRANGER)
    assert page.answer.status_code == 200
    assert "shop" not in page.text
    assert "Operations" not in page.text
    for url in (THINGS, f"{THINGS}/a"):
        refused = visit(url, STRANGER)
        assert (refused.answer.status_code, refused.answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "A key is needed" in refused.text


# -- a table ---------------------------------------------------------------------------------------------------------


def test_a_table_is_walked_by_its_links_each_record_once(here, visit):
    here.collect(*MANY)
    found, url = [], f"{THINGS}?sort=-value"
    while url:
        page = visit(url)
        found += page.rows()
        url = page.next()
    assert found == [f"{THINGS}/{name}" for name, _ in reversed(MANY)]
    assert "120 records" in page.text


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        pytest.param("_field=value&_op=gte&_value=3", "value__gte=3", id="a filter"),
        pytest.param("value=4&_field=value&_op=&_value=5", "value=5", id="the same field again"),
        pytest.param("sort=-id&cursor=x&_field=id&_op=in&_value=a,b", "sort=-id&id__in=a,b", id="keeps the order"),
        pytest.param("_column=value", "fields=value", id="one column"),
        pytest.param("fields=id&_column=id&_column=value", "", id="all columns"),
        pytest.param("_as_of=2026-01-01", "as_of=2026-01-01", id="a day"),
        pytest.param("as_of=3&_q=red+fox", "q=red%20fox", id="words, of what holds now"),
        pytest.param("q=fox&_as_of=2026-01-01", "as_of=2026-01-01", id="a day, of all words"),
        pytest.param("as_of=3&_as_of=", "", id="now again"),
        pytest.param(
            "_field=id&_op=contains&_value=%3Cb%3E%26", "id__contains=%3Cb%3E%26", id="what has to be escaped"
        ),
    ],
)
def test_a_form_leads_to_the_address_that_the_api_knows(form, asked):
    assert page_of("shop/things", filters.asked(parse_qsl(form, keep_blank_values=True), things.columns)) == (
        f"{THINGS}?{asked}".rstrip("?")
    )


def test_whoever_comes_by_a_form_is_led_there(here, visit):
    here.collect(("a", 1), ("b", 2))
    answer = visit(f"{THINGS}?sort=-id&_field=value&_op=gte&_value=2", follow=False).answer
    assert (answer.status_code, answer.headers["location"]) == (303, f"{THINGS}?sort=-id&value__gte=2")
    assert visit(answer.headers["location"]).rows() == [f"{THINGS}/b"]


def test_filters_are_chips_that_can_be_taken_away(here, visit):
    here.collect(*MANY)
    page = visit(f"{THINGS}?value__gte=10&value__lt=12&id__contains=thing")
    assert page.rows() == [f"{THINGS}/thing-010", f"{THINGS}/thing-011"]
    assert "value ≥ 10 × value < 12 × id contains thing ×" in page.text
    without = {link["href"] for link in page.all("a") if link.get("title") == "Take this filter away"}
    assert f"{THINGS}?value__gte=10&id__contains=thing" in without
    assert len(visit(f"{THINGS}?value__gte=118").rows()) == 2


def test_a_table_shows_what_was_then(here, visit):
    here.collect(("a", 1))
    here.collect(("a", 2), ("b", 1))
    page = visit(f"{THINGS}?as_of=1")
    assert page.rows() == [f"{THINGS}/a"]
    assert "as of 1 ×" in page.text
    assert len(visit(THINGS).rows()) == 2


def test_the_view_is_there_as_an_address_of_the_api(here, visit):
    here.collect(*MANY)
    page = visit(f"{THINGS}?value__lt=2&fields=value")
    link = next(link["href"] for link in page.all("a") if link["href"].startswith("/v1/shop/things?"))
    assert [row["value"] for row in json.loads(visit(link).answer.text)["data"]] == [0, 1]
    assert f"curl -H 'Authorization: Bearer KEY' 'http://localhost{link}'" in page.text
    files = [link["href"] for link in page.all("a") if "download" in link]
    assert files[:2] == [
        "/v1/shop/things.csv?value__lt=2&fields=value",
        "/v1/shop/things.ndjson?value__lt=2&fields=value",
    ]
    assert visit(files[1]).answer.text.count("\n") == 2


def test_nothing_that_matches_is_said_and_so_is_the_way_back(here, visit):
    here.collect(("a", 1))
    page = visit(f"{THINGS}?value=2")
    assert "No record matches." in page.text
    assert {"href": THINGS} in page.all("a")


REFUSED = {
    "no such field": (f"{THINGS}?values=1", 400, "the nearest is value"),
    "no such value": (f"{THINGS}?value=x", 400, "is not a whole number"),
    "no such collection": ("/explore/shop/nothing", 404, "Nothing here"),
    "no such record": (f"{THINGS}/nothing", 404, "there is no such record"),
    "no such version": (f"{THINGS}/a?version=7", 404, "there is no version 7"),
    "a record takes none": (f"{THINGS}/a?x=7", 400, "unknown parameter x"),
    "no such file": ("/explore/_/assets/pages.py", 404, "Nothing here"),
}


def test_what_cannot_be_shown_is_a_page_that_says_why(here, visit):
    here.collect(("a", 1))
    for case, (url, status, words) in REFUSED.items():
        page = visit(url)
        assert page.answer.status_code == status, case
        assert page.answer.headers["content-type"] == "text/html; charset=utf-8", case
        assert words in page.text, case


# -- a record --------------------------------------------------------------------------------------------------------


def test_a_record_has_its_versions_with_what_changed(here, visit):
    here.collect(("a", 1), ("b", 1))
    here.collect(("a", 2), ("b", 1))
    page = visit(f"{THINGS}/a")
    assert "version 2 of 2" in page.text
    assert "value 1 → 2" in page.text
    assert "version 1 first seen" in page.text
    older = visit(f"{THINGS}/a?version=1")
    assert "This is how it was until 2026-01-01 00:02 UTC." in older.text
    assert "value whole number 1" in older.text


def test_a_record_that_is_gone_or_came_back_says_so(here, visit):
    here.collect(("a", 1), ("b", 1))
    here.collect(("a", 1))
    assert "This record is gone since 2026-01-01 00:02 UTC." in visit(f"{THINGS}/b").text
    here.collect(("a", 1), ("b", 3))
    page = visit(f"{THINGS}/b")
    assert "version 2 came back" in page.text
    assert "gone since" not in page.text


def test_a_record_is_marked_in_the_bytes_that_it_came_from(here, visit):
    row = b'{"value": 2,"id":"b","more":[1]}'
    here.collect(("a", 1), row, ("c", 3))
    page = visit(f"{THINGS}/b")
    marked = page.answer.text.partition("<mark>")[2].partition("</mark>")[0]
    assert marked == row.decode().replace('"', "&#34;")
    assert "https://shop.example/things answered 200" in page.text
    whole = next(link["href"] for link in page.all("a") if "/source/body" in link["href"])
    assert row in visit(whole).answer.content


def test_the_second_of_two_equal_rows_is_marked_too(here, visit):
    here.collect(("a", 1), ("a", 1), feed=counted)
    pages = [visit(url) for url in visit("/explore/shop/counted").rows()]
    assert [page.answer.text.count("<mark>{&#34;id&#34;:&#34;a&#34;,&#34;value&#34;:1}</mark>") for page in pages] == [
        1,
        1,
    ]


def test_of_a_long_body_there_is_what_stands_around_the_record():
    body = b"[" + b"1," * 5000 + b'{"id":"x"}' + b",1" * 5000 + b"]"
    found = excerpt(body, b'{"id":"x"}')
    assert (len(found.before), found.row, len(found.after), found.cut) == (700, '{"id":"x"}', 700, (True, True))
    assert excerpt(b"\xff[]", b"") == excerpt(b"\xff[]", b"elsewhere")
    assert excerpt(b"\xff[]", b"").before == "\\xff[]"


@pytest.mark.parametrize(
    ("body", "key", "found"),
    [
        pytest.param(
            b'{"m": {"symbol": "IBM", "last": "2024-01-02"}, "days": {"2024-01-02": {"o": "1"}, "2024-01-01": {}}}',
            ["IBM", "2024-01-02"],
            b'"2024-01-02": {"o": "1"}',
            id="named by the last part",
        ),
        pytest.param(
            b'{"l": [{"id": "a", "x": [1]}, {"id": "b\\"}", "x": {}}]}',
            ['b"}'],
            b'{"id": "b\\"}", "x": {}}',
            id="said by it",
        ),
        pytest.param(b'{"10.0.0.1": 12, "10.0.0.2": 13}', ["10.0.0.2"], b'"10.0.0.2": 13', id="a name and a number"),
        pytest.param(b'["a", "b"]', ["a"], b"", id="of a list, nothing"),
        pytest.param(b'{"a": "cut', ["cut"], b"", id="cut off"),
        pytest.param(b"}]a,b", ["a"], b"", id="no JSON"),
    ],
)
def test_what_bears_a_key_is_found_in_a_body(body, key, found):
    assert by_key(body, key) == found


def test_a_key_may_hold_what_an_address_divides_by(here, visit):
    here.collect(("a/b?c#d%2F é", 1))
    (url,) = visit(THINGS).rows()
    page = visit(url)
    assert page.answer.status_code == 200
    assert "id text a/b?c#d%2F é" in page.text


# -- what nobody gets to run -------------------------------------------------------------------------------------------


def test_hostile_text_stays_text_on_every_page(here, visit):
    """acceptance: the corpus of scripts in every field: none of them becomes a tag or an attribute."""
    hostile = [text for text in MARKED if "\x00" not in text]
    here.collect(*((text, number) for number, text in enumerate(hostile)), b'{"id": "<b>r", "value": "<img src=x>"}')
    here.collect(*((text, -number) for number, text in enumerate(hostile)))
    urls = ["/", f"{THINGS}?limit=1000", f"{THINGS}?id__in={hostile[0]}"]
    urls += visit(f"{THINGS}?limit=1000").rows()[::9]
    assert len(urls) > 15
    for url in urls:
        page = visit(url)
        assert page.answer.status_code == 200, url
        assert {tag for tag, _ in page.tags} <= OURS
        names = {name for _, attrs in page.tags for name in attrs}
        assert not [name for name in names if name.startswith("on") or name in ("style", "srcdoc")]
        places = [attrs.get(name, "/") for _, attrs in page.tags for name in ("href", "src", "action", "hx-get")]
        assert all("src" in attrs for attrs in page.all("script"))
        assert [place for place in places if not place.startswith(("/", "#"))] == []
    assert hostile[0] in visit(f"{THINGS}?limit=1000").text


def test_a_page_loads_nothing_from_elsewhere_and_is_kept_by_nobody(here, visit):
    here.collect(("a", 1))
    for url in ("/", THINGS, f"{THINGS}/a", "/explore/none/none"):
        page = visit(url)
        policy = page.answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert page.answer.headers["cache-control"] == "no-store"
        assert len(page.answer.content) < 20_000
        loaded = [visit(link["href"]).answer for link in page.all("link")]
        loaded += [visit(script["src"]).answer for script in page.all("script")]
        for answer in loaded:
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        assert sum(len(answer.content) for answer in (page.answer, *loaded)) < 100_000


def test_what_pages_wait_for_is_made_before_the_first_of_them_also_where_there_is_no_data_yet(here, front, visit):
    front.warm(explorer.warm)
    here.collect(("a", 1))
    front.warm(explorer.warm)
    assert "1 record in 3 collections" in visit("/").text


def test_what_cannot_be_asked_leads_back_to_what_can(here, visit):
    here.collect(("a", 1))
    page = visit(f"{THINGS}?colour=red")
    assert page.answer.status_code == 400
    assert THINGS in [link["href"] for link in page.all("a")]
    assert THINGS not in [link["href"] for link in visit(f"{THINGS}/none").all("a")]
