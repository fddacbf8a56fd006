"""Each app collected on SQLite and on PostgreSQL, from upstreams that say the same: its API answers the same bytes.

So does a copy on the other engine, and a copy of that on the first one.
"""

import itertools
import re
from contextlib import closing
from datetime import UTC, datetime

import pytest
from asgi_client import Client
from collecting import collecting

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.check import check
from catchment.store.engines import database_of, move
from catchment.store.tables import collections_of

pytestmark = pytest.mark.sqlite  # on both, one beside the other

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ACCESS = {"INCIDENTS_USER": "catchment", "INCIDENTS_PASSWORD": "stand-in"}
ASKED = {
    "stocks": [
        "/api/statistics?start_date=2025-01-01&end_date=2026-12-31&symbol=IBM",
        "/v1/stocks/bars?sort=-date",
    ],
    "police": ["/v1/police/stops?sort=-datetime&limit=2", "/v1/police/stops?legislation__isnull=true&count=exact"],
    "episodes": ["/v1/episodes/episodes?sort=-imdb_rating&limit=3"],
    "incidents": [],
}


def lived(name, folder, url):
    """What came of a collection, what the check says of it, and what every route without a name in it answers."""
    with collecting(name, folder, now=NOW, CATCHMENT_DATABASE=url, **ACCESS) as there:
        results = [(item.feed, item.partition, item.verdict, item.reason, item.counts) for item in there.run().results]
        with closing(database_of(url).open()) as sql:
            sql.execute("UPDATE _meta SET value = ? WHERE name = 'cursor-key'", ("ab" * 32,))
        return results, *told(there.app, url)


def told(app, url):
    """What the check says of a store of the app, and what every route without a name in it answers."""
    front = build([app], Settings().with_values("test", {"CATCHMENT_DATABASE": url}), FakeClock(NOW))
    client = Client(front, "127.0.0.1")
    described = client.get("/openapi.json").json()["paths"]
    paths = ASKED[app.name] + [path for path, ways in described.items() if _is_asked(path, ways)]
    answers = {path: client.get(path, headers={"x-request-id": "the-same"}) for path in paths}
    front.close()
    checked = [(item.says, item.looked, item.shown) for item in check(database_of(url), collections_of(app))]
    return checked, {path: (answer.status_code, answer.text) for path, answer in answers.items()}


def _timeless(answer):
    """The answer without moments: a clock that goes on while upstreams are waited for is another one each time."""
    return answer[0], re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', '"a moment"', answer[1])


def _is_asked(path, ways):
    """Not what tells when, and in which order: partitions that are asked at once are committed as they come."""
    return "{" not in path and "get" in ways and not re.match(r"/health|/metrics|/v1/_/|.*/changes$", path)


@pytest.fixture
def server(cluster):
    """A function that gives the URL of an empty database on PostgreSQL."""
    made = []

    def one():
        made.append(cluster.database())
        return cluster.url(made[-1])

    yield one
    for name in made:
        cluster.drop(name)


@pytest.mark.parametrize("name", ASKED)
def test_an_app_is_the_same_on_every_engine_and_when_it_is_copied(name, server, tmp_path):
    one, back = (f"sqlite:///{tmp_path / place / 'x.sqlite'}" for place in ("one", "back"))
    results, checked, answers = lived(name, tmp_path / "one", one)
    assert [shown for _, _, shown in checked if shown] == []
    assert len([status for status, _ in answers.values() if status == 200]) >= 3
    lived_there = lived(name, tmp_path / "other", server())
    assert (results, checked) == lived_there[:2]
    assert [path for path, said in answers.items() if _timeless(said) != _timeless(lived_there[2][path])] == []
    for source, into in itertools.pairwise([one, server(), back]):
        move(database_of(source), database_of(into))
        assert told(load_app(name), into) == (checked, answers), into.partition(":")[0]
