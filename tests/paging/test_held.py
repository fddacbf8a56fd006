"""An answer that is held as drift: `catchment status` says which field, since when, and shows a row of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from datetime import timedelta
from random import Random

import pytest
from databases import values_in
from shelf import Reading, reading

from catchment import App
from catchment.console import drift_lines
from catchment.operate import standings
from catchment.paging import by_page, single
from catchment.settings import load_settings
from catchment.standin import Answer, Paged, Request
from catchment.store.store import Store
from catchment.store.tables import Collection

SAID = "11 of 11 records cannot be read, the first at title: Expected `str`, got `int`"


def numbered(_, answer: Answer) -> Answer:
    """The same, with numbers where titles were."""
    return Answer(answer.status, answer.body.replace(b'"book ', b"1").replace(b'"}', b"}"), answer.headers)


def told(shelf: Reading) -> list[str]:
    """What `catchment status` says of drift."""
    app = App("shop", feeds=[shelf.feed])
    settings = load_settings(values_in(shelf.folder), folder=shelf.folder, environ={})
    with Store(settings, [app]) as store:
        return drift_lines(standings([app], store, settings, shelf.clock.now()))


def test_what_is_held_is_told_with_its_field_a_row_and_since_when(tmp_path):
    with reading(tmp_path, Paged("page", size=99), single, range(11)) as shelf:
        assert shelf.collect().verdict == "complete"
        assert told(shelf) == []
        shelf.shelf.twist = numbered
        shelf.clock.advance(timedelta(days=1))
        result = shelf.collect()
        assert (result.verdict, result.reason) == ("failed", f"drift: {SAID}")
        assert told(shelf) == [
            "shop/books: type title (text, now number) at 2026-03-21 04:00 UTC: the only partition",
            f"shop/books: rejects title ({SAID}) at 2026-03-21 04:00 UTC: the only partition",
            'shop/books: one of these rows: {"id": 0, "title": 10}',
        ]
        shelf.clock.advance(timedelta(days=1))
        shelf.collect()
        when = "since 2026-03-21 04:00, 2 times, last at 2026-03-22 04:00 UTC: the only partition"
        assert f"shop/books: rejects title ({SAID}) {when}" in told(shelf)
        shelf.shelf.twist = lambda _, answer: answer
        shelf.clock.advance(timedelta(days=1))
        assert shelf.collect().verdict in ("complete", "unchanged")
        shelf.clock.advance(timedelta(days=8))
        assert told(shelf) == []


def test_a_row_that_is_erased_is_shown_no_more(tmp_path):
    with reading(tmp_path, Paged("page", size=99), single, range(11)) as shelf:
        assert shelf.collect().verdict == "complete"
        shelf.shelf.twist = numbered
        shelf.clock.advance(timedelta(days=1))
        shelf.collect()
        assert '{"id": 0' in told(shelf)[-1]
        app = App("shop", feeds=[shelf.feed])
        settings = load_settings(values_in(tmp_path), folder=tmp_path, environ={})
        with Store(settings, [app]) as store:
            assert store.erasure(Collection("shop", shelf.feed), app, ["0"]).run(shelf.clock.now()).done
        assert '{"id": 1' in told(shelf)[-1]


# -- how many are too many: the share of a page, and of all -----------------------------------------------------------


NOISE = Random(1).randbytes(50_000).hex()


def unreadable(ids: Container[int], length: int = 0) -> Callable[[Request, Answer], Answer]:
    """The same, with a number for the title of these books. The others' get longer by so much that packs badly."""

    def twist(_, answer: Answer) -> Answer:
        body = json.loads(answer.body)
        for row in body["items"]:
            row["title"] = 1 if row["id"] in ids else row["title"] + NOISE[row["id"] % 99 * 1000 :][:length]
        return Answer(answer.status, json.dumps(body).encode(), answer.headers)

    return twist


def said(shares: str) -> str:
    return f"drift: {shares} cannot be read, the first at title: Expected `str`, got `int`"


EACH_TENTH = {place for place in range(100) if place % 10 < 2}
SHARES = {
    "a fifth of a page": (25, 100, range(25, 30), ""),
    "more than a fifth of a page": (25, 100, range(25, 31), said("6 of 25 records of page 2")),
    "the last page whole": (25, 205, range(200, 205), said("5 of 5 records of page 9")),
    "two pages whole": (20, 200, range(40, 80), said("20 of 20 records of page 3")),
    "fewer than five of a page": (10, 100, range(10, 14), ""),
    "a page of fewer than five": (25, 104, range(100, 104), ""),
    "a fifth of all": (10, 100, EACH_TENTH, ""),
    "more than a fifth of all": (10, 100, EACH_TENTH | {2}, said("21 of 100 records")),
}


@pytest.mark.parametrize(("size", "count", "bad", "reason"), SHARES.values(), ids=SHARES)
def test_an_answer_is_held_where_more_than_a_fifth_of_a_page_or_of_all_is_unreadable(
    tmp_path, size, count, bad, reason
):
    with reading(tmp_path, Paged("page", size, total=True), by_page(total="total"), range(count)) as shelf:
        shelf.shelf.twist = unreadable(bad)
        result = shelf.collect()
        assert len(shelf.asked) == -(-count // size)
        assert (result.verdict, result.reason) == ("failed" if reason else "complete", reason)
        assert shelf.stored == ([] if reason else [number for number in range(count) if number not in bad])
        assert result.counts.rejected == (0 if reason else len(bad))


def test_a_page_that_is_held_is_told_with_what_changed_and_one_of_its_rows_whichever_page_it_is(tmp_path):
    with reading(tmp_path, Paged("page", 20, total=True), by_page(total="total"), range(200)) as shelf:
        assert shelf.collect().verdict == "complete"
        shelf.shelf.twist = unreadable(range(40, 60))
        shelf.clock.advance(timedelta(days=1))
        assert shelf.collect().verdict == "failed"
        assert len(shelf.stored) == 200
        when = "at 2026-03-21 04:00 UTC: the only partition"
        assert told(shelf) == [
            f"shop/books: type title (text, now number) {when}",
            f"shop/books: rejects title ({said('20 of 20 records of page 3').removeprefix('drift: ')}) {when}",
            'shop/books: one of these rows: {"id": 40, "title": 1}',
        ]


def test_a_large_body_is_one_page_however_its_unreadable_rows_lie_together(tmp_path):
    with reading(tmp_path, Paged("page", 3000), single, range(3000)) as shelf:
        shelf.shelf.twist = unreadable(range(1000, 1500), length=1000)
        result = shelf.collect()
        assert (result.verdict, result.reason, result.counts.rejected) == ("complete", "", 500)
