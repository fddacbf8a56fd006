"""The archive: what is put is got, bodies are stored once, and nothing is lost with the process."""

from __future__ import annotations

import hashlib
import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from shop import START

from catchment.exchange import Answer, Request
from catchment.spool import BLOCK
from catchment.store.archive import Place
from catchment.store.lease import Outcome

PLACE = Place("shop/things", "shelf=one", 1, 1)
URL = "https://shop.example/things"


def put(shop, body: bytes, place: Place = PLACE, path: str = "/things", **options):
    answer = Answer(options.pop("status", 200), body, options.pop("at", START), **options)
    return shop.store.archive.put(place, Request(path), URL, answer)


def got(shop, place: Place = PLACE):
    archive = shop.store.archive
    return [archive.whole(exchange) for exchange in archive.answered(place.feed, place.partition, place.number)]


@tried(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.binary(max_size=300))
def test_a_body_comes_back_as_it_was(here, body):
    assert here.store.archive.body(put(here, body).digest) == body


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_a_body_of_any_size_comes_back_from_rows_of_a_mebibyte(here, size):
    body = random.Random(size).randbytes(size)
    exchange = put(here, body)
    assert here.store.archive.body(exchange.digest) == body
    sizes = [found for (found,) in here.rows("SELECT size FROM _body ORDER BY chunk")]
    assert (sum(sizes), max(sizes, default=0) <= BLOCK, len(sizes)) == (size, True, -(-size // BLOCK))
    assert exchange.digest == (hashlib.sha256(body).hexdigest() if body else "")


def test_equal_bodies_are_stored_once(here):
    one, other = put(here, b"same"), put(here, b"same", path="/other")
    assert one.digest == other.digest
    assert one.id != other.id
    assert here.rows("SELECT count(*) FROM _body") == [(1,)]


def test_answers_of_a_pass_come_back_whole_and_in_order(here):
    first = put(here, b"1", status=200, headers={"etag": '"é"'}, wire_bytes=7)
    second = put(here, b"", status=404, path="/things?page=2", at=START + timedelta(seconds=1))
    put(here, b"3", place=Place("shop/things", "shelf=one", 2, 1))
    put(here, b"4", place=Place("shop/things", "shelf=two", 1, 1))
    assert got(here) == [first, second]


def test_the_answers_of_a_pass_do_not_bring_their_bodies(here):
    put(here, b"1" * 1000)
    (found,) = here.store.archive.answered(PLACE.feed, PLACE.partition, PLACE.number)
    assert found.answer.body == b""
    assert here.store.archive.whole(found).answer.body == b"1" * 1000


def test_an_answer_is_settled_once_its_attempt_has_a_verdict(here):
    lease = here.claim()
    place = Place(lease.feed, lease.partition.key, lease.number, lease.attempt)
    put(here, b"1", place=place)
    assert [exchange.settled for exchange in got(here, place)] == [False]
    here.store.ledger.finish(lease, Outcome("partial", "quota", goes_on=True), here.now)
    assert [exchange.settled for exchange in got(here, place)] == [True]
    again = here.claim()
    assert again.number == lease.number
    here.store.ledger.finish(again, Outcome("partial", "short"), here.now)
    assert here.claim().number == lease.number + 1


def test_what_was_put_is_there_for_other_processes_and_after_reopening(here, open_shop):
    exchange = put(here, b"paid for")
    assert got(open_shop()) == [exchange]
    here.store.close()
    assert got(open_shop()) == [exchange]


def test_a_body_that_was_removed_is_stored_again(here):
    body = random.Random(1).randbytes(BLOCK + 1)
    put(here, body)
    here.store._paid.execute("DELETE FROM _body")
    assert here.store.archive.body(put(here, body).digest) == body
