"""The database under a hunt."""

from collections.abc import Iterator
from contextlib import contextmanager

from catchment.testing import Cluster

__all__ = ["ENGINES", "database"]

ENGINES = ("sqlite", "postgresql")


@contextmanager
def database(engine: str) -> Iterator[dict[str, str]]:
    """The setting that names an empty one."""
    if engine == "sqlite":
        yield {}
        return
    with Cluster() as cluster:
        yield {"CATCHMENT_DATABASE": cluster.url(cluster.database())}
