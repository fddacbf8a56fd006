"""The command line: arguments to values, values to text. What is done stands elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from .. import __version__
from ..app import SHIPPED
from ..errors import CatchmentError, DeclarationError, StoreError, StoreUnavailable, UsageError
from ..processes import end_with_parent, stop_when_asked
from .backup import backups
from .chosen import chosen
from .commands import commands
from .completion import COMPLETES, completions, know_shells
from .desk import desk
from .erase import erasures
from .export import exports
from .keys import keys
from .log import configure_log
from .manual import EXIT_CODES, INCOMPLETE, WRONG_USE, Group, example_of
from .pausing import pausing
from .running import running
from .standin import standins

__all__ = ["INCOMPLETE", "main", "program"]

FAILED = 1
STOPPED = 130
"""Asked to end before there was anything to end in order."""

app = typer.Typer(
    name="catchment",
    cls=Group,
    add_completion=False,  # `catchment completion` prints the script; nobody's start-up files are written to
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=f"""\
A TARGET is
  an app that ships          {", ".join(SHIPPED)}
  one of its feeds           stocks/bars
  an app in a file of yours  feeds:app, of feeds.py in this folder

Begin with: catchment demo
More: catchment COMMAND --help has examples, defaults and exit codes.

{EXIT_CODES}:
  0  all that was asked for is done and complete
  1  it could not be done: the line says why
  2  wrong use: the line says what to write instead
  3  something is incomplete: it says what, why, and when it is tried again""",
)
for part in (commands, running, pausing, desk, erasures, exports, backups, standins, chosen, completions):
    app.add_typer(part)
app.add_typer(keys, name="keys", rich_help_panel="Operate")


def _say(error: CatchmentError) -> None:
    """The one line that a person reads: what is wrong, and what to do."""
    sys.stderr.write(f"catchment: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")


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
        _say(_mistyped(error))
        return WRONG_USE
    except KeyboardInterrupt:
        code = STOPPED
    if code == STOPPED:  # by which the command line's library says that it caught it
        sys.stderr.write("catchment: stopped\n")
    return code if isinstance(code, int) else 0


def _mistyped(error: Any) -> UsageError:
    """What is wrong with the words of a command, and what to type instead."""
    context = getattr(error, "ctx", None)
    help_of = f"{context.command_path if context else 'catchment'} --help"
    example = example_of(context.command) if context else ""
    said = " ".join(str(error.format_message()).split())
    return UsageError(said, hint=f"e.g. {example}; see {help_of}" if example else f"see {help_of}")


@cache
def program() -> Any:
    """The commands, ready to take words: to make them of their functions takes longer than most of what they do."""
    return typer.main.get_command(app)


def main() -> NoReturn:
    """The command `catchment`."""
    stop_when_asked()
    end_with_parent()
    configure_log("logfmt")
    if COMPLETES in os.environ:
        know_shells()
    sys.exit(_guarded(lambda: program()(standalone_mode=False, prog_name="catchment")))


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"catchment {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda value: _version(wanted=value), is_eager=True, help="Say which this is."
        ),
    ] = False,
) -> None:
    """Other people's APIs, as your own: collect them on schedule, keep every version, serve them."""
