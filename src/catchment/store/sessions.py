"""Who is signed in to the pages: a session stands for a key, as long as that holds. Its token is stored nowhere."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..clock import parse_moment, render_moment
from ..principal import Principal
from .audit import Entry, note
from .engines import Database, mapped, transaction

__all__ = ["LASTS", "Session", "begin", "end", "find", "new_token"]

LASTS = timedelta(hours=12)
"""So long somebody is signed in."""
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is stored. until: when it ends."""

    key_id: str
    until: datetime


def new_token() -> str:
    """What a browser is known by, and nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def begin(database: Database, who: Principal, request_id: str, now: datetime) -> str:
    """The token of a new session for whom a key has proved. Sessions that are over are forgotten."""
    token = new_token()
    values = (_digest(token), who.key_id, render_moment(now), render_moment(now + LASTS))
    with closing(database.open()) as connection, transaction(connection, durable=True) as sql:
        sql.execute("DELETE FROM _session WHERE until <= ?", (render_moment(now),))
        sql.execute("INSERT INTO _session (digest, key_id, at, until) VALUES (?, ?, ?, ?)", values)
        note(sql, Entry("sign-in", who.key_id, who.id, who.key_id, request_id=request_id), now)
    return token


def end(database: Database, token: str, who: Principal, request_id: str, now: datetime) -> None:
    """Returns when nobody is signed in by that token any more."""
    with closing(database.open()) as connection, transaction(connection, durable=True) as sql:
        gone = sql.execute("DELETE FROM _session WHERE digest = ?", (_digest(token),)).rowcount
        if gone:
            note(sql, Entry("sign-out", who.key_id, who.id, who.key_id, request_id=request_id), now)


def find(database: Database, token: str) -> Session | None:
    """The session of that token, over or not.

    Raises:
        StoreUnavailable: the database is missing or cannot be read; nobody is signed in then.
    """
    with mapped(), closing(database.read()) as sql:
        row = sql.execute("SELECT key_id, until FROM _session WHERE digest = ?", (_digest(token),)).fetchone()
    return Session(row[0], parse_moment(row[1])) if row else None
