"""Texts that are one although they are written in several ways: shown as whoever wrote them first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..resource import Resource, Spelling
from .engines import Connection
from .tables import Collection

__all__ = ["First", "as_first_written", "first_written"]


First = Callable[[str, Spelling, str], str]
"""From an app, a spelling and a text to the text as it was first written."""

_NOTE = "INSERT INTO _spelling (app, name, key, text) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


def as_first_written(collection: Collection, record: Any, first: First) -> Any:
    """The record with its spelled fields as they were first written, ever and by anybody."""
    assert isinstance(collection.feed, Resource)
    found: dict[str, Any] = {}
    for name, spelling in collection.feed.spellings.items():
        value = getattr(record, name)
        if value is None:
            continue
        texts = [value] if isinstance(value, str) else value
        shown = [first(collection.app, spelling, text) for text in texts]
        if shown != texts:
            found[name] = shown[0] if isinstance(value, str) else shown
    return msgspec.structs.replace(record, **found) if found else record


def first_written(sql: Connection, app: str, spelling: Spelling, text: str) -> str:
    """The text as it was first written, inside the caller's transaction; a new one is noted."""
    place = app, spelling.name, spelling.key(text)
    sql.execute(_NOTE, (*place, text))
    row = sql.execute("SELECT text FROM _spelling WHERE app = ? AND name = ? AND key = ?", place).fetchone()
    return str(row[0])
