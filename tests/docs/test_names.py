"""What the documents name is there, and what is there is named."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import reference
import typer.main
from walk import ROOT, blocks

from catchment.app import SHIPPED, load_app
from catchment.cli import app as command_line
from catchment.plan import Verdict
from catchment.serve.limits import LIMITS
from catchment.serve.problems import _KINDS
from catchment.settings import DEFAULTS

DOCS = ROOT / "docs"
TOLD = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md"))])
SOURCES = {file: file.read_text() for file in (ROOT / "src" / "catchment").rglob("*.py")}
MARKUP = re.compile(r"`([^`\n]+)`")


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_of_the_reference_is_as_the_code_makes_it(name: str):
    assert (DOCS / "reference" / name).read_text() == reference.PAGES[name](), "./run docs makes it again"


def code_of(page: Path) -> Iterator[str]:
    """What stands as code in a page: in a line, or in a block of a shell."""
    yield from MARKUP.findall(page.read_text())
    for block in blocks(page):
        if block.language == "sh":
            yield from block.text.splitlines()


def commands() -> dict[str, set[str]]:
    """Command -> its options."""
    root: Any = typer.main.get_command(command_line)
    found = {name: {name for item in one.params for name in item.opts} for name, one in reference._commands(root)}
    return {name: {*options, "--help"} for name, options in found.items()}


COMMANDS = commands()


def unknown(code: str) -> list[str]:
    """The command or the options of a line that there are not."""
    try:
        words = shlex.split(code, comments=True)
    except ValueError:
        words = code.split()
    words = words[words.index("catchment") + 1 :]
    words = words[: next((number for number, word in enumerate(words) if word in ("|", ">", "&&", "·")), len(words))]
    if not words or words[0].startswith("-") or not re.fullmatch(r"[a-z]+", words[0]):
        return []
    name = " ".join(words[:2]) if words[0] == "keys" and len(words) > 1 else words[0]
    if name == "keys":
        return []
    wrong = [word for word in words if word.startswith("-") and word.partition("=")[0] not in COMMANDS.get(name, ())]
    return wrong if name in COMMANDS else [name]


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_that_a_page_names_are_there(page: Path):
    named = [code for code in code_of(page) if re.match(r"(?:[A-Z_]+=\S+ )*catchment ", code)]
    assert {code: unknown(code) for code in named if unknown(code)} == {}


def test_a_command_that_there_is_not_is_noticed():
    assert unknown("catchment colect stocks") == ["colect"]
    assert unknown("catchment collect stocks --agian --only a=b") == ["--agian"]
    assert unknown("catchment keys make") == ["keys make"]


OWN = {  # what a page declares, or asks of others' programs
    *(
        "ALLOWED_HOSTS",
        "ADMINER_PASSWORD",
        "CATCHMENT_SAMPLES",
        "PGPASSWORD",
        "PGHOST",
        "TMPDIR",
        "SHOP_KEY",
        "SHOP_BUDGET",
    ),
    *(
        "SHOP_CURRENCY",
        "NOTES_LIMIT",
        "CATCHMENT_UPSTREAM_RIVERS",
        "CATCHMENT_UPSTREAM_SHOP",
        "CATCHMENT_UPSTREAM_NAME",
    ),
}


def settings() -> set[str]:
    shown = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    return {*DEFAULTS, *LIMITS, *shown}


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_that_a_page_names_are_there(page: Path):
    upstreams = "|".join(name.upper() for name in ("CATCHMENT", "OMDB", "STOCK", "POLICE", *SHIPPED, "ALPHAVANTAGE"))
    named = set(re.findall(rf"(?<![\w$])((?:{upstreams})_[A-Z0-9_]+[A-Z0-9])\b", page.read_text()))
    plain = {re.sub("_(?:FILE|COMMAND)$", "", name) for name in named if name not in settings()}
    assert plain - settings() - OWN == set()


def kinds() -> set[str]:
    """Every type of problem that the code can answer."""
    found = set(_KINDS.values()) | {"error"}
    for file, text in SOURCES.items():
        if "serve" in file.parts or "QueryError" in text:
            found.update(re.findall(r'\bkind="([a-z-]+)"', text))
            found.update(re.findall(r'Problem\([^"()]*"([a-z-]+)"', text))
    reader = ast.parse(SOURCES[ROOT / "src" / "catchment" / "store" / "reader.py"])
    found.update(
        line.value.value
        for line in reader.body
        if isinstance(line, ast.Assign)
        and ast.unparse(line.targets[0]) == "TOO_SLOW"
        and isinstance(line.value, ast.Constant)
    )
    return found


def first_cells(page: str) -> list[str]:
    """The code in the first cell of each row of a page's tables."""
    rows = re.findall(r"^\| (`[^|]*) \|", (DOCS / "reference" / page).read_text(), re.MULTILINE)
    return [name for row in rows for name in MARKUP.findall(row)]


def test_problems_are_those_that_are_answered():
    told = first_cells("problems.md")
    assert sorted(told) == sorted(set(told))
    assert set(told) == kinds()


def test_verdicts_and_reasons_are_those_that_there_are():
    told = first_cells("verdicts.md")
    verdicts = list(get_args(Verdict))
    assert told[: len(verdicts)] == verdicts
    said = "\n".join(SOURCES.values())
    core = "\n".join(text for file, text in SOURCES.items() if "apps" not in file.parts)
    raised = set(re.findall(r'(?:PagingError\(\s*|reason=)"([a-z-]+)"', core))
    assert {reason for reason in told[len(verdicts) :] if f'"{reason}"' not in said} == set()
    assert raised - set(told) == set()


def test_routes_of_operators_that_a_page_names_are_there():
    named = {path for page in TOLD for path in re.findall(r"`(/(?:v1/_|health)/[a-z]+)", page.read_text())}
    assert len(named) > 8
    assert {path for path in named if not any(f'"{path}' in text for text in SOURCES.values())} == set()


def test_the_contents_of_the_design_notes_have_nearly_all_of_them():
    """Those of the last days stand at the top, until somebody puts them beside what they belong to."""
    contents, _, notes = (DOCS / "design-notes.md").read_text().partition("## Contents")[2].partition("\n## ")
    there = re.findall(r"^## (.*)$", "## " + notes, re.MULTILINE)
    named = re.findall(r"\]\(#([^)]*)\)", contents)
    known = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in there}
    assert set(named) <= known
    assert sorted(named) == sorted(set(named))
    assert len(named) > 0.8 * len(there) > 80


def test_files_that_a_page_names_are_there():
    named = {
        (page.name, path)
        for page in TOLD
        for path in re.findall(r"`((?:tests|examples|docs|src)/[\w./-]+)`", page.read_text())
    }
    assert len(named) > 30
    assert {(page, path) for page, path in named if not (ROOT / path).exists()} == set()


def test_an_app_that_ships_has_its_part():
    page = (DOCS / "apps.md").read_text()
    assert [name for name in SHIPPED if f"| `{load_app(name).name}` |" not in page] == []


@pytest.mark.parametrize("page", TOLD, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_of_a_page_can_be_read_where_they_stand(page: Path):
    """Tables, code and what is made cannot be broken."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    if page.name != "design-notes.md" and (page.name not in reference.PAGES or page.parent.name != "reference"):
        assert [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "    ", "!"))] == []
