"""The stocks app as commands: killed and resumed, and from empty to served as the compose file runs it."""

import json
import signal
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen, run
from urllib.request import urlopen

import pytest
import yaml
from commands import NOW, WAIT_S, Place, ended, killed

from catchment.apps.stocks.standin import service
from catchment.clock import FakeClock
from catchment.standin import Options, serve_in_thread

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
END = {
    "bars": "SELECT _key, _version, _doc FROM stocks_bars ORDER BY _key",
    "versions": "SELECT count(*) FROM stocks_bars_version",
    "partitions": "SELECT key, verdict, records, lease_owner FROM _partition WHERE feed = 'stocks/bars' ORDER BY key",
    "revision": "SELECT revision FROM _collection WHERE name = 'stocks/bars'",
}


@pytest.fixture
def upstream():
    clock = FakeClock(NOW)
    with serve_in_thread(service(Options(size="tiny", variant=1, samples=None, clock=clock)), clock=clock) as running:
        yield running


def place_of(folder: Path, url: str) -> Place:
    return Place(
        folder,
        {
            "ALPHAVANTAGE_API_KEY": "stand-in",
            "ALPHAVANTAGE_BUDGET": "1000/second",
            "CATCHMENT_UPSTREAM_ALPHAVANTAGE": url,
        },
    )


def end_of(place: Place) -> dict[str, list[tuple]]:
    return {name: place.sql(statement) for name, statement in END.items()}


def symbols(upstream) -> list[str]:
    return [entry["query"]["symbol"] for entry in upstream.control.log()]


@pytest.fixture
def undisturbed(upstream, tmp_path_factory):
    place = place_of(tmp_path_factory.mktemp("undisturbed"), upstream.url)
    assert place.run("collect", "stocks").code == 0
    assert symbols(upstream) == ["IBM", "AAPL"]
    upstream.control.reset()
    return end_of(place)


def test_killed_between_two_symbols_it_asks_only_for_the_one_that_was_open(upstream, undisturbed, tmp_path):
    """Acceptance 3: between symbols."""
    place = place_of(tmp_path, upstream.url)
    upstream.control.hold("/query", query={"symbol": "AAPL"})
    process = place.start("collect", "stocks")
    upstream.control.wait_for(2)
    assert killed(process).code == -signal.SIGKILL
    assert place.sql("SELECT symbol, count(*) FROM stocks_bars GROUP BY symbol") == [("IBM", 30)]
    upstream.control.release()
    again = place.run("collect", "stocks")
    assert again.code == 0, again.text
    assert symbols(upstream) == ["IBM", "AAPL", "AAPL"]
    assert end_of(place) == undisturbed


@pytest.mark.parametrize(("point", "stored"), [("versions.written", 0), ("tx.committed", 30)])
def test_killed_inside_a_write_it_asks_nothing_twice(upstream, undisturbed, tmp_path, point, stored):
    """Acceptance 3: inside a write, and right behind it."""
    place = place_of(tmp_path, upstream.url)
    fired = tmp_path / "fired"
    values = {"CATCHMENT_FAILPOINTS": f"{point}:1:kill", "CATCHMENT_FAILPOINTS_LOG": str(fired)}
    assert place.run("collect", "stocks", values=values).code == -signal.SIGKILL
    assert point in fired.read_text()
    assert place.sql("SELECT count(*) FROM stocks_bars") == [(stored,)]
    assert symbols(upstream) == ["IBM"]
    again = place.run("collect", "stocks")
    assert again.code == 0, again.text
    assert symbols(upstream) == ["IBM", "AAPL"]
    assert end_of(place) == undisturbed


def test_of_a_symbol_that_is_refused_the_first_run_says_until_when_as_the_next_one_does(upstream, tmp_path):
    place = place_of(tmp_path, upstream.url)
    place.values["STOCK_SYMBOLS"] = "IBM,NOSUCH,NOTHER"
    said = []
    for _ in range(2):
        done = place.run("collect", "stocks")
        assert done.code == 3, done.text
        said.append([line for line in done.text.splitlines() if "bad symbol" in line])
        place.clock.set(NOW + timedelta(hours=1))
    until = f"{NOW + timedelta(days=30):%Y-%m-%d %H:%M} UTC"
    assert said[0] == said[1]
    assert [line.partition("stocks/bars: ")[2] for line in said[0]] == [
        f"2 refused: bad symbol, not before {until}: symbol=NOSUCH symbol=NOTHER"
    ]
    assert symbols(upstream) == ["IBM", "NOSUCH", "NOTHER"]


def test_the_script_of_the_service_before_collects_as_often_as_one_likes(upstream, undisturbed, tmp_path):
    """Acceptance 1: twice the same."""
    place = place_of(tmp_path, upstream.url)
    for _ in range(2):
        script = [sys.executable, ROOT / "examples" / "stocks" / "get_raw_data.py"]
        done = run(script, cwd=tmp_path, env=place.environment, capture_output=True, timeout=WAIT_S, check=False)
        assert done.returncode == 0, done.stderr
        assert end_of(place) == undisturbed
    assert symbols(upstream) == ["IBM", "AAPL"]


@contextmanager
def announced(place: Place, *arguments: str):
    """A command that serves, and the address that it says it serves at."""
    process: Popen[str] = place.start(*arguments)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "http://" in line:
                break
        assert lines, process.stderr and process.stderr.read()
        assert "http://" in lines[-1], "".join(lines)
        yield "http://" + lines[-1].partition("http://")[2].split()[0].rstrip("/")
    finally:
        process.send_signal(signal.SIGTERM)
        ended(process)


def command(name: str, port: int | None = None) -> list[str]:
    """The command line of a service in the compose file, with a free port instead of its own."""
    line = list(SERVICES[name]["command"])
    if port is not None:
        line[line.index("--port") + 1] = str(port)
    if "--host" in line:
        line[line.index("--host") + 1] = "127.0.0.1"
    return line


def test_from_empty_to_served_by_the_commands_of_the_compose_file(tmp_path):
    """Acceptance 20: a stand-in, no key of one's own."""
    dump, api = SERVICES["stocks-dump"], SERVICES["stocks-api"]
    place = Place(tmp_path, {name: value for name, value in dump["environment"].items() if "$" not in value})
    place.values |= {"ALPHAVANTAGE_API_KEY": "stand-in", "STOCK_SYMBOLS": "IBM,AAPL"}
    with announced(place, *command("stocks-upstream", 0)) as url:
        collected = place.run(*command("stocks-dump"), values={"CATCHMENT_UPSTREAM_ALPHAVANTAGE": url})
        assert collected.code == 0, collected.text
    del place.values["ALPHAVANTAGE_API_KEY"]
    place.values |= {name: value for name, value in api["environment"].items() if "$" not in value}
    with (
        announced(place, *command("stocks-api", 0)) as url,
        urlopen(f"{url}/api/financial_data?limit=100", timeout=WAIT_S) as answer,  # noqa: S310 (our own)
    ):
        found = json.load(answer)
    assert found["pagination"]["count"] == len(found["data"]) == 60
    assert {row["symbol"] for row in found["data"]} == {"IBM", "AAPL"}
