"""The README's own feed, taken from its text: collected from an upstream that nothing else knows, and asked."""

from __future__ import annotations

import json
import shlex
from collections import Counter

import pytest
from asgi_client import Client, patient_front
from commands import NOW, Place
from rivers_upstream import BLOCKS, FEED, METRES, Rivers, write_feed

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.settings import Settings
from catchment.standin import serve_in_thread

SHOWN = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
COMMANDS = next(text for kind, text in BLOCKS if kind == "sh" and "curl" in text).splitlines()


@pytest.fixture
def rivers():
    with serve_in_thread(Rivers(), clock=FakeClock(NOW)) as running:
        yield running


def test_the_feed_is_short():
    assert len(FEED.strip().splitlines()) < 30


def test_the_readmes_feed_gives_the_readmes_answer(place: Place, rivers):
    place.values.update(write_feed(place.folder, rivers.url))
    collect, serve, curl = (shlex.split(line) for line in COMMANDS)

    done = place.run(*collect[1:])
    assert done.code == 0, done.text
    asked = Counter(entry["path"] for entry in rivers.control.log())
    assert asked == {"/rivers/avon/levels": 3, "/rivers/severn/levels": 2, "/rivers/thames/levels": 1}

    assert serve == ["catchment", "serve", "feeds:app"]  # which the tutorial runs, on the same feed
    settings = Settings().with_values("test", place.environment)
    front = patient_front([load_app(f"{place.folder}/feeds.py:app")], settings, FakeClock(NOW))
    try:
        asking = Client(front, "127.0.0.1")
        answer = asking.get(curl[1].partition(":8000")[2])
        assert answer.json() == SHOWN
        assert "X-Collected-At" in answer.headers
        assert asking.get("/v1/rivers/levels").json()["meta"]["count"] == sum(map(len, METRES.values()))
    finally:
        front.close()


def test_what_the_example_is_said_to_promise_it_does(place: Place, rivers):
    """The last page never comes: nothing of that river, and the exit code says so."""
    place.values.update(write_feed(place.folder, rivers.url))
    rivers.control.faults(
        {"path": "/rivers/avon/levels", "query": {"after": "melksham"}, "fault": "status", "status": 404}
    )
    done = place.run("collect", "feeds:app")
    assert done.code == 3, done.text
    found = dict(place.sql("SELECT key, verdict FROM _partition"))
    assert found == {"river=avon": "partial", "river=severn": "complete", "river=thames": "complete"}
    assert place.sql("SELECT DISTINCT river FROM rivers_levels ORDER BY river") == [("severn",), ("thames",)]
