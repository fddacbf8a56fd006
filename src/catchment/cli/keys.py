"""`catchment keys`: make, list and revoke the keys with which others read and write."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import open_clock, parse_moment
from ..errors import UsageError
from ..principal import SCOPES, Action, is_user
from .arguments import DataFlag, JsonFlag, one_of, read_settings
from .manual import Group, manual
from .output import console, print_json

if TYPE_CHECKING:  # they load the database and the terminal's tables: only for commands that use them
    from rich.table import Table

    from ..store.engines import Database
    from ..store.keys import Key

__all__ = ["keys"]

keys = typer.Typer(
    cls=Group,
    help="Make, list and revoke the keys with which others read and write.",
    epilog="More: catchment keys COMMAND --help has examples, defaults and exit codes.",
)


@keys.command(
    "create",
    **manual(
        "Operate",
        (
            "for a report that reads, for three months",
            "catchment keys create --name reports --scope read --expires 90d",
        ),
        ("for a person who writes, into a file", "catchment keys create --name me --scope write > key"),
    ),
)
def keys_create(
    *,
    name: Annotated[str, typer.Option("--name", help="What the key is for.", show_default=False)],
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, write, moderate or operate. Repeatable.", show_default=False)
    ],
    principal: Annotated[
        str, typer.Option("--principal", metavar="UUID", help="Whose key it is; a new user without it.")
    ] = "",
    expires: Annotated[str, typer.Option("--expires", metavar="90d|DATE", help="When it ends; never without it.")] = "",
    data: DataFlag = "",
) -> None:
    """Make a key and print it, this once.

    Only a digest of it is kept.
    """
    from ..store.keys import create

    database, now = _key_store(data)
    user, until = _user(principal), _expiry(expires, now)
    text, key = create(database, _label(name), user, _scopes_of_key(scope), now, expires_at=until)
    sys.stderr.write(f"key {key.id} of user {key.principal}; it is not shown again:\n")
    typer.echo(text)


@keys.command("list", **manual("Operate", ("all of them", "catchment keys list")))
def keys_list(*, json: JsonFlag = False, data: DataFlag = "") -> None:
    """List every key by its id, also the revoked ones.

    What a key is made of is not stored, so not shown.
    """
    from ..store.keys import listed

    database, now = _key_store(data)
    found = [_key_row(key, now) for key in listed(database)]
    if json:
        print_json(found)
    else:
        console().print(_table_of(found, KEY_COLUMNS))


@keys.command("revoke", **manual("Operate", ("by its id", "catchment keys revoke 5yd3ktqc")))
def keys_revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As in the list.", show_default=False)],
    *,
    data: DataFlag = "",
) -> None:
    """Revoke a key: the next request that brings it is refused."""
    from ..store.keys import revoke

    database, now = _key_store(data)
    key = revoke(database, identity, now)
    typer.echo(f"key {key.id} ({key.name}) is revoked since {key.revoked_at:%Y-%m-%d %H:%M} UTC")


def _label(name: str) -> str:
    if not (name.strip() and name.isprintable() and len(name) <= 100):
        raise UsageError("--name is 1 to 100 printable characters", hint="say what the key is for")
    return name.strip()


def _user(principal: str) -> str:
    """The user's UUID as given, in lower case; a new one when none is given."""
    if not principal:
        return str(uuid.uuid4())
    if not is_user(principal.lower()):
        raise UsageError("--principal is no UUID", hint="e.g. 0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11, or leave it out")
    return principal.lower()


def _scopes_of_key(scopes: Sequence[str]) -> frozenset[Action]:
    return frozenset(known for given in scopes for known in SCOPES if one_of("--scope", given, SCOPES) == known)


def _expiry(text: str, now: datetime) -> datetime | None:
    """The moment after so many days, or the first one of a date; None without any."""
    if not text:
        return None
    try:
        days = re.fullmatch(r"([1-9][0-9]{0,4})d", text)
        moment = now + timedelta(days=int(days[1])) if days else parse_moment(text)
    except ValueError as error:
        raise UsageError("--expires is neither days nor a date", hint="write 90d or 2027-01-31") from error
    if moment <= now:
        raise UsageError(f"--expires {text} is past", hint="write e.g. 90d")
    return moment


def _key_store(data: str) -> tuple[Database, datetime]:
    """The database that the settings name, with its tables, and now."""
    from ..store.engines import database_of
    from ..store.store import prepare

    settings = read_settings(data)
    database = database_of(settings.database)
    prepare(database, [])
    return database, open_clock(settings.get("CATCHMENT_CLOCK")).now()


KEY_COLUMNS = ("id", "name", "principal", "scopes", "state", "created", "expires", "last_used", "revoked")


def _key_row(key: Key, now: datetime) -> dict[str, str]:
    """What may be seen of a key; "" for what never happened."""
    moments = {"created": key.created_at, "expires": key.expires_at, "last_used": key.last_used_at}
    moments["revoked"] = key.revoked_at
    return {
        "id": key.id,
        "name": key.name,
        "principal": key.principal,
        "scopes": " ".join(sorted(key.scopes)),
        "state": "revoked" if key.revoked_at else "usable" if key.usable(now) else "expired",
        **{name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "" for name, moment in moments.items()},
    }


def _table_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*(name.replace("_", " ") for name in columns), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(escape(row[name]) for name in columns))
    return table
