from __future__ import annotations

import gzip
import json
import time
import zlib
from pathlib import Path

import pytest

from catchment.standin import FAULTS, Fault
from catchment.standin.faults import Reply, apply

from .conftest import START, ask, connect, read_to_end

GZIP = "Accept-Encoding: gzip"


def spoiled(echo, fault: str, *headers: str, **told):
    """The raw answer under this fault, which the log confirms to have fired."""
    echo.control.faults({"path": "/x", "fault": fault, **told})
    raw = ask(echo.url, "/x", *headers)
    assert echo.control.log()[-1]["fault"] == fault
    return raw


def length(raw) -> int:
    return int(raw.header("Content-Length"))


def test_without_a_fault_the_answer_is_whole(echo):
    raw = ask(echo.url, "/x")
    assert (raw.status, raw.end, len(raw.body)) == (200, "eof", length(raw))
    assert raw.json()["path"] == "/x"
    assert echo.control.log()[-1]["fault"] == ""


def test_a_client_that_takes_gzip_gets_it(echo):
    raw = ask(echo.url, "/x", GZIP)
    assert raw.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(raw.body))["path"] == "/x"
    assert length(raw) == len(raw.body)


def test_hang_sends_nothing_until_the_peer_leaves(echo):
    echo.control.faults({"fault": "hang"})
    with connect(echo.url) as peer:
        peer.sendall(b"GET /x HTTP/1.1\r\nHost: u\r\n\r\n")
        echo.control.wait_for(1)
        peer.settimeout(0.05)
        with pytest.raises(TimeoutError):
            peer.recv(1)
        assert echo.control.log()[0]["end"] == "open"
    ask(echo.url, "/_control")
    assert echo.control.log()[0]["sent"] == 0


def test_drop_closes_without_a_byte(echo):
    assert spoiled(echo, "drop").data == b""


@pytest.mark.parametrize("fault", ["drip", "drip-headers"])
def test_drip_sends_byte_by_byte_and_whole(echo, fault):
    reply = Reply(200, b'{"a": 1}', (), START)
    first, *rest = apply(reply, Fault(fault)).pieces
    assert {len(piece) for piece in rest} == {1}
    assert (first + b"".join(rest)).endswith(b'{"a": 1}')
    assert spoiled(echo, fault, pause_s=0.0001).json()["path"] == "/x"


@pytest.mark.parametrize(("fault", "at_first"), [("drip", "whole head"), ("drip-headers", "HTTP/1.1 200")])
def test_drip_pauses_after_each_piece(echo, fault, at_first):
    echo.control.faults({"path": "/x", "fault": fault, "pause_s": 60})
    with connect(echo.url) as peer:
        peer.sendall(b"GET /x HTTP/1.1\r\nHost: u\r\n\r\n")
        first = peer.recv(1 << 16)
        assert first.endswith(b"\r\n\r\n") if at_first == "whole head" else first == at_first.encode()
        peer.settimeout(0.05)
        with pytest.raises(TimeoutError):
            peer.recv(1)
    assert echo.control.log()[0]["sent"] == len(first)


def test_a_late_answer_is_whole(echo):
    echo.control.faults({"path": "/data", "fault": "late", "pause_s": 0.02})
    began = time.monotonic()
    assert ask(echo.url, "/data").json()["path"] == "/data"
    assert time.monotonic() - began >= 0.02


@pytest.mark.parametrize("after", [0, 1, 40, 250])
def test_reset_comes_after_that_many_bytes(echo, after):
    raw = spoiled(echo, "reset", after=after)
    assert (raw.end, len(raw.data)) == ("reset", after)


def test_truncate_closes_before_the_promised_length(echo):
    raw = spoiled(echo, "truncate", after=10)
    assert (raw.end, len(raw.body)) == ("eof", 10)
    assert length(raw) > 10


def test_long_sends_more_than_it_promised(echo):
    raw = spoiled(echo, "long", after=5)
    assert length(raw) == 5 < len(raw.body)


@pytest.mark.parametrize(("fault", "whole"), [("until-close", True), ("early-close", False)])
def test_without_length_the_close_is_the_end(echo, fault, whole):
    raw = spoiled(echo, fault)
    assert not raw.header("Content-Length")
    assert not raw.header("Transfer-Encoding")
    assert raw.body.endswith(b"}") is whole


@pytest.mark.parametrize(("fault", "whole"), [("chunked", True), ("no-last-chunk", False)])
def test_chunks(echo, fault, whole):
    raw = spoiled(echo, fault)
    assert raw.header("Transfer-Encoding") == "chunked"
    assert raw.body.endswith(b"\r\n0\r\n\r\n") is whole


def test_gzip_cut_is_correctly_counted_and_ends_early(echo):
    raw = spoiled(echo, "gzip-cut", after=30)
    assert length(raw) == len(raw.body) == 30
    with pytest.raises(EOFError):
        gzip.decompress(raw.body)


def test_gzip_with_a_wrong_checksum(echo):
    raw = spoiled(echo, "gzip-crc")
    with pytest.raises(gzip.BadGzipFile, match="CRC"):
        gzip.decompress(raw.body)


def test_gzip_claimed_and_not_done(echo):
    raw = spoiled(echo, "gzip-false")
    assert raw.header("Content-Encoding") == "gzip"
    assert raw.json()["path"] == "/x"


def test_gzip_bomb_swells(echo):
    raw = spoiled(echo, "gzip-bomb", mib=3)
    assert len(raw.body) < 20_000
    assert len(gzip.decompress(raw.body)) == 3 * 1024 * 1024


def test_gzip_in_two_members(echo):
    raw = spoiled(echo, "gzip-members")
    first = zlib.decompressobj(31)
    first.decompress(raw.body)
    assert first.eof
    assert first.unused_data
    assert json.loads(gzip.decompress(raw.body))["path"] == "/x"


def test_encodings_nobody_asked_for(echo):
    assert spoiled(echo, "encoding-unknown").header("Content-Encoding") == "x-unheard-of"
    twice = spoiled(echo, "encoding-double")
    assert twice.header("Content-Encoding") == "gzip, gzip"
    assert json.loads(gzip.decompress(gzip.decompress(twice.body)))["path"] == "/x"


def test_endless_goes_on_until_the_reader_leaves(echo):
    echo.control.faults({"path": "/x", "fault": "endless"})
    raw = ask(echo.url, "/x", most=5_000_000)
    assert len(raw.data) >= 5_000_000


def test_header_bombs(echo):
    assert spoiled(echo, "header-bomb", count=10_000).head.count("X-Filler-") == 10_000
    assert len(spoiled(echo, "header-line").header("X-Filler")) == 1024 * 1024


@pytest.mark.parametrize(
    ("told", "location"),
    [({}, "/x"), ({"location": "http://other.example/"}, "http://other.example/"), ({"location": "none"}, "")],
    ids=["loop", "elsewhere", "nowhere"],
)
def test_redirects(echo, told, location):
    raw = spoiled(echo, "redirect", **told)
    assert (raw.status, raw.header("Location")) == (302, location)
    assert spoiled(echo, "redirect", status=308).status == 308
    assert spoiled(echo, "status", status=799).data.startswith(b"HTTP/1.1 799 Odd\r\n")


@pytest.mark.parametrize(
    ("said", "value"),
    [("", ""), ("7", "7"), ("-1", "-1"), ("soon", "soon"), ("date:60", "Tue, 10 Mar 2026 12:01:00 GMT")],
    ids=["none", "seconds", "negative", "garbage", "date"],
)
def test_a_status_with_body_and_retry_after(echo, said, value):
    raw = spoiled(echo, "status", status=429, body="later", retry_after=said)
    assert (raw.status, raw.body, raw.header("Retry-After")) == (429, b"later", value)


def test_bodies_that_are_not_what_they_should_be(echo):
    page = spoiled(echo, "html")
    assert (page.status, page.header("Content-Type")) == (200, "text/html")
    assert page.body.startswith(b"<!DOCTYPE html>")
    nothing = spoiled(echo, "empty")
    assert (nothing.status, nothing.body, length(nothing)) == (200, b"", 0)
    assert spoiled(echo, "bom").body.startswith(b"\xef\xbb\xbf{")
    with pytest.raises(UnicodeDecodeError):
        spoiled(echo, "latin-1").body.decode()
    assert spoiled(echo, "replace", find="hello", text="bye").json()["greeting"] == "bye"
    assert spoiled(echo, "header", find="Date", text="long ago").header("Date") == "long ago"


def test_odd_but_right_answers(echo):
    early = spoiled(echo, "informational")
    assert early.data.startswith(b"HTTP/1.1 103 ")
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in early.data
    assert spoiled(echo, "http-1.0").data.startswith(b"HTTP/1.0 200 OK\r\n")
    assert spoiled(echo, "lower-case").head.count("content-type: application/json") == 2


def test_close_breaks_the_promise_to_keep_the_connection(echo):
    echo.control.faults({"call": 2, "fault": "close"})
    with connect(echo.url) as peer:
        peer.sendall(b"GET /1 HTTP/1.1\r\nHost: u\r\n\r\n" * 2)
        raw = read_to_end(peer)
    assert raw.data.count(b"HTTP/1.1 200 OK") == 2
    assert raw.data.count(b"Connection: keep-alive") == 2


@pytest.mark.parametrize(
    ("when", "fired"),
    [({"call": 3}, [3]), ({"every": 2}, [2, 4]), ({}, [1, 2, 3, 4, 5])],
    ids=["n-th", "every-n-th", "always"],
)
def test_faults_fire_when_they_are_told_to(echo, when, fired):
    echo.control.faults({"path": "/x", "fault": "status", "status": 503, **when})
    statuses = [ask(echo.url, "/x").status for _ in range(5)]
    assert [number for number, status in enumerate(statuses, 1) if status == 503] == fired
    assert ask(echo.url, "/y").status == 200


def test_a_fault_may_look_at_the_query(echo):
    echo.control.faults({"query": {"force": "kent"}, "fault": "status"})
    assert [ask(echo.url, f"/x?force={force}&a=1").status for force in ("kent", "essex")] == [500, 200]


def test_every_fault_of_the_table_is_tried_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in FAULTS if f'"{name}"' not in source] == []


def test_a_fault_that_nobody_knows_cannot_be_built():
    with pytest.raises(ValueError, match="unknown fault"):
        Fault("explode")
