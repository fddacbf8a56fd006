import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside the tests

from cluster import Cluster, Missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    try:
        found = Cluster()
    except Missing as missing:
        pytest.skip(f"no PostgreSQL: {missing}")
    yield found
    found.close()
