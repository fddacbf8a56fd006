"""The command line: arguments to values, values to text. What is done stands elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..app import SHIPPED
from ..errors import CatchmentError, DeclarationError, StoreError, StoreUnavailable, UsageError
from ..processes import end_with_parent, stop_when_asked
from .backup import backups
from .commands import INCOMPLETE, commands
from .desk import desk
from .erase import erasures
from .export import exports
from .keys import keys
from .standin import standins

__all__ = ["INCOMPLETE", "main"]

FAILED = 1
WRONG_USE = 2
STOPPED = 130
"""Asked to end before there was anything to end in order."""

app = typer.Typer(
    name="catchment",
    help="Other people's APIs, as your own: collect them on schedule, keep every version, serve them.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=f"A target is an app that ships ({', '.join(SHIPPED)}), one of its feeds (stocks/bars), or yours:"
    " feeds:app.",
)
app.add_typer(commands)
app.add_typer(desk)
app.add_typer(erasures)
app.add_typer(exports)
app.add_typer(backups)
app.add_typer(keys, name="keys")
app.add_typer(standins)


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
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _guarded(command: Callable[[], Any]) -> int:
    """The exit code of a command, with its errors said in a line."""
    try:
        code = command()
    except (UsageError, DeclarationError) as error:
        _say(error)
        return WRONG_USE
    except StoreError as error:  # the data folder or the database cannot be used as asked, or not just now
        _say(error)
        return FAILED if isinstance(error, StoreUnavailable) else WRONG_USE
    except CatchmentError as error:
        _say(error)
        return FAILED
    except typer.TyperException as error:  # a command or flag that there is not
        told: Any = error  # its public type lacks what the one behind it has
        context = getattr(told, "ctx", None)
        _say(UsageError(told.format_message(), hint=f"see {context.command_path if context else 'catchment'} --help"))
        return WRONG_USE
    except KeyboardInterrupt:
        code = STOPPED
    if code == STOPPED:  # by which the command line's library says that it caught it
        sys.stderr.write("catchment: stopped\n")
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """The command `catchment`."""
    stop_when_asked()
    end_with_parent()
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
