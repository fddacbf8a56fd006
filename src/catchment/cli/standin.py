"""`catchment standin`: an upstream that is none, or people who are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..app import App, load_app
from ..clock import open_clock
from ..errors import UsageError
from ..settings import Secret, Settings
from .arguments import SIZES, SizeFlag, one_of, read_moment, read_settings
from .completion import targets
from .manual import SERVED, manual

if TYPE_CHECKING:  # it loads the server of stand-ins
    from ..standin import Options

__all__ = ["standins"]

KEY = Secret("CATCHMENT_KEY")
standins = typer.Typer()

_PEOPLE = "Of apps that people write in: "


@standins.command(
    **manual(
        "Operate",
        (
            "an upstream on a port of yours; it prints how to collect from it",
            "catchment standin stocks --port 9001 --size small",
        ),
        ("one that is late from the start", "catchment standin police --switch late=1"),
        ("made-up people who write to a server of yours", "catchment standin providers --to http://127.0.0.1:8000"),
        exits=SERVED,
    )
)
def standin(  # noqa: PLR0913 (the command's flags, each an argument)
    name: Annotated[
        str,
        typer.Argument(
            metavar="APP", help="Whose upstream to stand in for.", show_default=False, autocompletion=targets
        ),
    ],
    *,
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Where to listen; 0 for any free one.", min=0, max=65535)
    ] = 0,
    size: SizeFlag = "tiny",
    variant: Annotated[
        int, typer.Option(metavar="NUMBER", help="Which of its worlds: same variant, same bytes.", min=0)
    ] = 1,
    samples: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A folder of recorded answers to serve.")
    ] = None,
    clock: Annotated[
        str, typer.Option(metavar="TIME", help="The moment at which it begins, e.g. 2026-01-31T04:00:00Z.")
    ] = "",
    switch: Annotated[
        list[str] | None,
        typer.Option("--switch", metavar="NAME=VALUE", help="A switch as it stands at the start. Repeatable."),
    ] = None,
    to: Annotated[
        str, typer.Option(metavar="URL", help=f"{_PEOPLE}the service that they write to.", show_default="ours")
    ] = "",
    clients: Annotated[
        int, typer.Option(metavar="NUMBER", help=f"{_PEOPLE}how many write at once.", min=1, max=64)
    ] = 1,
    load: Annotated[
        int, typer.Option(metavar="NUMBER", help=f"{_PEOPLE}further writes by all clients at once.", min=0)
    ] = 0,
    gateway: Annotated[
        str, typer.Option(help=f"{_PEOPLE}how they are told: user, none, malformed, both, wrong or different.")
    ] = "user",
    data: Annotated[
        str, typer.Option(help=f"{_PEOPLE}a new data folder to load it into below the API, of any size.")
    ] = "",
) -> None:
    """Run a stand-in upstream that misbehaves as told.

    Or have made-up people write to an API, of apps that people write in. It prints how to collect from it. What it does
    while it runs is said by:

    \b
    POST /_control, any of
    - switches: {NAME: VALUE}; GET /_control shows all of them
    - faults: [{fault, path, query, call, every, ...}]: what is spoilt
    - hold: [{path, query, call, every}]: what waits until release: true
    - clock: a moment; advance: seconds
    - reset: true; everything as at the start
    GET /_control/log: every request so far
    GET /_control/wait?requests=N: an answer once there were N

    What is wrong in a body is 400, and says what there can be. For example, the third answer breaks off:

    \b
    curl 127.0.0.1:9001/_control -d '{"faults": {"fault": "truncate", "call": 3}}'
    """  # noqa: D301 (the escape marks lines that are not wrapped)
    target, settings = load_app(name), read_settings(data)
    size = one_of("--size", size, SIZES)
    if target.standin is not None:
        _stand_in(name, target, settings, port, switch or (), size=size, variant=variant, samples=samples, clock=clock)
    elif target.people is None:
        raise UsageError(f"app {name} has no stand-in")
    elif data and (to or load or clients > 1 or gateway != "user"):
        raise UsageError("--data loads below the API", hint="leave out --to, --clients, --load and --gateway")
    else:
        _write(
            target.people,
            settings,
            database=settings.data / "catchment.sqlite" if data else None,
            address=_address(to or f"http://{settings.host}:{settings.port}"),
            size=size,
            variant=variant,
            gateway=gateway,
            clients=clients,
            load=load,
        )


def _stand_in(
    name: str, target: App, settings: Settings, port: int, switches: Sequence[str], *, clock: str, **chosen: Any
) -> None:
    """Serves in the upstream's place. chosen: further options of the stand-in."""
    from ..standin import Options
    from ..standin.running import clock_from

    now = clock_from(read_moment(clock)) if clock else open_clock(settings.get("CATCHMENT_CLOCK"))
    _serve(name, target, Options(clock=now, **chosen), port, switches)


def _write(people: Callable[[Any], Iterator[str]], settings: Settings, *, gateway: str, **chosen: Any) -> None:
    """Has made-up people write, or loads what they wrote. chosen: what else there is to say of the crowd."""
    from ..standin import Crowd
    from ..standin.crowd import GATEWAYS

    known: Any = one_of("--gateway", gateway, GATEWAYS)
    key = KEY.reveal(settings) if gateway == "different" else ""
    for line in people(Crowd(gateway=known, key=key, **chosen)):
        typer.echo(line)


def _address(url: str) -> str:
    """The address that people write to: over the wire of one machine or a network of one's own, so not encrypted."""
    if not url.startswith("http://"):
        raise UsageError(f"--to {url} is no http:// URL", hint="e.g. http://127.0.0.1:8000")
    return url


def _serve(name: str, target: App, options: Options, port: int, switches: Sequence[str]) -> None:
    from ..demo import pointed_at
    from ..standin.running import run

    assert target.standin is not None
    if options.samples is not None and not options.samples.is_dir():
        raise UsageError(f"--samples {options.samples} is no folder")

    def how_to_collect(url: str) -> str:
        said = " ".join(f"{setting}={quote(text)}" for setting, text in pointed_at(target, url, options.size).items())
        return f"collect from it: {said} catchment collect {name}"

    service = target.standin(options)
    turned = _switches(switches, service.switches())
    run(service, port, clock=options.clock, switches=turned, note=how_to_collect)


def _switches(given: Sequence[str], known: object) -> dict[str, object]:
    """Name -> value: a text where the switch is one, else what it says in JSON."""
    found: dict[str, object] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (sign and name):
            raise UsageError(f"--switch {text} is no NAME=VALUE", hint="e.g. --switch late=2")
        found[name] = value
        if not isinstance(getattr(known, name, ""), str):
            with suppress(ValueError):  # what is no JSON is no value either, and told where it is set
                found[name] = json.loads(value)
    return found
