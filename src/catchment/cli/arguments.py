"""From what stands on the command line to values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..app import App, load_app
from ..clock import parse_moment
from ..errors import UsageError, choices
from ..settings import Settings, load_settings
from .completion import partitions, targets
from .log import configure_log

if TYPE_CHECKING:  # it loads the database: only for commands that use it
    from ..runs import Scope

Targets = Annotated[
    list[str],
    typer.Argument(metavar="TARGET", help="APP, APP/FEED or FILE:app.", show_default=False, autocompletion=targets),
]
OptionalTargets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET", help="APP, APP/FEED or FILE:app.", show_default="all that is stored", autocompletion=targets
    ),
]
CheckedTargets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET", help="APP or FILE:app.", show_default="the apps that ship", autocompletion=targets
    ),
]
SIZES = ("tiny", "small", "medium", "large")
SizeFlag = Annotated[
    str, typer.Option("--size", metavar="|".join(SIZES), help="How much there is.", autocompletion=lambda: list(SIZES))
]
DataFlag = Annotated[
    str, typer.Option("--data", metavar="FOLDER", help="The data folder.", show_default="./catchment-data")
]
HostFlag = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="The address to serve on.", show_default="127.0.0.1")
]
PortFlag = Annotated[
    str, typer.Option("--port", metavar="PORT", help="The port to serve on; 0 for any free one.", show_default="8000")
]
OnlyFlag = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME=VALUE", help="Only these partitions. Repeatable.", autocompletion=partitions),
]
AgainFlag = Annotated[bool, typer.Option("--again", help="Also what is not due yet.")]
DryFlag = Annotated[bool, typer.Option("--dry-run", help="Ask and compare, but keep nothing. It spends the budget.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def read_settings(data: str, host: str = "", port: str = "") -> Settings:
    """The settings as the command sees them, with its flags on top."""
    flags = {"CATCHMENT_DATA": data, "CATCHMENT_HOST": host, "CATCHMENT_PORT": port}
    settings = load_settings(flags, folder=Path.cwd())
    _ = settings.port
    configure_log(settings.get("CATCHMENT_LOG"))
    return settings


def find_apps(targets: Sequence[str]) -> list[App]:
    """The apps of the targets, each once, in their order."""
    return list({found.name: found for found in (load_app(app_of(target)) for target in targets)}.values())


def split_target(target: str) -> tuple[str, str]:
    """The app's part of a target and its feed's, "" for all: `stocks/bars`, `feeds:app`, `my/feeds.py:app/orders`."""
    file, colon, rest = target.rpartition(":")
    name, _, feed = rest.partition("/")
    return f"{file}{colon}{name}", feed


def app_of(target: str) -> str:
    """The app's part of a target."""
    return split_target(target)[0]


def read_scopes(targets: Sequence[str], only: Sequence[str] | None, *, again: bool) -> dict[str, Scope]:
    """App -> what is asked of it: the feeds named by APP/FEED, the partitions named by --only."""
    from ..runs import Scope

    wanted: dict[str, list[str]] = {}
    for text in only or ():
        name, sign, value = text.partition("=")
        if not (sign and name and value):
            raise UsageError(f"--only {text} is no NAME=VALUE", hint="e.g. --only force=leicestershire")
        wanted.setdefault(name, []).append(value)
    feeds: dict[str, list[str]] = {}
    for target in targets:
        name, feed = split_target(target)
        feeds.setdefault(load_app(name).name, []).extend([feed] if feed else [])
    return {name: Scope(only=wanted, again=again, feeds=tuple(names)) for name, names in feeds.items()}


def names_of(apps: Sequence[App], targets: Sequence[str]) -> list[str]:
    """The collections that targets name, of feeds. UsageError for a feed that there is not."""
    scopes = read_scopes(targets, None, again=False)
    names = []
    for item in apps:
        known = [feed.name for feed in item.feeds]
        wanted = list(scopes[item.name].feeds) or known
        if stray := sorted(set(wanted) - set(known)):
            raise UsageError(f"app {item.name} has no feed {stray[0]}", hint=choices(stray[0], known))
        names += [f"{item.name}/{name}" for name in wanted]
    return names


def one_of(flag: str, value: str, known: Sequence[str]) -> str:
    """The value. UsageError, naming the flag, if it is none of the known ones."""
    if value not in known:
        raise UsageError(f"{flag} {value} is unknown", hint=choices(value, known))
    return value


def read_moment(text: str, flag: str = "--clock") -> datetime:
    """The moment that a flag names."""
    try:
        return parse_moment(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text} is no moment", hint="write e.g. 2026-01-31T04:00:00Z") from error
