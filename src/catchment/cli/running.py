"""The commands that run until they are asked to end: the demo, the collector with the API, the API alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import SHIPPED, App, load_app
from ..clock import open_clock
from ..errors import CatchmentError, UsageError
from ..processes import Stopped, in_loop
from ..settings import Settings
from .arguments import SIZES, DataFlag, HostFlag, PortFlag, SizeFlag, Targets, app_of, find_apps, one_of, read_settings
from .commands import collect_all, finish, open_store, print_summaries
from .manual import COLLECTED, SERVED, manual
from .output import console as open_console
from .output import say

if TYPE_CHECKING:  # they load the database and the terminal's tables: only for commands that use them
    from rich.console import Console

    from ..processes import Children

__all__ = ["running"]

running = typer.Typer()


@running.command(
    **manual(
        "Collect",
        ("collect what the stand-ins have, and open it on http://127.0.0.1:8000", "catchment demo"),
        ("only collect and print the table, with more of everything", "catchment demo --once --size small"),
        ("the same for a script", "catchment demo --once --json"),
        exits=COLLECTED,
    )
)
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Collect, print the table, and end.")] = False,
    size: SizeFlag = "tiny",
    json: Annotated[bool, typer.Option("--json", help="With --once: print JSON for a script.")] = False,
    data: DataFlag = "",
    host: HostFlag = "",
    port: PortFlag = "",
) -> None:
    """Show it all on stand-in upstreams, without a key or a network.

    They are started, all that they have is collected, made-up people write, and the API and its pages are served.
    """
    from ..demo import behind_gateway, demo_settings, first_requests, people_write, reading_key, start_standins
    from ..processes import Children

    apps = [load_app(name) for name in SHIPPED]
    if json and not once:
        raise UsageError("--json goes with --once", hint="what is served prints no table: ask its API")
    console = open_console(quiet=json)
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
        with Children(os.environ) as beside, open_store(settings, apps) as store:
            for said in people_write(apps, store, lambda: behind_gateway(apps, beside, settings)):
                say(console, said)
        summaries = collect_all(apps, {}, settings, None if json else console, people=True)
        if json:
            print_summaries(summaries)
        if once:
            finish(summaries)

        def begun(apps: Sequence[App], address: str) -> Iterator[str]:
            yield from first_requests(apps, address, reading_key(settings))

        _up(list(SHIPPED), apps, settings, children, console, begun)


@running.command(
    **manual(
        "Collect",
        ("collect by schedule, and serve on a port of your choice", "catchment up stocks --port 8081"),
        ("several apps in one process", "catchment up police stocks feeds:app"),
        exits=SERVED,
    )
)
def up(targets: Targets, *, data: DataFlag = "", host: HostFlag = "", port: PortFlag = "") -> None:
    """Collect by schedule and serve it, until Ctrl+C."""
    from ..processes import Children

    apps, settings = find_apps(targets), read_settings(data, host, port)
    _check_address(settings)
    _check_port(settings)
    with Children(os.environ) as children:
        _up([app_of(target) for target in targets], apps, settings, children, open_console())


@running.command(
    **manual(
        "Operate",
        ("the API and the pages of what is stored", "catchment serve stocks police"),
        ("one collection of an app alone", "catchment serve providers --only reviews"),
        exits=SERVED,
    )
)
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
    """Serve the API and the pages of what is stored, until Ctrl+C.

    No upstream is asked.
    """
    from .. import explorer
    from ..serve.server import run
    from ..store.engines import database_of
    from ..store.store import prepare

    apps, settings = find_apps(targets), read_settings(data, host, port)
    prepare(database_of(settings.database), apps)
    run([app_of(target) for target in targets], settings, only=only or (), pages=explorer.handlers, warm=explorer.warm)


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
    with open_store(settings, apps) as store:
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
