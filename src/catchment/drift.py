"""What in an upstream's answers is not as it was: fields, their types, how many rows. Pure.

Nothing is refused for that: it is noted, for a person to look at before it becomes a reject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

__all__ = ["SAMPLED", "Drift", "DriftKind", "Seen", "drifted", "jumped", "seen_in"]

SAMPLED = 20
"""Rows of an attempt that are looked at, of those that are decoded anyway."""

FEW = 5
"""Fewer rows than this say nothing about a field that none of them has."""

LEAST, JUMP = 20, 2
"""From this many rows on, half as many or twice as many are a jump."""

DriftKind = Literal["new field", "vanished field", "type", "new value", "volume", "rejects"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as it was. field: "" where it is about the whole answer. detail: a new value itself."""

    kind: DriftKind
    field: str = ""
    detail: str = ""

    @property
    def told_as(self) -> str:
        """The name under which it is remembered that this was told, as a field is: once is enough; "" for always."""
        return f"{self.field}={self.detail}" if self.kind == "new value" else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a field. kinds: of its values in JSON, but for null. steady: every sampled row had it.
    gone: it was steady until a sample had none.
    """

    kinds: frozenset[str]
    steady: bool = True
    gone: bool = False


_KINDS: Mapping[type, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


def seen_in(rows: Sequence[bytes]) -> dict[str, Seen]:
    """The fields of some rows; a row that is no JSON object has none."""
    kinds: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for raw in rows:
        for name, value in _members(raw).items():
            kinds.setdefault(name, set()).update([_KINDS[type(value)]] if value is not None else [])
            counts[name] = counts.get(name, 0) + 1
    return {name: Seen(frozenset(found), steady=counts[name] == len(rows)) for name, found in kinds.items()}


def _members(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def drifted(known: Mapping[str, Seen], seen: Mapping[str, Seen], rows: int) -> tuple[list[Drift], Mapping[str, Seen]]:
    """What a sample has that was not known of its feed, and what is to be remembered anew, by field.

    Args:
        known: of all samples before; empty before the first, which is news to nobody.
        rows: how many the sample has.
    """
    found: list[Drift] = []
    fresh: dict[str, Seen] = {}
    for name, field in seen.items():
        before = known.get(name)
        if before is None:
            found += [Drift("new field", name, _said(field.kinds))] if known else []
            fresh[name] = replace(field, steady=field.steady and not known)
            continue
        if before.kinds and (more := field.kinds - before.kinds):
            found.append(Drift("type", name, f"{_said(before.kinds)}, now {_said(more)}"))
        fresh[name] = Seen(before.kinds | field.kinds, before.steady and field.steady and not before.gone)
    for name, before in known.items():
        if name not in seen and rows >= FEW and before.steady and not before.gone:
            found.append(Drift("vanished field", name, _said(before.kinds)))
            fresh[name] = replace(before, gone=True)
    return found, {name: field for name, field in fresh.items() if known.get(name) != field}


def _said(kinds: frozenset[str]) -> str:
    return " or ".join(sorted(kinds)) or "null"


def jumped(before: int, now: int) -> Drift | None:
    """A jump in the number of rows of a partition between two complete answers, if there is one."""
    if max(before, now) < LEAST or before == 0 or now <= JUMP * before <= JUMP * JUMP * now:
        return None
    return Drift("volume", detail=f"{before:,} rows, now {now:,}")
