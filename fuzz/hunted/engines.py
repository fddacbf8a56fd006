"""The database under a hunt."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from catchment.testing import Cluster

__all__ = ["ENGINES", "cluster_of", "database"]

ENGINES = ("sqlite", "postgresql")


def cluster_of(engine: str) -> AbstractContextManager[Cluster | None]:
    """A server of the hunt's own; None where the engine has none."""
    return Cluster() if engine == "postgresql" else nullcontext()


@contextmanager
def database(engine: str) -> Iterator[dict[str, str]]:
    """The setting that names an empty one."""
    if engine == "sqlite":
        yield {}
        return
    with Cluster() as cluster:
        yield {"CATCHMENT_DATABASE": cluster.url(cluster.database())}
