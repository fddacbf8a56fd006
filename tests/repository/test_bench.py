"""Every benchmark runs: what cannot be run measures nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "collect": ["--records", "400", "--rounds", "1"],
    "incidents": ["--size", "tiny", "--rounds", "1"],
    "recommend": ["--providers", "60", "--questions", "1"],
}
SAID = {"collect": "first load", "incidents": "page of 100 employees", "recommend": "recommend: a rare skill"}


@pytest.mark.parametrize("path", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.stem)
def test_benchmark_prints_its_table(path):
    done = subprocess.run([sys.executable, path, *SMALL[path.stem]], capture_output=True, text=True, check=True)
    assert SAID[path.stem] in done.stdout
