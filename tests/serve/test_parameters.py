"""One table of parameters reads a query, says what is wrong with it, and describes it."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from msgspec import Meta

from catchment.errors import DeclarationError, QueryError
from catchment.web import Parameter, judge_parameters, parse_as_of, read_parameters

KNOWN = {
    "limit": Parameter("Rows.", 10, kind=Annotated[int, Meta(ge=1, le=100)], default=5, also="size"),
    "above": Parameter("Above.", 1.5, kind=Annotated[Decimal, Meta(extra_json_schema={"minimum": 0, "maximum": 10})]),
    "best": Parameter("Best.", True, kind=bool, default=False),
    "since": Parameter("Since.", "2024-02-29", kind=date),
    "title": Parameter("Title.", "winter", kind=Annotated[str, Meta(min_length=1, max_length=6)], default=""),
    "id": Parameter("Id.", "tt1234567", kind=Annotated[str, Meta(pattern=r"^tt[0-9]{7}\Z")]),
    "season": Parameter("Season.", 1, kind=Annotated[list[Annotated[int, Meta(ge=0)]], Meta(max_length=2)], default=()),
    "include": Parameter("Include.", "high", kind=list[Literal["high", "low"]], default=(), commas=True),
    "as_of": Parameter("As of.", "12", reads=parse_as_of),
    "If-Match": Parameter("Tag.", place="header"),
}
DEFAULTS = {
    "limit": 5,
    "above": None,
    "best": False,
    "since": None,
    "title": "",
    "id": None,
    "season": (),
    "include": (),
    "as_of": None,
}


def test_what_is_not_given_is_its_default():
    assert read_parameters([], KNOWN) == DEFAULTS


def test_values_have_their_types():
    pairs = [("limit", "100"), ("above", "8.80"), ("best", "true"), ("since", "2024-02-29"), ("title", "wïnter")]
    pairs += [("id", "tt0000001"), ("season", "2"), ("season", "0"), ("include", "low,high")]
    assert read_parameters(pairs, KNOWN) == DEFAULTS | {
        "limit": 100,
        "above": Decimal("8.80"),
        "best": True,
        "since": date(2024, 2, 29),
        "title": "wïnter",
        "id": "tt0000001",
        "season": (2, 0),
        "include": ("low", "high"),
    }


WRONG = {
    "limit": ("0", "101", "-1", "1.5", "x", "", " 5", "1_0", "٣", "05", "1e1", "9" * 30),
    "above": ("-1", "10.1", "nan", "1e1", "", "1,5"),
    "best": ("yes", "True", "1", ""),
    "since": ("2023-02-29", "2024-1-5", "20240105", "2024-01-05T00:00:00Z", ""),
    "title": ("winters", "", "a\0b"),
    "id": ("tt1", "tt1234567\n", "xtt1234567", ""),
    "season": ("-1", "x", "1,2", ""),
    "include": ("open", "high,", ",", "", "high, low"),
    "as_of": ("yesterday", "", "9" * 19),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in WRONG.items() for text in texts], ids=repr)
def test_a_value_that_is_none_names_its_parameter_and_leaves_the_default(name, text):
    values, (fault,) = judge_parameters([(name, text), ("best", "true")][: 1 + (name != "best")], KNOWN)
    assert (fault.status, fault.parameter) == (400, name)
    assert fault.message.startswith(f"{name}: ")
    assert values == DEFAULTS | ({} if name == "best" else {"best": True})


def said(*pairs):
    with pytest.raises(QueryError) as caught:
        read_parameters(pairs, KNOWN)
    return caught.value.message


def test_bounds_are_said_in_words():
    assert said(("limit", "101")) == "limit: '101' is not a whole number from 1 to 100"
    assert said(("above", "11")) == "above: '11' is not a number from 0 to 10"
    assert said(("title", "winters")) == "title: 'winters' is not a text of 1 to 6 characters"
    assert said(("id", "x")) == "id: 'x' is not a text like tt1234567"
    assert said(("include", "open")) == "include: 'open' is none of high, low"
    assert said(*[("season", "1")] * 3) == "season: more than 2 are given"


def test_strangers_and_repetitions_are_refused_and_the_nearest_is_named():
    assert said(("limits", "5")) == "unknown parameter limits; the nearest is limit"
    assert said(("If-Match", "5")).startswith("unknown parameter If-Match")
    assert said(("limit", "5"), ("limit", "5")) == "limit is given twice"
    assert said(("include", "low"), ("include", "high")) == "include is given twice"


def test_another_name_is_the_same_parameter():
    assert read_parameters([("size", "7")], KNOWN)["limit"] == 7
    assert read_parameters([("size", "7"), ("limit", "7")], KNOWN)["limit"] == 7
    assert said(("size", "7"), ("limit", "8")) == "limit: says something else than size"
    assert said(("size", "0")).startswith("size: ")


def test_all_that_is_wrong_is_said_at_once():
    needed = {name: Parameter(name, required=True) for name in ("from", "to", "of")}
    _, faults = judge_parameters([("of", ""), ("colour", "red")], needed)
    assert [fault.message for fault in faults] == [
        "unknown parameter colour; there are from, to, of",
        "missing: from, to",
        "of: is empty",
    ]


def test_a_table_describes_what_it_reads():
    told = {item.name: item.to_schema() for name, known in KNOWN.items() for item in known.shown(name)}
    assert told["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 5}
    assert told["size"]["description"] == "The same as `limit`."
    assert (told["season"]["schema"]["type"], told["season"]["example"]) == ("array", [1])
    assert (told["include"]["style"], told["include"]["explode"]) == ("form", False)
    assert (told["If-Match"]["in"], told["above"]["schema"]["type"]) == ("header", "number")


def test_a_type_that_no_text_spells_needs_a_rule():
    with pytest.raises(DeclarationError, match="reads="):
        Parameter("Anything.", kind=dict[str, int])
