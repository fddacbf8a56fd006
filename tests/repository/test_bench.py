"""Every benchmark runs: what cannot be run measures nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {"collect": ["--records", "400", "--rounds", "1"]}


@pytest.mark.parametrize("path", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.stem)
def test_benchmark_prints_its_table(path):
    done = subprocess.run([sys.executable, path, *SMALL[path.stem]], capture_output=True, text=True, check=True)
    assert "first load" in done.stdout
