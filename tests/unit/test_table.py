"""Tables as text, read line by line: their rows, what is no table, and what one line has wrong."""

from __future__ import annotations

import csv
import io
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import DeclarationError, DecodeError, Feed, Get, Partition, Record, Upstream, table
from catchment.decode import Entry, Reject, decode, model_digest
from catchment.split import raw_rows
from catchment.spool import BLOCK, KEPT, Spool


class Bar(Record):
    day: str
    close: Decimal
    volume: int


def feed(**options) -> Feed:
    declared = {"rows": table("day", "close"), "strict": False, "key": ("day",)} | options
    return Feed("bars", Bar, Upstream("market", "https://market.example"), request=Get("/"), **declared)


def decoded(body: bytes | Spool) -> list:
    of = feed()
    return [*decode(of, Partition(), body, known={}, model=model_digest(of))]


def spooled(body: bytes, size: int = BLOCK) -> Spool:
    spool = Spool()
    spool.blocks = lambda: (body[at : at + size] for at in range(0, len(body), size))  # type: ignore[method-assign]
    return spool


BODY = b"day,close,volume,note\n2026-01-02,1.50,7,a\n2026-01-05,2,8,b\n"


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        BODY[:-1],
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b"\n", b"\r\n"),
        BODY + b"\n",
        BODY.replace(b"7,a", b'7,"a, ""b""\nand c"'),
    ],
    ids=["lines", "no last end", "BOM", "CRLF", "an empty line", "quotes"],
)
def test_each_line_is_a_record(body):
    assert [(entry.key, entry.doc) for entry in decoded(body)] == [
        ("2026-01-02", '"day":"2026-01-02","close":"1.50","volume":7}'),
        ("2026-01-05", '"day":"2026-01-05","close":"2","volume":8}'),
    ]


def test_a_line_that_is_no_record_is_a_reject_and_the_others_are_not():
    first, short, word, last = decoded(b"day,close,volume\na,1,1\nb,2\nc,x,3\nd,4,4\n")
    assert [type(item) for item in (first, short, word, last)] == [Entry, Reject, Reject, Entry]
    assert short.raw == b'["b","2"]'
    assert word.path == "close"


NONE = {
    "nothing": (b"", "no column day"),
    "another table": (b"id,name\n1,a\n", "no column day"),
    "JSON": (b'{"Note": "day,close"}', "no column day"),
    "HTML": (b"<html>\nday,close\n", "no column day"),
    "a column twice": (b"day,close,day\n", "names a column twice"),
    "a quote that does not end": (b'day,close\n"a,1\n', "no table"),
    "no UTF-8": (b"day,close\n\xff,1\n", "UTF-8"),
    "cut in a character": ("day,close\né".encode()[:-1], "UTF-8"),
}


@pytest.mark.parametrize(("body", "why"), NONE.values(), ids=NONE)
def test_what_is_no_such_table_is_refused(body, why):
    for each in (body, spooled(body, 3)):
        with pytest.raises(DecodeError, match=why):
            decoded(each)


@given(st.lists(st.tuples(st.text(max_size=4), st.text("é,\"\n\r;'a", max_size=6)), max_size=5), st.integers(1, 9))
def test_the_rows_are_the_same_wherever_the_body_is_cut(cells, size):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("day", "close"), *cells])
    body = text.getvalue().encode()
    assert [*raw_rows(feed(), Partition(), spooled(body, size))] == [*raw_rows(feed(), Partition(), body)]
    assert len([*raw_rows(feed(), Partition(), body)]) == len(cells)


def test_a_large_table_is_never_in_memory_whole():
    body = Spool()
    body.write(b"day,close,volume\n" + b"2026-01-02,1.5,%b\n" % (b"1" * 80_000) * (2 * KEPT // 80_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in raw_rows(feed(), Partition(), body)) == 2 * KEPT // 80_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < KEPT
    with pytest.raises(DecodeError, match="a line is longer than"):
        list(raw_rows(feed(), Partition(), spooled(b"x" * (40 * BLOCK), 8 * BLOCK)))


@pytest.mark.parametrize(
    ("columns", "options", "why"),
    [((), {}, "names no column"), (("",), {}, "names no column"), (("a",), {"delimiter": ";;"}, "one character")],
)
def test_a_wrong_declaration_is_told(columns, options, why):
    with pytest.raises(DeclarationError, match=why):
        table(*columns, **options)
