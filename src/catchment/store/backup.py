"""A copy of the database at one moment, made while others write; and the way back, to whatever engine."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..clock import render_moment
from ..errors import StoreError, UsageError
from .counters import mark_name
from .engines import Connection, Database, transaction

__all__ = ["LEAP", "RESTORED", "Copied", "backup", "restore"]

LEAP = 10**9
"""How many revisions a restored collection leaves out: more than the lost database can have given out since the backup.
None is given out twice, so no tag, cursor or position of what was lost is taken for one of what comes instead.
"""
RESTORED = "(restored)"
"""The partition of the commit that does so; no partition and no key can be called that."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied. digest: SHA-256 of the file."""

    file: str
    size: int
    digest: str


def backup(database: Database, file: Path) -> Copied:
    """Copies the database into a new SQLite file, with its checksum in another beside it, as `sha256sum -c` reads it.

    Nobody waits for it. What signs cursors is not in it; settings and upstreams' keys never are in a database. The file
    is there when it is whole.

    Raises:
        UsageError: there is such a file already.
        StoreError: it cannot be written.
    """
    if file.exists():
        raise UsageError(f"{file} is there already", hint="name another: a backup overwrites nothing")
    beside = file.with_name(f"{file.name}.part")
    try:
        beside.unlink(missing_ok=True)
        database.copy_to(beside)
        done = Copied(str(file), beside.stat().st_size, _digest(beside))
        _checksum(file).write_text(f"{done.digest}  {file.name}\n")
        beside.rename(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}", hint="name another place") from error
    finally:
        beside.unlink(missing_ok=True)
    return done


def restore(file: Path, database: Database, now: datetime) -> Copied:
    """Puts a backup in the place of a database that is not there. Its collections go on far behind their revisions.

    Raises:
        UsageError: there is a database already, or the backup is not what its checksum says.
    """
    if database.exists():
        raise UsageError(
            f"{database.label} is there already",
            hint="restore where nothing is yet: another --data FOLDER, or an empty database",
        )
    try:
        said, found = _checksum(file).read_text().partition(" ")[0], _digest(file)
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}"
        raise UsageError(message, hint="a backup is two files: the copy, and its checksum in .sha256") from error
    if said != found:
        raise UsageError(f"{file} is not what its checksum says", hint="take another backup: this one is damaged")
    database.copy_from(file)
    connection = database.open()
    try:
        with transaction(connection, durable=True) as sql:
            sql.execute("INSERT INTO _meta VALUES ('cursor-key', ?)", (secrets.token_hex(32),))
            _leap(sql, render_moment(now))
    finally:
        connection.close()
    return Copied(database.label, file.stat().st_size, found)


def _leap(sql: Connection, at: str) -> None:
    """Raises every revision: also of what was empty then, and was not when it was lost. Counters follow."""
    for name, revision in sql.execute("SELECT name, revision FROM _collection").fetchall():
        marks = sql.execute("SELECT value FROM _meta WHERE name = ?", (mark_name(name),)).fetchall()
        for followed, _, said in (value.partition(" ") for (value,) in marks):
            if followed == str(revision):
                told = f"{revision + LEAP} {said}", mark_name(name)
                sql.execute("UPDATE _meta SET value = ? WHERE name = ?", told)
    sql.execute(
        "INSERT INTO _commit (collection, generation, revision, at, partition, attempt)"
        " SELECT name, generation, revision + ?, CASE WHEN changed_at > ? THEN changed_at ELSE ? END, ?, 0"
        " FROM _collection",
        (LEAP, at, at, RESTORED),
    )
    sql.execute("UPDATE _collection SET revision = revision + ?", (LEAP,))


def _checksum(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
