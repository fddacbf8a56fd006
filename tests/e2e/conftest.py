import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests
sys.path.insert(1, str(Path(__file__).parents[1] / "faults"))  # for the server that forks
sys.path.insert(2, str(Path(__file__).parents[1] / "serve"))  # for its client

from commands import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder to run commands in."""
    return Place(tmp_path)
