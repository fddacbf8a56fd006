"""The demo: stand-in upstreams beside us, everything collected from them, and a table of what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from .app import App
from .clock import open_clock
from .processes import Children
from .settings import Settings
from .standin import Crowd

if TYPE_CHECKING:  # a stand-in says how it is pointed at, and has no database
    from .store.store import Store

__all__ = [
    "behind_gateway",
    "demo_settings",
    "first_requests",
    "given",
    "people_write",
    "pointed_at",
    "reading_key",
    "start_standins",
]


def demo_settings(settings: Settings, size: str) -> Settings:
    """The settings of a demo: a data folder of its own, beside whatever was collected for real."""
    elsewhere = dict.fromkeys(("CATCHMENT_DATABASE", "CATCHMENT_DATABASE_FILE", "CATCHMENT_DATABASE_COMMAND"), "")
    return settings.with_values("demo", {"CATCHMENT_DATA": str(Path(settings.data) / f"demo-{size}"), **elsewhere})


def start_standins(apps: Sequence[App], children: Children, settings: Settings, size: str) -> Settings:
    """Starts a stand-in for every upstream of these apps, and gives the settings with which it is asked."""
    values: dict[str, str] = {}
    known = [app for app in apps if app.standin is not None]
    commands = [["standin", app.name, "--port", "0", "--size", size] for app in known]
    for app, line in zip(known, children.all_ready(commands, {}), strict=True):
        values |= pointed_at(app, line.rpartition(" ")[2], size)
    return settings.with_values("demo", values)


def people_write(apps: Sequence[App], store: Store, address: Callable[[], str]) -> Iterator[str]:
    """Has people write in every app that lives on it, unless they have; gives what was written, in words.

    address: where an API answers; it is not asked for where nobody writes.
    """
    for app in apps:
        if app.people and not any(store.extent(app, resource)[0] for resource in app.resources):
            for line in app.people(Crowd(address=address())):
                yield f"{app.name}: {line}"


def behind_gateway(apps: Sequence[App], children: Children, settings: Settings) -> str:
    """The address of an API that takes this machine's word for who writes, there for as long as its children are.

    It is not the one that is shown: behind a gateway on this machine anybody may be, who may read what is public only.
    """
    place = {"CATCHMENT_HOST": "127.0.0.1", "CATCHMENT_PORT": "0", "CATCHMENT_TRUSTED_GATEWAYS": "127.0.0.0/8"}
    _, line = children.ready(["serve", *(app.name for app in apps)], given(settings) | place)
    return line.rpartition(" ")[2]


def given(settings: Settings) -> dict[str, str]:
    """What a child is told of the settings: what a flag or the demo said."""
    return {name: text for name, (text, origin) in settings.values.items() if origin in ("flag", "demo")}


def first_requests(apps: Sequence[App], address: str, key: str) -> Iterator[str]:
    """A request for each app, as a person types it, and where to read on. key: for what not everybody may read."""
    yield "\nAsk, in another terminal:"
    for app in apps:
        public = [feed.public for feed in app.feeds] + [resource.public for resource in app.resources]
        proof = "" if all(public) else f" -H 'Authorization: Bearer {key}'"
        yield f"  curl{proof} '{address}{app.example}'"
    yield f"\nLook at it in a browser: {address}; every route is described at {address}/docs. Ctrl+C ends it all."


def reading_key(settings: Settings) -> str:
    """A new key that reads what not everybody may read of the demo."""
    from .store.engines import database_of
    from .store.keys import create

    now = open_clock(settings.get("CATCHMENT_CLOCK")).now()
    return create(database_of(settings.database), "demo", str(uuid4()), {"read"}, now)[0]


def pointed_at(app: App, url: str, size: str) -> dict[str, str]:
    """The settings with which the app asks the stand-in at this URL: each of its upstreams, with the path that it has
    for real, is there.

    What a client of a stand-in has to set besides (a key, symbols that it knows) the app says itself, in the place of
    what is set for the real upstream.
    """
    upstreams = {
        f"CATCHMENT_UPSTREAM_{feed.upstream.name.upper().replace('-', '_')}": url + urlsplit(feed.upstream.url).path
        for feed in app.feeds
    }
    return {**upstreams, "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8", **app.demo(size)}
