"""What is not as it was in an upstream's answers, judged from samples."""

from __future__ import annotations

import msgspec
import pytest

from catchment.drift import Drift, Seen, drifted, jumped, seen_in


def rows(*some: object) -> list[bytes]:
    return [msgspec.json.encode(row) for row in some]


def learnt(*samples: list[object]) -> tuple[list[Drift], dict[str, Seen]]:
    """What the last of several samples shows, and all that is known then."""
    known: dict[str, Seen] = {}
    found: list[Drift] = []
    for sample in samples:
        found, fresh = drifted(known, seen_in(rows(*sample)), len(sample))
        known |= fresh
    return found, known


A, B = {"id": 1, "name": "x"}, {"id": 2, "name": "y"}
MANY = [A, B, A, B, A]
CASES = {
    "the first sample is news to nobody": ([MANY], []),
    "the same again": ([MANY, MANY], []),
    "a new field": ([MANY, [{**A, "link": None}]], [Drift("new field", "link", "null")]),
    "a new field with its types": (
        [[A], [{**A, "x": [1]}, {**A, "x": {}}]],
        [Drift("new field", "x", "array or object")],
    ),
    "a new field is new once": ([[A], [{**A, "x": 1}], [{**A, "x": 2}]], []),
    "a vanished field": ([MANY, [{"id": 1}] * 5], [Drift("vanished field", "name", "text")]),
    "a vanished field is told once": ([MANY, [{"id": 1}] * 5, [{"id": 1}] * 5], []),
    "few rows without a field": ([MANY, [{"id": 1}] * 4], []),
    "a field that some rows never had": ([[A, {"id": 3}], [{"id": 1}] * 9], []),
    "one that comes and goes is told once": ([MANY, [{"id": 1}] * 5, MANY, [{"id": 1}] * 5], []),
    "another type": ([MANY, [{**A, "id": "1"}]], [Drift("type", "id", "number, now text")]),
    "another type is told once": ([MANY, [{**A, "id": "1"}], [{**A, "id": "1"}, A]], []),
    "null is no other type": ([MANY, [{**A, "name": None}]], []),
    "after nothing but nulls any type will do": ([[{"id": None}], [{"id": 1}]], []),
    "whole and broken numbers are numbers": ([MANY, [{**A, "id": 1.5}]], []),
    "rows that are no objects have no fields": ([MANY, [[1, 2], "x", 3]], []),
}


@pytest.mark.parametrize(("samples", "expected"), CASES.values(), ids=CASES)
def test_what_a_sample_shows(samples, expected):
    assert learnt(*samples)[0] == expected


def test_what_is_no_json_has_no_fields():
    assert seen_in([b"{broken", b"\xff", b"[" * 100_000]) == {}


def test_only_what_is_new_is_to_be_remembered():
    _, known = learnt(MANY)
    assert drifted(known, seen_in(rows(*MANY)), 5) == ([], {})


@pytest.mark.parametrize(
    ("before", "now", "jumps"),
    [
        *((100, 49, True), (100, 50, False), (100, 200, False), (100, 201, True), (19, 0, False), (20, 0, True)),
        *((0, 500, False), (1, 20, True), (1, 19, False), (5, 5, False)),
    ],
)
def test_a_jump_is_half_or_double_of_enough_rows(before, now, jumps):
    assert (jumped(before, now) is not None) is jumps


def test_a_jump_says_both_numbers():
    assert jumped(12_000, 10) == Drift("volume", "", "12,000 rows, now 10")
