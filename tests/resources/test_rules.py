"""Rules without a database: what a body means, what a patch makes of it, and what a wrong declaration is told."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market import Note, Place, Review, bars, notes, places, reviews
from people import PLACE

from catchment import App, DeclarationError, Link, Record, Resource, Rollup
from catchment.bodies import InvalidRecord, merge_patch
from catchment.errors import QueryError
from catchment.serve.members import read_json

AT = datetime(2026, 1, 31, tzinfo=UTC)


def faults(function, *arguments):
    with pytest.raises(InvalidRecord) as caught:
        function(*arguments)
    assert caught.value.status == 422
    return {fault.pointer: fault.message for fault in caught.value.faults}


# -- bodies ---------------------------------------------------------------------------------------------------------

WRONG_PLACES = {
    "no object": ([], {""}),
    "nothing": ({}, {"/name", "/skills", "/cost"}),
    "unknown": (PLACE | {"colour": 1}, {"/colour"}),
    "unknown inside": (
        PLACE | {"open": [{"from_date": "2024-01-01", "to_date": "2024-01-01", "x/~": 1}]},
        {"/open/0/x~1~0"},
    ),
    "read-only": (PLACE | {"id": "x", "owner": "y", "created_at": "z"}, {"/id", "/owner", "/created_at"}),
    "fraction for an integer": (PLACE | {"cost": Decimal("10.7")}, {"/cost"}),
    "text for an integer": (PLACE | {"cost": "10"}, {"/cost"}),
    "true for an integer": (PLACE | {"cost": True}, {"/cost"}),
    "null": (PLACE | {"cost": None}, {"/cost"}),
    "beyond 64 bits": (PLACE | {"cost": 2**64}, {"/cost"}),
    "out of bounds": (PLACE | {"cost": 0}, {"/cost"}),
    "empty name": (PLACE | {"name": ""}, {"/name"}),
    "NUL": (PLACE | {"name": "a\0b"}, {"/name"}),
    "NUL in a list": (PLACE | {"skills": ["a", "b\0"]}, {"/skills/1"}),
    "half a character": (PLACE | {"note": "\ud800"}, {"/note"}),
    "half a character in a name": (PLACE | {"\ud800": 1}, {"", "/?"}),
    "wrong inside": (PLACE | {"open": [{"from_date": "2024-02-30", "to_date": "2024-01-01"}]}, {"/open/0/from_date"}),
    "several": ({"name": 1, "skills": 2, "cost": 3}, {"/name", "/skills"}),
}


@pytest.mark.parametrize("name", WRONG_PLACES)
def test_a_wrong_body_is_told_every_place(name):
    members, pointers = WRONG_PLACES[name]
    assert set(faults(places.drafts.new, members)) == pointers


def test_faults_are_bounded_whatever_was_sent():
    found = faults(places.drafts.new, PLACE | {f"{'x' * 1000}{number}": 1 for number in range(500)})
    assert all(len(pointer) <= 101 for pointer in found)
    with pytest.raises(InvalidRecord) as caught:
        places.drafts.new(PLACE | {f"x{number}": 1 for number in range(500)})
    assert len(caught.value.faults) == 50


@pytest.mark.parametrize("rating", [Decimal("4.5"), "4.5", Decimal("4.50")])
def test_an_exact_number_is_a_number_or_text(rating):
    assert reviews.drafts.new({"place": "x", "skill": None, "rating": rating})["rating"] == Decimal("4.5")


@pytest.mark.parametrize("rating", ["NaN", "Infinity", "1e999999", "x", "", "5.001", "5.01", "-1"])
def test_what_is_no_usable_number_is_refused(rating):
    def written():
        draft = reviews.drafts.new({"place": "x", "skill": None, "rating": rating})
        reviews.complete(draft, None, key="k", owner="o", at=AT)

    assert set(faults(written)) == {"/rating"}


def test_a_record_is_filled_in_and_brought_to_its_normal_form():
    made = places.complete(places.drafts.new(PLACE | {"name": "Cafe\u0301"}), None, key="k", owner="o", at=AT)
    assert made == Place("k", "o", AT, AT, "Café", ["milling", "baking"], 25000)


def test_what_is_about_something_else_cannot_be_moved_but_need_not_be_said_again():
    before = Note("k", "o", "IBM", AT.date(), "text", AT)
    assert notes.drafts.replacing({"text": "new"}, before)["symbol"] == "IBM"
    assert notes.drafts.replacing({"text": "new", "symbol": "IBM"}, before)["text"] == "new"
    assert faults(notes.drafts.replacing, {"text": "new", "symbol": "MSFT"}, before) == {"/symbol": "cannot be changed"}
    assert set(faults(notes.drafts.patching, {"date": "2020-01-01"}, before)) == {"/date"}


def test_a_patch_with_null_empties_or_gives_the_default():
    before = Review("k", "o", "p", "milling", Decimal(4), "words", "published")
    assert reviews.drafts.patching({"skill": None, "comment": None}, before)["skill"] is None
    assert reviews.drafts.patching({"comment": None}, before)["comment"] is None
    assert faults(reviews.drafts.patching, {"rating": None}, before) == {"/rating": "is missing"}
    assert faults(reviews.drafts.patching, {"comment_state": "none"}, before) == {"/comment_state": "is read-only"}
    assert set(faults(reviews.drafts.patching, {"bogus": None}, before)) == {"/bogus"}


# -- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"{} {}", b"\xef\xbb\xbf{}", b"\xff{}", b"{'a':1}", b'{"a":1,}', b'{"a":01}', b"nul", b"\x1f\x8b"),
        *(b'{"a":1,"a":1}', b'[{"b":{"a":1,"\\u0061":2}}]', b'{"a":NaN}', b"[Infinity]", b"-Infinity", b"1e400"),
        *(b"-1e400", b"1e-400", b"1e99999999999999999999", b"9" * 400, b"[" * 100_000, b"[" * 70 + b"]" * 70),
        *(b'"\n"', b"[1_000]", b"[+5]", b"[.5]", b"{}\0", "{}".encode("utf-16")),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_strict_json_is_malformed(body):
    with pytest.raises(QueryError) as caught:
        read_json(body)
    assert (caught.value.status, caught.value.kind) == (400, "malformed")


@pytest.mark.parametrize("text", ["1.5", "100", "0", "1e5", "-0.0001", "123456789012345678901234567890.5"])
def test_a_number_keeps_its_value(text):
    assert Decimal(read_json(text.encode())) == Decimal(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)

RFC_7396 = [  # appendix A
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_a_patch_is_merged_as_its_standard_shows(target, patch, result):
    assert merge_patch(target, patch) == result


@given(VALUES, VALUES)
def test_merging_twice_changes_nothing_and_leaves_the_target_alone(target, patch):
    kept = repr(target)
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert repr(target) == kept


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers()),
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.none()),
)
def test_a_flat_patch_is_an_update_without_its_nulls(target, patch):
    assert merge_patch(target, patch) == {name: value for name, value in (target | patch).items() if value is not None}


# -- declarations ---------------------------------------------------------------------------------------------------


class Thing(Record):
    id: str
    owner: str
    text: str
    tags: list[str]
    rows: list[list[str]]
    one: list[str]
    score: float
    amount: int


class Bare(Record):
    id: str


def _carrying(name, *order):
    return Rollup(by=("text",), carries=(name,), orders=(order,))


WRONG = {
    "name": (lambda: Resource("Things", Thing), "resource Things: the name"),
    "name of versions": (lambda: Resource("things_version", Thing), "resource things_version: the name"),
    "no field to write": (lambda: Resource("bare", Bare), "resource bare: has no field that people write"),
    "no id": (lambda: Resource("bars", bars.record), "resource bars: field id: is missing"),
    "unknown owner": (lambda: Resource("things", Thing, owner="user"), "resource things: owner: user is no field"),
    "owner is no text": (lambda: Resource("things", Thing, owner="amount"), "resource things: field amount"),
    "one without owner": (lambda: Resource("things", Thing, one_per_owner=()), "one_per_owner: needs owner="),
    "outlives a name": (
        lambda: Resource("things", Thing, owner="owner", outlives=True),
        "needs an owner that may be null",
    ),
    "one of unknown": (lambda: Resource("things", Thing, owner="owner", one_per_owner=("x",)), "x is no field"),
    "read-only without default": (lambda: Resource("things", Thing, read_only=("text",)), "text needs a default"),
    "sum of text": (lambda: Resource("things", Thing, rollups=[Rollup(of="text")]), "text is no exact number"),
    "sum of floats": (lambda: Resource("things", Thing, rollups=[Rollup(of="score")]), "score is no exact number"),
    "group of lists": (lambda: Resource("things", Thing, rollups=[Rollup(by=("tags",))]), "tags makes no groups"),
    "carried from nothing": (
        lambda: Resource("things", Thing, rollups=[Rollup(by=("text",), carries=("cost",))]),
        "rollups[0]: carries fields of nothing",
    ),
    "carried list": (
        lambda: Resource("things", Thing, about=Link(places, "text"), rollups=[_carrying("skills")]),
        "skills cannot be carried",
    ),
    "order of nothing": (
        lambda: Resource("things", Thing, about=Link(places, "text"), rollups=[_carrying("cost", "-sum")]),
        "sum orders nothing",
    ),
    "list of text": (lambda: Resource("things", Thing, lists=["text"]), "text is no list"),
    "list of lists": (lambda: Resource("things", Thing, lists=["rows"]), "rows holds lists"),
    "list called as an index": (lambda: Resource("things", Thing, lists=["one"]), "a list cannot be called one"),
    "sort": (lambda: Resource("things", Thing, sort=["-x"]), "resource things: sort: -x is no field"),
    "example": (lambda: Resource("things", Thing, example={"text": 1}), "resource things: example: owner is missing"),
    "max_body": (lambda: Resource("things", Thing, max_body=2**21), "max_body: is 1 to"),
    "about": (lambda: Resource("things", Thing, about=Link(places, "place")), "about: place is no field"),
    "link of too few fields": (lambda: Link(bars, "symbol"), "the key of bars has 2 fields"),
    "about what is not in the app": (
        lambda: App("shop", resources=[reviews]),
        "is about places, which is not in the app",
    ),
    "two of one name": (lambda: App("shop", resources=[places, places]), "two collections called places"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_names_resource_and_field(name):
    declare, words = WRONG[name]
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert words in str(caught.value)
