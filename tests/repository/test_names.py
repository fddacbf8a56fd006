"""The public surface: what a module says it offers is there, sorted, and what an app uses is public."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import catchment
from catchment.app import SHIPPED

SOURCE = Path(catchment.__file__).parent
PUBLIC = ("catchment", "catchment.web", "catchment.standin", "catchment.testing")
MODULES = ["catchment", *sorted(module.name for module in pkgutil.walk_packages(catchment.__path__, "catchment."))]


def place(name: str) -> tuple[bool, bool, str]:
    """Where a name stands in a list, as the linter has it: CONSTANTS, then Classes, then functions."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_names_offered_are_sorted_and_real(name: str) -> None:
    module = importlib.import_module(name)
    offered = list(getattr(module, "__all__", []))
    assert offered == sorted(set(offered), key=place)
    assert [missing for missing in offered if not hasattr(module, missing)] == []


def test_the_package_offers_every_public_name_it_binds() -> None:
    bound = {
        name
        for name, value in vars(catchment).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("catchment")
    }
    assert bound - set(getattr(catchment, "__all__", [])) == set()


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, by its full name; a relative one is counted from the file's package."""
    package = ["catchment", *file.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (named(module, alias.name) for alias in node.names)


def named(module: str, name: str) -> str:
    """`from catchment import web` imports a module, `from catchment import Feed` a name."""
    whole = f"{module}.{name}"
    return whole if whole in MODULES else module


# The layers in pyproject.toml say what lies below an app; this says which of it an app may name.
@pytest.mark.parametrize("file", [*(SOURCE / "apps").rglob("*.py")], ids=lambda file: str(file.relative_to(SOURCE)))
def test_apps_use_public_names_only(file: Path) -> None:
    own = ".".join(["catchment", *file.relative_to(SOURCE).parts[:2]]).removesuffix(".py").removesuffix(".__init__")
    ours = {name for name in imports(file) if name.split(".")[0] == "catchment"}
    assert {name for name in ours if name not in PUBLIC and name != own and not name.startswith(own + ".")} == set()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_declaration_of_an_app_is_short_and_public(name: str) -> None:
    """Its `__init__.py`: values and public names; the pure rules that they name stand beside it."""
    file = SOURCE / "apps" / name / "__init__.py"
    assert len(file.read_text().splitlines()) < 150
    own = f"catchment.apps.{name}"
    assert {item for item in imports(file) if item.startswith("catchment") and not item.startswith(own)} == {
        "catchment"
    }


DECLARING = ("App", "Feed", "Resource", "Upstream")


def called(node: ast.AST) -> set[str]:
    """The plain names that are called somewhere in it, or given to `partial` to be called later."""
    calls = [item for item in ast.walk(node) if isinstance(item, ast.Call)]
    later = [item.args[0] for item in calls if isinstance(item.func, ast.Name) and item.func.id == "partial"]
    return {item.id for item in (*(call.func for call in calls), *later) if isinstance(item, ast.Name)}


def lines_of(file: Path, node: ast.stmt) -> int:
    """Lines of code: without blank ones, comments and docstrings."""
    apart = [item for item in ast.walk(node) if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)]
    said = {line for item in apart for line in range(item.lineno, (item.end_lineno or item.lineno) + 1)}
    text = file.read_text().splitlines()
    whole = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return sum(bool(text[line - 1].partition("#")[0].strip()) for line in whole if line not in said)


def declares(node: ast.stmt) -> bool:
    """Whether a statement says what is kept or collected, or from where: a record type, a value of public names, or a
    function that makes several alike.
    """
    if isinstance(node, ast.ClassDef):
        return any(isinstance(base, ast.Name) and base.id == "Record" for base in node.bases)
    names = DECLARING if isinstance(node, ast.FunctionDef) else catchment.__all__
    return isinstance(node, ast.FunctionDef | ast.Assign) and bool(called(node) & set(names))


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_of_an_app_is_declared_beside_its_declaration(name: str) -> None:
    folder = SOURCE / "apps" / name
    found = {file: called(ast.parse(file.read_text())) & set(DECLARING) for file in folder.rglob("*.py")}
    assert "App" in found.pop(folder / "__init__.py")
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize("name", SHIPPED)
def test_all_that_an_app_declares_is_short_with_its_records_and_settings(name: str) -> None:
    files = (SOURCE / "apps" / name).rglob("*.py")
    counts = [lines_of(file, node) for file in files for node in ast.parse(file.read_text()).body if declares(node)]
    assert 50 < sum(counts) < 150
