"""One answer as a pager sees it: its links, its members, where a link may lead; and pagers of one's own."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import reading

from catchment import Page, PagingError, by_cursor
from catchment.exchange import Answer, Request
from catchment.page import links
from catchment.paging import single
from catchment.standin import Answer as Sent
from catchment.standin import Paged

NOW = datetime(2026, 3, 20, tzinfo=UTC)
BASE = "https://api.shelf.example/v1"


def page(body: bytes = b"{}") -> Page:
    return Page(Request("/books"), Answer(200, body, NOW), BASE)


LINKS = {
    "": [],
    '<https://h/a?b=1,2&c=3;4>; rel="next"': [({"next"}, "https://h/a?b=1,2&c=3;4")],
    "</a>;rel=next,</b>;rel=last": [({"next"}, "/a"), ({"last"}, "/b")],
    '</a>; title="a, <b>; rel=\\"next\\""; rel="prev"': [({"prev"}, "/a")],
    '</a>; rel="prev NEXT"': [({"prev", "next"}, "/a")],
    "</a>; rel=prev; rel=next": [({"prev"}, "/a")],
    "</a>; crossorigin; REL=next": [({"next"}, "/a")],
    '</a>; rel=next; anchor="#b"': [],
    ", ,</a> ; rel = next ,": [({"next"}, "/a")],
    "</a>": [(set(), "/a")],
}


@pytest.mark.parametrize(("header", "found"), LINKS.items(), ids=list(LINKS))
def test_links_are_read_as_they_are_meant(header, found):
    assert links(header) == found


@pytest.mark.parametrize(
    "header", ["</a; rel=next", "a; rel=next", '</a>; rel="next', "</a> </b>; rel=next", "</a>;;x"]
)
def test_a_header_in_which_a_link_could_be_missed_is_no_proof(header):
    with pytest.raises(PagingError, match="cannot be read"):
        links(header)


@given(st.text(max_size=60) | st.text(alphabet='<>;,="\\ relnxt/', max_size=60))
def test_any_header_is_read_or_refused(header):
    try:
        found = links(header)
    except PagingError:
        return
    assert header.count("<") >= len(found)


FOLLOWED = {
    "https://api.shelf.example/v1/books?page=2": Request("/books", (("page", "2"),)),
    "https://API.shelf.example:443/v1/books?page=2": Request("/books", (("page", "2"),)),
    "/v1/books?page=2": Request("/books", (("page", "2"),)),
    "?page=2&q=a%20b&empty=": Request("/books", (("page", "2"), ("q", "a b"), ("empty", ""))),
    "other?key=***&page=2": Request("/other", (("page", "2"),)),
    "https://api.shelf.example/v1/a%2Fb#part": Request("/a%2Fb"),
    "https://api.shelf.example/v1": Request("/"),
}


@pytest.mark.parametrize(("link", "request_"), FOLLOWED.items(), ids=list(FOLLOWED))
def test_a_link_within_the_upstream_is_followed(link, request_):
    assert page().follow(link) == request_


@pytest.mark.parametrize(
    "link",
    [
        "http://api.shelf.example/v1/books", "https://evil.example/v1/books", "//evil.example/v1/books",
        "https://api.shelf.example:8443/v1/books", "https://api.shelf.example.evil.example/v1/",
        "https://user@api.shelf.example/v1/books", "https://api.shelf.example@evil.example/v1/books",
        "/v2/books", "/v10/books", "../admin", "/v1/../admin", "file:///etc/passwd", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_a_link_that_leads_away_is_refused(link):
    with pytest.raises(PagingError) as caught:
        page().follow(link)
    assert caught.value.reason == "foreign-link"


@pytest.mark.parametrize("link", ["https://[::1", "https://h:port/"])
def test_a_link_that_is_none_is_refused(link):
    with pytest.raises(PagingError, match="no URL"):
        page().follow(link)


def test_members_are_found_by_their_path():
    found = page(b'\xef\xbb\xbf{"a": {"b": "x", "c": null}, "a.b": 1, "n": null, "t": "12"}')
    assert [found.member(path) for path in ("a.b", "a.c", "n", "none", "none.at.all")] == [1, None, None, None, None]
    assert found.number("t") == 12
    with pytest.raises(PagingError, match="no JSON object"):
        found.member("t.x")


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff", b'{"next": '], ids=repr)
def test_a_body_that_is_no_object_says_nothing_of_a_next_page(body):
    assert page(body).more == ""
    with pytest.raises(PagingError, match="no JSON object"):
        page(body).member("next")


def test_a_parameter_is_set_in_its_place():
    request = Request("/x", (("a", "1"), ("page", "1"), ("b", "2"), ("page", "9")))
    assert request.with_parameter("page", "2").query == (("a", "1"), ("page", "2"), ("b", "2"))
    assert request.with_parameter("c", "3").query[-1] == ("c", "3")


def test_a_pager_of_ones_own_is_watched_like_any_other(tmp_path):
    def circle(first):
        while True:
            yield first.with_parameter("page", "1")
            yield first.with_parameter("page", "2")

    def until_gone(first):
        number = 1
        while (yield first.with_parameter("page", str(number))).rows == 10:
            number += 1

    with reading(tmp_path, Paged("page"), circle, range(25)) as shelf:
        result = shelf.collect()
        assert (result.verdict, result.reason.partition(":")[0]) == ("partial", "loop")
        assert len(shelf.asked) == 2
        assert shelf.collect(pages=until_gone).verdict == "complete"
        assert shelf.stored == list(range(25))


def test_pages_are_not_in_memory_together(tmp_path):
    """40 bodies of a mebibyte, of which a few are held at a time."""

    def padded(request, answer):
        return Sent.json({**json.loads(answer.body), "padding": Random(request.number).randbytes(2**19).hex()})

    with reading(tmp_path, Paged("cursor", size=1), by_cursor(), range(40)) as shelf:
        shelf.shelf.twist = padded
        tracemalloc.start()
        try:
            assert shelf.collect().verdict == "complete"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert shelf.sql("SELECT sum(size) FROM _exchange")[0][0] > 40 * 2**20
        assert peak < 16 * 2**20
        assert shelf.stored == list(range(40))


def test_one_answer_is_the_default():
    pages = single(Request("/books"))
    assert next(pages) == Request("/books")
    with pytest.raises(StopIteration):
        pages.send(page(b"[]"))
