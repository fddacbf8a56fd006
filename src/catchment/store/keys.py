"""API keys: `ck_<id>_<secret>`. The store holds the secret's digest only; the key is shown once, when it is made."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection as Several
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from ..clock import parse_moment, render_moment
from ..errors import UsageError
from ..principal import Action, Principal
from .audit import Entry, note
from .engines import Connection, Database, mapped, transaction

__all__ = ["Key", "any_usable", "create", "find", "listed", "proved", "revoke", "split", "touch", "without_keys"]

_ID_BYTES, _SECRET_BYTES = 5, 25  # 8 and 40 characters: 200 random bits are nothing to guess, so a fast hash will do
_KEY = re.compile(r"ck_([a-z2-7]{8,32})_([a-z2-7]{32,64})")
_LIKE_A_KEY = re.compile(r"ck_[a-z0-9]{8,}_[a-z0-9]+", re.IGNORECASE)
_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).digest()  # what the secret of an unknown id is compared with
_COLUMNS = "id, digest, name, principal, scopes, created_at, expires_at, last_used_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored. digest: SHA-256 of the secret, 32 bytes."""

    id: str
    digest: bytes = field(repr=False)
    name: str
    principal: str
    scopes: frozenset[Action]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def identity(self) -> Principal:
        return Principal(self.principal, self.name, self.scopes, self.id, "key")


# -- rules ---------------------------------------------------------------------------------------------------------


def split(text: str) -> tuple[str, str]:
    """Id and secret of a key; ("", text) when it has not the form of one."""
    match = _KEY.fullmatch(text)
    return (match[1], match[2]) if match else ("", text)


def proved(key: Key | None, secret: str, now: datetime) -> Principal | None:
    """Whom the secret proves; None when nobody. An unknown key costs the same comparison as a wrong secret."""
    expected = key.digest if key else _NOBODYS
    equal = hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), expected)
    return key.identity() if key and equal and key.usable(now) else None


def without_keys(text: str) -> str:
    """The text with whatever looks like a key blotted out, for logs and the audit."""
    return _LIKE_A_KEY.sub("ck_***", text)


# -- stored --------------------------------------------------------------------------------------------------------


def create(
    database: Database,
    name: str,
    principal: str,
    scopes: Several[Action],
    now: datetime,
    *,
    expires_at: datetime | None = None,
) -> tuple[str, Key]:
    """A new key: its text, which nothing here can ever tell again, and what is stored of it."""
    identity, secret = _random(_ID_BYTES), _random(_SECRET_BYTES)
    digest = hashlib.sha256(secret.encode()).digest()
    key = Key(identity, digest, name, principal, frozenset(scopes), now, expires_at)
    values = (identity, digest, name, principal, " ".join(sorted(scopes)), render_moment(now), _moment(expires_at))
    with closing(database.open()) as connection, transaction(connection, durable=True) as sql:
        sql.execute(f"INSERT INTO _api_key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", values)  # noqa: S608 (columns above)
        note(sql, Entry("key-create", identity, principal, identity), now)
    return f"ck_{identity}_{secret}", key


def _random(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().lower()


def _moment(moment: datetime | None) -> str | None:
    return render_moment(moment) if moment else None


def revoke(database: Database, identity: str, now: datetime) -> Key:
    """The key, revoked from now on; one that was revoked before stays as it was.

    Raises:
        UsageError: there is no key of that id.
    """
    with closing(database.open()) as connection, transaction(connection, durable=True) as sql:
        found = _one(sql, identity)
        if found is None:
            raise UsageError(f"no key has the id {without_keys(identity)[:40]}", hint="catchment keys list shows them")
        if found.revoked_at is None:
            sql.execute("UPDATE _api_key SET revoked_at = ? WHERE id = ?", (render_moment(now), identity))
            note(sql, Entry("key-revoke", identity, found.principal, identity), now)
        return cast("Key", _one(sql, identity))


def touch(database: Database, identity: str, now: datetime) -> None:
    """Returns when it is stored that the key was used now. It may be lost with the machine: it is not worth a wait."""
    with closing(database.open()) as connection, transaction(connection, durable=False) as sql:
        sql.execute("UPDATE _api_key SET last_used_at = ? WHERE id = ?", (render_moment(now), identity))


def find(database: Database, identity: str) -> Key | None:
    """The stored key of that id, used or not.

    Raises:
        StoreUnavailable: the database is missing or cannot be read; nobody is let in then.
    """
    with mapped(), closing(database.read()) as sql:
        return _one(sql, identity)


def listed(database: Database) -> list[Key]:
    """Every key, oldest first, revoked and expired ones too."""
    with mapped(), closing(database.read()) as sql:
        return [_key(row) for row in sql.execute(f"SELECT {_COLUMNS} FROM _api_key ORDER BY created_at, id")]  # noqa: S608 (columns above)


def any_usable(database: Database, now: datetime) -> bool:
    """Whether there is a key that can be used; False where there is no database yet."""
    return database.exists() and any(key.usable(now) for key in listed(database))


def _one(sql: Connection, identity: str) -> Key | None:
    row = sql.execute(f"SELECT {_COLUMNS} FROM _api_key WHERE id = ?", (identity,)).fetchone()  # noqa: S608 (columns above)
    return _key(row) if row else None


def _key(row: tuple[str, bytes, str, str, str, str, str | None, str | None, str | None]) -> Key:
    identity, digest, name, principal, scopes, created, *moments = row
    expires, used, revoked = (parse_moment(text) if text else None for text in moments)
    allowed = frozenset(cast("list[Action]", scopes.split()))
    return Key(identity, digest, name, principal, allowed, parse_moment(created), expires, used, revoked)
