"""The commands: thin. What is done stands in `operate`, `demo` and `serve`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ..app import SHIPPED, App, load_app
from ..clock import open_clock
from ..errors import CatchmentError
from ..processes import Stopped, in_loop
from ..settings import DEFAULTS, Setting, Settings, without_password
from .arguments import (
    SIZES,
    AgainFlag,
    DataFlag,
    DryFlag,
    HostFlag,
    JsonFlag,
    OnlyFlag,
    PortFlag,
    Targets,
    app_of,
    find_apps,
    one_of,
    read_scopes,
    read_settings,
)
from .output import console as open_console
from .output import print_json, say

if TYPE_CHECKING:  # they load the database and the terminal's tables: only for commands that use them
    from rich.console import Console

    from ..feed import Feed
    from ..processes import Children
    from ..runs import Scope, Summary
    from ..store.store import Store

__all__ = ["INCOMPLETE", "commands"]

INCOMPLETE = 3

commands = typer.Typer()


@commands.command(epilog="[bold]Example[/bold]  catchment demo --once")
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Collect, print the table, and end.")] = False,
    size: Annotated[str, typer.Option(help="How much the stand-ins have: tiny, small, medium or large.")] = "tiny",
    data: DataFlag = "",
    host: HostFlag = "",
    port: PortFlag = "",
) -> None:
    """Show it: stand-in upstreams, everything collected from them, then served. No key, no network."""
    from ..demo import behind_gateway, demo_settings, first_requests, people_write, reading_key, start_standins
    from ..processes import Children

    apps = [load_app(name) for name in SHIPPED]
    console = open_console()
    settings = demo_settings(read_settings(data, host, port), one_of("--size", size, SIZES))
    if not once:
        _check_port(settings)
    console.print("Starting stand-in upstreams ...", highlight=False)
    with Children(os.environ) as children:
        settings = start_standins(apps, children, settings, size)
        # Made up data, readable by whom the address reaches: a container's demo is one command, and needs no key.
        settings = settings.with_values("demo", {"CATCHMENT_WITHOUT_KEYS": "yes"})
        named = ", ".join(item.name for item in apps if item.feeds)
        say(console, f"Stand-in upstreams are up. Collecting {named} into {settings.data}")
        with Children(os.environ) as beside, _open_store(settings, apps) as store:
            for said in people_write(apps, store, lambda: behind_gateway(apps, beside, settings)):
                say(console, said)
        summaries = _collect(apps, {}, settings, console, people=True)
        if once:
            _finish(summaries)

        def begun(apps: Sequence[App], address: str) -> Iterator[str]:
            yield from first_requests(apps, address, reading_key(settings))

        _up(list(SHIPPED), apps, settings, children, console, begun)


@commands.command(epilog="[bold]Example[/bold]  catchment collect police --only force=leicestershire")
def collect(
    targets: Targets,
    *,
    only: OnlyFlag = None,
    again: AgainFlag = False,
    dry_run: DryFlag = False,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Collect what is due, and end. Exit 0: all complete; 3: something is incomplete, and it says what."""
    apps = find_apps(targets)
    scopes = read_scopes(targets, only, again=again)
    settings = read_settings(data)
    if dry_run:
        _look([(item, scopes[item.name]) for item in apps], settings, json=json)
    if json:
        summaries = _collect(apps, scopes, settings, None)
        print_json(_summary_json(summaries))
    else:
        summaries = _collect(apps, scopes, settings, open_console())
    _finish(summaries)


@commands.command(epilog="[bold]Example[/bold]  catchment plan stocks")
def plan(targets: Targets, *, only: OnlyFlag = None, again: AgainFlag = False, data: DataFlag = "") -> None:
    """Say what is due, what it costs, and when it will be done under the budget. Nothing is asked."""
    from rich.markup import escape

    from ..console import paused_lines, plan_table
    from ..operate import forecasts

    apps, settings = find_apps(targets), read_settings(data)
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    scopes = read_scopes(targets, only, again=again)
    with _open_store(settings, apps) as store:
        found = in_loop(forecasts([(item, scopes[item.name]) for item in apps], store, settings, clock))
        console = open_console()
        console.print(plan_table(found))
        for line in paused_lines(found):
            console.print(f"[yellow]paused[/yellow] {escape(line)}", highlight=False)
        _say_outdated(apps, store, settings, console)


@commands.command(epilog="[bold]Example[/bold]  catchment up stocks --port 8081")
def up(targets: Targets, *, data: DataFlag = "", host: HostFlag = "", port: PortFlag = "") -> None:
    """Collect whatever becomes due, and serve it, until Ctrl+C."""
    from ..processes import Children

    apps, settings = find_apps(targets), read_settings(data, host, port)
    _check_address(settings)
    _check_port(settings)
    with Children(os.environ) as children:
        _up([app_of(target) for target in targets], apps, settings, children, open_console())


@commands.command(epilog="[bold]Example[/bold]  catchment serve providers --only reviews")
def serve(
    targets: Targets,
    *,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="COLLECTION", help="Only this collection. Repeatable.")
    ] = None,
    data: DataFlag = "",
    host: HostFlag = "",
    port: PortFlag = "",
) -> None:
    """Serve what has been collected and written. No upstream is asked."""
    from .. import explorer
    from ..serve.server import run
    from ..store.engines import database_of
    from ..store.store import prepare

    apps, settings = find_apps(targets), read_settings(data, host, port)
    prepare(database_of(settings.database), apps)
    run([app_of(target) for target in targets], settings, only=only or (), pages=explorer.handlers)


@commands.command(epilog="[bold]Example[/bold]  catchment status police")
def status(targets: Targets, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Say how every collection stands: records, verdicts, age, budget left. Exit 3 if something is incomplete."""
    from rich.markup import escape

    from ..console import drift_lines, status_table
    from ..operate import standings

    apps, settings = find_apps(targets), read_settings(data)
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    with _open_store(settings, apps) as store:
        found = standings(apps, store, settings, clock.now())
        if json:
            print_json(found)
        else:
            console = open_console()
            console.print(status_table(found, clock.now()))
            for line in drift_lines(found):
                console.print(f"[yellow]drift[/yellow] {escape(line)}", highlight=False)
            _say_outdated(apps, store, settings, console)
    raise typer.Exit(0 if all(item.complete for item in found) else INCOMPLETE)


@commands.command("settings", epilog="[bold]Example[/bold]  catchment settings")
def settings_(
    targets: Annotated[list[str] | None, typer.Argument(help="Whose settings. Default: the apps that ship.")] = None,
    *,
    data: DataFlag = "",
    host: HostFlag = "",
    port: PortFlag = "",
) -> None:
    """Print each setting with its value and where it came from; of a secret only whether it is set."""
    from ..serve.limits import LIMITS

    found = read_settings(data, host, port)
    apps = find_apps(targets or SHIPPED)
    feeds = [feed for item in apps for feed in item.feeds]
    upstreams = {name: "" for name in sorted(found.values) if name.startswith("CATCHMENT_UPSTREAM_")}
    known = {**DEFAULTS, **LIMITS, **upstreams, **_referred(feeds), **_own(apps)}
    secrets = {secret.name: None for feed in feeds for secret in feed.upstream.auth.references}
    for name in [name for name in known if name not in secrets]:
        shown = without_password(found.get(name, known[name]))
        typer.echo(f"{name:<32} {shown or '-':<28} {found.origin(name)}")
    for name in secrets:
        sources = [name + suffix for suffix in ("", "_FILE", "_COMMAND") if found.get(name + suffix).strip()]
        said, origin = ("set", found.origin(sources[0])) if sources else ("not set", "-")
        typer.echo(f"{name:<32} {said:<28} {origin}")


def _referred(feeds: Sequence[Feed]) -> dict[str, str]:
    """The settings that feeds refer to -> what holds without them."""
    referred: dict[str, str] = {}
    for feed in feeds:
        referred |= dict.fromkeys(feed.partitions.settings.values(), "")
        referred |= {setting.name: setting.default for setting in _settings_in(_declared(feed))}
        windows = ",".join(str(window) for window in feed.upstream.budget.windows)
        referred[f"{feed.upstream.name.upper().replace('-', '_')}_BUDGET"] = windows
    return referred


def _declared(feed: Feed) -> tuple[object, ...]:
    """The parts of a feed that may hold settings."""
    bound = [tuple(getattr(function, "keywords", {}).values()) for function in (feed.rows, feed.refuse)]
    return (feed.partitions, feed.request, feed.schedule, feed.upstream.budget, feed.equal, feed.retention, *bound)


def _own(apps: Sequence[App]) -> dict[str, str]:
    """The settings of the apps' own and of what people write in them -> what holds without them."""
    declared = [(*item.settings, *(resource.limits for resource in item.resources)) for item in apps]
    return {setting.name: setting.default for setting in _settings_in(tuple(declared))}


def _settings_in(value: object) -> Iterator[Setting]:
    """Every setting that a declared value holds: sources are values in values."""
    if isinstance(value, Setting):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _settings_in(item)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _settings_in(getattr(value, part.name))


def _open_store(settings: Settings, apps: Sequence[App]) -> Store:
    from ..store.store import Store

    return Store(settings, apps)


def _collect(
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

    from ..console import Reporter, result_lines, summary_table
    from ..operate import collect_once
    from ..runs import Scope

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    asked = [(item, scopes.get(item.name, Scope())) for item in apps]
    with _open_store(settings, apps) as store:
        if console is None:
            return in_loop(collect_once(asked, store, settings, clock, lambda _: None))
        with Reporter(console) as reporter:
            summaries = in_loop(collect_once(asked, store, settings, clock, reporter.tell))
        stored = {
            item.collection(feed): store.extent(item, feed)[0] for item, scope in asked for feed in _named(item, scope)
        }
        wrote = {item.collection(kind): store.extent(item, kind)[0] for item in apps for kind in item.resources}
        console.print(summary_table(summaries, stored, wrote if people else {}))
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
            print_json(_summary_json(summaries))
        else:
            typer.echo("\n".join(dry_lines(results, store.last())))
    raise typer.Exit(0)


def _named(item: App, scope: Scope) -> list[Any]:
    return [feed for feed in item.feeds if not scope.feeds or feed.name in scope.feeds]


def _finish(summaries: Mapping[str, Summary]) -> NoReturn:
    raise typer.Exit(0 if all(summary.complete for summary in summaries.values()) else INCOMPLETE)


def _up(
    targets: Sequence[str],
    apps: Sequence[App],
    settings: Settings,
    children: Children,
    console: Console,
    begun: Callable[[Sequence[App], str], Iterator[str]] = lambda *_: iter(()),
) -> None:
    """Serves in a child process and collects in this one, on one database.

    begun: what there is to do once the API answers at an address, and to say.
    """
    # Asked to end while it starts, it has nothing to finish: that is its ordinary end too.
    with suppress(Stopped):
        _serve_and_collect(targets, apps, settings, children, console, begun)
    console.print("stopped collecting", highlight=False)


def _serve_and_collect(
    targets: Sequence[str],
    apps: Sequence[App],
    settings: Settings,
    children: Children,
    console: Console,
    begun: Callable[[Sequence[App], str], Iterator[str]],
) -> None:
    from ..demo import given
    from ..operate import check_all, keep_collecting

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    with _open_store(settings, apps) as store:
        check_all(apps, store, settings, clock)  # before anybody is served by what ends at once
        server, line = children.ready(["serve", *targets], given(settings), without=_secret_names(apps))
        say(console, line)
        for said in begun(apps, line.rpartition(" ")[2]):
            say(console, said)

        def watch() -> None:
            if (code := server.poll()) is not None:
                raise CatchmentError(f"the server ended with exit code {code}", hint="its error is above")

        in_loop(keep_collecting(apps, store, settings, clock, lambda _: None, watch=watch))


def _secret_names(apps: Sequence[App]) -> set[str]:
    """The settings that lead to secrets of upstreams: whoever serves has no use for them."""
    names = {secret.name for item in apps for feed in item.feeds for secret in feed.upstream.auth.references}
    return {name + suffix for name in names for suffix in ("", "_FILE", "_COMMAND")}


def _check_address(settings: Settings) -> None:
    from ..serve.server import check_address

    check_address(settings)


def _check_port(settings: Settings) -> None:
    from ..serve.server import check_port

    check_port(settings.host, settings.port)


def _summary_json(summaries: Mapping[str, Summary]) -> Any:
    return {name: {"complete": item.complete, "results": item.results} for name, item in summaries.items()}
