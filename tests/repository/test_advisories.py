"""What went wrong elsewhere, A1 to A21: each has tests that name it, or a reason why it cannot happen here."""

import ast
import re
from pathlib import Path

from catchment.app import SHIPPED, load_app
from catchment.serve.openapi import describe
from catchment.store.tables import collections_of

TESTS = Path(__file__).parents[1]
ADVISORIES = [f"A{number}" for number in range(1, 22)]
NOT_HERE = {"A21": "no answer is CSV: there is no cell that a spreadsheet could take for a formula"}


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


def test_every_advisory_is_tested_or_cannot_happen() -> None:
    tested = named()
    assert [name for name in ADVISORIES if name not in tested and name not in NOT_HERE] == []
    assert [name for name in tested if name not in ADVISORIES] == []
    assert not set(tested) & set(NOT_HERE), "what is tested needs no reason"


def test_no_answer_is_csv() -> None:
    """The reason given for A21 holds."""
    for app in map(load_app, SHIPPED):
        document = describe([app], collections_of(app), version="0")
        assert "text/csv" not in str(document)
