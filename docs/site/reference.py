"""The pages of `docs/reference/` that are made from the code, so that they say what it does: `./run docs`.

They are kept beside the others, for whoever reads them without the site; a test holds them against the code.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

import catchment
from catchment import cli, standin, testing, web
from catchment.grouping import BUCKETS
from catchment.store.query import OPERATORS, PARAMETERS, SEARCH

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
WIDE = 100

COMMANDS = """What `catchment COMMAND --help` says too. Made from the code by `./run docs`. What a script reads:
[the command line](../command-line.md)."""

SETTINGS = """A flag comes before the environment, the environment before `.env`, `.env` before `catchment.toml`.
Made from `.env.example` by `./run docs`.

`catchment settings` prints each one with its value and where it came from. Of a secret (a key, a password,
`CATCHMENT_DATABASE`) `NAME_FILE` may name a file and `NAME_COMMAND` a command: see [secrets](../secrets.md).
`CATCHMENT_UPSTREAM_NAME` and `NAME_BUDGET` are there for each upstream that a declaration names: they replace its
address and its budget."""

QUESTIONS = """Of every list, export, statistic and difference below `/v1/`. How to use them:
[reading](../reading.md). Made from the code by `./run docs`."""

FILTERS = """A filter is `field=value`, or the field's name, two underscores and an operator. Several hold together;
one name stands once."""

DECLARING = """All that `from catchment import …` offers. Made from the code by `./run docs`. How to use them:
[collecting](../collecting.md), [writing](../writing.md)."""


# -- commands ------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command, its arguments, its options and its examples."""
    root = typer.main.get_command(cli.app)
    lines = ["# Commands", COMMANDS, *_ending(cli.app.info.epilog)]
    for name, command in _commands(root):
        lines += [f"## catchment {name}", command.help.replace("\n\n", "\n"), *_usage(name, command)]
    return "\n\n".join(filter(None, lines)) + "\n"


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        elif not command.hidden:
            yield before + name, command


def _usage(name: str, command: Any) -> Iterator[str]:
    arguments = [item for item in command.params if not item.opts[0].startswith("-")]
    options = [item for item in command.params if item.opts[0].startswith("-") and not item.hidden]
    shown = " ".join(_argument(item) for item in arguments)
    rows = [(_code(_argument(item)), item.help or "") for item in arguments]
    rows += [(_code(_option(item)), (item.help or "") + _default(item)) for item in options]
    yield _block("sh", [f"catchment {name} [OPTIONS] {shown}".rstrip()], "usage")
    if rows:
        yield _table(("argument or option", "is"), rows)
    yield from _ending(command.epilog)


def _ending(epilog: str | None) -> Iterator[str]:
    """What a help page ends with, as it stands there."""
    if epilog:
        yield _block("text", re.sub(r"\[/?[a-z ]+\]", "", epilog).strip().splitlines(), "shown")


def _argument(item: Any) -> str:
    name = (item.metavar or item.name).strip("{}[].")
    several = "..." if item.nargs == -1 else ""
    return f"{name}{several}" if item.required else f"[{name}{several}]"


def _option(item: Any) -> str:
    kind = item.type_descriptor.annotation
    value = "" if item.is_flag else f" {item.metavar or {int: 'NUMBER', float: 'NUMBER'}.get(kind, 'TEXT')}"
    return ", ".join(item.opts) + value


def _default(item: Any) -> str:
    """What holds without the option, where it says."""
    shown = item.show_default if isinstance(item.show_default, str) else item.default if item.show_default else None
    if item.required:
        return " Required."
    return f" Default: `{shown}`." if shown and not item.is_flag else ""


# -- settings ------------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every setting of `.env.example`, with its default and what is said of it there."""
    rows: list[tuple[str, str, str]] = []
    words: list[str] = []
    ended = False
    for line in (ROOT / ".env.example").read_text().splitlines()[4:]:
        if found := re.fullmatch(r"#([A-Z][A-Z0-9_]*)=(.*)", line):
            rows.append((_code(found[1]), _code(found[2]) if found[2] else "", " ".join(words)))
            ended = True
        elif line.startswith("# "):
            words = [] if ended else words
            words.append(line.removeprefix("# "))
            ended = False
        elif not line:
            words, ended = [], False
    return (
        "\n\n".join(
            [
                "# Settings",
                SETTINGS,
                _table(("setting", "default", "is"), rows),
            ]
        )
        + "\n"
    )


# -- questions -----------------------------------------------------------------------------------------------------


def questions() -> str:
    """The operators of filters and the parameters of a list, from the tables that read them."""
    kinds = [
        (_code(f"field__{item.name}" if item.name else "field"), _kinds(item.kinds), item.words) for item in OPERATORS
    ]
    named = [(_code(name), words) for name, words in (PARAMETERS | SEARCH).items()]
    stretches = ", ".join(_code(f"{item.name}(field)") for item in BUCKETS)
    return (
        "\n\n".join(
            [
                "# Filters and parameters",
                QUESTIONS,
                "## Filters",
                FILTERS,
                _table(("filter", "for fields of", "is"), kinds),
                "## Parameters",
                _table(("parameter", "is"), named),
                "## Stretches of time",
                f"In `by=` of statistics and of a `Counter`: {stretches}.",
            ]
        )
        + "\n"
    )


def _kinds(kinds: Iterable[str]) -> str:
    return ", ".join(sorted(kinds))


# -- declaring -----------------------------------------------------------------------------------------------------


def declaring() -> str:
    """Every public name of the package, with its signature and what its docstring says."""
    parts = ["# Names for declaring", DECLARING]
    for name in catchment.__all__:
        parts += [f"## {name}", *_described(getattr(catchment, name), name)]
    for module, words in (
        (web, "What an app's own routes may use."),
        (standin, "What a stand-in upstream is made of."),
        (testing, "A PostgreSQL for tests."),
    ):
        rows = [(_code(name), _first(getattr(module, name), name)) for name in module.__all__]
        parts += [f"## {module.__name__}", words, _table(("name", "is"), rows)]
    return "\n\n".join(parts) + "\n"


def _described(value: Any, name: str) -> Iterator[str]:
    if callable(value):
        yield _block("python", _signature(value, name), "signature")
    text, _, rest = inspect.cleandoc(_doc(value)).partition("\nArgs:\n")
    yield text.strip()
    arguments, _, after = rest.partition("\n\n")
    if arguments:
        yield "\n".join(f"- {_named(item)}" for item in _items(arguments))
    if after.strip():
        yield after.strip()


def _doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


def _first(value: Any, name: str) -> str:
    """What it says of itself before the first empty line; what is not ours says it where it comes from."""
    if name in SAID_BESIDE:
        return SAID_BESIDE[name]
    if str(getattr(value, "__module__", "")).startswith("catchment"):
        return " ".join(_doc(value).partition("\n\n")[0].split())
    return "As in Litestar, the framework that apps' own routes are written for."


def _said_beside() -> Iterator[tuple[str, str]]:
    """(name, what the text below its assignment says) of constants, which have no docstring."""
    for file in (ROOT / "src" / "catchment").rglob("*.py"):
        body = ast.parse(file.read_text()).body
        for line, after in pairwise(body):
            target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
            words = getattr(getattr(after, "value", None), "value", None)
            if isinstance(target, ast.Name) and isinstance(words, str):
                yield target.id, " ".join(words.split())


SAID_BESIDE = dict(_said_beside())


def _items(text: str) -> list[str]:
    """The arguments of a docstring, each in a line: what is indented further goes on."""
    return [" ".join(item.split()) for item in re.split(r"\n(?=    \S)", "\n" + text) if item.strip()]


def _named(item: str) -> str:
    names, colon, words = item.partition(": ")
    return f"`{names}`{colon}{words}"


def _signature(value: Callable[..., object], name: str) -> list[str]:
    found = inspect.signature(value).parameters.values()
    shown = [_parameter(item) for item in found]
    bare = next((number for number, item in enumerate(found) if item.kind is item.KEYWORD_ONLY), None)
    if bare is not None and not any(item.kind is item.VAR_POSITIONAL for item in found):
        shown.insert(bare, "*")
    line = f"{name}({', '.join(shown)})"
    return [line] if len(line) <= WIDE else [f"{name}(", *(f"    {item}," for item in shown), ")"]


def _parameter(item: inspect.Parameter) -> str:
    stars = {item.VAR_POSITIONAL: "*", item.VAR_KEYWORD: "**"}.get(item.kind, "")
    kind = "" if item.annotation is item.empty else f": {item.annotation}"
    plain = isinstance(item.default, str | int | float | tuple | None.__class__)
    default = "" if item.default is item.empty else f" = {item.default!r}" if plain else " = ..."
    return f"{stars}{item.name}{kind}{default}"


# -- markdown ------------------------------------------------------------------------------------------------------


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def _block(language: str, lines: Iterable[str], how: str) -> str:
    """A block of code. how: a word for the tests, which no reader sees."""
    return "\n".join([f"```{language} {how}", *lines, "```"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *(tuple(" ".join(cell.split()) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "declaring.md": declaring,
    "questions.md": questions,
    "settings.md": settings,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made())


if __name__ == "__main__":
    main()
