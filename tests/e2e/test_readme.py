"""The README's own feed, taken from its text: collected from an upstream that nothing else knows, served, and asked."""

from __future__ import annotations

import json
import re
import shlex
import socket
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import NOW, Place, ended

from catchment.clock import FakeClock
from catchment.standin import Answer, Paged, Request, serve_in_thread

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
FEED = next(text for kind, text in BLOCKS if kind == "python")
SHOWN = json.loads(next(text for kind, text in BLOCKS if kind == "json"))
COMMANDS = next(text for kind, text in BLOCKS if kind == "sh" and "curl" in text).splitlines()

METRES = {
    "avon": {"bath": "0.84", "bristol": "1.10", "evesham": "1.62", "melksham": "1.49", "warwick": "1.90"},
    "severn": {"bewdley": "2.71", "gloucester": "3.05", "shrewsbury": "2.20"},
    "thames": {"teddington": "4.02"},
}


@dataclass(frozen=True)
class Switches:
    """None."""


class Rivers:
    """`/rivers/avon/levels`: rows two objects deep, and the next cursor beside them."""

    name = "rivers"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        river = request.path.split("/")[2]
        rows = [
            {"gauge": gauge, "measured_at": f"2026-03-20T03:{30 if gauge > 'f' else 45}:00Z", "metres": float(metres)}
            for gauge, metres in METRES[river].items()
        ]
        query = {"cursor": request.query["after"]} if "after" in request.query else {}
        page = json.loads(Paged("cursor", size=2, key="gauge").answer(_asking(request, query), rows).body)
        text = json.dumps({"data": {"gauges": page["items"]}, "paging": {"next": page["next_cursor"]}})
        # As its documentation would have it: two decimals, also where the second is 0.
        return Answer(200, re.sub(r'("metres": \d+\.\d)(?=\})', r"\g<1>0", text).encode())


def _asking(request: Request, query: dict[str, str]) -> Request:
    return Request(request.method, request.path, query, request.headers, b"", request.at, request.number)


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
    (place.folder / "feeds.py").write_text(FEED)
    place.values["CATCHMENT_UPSTREAM_RIVERS"] = rivers.url
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


def test_what_the_example_is_said_to_promise_it_does(place: Place, rivers):
    """The last page never comes: nothing of that river, and the exit code says so."""
    (place.folder / "feeds.py").write_text(FEED)
    place.values["CATCHMENT_UPSTREAM_RIVERS"] = rivers.url
    rivers.control.faults(
        {"path": "/rivers/avon/levels", "query": {"after": "melksham"}, "fault": "status", "status": 404}
    )
    done = place.run("collect", "feeds:app")
    assert done.code == 3, done.text
    found = dict(place.sql("SELECT key, verdict FROM _partition"))
    assert found == {"river=avon": "partial", "river=severn": "complete", "river=thames": "complete"}
    assert place.sql("SELECT DISTINCT river FROM rivers_levels ORDER BY river") == [("severn",), ("thames",)]
