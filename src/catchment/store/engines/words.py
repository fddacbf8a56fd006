"""The store's SQL as PostgreSQL takes it: `?` and `:name` are numbered, and a few words are spelled otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["Spelled", "spelled"]

_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"\bgroup_concat\(", "string_agg("),
        (r"\"[^\"]+\" MATCH \?", "found @@ websearch_to_tsquery('simple', ?)"),
        (r"\binstr\(", "strpos("),
        (r"(\"[^\"]+\"|\b\w+) -> '\$\.([^']+)'", r"CAST(CAST(\1 AS json) -> '\2' AS text)"),
        (r"\bjson_extract\((\"[^\"]+\"|\w+), '\$\.([^']+)'\)", r"(CAST(\1 AS json) ->> '\2')"),
        (r"EXISTS \(SELECT 1 FROM json_each\((\"[^\"]+\")\) WHERE value = \?\)", r"CAST(\1 AS jsonb) @> to_jsonb(?)"),
    )
)
"""What SQLite calls otherwise. JSON is kept as text on both: a member's own bytes come back, not its value."""

_MARKS = re.compile(r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | \?(?P<number>\d*) | (?<!:):(?P<name>[a-z_]+)""", re.VERBOSE)


@dataclass(frozen=True, slots=True)
class Spelled:
    """A statement with its marks numbered. names: of the values, in that order; empty where they come in it already."""

    sql: str
    names: tuple[str, ...] = ()

    def bound(self, values: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any]:
        """The values in the order of their marks."""
        if isinstance(values, Mapping):
            return [values[name] for name in self.names]
        return values


@lru_cache(4096)
def spelled(sql: str) -> Spelled:
    """The statement as PostgreSQL takes it; each text is looked through once."""
    for pattern, spelling in _WORDS:
        sql = pattern.sub(spelling, sql)
    names: dict[str, int] = {}
    count = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal count
        if name := match["name"]:
            return f"${names.setdefault(name, len(names) + 1)}"
        if match["number"] is None:
            return match[0]  # a text, or a quoted name
        count += 1
        return f"${match['number'] or count}"

    return Spelled(_MARKS.sub(mark, sql), tuple(names))
