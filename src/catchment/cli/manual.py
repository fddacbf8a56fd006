"""How the help of a command reads: what it is for, its options with their defaults, examples, what its exit codes mean.

Plain text without boxes, the same on a screen, in a pipe and in a narrow window.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

__all__ = [
    "COLLECTED",
    "EXIT_CODES",
    "GROUPS",
    "INCOMPLETE",
    "SERVED",
    "WRONG_USE",
    "Group",
    "example_of",
    "examples_of",
    "manual",
]

GROUPS: Mapping[str, str] = {
    "Collect": "bring in what upstreams have",
    "Look": "see what there is, and what is missing",
    "Keep": "hold on to what is stored",
    "Operate": "let others read and write",
}
"""What one may want of a command -> in a few words."""

WRONG_USE, INCOMPLETE = 2, 3
"""The exit codes of what cannot be asked for, and of what was done and is not all there is."""

COLLECTED = {0: "all complete", INCOMPLETE: "something is incomplete: it says what, why, and when it is tried again"}
SERVED = {0: "ended as asked, by Ctrl+C or SIGTERM"}

EXAMPLES, EXIT_CODES = "Examples", "Exit codes"
_USUAL = {0: "done", 1: "it could not be done: the line says why", 2: "wrong use: the line says what to write instead"}
_WIDEST = 120
"""Columns; wider lines are not read but lost."""


def manual(group: str, *examples: tuple[str, str], exits: Mapping[int, str] | None = None) -> dict[str, Any]:
    """What a command is declared with, beside its function.

    Args:
        group: one of `GROUPS`, under which the command is listed.
        examples: what an example is for, and its line as one types it.
        exits: exit code -> what it means, where that differs from what is usual.
    """
    assert group in GROUPS, group
    codes = sorted({**_USUAL, **(exits or {})}.items())
    lines = [f"{EXAMPLES}:"]
    for purpose, line in examples:
        lines += [f"  # {purpose}", f"  {line}"]
    lines += ["", f"{EXIT_CODES}:", *(f"  {code}  {meaning}" for code, meaning in codes)]
    return {"cls": _Command, "rich_help_panel": group, "epilog": "\n".join(lines)}


def examples_of(command: Any) -> list[str]:
    """The example lines of a command, as one types them."""
    _, _, behind = (getattr(command, "epilog", "") or "").partition(f"{EXAMPLES}:")
    lines = behind.partition(f"{EXIT_CODES}:")[0].splitlines()
    return [line.strip() for line in lines if line.startswith("  ") and not line.startswith("  #")]


def example_of(command: Any) -> str:
    """The first of them; "" where there is none."""
    return next(iter(examples_of(command)), "")


class _Command(TyperCommand):
    """A command whose help is our page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write_page(self, ctx, formatter)


class Group(TyperGroup):
    """Commands under what one wants of them; its help is our page too, also where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(WRONG_USE)
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _write_page(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands of each group with their purposes, as declared; a lone group needs no name."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            purpose = (command.help or "").partition("\n\n")[0].replace("\n", " ")
            found.setdefault(command.rich_help_panel or "", []).append((name, purpose))
        for group in GROUPS:
            if rows := found.get(group):
                with formatter.section(f"{group} ({GROUPS[group]})" if len(found) > 1 else "Commands"):
                    formatter.write_dl(rows)


def _write_page(command: Any, ctx: Any, formatter: Any) -> None:
    formatter.width = max(min(_columns(), _WIDEST) - 2, 38)
    heading = formatter.write_heading
    formatter.write_heading = lambda text: formatter.write(_bold(f"{text}:") + "\n") if text else heading(text)
    command.format_usage(ctx, formatter)
    formatter.write_paragraph()
    formatter.write_text(command.help or "")
    if isinstance(command, Group):
        command.format_commands(ctx, formatter)
    parameters = [item for item in command.get_params(ctx) if not item.hidden]
    arguments = [_argument(item) for item in parameters if isinstance(item, TyperArgument)]
    options = [_option(item) for item in parameters if not isinstance(item, TyperArgument)]
    for name, rows in (("Arguments", arguments), ("Options", options)):
        if rows:
            with formatter.section(name):
                formatter.write_dl(rows)
    formatter.write_paragraph()
    formatter.write("".join(f"{_end_line(line)}\n" for line in (command.epilog or "").splitlines()))


def _columns() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns


def _end_line(line: str) -> str:
    """A line of the page's end: headings stand out."""
    return _bold(line) if line.endswith(":") and not line.startswith(" ") else line


def _bold(text: str) -> str:
    """The text, bold where somebody looks and wants that."""
    looked_at = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[1m{text}\x1b[0m" if looked_at else text


def _argument(item: Any) -> tuple[str, str]:
    name = item.display_name_raw + ("..." if item.nargs != 1 else "")
    return name, _explained(item)


def _option(item: Any) -> tuple[str, str]:
    names = ", ".join(item.opts)
    return (names if item.is_flag else f"{names} {item.metavar or item.name.upper()}"), _explained(item)


def _explained(item: Any) -> str:
    """What an option is for, with what holds without it."""
    said = [item.help or ""]
    if item.required:
        said.append("[required]")
    elif isinstance(item.show_default, str):
        said.append(f"[default: {item.show_default}]")
    elif item.show_default and item.default not in (None, "", False, ()):
        said.append(f"[default: {item.default}]")
    return " ".join(filter(None, said))
