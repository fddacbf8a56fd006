import sqlite3
import sys
from collections.abc import Iterator
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
from catchment.store.engines.sqlite import File
from catchment.store.store import prepare
from catchment.store.writes import Writer


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "catchment.sqlite"
    prepare(File(path), [app])
    return path


@pytest.fixture
def sql(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def writer(database: Path) -> Iterator[Writer]:
    made = writer_of_all(database)
    yield made
    made.close()


@pytest.fixture
def market(database: Path) -> Iterator[Market]:
    values = {"CATCHMENT_DATA": str(database.parent), "CATCHMENT_LIMIT_WRITES": "off", "CATCHMENT_LIMIT_KEY": "off"}
    clock = FakeClock(NOW)
    front = build([app], Settings().with_values("test", values), clock)
    yield Market(front, database, clock)
    front.close()
