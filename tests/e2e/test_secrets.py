"""A key is where it has to be (in the request) and nowhere else: not said, not stored, not seen by neighbours."""

from urllib.parse import quote

import pytest
from commands import NOW, Ended, Place, killed
from searching import command_lines, kept, shown, spellings

from catchment.apps.stocks.standin import service as stocks_service
from catchment.clock import FakeClock
from catchment.standin import Options, serve_in_thread

CANARY = "canary+7f3a/9c=1e%5d"
FORMS = spellings(CANARY)


@pytest.fixture(scope="module")
def stocks():
    service = stocks_service(Options(size="tiny", variant=1, samples=None, clock=FakeClock(NOW)))
    with serve_in_thread(service, clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture
def upstream(stocks):
    stocks.control.reset()
    yield stocks
    stocks.control.reset()


@pytest.fixture
def keyed(upstream, place) -> Place:
    """A place whose commands use the canary."""
    place.values = {"CATCHMENT_UPSTREAM_ALPHAVANTAGE": upstream.url, "ALPHAVANTAGE_API_KEY": CANARY}
    return place


def clean(place: Place, *commands: Ended) -> None:
    """Nothing holds the canary."""
    for command in commands:
        assert shown(command.text, FORMS) == set()
    assert kept(place, FORMS) == {}


SAID = {"path": "/query", "fault": "status"}
ECHOES = {
    "a quota message with the key": ({"key_echo": True, "error": "quota"}, [], 3),
    "a series with the key as symbol": ({"other_symbol": CANARY}, [], 3),
    "a series with the key as a price": (
        *({}, [{"path": "/query", "fault": "replace", "find": '"1. open": "', "text": f'"1. open": "{CANARY}'}]),
        3,
    ),
    "a message that is unknown": ({}, [{**SAID, "status": 200, "body": f'{{"Information": "{CANARY}"}}'}], 3),
    "a page": ({}, [{"path": "/query", "fault": "html", "body": f"<p>{quote(CANARY, safe='')}</p>"}], 3),
    "an error of the server": ({}, [{**SAID, "status": 500, "body": f"no quota left for {CANARY}"}], 3),
    "a refusal": ({}, [{**SAID, "status": 403, "body": f"{CANARY} is revoked"}], 3),
    "a redirect that says the key": (
        *({}, [{"path": "/query", "fault": "redirect", "location": f"/query?apikey={quote(CANARY, safe='')}"}]),
        3,
    ),
    "a header": ({}, [{"path": "/query", "fault": "header", "find": "ETag", "text": f'"{CANARY}"'}], 0),
    "a late date": ({}, [{"path": "/query", "fault": "header", "find": "Last-Modified", "text": CANARY}], 0),
    "a reset": ({}, [{"path": "/query", "fault": "reset", "after": 0}], 3),
}


@pytest.mark.parametrize(("switches", "faults", "code"), ECHOES.values(), ids=ECHOES)
def test_whatever_the_upstream_says_the_key_is_not_repeated(keyed, upstream, switches, faults, code):
    """Acceptance 7 of stocks: output, errors and all that is kept in the data folder."""
    upstream.control.set(**switches)
    upstream.control.faults(*faults)
    first = keyed.run("collect", "stocks")
    assert first.code == code, first.text
    assert {entry["query"]["apikey"] for entry in upstream.control.log()} == {CANARY}
    clean(keyed, first)


def test_what_a_script_reads_holds_no_key(keyed, upstream):
    upstream.control.set(key_echo=True, error="quota")
    done = keyed.run("collect", "stocks", "--json")
    assert done.code == 3, done.text
    assert [entry["query"]["apikey"] for entry in upstream.control.log()] == [CANARY]
    clean(keyed, done, keyed.run("status", "stocks", "--json"))


def test_another_host_never_sees_the_key(keyed, upstream):
    service = stocks_service(Options(size="tiny", variant=1, samples=None, clock=FakeClock(NOW)))
    with serve_in_thread(service, clock=FakeClock(NOW)) as other:
        upstream.control.faults({"path": "/query", "fault": "redirect", "location": f"{other.url}/query"})
        done = keyed.run("collect", "stocks")
        assert done.code == 3
        assert other.control.log() == []
    clean(keyed, done)


def test_while_it_works_the_key_is_in_no_file_and_in_no_command_line(keyed, upstream):
    upstream.control.hold("/query", call=2)
    process = keyed.start("collect", "stocks")
    upstream.control.wait_for(2)
    try:
        lines = command_lines()
        during = kept(keyed, FORMS)  # with the write-ahead log
        assert any("collect" in line and "stocks" in line for line in lines)
        assert keyed.sql("SELECT count(*) FROM _run") == [(1,)]
    finally:
        done = killed(process)
    assert [line for line in lines if shown(line, FORMS)] == []
    assert during == {}
    clean(keyed, done)


@pytest.mark.parametrize("reference", ["FILE", "COMMAND"])
def test_a_key_may_be_referred_to(keyed, upstream, reference):
    file = keyed.folder / "key"
    file.write_text(CANARY)
    file.chmod(0o600)
    del keyed.values["ALPHAVANTAGE_API_KEY"]
    keyed.values[f"ALPHAVANTAGE_API_KEY_{reference}"] = str(file) if reference == "FILE" else f"cat {file}"
    done = keyed.run("collect", "stocks")
    assert done.code == 0, done.text
    assert {entry["query"]["apikey"] for entry in upstream.control.log()} == {CANARY}
    clean(keyed, done)


@pytest.mark.parametrize("command", [["settings"], ["plan", "stocks"]])
def test_no_command_says_the_key(keyed, command):
    done = keyed.run(*command)
    assert done.text
    assert shown(done.text, FORMS) == set()


def test_a_key_in_a_dotenv_file_is_no_setting(keyed):
    del keyed.values["ALPHAVANTAGE_API_KEY"]
    (keyed.folder / ".env").write_text(f"ALPHAVANTAGE_API_KEY='{CANARY}'\n")
    assert shown(keyed.run("settings").text, FORMS) == set()
    done = keyed.run("collect", "stocks")
    assert done.code == 0, done.text
    clean(keyed, done)


def test_a_crash_in_a_persons_own_function_shows_no_key(keyed, upstream):
    (keyed.folder / "feeds.py").write_text(
        """
from catchment import App, Feed, Get, QueryKey, Record, Secret, Upstream

class Thing(Record):
    id: int

def rows(body, partition):
    raise RuntimeError("no such member")

somewhere = Upstream("alphavantage", "https://a.example", auth=QueryKey("apikey", Secret("ALPHAVANTAGE_API_KEY")))
splits = Get("/query", function="SPLITS", symbol="IBM")
things = Feed("things", Thing, somewhere, request=splits, key=("id",), rows=rows)
app = App("mine", feeds=[things])
"""
    )
    done = keyed.run("collect", "feeds:app")
    assert done.code == 3, done.text
    assert "no such member" in done.text
    assert len(upstream.control.log()) == 1
    clean(keyed, done)
