"""What people are told of what they sent."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from catchment.bodies import typed


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
