"""The audit: who tried what, and whether it was allowed. Rows are added and never touched again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

from ..clock import render_moment
from .engines import Connection, Database, mapped, transaction

__all__ = ["INSERT", "Asked", "Entry", "Tried", "deny", "find", "guard", "note", "row"]

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


@dataclass(frozen=True, slots=True)
class Tried:
    """One try as it stands in the audit. id: rises with time; at: the moment, as text."""

    id: int
    at: str
    action: str
    object: str
    principal: str
    key_id: str
    before: int | None
    after: int | None
    result: Literal["allowed", "denied"]
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which tries are meant; what is left out is not asked for.

    who: a user's UUID or a key's id. what: an object, or what stands before a slash of it: `providers/reviews`.
    since, until: from then on, and before then.
    """

    who: str = ""
    what: str = ""
    action: str = ""
    result: str = ""
    since: datetime | None = None
    until: datetime | None = None


def find(sql: Connection, asked: Asked, *, before: int | None = None, limit: int = 50) -> list[Tried]:
    """The tries that are meant, newest first, from before the one of that id."""
    below = asked.what.rstrip("/") + "/"
    terms: list[tuple[str, tuple[object, ...], object]] = [
        ("id < ?", (before,), before),
        ("(principal = ? OR key_id = ?)", (asked.who, asked.who), asked.who),
        ("(object = ? OR substr(object, 1, length(?)) = ?)", (asked.what, below, below), asked.what),
        ("action = ?", (asked.action,), asked.action),
        ("result = ?", (asked.result,), asked.result),
        ("at >= ?", (asked.since and render_moment(asked.since),), asked.since),
        ("at < ?", (asked.until and render_moment(asked.until),), asked.until),
    ]
    meant = [(text, values) for text, values, given in terms if given not in (None, "")]
    where = " AND ".join(text for text, _ in meant) or "1 = 1"
    values = [value for _, some in meant for value in some]
    with mapped():
        rows = sql.execute(
            f"SELECT id, at, {_COLUMNS} FROM _audit WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 (terms above)
            (*values, limit),
        ).fetchall()
    return [Tried(*row) for row in rows]
