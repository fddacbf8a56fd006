"""The commands that collect, and that say what there is to collect and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ..app import App
from ..clock import open_clock
from ..processes import in_loop
from ..settings import Settings
from .arguments import AgainFlag, DataFlag, DryFlag, JsonFlag, OnlyFlag, Targets, find_apps, read_scopes, read_settings
from .manual import COLLECTED, INCOMPLETE, manual
from .output import console as open_console
from .output import print_json

if TYPE_CHECKING:  # they load the database and the terminal's tables: only for commands that use them
    from rich.console import Console

    from ..runs import Scope, Summary
    from ..store.store import Store

__all__ = ["collect_all", "commands", "finish", "open_store", "print_summaries"]

commands = typer.Typer()


@commands.command(
    **manual(
        "Collect",
        ("all that is due of an app", "catchment collect police"),
        (
            "one force, and of it one month: the one before the last",
            "catchment collect police --only force=leicestershire --only month=-2",
        ),
        ("what would an upstream answer, and what would that change?", "catchment collect stocks/bars --dry-run"),
        ("a feed of your own, from feeds.py in this folder", "catchment collect feeds:app"),
        exits=COLLECTED,
    )
)
def collect(
    targets: Targets,
    *,
    only: OnlyFlag = None,
    again: AgainFlag = False,
    dry_run: DryFlag = False,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Collect what is due, within the budget, and end.

    It ends when nothing is due, or when the budget is spent for longer than an attempt waits. What was answered is
    kept at every moment: after Ctrl+C or a crash the same command goes on where it was.
    """
    apps = find_apps(targets)
    scopes = read_scopes(targets, only, again=again)
    settings = read_settings(data)
    if dry_run:
        _look([(item, scopes[item.name]) for item in apps], settings, json=json)
    if json:
        summaries = collect_all(apps, scopes, settings, None)
        print_summaries(summaries)
    else:
        summaries = collect_all(apps, scopes, settings, open_console())
    finish(summaries)


@commands.command(
    **manual(
        "Collect",
        ("how long do all symbols take within the day's 25 requests?", "catchment plan stocks"),
        ("what would it cost to ask for everything anew?", "catchment plan police --again"),
    )
)
def plan(
    targets: Targets,
    *,
    only: OnlyFlag = None,
    again: AgainFlag = False,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Say what is due, what it costs, and when it will be done.

    By the budget of the upstream. Nothing is asked.
    """
    from rich.markup import escape

    from ..console import order_lines, paused_lines, plan_table, planned_row
    from ..operate import forecasts

    apps, settings = find_apps(targets), read_settings(data)
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    scopes = read_scopes(targets, only, again=again)
    with open_store(settings, apps) as store:
        found = in_loop(forecasts([(item, scopes[item.name]) for item in apps], store, settings, clock))
        if json:
            print_json([planned_row(app, item) for app, items in found.items() for item in items])
            return
        console = open_console()
        console.print(plan_table(found, width=console.width))
        for line in order_lines(found):
            console.print(escape(line), highlight=False)
        for line in paused_lines(found):
            console.print(f"[yellow]paused[/yellow] {escape(line)}", highlight=False)
        _say_outdated(apps, store, settings, console)


@commands.command(
    **manual(
        "Look",
        ("records, verdicts, age and budget of each collection", "catchment status police stocks"),
        ("the same for a script", "catchment status police --json"),
        exits=COLLECTED,
    )
)
def status(targets: Targets, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Say how complete and how old every collection is.

    Its records, its partitions by verdict, the oldest of them, what is left of the budget today, and what upstreams
    changed lately.
    """
    from rich.markup import escape

    from ..console import drift_lines, status_table
    from ..operate import standings

    apps, settings = find_apps(targets), read_settings(data)
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    with open_store(settings, apps) as store:
        found = standings(apps, store, settings, clock.now())
        if json:
            print_json(found, complete=all(item.complete for item in found))
        else:
            console = open_console()
            console.print(status_table(found, clock.now(), width=console.width))
            for line in drift_lines(found):
                console.print(f"[yellow]drift[/yellow] {escape(line)}", highlight=False)
            _say_outdated(apps, store, settings, console)
    raise typer.Exit(0 if all(item.complete for item in found) else INCOMPLETE)


def open_store(settings: Settings, apps: Sequence[App]) -> Store:
    """The store that the settings name, with the tables of the apps. A context manager."""
    from ..store.store import Store

    return Store(settings, apps)


def collect_all(
    apps: Sequence[App],
    scopes: Mapping[str, Scope],
    settings: Settings,
    console: Console | None,
    *,
    people: bool = False,
) -> dict[str, Summary]:
    """Collects, with progress on the console and the table at its end; silent without one. people: what they wrote is
    in the table too.
    """
    from rich.markup import escape

    from ..console import result_lines, summary_table
    from ..operate import allowance, collect_once
    from ..progress import Reporter
    from ..runs import Scope

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    asked = [(item, scopes.get(item.name, Scope())) for item in apps]
    with open_store(settings, apps) as store:
        if console is None:
            return in_loop(collect_once(asked, store, settings, clock, lambda _: None))
        with allowance(apps, settings, clock) as left, Reporter(console, left=left) as reporter:
            summaries = in_loop(collect_once(asked, store, settings, clock, reporter.tell))
        stored = {
            item.collection(feed): store.extent(item, feed)[0] for item, scope in asked for feed in _named(item, scope)
        }
        wrote = {item.collection(kind): store.extent(item, kind)[0] for item in apps for kind in item.resources}
        console.print(summary_table(summaries, stored, wrote if people else {}, width=console.width))
        for line in result_lines([result for summary in summaries.values() for result in summary.results]):
            console.print(f"[yellow]incomplete[/yellow] {line}", highlight=False)
        for name, summary in summaries.items():
            if summary.fault:
                console.print(f"[yellow]incomplete[/yellow] {name}: {escape(summary.fault)}", highlight=False)
        _say_outdated(apps, store, settings, console)
    return summaries


def _say_outdated(apps: Sequence[App], store: Store, settings: Settings, console: Console) -> None:
    from ..operate import outdated

    for line in outdated(apps, store, settings):
        console.print(f"[yellow]outdated[/yellow] {line}", highlight=False)


def _look(asked: Sequence[tuple[App, Scope]], settings: Settings, *, json: bool) -> NoReturn:
    """Prints what was answered and what it would change; keeps nothing. Exit 0, whatever was answered."""
    from ..console import dry_lines
    from ..operate import collect_once
    from ..store.dry import DryStore

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    with DryStore(settings, [item for item, _ in asked]) as store:
        summaries = in_loop(collect_once(asked, store, settings, clock, lambda _: None))
        results = [result for summary in summaries.values() for result in summary.results]
        if json:
            print_summaries(summaries)
        else:
            typer.echo("\n".join(dry_lines(results, store.last())))
    raise typer.Exit(0)


def _named(item: App, scope: Scope) -> list[Any]:
    return [feed for feed in item.feeds if not scope.feeds or feed.name in scope.feeds]


def finish(summaries: Mapping[str, Summary]) -> NoReturn:
    """Ends the command with the exit code that says whether all is complete."""
    raise typer.Exit(0 if all(summary.complete for summary in summaries.values()) else INCOMPLETE)


def print_summaries(summaries: Mapping[str, Summary]) -> None:
    """What came, a row a partition; in `meta` whether all of it is complete, and why an app's `after` failed."""
    print_json(
        [result for summary in summaries.values() for result in summary.results],
        complete=all(summary.complete for summary in summaries.values()),
        faults={name: summary.fault for name, summary in summaries.items() if summary.fault},
    )
