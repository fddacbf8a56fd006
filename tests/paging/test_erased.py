"""Answers from which an erased row cannot be cut out: none of them outlives its pass, however that ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from databases import values_in
from shelf import Reading, reading

from catchment import App, Meaning, by_page, read_http
from catchment.paging import single
from catchment.settings import load_settings
from catchment.standin import Answer, Paged
from catchment.store.erase import Gone
from catchment.store.store import Store
from catchment.store.tables import Collection

GONE, BOTH = b'"book 3"', range(15)


@pytest.fixture
def shelf(tmp_path):
    """Fifteen books on two pages, of which the third is erased. Its rows are made by a function of the feed."""
    rows = {"rows": lambda body, _: body["items"]}
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), BOTH, **rows) as shelf:
        assert shelf.collect().verdict == "complete"
        assert erase(shelf, "3").done
        assert held(shelf) == []
        shelf.clock.advance(timedelta(days=1))
        yield shelf


def erase(shelf: Reading, key: str) -> Gone:
    app = App("shop", feeds=[shelf.feed])
    settings = load_settings(values_in(shelf.folder), folder=shelf.folder, environ={})
    with Store(settings, [app]) as store:
        return store.erasure(Collection("shop", shelf.feed), app, [key]).run(shelf.clock.now())


def held(shelf: Reading) -> list[str]:
    """The archived bodies with the erased row."""
    app = App("shop", feeds=[shelf.feed])
    settings = load_settings(values_in(shelf.folder), folder=shelf.folder, environ={})
    with Store(settings, [app]) as store:
        digests = [digest for (digest,) in shelf.sql("SELECT DISTINCT digest FROM _body")]
        return [digest for digest in digests if GONE in store.archive.body(digest)]


def refuse(_):
    return "not this one"


def broken(body, _):
    yield from body["items"]
    raise RuntimeError("a fault of the feed's own")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "complete"),
        ({"guard": refuse}, "failed"),
        ({"rows": broken}, "failed"),
        ({"max_partition_records": 12}, "failed"),
    ],
    ids=["merged", "refused by the guard", "a function breaks", "too many"],
)
def test_none_is_left_by_a_pass_that_ends(shelf, changes, verdict):
    result = shelf.collect(**changes)
    assert result.verdict == verdict, result
    assert len(shelf.asked) > 2, "nothing was answered anew"
    assert held(shelf) == []
    assert 3 not in shelf.stored


def stopped(request, answer):
    return Answer(402, b'{"error": "limit"}') if request.query["page"] == "2" else answer


def cut(_, answer):
    """JSON that lacks its end, in an answer that has its whole length."""
    return Answer(answer.status, answer.body.rstrip()[:-1], answer.headers)


def test_none_is_left_where_nobody_can_read_what_came_after(shelf):
    shelf.shelf.twist = cut
    result = shelf.collect()
    assert (result.verdict, len(shelf.asked)) == ("failed", 3), result
    assert held(shelf) == []


@pytest.mark.parametrize(("key", "removed"), [("3", 1), ("7", 0)], ids=["has it", "has it not"])
def test_an_answer_that_nobody_can_read_goes_with_a_key_that_it_has(tmp_path, key, removed):
    with reading(tmp_path, Paged("page", size=99), single, [3, 7]) as shelf:
        assert shelf.collect().verdict == "complete"
        shelf.shelf.twist = cut
        shelf.shelf.ids.remove(7)
        shelf.clock.advance(timedelta(days=1))
        assert shelf.collect().verdict == "failed"
        assert len(held(shelf)) == 2, "the fault did not happen"
        gone = erase(shelf, key)
        assert (gone.rewritten, gone.removed, gone.left, gone.done) == (1, removed, (), True)
        assert len(held(shelf)) == (0 if removed else 2)


def read(answer, _):
    return Meaning.quota("limit") if answer.status == 402 else read_http(answer, _)


def test_a_pass_that_goes_on_keeps_its_own_until_it_ends(shelf):
    shelf.shelf.twist = stopped
    assert shelf.collect(read=read).verdict == "partial"
    assert len(held(shelf)) == 1, "the fault did not happen"
    shelf.shelf.twist = lambda _, answer: answer
    shelf.clock.advance(timedelta(days=1))
    before = len(shelf.asked)
    assert shelf.collect(read=read).verdict == "complete"
    assert len(shelf.asked) == before + 1
    assert held(shelf) == []


def test_a_pass_that_is_given_up_leaves_none(shelf):
    shelf.shelf.twist = stopped
    assert shelf.collect(read=read).verdict == "partial"
    assert len(held(shelf)) == 1, "the fault did not happen"
    shelf.shelf.twist = lambda _, answer: answer
    shelf.shelf.ids.remove(3)
    shelf.clock.advance(timedelta(days=30))
    assert shelf.collect(read=read).verdict == "complete"
    assert held(shelf) == []
