"""Every hunt runs, finds what it is to find, and says with which seed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = ["--seed", "20261121"]  # one for all: what a new seed would find is looked for by the long hunts
SMALL = {
    "api": [
        *("--examples", "2", "--as", "reader", "--phases", "fuzzing"),
        *("--only", "stocks_bars_list", "index"),
        *SEED,
    ],
    "changes": ["--changes", "400", "--kills", "5", *SEED],
    "bugs": ["--only", "an attempt ends twice"],
    "writes": ["--operations", "300", "--kills", "1", *SEED],
    "corpora": ["--requests", "1500", *SEED],
    "histories": ["--histories", "3", "--steps", "8", *SEED],
    "queries": ["--queries", "300", *SEED],
    "stats": ["--questions", "250", *SEED],
    "kills": ["--kills", "8", "--real", "2", *SEED],
}


NEEDS = {"api": "schemathesis"}


@pytest.mark.parametrize("path", sorted((ROOT / "fuzz").glob("*.py")), ids=lambda path: path.stem)
def test_a_small_hunt_finds_nothing(path):
    """Advisory A2, A7: hostile texts in every input. Acceptance 11 of `providers`: eight people and one `kill -9`."""
    needed = NEEDS.get(path.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed; `./run fuzz {path.stem}` installs it")
    done = subprocess.run(
        [sys.executable, path, *SMALL[path.stem]], capture_output=True, text=True, timeout=120, check=False
    )
    print(done.stdout, done.stderr)  # a hunt that fails shows its seed
    assert done.returncode == 0
    assert re.search(r"1 of 1 caught" if path.stem == "bugs" else r"seed \d+", done.stdout)
