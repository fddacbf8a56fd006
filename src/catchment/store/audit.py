"""The audit: who tried what, and whether it was allowed. Rows are added and never touched again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

from ..clock import render_moment
from .engines import Connection, Database, mapped, transaction

__all__ = ["INSERT", "Entry", "deny", "entries", "guard", "note", "row"]

_MAX_TEXT = 512
_COLUMNS = "action, object, principal, key_id, before, after, result, request_id"
INSERT = f"INSERT INTO _audit (at, {_COLUMNS}) VALUES (?, {', '.join('?' * 8)})"  # noqa: S608 (columns above)


@dataclass(frozen=True, slots=True)
class Entry:
    """One try. It names its object and holds nothing of its content.

    object: `app/collection/key`, a key's id, or the path of a request that was denied.
    principal: a user's UUID, "" for nobody. before, after: the record's versions around it, where there are any.
    """

    action: str
    object: str
    principal: str = ""
    key_id: str = ""
    before: int | None = None
    after: int | None = None
    result: Literal["allowed", "denied"] = "allowed"
    request_id: str = ""


_VALUES = attrgetter(*(item.name for item in fields(Entry)))


def guard(sql: Connection) -> None:
    """Has the audit only grow from now on, inside the caller's transaction."""
    sql.only_grows("_audit")


def note(sql: Connection, entry: Entry, now: datetime) -> None:
    """Adds the entry inside the caller's transaction, so that it is there exactly if what it tells happened."""
    sql.execute(INSERT, row(entry, render_moment(now)))


def row(entry: Entry, at: str) -> tuple[Any, ...]:
    """The values that INSERT takes. at: a rendered moment."""
    return (at, *[value[:_MAX_TEXT] if isinstance(value, str) else value for value in _VALUES(entry)])


def deny(database: Database, entry: Entry, now: datetime) -> None:
    """Adds the entry, as denied, durably in a transaction of its own: a denial has none.

    Raises:
        StoreUnavailable: the database cannot be written just now.
    """
    with closing(database.open()) as connection, transaction(connection, durable=True) as sql:
        note(sql, replace(entry, before=None, after=None, result="denied"), now)


def entries(sql: Connection, *, limit: int = 100) -> Sequence[tuple[str, Entry]]:
    """The last entries, each with its moment, newest first."""
    with mapped():
        rows = sql.execute(f"SELECT at, {_COLUMNS} FROM _audit ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 (columns above)
        return [(at, Entry(*rest)) for at, *rest in rows]
