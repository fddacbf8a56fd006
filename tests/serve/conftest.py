import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests
sys.path.insert(1, str(Path(__file__).parents[1] / "faults"))  # for the server that forks commands

from asgi_client import Client
from demo_feeds import BARS, NOTES, app
from filled_store import NOW, FilledStore, make_tables

from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.reader import Reader


@pytest.fixture
def store(new_database: Callable[..., str], tmp_path: Path):
    fixture = FilledStore(new_database("bars", make_tables), tmp_path)
    yield fixture
    fixture.close()


@pytest.fixture
def reader(store: FilledStore):
    reader = Reader(store.database, [BARS, NOTES])
    yield reader
    reader.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def settings(store: FilledStore) -> Settings:
    return Settings().with_values("test", store.values)


@pytest.fixture
def asgi(store: FilledStore, settings: Settings, clock: FakeClock):
    front = build([app], settings, clock)
    yield front
    front.close()


@pytest.fixture
def connect(asgi):
    """A client of the application in this process, from a peer of choice."""

    def connect(peer: str = "127.0.0.1") -> Client:
        return Client(asgi, peer)

    return connect


@pytest.fixture
def client(connect):
    return connect()
