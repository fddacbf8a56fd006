"""The commands that keep a copy of what is stored, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .arguments import DataFlag, JsonFlag, read_settings
from .manual import manual
from .output import console, print_json, say

__all__ = ["backups"]

backups = typer.Typer()
BackupFile = Annotated[str, typer.Argument(metavar="FILE", help="The backup.", show_default=False)]


@backups.command(**manual("Keep", ("one file, with its checksum beside it", "catchment backup monday.sqlite")))
def backup(file: BackupFile, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Copy all that is stored into a file, at one moment.

    While others collect and write. It overwrites nothing.
    """
    from ..store.backup import backup as copy
    from ..store.engines import database_of

    done = copy(database_of(read_settings(data).database), Path(file))
    if json:
        print_json([done])
    else:
        say(console(), f"{done.file}: {done.size} bytes, checksum in {done.file}.sha256")


@backups.command(
    **manual(
        "Keep",
        ("move to PostgreSQL", "catchment copy --to postgresql://catchment@localhost/catchment"),
        ("and back into a file", "catchment copy --to sqlite:///new/catchment.sqlite"),
    )
)
def copy(
    *,
    to: Annotated[
        str,
        typer.Option("--to", metavar="URL", help="sqlite:///PATH or postgresql://USER@HOST/NAME.", show_default=False),
    ],
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Copy the whole store into a new database, of either engine.

    As it stands at one moment. What breaks off leaves nothing there. Whoever is to use it is pointed at it by
    CATCHMENT_DATABASE.
    """
    from ..store.engines import database_of, move

    source, into, screen = database_of(read_settings(data).database), database_of(to), console()
    if not source.exists():
        raise UsageError(f"{source.label} is not there yet", hint="there is nothing to copy")
    with screen.status("copying ...") as shown:
        done = move(source, into, tell=lambda table, rows: shown.update(f"copying {table}: {rows:,} rows"))
    if json:
        print_json([done])
    else:
        say(screen, f"{into.label}: {done.rows:,} rows in {done.tables} tables; now point CATCHMENT_DATABASE at it")


@backups.command(**manual("Keep", ("into a new data folder", "catchment restore monday.sqlite --data restored")))
def restore(file: BackupFile, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Bring a backup back, where no data is yet.

    Then `catchment check` holds it against its invariants.
    """
    from ..clock import open_clock
    from ..store.backup import restore as bring_back
    from ..store.engines import database_of

    settings = read_settings(data)
    now = open_clock(settings.get("CATCHMENT_CLOCK")).now()
    done = bring_back(Path(file), database_of(settings.database), now)
    if json:
        print_json([done])
    else:
        say(console(), f"{done.file}: {done.size} bytes, as the checksum says; now: catchment check")
