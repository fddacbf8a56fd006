"""The command that removes what is stored, for good: under some keys, or of a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..app import SHIPPED, App
from ..clock import open_clock
from ..errors import UsageError, choices
from ..principal import is_user
from .arguments import DataFlag, JsonFlag, find_apps, read_settings, split_target
from .completion import collections
from .manual import INCOMPLETE, manual
from .output import print_json

if TYPE_CHECKING:
    from ..settings import Settings
    from ..store.erase import Erasure, Gone
    from ..store.person import Person, Removed
    from ..store.tables import Collection

__all__ = ["erasures"]

erasures = typer.Typer()


@erasures.command(
    **manual(
        "Keep",
        ("what would go?", "catchment erase incidents/identities 1024 --dry-run"),
        ("remove it without being asked", "catchment erase incidents/identities 1024 --yes"),
        (
            "a person: what was written, the keys, the name",
            "catchment erase --user 0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11",
        ),
        exits={0: "all of it is gone", INCOMPLETE: "nothing was agreed to, or something is left: it says what"},
    )
)
def erase(
    target: Annotated[
        str, typer.Argument(metavar="APP/COLLECTION", help="Of what.", show_default=False, autocompletion=collections)
    ] = "",
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY", help="As `_key` says it.", show_default=False)
    ] = None,
    *,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            metavar="UUID",
            help="A person, in the apps that are named in place of a collection, or in all that ship.",
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go. Nothing changes.")] = False,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Remove all that is stored under keys, or of a person, for good.

    Records, versions, rejects, archived bytes. Nothing brings them back, neither a collection nor a replay. With
    --user: what a person wrote, the API keys and the name; reviews stay as nobody's, and the audit without the name.
    """
    from ..console import gone_lines, person_lines
    from ..store.store import Store

    named, settings = [item for item in (target, *(keys or ())) if item], read_settings(data)
    if not user and len(named) < 2:
        raise UsageError("it is not said what", hint="name APP/COLLECTION and its keys, or --user UUID")
    apps = _stored(named, settings) if user else find_apps([target])
    with Store(settings, apps) as store:
        if user:
            _go(store.person(_known(user), apps), person_lines, settings, yes=yes, dry_run=dry_run, json=json)
        else:
            collection = _collection(apps[0], target)
            erasure = store.erasure(collection, apps[0], list(dict.fromkeys(named[1:])))
            _go(erasure, gone_lines, settings, yes=yes, dry_run=dry_run, json=json)


def _go(
    erasure: Erasure | Person,
    lines: Callable[[Any, str], list[str]],
    settings: Settings,
    *,
    yes: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Erases, if that is meant, and says what. lines: what goes, in words."""
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    gone: Gone | Removed = erasure.look()
    if not dry_run and not yes:
        typer.echo("\n".join(lines(gone, "would go")), err=True)
        if not _agreed("Erase that for good?"):
            typer.echo("nothing is erased", err=True)
            raise typer.Exit(INCOMPLETE)
    if not dry_run:
        gone = erasure.run(clock.now())
    if json:
        print_json([gone])
    else:
        typer.echo("\n".join(lines(gone, "would go" if dry_run else "are gone")))
    raise typer.Exit(0 if dry_run or (gone.done and not gone.left) else INCOMPLETE)


def _agreed(question: str) -> bool:
    """Whether a person says yes; who is not there does not."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        return False


def _known(user: str) -> str:
    if not is_user(user.lower()):
        raise UsageError("--user is no UUID", hint="as it stands in what they wrote, in the field of its owner")
    return user.lower()


def _stored(named: Sequence[str], settings: Settings) -> list[App]:
    """The apps that are meant; of those that ship, the ones of which something is stored: no other is to be begun."""
    from ..store.store import Store

    if named:
        return find_apps(named)
    with Store(settings, []) as store:
        begun = {name.partition("/")[0] for name in store.collections()}
    return find_apps([name for name in SHIPPED if name in begun])


def _collection(found: App, target: str) -> Collection:
    """The collection that APP/COLLECTION names. UsageError where it names none."""
    from ..store.tables import collections_of

    _, name = split_target(target)
    known = {item.feed.name: item for item in collections_of(found)}
    if name not in known:
        said = f"has no collection {name}" if name else "is an app"
        raise UsageError(f"{found.name} {said}", hint=choices(target, [f"{found.name}/{each}" for each in known]))
    return known[name]
