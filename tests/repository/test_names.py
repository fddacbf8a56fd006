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
