"""Answers that are not in memory whole: collected, known again, derived again and checked as small ones are."""

from __future__ import annotations

import re
from datetime import timedelta
from random import Random

import pytest
from databases import values_in
from shelf import reading

from catchment import App, Meaning, by_link
from catchment.replay import replay
from catchment.runs import Scope
from catchment.settings import load_settings
from catchment.spool import KEPT
from catchment.standin import Answer, Paged
from catchment.store.check import check
from catchment.store.store import Store
from catchment.store.tables import collections_of

HELD = "SELECT _key, _version, _said_at, _exchange, _doc FROM shop_books ORDER BY _key"
BLANK = Random(20).randbytes(KEPT // 8).translate(bytes(b" \n\t\r"[number % 4] for number in range(256)))
"""Blank that a compressed answer does not make suspicious."""


def padded(_, answer: Answer) -> Answer:
    """The same with so much blank between its rows that it is not kept in memory."""
    return Answer(answer.status, answer.body.replace(b"},", b"}" + BLANK + b","), answer.headers)


@pytest.fixture(scope="module")
def shelf(engine, tmp_path_factory):
    with reading(tmp_path_factory.mktemp("large"), Paged("link"), by_link(), range(11)) as shelf:
        shelf.shelf.twist = padded
        result = shelf.collect()
        assert result.verdict == "complete", result
        yield shelf


def test_every_page_is_read_to_its_end(shelf):
    assert shelf.stored == list(range(11))
    assert len(shelf.asked) == 2
    assert max(size for (size,) in shelf.sql("SELECT size FROM _exchange")) > KEPT
    assert shelf.sql("SELECT DISTINCT size FROM _body ORDER BY size DESC LIMIT 1") == [(2**20,)]


def test_an_equal_answer_is_known_by_its_digest(shelf):
    shelf.clock.advance(timedelta(days=1))
    assert shelf.collect().verdict == "unchanged"


def test_it_is_derived_again_and_checked_from_the_archive(shelf):
    before, requests = shelf.sql(HELD), len(shelf.asked)
    settings = load_settings(values_in(shelf.folder), folder=shelf.folder, environ={})
    app = App("shop", feeds=[shelf.feed])
    with Store(settings, [app], replaying=True) as store:
        (done,) = replay(app, Scope(), store, settings, shelf.clock, lambda _: None)
        assert not any(found.wrong for found in check(store.database, collections_of(app)))
    assert (done.passes, done.left) == (1, ())
    assert (shelf.sql(HELD), len(shelf.asked)) == (before, requests)


def not_empty(answer, _):
    return Meaning.data() if answer.body.strip() else Meaning.failed("empty")


def all_said(answer):
    return "" if all(answer.bodies()) else "nothing is said"


def test_a_function_of_the_feeds_own_is_not_given_more_than_is_declared(tmp_path):
    """It would have it in memory whole. What to do is said: raised knowingly, the same is taken."""
    own = {"rows": lambda body, _: body["items"]}
    with reading(tmp_path, Paged("link"), by_link(), range(11), **own) as shelf:
        shelf.shelf.twist = padded
        result = shelf.collect()
        assert (result.verdict, shelf.stored) == ("failed", [])
        said = (
            r"too-large: a body of [\d,]+ bytes; a function of the feed's own is given 4,194,304 \(max_whole_body\); "
        )
        assert re.fullmatch(said + r"items\(\) and table\(\) read a body of any size", result.reason)
        assert shelf.collect(max_whole_body=16 * 2**20).verdict == "complete"
        assert shelf.stored == list(range(11))


@pytest.mark.parametrize("own", [{"read": not_empty}, {"guard": all_said}], ids=["read", "guard"])
def test_what_reads_the_meaning_of_an_answer_or_guards_it_is_not_given_more_either(tmp_path, own):
    """Also where the rows are named."""
    with reading(tmp_path, Paged("link"), by_link(), range(3), **own) as shelf:
        result = shelf.collect(max_whole_body=50)
        assert (result.verdict, result.reason[:10]) == ("failed", "too-large:")
        assert shelf.collect().verdict == "complete"
