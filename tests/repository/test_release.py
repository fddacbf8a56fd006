"""What a release is made of: the list beside the wheel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = (CHECKOUT / "requirements.lock").read_text()
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def made() -> str:
    command = [sys.executable, CHECKOUT / "release" / "sbom.py", CHECKOUT / "requirements.lock"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def bill(made: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made)
    return found


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~\[; ]", text)[0].lower() for text in requirements}


def test_it_names_what_an_installation_needs_and_no_tool(bill: dict[str, Any]) -> None:
    scopes = {item["name"]: item["scope"] for item in bill["components"]}
    required = {name for name, scope in scopes.items() if scope == "required"}
    assert names(PROJECT["project"]["dependencies"]) <= required
    for extra in PROJECT["project"]["optional-dependencies"].values():
        assert {scopes[name] for name in names(extra)} == {"optional"}
    assert {"pytest", "ruff", "mypy", "hypothesis"} & scopes.keys() == set()


def test_each_component_is_the_one_that_is_locked(bill: dict[str, Any]) -> None:
    for item in bill["components"]:
        assert f"{item['name']}=={item['version']}" in LOCK.lower().replace("_", "-")
        assert item["purl"] == item["bom-ref"] == f"pkg:pypi/{item['name']}@{item['version']}"
        assert item["properties"]
        assert all(f"--hash=sha256:{one['value']}" in LOCK for one in item["properties"])


def test_it_says_what_needs_what(bill: dict[str, Any]) -> None:
    refs = [item["bom-ref"] for item in bill["components"]] + [bill["metadata"]["component"]["bom-ref"]]
    assert len(refs) == len(set(refs))
    below = {item["ref"]: item["dependsOn"] for item in bill["dependencies"]}
    assert below.keys() == set(refs)
    assert {ref for found in below.values() for ref in found} == set(refs[:-1])  # whatever is there is needed
    assert [bill["bomFormat"], bill["specVersion"]] == ["CycloneDX", "1.6"]


def test_the_same_lock_gives_the_same_list(made: str) -> None:
    again = subprocess.run(
        [sys.executable, CHECKOUT / "release" / "sbom.py", CHECKOUT / "requirements.lock"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert again.stdout == made
