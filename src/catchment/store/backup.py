"""A copy of the database at one moment, made while others write; and the way back, to whatever engine."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreError, UsageError
from .engines import Database, transaction

__all__ = ["Copied", "backup", "restore"]


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


def restore(file: Path, database: Database) -> Copied:
    """Puts a backup in the place of a database that is not there.

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
    finally:
        connection.close()
    return Copied(database.label, file.stat().st_size, found)


def _checksum(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
