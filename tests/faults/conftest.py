import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests

import databases
from forkserver import forks
from harbour import NOW, REQUESTS, Berth, Harbour

from catchment.clock import FakeClock
from catchment.standin import serve_in_thread
from catchment.testing import Cluster


@pytest.fixture(scope="package")
def server():
    with forks("harbour", "quay") as running:
        yield running


@pytest.fixture(scope="package")
def upstream():
    with serve_in_thread(Harbour(), clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture(scope="package")
def beside(engine) -> Cluster | None:
    """The server that has what is stored, where it is no file."""
    return databases.given.pool.cluster if engine == "postgresql" else None


@pytest.fixture
def berth(server, upstream, beside, tmp_path):
    """A folder to collect into, and the upstream as at its start."""
    upstream.control.reset()
    made = Berth(tmp_path, upstream.url, upstream.control, server, cluster=beside)
    yield made
    if beside and "name" in vars(made):
        beside.drop(made.name)


@pytest.fixture(scope="package")
def first_tide(server, upstream, beside, tmp_path_factory) -> Berth:
    """What the first tide's collection left."""
    upstream.control.reset()
    made = Berth(tmp_path_factory.mktemp("first") / "tide", upstream.url, upstream.control, server, cluster=beside)
    assert made.collect() == 0, made.output
    return made


@pytest.fixture(scope="package")
def undisturbed(server, upstream, beside, first_tide, tmp_path_factory):
    """What the second tide's collection leaves, and how often it comes by each point."""
    upstream.control.reset()
    folder = tmp_path_factory.mktemp("second") / "tide"
    made = Berth(folder, upstream.url, upstream.control, server, cluster=beside).after(first_tide)
    hits = made.folder / "hits"
    assert made.collect(hits=str(hits)) == 0, made.output
    assert made.wrong() == []
    assert made.fired == []
    assert len(upstream.control.log()) == REQUESTS
    return made.state(), json.loads(hits.read_text())
