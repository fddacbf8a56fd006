"""What a shell completes: commands and options by themselves; here apps, feeds, collections, and the script for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..app import SHIPPED, App, load_app
from ..errors import CatchmentError
from .manual import manual

__all__ = ["COMPLETES", "collections", "completions", "know_shells", "partitions", "targets"]

COMPLETES = "_CATCHMENT_COMPLETE"
"""The variable by which a shell asks what may stand at the cursor."""

completions = typer.Typer()


@completions.command(
    **manual(
        "Operate",
        ("in this bash", 'eval "$(catchment completion bash)"'),
        ("in every bash from now on", "catchment completion bash >> ~/.bashrc"),
        ("in every zsh", 'catchment completion zsh > "${fpath[1]}/_catchment"'),
        ("in every fish", "catchment completion fish > ~/.config/fish/completions/catchment.fish"),
    )
)
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", help="Whose.", show_default=False)
    ],
) -> None:
    """Print the script by which a shell completes `catchment`.

    It completes commands, options, the apps that ship, their feeds, and the apps in files of this folder.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # there, but not said to be

    typer.echo(get_completion_script(prog_name="catchment", complete_var=COMPLETES, shell=shell))


def know_shells() -> None:
    """Makes the command answer such a script, which asks it by `COMPLETES`."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # as above

    completion_init()


def targets(incomplete: str) -> list[str]:
    """Apps; behind the name of one its feeds too."""
    return _names(incomplete, written=False)


def collections(incomplete: str) -> list[str]:
    """The same, with what people write."""
    return _names(incomplete, written=True)


def partitions(context: typer.Context, incomplete: str) -> list[str]:
    """The names that partitions of the targets so far have, to be given a value."""
    named = context.params.get("targets") or context.args or SHIPPED
    feeds = [feed for target in named for app in _app(target.partition("/")[0]) for feed in app.feeds]
    found = {name for feed in feeds for name in feed.partitions.names}
    return [f"{name}=" for name in sorted(found) if f"{name}=".startswith(incomplete)]


def _names(incomplete: str, *, written: bool) -> list[str]:
    name = incomplete.partition("/")[0]
    known = [*SHIPPED, *_own()]
    for app in _app(name):
        items = [item.name for item in app.feeds] + [item.name for item in app.resources if written]
        known += [f"{name}/{item}" for item in items]
    return [each for each in known if each.startswith(incomplete)]


def _app(name: str) -> Iterator[App]:
    """The app of that name, where it is one: what is half written is not."""
    if name in SHIPPED or ":" in name:
        try:
            yield load_app(name)
        except CatchmentError:  # it would be said by the command
            return


def _own() -> Iterator[str]:
    """Apps in files of this folder, read and not run: `feeds:app` where feeds.py has a line `app = App(`."""
    for file in sorted(Path.cwd().glob("*.py"))[:100]:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        for line in lines:
            name, sign, value = line.partition("=")
            if sign and value.strip().startswith("App(") and name.strip().isidentifier():
                yield f"{file.stem}:{name.strip()}"
