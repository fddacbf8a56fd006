"""Paged answers derived again from the archive: every page in its order, no request, and no address needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from databases import values_in
from shelf import Reading, reading

from catchment import App, Meaning, Upstream, by_cursor, by_header_link, by_link, by_offset, by_page, read_http
from catchment.replay import Replayed, replay
from catchment.runs import Scope
from catchment.settings import load_settings
from catchment.standin import Answer, Paged
from catchment.store.store import Store
from catchment.store.tables import Collection

STYLES = {
    "page, all again": (Paged("page"), by_page(empty=1, recheck="all")),
    "offset": (Paged("offset", total=True), by_offset(total="total")),
    "cursor": (Paged("cursor"), by_cursor()),
    "link": (Paged("link"), by_link()),
    "header": (Paged("header"), by_header_link()),
}
HELD = "SELECT _key, _version, _said_at, _exchange, _doc FROM shop_books{} ORDER BY _key, _version"


def again(shelf: Reading, **changes: object) -> Replayed:
    """A replay where nobody has said any more where the upstream is."""
    nowhere = replace(shelf.feed, upstream=Upstream("elsewhere", "https://elsewhere.example/v9"), **changes)
    settings = load_settings(values_in(shelf.folder), folder=shelf.folder, environ={})
    app = App("shop", feeds=[nowhere])
    with Store(settings, [app], replaying=True) as store:
        (done,) = replay(app, Scope(), store, settings, shelf.clock, lambda _: None)
    return done


@pytest.mark.parametrize(("paged", "pages"), STYLES.values(), ids=STYLES)
def test_every_style_is_derived_again_page_by_page(tmp_path, paged, pages):
    with reading(tmp_path, paged, pages, range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        shelf.shelf.ids.remove(17)
        shelf.shelf.ids.append(30)
        shelf.clock.advance(timedelta(days=1))
        assert shelf.collect().verdict == "complete"
        before, requests = [shelf.sql(HELD.format(end)) for end in ("", "_version")], len(shelf.asked)
        done = again(shelf)
        assert (done.passes, done.left) == (2, ())
        assert [shelf.sql(HELD.format(end)) for end in ("", "_version")] == before
        assert len(before[1]) == 1
        assert len(shelf.asked) == requests


def test_pages_of_which_all_was_erased_are_no_pages_that_came_again(tmp_path):
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        app = App("shop", feeds=[shelf.feed])
        with Store(load_settings(values_in(tmp_path), folder=tmp_path, environ={}), [app]) as store:
            keys = [str(book) for book in range(20)]
            assert store.erasure(Collection("shop", shelf.feed), app, keys).run(shelf.clock.now()).done
        done = again(shelf)
        assert (done.passes, done.left) == (1, ())
        assert shelf.stored == list(range(20, 25))


def test_a_pass_that_went_on_after_a_quota_is_one_pass(tmp_path):
    allowed = []

    def twist(request, answer):
        stopped = request.query.get("page") == "2" and not allowed
        return Answer(402, b'{"error": "limit"}') if stopped else answer

    def read(answer, partition):
        return Meaning.quota("limit") if answer.status == 402 else read_http(answer, partition)

    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(25), read=read) as shelf:
        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "partial"
        shelf.clock.advance(timedelta(days=1))
        allowed.append(True)
        assert shelf.collect().verdict == "complete"
        assert again(shelf).passes == 1
        assert shelf.stored == list(range(25))


def test_pages_that_do_not_reach_an_end_by_the_present_declaration_keep_what_they_brought(tmp_path):
    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        (left,) = again(shelf, pages=by_page(empty=1)).left
        assert left.kept
        assert "do not reach the end" in left.reason
        assert shelf.stored == list(range(25))


def test_what_no_pager_could_prove_is_whole_once_a_pager_can(tmp_path):
    with reading(tmp_path, Paged("cursor"), by_page(total="total"), range(5)) as shelf:
        assert shelf.collect().verdict == "partial"
        assert shelf.stored == []
        assert again(shelf, pages=by_cursor()).passes == 1
        assert shelf.stored == list(range(5))
        assert shelf.sql("SELECT verdict, reason FROM _partition") == [("complete", "")]
