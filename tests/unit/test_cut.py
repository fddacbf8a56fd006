"""Bodies that are not in memory: cut into arrays of some rows, they are the same rows, and refused for the same."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catchment import DecodeError, Feed, Get, Page, Partition, Record, Upstream, items
from catchment.cut import MOST, Cut, closes
from catchment.exchange import Answer, Request
from catchment.split import outline, raw_rows
from catchment.spool import BLOCK, KEPT, Gather, Spool, blocks


class Thing(Record):
    id: int
    more: dict[str, int] | None = None


def feed(member: str = "") -> Feed:
    upstream = Upstream("shop", "https://shop.example")
    return Feed("things", Thing, upstream, request=Get("/"), rows=items(member), key=("id",))


def spooled(*pieces: bytes) -> Spool:
    spool = Spool()
    for piece in pieces:
        spool.write(piece)
    return spool


def rows(body: bytes | Spool, member: str = "") -> list[bytes] | str:
    """The rows of a body; or why there are none."""
    try:
        return list(raw_rows(feed(member), Partition(), body))
    except DecodeError as error:
        return error.reason


def cut_rows(body: bytes, member: str, size: int) -> list[bytes] | str:
    """The same where no more than so many bytes are seen at a time."""
    small = Spool()
    small.blocks = lambda: (body[at : at + size] for at in range(0, len(body), size))  # type: ignore[method-assign]
    return rows(small, member)


WHOLE = {
    "no rows": (b"[]", ""),
    "blanks": (b" [ \n] ", ""),
    "objects": (b'[{"id":1},\n {"id":2} , {"id":3}]', ""),
    "BOM": (b'\xef\xbb\xbf[{"id":1}]', ""),
    "brackets and quotes in texts": (rb'[{"a":"]},{\"[\\"},{"b\"":"\\\\"},{"c":"}"}]', ""),
    "scalars": (b'[1,-2.5e3, "a,b" ,null,[],[1,[2,[3]]],true]', ""),
    "half a pair of surrogates": (rb'[{"id":1,"a":"\ud800"},{"id":2,"a":"\ud83d\ude00"},{"id":3}]', ""),
    "NaN": (b'[{"id":NaN},{"id":"NaN"},{"id":-Infinity}]', ""),
    "a member": (b'{"total":2,"items":[{"id":1},{"id":2}],"next":null}', "items"),
    "a member of that name within another": (b'{"a":{"items":[7]},"b":["items"],"items":[{"id":1}]}', "items"),
    "a text of that name": (b'{"a":"items","items" : [{"id":1}]}', "items"),
    "an escaped name": (rb'{"\u0069tems":[{"id":1}]}', "items"),
    "after it": (b'{"items":[{"id":1}],"a":[[{"items":[3]}]]}', "items"),
}
REFUSED = {
    "nothing": (b"", ""),
    "no JSON": (b"<html>[1]</html>", ""),
    "an object": (b'{"id":1}', ""),
    "a text": (b'"[1]"', ""),
    "cut in a row": (b'[{"id":1},{"id":', ""),
    "cut in a text": (b'[{"id":"1', ""),
    "cut behind a comma": (b'[{"id":1},', ""),
    "no end": (b'[{"id":1}', ""),
    "more behind": (b'[{"id":1}] [2]', ""),
    "junk before": (b'x[{"id":1}]', ""),
    "a comma too many": (b'[{"id":1},]', ""),
    "two commas": (b'[{"id":1},,{"id":2}]', ""),
    "a comma first": (b'[,{"id":1}]', ""),
    "another bracket at the end": (b'[{"id":1}}', ""),
    "another bracket within": (b'[{"id":[1}]]', ""),
    "no comma": (b'[{"id":1}{"id":2}]', ""),
    "a broken row": (b'[{"id":1},{"id":},{"id":3}]', ""),
    "no such member": (b'{"others":[1]}', "items"),
    "a member that is no array": (b'{"items":{"id":1}}', "items"),
    "a member that is null": (b'{"items":null,"a":[1]}', "items"),
    "the member twice": (b'{"items":[1],"a":2,"items":[2]}', "items"),
    "an array": (b'[{"items":[1]}]', "items"),
    "a broken member beside": (b'{"a":nil,"items":[1]}', "items"),
    "cut behind the rows": (b'{"items":[1],"a":', "items"),
    "cut before the rows": (b'{"a":[[1],', "items"),
    "another bracket at the object's end": (b'{"items":[1]]', "items"),
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize(("body", "member"), WHOLE.values(), ids=WHOLE)
def test_the_rows_are_the_same_wherever_the_body_is_cut(body, member, size):
    assert isinstance(wanted := rows(body, member), list)
    assert cut_rows(body, member, size) == wanted


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize(("body", "member"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_whole_is_refused_cut(body, member, size):
    assert rows(body, member) in ("json", "shape")
    assert cut_rows(body, member, size) in ("json", "shape")


values = st.recursive(
    st.none() | st.integers() | st.text('ab,:{}[]"\\ \n', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab":\\', max_size=3), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=40)
@given(st.lists(values, max_size=6), values, st.integers(1, 40), st.binary(max_size=3), st.integers(0, 300))
@example([{"id": 1}], None, 1, b"", 0)
def test_any_body_has_the_same_rows_and_a_spoilt_one_the_same_fate(found, beside, size, spoil, at):
    body = json.dumps({"a": beside, "items": found, "b": beside}).encode()
    body = body[:at] + spoil + body[at + len(spoil) :]
    whole, cut = rows(body, "items"), cut_rows(body, "items", size)
    assert cut == whole or (isinstance(whole, str) and isinstance(cut, str))


def test_around_the_rows_is_what_a_pager_reads():
    body = b'{"total":"2","items":[{"id":1},{"id":2}],"next":"/more"}'
    of, spool = feed("items"), spooled(body)
    page = Page(Request("/"), Answer(200, spool, None), outline=lambda: outline(of, spool))
    assert outline(of, spool) == b'{"total":"2","items":[],"next":"/more"}'
    assert (page.member("next"), page.number("total"), page.following) == ("/more", 2, "the member next")
    assert outline(feed(), spooled(b"[1]")) == b"[]"


# -- memory ------------------------------------------------------------------------------------------------------------


def test_a_body_is_never_in_memory_whole():
    row = b'{"id":1,"more":{"' + b"x" * 90_000 + b'":1}}'
    body = spooled(b'{"total":400,"items":[', *[b",".join([row] * 100) + b","] * 3, b",".join([row] * 100), b"]}")
    assert len(body) > 4 * KEPT
    tracemalloc.start()
    try:
        assert sum(1 for _ in raw_rows(feed("items"), Partition(), body)) == 400
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 * BLOCK


@pytest.mark.parametrize(
    ("first", "member", "why"),
    [(b"[1,", "", "a record, or what is around"), (b"{", "items", "no array of records at items")],
    ids=["a row", "what is around the rows"],
)
def test_what_would_have_to_be_in_memory_whole_is_bounded(first, member, why):
    endless = (first if number == 0 else b"1" * BLOCK * 5 for number in range(9))
    cut = Cut(endless, member)
    with pytest.raises(DecodeError, match=why):
        list(cut)
    assert len(list(endless)) == 9 - 1 - MOST // (5 * BLOCK) - 1


def test_few_bytes_are_kept_in_memory_and_many_in_a_file_that_nobody_sees(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pieces = [b"abc", b"", b"d" * 5, b"ef"]
    for kept, kind in ((10, bytes), (9, Spool), (0, Spool)):
        gather = Gather(kept)
        for piece in pieces:
            gather.add(piece)
        content = gather.content()
        assert isinstance(content, kind)
        assert b"".join(map(bytes, blocks(content))) == b"".join(pieces)
        assert len(content) == 10
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b' {"a":[{}],"b":"}"} \n', True),
        (b"[]", True),
        (b'{"a":1', False),
        (b'{"a":"}', False),
        (b"[1][2]", False),
        (b'"a"', False),
        (b"12", False),
        (b"", False),
    ],
)
def test_whether_a_body_proves_its_end(body, whole, size):
    assert closes(body[at : at + size] for at in range(0, len(body), size)) is whole
