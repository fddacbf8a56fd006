"""The commands that keep a copy of what is stored, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import DataFlag, JsonFlag, read_settings
from .output import console, print_json, say

__all__ = ["backups"]

backups = typer.Typer()
BackupFile = Annotated[str, typer.Argument(metavar="FILE", help="The backup.", show_default=False)]


@backups.command(epilog="[bold]Example[/bold]  catchment backup monday.sqlite")
def backup(file: BackupFile, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Copy all that is stored, as it stands at one moment, while others collect and write. It overwrites nothing."""
    from ..store.backup import backup as copy
    from ..store.engines import database_of

    done = copy(database_of(read_settings(data).database), Path(file))
    if json:
        print_json(done)
    else:
        say(console(), f"{done.file}: {done.size} bytes, checksum in {done.file}.sha256")


@backups.command(epilog="[bold]Example[/bold]  catchment restore monday.sqlite --data restored")
def restore(file: BackupFile, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Put a backup where no data is yet. Then `catchment check` holds it against its invariants."""
    from ..store.backup import restore as bring_back
    from ..store.engines import database_of

    done = bring_back(Path(file), database_of(read_settings(data).database))
    if json:
        print_json(done)
    else:
        say(console(), f"{done.file}: {done.size} bytes, as the checksum says; now: catchment check")
