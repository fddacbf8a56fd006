"""The real server process, over a real socket."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from demo_feeds import BARS
from filled_store import bar

from catchment.errors import UsageError
from catchment.serve.server import check_port, run
from catchment.settings import Settings

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises

HERE = Path(__file__).parent
PROGRAM = """
import sys
from pathlib import Path
from catchment.serve.server import run
from catchment.settings import load_settings
run(["demo_feeds:app"], load_settings({}, folder=Path.cwd()), say=lambda line: print(line, flush=True))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(store):
    store.put(BARS, bar("IBM", "2026-01-02"))
    store.put(BARS, bar("A/B", "2026-01-02"))
    port = free_port()
    environment = os.environ | {**store.values, "CATCHMENT_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"serving on http://127.0.0.1:{port}\n"
    process.port = port
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def test_it_serves_and_ends_when_asked(server, store):
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        listed = client.get("/v1/demo/bars?limit=1")
        assert listed.status_code == 200
        assert listed.headers["server"] == "catchment"
        assert client.get("/v1/demo/bars/A%2FB,2026-01-02").json()["data"]["symbol"] == "A/B"
        again = client.get("/v1/demo/bars?limit=1", headers={"if-none-match": listed.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        store.put(BARS, bar("AAPL", "2026-01-01"), revision=2)
        assert client.get("/v1/demo/bars?limit=1").json()["data"][0]["symbol"] == "AAPL"
        assert client.get("/v1/demo/notes").status_code == 200  # not public, and we are on this machine
        assert client.get("/v1/demo/notes", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401
        assert client.head("/v1/demo/bars").headers["content-length"] != "0"
        assert client.get("/v1/demo/bars", headers={"x-large": "a" * 66000}).status_code == 431
        assert client.get(f"/v1?{'a' * 17000}").status_code == 414
        assert client.get("/v1", headers={"host": "evil.example"}).status_code == 400
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=60) == 0
    assert server.stdout.read().splitlines()[-1] == "stopped"  # after the lines of what was refused


def test_who_listens_to_changes_does_not_hold_up_the_end(server):
    """The worker would be killed after 8 s; the stream ends by itself, and in order."""
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        url, headers = "/v1/demo/bars/changes?after=1", {"accept": "text/event-stream"}
        with client.stream("GET", url, headers=headers) as answer:
            pieces = answer.iter_raw()
            assert next(pieces) == b"retry: 1000\n\n"
            server.send_signal(signal.SIGTERM)
            assert list(pieces) == []  # a worker that is killed breaks the answer off: an error here
    assert server.wait(timeout=60) == 0
    assert server.stdout.read().splitlines()[-1] == "stopped"


def test_ctrl_c_reaches_everybody_and_is_quiet(server):
    httpx.get(f"http://127.0.0.1:{server.port}/health/live", timeout=60)
    os.killpg(server.pid, signal.SIGINT)
    assert server.wait(timeout=60) in (0, 1)
    assert server.stdout.read().splitlines()[-1] == "stopped"  # after the lines of what was refused


RAW = {
    "length and chunks": b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "negative length": b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    "no host": b"GET /v1 HTTP/1.1\r\n\r\n",
    "no http": b"\x16\x03\x01\x00\r\n\r\n",
}


def test_malformed_requests_are_refused_on_the_wire(server):
    for name, request in RAW.items():
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(request)
            first = connection.recv(4096).split(b"\r\n")[0]
        assert b" 400 " in first or (name == "no http" and first == b""), (name, first)


TAKEN = {
    "equal lengths": b"GET /v1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "absolute form": b"GET http://localhost/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "absolute form of another host": b"GET http://evil.example/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
"""Equal lengths are one, and of a target in absolute form the path counts: whose it is the Host header says."""


def test_unusual_requests_are_answered_as_the_plain_one(server):
    for name, request in TAKEN.items():
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(request)
            assert b" 200 " in connection.recv(4096).split(b"\r\n")[0], name
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET http://localhost/v1 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert b" 400 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_port_in_use_is_told_before_the_start(store):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is in use"):
            check_port("127.0.0.1", port)
        values = {**store.values, "CATCHMENT_PORT": str(port)}
        with pytest.raises(UsageError, match="is in use"):
            run(["stocks"], Settings().with_values("test", values), say=lambda line: None)
    with pytest.raises(UsageError, match="cannot be used on"):
        check_port("192.0.2.1", port)
    check_port("127.0.0.1", port)
