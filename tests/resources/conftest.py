import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

# For the modules beside the tests, and for the client that the tests of serving use.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "serve"))

from market import app
from people import NOW, Market, writer_of_all

from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.engines import Connection, Database, database_of
from catchment.store.store import prepare
from catchment.store.writes import Writer


@pytest.fixture
def settings(new_database: Callable[..., str], tmp_path: Path) -> Settings:
    """Those of a service on an empty database."""
    url = new_database("market", lambda database: prepare(database, [app]))
    values = {"CATCHMENT_DATA": str(tmp_path), "CATCHMENT_DATABASE": url}
    return Settings().with_values("test", values | {"CATCHMENT_LIMIT_WRITES": "off", "CATCHMENT_LIMIT_KEY": "off"})


@pytest.fixture
def database(settings: Settings) -> Database:
    return database_of(settings.database)


@pytest.fixture
def sql(database: Database) -> Iterator[Connection]:
    with closing(database.open()) as connection:
        yield connection


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    made = writer_of_all(database)
    yield made
    made.close()


@pytest.fixture
def market(database: Database, settings: Settings) -> Iterator[Market]:
    clock = FakeClock(NOW)
    front = build([app], settings, clock)
    yield Market(front, database, clock)
    front.close()
