"""What differs between database engines is in their modules: nobody else asks which one it is, or reads an error."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import catchment

SOURCE = Path(catchment.__file__).parent
NAMES = {"sqlite", "postgresql", "postgres"}
TEXTS = {"args", "message", "message_primary"}
CASES = {
    "engine compared": "if engine == 'sqlite':\n    pass",
    "engine among some": "x = dialect.name in ('sqlite', 'other')",
    "engine matched": "match engine:\n    case 'postgresql':\n        pass",
    "text compared": "try:\n    x()\nexcept E as error:\n    y = 'locked' in str(error)",
    "text searched": "try:\n    x()\nexcept E as error:\n    y = re.search('locked', error.args[0])",
    "text begun": "try:\n    x()\nexcept E as error:\n    y = str(error).startswith('locked')",
}


def asks_for_an_engine(tree: ast.AST) -> Iterator[int]:
    """The lines that compare something with the name of an engine."""
    asked = [node for node in ast.walk(tree) if isinstance(node, ast.Compare | ast.MatchValue)]
    for node in asked:
        if any(isinstance(part, ast.Constant) and part.value in NAMES for part in ast.walk(node)):
            yield node.lineno


def reads_an_error(tree: ast.AST) -> Iterator[int]:
    """The lines that decide by the text of an error that was caught."""
    for caught in [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name]:
        for node in ast.walk(caught):
            if _decides(node) and any(_is_text(part, caught.name) for part in ast.walk(node)):
                yield node.lineno


def _decides(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Compare)
    called = node.func
    if not isinstance(called, ast.Attribute):
        return False
    searches = isinstance(called.value, ast.Name) and called.value.id == "re"
    return searches or called.attr in ("startswith", "endswith", "find", "match", "search", "fullmatch")


def _is_text(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr"):
        return any(isinstance(given, ast.Name) and given.id == name for given in node.args)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in TEXTS
        and any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))
    )


def found(file: Path) -> list[str]:
    tree, place = ast.parse(file.read_text()), file.relative_to(SOURCE)
    lines = [] if "engines" in place.parts else [*asks_for_an_engine(tree)]
    lines += reads_an_error(tree) if place.parts[0] == "store" else []  # nobody else meets a database's
    return [f"{place}:{line}" for line in lines]


def test_nobody_else_asks_which_engine_it_is_and_nobody_decides_by_a_text():
    assert [place for file in sorted(SOURCE.rglob("*.py")) for place in found(file)] == []


def test_whoever_did_would_be_found():
    """The test can fail."""
    missed = [
        name
        for name, text in CASES.items()
        if not [*asks_for_an_engine(ast.parse(text)), *reads_an_error(ast.parse(text))]
    ]
    assert missed == []
