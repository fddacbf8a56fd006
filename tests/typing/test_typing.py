"""The type checker takes what a person declares rightly, and not what is declared wrongly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

API = Path(__file__).with_name("api.py")
CHECKOUT = API.parents[2]

WRONG = {
    "key": ('    key=("symbol",),\n', '    key=("symbol", 1),\n'),
    "word": ("missing=RETIRE", "missing=FIRST"),
    "option": ("public=True", "publik=True"),
    "secret": ('Secret("ME")', '"me"'),
    "reader": ("read=read,", "read=rows,"),
    "field": ("Decimal(1)).day", "Decimal(1)).dya"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, str]:
    """What the type checker says of the right file and of each wrong one, in one call."""
    folder = tmp_path_factory.mktemp("typing")
    text = API.read_text()
    (folder / "right.py").write_text(text)
    for name, (old, new) in WRONG.items():
        assert text.count(old) == 1
        (folder / f"wrong_{name}.py").write_text(text.replace(old, new))
    files = [str(path) for path in sorted(folder.glob("*.py"))]
    call = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *files]
    done = subprocess.run(call, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert not done.stderr
    lines = done.stdout.splitlines()
    # By the name alone: what the checker keeps of an equal file has the folder in which it saw that one first.
    return {Path(file).stem: "".join(line for line in lines if f"/{Path(file).name}:" in line) for file in files}


def test_what_is_declared_rightly_is_taken(said):
    assert not said["right"]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_declared_wrongly_is_said(said, name):
    assert "error:" in said[f"wrong_{name}"]
