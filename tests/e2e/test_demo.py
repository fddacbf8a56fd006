"""The demo as a person starts it, through a pipe, with nothing set that would flush for it."""

import json
import re
import shlex
import signal
import socket
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from commands import NOW, WAIT_S, ended, killed
from numbers_upstream import Numbers, write_feeds

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.standin import serve_in_thread
from catchment.store.tables import collections_of


@pytest.fixture
def numbers():
    with serve_in_thread(Numbers(), clock=FakeClock(NOW)) as running:
        yield running


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def said(process, words: str) -> str:
    """The line with these words, once the process has said it."""
    for line in iter(process.stdout.readline, ""):
        if words in line:
            return line
    raise AssertionError(f"ended without saying {words!r}: {process.stderr.read()}")


def read(port: int, path: str, method: str = "GET", **headers: str):
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    with closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def page(port: int, path: str) -> str:
    """What a browser gets there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    with closing(connection):
        connection.request("GET", path, headers={"accept": "text/html"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        return answer.read().decode()


def pages(port: int) -> set[str]:
    """The collections whose table and first record a browser finds from the first page on."""
    found = set()
    for path in re.findall(r'href="(/explore/[a-z]+/[a-z_]+)"', page(port, "/")):
        records = re.findall(r'class="open" href="([^"]*)"', page(port, path))
        assert [path in page(port, record) for record in records[:1]] == [True] * bool(records)
        found.add(path.removeprefix("/explore/"))
    return found


# App -> the member of its answer that has something in it; "" is the answer itself.
SHOWN = {"police": "total", "stocks": "data", "incidents": "", "episodes": "results", "providers": "items"}


def answered(line: str) -> int:
    """The status of a request that was printed as a `curl` command, and answered with something."""
    command, *options, url = shlex.split(line)
    assert command == "curl"
    headers = dict(option.split(": ", 1) for option in options if option != "-H")
    place = urlsplit(url)
    status, content = read(place.port, f"{place.path}?{place.query}", **headers)
    app, member = next((app, member) for app, member in SHOWN.items() if load_app(app).example in url)
    assert content[member] if member else content, app
    return status


def test_people_have_written_when_the_demo_says_so(place):
    port = free_port()
    process = place.start("demo", "--port", str(port))
    try:
        assert "5 people wrote 20 offers and 40 reviews" in said(process, "people wrote")
        said(process, "Ask, in another terminal")
        status, content = read(port, "/v1_0/service-providers?count=exact&page_size=100")
        assert (status, content["pagination"]["count"]) == (200, 20)
        assert sum(item["review_count"] for item in content["service_providers"]) == 40
        assert read(port, "/v1/providers/reviews?count=exact")[1]["meta"]["count"] == 40
        known = [item for app in SHOWN for item in collections_of(load_app(app))]
        # Who sits at this machine sees everything, and how collecting goes: the word of the gateway that people wrote
        # behind is not taken here.
        assert pages(port) == {item.name for item in known}
        assert "police/stops" in page(port, "/explore/_/operations")
        assert 'type="search"' in page(port, "/explore/episodes/episodes")
        assert "<b>words</b> nothinglikeit" in page(port, "/explore/episodes/episodes?q=nothinglikeit")
        lines = [process.stdout.readline() for _ in SHOWN]
        assert [answered(line) for line in lines] == [200] * len(SHOWN)
        assert f"http://127.0.0.1:{port}/docs" in said(process, "Ctrl+C")
        process.send_signal(signal.SIGINT)
        done = ended(process)
    except BaseException:
        killed(process)
        raise
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if "stop" in line] == ["stopped collecting"]


@pytest.mark.once  # how it ends has nothing to do with where it stores
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("words", ["Stand-in upstreams are up", "serving on"])
def test_asked_to_end_before_it_collects_for_good_it_ends_in_a_line(place, words, number):
    """While it collects for the first time, and between that and collecting for good."""
    process = place.start("demo", "--port", str(free_port()))
    try:
        said(process, words)
        process.send_signal(number)
        done = ended(process)
    except BaseException:
        killed(process)
        raise
    assert done.code in (0, 3, 130)  # at rest, in the middle of collecting, before it
    assert done.err in ("", "catchment: stopped\n")
    ends = [line for line in done.text.splitlines() if line in ("stopped collecting", "catchment: stopped")]
    assert len(ends) == (done.code != 3)


@pytest.mark.parametrize(
    ("command", "words"),
    [("up", "serving on"), ("serve", "serving on"), ("demo", "Stand-in upstreams are up")],
    ids=["up", "serve", "demo"],
)
def test_killed_it_leaves_nobody_behind(place, numbers, command, words):
    """Its children have its standard error too: that ends with the last of them."""
    place.values.update(write_feeds(place.folder, numbers.url))
    port = free_port()
    process = place.start(command, *([] if command == "demo" else ["feeds:app"]), "--port", str(port))
    said(process, words)
    process.kill()
    process.communicate(timeout=WAIT_S)
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
