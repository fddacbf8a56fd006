from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from forkserver import run

from catchment.clock import FakeClock
from catchment.errors import UsageError
from catchment.standin import clock_from, serve_in_thread
from catchment.standin.state import SHAPE, Order

from .conftest import START, Echo, ask, connect, read_to_end


def test_switches_change_answers_and_come_back_with_reset(echo):
    echo.control.set(greeting="ahoy", size=1)
    assert ask(echo.url, "/x").json()["greeting"] == "ahoy"
    echo.control.reset()
    assert ask(echo.url, "/x").json()["greeting"] == "hello"
    assert [entry["number"] for entry in echo.control.log()] == [1]


def test_switches_may_be_set_at_the_start():
    with serve_in_thread(Echo(), switches={"loud": True}) as running:
        assert ask(running.url, "/").json()["loud"] is True
        running.control.set(loud=False)
        running.control.reset()
        assert running.control.state()["switches"]["loud"] is True
    with pytest.raises(UsageError, match="nearest is loud"):
        serve_in_thread(Echo(), switches={"lout": True}).__enter__()


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"switches": {"greting": "x"}}, "unknown switch: greting (nearest is greeting)"),
        ({"switches": {"size": "big"}}, "size"),
        ({"swiches": {}}, "unknown control name: swiches (nearest is switches)"),
        ({"faults": [{"fault": "truncat"}]}, "unknown fault: truncat (nearest is truncate)"),
        ({"faults": [{"fault": "reset", "aftr": 1}]}, "unknown member of a fault: aftr (nearest is after)"),
        ({"faults": [{"fault": "reset", "after": "k"}]}, "after"),
        ({"hold": {"pth": "/x"}}, "unknown member of a hold: pth (nearest is path)"),
        ({"clock": "noon"}, "clock: noon is no moment"),
        ({"advance": "1"}, "advance is a number of seconds"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_order_is_400_and_changes_nothing(echo, said, complaint):
    echo.control.set(greeting="kept")
    with pytest.raises(UsageError) as caught:
        echo.control.post(reset=True, **said)
    assert complaint in str(caught.value)
    assert echo.control.state()["switches"]["greeting"] == "kept"


def test_a_control_body_that_is_no_json_is_400(echo):
    assert ask(echo.url, "/_control", method="POST", body=b"{").status == 400
    assert ask(echo.url, "/_control", method="POST", body=b"[]").status == 400
    assert ask(echo.url, "/_control/wait?requests=x").status == 400
    assert ask(echo.url, "/_control/nowhere").status == 400


def test_a_wrong_order_is_told_what_it_may_be(echo):
    said = ask(echo.url, "/_control", method="POST", body=b'{"reset": "yes"}')
    assert said.status == 400
    assert said.json()["error"] == "reset is true or false"
    assert set(said.json()["body"]) == {field.name for field in dataclasses.fields(Order)}
    assert "truncate" in said.json()["faults"]


def test_switches_are_set_on_the_command_line_too():
    given = ["--switch", "lag=4", "--switch", "unpublished=404", "--switch", "slow=true"]
    command = [sys.executable, "-m", "catchment", "standin", "police", *given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]
        switches = ask(url, "/_control").json()["switches"]
        process.terminate()
    assert (switches["lag"], switches["unpublished"], switches["slow"]) == (4, "404", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [("lat=2", "unknown switch: lat"), ("late=many", "Expected `int`, got `str`"), ("late", "is no NAME=VALUE")],
)
def test_a_wrong_switch_on_the_command_line_is_wrong_use(given, said, tmp_path):
    done = run(tmp_path, ["standin", "police", "--switch", given], {"PATH": os.environ["PATH"]})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("catchment: ")
    assert said in done.err


def test_help_says_what_an_order_may_be(tmp_path):
    done = run(tmp_path, ["standin", "--help"], {"PATH": os.environ["PATH"]})
    assert done.code == 0
    assert [name for name in SHAPE if f"{name}:" not in done.out] == []


def test_the_clock_can_be_set_and_advanced():
    with serve_in_thread(Echo(), clock=FakeClock(START)) as running:
        running.control.clock("2030-01-31T04:00:00Z")
        running.control.advance(90)
        assert running.control.state()["clock"] == "2030-01-31T04:01:30.000000Z"
        assert ask(running.url, "/x").header("Date") == "Thu, 31 Jan 2030 04:01:30 GMT"
        running.control.reset()
        assert running.control.state()["clock"] == "2026-03-10T12:00:00.000000Z"


def test_a_clock_may_begin_at_a_moment_and_run_on():
    clock = clock_from(START)
    assert START <= clock.now() <= START + timedelta(minutes=5)
    assert clock.now() <= clock.now()


def test_the_log_tells_each_request(echo):
    raw = ask(echo.url, "/a%20b?q=1&q=2&empty=", "X-Key: k")
    ask(echo.url, "/c", method="POST", body=b"abc")
    first, second = echo.control.log()
    assert (first["number"], first["method"], first["path"], first["target"]) == (
        1,
        "GET",
        "/a b",
        "/a%20b?q=1&q=2&empty=",
    )
    assert first["query"] == {"q": "2", "empty": ""}
    assert first["headers"]["x-key"] == "k"
    assert (first["status"], first["sent"], first["end"]) == (200, len(raw.data), "sent")
    assert first["at"] == "2026-03-10T12:00:00.000000Z"
    assert second["method"] == "POST"
    assert second["received_s"] > first["received_s"]
    assert echo.control.max_open() == 1


def test_a_held_answer_waits_for_its_release(echo):
    echo.control.hold("/x", call=2)
    assert ask(echo.url, "/x").status == 200
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask(echo.url, "/x").json()["number"]))]
    threads[0].start()
    echo.control.wait_for(2)
    assert ask(echo.url, "/x").json()["number"] == 3
    assert answers == []
    assert [entry["end"] for entry in echo.control.log()] == ["sent", "open", "sent"]
    echo.control.release()
    threads[0].join(5)
    assert answers == [2]
    assert echo.control.max_open() == 2


def test_a_held_answer_whose_peer_leaves_is_logged_as_cut(echo):
    echo.control.hold("/x")
    with connect(echo.url) as peer:
        peer.sendall(b"GET /x HTTP/1.1\r\nHost: u\r\n\r\n")
        echo.control.wait_for(1)
    entry = until(echo, lambda log: log[0]["end"] != "open")
    assert (entry["end"], entry["sent"]) == ("cut", 0)
    assert echo.control.state()["held"] == 0


def test_a_reader_who_leaves_in_the_middle_is_logged_as_cut(echo):
    echo.control.faults({"path": "/x", "fault": "endless"})
    ask(echo.url, "/x", most=1_000_000)
    entry = until(echo, lambda log: log[0]["end"] != "open")
    assert entry["end"] == "cut"
    assert entry["sent"] >= 1_000_000


def until(echo, happened):
    """The first entry once the log says so; each look is a request, so it needs no sleep."""
    for _ in range(2_000):
        log = echo.control.log()
        if happened(log):
            return log[0]
    pytest.fail("the log never said so")


def test_wait_gives_up_at_the_clients_patience(echo):
    impatient = type(echo.control)(echo.url, timeout_s=0.05)
    with pytest.raises(TimeoutError):
        impatient.wait_for(1)


def test_keep_alive_serves_several_requests(echo):
    with connect(echo.url) as peer:
        for number in (1, 2):
            peer.sendall(b"GET /x HTTP/1.1\r\nHost: u\r\n\r\n")
            assert b'"number": %d' % number in peer.recv(1 << 16)


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"GET x HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"x" * 70_000,
    ],
    ids=["no-http", "no-path", "version", "length", "chunked", "long-line"],
)
def test_what_is_no_http_is_400(echo, said):
    with connect(echo.url) as peer:
        peer.sendall(said)
        assert peer.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
    assert echo.control.log() == []


def test_head_describes_and_sends_no_body(echo):
    raw = ask(echo.url, "/x", method="HEAD")
    assert raw.body == b""
    assert int(raw.header("Content-Length")) > 0


def test_a_taken_port_is_said(echo):
    port = int(echo.url.rpartition(":")[2])
    with pytest.raises(UsageError, match="cannot listen"), serve_in_thread(Echo(), port=port):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_as_a_process_it_says_where_and_ends_quietly(number):
    program = (
        "from catchment.standin import *; from catchment.apps.stocks.standin import service;"
        "from catchment.clock import SystemClock; run(service(Options('tiny', 1, None, SystemClock())))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        line = process.stdout.readline().decode()
        assert line.startswith("stand-in stocks on http://127.0.0.1:")
        assert ask(line.split()[-1], "/query").status == 200
        process.send_signal(number)
        assert process.communicate(timeout=10) == (b"", b"")
    assert process.returncode == 0


@pytest.mark.parametrize("order", [{"faults": [{"fault": "hang"}]}, {"hold": {}}], ids=["hang", "hold"])
def test_it_ends_although_a_peer_still_waits(order):
    with serve_in_thread(Echo()) as running:
        running.control.post(**order)
        peer = connect(running.url)
        peer.sendall(b"GET /x HTTP/1.1\r\nHost: u\r\n\r\n")
        running.control.wait_for(1)
    with peer:
        assert peer.recv(1) == b""


def test_many_peers_at_once_are_all_answered(echo):
    echo.control.hold("/x")
    peers = [connect(echo.url) for _ in range(60)]
    for peer in peers:
        peer.sendall(b"GET /x HTTP/1.1\r\nHost: u\r\nConnection: close\r\n\r\n")
    echo.control.wait_for(60)
    assert echo.control.max_open() == 60
    echo.control.release()
    numbers = set()
    for peer in peers:
        with peer:
            numbers.add(read_to_end(peer).json()["number"])
    assert numbers == set(range(1, 61))
