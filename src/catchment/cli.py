"""The command line: arguments to values, values to text. What is done stands elsewhere."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from . import __version__
from .app import SHIPPED, App, load_app
from .clock import open_clock, parse_moment
from .errors import CatchmentError, DeclarationError, StoreError, UsageError
from .principal import SCOPES, Action, is_user
from .settings import DEFAULTS, Settings, load_settings

if TYPE_CHECKING:  # they load the database and the terminal's tables: only for commands that use them
    from rich.console import Console
    from rich.table import Table

    from .runs import Scope, Summary
    from .store.keys import Key
    from .store.store import Store

__all__ = ["main"]

INCOMPLETE = 3
WRONG_USE = 2

app = typer.Typer(
    name="catchment",
    help="Other people's APIs, as your own: collect them on schedule, keep every version, serve them.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="A target is an app that ships (police, stocks), one of its feeds (stocks/bars), or yours: feeds:app.",
)

Targets = Annotated[list[str], typer.Argument(help="APP, APP/FEED or FILE:app.", show_default=False)]
DataFlag = Annotated[str, typer.Option("--data", help="The data folder.", show_default="./catchment-data")]
HostFlag = Annotated[str, typer.Option("--host", help="The address to serve on.", show_default="127.0.0.1")]
PortFlag = Annotated[str, typer.Option("--port", help="The port to serve on.", show_default="8000")]
OnlyFlag = Annotated[
    list[str] | None, typer.Option("--only", metavar="NAME=VALUE", help="Only these partitions. Repeatable.")
]
AgainFlag = Annotated[bool, typer.Option("--again", help="Also what is not due yet.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


# -- commands -----------------------------------------------------------------------------------------------------


@app.command(epilog="[bold]Example[/bold]  catchment demo --once")
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Collect, print the table, and end.")] = False,
    size: Annotated[str, typer.Option(help="How much the stand-ins have: tiny, small, medium or large.")] = "tiny",
    data: DataFlag = "",
    host: HostFlag = "",
    port: PortFlag = "",
) -> None:
    """Show it: stand-in upstreams, everything collected from them, then served. No key, no network."""
    from .demo import demo_settings, start_standins
    from .processes import Children

    apps = [load_app(name) for name in SHIPPED]
    console = _console()
    settings = demo_settings(_settings(data, host, port), _one_of("--size", size, SIZES))
    if not once:
        _check_port(settings)
    with Children(os.environ) as children:
        settings = start_standins(apps, children, settings, size)
        # Made up data, readable by whom the address reaches: a container's demo is one command, and needs no key.
        settings = settings.with_values("demo", {"CATCHMENT_WITHOUT_KEYS": "yes"})
        console.print(
            f"Stand-in upstreams are up. Collecting {', '.join(SHIPPED)} into {settings.data}", highlight=False
        )
        summaries = _collect(apps, {}, settings, console)
        if once:
            _finish(summaries)
        address = f"http://{settings.host}:{settings.port}"
        console.print(
            f"Read {address}/docs, or ask: curl '{address}/v1/stocks/bars?symbol=IBM&limit=1'", highlight=False
        )
        _up(list(SHIPPED), apps, settings, children, console)


@app.command(epilog="[bold]Example[/bold]  catchment collect police --only force=leicestershire")
def collect(
    targets: Targets,
    *,
    only: OnlyFlag = None,
    again: AgainFlag = False,
    json: JsonFlag = False,
    data: DataFlag = "",
) -> None:
    """Collect what is due, and end. Exit 0: all complete; 3: something is incomplete, and it says what."""
    apps = _apps(targets)
    scopes = _scopes(targets, only, again=again)
    settings = _settings(data)
    if json:
        summaries = _collect(apps, scopes, settings, None)
        _print_json(_summary_json(summaries))
    else:
        summaries = _collect(apps, scopes, settings, _console())
    _finish(summaries)


@app.command(epilog="[bold]Example[/bold]  catchment plan stocks")
def plan(targets: Targets, *, only: OnlyFlag = None, again: AgainFlag = False, data: DataFlag = "") -> None:
    """Say what is due, what it costs, and when it will be done under the budget. Nothing is asked."""
    from .console import plan_table
    from .operate import forecasts

    apps, settings = _apps(targets), _settings(data)
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    scopes = _scopes(targets, only, again=again)
    with _open_store(settings, apps) as store:
        found = asyncio.run(forecasts([(item, scopes[item.name]) for item in apps], store, settings, clock))
    _console().print(plan_table(found))


@app.command(epilog="[bold]Example[/bold]  catchment up stocks --port 8081")
def up(targets: Targets, *, data: DataFlag = "", host: HostFlag = "", port: PortFlag = "") -> None:
    """Collect whatever becomes due, and serve it, until Ctrl+C."""
    from .processes import Children

    apps, settings = _apps(targets), _settings(data, host, port)
    _check_address(settings)
    _check_port(settings)
    with Children(os.environ) as children:
        _up([target.partition("/")[0] for target in targets], apps, settings, children, _console())


@app.command(epilog="[bold]Example[/bold]  catchment serve stocks police")
def serve(targets: Targets, *, data: DataFlag = "", host: HostFlag = "", port: PortFlag = "") -> None:
    """Serve what has been collected. No upstream is asked."""
    from .serve.server import run
    from .store.sqlite import path_of
    from .store.store import prepare

    apps, settings = _apps(targets), _settings(data, host, port)
    prepare(path_of(settings.database), apps)
    run([target.partition("/")[0] for target in targets], settings)


@app.command(epilog="[bold]Example[/bold]  catchment status police")
def status(targets: Targets, *, json: JsonFlag = False, data: DataFlag = "") -> None:
    """Say how every collection stands: records, verdicts, age, budget left. Exit 3 if something is incomplete."""
    from .console import status_table
    from .operate import standings

    apps, settings = _apps(targets), _settings(data)
    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    with _open_store(settings, apps) as store:
        found = standings(apps, store, settings, clock.now())
    if json:
        _print_json(found)
    else:
        _console().print(status_table(found, clock.now()))
    raise typer.Exit(0 if all(item.complete for item in found) else INCOMPLETE)


@app.command(epilog="[bold]Example[/bold]  catchment standin stocks --port 9001 --size small")
def standin(
    name: Annotated[str, typer.Argument(metavar="APP", help="Whose upstream to stand in for.", show_default=False)],
    *,
    port: Annotated[int, typer.Option(help="0 for any free one.", min=0, max=65535)] = 0,
    size: Annotated[str, typer.Option(help="tiny, small, medium or large.")] = "tiny",
    variant: Annotated[int, typer.Option(help="Which of its worlds: same variant, same bytes.", min=0)] = 1,
    samples: Annotated[Path | None, typer.Option(help="A folder of recorded answers to serve.")] = None,
    clock: Annotated[str, typer.Option(help="The moment at which it begins, e.g. 2026-01-31T04:00:00Z.")] = "",
) -> None:
    """Run a stand-in upstream: an API to collect from, that misbehaves on demand (POST /_control)."""
    from .standin import Options
    from .standin.running import clock_from, run

    target = load_app(name)
    if target.standin is None:
        raise UsageError(f"app {name} has no stand-in")
    if samples is not None and not samples.is_dir():
        raise UsageError(f"--samples {samples} is no folder")
    settings = _settings("")
    now = clock_from(_moment(clock)) if clock else open_clock(settings.get("CATCHMENT_CLOCK"))
    options = Options(size=_one_of("--size", size, SIZES), variant=variant, samples=samples, clock=now)  # type: ignore[arg-type]  # checked against the same list
    run(target.standin(options), port, clock=now)


@app.command("settings", epilog="[bold]Example[/bold]  catchment settings")
def settings_(*, data: DataFlag = "", host: HostFlag = "", port: PortFlag = "") -> None:
    """Print each setting with its value and where it came from. Secrets are not settings, and not shown."""
    from .serve.limits import LIMITS

    found = _settings(data, host, port)
    known = {**DEFAULTS, **LIMITS}
    upstreams = [name for name in sorted(found.values) if name.startswith("CATCHMENT_UPSTREAM_")]
    for name in [*known, *upstreams]:
        typer.echo(f"{name:<32} {found.get(name, known.get(name, '')) or '-':<28} {found.origin(name)}")


keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys with which others read and write.")
app.add_typer(keys, name="keys")


@keys.command("create", epilog="[bold]Example[/bold]  catchment keys create --name reports --scope read --expires 90d")
def keys_create(
    *,
    name: Annotated[str, typer.Option("--name", help="What the key is for.", show_default=False)],
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, write, moderate or operate. Repeatable.", show_default=False)
    ],
    principal: Annotated[
        str, typer.Option("--principal", metavar="UUID", help="Whose key it is; a new user without it.")
    ] = "",
    expires: Annotated[str, typer.Option("--expires", metavar="90d|DATE", help="When it ends; never without it.")] = "",
    data: DataFlag = "",
) -> None:
    """Make a key and print it, this once: only a digest of it is kept."""
    from .store.keys import create

    path, now = _key_store(data)
    user, until = _user(principal), _expiry(expires, now)
    text, key = create(path, _label(name), user, _scopes_of_key(scope), now, expires_at=until)
    sys.stderr.write(f"key {key.id} of user {key.principal}; it is not shown again:\n")
    typer.echo(text)


@keys.command("list", epilog="[bold]Example[/bold]  catchment keys list")
def keys_list(*, json: JsonFlag = False, data: DataFlag = "") -> None:
    """List every key by its id, also the revoked ones. What a key is made of is not stored, so not shown."""
    from .store.keys import listed

    path, now = _key_store(data)
    found = [_key_row(key, now) for key in listed(path)]
    if json:
        _print_json(found)
    else:
        _console().print(_table_of(found, KEY_COLUMNS))


@keys.command("revoke", epilog="[bold]Example[/bold]  catchment keys revoke 5yd3ktqc")
def keys_revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="As in the list.", show_default=False)],
    *,
    data: DataFlag = "",
) -> None:
    """Revoke a key: the next request that brings it is refused."""
    from .store.keys import revoke

    path, now = _key_store(data)
    key = revoke(path, identity, now)
    typer.echo(f"key {key.id} ({key.name}) is revoked since {key.revoked_at:%Y-%m-%d %H:%M} UTC")


# -- from arguments to values ---------------------------------------------------------------------------------------

SIZES = ("tiny", "small", "medium", "large")


def _settings(data: str, host: str = "", port: str = "") -> Settings:
    flags = {"CATCHMENT_DATA": data, "CATCHMENT_HOST": host, "CATCHMENT_PORT": port}
    settings = load_settings(flags, folder=Path.cwd())
    _ = settings.port
    return settings


def _apps(targets: Sequence[str]) -> list[App]:
    """The apps of the targets, each once, in their order."""
    return list({found.name: found for found in (load_app(_app_of(target)) for target in targets)}.values())


def _app_of(target: str) -> str:
    return target.partition("/")[0] if ":" not in target else target


def _scopes(targets: Sequence[str], only: Sequence[str] | None, *, again: bool) -> dict[str, Scope]:
    """App -> what is asked of it: the feeds named by APP/FEED, the partitions named by --only."""
    from .runs import Scope

    wanted: dict[str, list[str]] = {}
    for text in only or ():
        name, sign, value = text.partition("=")
        if not (sign and name and value):
            raise UsageError(f"--only {text} is no NAME=VALUE", hint="e.g. --only force=leicestershire")
        wanted.setdefault(name, []).append(value)
    feeds: dict[str, list[str]] = {}
    for target in targets:
        feed = target.partition("/")[2] if ":" not in target else ""
        feeds.setdefault(load_app(_app_of(target)).name, []).extend([feed] if feed else [])
    return {name: Scope(only=wanted, again=again, feeds=tuple(names)) for name, names in feeds.items()}


def _one_of(flag: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise UsageError(f"{flag} {value} is unknown", hint=f"choose {', '.join(known)}")
    return value


def _moment(text: str) -> datetime:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise UsageError(f"--clock {text} is no moment", hint="write e.g. 2026-01-31T04:00:00Z") from error


def _label(name: str) -> str:
    if not (name.strip() and name.isprintable() and len(name) <= 100):
        raise UsageError("--name is 1 to 100 printable characters", hint="say what the key is for")
    return name.strip()


def _user(principal: str) -> str:
    """The user's UUID as given, in lower case; a new one when none is given."""
    if not principal:
        return str(uuid.uuid4())
    if not is_user(principal.lower()):
        raise UsageError("--principal is no UUID", hint="e.g. 0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11, or leave it out")
    return principal.lower()


def _scopes_of_key(scopes: Sequence[str]) -> frozenset[Action]:
    return frozenset(known for given in scopes for known in SCOPES if _one_of("--scope", given, SCOPES) == known)


def _expiry(text: str, now: datetime) -> datetime | None:
    """The moment after so many days, or the first one of a date; None without any."""
    if not text:
        return None
    try:
        days = re.fullmatch(r"([1-9][0-9]{0,4})d", text)
        moment = now + timedelta(days=int(days[1])) if days else parse_moment(text)
    except ValueError as error:
        raise UsageError("--expires is neither days nor a date", hint="write 90d or 2027-01-31") from error
    if moment <= now:
        raise UsageError(f"--expires {text} is past", hint="write e.g. 90d")
    return moment


# -- doing ----------------------------------------------------------------------------------------------------------


def _open_store(settings: Settings, apps: Sequence[App]) -> Store:
    from .store.store import Store

    return Store(settings, apps)


def _collect(
    apps: Sequence[App], scopes: Mapping[str, Scope], settings: Settings, console: Console | None
) -> dict[str, Summary]:
    """Collects, with progress on the console and the table at its end; silent without one."""
    from .console import Reporter, result_lines, summary_table
    from .operate import collect_once
    from .runs import Scope

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    asked = [(item, scopes.get(item.name, Scope())) for item in apps]
    with _open_store(settings, apps) as store:
        if console is None:
            return asyncio.run(collect_once(asked, store, settings, clock, lambda _: None))
        with Reporter(console) as reporter:
            summaries = asyncio.run(collect_once(asked, store, settings, clock, reporter.tell))
        stored = {
            item.collection(feed): store.extent(item, feed)[0] for item, scope in asked for feed in _named(item, scope)
        }
        console.print(summary_table(summaries, stored))
        for line in result_lines([result for summary in summaries.values() for result in summary.results]):
            console.print(f"[yellow]incomplete[/yellow] {line}", highlight=False)
    return summaries


def _named(item: App, scope: Scope) -> list[Any]:
    return [feed for feed in item.feeds if not scope.feeds or feed.name in scope.feeds]


def _finish(summaries: Mapping[str, Summary]) -> NoReturn:
    raise typer.Exit(0 if all(summary.complete for summary in summaries.values()) else INCOMPLETE)


def _up(targets: Sequence[str], apps: Sequence[App], settings: Settings, children: Any, console: Console) -> None:
    """Serves in a child process and collects in this one, on one database."""
    from .operate import keep_collecting

    clock = open_clock(settings.get("CATCHMENT_CLOCK"))
    with _open_store(settings, apps) as store:
        given = {name: text for name, (text, origin) in settings.values.items() if origin in ("flag", "demo")}
        server = children.start(["serve", *targets], given, without=_secret_names(apps))

        def watch() -> None:
            if (code := server.poll()) is not None:
                raise CatchmentError(f"the server ended with exit code {code}", hint="its error is above")

        asyncio.run(keep_collecting(apps, store, settings, clock, lambda _: None, watch=watch))
    console.print("stopped collecting", highlight=False)


def _key_store(data: str) -> tuple[Path, datetime]:
    """The database that the settings name, with its tables, and now."""
    from .store.sqlite import path_of
    from .store.store import prepare

    settings = _settings(data)
    path = path_of(settings.database)
    prepare(path, [])
    return path, open_clock(settings.get("CATCHMENT_CLOCK")).now()


def _secret_names(apps: Sequence[App]) -> set[str]:
    """The settings that lead to secrets of upstreams: whoever serves has no use for them."""
    names = {secret.name for item in apps for feed in item.feeds for secret in feed.upstream.auth.references}
    return {name + suffix for name in names for suffix in ("", "_FILE", "_COMMAND")}


def _check_address(settings: Settings) -> None:
    from .serve.server import check_address

    check_address(settings)


def _check_port(settings: Settings) -> None:
    from .serve.server import check_port

    check_port(settings.host, settings.port)


# -- to text --------------------------------------------------------------------------------------------------------


def _console() -> Console:
    from rich.console import Console

    # Where nobody looks (a pipe, a log) lines are not broken at the 80 columns that are assumed then.
    return Console(width=None if sys.stdout.isatty() else 160)


KEY_COLUMNS = ("id", "name", "principal", "scopes", "state", "created", "expires", "last_used", "revoked")


def _key_row(key: Key, now: datetime) -> dict[str, str]:
    """What may be seen of a key; "" for what never happened."""
    moments = {"created": key.created_at, "expires": key.expires_at, "last_used": key.last_used_at}
    moments["revoked"] = key.revoked_at
    return {
        "id": key.id,
        "name": key.name,
        "principal": key.principal,
        "scopes": " ".join(sorted(key.scopes)),
        "state": "revoked" if key.revoked_at else "usable" if key.usable(now) else "expired",
        **{name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else "" for name, moment in moments.items()},
    }


def _table_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*(name.replace("_", " ") for name in columns), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(escape(row[name]) for name in columns))
    return table


def _summary_json(summaries: Mapping[str, Summary]) -> Any:
    return {name: {"complete": item.complete, "results": item.results} for name, item in summaries.items()}


def _print_json(value: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def _say(error: CatchmentError) -> None:
    """The one line that a person reads: what is wrong, and what to do."""
    sys.stderr.write(f"catchment: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")


def _configure_log() -> None:
    """Lines on standard error; tracebacks without local variables, which may hold what nobody should read."""
    import structlog

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # the request's id and its user, while serving
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _guarded(command: Callable[[], Any]) -> int:
    """The exit code of a command, with its errors said in a line."""
    try:
        code = command()
    except (UsageError, DeclarationError) as error:
        _say(error)
        return WRONG_USE
    except StoreError as error:  # the data folder or the database cannot be used as asked
        _say(error)
        return WRONG_USE
    except CatchmentError as error:
        _say(error)
        return 1
    except typer.TyperException as error:  # a command or flag that there is not
        told: Any = error  # its public type lacks what the one behind it has
        context = getattr(told, "ctx", None)
        _say(UsageError(told.format_message(), hint=f"see {context.command_path if context else 'catchment'} --help"))
        return WRONG_USE
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """The command `catchment`."""
    _configure_log()
    sys.exit(_guarded(lambda: app(standalone_mode=False, prog_name="catchment")))


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"catchment {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Other people's APIs, as your own: collect them on schedule, keep every version, serve them."""
