import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests

from catchment.store.store import prepare

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A fresh database: the ledger's tables, nothing in them."""
    path = tmp_path / "data" / "catchment.sqlite"
    prepare(path, [])
    return path
