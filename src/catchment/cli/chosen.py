"""`catchment settings`: what is set, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import typer

from ..app import SHIPPED, App
from ..settings import DEFAULTS, Setting, Settings, without_password
from .arguments import CheckedTargets, DataFlag, HostFlag, JsonFlag, PortFlag, find_apps, read_settings
from .manual import manual
from .output import print_json

if TYPE_CHECKING:
    from ..feed import Feed

__all__ = ["chosen"]

chosen = typer.Typer()


@chosen.command(
    "settings",
    **manual(
        "Operate",
        ("of all apps that ship", "catchment settings"),
        ("of one app, or your own", "catchment settings feeds:app"),
    ),
)
def settings_(
    targets: CheckedTargets = None,
    *,
    json: JsonFlag = False,
    data: DataFlag = "",
    host: HostFlag = "",
    port: PortFlag = "",
) -> None:
    """Print each setting, its value, and where it came from.

    Of a secret only whether it is set.
    """
    found, apps = read_settings(data, host, port), find_apps(targets or SHIPPED)
    rows = _rows(found, apps)
    if json:
        print_json(rows)
        return
    for row in rows:
        shown = row["value"] or ("-" if not row["secret"] else "set" if row["origin"] else "not set")
        typer.echo(f"{row['name']:<32} {shown:<28} {row['origin'] or '-'}")


def _rows(found: Settings, apps: Sequence[App]) -> list[dict[str, str | bool]]:
    """Each setting with its value and its origin; of a secret no value, and an origin where it is set."""
    from ..serve.limits import LIMITS
    from ..watching import SENTRY

    feeds = [feed for item in apps for feed in item.feeds]
    upstreams = {name: "" for name in sorted(found.values) if name.startswith("CATCHMENT_UPSTREAM_")}
    known = {**DEFAULTS, **LIMITS, **upstreams, **_referred(feeds), **_own(apps)}
    secrets = dict.fromkeys(secret.name for feed in feeds for secret in feed.upstream.auth.references)
    secrets[SENTRY] = None
    rows: list[dict[str, str | bool]] = [
        {
            "name": name,
            "value": without_password(found.get(name, known[name])),
            "origin": found.origin(name),
            "secret": False,
        }
        for name in known
        if name not in secrets
    ]
    for name in secrets:
        sources = [name + suffix for suffix in ("", "_FILE", "_COMMAND") if found.get(name + suffix).strip()]
        rows.append({"name": name, "value": "", "origin": found.origin(sources[0]) if sources else "", "secret": True})
    return rows


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
