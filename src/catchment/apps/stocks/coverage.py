"""What is there of a symbol, and what is not: the sessions without a bar, and the bars that are no longer said."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from .answers import SERIES
from .sessions import holes, sessions_of

__all__ = ["Stored", "coverage_of"]


@dataclass(frozen=True)
class Stored:
    """What there is of one symbol.

    days: on which there are bars. sizes: that were asked for when they came. answer: the body that was merged last.
    refused_until: when a series in full is asked for again, "" where it was not refused.
    """

    symbol: str
    days: Sequence[date]
    sizes: frozenset[str] = frozenset()
    answer: bytes = b""
    refused_until: str = ""


def coverage_of(found: Stored, now: datetime) -> dict[str, Any]:
    """The coverage of one symbol."""
    symbol, stored = found.symbol, sorted(found.days)
    return {
        "symbol": symbol,
        "first": stored[0] if stored else None,
        "last": stored[-1] if stored else None,
        "bars": len(stored),
        "gaps": _gaps(symbol, stored, found.answer),
        "source": max(found.sizes, default=None),  # `full` is the later word
        "full_refused": found.refused_until > now.isoformat(),
    }


def _gaps(symbol: str, stored: list[date], answer: bytes) -> list[dict[str, Any]] | None:
    """Runs of sessions, oldest first; None where nobody knows the sessions.

    `missing`: there is no bar. `withdrawn`: there is one, and the last answer had none although its others are around.
    """
    sessions = sessions_of(symbol)
    if sessions is None or not stored:
        return None if sessions is None else []
    inside = [day for day in sessions if stored[0] <= day <= stored[-1]]
    missing = set(inside) - set(stored)
    said = _days_in(answer)
    first, last = min(said, default=date.max), max(said, default=date.min)
    withdrawn = {day for day in stored if first <= day <= last} - said
    steps = set(inside) | set(stored)
    runs = [(run, "missing") for run in holes(missing, steps)] + [(run, "withdrawn") for run in holes(withdrawn, steps)]
    return [
        {"first": run[0], "last": run[-1], "sessions": len(run), "reason": reason}
        for run, reason in sorted(runs, key=lambda pair: pair[0][0])
    ]


def _days_in(answer: bytes) -> set[date]:
    """The days of a series; what is no date is left out."""
    text = answer.decode(errors="replace")
    if text.startswith("{"):
        names = list(json.loads(text).get(SERIES, {}))
    else:
        names = [line.get("timestamp") or "" for line in csv.DictReader(text.splitlines())]
    found = set()
    for name in names:
        try:
            found.add(date.fromisoformat(name))
        except ValueError:
            continue
    return found
