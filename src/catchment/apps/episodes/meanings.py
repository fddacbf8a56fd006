"""What an answer of the upstream, OMDb, means. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from catchment import Answer, Meaning, Partition, read_http

__all__ = ["read_answer"]

# Texts as they have been seen or reported. Source: apps/episodes.md, section 2.
ERRORS = (
    ("Series or season not found!", Meaning.pending("no such season")),
    ("Series or episode not found!", Meaning.refused("no such episode")),
    ("Series not found!", Meaning.refused("no such series")),
    ("Movie not found!", Meaning.refused("not found")),
    ("Incorrect IMDb ID.", Meaning.refused("bad id")),
    ("Too many results.", Meaning.refused("search too wide")),
    ("Error getting data.", Meaning.transient("upstream-data", tries=3, park=timedelta(hours=24))),
)


def read_answer(answer: Answer, partition: Partition) -> Meaning:
    """What an answer is: data by its own word `Response`, an error by its text; 200 is no success here."""
    if answer.status not in (200, 401):
        return read_http(answer, partition)
    said = _object(answer.body)
    if answer.status == 200 and said.get("Response") == "True":
        return Meaning.data()
    text = str(said.get("Error", ""))
    if answer.status == 401:
        return Meaning.quota("daily limit") if "Request limit reached!" in text else Meaning.auth("key missing or bad")
    if "Response" not in said:
        return Meaning.failed("no answer of its kind: it has no Response")
    return next((meaning for part, meaning in ERRORS if part in text), Meaning.failed(f"said {text[:80]!r}"))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
