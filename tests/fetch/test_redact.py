"""No spelling of a secret is left, and nothing else is touched."""

from __future__ import annotations

import html
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.fetch import redact
from catchment.fetch.redact import Masking

ODD = 'k+/=&"é 7%zz-LONG'
SPELLINGS = {
    "as it is": ODD,
    "upper case": ODD.upper(),
    "quote": quote(ODD),
    "quote all": quote(ODD, safe=""),
    "lower hex": quote(ODD, safe="").lower(),
    "quote_plus": quote_plus(ODD),
    "JSON": json.dumps(ODD)[1:-1],
    "JSON unicode": json.dumps(ODD, ensure_ascii=False)[1:-1],
    "JSON slashes": json.dumps(ODD)[1:-1].replace("/", "\\/"),
    "HTML": html.escape(ODD),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_each_spelling_is_masked(spelling):
    if spelling == ODD.upper():
        spelling = spelling.replace("É", "é")  # case is folded for ASCII: keys are
    assert redact(f"before {spelling} after", [ODD]) == "before *** after"
    assert redact(f"before {spelling} after".encode(), [ODD]) == b"before *** after"


def test_echo_of_a_url_and_of_a_header():
    text = f"GET /query?{urlencode({'apikey': 'S3CRET/key+1', 'symbol': 'IBM'})} Authorization: Basic dXNlcjpwYXNz"
    assert redact(text, ["S3CRET/key+1", "dXNlcjpwYXNz"]) == (
        "GET /query?apikey=***&symbol=IBM Authorization: Basic ***"
    )


def test_short_keys_do_not_eat_the_data():
    assert redact("a cat sat", ["a", "at", ""]) == "a cat sat"
    assert redact('demography of "demo"&apikey=DEMO&x', ["demo"]) == 'demography of "***"&apikey=***&x'
    assert redact("xdemoversion1x", ["demoversion1"]) == "x***x"


def test_one_secret_within_another_leaves_nothing():
    assert redact("longsecret-and-more longsecret", ["longsecret", "longsecret-and-more"]) == "*** ***"


@given(st.binary(max_size=200))
def test_other_bytes_are_untouched(body):
    assert redact(body, ["no-such-secret-in-there"]) == body


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=8, max_size=30), st.binary(max_size=50))
def test_a_secret_never_survives(secret, around):
    body = around + secret.encode() + around + quote(secret, safe="").encode()
    assert secret.encode() not in redact(body, [secret]).replace(b"***", b"\xff")


@given(
    st.lists(st.sampled_from([b"demo", b"Demo ", b"demography", b"LONGSECRET", b"longsecretx", b"x", b" ", b"&amp;"])),
    st.lists(st.integers(0, 60)),
)
def test_pieces_are_masked_as_the_whole_wherever_they_are_cut(words, cuts):
    text, secrets = b"".join(words), ["demo", "longSECRET", "a&b"]
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    masking = Masking(secrets)
    told = [masking.next(text[start:end]) for start, end in pairwise(bounds)]
    assert b"".join([*told, masking.last()]) == redact(text, secrets)


def test_no_more_is_held_back_than_a_secret_may_need():
    masking = Masking(["longsecret"])
    told = masking.next(b"x" * 1000)
    assert len(told) > 1000 - 20
    assert told + masking.next(b"longsec") + masking.next(b"ret!") + masking.last() == b"x" * 1000 + b"***!"
