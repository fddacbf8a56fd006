"""The commands about what is stored already: derive it again. No upstream is asked."""

from __future__ import annotations

import typer

from ..clock import open_clock
from .arguments import DataFlag, JsonFlag, OnlyFlag, Targets, find_apps, read_scopes, read_settings
from .commands import INCOMPLETE
from .output import console, print_json

__all__ = ["desk"]

desk = typer.Typer()


@desk.command(epilog="[bold]Example[/bold]  catchment replay stocks/bars")
def replay(targets: Targets, *, only: OnlyFlag = None, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Derive collections again from the archive, after a change of their declaration. No upstream is asked.

    Until all is derived, readers have the present generation. Exit 3: something was left as it was, and it says what.
    """
    from ..console import Reporter, left_lines, replay_table
    from ..replay import Replayed
    from ..replay import replay as derive_again
    from ..store.store import Store

    apps, settings = find_apps(targets), read_settings(data)
    clock, screen = open_clock(settings.get("CATCHMENT_CLOCK")), console()
    scopes = read_scopes(targets, only, again=False)
    done: list[Replayed] = []
    with Store(settings, apps, replaying=True) as store, Reporter(screen, quiet=json, verb="derive") as reporter:
        for item in apps:
            done += derive_again(item, scopes[item.name], store, settings, clock, reporter.tell)
    if json:
        print_json(done)
    else:
        screen.print(replay_table(done))
        for line in left_lines(done):
            screen.print(f"[yellow]left[/yellow] {line}", highlight=False)
    raise typer.Exit(0 if all(item.complete for item in done) else INCOMPLETE)
