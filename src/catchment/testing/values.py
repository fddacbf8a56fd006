"""Values that parsers and databases disagree about, as rows of an upstream, and what an API is asked about them.

Source: measured on json, orjson, msgspec, SQLite and PostgreSQL; each of them differs from another one in some row.
"""

from __future__ import annotations

import json

__all__ = ["ASKED", "REFUSED", "TEXTS", "VALUES"]

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

_SORTS = ("text", "-text", "price,text", "-price,-whole", "number,id", "-flag,at", "day,-id", "-at", "whole")
ASKED = (
    *(f"?sort={sort}&limit=100" for sort in _SORTS),
    *("?text__gt=A", "?text__lte=%C3%A4", "?text__startswith=a", "?text__contains=%25", "?text__in=a,%C3%A4", "?text="),
    *("?price=0.1", "?price__gt=0", "?whole__gte=9223372036854775807", "?number=0.1", "?at__gte=2026-01-01T00:00:00Z"),
    *("?day__lt=2026-01-01", "?tags__has=a", "?text__isnull=true&count=exact", "?text=%00", "?as_of=1&limit=100"),
    *("/changes?after=0", "/diff?from=1", "/k" + "k" * 299, "/a%2Cb%2Fc%25", "/0.1/history"),
    *("/stats?by=text&of=sum(price),avg(price),count(whole)", "/stats?by=hour(at)&zone=Asia/Kolkata&of=avg(number)"),
)
"""Lists in orders, filters, versions, differences and statistics."""
