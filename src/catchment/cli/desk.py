"""The commands about what is stored: derive it again, see what was refused, check it. No upstream is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import SHIPPED, App
from ..clock import open_clock
from ..errors import UsageError
from .arguments import (
    CheckedTargets,
    DataFlag,
    JsonFlag,
    OnlyFlag,
    OptionalTargets,
    Targets,
    find_apps,
    names_of,
    read_moment,
    read_scopes,
    read_settings,
)
from .manual import INCOMPLETE, manual
from .output import console, print_json

if TYPE_CHECKING:
    from ..replay import Replayed
    from ..runs import Scope
    from ..settings import Settings
    from ..store.planned import Planned

__all__ = ["desk"]

desk = typer.Typer()


@desk.command(
    **manual(
        "Collect",
        ("after a change of what the feed makes of an answer", "catchment replay stocks/bars"),
        ("one partition alone", "catchment replay police/stops --only month=2026-01"),
        exits={0: "all derived", INCOMPLETE: "something was left as it was: it says what and why"},
    )
)
def replay(targets: Targets, *, only: OnlyFlag = None, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Derive collections again from the archived answers.

    After a change of their declaration. No upstream is asked. Until all is derived, readers have the present
    generation.
    """
    done = _derive(find_apps(targets), read_scopes(targets, only, again=False), read_settings(data), quiet=json)
    if json:
        print_json(done, complete=all(item.complete for item in done))
    else:
        _show_derived(done)
    raise typer.Exit(0 if all(item.complete for item in done) else INCOMPLETE)


def _derive(apps: Sequence[App], scopes: Mapping[str, Scope], settings: Settings, *, quiet: bool) -> list[Replayed]:
    """What came of deriving again what the scopes say of each app."""
    from ..progress import Reporter
    from ..replay import replay as derive_again
    from ..store.store import Store

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    done: list[Replayed] = []
    with Store(settings, apps, replaying=True) as store, Reporter(console(), quiet=quiet, verb="derive") as reporter:
        for item in apps:
            done += derive_again(item, scopes[item.name], store, settings, clock, reporter.tell)
    return done


def _show_derived(done: Sequence[Replayed]) -> None:
    from ..console import left_lines, replay_table

    screen = console()
    screen.print(replay_table(done))
    for line in left_lines(done):
        screen.print(f"[yellow]left[/yellow] {line}", highlight=False)


@desk.command(
    **manual(
        "Keep",
        ("what would have to change?", "catchment migrate police"),
        ("change it", "catchment migrate police --yes"),
        exits={
            0: "nothing has to change, or all is done",
            INCOMPLETE: "something has to change, or was left: it says what",
        },
    )
)
def migrate(
    targets: CheckedTargets = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Say what has to change in the database; with --yes, do it.

    For this version and for what is declared now. No upstream is asked.
    """
    from ..store.engines import database_of
    from ..store.planned import apply, look

    apps, settings = find_apps(targets or SHIPPED), read_settings(data)
    database = database_of(settings.database)
    planned = look(database, apps)
    if not json:
        _show_planned(planned)
    done: list[Replayed] = []
    if yes and planned:
        again = apply(database, apps, planned)
        feeds = {app.name: [feed.name for feed in app.feeds if app.collection(feed) in again] for app in apps}
        done = _derive_feeds(apps, feeds, settings, quiet=json)
    if json:
        print_json(planned, applied=yes, derived=done)
    elif done:
        _show_derived(done)
    left = (bool(planned) and not yes) or not all(item.complete for item in done)
    raise typer.Exit(INCOMPLETE if left else 0)


def _derive_feeds(
    apps: Sequence[App], feeds: Mapping[str, Sequence[str]], settings: Settings, *, quiet: bool
) -> list[Replayed]:
    from ..runs import Scope

    scopes = {name: Scope(feeds=tuple(names)) for name, names in feeds.items() if names}
    return _derive([app for app in apps if app.name in scopes], scopes, settings, quiet=quiet) if scopes else []


_WAYS = {
    "step": "the ledger's next schema",
    "made": "made",
    "index": "made anew; nothing is lost",
    "filled": "filled in place",
    "derived": "derived again from the archive",
    "stands": "not done: it stands in the way",
}


def _show_planned(planned: Sequence[Planned]) -> None:
    from rich.markup import escape

    for item in planned:
        console().print(f"{escape(f'{item.of}: {item.says}')} [dim]({_WAYS[item.way]})[/dim]", highlight=False)
    if not planned:
        console().print("nothing has to change", highlight=False)


@desk.command(
    **manual(
        "Look",
        ("of everything that is stored", "catchment rejects"),
        ("of one feed, with the rows, for a script", "catchment rejects police/stops --limit 100 --json"),
    )
)
def rejects(
    targets: OptionalTargets = None,
    *,
    limit: Annotated[int, typer.Option(help="How many rows to show at most.", min=0, max=100_000)] = 20,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Say which rows became no records, and why.

    Of the last answers. Mend the declaration, then `catchment replay` takes them in, without asking an upstream.
    """
    from ..console import rejects_tables
    from ..store.store import Store

    apps, settings = find_apps(targets or []), read_settings(data)
    with Store(settings, apps, replaying=True) as store:
        names = names_of(apps, targets) if targets else store.collections()
        reasons, rows = store.desk.reasons(names), store.desk.rejects(names, limit=limit)
    if json:
        print_json(rows, reasons=reasons)
    elif reasons:
        for table in rejects_tables(reasons, rows):
            console().print(table, highlight=False)
    else:
        console().print("no rejects", highlight=False)


@desk.command(
    **manual(
        "Look",
        ("the newest", "catchment audit"),
        (
            "what was refused of reviews this year",
            "catchment audit --what providers/reviews --denied --since 2026-01-01",
        ),
    )
)
def audit(
    *,
    who: Annotated[str, typer.Option(help="A user's UUID, or a key's id.")] = "",
    what: Annotated[str, typer.Option(help="An object, or what stands before a slash of it.")] = "",
    denied: Annotated[bool, typer.Option("--denied", help="Only what was not allowed.")] = False,
    since: Annotated[str, typer.Option(help="From then on: a moment with a zone, or a date.")] = "",
    until: Annotated[str, typer.Option(help="Before then.")] = "",
    limit: Annotated[int, typer.Option(help="How many to show at most.", min=1, max=100_000)] = 50,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Say who tried to write what, and whether it was allowed.

    The newest first. Nothing of what was written is in it.
    """
    from ..console import audit_table
    from ..store.audit import Asked, find
    from ..store.engines import database_of

    asked = Asked(
        who=who,
        what=what,
        result="denied" if denied else "",
        since=read_moment(since, "--since") if since else None,
        until=read_moment(until, "--until") if until else None,
    )
    database = database_of(read_settings(data).database)
    if not database.exists():
        raise UsageError(f"{database.label} is not there yet", hint="nobody has written anything")
    with closing(database.read()) as sql:
        found = find(sql, asked, limit=limit)
    if json:
        print_json(found)
    elif found:
        console().print(audit_table(found), highlight=False)
    else:
        console().print("nothing in the audit", highlight=False)


@desk.command(
    **manual(
        "Keep",
        ("all that is stored of the apps that ship", "catchment check"),
        ("of one app, for a script", "catchment check police --json"),
        exits={0: "all invariants hold", 1: "some do not: it says which"},
    )
)
def check(targets: CheckedTargets = None, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Hold what is stored against its invariants.

    It reads, changes nothing, and may run beside a collector and a server.
    """
    from rich.markup import escape

    from ..console import check_table
    from ..store.check import check as examine
    from ..store.engines import database_of
    from ..store.tables import collections_of

    apps, settings = find_apps(targets or SHIPPED), read_settings(data)
    found = examine(database_of(settings.database), [item for app in apps for item in collections_of(app)])
    if json:
        print_json(found, holds=not any(item.wrong for item in found))
    else:
        screen = console()
        screen.print(check_table(found))
        for item in found:
            for text in item.shown:
                screen.print(f"[red]{item.rule}[/red] {escape(text)}", highlight=False)
    raise typer.Exit(1 if any(item.wrong for item in found) else 0)
