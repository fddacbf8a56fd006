"""Every acceptance case of the five apps' contracts is named by a test: "Acceptance 7 of stocks".

In a file that is named after one app the number alone is enough.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
CASES = {"police": 18, "stocks": 20, "incidents": 20, "episodes": 17, "providers": 22}
SAID = re.compile(r"[Aa]cceptance (\d+(?:(?:, | and )\d+)*)(?: of `?(\w+)`?)?")


def named() -> Iterator[tuple[str, int, str]]:
    """App ("" where nothing says which), number and test, of every case that a test's docstring names."""
    for file in sorted(TESTS.rglob("test_*.py")):
        here = next((app for app in CASES if app in file.stem.split("_")), "")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for numbers, app in SAID.findall(ast.get_docstring(node) or ""):
                    for number in re.findall(r"\d+", numbers):
                        yield app or here, int(number), f"{file.relative_to(TESTS)}::{node.name}"


@pytest.fixture(scope="module")
def cases() -> dict[str, set[int]]:
    """App -> the numbers that tests name."""
    found: dict[str, set[int]] = {}
    for app, number, _ in named():
        found.setdefault(app, set()).add(number)
    return found


@pytest.mark.parametrize("app", CASES)
def test_every_case_is_named_by_a_test(cases: dict[str, set[int]], app: str) -> None:
    assert cases[app] == set(range(1, CASES[app] + 1))


def test_whoever_names_a_case_says_of_which_app() -> None:
    assert [test for app, _, test in named() if app not in CASES] == []


@pytest.mark.parametrize("app", CASES)
def test_the_contract_has_as_many_cases(samples: Path, app: str) -> None:
    contract = samples.parent / "apps" / f"{app}.md"
    if not contract.is_file():
        pytest.skip("no contracts beside the recorded samples")
    listed = contract.read_text().partition("\n## 7. Acceptance\n")[2]
    assert [int(number) for number in re.findall(r"^(\d+)\. ", listed, re.MULTILINE)] == [*range(1, CASES[app] + 1)]
