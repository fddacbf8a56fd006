"""Collectors and servers, each a process of its own, on one PostgreSQL that falls and comes up again."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from typing import IO, Any

import pytest
from forkserver import Fork, Forks, forks
from harbour import CONCURRENCY, REQUESTS, Berth, asked

from catchment.testing import Cluster, NoServer

REVISION = "SELECT revision FROM _collection WHERE name = 'harbour/boxes'"
pytestmark = pytest.mark.sqlite  # a server of its own, held against a file

BOXES = "/v1/harbour/boxes?sort=ship,id&limit=100"


@pytest.fixture(scope="module")
def cluster():
    """A server that may fall: nobody else is on it."""
    try:
        found = Cluster()
    except NoServer as error:
        pytest.skip(f"no PostgreSQL: {error}")
    with found:
        yield found


@pytest.fixture(scope="module")
def servers() -> Forks:
    with forks("harbour", "catchment.serve.server", "catchment.explorer") as running:
        yield running


@pytest.fixture
def sea(server, upstream, cluster, tmp_path) -> Berth:
    """The first tide in a database of the server, a day later."""
    upstream.control.reset()
    first = Berth(tmp_path / "first", upstream.url, upstream.control, server, cluster=cluster)
    assert first.collect() == 0, first.output
    upstream.control.reset()
    return Berth(tmp_path / "second", upstream.url, upstream.control, server, cluster=cluster).after(first)


@dataclass(frozen=True)
class Served:
    """A server of what is stored, and where. said: the pipe into which it prints."""

    process: Fork
    address: str
    said: IO[str]

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of its answer."""
        with closing(HTTPConnection(self.address, timeout=60)) as connection:
            connection.request("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, json.load(answer)


@pytest.fixture
def serve(servers, sea):
    """A function that gives a server which answers by now. It ends in good order, whatever became of the database."""
    begun = list[Served]()

    def one(name: str, command: str = "serve") -> Served:
        pipe = sea.folder / name
        os.mkfifo(pipe)
        values = {**sea.environment, "CATCHMENT_PORT": "0", "CATCHMENT_WITHOUT_KEYS": "yes"}
        values["PYTHONPATH"] = str(Path(__file__).parent)  # `up` serves by a child that knows the harbour by its name
        process = servers.start(sea.folder, [command, sea.target], values, output=pipe)
        said = pipe.open()
        first = next((line for line in said if "serving on" in line), "")
        assert first, "it has ended"
        begun.append(Served(process, first.partition("http://")[2].split()[0].rstrip("/"), said))
        return begun[-1]

    yield one
    for each in begun:
        each.process.kill(signal.SIGTERM)
        rest = each.said.read()
        each.said.close()
        assert each.process.end() == 0, rest


def test_two_collectors_and_two_servers_share_one_database_that_falls(sea, serve, cluster, undisturbed):
    """F69, F73. Everything is asked for once, and all is as one collector on a file of SQLite leaves it; while the
    database is away who serves says 503, and what is new when it is back.
    """
    both = [serve(name) for name in ("one", "other")]
    before = [one.get(BOXES) for one in both]
    assert before[0] == before[1]
    assert [status for status, _ in before] == [200, 200]

    collectors = [sea.start(output=name) for name in ("first collector", "second collector")]
    assert [process.end() for process in collectors] == [0, 0], collectors[0].text + collectors[1].text
    assert sea.state() == undisturbed[0]
    assert sea.wrong() == []
    assert asked(sea.control.log()) == Counter({entry["target"]: 1 for entry in sea.control.log()})
    assert len(sea.control.log()) == REQUESTS
    revision = str(before[0][1]["meta"]["revision"] + 1)
    after = [one.get(BOXES, X_Revision_At_Least=revision) for one in both]
    assert after[0] == after[1] != before[0]

    cluster.stop()
    for one in both:
        status, problem = one.get("/v1/harbour/ships/1/history")  # was not asked for before
        assert (status, problem["type"].rpartition("/")[2]) == (503, "database-unavailable")
    cluster.start()
    assert [one.get(BOXES) for one in both] == after
    sea.control.reset()
    assert sea.collect("--again") == 0, sea.output


def test_what_collects_and_serves_at_once_goes_on_after_its_database_fell(sea, serve, cluster, undisturbed):
    """F73. It falls while an answer is on its way: what was in flight is asked for again, and no more; nobody has to
    start anything anew.
    """
    sea.control.hold("/ships/2/boxes")
    up = serve("up", "up")
    sea.control.wait_for(REQUESTS - 2)  # all but the pages of ship 2 that come after the one that is held
    assert up.get(BOXES)[0] == 200
    cluster.stop()
    status, problem = up.get("/v1/harbour/ships/1/history")  # was not asked for before
    assert (status, problem["type"].rpartition("/")[2]) == (503, "database-unavailable")
    sea.control.release()
    cluster.start()
    end = monotonic() + 60
    while sea.state() != undisturbed[0]:
        assert monotonic() < end, sea.state()
        sea.later(timedelta(seconds=1))
    status, said = up.get(BOXES, X_Revision_At_Least=str(sea.sql(REVISION)[0][0]))
    assert (status, len(said["data"])) == (200, sum(len(sea.boxes(ship)) for ship in (1, 2, 3)))
    assert sea.wrong() == []
    assert max(asked(sea.control.log()).values()) <= 2
    assert REQUESTS <= len(sea.control.log()) <= REQUESTS + CONCURRENCY
