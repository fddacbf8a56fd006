"""The README's own feed, taken from its text: collected from an upstream that nothing else knows, served, and asked."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import urllib.request
from collections import Counter

import pytest
from commands import NOW, Place, ended
from rivers_upstream import BLOCKS, FEED, METRES, Rivers, write_feed

from catchment.clock import FakeClock
from catchment.standin import serve_in_thread

SHOWN = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
COMMANDS = next(text for kind, text in BLOCKS if kind == "sh" and "curl" in text).splitlines()


@pytest.fixture
def rivers():
    with serve_in_thread(Rivers(), clock=FakeClock(NOW)) as running:
        yield running


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_feed_is_short():
    assert len(FEED.strip().splitlines()) < 30


def test_the_readmes_feed_gives_the_readmes_answer(place: Place, rivers):
    place.values.update(write_feed(place.folder, rivers.url))
    collect, serve, curl = (shlex.split(line) for line in COMMANDS)

    done = place.run(*collect[1:])
    assert done.code == 0, done.text
    asked = Counter(entry["path"] for entry in rivers.control.log())
    assert asked == {"/rivers/avon/levels": 3, "/rivers/severn/levels": 2, "/rivers/thames/levels": 1}

    port = str(free_port())
    process = place.start(*serve[1:], "--port", port)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving on ")
        with urllib.request.urlopen(f"http://{curl[1].replace('8000', port, 1)}", timeout=30) as response:
            assert json.load(response) == SHOWN
            assert "X-Collected-At" in response.headers
        with urllib.request.urlopen(f"http://localhost:{port}/v1/rivers/levels", timeout=30) as response:
            assert json.load(response)["meta"]["count"] == sum(map(len, METRES.values()))
    finally:
        process.terminate()  # it ends its own child; killed outright, it could not
        ended(process)


WRITING = next(text for kind, text in BLOCKS if kind == "sh" and "service-provider" in text).splitlines()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_a_provider_is_written_and_found_by_the_readmes_lines(place: Place):
    """As they stand, but for the port."""
    keys, serve, *curls = WRITING
    made = place.run(*shlex.split(keys.partition(" > ")[0])[1:])
    (place.folder / "key").write_text(made.out)
    port = str(free_port())
    process = place.start(*shlex.split(serve)[1:], "--port", port)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving on ")
        answers = [
            subprocess.run(
                ["sh", "-c", line.replace("8000", port)], cwd=place.folder, capture_output=True, timeout=30, check=True
            ).stdout
            for line in curls
        ]
    finally:
        process.terminate()
        ended(process)
    written, *lists = map(json.loads, answers)
    assert written["name"] == "SEO Incorporated"
    assert [[item["id"] for item in found["items"]] for found in lists] == [[written["id"]]] * 2
    standing = place.run("status", "providers", "--json")
    assert [(item["collection"], item["records"]) for item in json.loads(standing.out)["data"]] == [
        ("providers/providers", 1),
        ("providers/reviews", 0),
    ]
    assert standing.code == 0
    assert "written by people" in place.run("status", "providers").out


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
