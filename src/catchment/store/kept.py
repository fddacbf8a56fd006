"""What an app has counted and goes by for a while: one value, for every process on the store."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ..clock import parse_moment, render_moment
from .engines import Connection, Database, mapped, transaction
from .group import Group
from .tables import Collection

__all__ = ["Kept", "keep", "kept"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A JSON value, and when it was counted."""

    value: Any
    at: datetime


def kept(sql: Connection, app: str, name: str) -> Kept | None:
    """What the app keeps under that name."""
    with mapped():
        row = sql.execute("SELECT value, at FROM _kept WHERE app = ? AND name = ?", (app, name)).fetchone()
    return Kept(msgspec.json.decode(row[0]), parse_moment(row[1])) if row else None


_KEEP = (
    "INSERT INTO _kept (app, name, value, at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (app, name) DO UPDATE SET value = excluded.value, at = excluded.at"
)


def keep(database: Database, collection: Collection, name: str, found: Kept, before: Kept | None) -> Kept:
    """What is kept from now on: what was found, or what another process has kept since `before` was read.

    Where it takes the place of another one the collection's revision rises: answers that were made with that are kept
    no longer.

    Raises:
        StoreUnavailable: the database cannot be written just now.
    """
    with closing(database.open()) as connection, transaction(connection, durable=False) as sql:
        present = kept(sql, collection.app, name)
        if present is not None and present != before:
            return present
        moment = render_moment(found.at)
        values = (collection.app, name, msgspec.json.encode(found.value).decode(), moment)
        sql.execute(_KEEP, values)
        if present is not None:
            group = Group(sql, found.at)
            group.raise_revision(collection, moment)
            group.put()
    return found
