from collections.abc import Iterator

import pytest

from catchment.store.engines import Database, database_of
from catchment.testing import Cluster


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """An empty one on PostgreSQL."""
    name = cluster.database()
    yield database_of(cluster.url(name))
    cluster.drop(name)
