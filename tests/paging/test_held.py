"""An answer that is held as drift: `catchment status` says which field, since when, and shows a row of it."""

from __future__ import annotations

from datetime import timedelta

from databases import values_in
from shelf import Reading, reading

from catchment import App
from catchment.console import drift_lines
from catchment.operate import standings
from catchment.paging import single
from catchment.settings import load_settings
from catchment.standin import Answer, Paged
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
