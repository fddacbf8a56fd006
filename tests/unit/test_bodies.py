"""What people are told of what they sent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from catchment.bodies import typed, unstorable


@pytest.mark.parametrize(
    ("value", "wanted", "message"),
    [
        (5, str, "Expected a text, got a whole number"),
        (None, str, "Expected a text, got null"),
        ([], str | None, "Expected a text or null, got a list"),
        ("x", int, "Expected a whole number, got a text"),
        ({}, Decimal, "Expected a number with a fraction, got an object"),
        (1, bool, "Expected true or false, got a whole number"),
        (True, datetime, "Expected a moment, got true or false"),
    ],
)
def test_a_wrong_type_is_told_in_words(value: Any, wanted: Any, message: str):
    _, (fault,) = typed(value, wanted, "/text")
    assert (fault.pointer, fault.message) == ("/text", message)


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        ({"a": "plain", "b": [1, None, True, Decimal("1.5")]}, []),
        ("1234567890123456789012345", []),
        ("a backslash and \\u0000", []),
        ([2**63 - 1, -(2**63)], []),
        (2**63, [""]),
        ({"a": [0, -(2**63) - 1]}, ["/a/1"]),
        ({"a": {"b": 10**30}, "c": "x\0"}, ["/a/b", "/c"]),
        ({"a\0": 1}, [""]),
        (["\ud800"], ["/0"]),
        ({"\ud800": 1}, [""]),
    ],
    ids=[
        "plain",
        "many digits",
        "an escaped escape",
        "the largest",
        "beyond 64 bits",
        "below 64 bits",
        "far beyond, and NUL",
        "NUL in a name",
        "half a character",
        "half a character in a name",
    ],
)
def test_what_no_engine_stores_is_found_wherever_it_is(value: Any, pointers: list[str]):
    assert [fault.pointer for fault in unstorable(value)] == pointers
