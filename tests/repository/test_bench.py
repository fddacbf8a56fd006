"""Every benchmark runs: what cannot be run measures nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "collect": ["--records", "400", "--rounds", "1", "--without-peers"],
    "export": ["--records", "1100"],
    "incidents": ["--size", "tiny", "--rounds", "1"],
    "memory": ["--records", "100", "--feeds", "visits"],
    "pages": ["--records", "100", "--rounds", "1", "--only", "table, as it was"],
    "recommend": ["--providers", "60", "--questions", "1"],
    "serve": [*("--records", "1100", "--clients", "2", "--rounds", "1"), *("--seconds", "0.05", "--minutes", "0.01")],
    "stats": ["--symbols", "2", "--days", "40", "--questions", "2", "--rounds", "1"],
    "writes": ["--clients", "2", "--seconds", "0.1", "--rounds", "1"],
}
SAID = {
    "collect": "first load",
    "export": "target 20,000 a second",
    "incidents": "page of 100 employees",
    "memory": "1 % changed",
    "pages": "table, as it was",
    "recommend": "recommend: a rare skill",
    "serve": "KiB a minute",
    "stats": "all, by month",
    "writes": "commit each",
}
NEEDS = {"export": "datasette", "serve": "datasette", "stats": "fastapi", "writes": "fastapi"}


@pytest.mark.parametrize("path", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.stem)
def test_benchmark_prints_its_table(path):
    needed = NEEDS.get(path.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed; `./run bench {path.stem}` installs it")
    done = subprocess.run([sys.executable, path, *SMALL[path.stem]], capture_output=True, text=True, check=True)
    assert SAID[path.stem] in done.stdout
