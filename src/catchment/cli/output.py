"""From values to what a person or a script reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "print_json", "say"]


def console(*, quiet: bool = False) -> Console:
    """Where tables and progress go; nowhere if it is quiet."""
    from rich.console import Console

    # Where nobody looks (a pipe, a log) lines are not broken at the 80 columns that are assumed then.
    return Console(width=None if sys.stdout.isatty() else 160, quiet=quiet)


def print_json(rows: Sequence[Any], **meta: Any) -> None:
    """One line of JSON on standard output, of every command in the shape that lists of the API have.

    rows: `data`, what the table would show, a member a row. meta: what there is to say of all of them.
    """
    import msgspec

    sys.stdout.write(msgspec.json.encode({"data": rows, "meta": meta}).decode() + "\n")


def say(screen: Console, line: str) -> None:
    """Prints a line as it is: what may be copied is not broken into several."""
    screen.print(line, highlight=False, markup=False, soft_wrap=True)
