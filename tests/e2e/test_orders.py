"""What operators ask for over HTTP, done by a collector in another process: also after a kill."""

import signal
from contextlib import contextmanager

import httpx
import pytest
from commands import NOW, Place, killed

from catchment.apps.stocks.standin import service
from catchment.clock import FakeClock
from catchment.standin import Options, serve_in_thread

BARS = "stocks/bars"
IBM = "symbol=IBM"


@pytest.fixture(scope="module")
def exchange():
    clock = FakeClock(NOW)
    with serve_in_thread(service(Options(size="tiny", variant=1, samples=None, clock=clock)), clock=clock) as running:
        yield running


@pytest.fixture
def place(exchange, tmp_path):
    """Collected once."""
    exchange.control.reset()
    values = {
        "CATCHMENT_UPSTREAM_ALPHAVANTAGE": exchange.url,
        "ALPHAVANTAGE_API_KEY": "a-key",
        "ALPHAVANTAGE_BUDGET": "1000/second",
        "STOCK_SYMBOLS": "IBM",
    }
    found = Place(tmp_path, values)
    assert found.run("collect", "stocks").code == 0
    exchange.control.reset()
    return found


@contextmanager
def running(place, command):
    """An address, while the command runs."""
    process = place.start(command, "stocks", "--port", "0")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://" in line, killed(process)
        yield line.split()[-1], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def give(url, **order):
    return httpx.post(f"{url}/v1/_/orders", json={"collection": BARS, **order}, timeout=30)


def done(url, number):
    """The order when it is done."""
    while True:
        (found,) = [it for it in httpx.get(f"{url}/v1/_/orders", timeout=30).json()["data"] if it["id"] == number]
        if found["done_at"]:
            return found


def test_a_running_collector_does_what_it_is_asked_for(place, exchange):
    with running(place, "up") as (url, _):
        while httpx.get(f"{url}/v1/_/orders", timeout=30).json()["meta"]["collecting"] != ["stocks"]:
            """It says so as soon as it looks for orders."""
        answer = give(url, verb="collect", partition=IBM)
        assert (answer.status_code, answer.json()["meta"]) == (202, {"collecting": True})
        told = done(url, answer.json()["data"]["id"])
        assert (told["good"], told["result"]) == (True, "1 unchanged")
        assert len(exchange.control.log()) == 1
        assert give(url, verb="pause").json()["data"]["done_at"]
        assert give(url, verb="start").status_code == 409
        told = done(url, give(url, verb="replay").json()["data"]["id"])
        assert (told["good"], told["result"]) == (True, "1 answers derived again as generation 2, 0 rejects")
        told = done(url, give(url, verb="resume").json()["data"]["id"])
        assert (told["good"], told["result"]) == (True, "nothing was due")
        assert len(exchange.control.log()) == 1, "a replay asks nobody, and nothing was due"


def test_an_order_survives_until_somebody_collects_and_the_collector_that_dies_with_it(place, exchange):
    with running(place, "serve") as (url, _):
        answer = give(url, verb="collect", partition=IBM)
        assert answer.json()["meta"] == {"collecting": False}
        number = answer.json()["data"]["id"]
        exchange.control.hold("/query")
        process = place.start("collect", "stocks")
        exchange.control.wait_for(1)
        assert killed(process).code == -signal.SIGKILL
        (told,) = httpx.get(f"{url}/v1/_/orders", timeout=30).json()["data"]
        assert told["taken_at"]
        assert not told["done_at"], "taken by a process that is dead, and not done"
        exchange.control.release()
        again = place.run("collect", "stocks")
        assert again.code == 0, again.text
        told = done(url, number)
        assert (told["good"], told["result"]) == (True, "1 unchanged")


def test_nobody_collects_what_is_paused_until_it_is_resumed(place, exchange):
    paused = place.run("pause", "stocks/bars")
    assert paused.out == "stocks/bars is paused: nobody asks its upstream until catchment resume stocks/bars\n"
    waiting = place.run("collect", "stocks/bars", "--again")
    assert waiting.code == 3
    assert "stocks/bars: 1 not asked: paused by an operator" in waiting.text
    assert "paused" in place.run("plan", "stocks").text
    assert "by an operator" in place.run("status", "stocks").text
    assert exchange.control.log() == []
    assert "stocks/bars is resumed" in place.run("resume", "stocks").out
    assert place.run("collect", "stocks/bars", "--again").code == 0
    assert len(exchange.control.log()) == 1
    alone = place.run("pause", "providers")
    assert (alone.code, "providers collects nothing" in alone.err) == (2, True)
