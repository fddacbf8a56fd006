"""Rows that cannot be read, where records are their content: which of the missing ones they hold back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from catchment import CONTENT, RETIRE, Feed, Get, Partition, Record, Upstream
from catchment.decode import Reject
from catchment.unread import held_back

START = datetime(2026, 1, 1, tzinfo=UTC)


class Stop(Record):
    at: datetime
    kind: str | None
    price: Decimal
    place: int = 0


def feed(**options) -> Feed:
    upstream = Upstream("stops", "https://stops.example")
    return Feed("stops", Stop, upstream, request=Get("/"), key=CONTENT, missing=RETIRE, **options)


def stop(number: int) -> dict[str, object]:
    at = (START + timedelta(minutes=number)).isoformat()
    return {"at": at, "kind": "abc"[number % 3], "price": Decimal(number) / 2, "place": number % 2}


def stored(numbers: Sequence[int]) -> list[tuple[str, str]]:
    """Key and document, as the store gives them."""
    documents = (msgspec.json.encode(msgspec.convert(stop(number), Stop)).decode() for number in numbers)
    return [(str(number), f'{{"_key":"{number}",{doc[1:]}') for number, doc in zip(numbers, documents, strict=True)]


def reject(row: object) -> Reject:
    return Reject(msgspec.json.encode(row), "cannot be read", "", None)


def broken(number: int, name: str) -> Reject:
    """The row of a stop with one member that cannot be read."""
    return reject({**stop(number), name: {"no": "such thing"}})


def held(rejects: Sequence[Reject], missing: Sequence[int], **options) -> set[int]:
    return {int(key) for key in held_back(feed(**options), Partition(), rejects, stored(missing))}


numbers = st.lists(st.integers(0, 60), unique=True)


@given(numbers, numbers, st.data())
def test_each_missing_record_stays_whose_row_has_one_broken_member_and_no_other_does(unread, vanished, data):
    """Whatever else went in the same answer, and whatever else in it cannot be read. A moment tells these apart."""
    names = [data.draw(st.sampled_from(["kind", "price", "place"])) for _ in unread]
    rejects = [broken(number, name) for number, name in zip(unread, names, strict=True)]
    strangers = [broken(number + 100, "kind") for number in vanished]
    found = held(data.draw(st.permutations(rejects + strangers)), sorted({*unread, *vanished}))
    assert found == set(unread)


rows = st.one_of(
    st.builds(broken, st.integers(0, 60), st.sampled_from(["at", "kind", "price", "place"])),
    st.builds(reject, st.sampled_from([None, 5, [], {}, {"at": 1}, {"kind": None}])),
    st.builds(lambda raw: Reject(raw, "cannot be read", "", None), st.binary(max_size=9)),
)


@given(st.lists(rows), numbers)
def test_a_row_holds_back_one_record_at_most(rejects, missing):
    assert len(held(rejects, missing)) <= len(rejects)


@given(st.integers(0, 5), numbers)
def test_a_row_of_which_nothing_can_be_read_may_be_any(unread, missing):
    assert len(held([reject(None)] * unread, missing)) == min(unread, len(missing))


def test_a_row_that_cannot_be_shaped_is_known_by_its_members():
    def shape(row, _):
        if not isinstance(row["price"], Decimal | int):
            raise ValueError("price is no number")
        return {**row, "kind": row["kind"] and row["kind"].lower()}

    assert held([broken(2, "price")], [1, 2, 3], shape=shape) == {2}
    other_word = {**stop(2), "kind": "C", "price": None}  # as its shape alone would make the stored one of it
    assert len(held([reject(other_word)], [1, 2, 3], shape=shape)) == 1


def test_what_is_volatile_says_nothing_of_a_row():
    row = {**stop(2), "kind": "other", "price": None}
    assert held([reject(row)], [1, 2, 3]) == set()
    assert held([reject(row)], [1, 2, 3], volatile=["kind"]) == {2}


def test_a_reject_that_has_a_key_holds_back_none():
    assert held([Reject(b"null", "another came first", "", "a")], [1]) == set()
