"""Inflated bodies are whole and bounded, or an error."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import Incomplete, TooLarge
from catchment.fetch.inflate import Caps, Inflater, encoding_of

WIDE = Caps(decoded=64 << 20, ratio=100)
TEXT = random.Random(7).randbytes(700) + b"catchment " * 60
ENCODED = {
    "gzip": gzip.compress(TEXT, mtime=0),
    "deflate": zlib.compress(TEXT),
    "raw deflate": zlib.compress(TEXT, wbits=-15),
}


def inflate(data: bytes, encoding: str = "gzip", caps: Caps = WIDE, step: int = 1 << 16) -> bytes:
    inflater = Inflater(encoding, caps)
    found = b"".join([inflater.feed(data[at : at + step]) for at in range(0, len(data), step)])
    inflater.close()
    return found


@pytest.mark.parametrize("kind", ENCODED)
def test_every_cut_point_is_caught(kind):
    data, encoding = ENCODED[kind], kind.removeprefix("raw ")
    for cut in range(len(data)):
        with pytest.raises(Incomplete):
            inflate(data[:cut], encoding)
    assert inflate(data, encoding) == TEXT


@given(st.binary(max_size=3000), st.integers(1, 50), st.sampled_from(["gzip", "deflate"]))
def test_any_body_in_any_pieces_comes_back(body, step, encoding):
    data = gzip.compress(body, mtime=0) if encoding == "gzip" else zlib.compress(body)
    assert inflate(data, encoding, step=step) == body


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(1, 40))
def test_all_members_are_read(parts, step):
    assert inflate(b"".join(map(gzip.compress, parts)), step=step) == b"".join(parts)


@given(st.integers(0, len(ENCODED["gzip"]) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_a_changed_body(at, flip):
    data = bytearray(ENCODED["gzip"])
    data[at] ^= flip
    try:
        found = inflate(bytes(data))
    except Incomplete:
        return
    assert found == TEXT  # the header's time and system bytes mean nothing to the body


def test_wrong_crc_is_the_encodings_fault():
    data = bytearray(ENCODED["gzip"])
    data[-6] ^= 1
    with pytest.raises(Incomplete) as caught:
        inflate(bytes(data))
    assert caught.value.cause == "encoding"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_not_encoded_at_all(encoding):
    with pytest.raises(Incomplete) as caught:
        inflate(b'{"plain": true}', encoding)
    assert caught.value.cause == "encoding"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bytes_after_the_end(encoding):
    with pytest.raises(Incomplete) as caught:
        inflate(ENCODED[encoding] + b"more", encoding)
    assert caught.value.cause == "encoding"


def test_a_bomb_stops_at_the_cap():
    bomb = gzip.compress(b" " * (20 << 20))
    inflater = Inflater("gzip", Caps(decoded=3 << 20, ratio=10_000))
    with pytest.raises(TooLarge) as caught:
        inflater.feed(bomb)
    assert caught.value.cause == "decoded-bytes"
    assert inflater.decoded <= 4 << 20


def test_a_bomb_stops_at_the_ratio():
    """Advisory A18: a bomb ends at its bounds."""
    bomb = gzip.compress(b" " * (20 << 20))
    inflater = Inflater("gzip", WIDE)
    with pytest.raises(TooLarge) as caught:
        inflater.feed(bomb)
    assert caught.value.cause == "ratio"
    assert inflater.decoded <= 100 * len(bomb) + (1 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_sizes_around_one_piece(encoding, size):
    body = b" " * size
    wbits = {"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding]
    loose = Caps(decoded=8 << 20, ratio=10_000)
    assert inflate(zlib.compress(body, wbits=wbits), encoding.removeprefix("raw "), loose) == body


@pytest.mark.parametrize(
    ("headers", "expected"),
    [([], ""), (["identity"], ""), (["GZIP"], "gzip"), (["x-gzip"], "gzip"), (["deflate"], "deflate"), ([""], "")],
)
def test_one_layer(headers, expected):
    assert encoding_of(headers) == expected


@pytest.mark.parametrize("headers", [["gzip, gzip"], ["gzip", "gzip"], ["br"], ["zstd"], ["gzip, br"], ["rot13"]])
def test_other_layers_are_refused(headers):
    """Advisory A18: one layer of encoding, and no chain of them."""
    with pytest.raises(Incomplete) as caught:
        encoding_of(headers)
    assert caught.value.cause == "encoding"
    assert not caught.value.retry
