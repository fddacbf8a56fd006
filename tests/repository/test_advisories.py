"""What went wrong elsewhere, A1 to A21: each has tests that name it."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ADVISORIES = [f"A{number}" for number in range(1, 22)]


def named() -> dict[str, list[str]]:
    """Advisory -> the tests whose docstring names it as `Advisory A8`, or `Advisory A2, A7`."""
    found: dict[str, list[str]] = {}
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for said in re.findall(r"Advisory ((?:A\d+(?:, | and )?)+)", ast.get_docstring(node) or ""):
                    for name in re.findall(r"A\d+", said):
                        found.setdefault(name, []).append(f"{file.name}::{node.name}")
    return found


def test_every_advisory_is_tested() -> None:
    tested = named()
    assert [name for name in ADVISORIES if name not in tested] == []
    assert [name for name in tested if name not in ADVISORIES] == []
