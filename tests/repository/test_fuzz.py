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
    "backup": ["--rounds", "3", *SEED],
    "changes": ["--changes", "120", "--kills", "2", *SEED],
    "bugs": ["--only", "the newest are asked first"],
    "budgets": ["--months", "1", "--symbols", "26"],
    "writes": ["--operations", "60", "--kills", "1", *SEED],
    "corpora": ["--requests", "1500", *SEED],
    "histories": ["--histories", "2", "--steps", "6", *SEED],
    "queries": ["--queries", "60", *SEED],
    "same": ["--histories", "1", "--deeds", "6", "--questions", "5", *SEED],
    "stats": ["--questions", "50", *SEED],
    "kills": ["--kills", "3", "--real", "1", *SEED],
}
ON_POSTGRESQL = ["--engine", "postgresql", "--kills", "1", "--real", "1", "--restarts", "1", "--stops", "0", *SEED]


NEEDS = {"api": "schemathesis"}


@pytest.mark.parametrize("path", sorted((ROOT / "fuzz").glob("*.py")), ids=lambda path: path.stem)
def test_a_small_hunt_finds_nothing(path):
    """Advisory A2, A7: hostile texts in every input. Acceptance 11 of `providers`: eight people and one `kill -9`."""
    needed = NEEDS.get(path.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed; `./run fuzz {path.stem}` installs it")
    said = small_hunt(path, *SMALL[path.stem])
    assert re.search({"bugs": "1 of 1 caught", "budgets": "26 requests in 2 days"}.get(path.stem, r"seed \d+"), said)


def small_hunt(path: Path, *arguments: str) -> str:
    """What a hunt said that found nothing. One that fails shows its seed."""
    done = subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True, timeout=120, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    return done.stdout


def test_a_server_that_falls_under_collectors_costs_nothing(cluster):
    """F73. Killed, too, at points and from outside."""
    said = small_hunt(ROOT / "fuzz" / "kills.py", *ON_POSTGRESQL)
    assert re.search(r"^restart +\d+ +1 +1$", said, re.MULTILINE)
