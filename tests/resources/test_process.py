"""A real server: what was acknowledged is stored, also when the process is killed at any moment."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from people import COLLECTIONS, NOW, PLACE, PLACES, REVIEWS, user

from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.rollups import kept, recomputed

pytestmark = pytest.mark.sqlite  # killed as a process, whose file is whole
HERE = Path(__file__).parent
CLIENTS = 8


class Server:
    """`catchment serve` in processes of its own."""

    def __init__(self, database: File) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        unlimited = {"CATCHMENT_LIMIT_WRITES": "off", "CATCHMENT_LIMIT_KEY": "off"}
        environment = (
            os.environ
            | unlimited
            | {"CATCHMENT_DATA": str(database.path.parent), "CATCHMENT_DATABASE": f"sqlite:///{database.path}"}
            | {"CATCHMENT_PORT": str(self.port)}
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "catchment", "serve", "market:app"],
            cwd=HERE,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said = next((line for line in self._process.stdout if "serving on" in line), "")

    def kill(self) -> None:
        """The server and its worker are gone, without a word."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(timeout=15)


@pytest.fixture
def server(database):
    started = Server(database)
    assert started.said
    yield started
    started.kill()


class Client:
    """One person with one connection; `done` are the answers that came."""

    def __init__(self, server: Server, database: File, number: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
        key = create(database, "test", user(number), {"write"}, NOW)[0]
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.done: list[tuple[int, dict]] = []

    def ask(self, method: str, url: str, body: object = None) -> tuple[int, dict]:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, url, content, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        self.done.append((answer.status, json.loads(text or b"{}")))
        return self.done[-1]

    def close(self) -> None:
        self._connection.close()


def together(clients, work):
    threads = [threading.Thread(target=work, args=(number, client)) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    return threads


def check_sums(database):
    with closing(sqlite3.connect(database.path)) as sql:
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for number in range(3):
            collection = COLLECTIONS["reviews"]
            assert kept(sql, collection, number) == recomputed(sql, collection, number)


def test_killed_at_any_moment_it_has_all_that_it_acknowledged(server, database):
    clients = [Client(server, database, number + 1) for number in range(CLIENTS)]
    enough = threading.Semaphore(0)

    def work(number, client):
        with suppress(OSError, HTTPException):  # the server goes away in the middle of it
            while True:
                assert client.ask("POST", PLACES, PLACE)[0] == 201
                enough.release()

    threads = together(clients, work)
    for _ in range(200):
        assert enough.acquire(timeout=20)
    server.kill()
    for thread in threads:
        thread.join()
    acknowledged = {body["data"]["id"] for client in clients for status, body in client.done}
    for client in clients:
        client.close()
    assert len(acknowledged) >= 200
    with closing(sqlite3.connect(database.path)) as sql:
        stored = {key for (key,) in sql.execute("SELECT _key FROM market_places")}
        elements = {key for (key,) in sql.execute("SELECT DISTINCT _key FROM market_places__skills")}
        revision = sql.execute("SELECT revision FROM _collection WHERE name = 'market/places'").fetchone()[0]
        audited = sql.execute("SELECT count(*) FROM _audit WHERE action = 'create'").fetchone()[0]
    assert acknowledged <= stored
    assert len(stored - acknowledged) <= CLIENTS, "at most what was under way is stored unheard"
    assert elements == stored
    assert revision == len(stored) == audited


def test_eight_clients_at_once_leave_every_sum_right(server, database):
    clients = [Client(server, database, number + 1) for number in range(CLIENTS)]
    places = [clients[number].ask("POST", PLACES, PLACE | {"cost": 1})[1]["data"]["id"] for number in range(2)]

    def work(number, client):
        for turn in range(6):
            review = {"place": places[turn % 2], "skill": "milling", "rating": (number + turn) % 6 * 0.75}
            status, body = client.ask("POST", REVIEWS, review)
            if status == 403:  # of one's own place
                continue
            key = body["data"]["id"]
            assert client.ask("PATCH", f"{REVIEWS}/{key}", {"rating": "1.25"})[0] == 200
            if turn % 3 == 2:
                assert client.ask("DELETE", f"{REVIEWS}/{key}")[0] == 204

    for thread in together(clients, work):
        thread.join()
    assert {status for client in clients for status, _ in client.done} <= {200, 201, 204, 403}
    listed = clients[0].ask("GET", f"{REVIEWS}?limit=1000&count=exact")[1]
    for client in clients:
        client.close()
    assert server.stop() == 0
    check_sums(database)
    with closing(sqlite3.connect(database.path)) as sql:
        stored = sql.execute("SELECT count(*) FROM market_reviews").fetchone()[0]
    assert listed["meta"]["count"] == stored > 0
