"""Pages collected over real sockets: complete with proof, else partial with the reason; nothing asked for twice."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from databases import database_in, left_in, values_in
from shelf import Reading, Shelf, api, books, reading

from catchment import (
    CONTENT,
    App,
    Meaning,
    QueryKey,
    Secret,
    by_cursor,
    by_header_link,
    by_link,
    by_offset,
    by_page,
    first_page,
    items,
    read_http,
)
from catchment.paging import single
from catchment.replay import replay
from catchment.runs import Scope
from catchment.settings import Settings, load_settings
from catchment.standin import Answer, Paged
from catchment.store.engines import database_of
from catchment.store.store import Store

STYLES = {
    "page, empty": (Paged("page"), by_page(empty=1), 5),
    "page, total": (Paged("page", total=True), by_page(total="total"), 3),
    "page, short": (Paged("page"), by_page(short=10), 4),
    "page, all again": (Paged("page"), by_page(empty=1, recheck="all"), 8),
    "offset, empty": (Paged("offset"), by_offset(empty=1), 5),
    "offset, total": (Paged("offset", total=True), by_offset(total="total"), 3),
    "cursor": (Paged("cursor"), by_cursor(), 3),
    "cursor, total": (Paged("cursor", total=True), by_cursor(total="total"), 3),
    "link": (Paged("link"), by_link(), 3),
    "header": (Paged("header"), by_header_link(), 3),
}


def body(answer: Answer) -> dict:
    return json.loads(answer.body)


@pytest.mark.parametrize(("paged", "pages", "requests"), STYLES.values(), ids=STYLES)
def test_every_style_brings_every_row_and_knows_its_end(tmp_path, paged, pages, requests):
    # 25 rows in pages of 10; where the end is an empty page, the first is asked for once more.
    with reading(tmp_path, paged, pages, range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == list(range(25))
        assert len(shelf.asked) == requests


@pytest.mark.parametrize(("paged", "pages", "requests"), STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("rows", [0, 1, 10, 20])
def test_no_row_one_row_and_full_pages(tmp_path, paged, pages, requests, rows):
    with reading(tmp_path, paged, pages, range(rows)) as shelf:
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == list(range(rows))


def test_equal_pages_are_known_by_their_digest_and_rows_that_went_are_retired(tmp_path):
    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        assert shelf.collect().verdict == "unchanged"
        shelf.shelf.ids.remove(17)
        result = shelf.collect()
        assert (result.verdict, result.counts.gone, result.counts.same) == ("complete", 1, 24)


def test_an_address_in_a_row_is_data(tmp_path):
    """Advisory A6: nobody fetches what somebody else's record says, even where it could be reached."""
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(3)) as shelf:
        title = f"{shelf.url}/picture.jpg".encode()

        def twist(request, answer):
            return replace(answer, body=re.sub(rb"book [0-9]+", title, answer.body))

        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "complete"
        assert {target.partition("?")[0] for target in shelf.asked} == {"/books"}
        assert shelf.sql("SELECT DISTINCT title FROM shop_books") == [(title.decode(),)]


# -- going on ----------------------------------------------------------------------------------------------------------


def quota_at(page: str):
    """An upstream whose allowance ends at that page: what opens it when anything is put in, its twist, its reader."""
    allowed = []

    def twist(request, answer):
        if request.query.get("page") == page and not allowed:
            return Answer(402, b'{"error": "limit"}')
        return answer

    def read(answer, partition):
        return Meaning.quota("limit") if answer.status == 402 else read_http(answer, partition)

    return allowed, twist, read


def test_pages_before_a_quota_are_kept_for_the_next_day(tmp_path):
    """Acceptance 12 of `episodes`: 95 results, page 10 meets the limit; next day exactly one request."""
    allowed, twist, read = quota_at("10")
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(95), read=read) as shelf:
        shelf.shelf.twist = twist
        result = shelf.collect()
        assert (result.verdict, result.reason) == ("partial", "quota")
        assert len(shelf.asked) == 10
        assert shelf.stored == []
        shelf.clock.advance(timedelta(days=1))
        allowed.append(True)
        assert shelf.collect().verdict == "complete"
        assert shelf.asked[10:] == ["/books?page=10"]
        assert shelf.stored == list(range(95))


def answered_twice(shelf: Reading, page: int) -> None:
    """Has the archive hold the answer of a page twice, as where a worker was stopped for longer than its lease: it asks
    once more, and archives that, when another one has gone on.
    """
    with closing(database_of(database_in(shelf.folder)).open()) as sql:
        sql.execute("UPDATE _exchange SET id = id + 100 WHERE id > ?", (page,))
        columns = "feed, partition, pass, attempt, fingerprint, method, url, status, headers, digest, size, wire, at"
        sql.execute(f"INSERT INTO _exchange (id, {columns}) SELECT 50, {columns} FROM _exchange WHERE id = ?", (page,))
        sql.number_on("_exchange", "id")


def test_a_page_that_two_workers_asked_for_is_one_page(tmp_path):
    """A resume asks for nothing again, and a replay derives all of it."""
    allowed, twist, read = quota_at("10")
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(95), read=read) as shelf:
        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "partial"
        answered_twice(shelf, 4)
        shelf.clock.advance(timedelta(days=1))
        allowed.append(True)
        assert shelf.collect().verdict == "complete"
        assert shelf.asked[10:] == ["/books?page=10"]
        assert shelf.stored == list(range(95))
        app = App("shop", feeds=[shelf.feed])
        settings = load_settings(values_in(tmp_path), folder=tmp_path, environ={})
        with Store(settings, [app], replaying=True) as store:
            (done,) = replay(app, Scope(), store, settings, shelf.clock, lambda _: None)
        assert (done.passes, done.left, done.after.records) == (1, (), 95)


def test_a_fault_in_the_middle_is_asked_again_by_itself(tmp_path):
    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        shelf.control.faults({"call": 2, "fault": "status", "status": 503})
        result = shelf.collect()
        assert (result.verdict, result.reason) == ("partial", "503")
        assert shelf.stored == []
        assert shelf.collect().verdict == "complete"
        assert shelf.asked == ["/books", "/books?cursor=9", "/books?cursor=9", "/books?cursor=19"]


def test_a_pass_that_is_too_old_begins_anew(tmp_path):
    allowed, twist, read = quota_at("3")
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(25), read=read) as shelf:
        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "partial"
        allowed.append(True)
        shelf.clock.advance(timedelta(days=3, seconds=1))
        assert shelf.collect().verdict == "complete"
        assert len(shelf.asked) == 3 + 3


def test_a_changed_declaration_begins_anew(tmp_path):
    _, twist, read = quota_at("3")
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(25), read=read) as shelf:
        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "partial"
        shelf.clock.advance(timedelta(days=1))
        shelf.control.reset()
        shelf.shelf.paged = Paged("offset")
        assert shelf.collect(pages=by_offset(empty=1)).verdict == "complete"
        assert shelf.asked[0] == "/books?offset=0"
        assert shelf.stored == list(range(25))


def test_what_another_address_answered_is_not_mixed_in(tmp_path):
    _, twist, read = quota_at("3")
    pages = by_page(total="total")
    with (
        reading(tmp_path, Paged("page", total=True), pages, range(100, 125)) as other,
        reading(tmp_path, Paged("page", total=True), pages, range(25), read=read) as shelf,
    ):
        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "partial"
        shelf.clock.advance(timedelta(days=1))
        shelf.url = other.url
        assert shelf.collect().verdict == "complete"
        assert len(other.asked) == 3
        assert shelf.stored == list(range(100, 125))


def test_an_expired_cursor_begins_anew_in_the_same_run(tmp_path):
    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        shelf.control.faults({"call": 3, "fault": "status", "status": 410})
        assert shelf.collect().verdict == "complete"
        assert shelf.asked[3:] == ["/books", "/books?cursor=9", "/books?cursor=19"]
        assert shelf.stored == list(range(25))
        assert shelf.sql("SELECT DISTINCT _version FROM shop_books") == [(1,)]


def test_a_cursor_that_always_expires_is_told(tmp_path):
    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        shelf.control.faults({"query": {"cursor": "9"}, "fault": "status", "status": 410})
        result = shelf.collect()
        assert (result.verdict, result.reason) == ("partial", "expired: page 2 was not given: 410")
        assert len(shelf.asked) == 4


# -- what is no end ----------------------------------------------------------------------------------------------------


def changed(**members):
    """Every answer with these members changed."""
    return lambda _, answer: replace(answer, body=json.dumps(body(answer) | members).encode())


def ignoring(name: str, shelf: Shelf):
    """An upstream that overlooks this parameter."""
    rows = [{"id": number} for number in shelf.ids]

    def twist(request, answer):
        query = {known: value for known, value in request.query.items() if known != name}
        return shelf.paged.answer(replace(request, query=query), rows)

    return twist


def headed(**headers: str):
    return lambda _, answer: replace(answer, headers=(*answer.headers, *headers.items()))


NO_END = {
    "the same cursor for ever": (Paged("cursor"), by_cursor(), changed(next_cursor="9"), "loop", 2),
    "a link back": (Paged("link"), by_link(), changed(next="/books"), "loop", 1),
    "a header back": (Paged("page"), by_header_link(), headed(Link='</books>; rel="next"'), "loop", 1),
    "the page is overlooked": (Paged("page"), by_page(empty=1), "page", "loop", 2),
    "the offset is overlooked": (Paged("offset"), by_offset(empty=1), "offset", "loop", 2),
    "and adds up": (Paged("offset", total=True), by_offset(total="total"), "offset", "loop", 2),
    "more pages than declared": (Paged("cursor"), by_cursor(most=2), None, "endless", 2),
    "more rows than allowed": (Paged("page", size=1), by_page(empty=1), None, "too-many", 21),
    "a total above what there is": (Paged("page", total=True), by_page(total="total"), changed(total=26), "short", 8),
    "a total below what there is": (Paged("cursor"), by_cursor(total="total"), changed(total=9), "unstable", 2),
    "no total": (Paged("page"), by_page(total="total"), None, "shape", 1),
    "a total that is no number": (Paged("page"), by_page(total="total"), changed(total="many"), "shape", 1),
    "a cursor that is none": (Paged("cursor"), by_cursor(), changed(next_cursor={"id": 3}), "shape", 1),
    "a short page that leads on": (Paged("page"), by_page(short=11), changed(next_page=2), "more", 1),
    "a link elsewhere": (Paged("link"), by_link(), changed(next="http://127.0.0.2/books?page=2"), "foreign-link", 1),
    "a link of another scheme": (Paged("link"), by_link(), changed(next="https://127.0.0.1/books"), "foreign-link", 1),
    "a header elsewhere": (
        Paged("page"), by_header_link(), headed(Link="<//evil.example/books>; rel=next"), "foreign-link", 1,
    ),
    "a header that cannot be read": (Paged("page"), by_header_link(), headed(Link="</books; rel=next"), "link", 1),
}  # fmt: skip


@pytest.mark.parametrize(("paged", "pages", "twist", "reason", "requests"), NO_END.values(), ids=NO_END)
def test_what_cannot_be_proved_is_partial_and_changes_nothing(tmp_path, paged, pages, twist, reason, requests):
    with reading(
        tmp_path, paged, pages, range(25), max_partition_records=20 if reason == "too-many" else 1000
    ) as shelf:
        shelf.shelf.twist = ignoring(twist, shelf.shelf) if isinstance(twist, str) else twist or shelf.shelf.twist
        result = shelf.collect()
        assert (result.verdict, result.reason.partition(":")[0]) == ("partial", reason)
        assert len(shelf.asked) == requests
        assert shelf.stored == []


def test_a_partition_of_more_bytes_than_allowed_is_left_and_changes_nothing(tmp_path):
    """However few rows they are; a feed that says nothing allows a gibibyte."""
    assert books(by_page(empty=1)).max_partition_bytes == 2**30
    with reading(tmp_path, Paged("page", size=1), by_page(empty=1), range(25), max_partition_bytes=100) as shelf:
        result = shelf.collect()
        assert (result.verdict, result.reason) == (
            "partial",
            "too-large: more than 100 bytes (split the partition, or raise max_partition_bytes)",
        )
        sizes = [size for (size,) in shelf.sql("SELECT size FROM _exchange ORDER BY id")]
        assert sum(sizes[:-1]) <= 100 < sum(sizes)
        assert shelf.stored == []
        assert shelf.collect(max_partition_bytes=10_000).verdict == "complete"


def test_pages_without_rows_that_lead_on_and_on_are_left(tmp_path):
    def empty(request, answer):
        return Answer.json({"items": [], "next_cursor": str(request.number)})

    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        shelf.shelf.twist = empty
        result = shelf.collect()
        assert (result.verdict, result.reason.partition(":")[0]) == ("partial", "endless")
        assert len(shelf.asked) == 4


def test_an_empty_page_in_the_middle_is_not_the_end_where_more_are_declared(tmp_path):
    def hole(request, answer):
        return Answer.json({"items": []}) if request.query.get("page") == "2" else answer

    with reading(tmp_path, Paged("page"), by_page(empty=2), range(25)) as shelf:
        shelf.shelf.twist = hole
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == [*range(10), *range(20, 25)]


def test_an_empty_page_in_the_middle_of_a_cursors_way_is_gone_over(tmp_path):
    def hole(request, answer):
        return Answer.json({"items": [], "next_cursor": "9"}) if "cursor" not in request.query else answer

    with reading(tmp_path, Paged("cursor"), by_cursor(), range(25)) as shelf:
        shelf.shelf.twist = hole
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == list(range(10, 25))


def test_offsets_go_on_by_what_came_not_by_what_was_asked_for(tmp_path):
    with reading(tmp_path, Paged("offset", size=4), by_offset(empty=1), range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        assert shelf.asked[:3] == ["/books?offset=0", "/books?offset=4", "/books?offset=8"]


def test_a_partial_run_retires_nothing_and_the_next_whole_one_does(tmp_path):
    with reading(tmp_path, Paged("page", total=True), by_page(total="total"), range(25)) as shelf:
        assert shelf.collect().verdict == "complete"
        shelf.shelf.ids.remove(3)
        shelf.shelf.twist = changed(total=25)
        assert shelf.collect().verdict == "partial"
        assert 3 in shelf.stored
        shelf.shelf.twist = lambda _, answer: answer
        assert shelf.collect().counts.gone == 1


def test_a_key_goes_only_where_it_belongs_and_a_link_that_echoes_it_is_cleaned(tmp_path):
    def echo(request, answer):
        said = body(answer)
        link = said["next"] and f"{said['next']}&apikey={request.query['apikey']}"
        return Answer.json(said | {"next": link})

    keyed = replace(api, auth=QueryKey("apikey", Secret("SHELF_KEY")))
    with reading(tmp_path, Paged("link"), by_link(), range(25), upstream=keyed) as shelf:
        shelf.values = {"SHELF_KEY": "canary-of-a-key"}
        shelf.shelf.twist = echo
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == list(range(25))
        assert {target.count("canary-of-a-key") for target in shelf.asked} == {1}
        assert b"canary-of-a-key" not in left_in(database_of(database_in(tmp_path)))


# -- one answer --------------------------------------------------------------------------------------------------------

SIGNS = {
    "a header": ("the header Link with rel=next", headed(Link='</x>; rel="last", </books?page=2>; rel="next"')),
    "a cursor": ("the member next_cursor", changed(next_cursor="b")),
    "a page": ("the member nextPage", changed(nextPage=2)),
    "a link": ("the member links.next", changed(links={"self": "/books", "next": "/books?page=2"})),
    "a flag": ("the member meta.has_more", changed(meta={"has_more": True})),
    "a total": ("the member total (25, with 10 rows)", changed(total=25)),
    "a total as text": ("the member totalResults (25, with 10 rows)", changed(totalResults="25")),
}


@pytest.mark.parametrize(("sign", "twist"), SIGNS.values(), ids=SIGNS)
def test_unknown_paging_is_refused_with_what_was_seen_and_what_to_declare(tmp_path, sign, twist):
    with reading(tmp_path, Paged("page"), single, range(25)) as shelf:
        shelf.shelf.twist = twist
        result = shelf.collect()
        assert result.verdict == "partial"
        assert result.reason.startswith(f"more: {sign} says that there are further pages (declare")
        assert "pages=by_page" in result.reason
        assert shelf.stored == []
        assert shelf.collect(pages=first_page).verdict == "complete"
        assert shelf.stored == list(range(10))


@pytest.mark.parametrize(
    "twist",
    [
        changed(next_cursor=None), changed(next="", has_more=False), changed(total=10), changed(total="lots"),
        changed(links={"self": "/books", "next": None}), headed(Link='</style.css>; rel=preload, </a>; rel="prev"'),
        headed(Link='</next>; anchor="/other"; rel=next'),
    ],
    ids=["null cursor", "empty link", "total", "no total", "null link", "other links", "about something else"],
)  # fmt: skip
def test_an_answer_that_says_it_is_all_is_taken(tmp_path, twist):
    with reading(tmp_path, Paged("page"), single, range(10)) as shelf:
        shelf.shelf.twist = twist
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == list(range(10))


def test_rows_without_a_key_may_be_equal_on_two_pages(tmp_path):
    def numbered(request, answer):
        return Answer.json({**body(answer), "items": [{"id": 1}, {"id": int(request.query["page"])}]})

    with reading(tmp_path, Paged("page"), by_page(short=2, most=3, recheck="none"), range(9), key=CONTENT) as shelf:
        shelf.shelf.twist = lambda request, answer: (
            Answer.json({"items": []}) if request.query["page"] == "3" else numbered(request, answer)
        )
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == [1, 1, 1, 2]


def test_rows_of_a_function_are_paged_alike(tmp_path):
    def rows(content, partition):
        return content["items"]

    with reading(tmp_path, Paged("offset"), by_offset(empty=1), range(25), rows=rows) as shelf:
        assert shelf.collect().verdict == "complete"
        assert shelf.stored == list(range(25))


def test_a_page_of_another_shape_fails_the_partition(tmp_path):
    with reading(tmp_path, Paged("page"), by_page(empty=1), range(25), rows=items("books")) as shelf:
        result = shelf.collect()
        assert (result.verdict, result.reason.partition(":")[0]) == ("failed", "shape")


@pytest.mark.parametrize(("paged", "pages", "requests"), STYLES.values(), ids=STYLES)
def test_a_plan_counts_the_pages_of_the_last_pass(tmp_path, paged, pages, requests):
    with reading(tmp_path, paged, pages, range(25)) as shelf:
        shelf.collect()
        with Store(Settings().with_values("test", values_in(shelf.folder)), []) as store:
            assert store.ledger.pages("shop/books") == {"": requests}
