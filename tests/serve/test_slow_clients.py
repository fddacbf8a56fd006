"""Clients that are slow or half done: they are sent away in time, and the others notice nothing."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import httpx
import pytest
from demo_feeds import NOTES, Note
from test_server import HERE, PROGRAM, free_port

pytestmark = pytest.mark.once  # it is the server, not the database

MANY = 20
WAIT_S = 20
HEAD = b"GET /v1/demo/notes HTTP/1.1\r\nhost: localhost\r\n"
BAD = {
    "half a head": HEAD,
    "half a body": b"POST /v1/demo/notes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: 100\r\n\r\n{",
    "a body in endless pieces": b"POST /v1/demo/notes HTTP/1.1\r\nhost: localhost\r\n"
    b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
}
TIMEOUTS = dict.fromkeys(("CATCHMENT_HEADER_TIMEOUT", "CATCHMENT_BODY_TIMEOUT"), "0.5")


@pytest.fixture
def port(store):
    """That of a server with little patience."""
    store.put(NOTES, Note("x", 1.5, None, None, []))
    port = free_port()
    environment = os.environ | store.values | TIMEOUTS | {"CATCHMENT_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline().startswith("serving on")
    yield port
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def connected(port: int, request: bytes) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(WAIT_S)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes the connection; what came and `...` where it does not."""
    found = b""
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    except TimeoutError:
        found += b"..."
    return found


def test_the_others_do_not_notice_those_who_are_slow(port):
    with ExitStack() as stack:
        bad = {
            name: [stack.enter_context(connected(port, request)) for _ in range(MANY)] for name, request in BAD.items()
        }
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S) as good:
            answers = [good.get(f"/v1/demo/notes?limit=1&score__lte={number + 2}") for number in range(30)]
        assert {answer.status_code for answer in answers} == {200}
        ends = {name: [rest(client) for client in clients] for name, clients in bad.items()}
    assert {name for name, found in ends.items() for end in found if end.endswith(b"...")} == set()
    for name in ("half a body", "a body in endless pieces"):
        assert {end.partition(b"\r\n")[0].split(b" ")[1] for end in ends[name]} <= {b"408", b"405", b"415"}, name


def test_bodies_beyond_the_bound_are_refused_before_they_came(port):
    """50 of 100 MB each: what they send is not kept."""
    length = b"content-type: application/json\r\ncontent-length: 100000000\r\n\r\n"
    head = b"POST /v1/demo/notes HTTP/1.1\r\nhost: localhost\r\n" + length
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(port, head + b"x" * 1000)) for _ in range(50)]
        statuses = {rest(client).split(b" ", 2)[1] for client in clients}
    assert statuses <= {b"405", b"413"}  # this collection is not written at all: that is known before
