"""The real commands on a fresh install, over real sockets: where they listen, whom they let in, what they log."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from databases import left_in, url_of, values_in
from forkserver import Ended, run
from many_people import NOW, USER

from catchment.errors import UsageError
from catchment.serve.server import check_address
from catchment.settings import Settings
from catchment.store.keys import create, revoke

FEEDS = Path(__file__).parents[1] / "serve"
# A request that somebody forwarded is not from this machine, though its connection is.
OUTSIDE = {"x-forwarded-for": "192.0.2.7"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Commands:
    """catchment's commands, with nothing set but where their database is."""

    def __init__(self, place: Mapping[str, str]) -> None:
        self.environment = {"PATH": os.environ["PATH"], **place}
        self.running: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str) -> Ended:
        return run(FEEDS, arguments, self.environment)

    def serve(self, *arguments: str, **settings: str) -> tuple[subprocess.Popen[str], str]:
        """A server that answers, and where."""
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "catchment", "serve", "demo_feeds:app", "--port", str(port), *arguments],
            cwd=FEEDS,
            env=self.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        assert process.stdout.readline().startswith("serving on http://")
        return process, f"http://127.0.0.1:{port}"

    def end(self) -> None:
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def commands(tmp_path):
    made = Commands(values_in(tmp_path))
    yield made
    made.end()


def outcome(process) -> str:
    """Everything that the server said, once it has ended as asked."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0
    return out + err


def test_a_key_lives_and_dies_with_the_server_running(commands, store):
    process, url = commands.serve(CATCHMENT_LIMIT_FAILED_KEYS="off")
    made = commands.run("keys", "create", "--name", "reports", "--scope", "read", "--principal", USER)
    key = made.out.strip()
    identity, secret = key.split("_")[1:]
    with httpx.Client(base_url=url, headers=OUTSIDE, timeout=10) as client:
        bearer, other = {"authorization": f"Bearer {key}"}, {"x-api-key": key}
        assert client.get("/v1/demo/notes").status_code == 401
        for headers in (bearer, other):
            assert client.get("/v1/demo/notes", headers=headers).json()["data"][0]["text"] == "canary-note"
        assert client.get(f"/v1/demo/notes?key={key}").status_code == 400
        assert client.get("/v1/_/feeds", headers=bearer).status_code == 403
        assert commands.run("keys", "revoke", identity).code == 0
        refused = client.get("/v1/demo/notes", headers=bearer)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    said = outcome(process)
    assert f"request_id={refused.headers['x-request-id']}" in said
    left = said.encode() + left_in(store.database)
    assert secret.encode() not in left
    assert identity.encode() in left


def test_requests_at_once_keep_their_ids_apart(commands, store):
    process, url = commands.serve(CATCHMENT_LIMIT_FAILED_KEYS="off", CATCHMENT_LIMIT_ANONYMOUS="off")
    with httpx.Client(base_url=url, headers=OUTSIDE, timeout=30) as client, ThreadPoolExecutor(8) as threads:

        def ask(number: int) -> httpx.Response:
            # Denied, so that each waits for the audit while others are under way.
            return client.delete(f"/v1/n{number}", headers={"x-request-id": f"id-{number}", "x-api-key": "ck_bad"})

        answers = list(threads.map(ask, range(60)))
    assert [answer.json()["trace_id"] for answer in answers] == [f"id-{number}" for number in range(60)]
    lines = re.findall(r"path=/v1/n(\d+).*request_id=id-(\d+)", outcome(process))
    assert sorted(int(path) for path, _ in lines) == list(range(60))
    assert all(path == identity for path, identity in lines)
    with closing(store.database.open()) as sql:
        rows = sql.execute("SELECT object, request_id FROM _audit").fetchall()
    assert sorted(rows) == sorted((f"/v1/n{number}", f"id-{number}") for number in range(60))


# -- a fresh install -----------------------------------------------------------------------------------------------


def test_it_listens_to_others_only_when_there_is_a_key(commands, tmp_path):
    refused = commands.run("serve", "demo_feeds:app", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104
    assert (refused.code, refused.out) == (2, "")
    assert "there is no key yet" in refused.err
    assert "catchment keys create" in refused.err
    assert "Traceback" not in refused.err
    refused = commands.run("up", "demo_feeds:app", "--host", "0.0.0.0", "--port", str(free_port()))  # noqa: S104
    assert (refused.code, "there is no key yet" in refused.err) == (2, True)
    assert commands.run("keys", "create", "--name", "first", "--scope", "read").code == 0
    _, url = commands.serve("--host", "0.0.0.0")  # noqa: S104
    assert httpx.get(f"{url}/health/live", timeout=10).status_code == 200


@pytest.mark.sqlite
def test_what_it_makes_is_for_its_owner_only(commands, tmp_path):
    data = tmp_path / "new"
    commands.environment["CATCHMENT_DATA"] = str(data)
    assert commands.run("keys", "list", "--json").out == '{"data":[],"meta":{}}\n'  # no key comes with it
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (data, data / "catchment.sqlite")}
    assert modes == {"new": 0o700, "catchment.sqlite": 0o600}


def test_settings_show_the_limits_and_who_is_trusted(commands):
    shown = dict(re.findall(r"^(\S+) +(\S+) +default$", commands.run("settings").out, re.MULTILINE))
    assert shown["CATCHMENT_HOST"] == "127.0.0.1"
    assert shown["CATCHMENT_TRUSTED_GATEWAYS"] == "-"
    assert shown["CATCHMENT_WITHOUT_KEYS"] == "-"
    assert shown["CATCHMENT_LIMIT_ANONYMOUS"] == "10/second,50"


HOSTS = {
    "127.0.0.1": True,
    "127.8.8.8": True,
    "::1": True,
    "localhost": True,
    "0.0.0.0": False,  # noqa: S104
    "::": False,
    "192.0.2.1": False,
    "example.org": False,
    "": True,  # nothing set: the default
}


@pytest.mark.parametrize(("host", "own"), HOSTS.items(), ids=HOSTS.keys())
def test_an_address_that_others_reach_needs_a_key_that_can_be_used(database, now, host, own):
    settings = Settings().with_values("test", {"CATCHMENT_HOST": host, "CATCHMENT_DATABASE": url_of(database)})

    def check() -> None:
        if own:
            check_address(settings)
            return
        with pytest.raises(UsageError, match="no key yet"):
            check_address(settings)

    check()
    _, old = create(database, "old", USER, {"read"}, NOW, expires_at=NOW)
    check()
    _, dead = create(database, "dead", USER, {"read"}, NOW)
    revoke(database, dead.id, NOW)
    check()
    for said in ("no", "true", "1"):
        settings = settings.with_values("test", {"CATCHMENT_WITHOUT_KEYS": said})
        check()
    check_address(settings.with_values("test", {"CATCHMENT_WITHOUT_KEYS": "yes"}))
    create(database, "good", USER, {"read"}, NOW)
    check_address(settings)
    assert old.id != dead.id


def test_without_a_database_there_is_no_key(tmp_path):
    values = {"CATCHMENT_HOST": "192.0.2.1", "CATCHMENT_DATA": str(tmp_path / "none")}
    with pytest.raises(UsageError, match="no key yet"):
        check_address(Settings().with_values("test", values))
