"""Values that parsers and databases disagree about: as rows of an upstream, and to draw from.

Source: measured on json, orjson, msgspec, SQLite and PostgreSQL; each of them differs from another one in some row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["HOSTILE", "IDS", "POOL", "REFUSED", "TEXTS", "VALUES"]

TEXTS = (
    "",
    "a",
    "A",
    "b",
    "ä",
    "Z",
    "z",
    "é",
    "e\u0301",
    "\U0001f600",
    "\uffff",
    "~",
    "a%b",
    "a_b",
    "'",
    "\\",
    " a",
    "\t",
)
"""Texts in no order: languages sort them otherwise than their bytes."""


def _row(name: str, field: str = "", text: str = "null") -> tuple[str, bytes]:
    """A row with that JSON text in the field."""
    said = f',"{field}":{text}' if field else ""
    return name, f'{{"id":{json.dumps(name)}{said}}}'.encode()


TAKEN = (
    *(_row(f"text {number}", "text", json.dumps(text)) for number, text in enumerate(TEXTS)),
    _row("null"),
    _row("0.1", "price", '"0.1"'),
    _row("0.10", "price", '"0.10"'),
    _row("-0", "price", '"-0"'),
    _row("1e2", "price", '"1e2"'),
    _row("20 digits", "price", '"99999999999999999999.5"'),
    _row("2^63-1", "whole", "9223372036854775807"),
    _row("-2^63", "whole", "-9223372036854775808"),
    _row("float 0.1", "number", "0.1"),
    _row("float -0.0", "number", "-0.0"),
    _row("float least", "number", "5e-324"),
    _row("float 2^53+1", "number", "9007199254740993"),
    _row("zone", "at", '"2026-01-01T01:00:00+01:00"'),
    _row("utc", "at", '"2026-01-01T00:00:00Z"'),
    _row("old", "at", '"1066-10-14T09:00:00Z"'),
    _row("micro", "at", '"2026-01-01T00:00:00.000001Z"'),
    _row("first day", "day", '"0001-01-01"'),
    _row("last day", "day", '"9999-12-31"'),
    _row("tags", "tags", json.dumps(["a", "", "ä", "a"])),
    _row("a,b/c%"),
    _row("k" * 300),
)
_REFUSED = (
    _row("nul", "text", r'"a\u0000b"'),
    _row("surrogate", "text", r'"\ud800"'),
    _row("2^63", "whole", "9223372036854775808"),
    _row("-2^63-1", "whole", "-9223372036854775809"),
    _row("nan price", "price", '"NaN"'),
    _row("no day", "day", '"2026-02-30"'),
    _row("no zone", "at", '"2026-01-01T00:00:00"'),
    _row("deep", "tags", "[" * 200 + "]" * 200),
)
VALUES = TAKEN + _REFUSED
"""Name -> row, of what is stored and of what is a reject."""
REFUSED = tuple(row for _, row in _REFUSED)

IDS = ("a", "B", "b", "ü", "z/z", "a,b", "k" * 300, "%2F", "..", "c", "d")
"""Keys."""

_DIGITS = "99999999999999999999.5"
POOL: Mapping[str, tuple[object, ...]] = {
    "text": (*TEXTS, "a red fox", "Red: a", "x" * 3000),
    "number": (0, -0.0, 0.1, 1e300, 5e-324, -2.5, 1.0, 2**53 + 1),
    "whole": (0, 1, -1, 7, 2**31, 2**63 - 1, -(2**63)),
    "price": ("0.1", "0.10", "-0.1", "100", "1e2", _DIGITS, "0", "-0", 7, "12345.678"),
    "flag": (True, False),
    "at": (
        *("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000001Z", "1066-10-14T09:00:00Z"),
        *("2026-10-25T01:30:00+01:00", "2026-03-29T01:30:00Z"),
    ),
    "day": ("2026-01-01", "0001-01-01", "9999-12-31", "2024-02-29"),
    "tags": ([], ["a"], ["a", "", "ä", "a"], ["z", "Z"]),
}
"""Field -> what somebody may say of it: few values, so that they meet."""

HOSTILE: Mapping[str, tuple[object, ...]] = {
    "text": ("nul \0 here", "half \ud800", 1),
    "number": ("1", True, 10**400),
    "whole": (2**63, 10**30, 1.5, "1"),
    "price": ("NaN", "1" * 60, 1.5, "", "1e999"),
    "flag": (1, "true"),
    "at": ("2026-01-01T00:00:00", 1767225600, "2026-13-01T00:00:00Z"),
    "day": ("2026-02-30", "10000-01-01"),
    "tags": (["z", "nul \0"], [1], "a", [["a"]]),
}
"""What nobody may say of it."""
