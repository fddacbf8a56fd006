"""Rows that come and go while they are paged: what is complete is exact, what is not exact is not complete."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from shelf import reading

from catchment import Page, PagingError, by_cursor, by_header_link, by_link, by_offset, by_page
from catchment.exchange import Answer, Request
from catchment.paging import Again, walk
from catchment.standin import Paged
from catchment.standin import Request as Asked

NOW = datetime(2026, 3, 20, tzinfo=UTC)
SIZE = 5


# -- over real sockets -------------------------------------------------------------------------------------------------

POSITIONAL = {
    "page, empty": (Paged("page"), by_page(empty=1)),
    "page, short": (Paged("page"), by_page(short=10)),
    "page, total": (Paged("page", total=True), by_page(total="total")),
    "offset, empty": (Paged("offset"), by_offset(empty=1)),
    "offset, total": (Paged("offset", total=True), by_offset(total="total")),
}
EDITS = {"added": lambda ids: ids.insert(0, 1000), "removed": lambda ids: ids.pop(0)}


@pytest.mark.parametrize("call", [2, 3])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize(("paged", "pages"), POSITIONAL.values(), ids=POSITIONAL)
def test_a_row_that_comes_or_goes_between_two_pages_is_noticed_and_the_pages_walked_again(
    tmp_path, paged, pages, edit, call
):
    with reading(tmp_path, paged, pages, range(25)) as shelf:
        shelf.shelf.before = {call: edit}
        result = shelf.collect()
        assert shelf.shelf.fired == [call]
        assert result.verdict == "complete"
        assert shelf.stored == sorted(shelf.shelf.ids)
        assert sum(target in ("/books?page=1", "/books?offset=0") for target in shelf.asked) >= 2
        assert shelf.sql("SELECT revision FROM _collection") == [(1,)]


@pytest.mark.parametrize(("paged", "pages"), POSITIONAL.values(), ids=POSITIONAL)
def test_a_list_that_never_stands_still_is_partial_and_nothing_is_retired(tmp_path, paged, pages):
    with reading(tmp_path, paged, pages, range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        calm = len(shelf.asked)
        fresh = iter(range(1000, 2000))
        shelf.shelf.before = {
            calm + call: lambda ids: (ids.insert(0, next(fresh)), ids.remove(ids[5])) for call in range(1, 40)
        }
        result = shelf.collect()
        assert (result.verdict, result.reason.partition(":")[0]) == ("partial", "unstable")
        assert shelf.stored == list(range(25))
        assert len(shelf.asked) - calm <= 2 * calm


def test_a_row_that_slipped_between_two_pages_is_not_retired(tmp_path):
    """One row goes, another comes: the total stays, and row 20 moves to a page that was read already."""
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        shelf.shelf.before = {6: lambda ids: (ids.remove(12), ids.append(1000))}
        result = shelf.collect()
        assert shelf.shelf.fired == [6]
        # The walk that lost row 20 and the one after it, where row 12 is gone, do not say the same.
        assert (result.verdict, result.reason.partition(":")[0]) == ("partial", "unstable")
        assert shelf.stored == list(range(25))
        assert shelf.collect().verdict == "complete"
        assert len(shelf.asked) == 3 + 2 * 3 + 2 * 3
        assert shelf.stored == sorted({*range(25), 1000} - {12})
        assert shelf.sql("SELECT id FROM shop_books_version WHERE _gone = 1") == [(12,)]


def test_a_removal_in_the_middle_is_seen_where_all_pages_are_asked_for_again(tmp_path):
    with reading(tmp_path, Paged("page"), by_page(empty=1, recheck="all"), range(25)) as shelf:
        shelf.shelf.before = {3: lambda ids: ids.remove(12)}
        assert shelf.collect().verdict == "complete"
        assert shelf.shelf.fired == [3]
        assert shelf.stored == sorted({*range(25)} - {12})


@pytest.mark.parametrize(
    ("paged", "pages"),
    [(Paged("cursor"), by_cursor()), (Paged("link"), by_link()), (Paged("header"), by_header_link())],
    ids=["cursor", "link", "header"],
)
def test_what_stands_for_a_row_does_not_shift(tmp_path, paged, pages):
    with reading(tmp_path, paged, pages, range(25)) as shelf:
        shelf.shelf.before = {2: lambda ids: ids.remove(3), 3: lambda ids: ids.remove(22)}
        assert shelf.collect().verdict == "complete"
        assert shelf.shelf.fired == [2, 3]
        assert len(shelf.asked) == 3
        assert shelf.stored == sorted({*range(25)} - {22})


def test_an_upstream_whose_pages_overlap_and_stand_still_is_complete(tmp_path):
    """Both walks find the same rows on two pages: that is the upstream's way."""

    def overlapping(request, answer):
        start = max(int(request.query["page"]) - 1, 0) * 8
        return replace(answer, body=json.dumps({"items": [{"id": n} for n in range(25)[start : start + 10]]}).encode())

    with reading(tmp_path, Paged("page"), by_page(empty=1), range(25)) as shelf:
        shelf.shelf.twist = overlapping
        result = shelf.collect()
        assert (result.verdict, result.counts.duplicate) == ("complete", 5)
        assert shelf.stored == list(range(25))


# -- any history -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """Before the `at`-th request: a new row at a place, or the row there removed. A removed row never returns."""

    at: int
    place: int
    add: bool


@dataclass
class History:
    """A list that changes, and what it was: rows from the beginning to the end, and rows at any moment."""

    ids: list[int]
    edits: list[Edit]
    asked: int = 0

    def __post_init__(self) -> None:
        self.always, self.ever, self.fresh = set(self.ids), set(self.ids), iter(range(10_001, 99_999, 2))

    def next(self) -> list[int]:
        self.asked += 1
        for edit in [edit for edit in self.edits if edit.at == self.asked]:
            if edit.add:
                place = min(edit.place, len(self.ids))
                new = next(self.fresh)
                self.ids.insert(place, new)
                self.ever.add(new)
            elif edit.place < len(self.ids):
                self.always.discard(self.ids.pop(edit.place))
        return self.ids


def walked(pager, paged: Paged, history: History) -> list[int]:
    """The rows of a walk through the changing list. PagingError as the pager has it, or a row on two pages."""
    steps = walk(pager, Request("/books"), most_rows=10_000, most_bytes=10_000_000)
    request, rows, pages = next(steps), list[int](), 0
    while True:
        ids = history.next()
        asked = Asked("GET", request.path, dict(request.query), {}, b"", NOW, history.asked)
        items = [{"id": number, "order": place} for place, number in enumerate(ids)] if paged.key == "order" else None
        said = paged.answer(asked, items or [{"id": number} for number in ids])
        found = [row["id"] for row in json.loads(said.body)["items"]]
        pages += not isinstance(request, Again)
        if not isinstance(request, Again):
            if set(found) & set(rows):
                raise PagingError("unstable", "a row is on two pages")
            rows += found
        answer = Answer(200, said.body, NOW, {name.lower(): value for name, value in said.headers})
        try:
            request = steps.send(Page(request, answer, "https://shelf.example", lambda f=found: [b"%d" % n for n in f]))
        except StopIteration:
            return rows


def exact(pager, paged: Paged, history: History) -> None:
    """Nothing where the walk is not complete; else what is complete is held against the history."""
    try:
        rows = walked(pager, paged, history)
    except PagingError as error:
        assert history.edits, "a list that nobody changes is walked to its end"
        event(error.reason)
        return
    event("complete")
    assert len(rows) == len(set(rows))
    assert history.always <= set(rows), "a row that was there all the time is missing"
    assert set(rows) <= history.ever


edits = st.lists(st.builds(Edit, at=st.integers(2, 12), place=st.integers(0, 30), add=st.booleans()), max_size=6)
rows = st.integers(0, 30)
hunt = settings(max_examples=300, deadline=None, derandomize=True)


@hunt
@given(rows, edits, st.sampled_from(["page", "offset"]), st.booleans(), st.sampled_from([3, SIZE, 10]))
def test_pages_all_asked_for_again_are_exact_whatever_happens(count, edits, style, total, size):
    by = by_page if style == "page" else by_offset
    pager = by(empty=1, total="total" if total else "", recheck="all")
    exact(pager, Paged(style, size=size, total=total), History(list(range(count)), edits))


@hunt
@given(rows, edits, st.sampled_from(["cursor", "link", "header"]), st.integers(1, 10))
def test_pages_behind_a_row_are_exact_whatever_happens(count, edits, style, size):
    # Rows are in the order of their keys: a new one goes where its key belongs.
    pagers = {"cursor": by_cursor(), "link": by_link(), "header": by_header_link()}
    history = History(list(range(0, 2 * count, 2)), [replace(edit, place=99) if edit.add else edit for edit in edits])
    exact(pagers[style], Paged(style, size=size), history)


@hunt
@given(rows, edits, st.sampled_from(["page", "offset"]))
def test_what_comes_and_goes_on_the_first_page_is_seen_by_asking_for_it_again(count, edits, style):
    edits = [replace(edit, place=edit.place % SIZE) for edit in edits]
    by = by_page if style == "page" else by_offset
    exact(by(empty=1), Paged(style, size=SIZE), History(list(range(count)), edits))


@hunt
@given(rows, edits, st.sampled_from(["page", "offset"]))
def test_one_row_that_comes_or_goes_is_seen_by_the_total(count, edits, style):
    by = by_page if style == "page" else by_offset
    exact(by(total="total"), Paged(style, size=SIZE, total=True), History(list(range(count)), edits[:1]))


@pytest.mark.parametrize(
    ("name", "found"), [("never checked", False), ("the first page", False), ("all pages", True)], ids=str
)
def test_what_the_smaller_checks_do_not_see(name, found):
    """A removal behind the first page loses a row: this is why `recheck="all"` is there."""
    checks = {"never checked": "none", "the first page": "first", "all pages": "all"}
    history = History(list(range(15)), [Edit(at=3, place=7, add=False)])
    if found:
        with pytest.raises(PagingError, match="other rows"):
            walked(by_page(empty=1, recheck=checks[name]), Paged("page", size=SIZE), history)
    else:
        assert 10 not in walked(by_page(empty=1, recheck=checks[name]), Paged("page", size=SIZE), history)
