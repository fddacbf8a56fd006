"""Each app collected on SQLite and on PostgreSQL, from upstreams that say the same: its API answers the same bytes."""

import re
from contextlib import closing
from datetime import UTC, datetime

import pytest
from asgi_client import Client
from collecting import collecting

from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import load_settings
from catchment.store.check import check
from catchment.store.engines import database_of
from catchment.store.tables import collections_of

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
        settings = load_settings(there.environment, folder=folder, environ={})
        database = database_of(url)
        with closing(database.open()) as sql:
            sql.execute("UPDATE _meta SET value = ? WHERE name = 'cursor-key'", ("ab" * 32,))
        wrong = [text for item in check(database, collections_of(there.app)) for text in item.shown]
        front = build([there.app], settings, FakeClock(NOW))
        client = Client(front, "127.0.0.1")
        described = client.get("/openapi.json").json()["paths"]
        paths = ASKED[name] + [path for path, ways in described.items() if _is_asked(path, ways)]
        answers = {path: client.get(path, headers={"x-request-id": "the-same"}) for path in paths}
        front.close()
    return results, wrong, {path: (answer.status_code, _timeless(answer.text)) for path, answer in answers.items()}


def _timeless(text):
    """The text without moments: a clock that goes on while upstreams are waited for is another one each time."""
    return re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', '"a moment"', text)


def _is_asked(path, ways):
    """Not what tells when, and in which order: partitions that are asked at once are committed as they come."""
    return "{" not in path and "get" in ways and not re.match(r"/health|/v1/_/|.*/changes$", path)


@pytest.mark.parametrize("name", ASKED)
def test_an_app_is_the_same_on_every_engine(name, cluster, tmp_path):
    made = cluster.database()
    folders = [tmp_path / "one", tmp_path / "other"]
    urls = (f"sqlite:///{folders[0] / 'x.sqlite'}", cluster.url(made))
    (results, wrong, answers), other = (lived(name, folder, url) for folder, url in zip(folders, urls, strict=True))
    assert (results, wrong) == other[:2]
    assert wrong == []
    assert len([status for status, _ in answers.values() if status == 200]) >= 3
    assert [path for path in answers if answers[path] != other[2][path]] == []
    cluster.drop(made)
