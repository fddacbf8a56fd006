"""The command line as a person meets it: what is wrong is said in a line, and what is right is done."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing

import httpx
import pytest
from commands import NOW, Ended, Place, ended
from numbers_upstream import FEEDS, LETTERS, Numbers, write_feeds

from catchment.app import load_app
from catchment.apps.police.standin import service as police_service
from catchment.clock import FakeClock
from catchment.standin import Options, serve_in_thread
from catchment.store.engines import database_of
from catchment.store.store import prepare


@pytest.fixture(scope="module")
def police():
    service = police_service(Options(size="tiny", variant=1, samples=None, clock=FakeClock(NOW)))
    with serve_in_thread(service, clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture
def upstream(police, place):
    """The police stand-in, which commands in `place` ask."""
    police.control.reset()
    place.values = {"CATCHMENT_UPSTREAM_POLICE": f"{police.url}/api", "ALPHAVANTAGE_API_KEY": "k"}
    yield police
    police.control.reset()


def one_line(done: Ended) -> str:
    """The line that says what is wrong; at most one more says what to do."""
    assert "Traceback" not in done.text
    said, *hint = done.err.splitlines()
    assert said.startswith("catchment: ")
    assert len(hint) <= 1
    assert all(line.startswith("  ") for line in hint)
    return done.err


# -- what is wrong --------------------------------------------------------------------------------------------------

WRONG = {
    "an unknown app": (["collect", "nosuch"], ["no app is called nosuch", "police, stocks"]),
    "an unknown feed": (["collect", "police/nosuch"], ["no feed nosuch", "stops"]),
    "a file that is not here": (["collect", "nofile:app"], ["there is no nofile.py here"]),
    "an only without a value": (["collect", "police", "--only", "force"], ["--only force is no NAME=VALUE"]),
    "an only of nothing": (["collect", "police", "--only", "=x"], ["is no NAME=VALUE"]),
    "an only of an unknown name": (["collect", "police", "--only", "colour=red"], ["has colour", "force, month"]),
    "an unknown size": (["demo", "--once", "--size", "huge"], ["--size huge is unknown", "tiny"]),
    "a port that is none": (["serve", "police", "--port", "http"], ["http is no port"]),
    "a port too high": (["up", "police", "--port", "65536"], ["65536 is no port"]),
    "a clock that is none": (["standin", "police", "--clock", "noon"], ["noon"]),
    "settings of an unknown app": (["settings", "nosuch"], ["no app is called nosuch"]),
    "a sample folder that is not there": (["standin", "police", "--samples", "nosuch"], ["nosuch"]),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_said_in_a_line(place, upstream, arguments, said):
    done = place.run(*arguments)
    line = one_line(done)
    assert done.code == 2, done.text
    assert all(part in line for part in said), line
    assert upstream.control.log() == []


@pytest.mark.parametrize(
    ("name", "missing"), [("police", "police/reference/forces.json"), ("stocks", "stocks/*/*.csv")]
)
@pytest.mark.parametrize("there", ["", "police/reference", "stocks/vintages"])
def test_a_stand_in_without_the_recordings_asked_for_does_not_start(place, name, missing, there):
    (place.folder / "recorded" / there).mkdir(parents=True)
    done = place.run("standin", name, "--samples", "recorded")
    assert done.code == 2, done.text
    assert f"recorded holds no recordings of {name}" in one_line(done)
    assert missing in done.err


MISTYPED = {
    "an unknown flag": (["collect", "police", "--nosuch"], "No such option: --nosuch"),
    "an unknown command": (["nosuch"], "No such command 'nosuch'"),
    "no target": (["collect"], "Missing argument"),
    "a number that is none": (["standin", "police", "--port", "x"], "Invalid value for '--port'"),
}


@pytest.mark.parametrize(("arguments", "said"), MISTYPED.values(), ids=MISTYPED)
def test_what_is_mistyped_is_said_with_the_way_to_help(place, arguments, said):
    done = place.run(*arguments)
    assert done.code == 2
    line = one_line(done)
    assert line.startswith(f"catchment: {said}")
    assert "--help" in done.err


def test_a_missing_secret_is_named_before_any_request(place, upstream):
    del place.values["ALPHAVANTAGE_API_KEY"]
    done = place.run("collect", "stocks", "police")
    assert done.code == 2
    assert "ALPHAVANTAGE_API_KEY is not set" in one_line(done)
    assert upstream.control.log() == []


@pytest.mark.parametrize("command", ["serve", "up"])
def test_a_port_in_use_is_said(place, upstream, command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = place.run(command, "police", "--port", str(taken.getsockname()[1]))
    assert done.code == 2, done.text
    assert "is in use" in one_line(done)
    assert upstream.control.log() == []


@pytest.mark.parametrize("command", ["serve", "up"])
def test_a_free_port_is_chosen_and_said(place, upstream, command):
    process = place.start(command, "police", "--port", "0")
    try:
        assert process.stdout is not None
        said, _, address = process.stdout.readline().strip().rpartition(" ")
        assert said == "serving on"
        assert not address.endswith(":0")
        assert httpx.get(f"{address}/health/live", timeout=10).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        done = ended(process)
    assert done.code == 0, done.text


@pytest.mark.sqlite
@pytest.mark.parametrize("command", [["collect", "police"], ["status", "police"], ["serve", "police"]])
def test_a_file_in_the_folders_place_is_said(place, upstream, command):
    place.data.write_text("a person's notes")
    done = place.run(*command)
    assert done.code == 2
    assert "cannot be written" in one_line(done)
    assert place.data.read_text() == "a person's notes"
    assert upstream.control.log() == []


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_said_and_left_alone(place, upstream):
    place.data.mkdir()
    file = place.data / "catchment.sqlite"
    file.write_text("this is no database, but it is somebody's " * 100)
    done = place.run("collect", "police")
    assert done.code == 2
    assert "not a database" in one_line(done)
    assert file.read_text().startswith("this is no database")
    assert upstream.control.log() == []


def test_a_newer_schema_is_left_alone(place, upstream):
    assert place.run("status", "police").code == 3
    with closing(place.database.open()) as sql:
        sql.execute("UPDATE _schema SET version_num = '0999'")
    done = place.run("collect", "police")
    assert done.code == 2
    assert "has schema 0999" in one_line(done)
    assert "newer catchment" in done.err
    assert upstream.control.log() == []


FILES = {
    "no app in it": ("x = 1\n", ["app is no App", "feeds"]),
    "a key that is no field": (FEEDS.replace('key=("name",)', 'key=("title",)'), ["feed letters: key", "title"]),
    "a parameter that is none": (FEEDS.replace('"{letter}"', '"{lettre}"'), ["feed numbers: request", "{lettre}"]),
    "a budget that is none": (FEEDS.replace("Budget(", 'Budget("often", '), ["'often' is no window"]),
    "a mistake in the language": ("app = App(\n", ["feeds.py", "line 1"]),
    "a name that is not there": ("from catchment import Nothing\n", ["feeds.py", "Nothing"]),
    "an error of its own": ("1 / 0\n", ["feeds.py", "ZeroDivisionError"]),
}


@pytest.mark.parametrize(("text", "said"), FILES.values(), ids=FILES)
def test_a_file_that_is_wrong_is_said_in_a_line(place, text, said):
    (place.folder / "feeds.py").write_text(text)
    done = place.run("collect", "feeds:app")
    line = one_line(done)
    assert done.code == 2, done.text
    assert all(part in line for part in said), line


def test_a_toml_that_is_none_is_said(place):
    (place.folder / "catchment.toml").write_text("port = \n")
    done = place.run("status", "police")
    assert done.code == 2
    assert "catchment.toml is no TOML" in one_line(done)


# -- what is right --------------------------------------------------------------------------------------------------


def test_the_demo_collects_everything_once(place):
    done = place.run("demo", "--once")
    assert done.code == 0, done.text
    table = done.out[done.out.index("collection  ") :]
    rows = {line.split()[0]: line.rstrip() for line in table.splitlines()[1:]}
    for unasked in ("episodes/search", "stocks/splits", "stocks/dividends"):
        assert rows.pop(unasked).endswith("none expected")
    written = {name: rows.pop(name).split()[1] for name in list(rows) if rows[name].endswith("written by people")}
    assert set(rows) == {
        *("police/forces", "police/availability", "police/stops", "stocks/bars"),
        *("incidents/identities", "incidents/incidents"),
        *("episodes/series", "episodes/seasons", "episodes/episodes"),
    }
    assert all(row.endswith("complete") for row in rows.values())
    assert written == {"providers/providers": "20", "providers/reviews": "40", "episodes/comments": "0"}
    assert done.err == ""
    again = place.run("demo", "--once")
    assert again.code == 0
    assert "people wrote" not in again.out
    assert "9 not due" in again.out
    assert "7 not due" in again.out


def test_a_small_demo_shows_what_is_pending_and_what_waits_for_the_budget(place):
    # Two upstreams that allow more: nobody waits half a minute for what is not looked at.
    place.values.update(OMDB_BUDGET="1000/second", POLICE_BUDGET="1000/second")
    done = place.run("demo", "--once", "--size", "small")
    assert done.code == 3, done.text
    assert "pending: not listed" in done.out
    assert "Traceback" not in done.text


def test_json_is_for_scripts(place, upstream):
    collected = place.run("collect", "police", "--json")
    assert (collected.code, collected.err) == (0, "")
    said = json.loads(collected.out)
    assert said["meta"] == {"complete": True, "faults": {}}
    assert sum(result["counts"]["new"] for result in said["data"] if result["feed"] == "police/stops") == 180
    standing = place.run("status", "police", "--json")
    assert standing.code == 0
    stops = {item["collection"]: item for item in json.loads(standing.out)["data"]}["police/stops"]
    assert (stops["records"], stops["verdicts"]) == (180, {"complete": 9})


def test_what_is_pending_is_shown_and_is_exit_3(place, upstream):
    upstream.control.set(late=1)
    done = place.run("collect", "police")
    assert done.code == 3
    assert "pending" in done.out
    assert "not listed" in done.out
    standing = place.run("status", "police")
    assert standing.code == 3
    assert "pending" in standing.out


def test_a_plan_asks_nobody(place, upstream):
    done = place.run("plan", "police", "stocks")
    assert done.code == 0
    assert "stocks/bars" in done.out
    assert "police/stops" in done.out
    assert upstream.control.log() == []


def test_a_plan_says_how_long_a_quota_lasts(place):
    names = ",".join(f"S{number}" for number in range(500))
    done = place.run("plan", "stocks", values={"STOCK_SYMBOLS": names})
    row = next(line for line in done.out.splitlines() if line.startswith("stocks/bars"))
    assert row.split()[1] == "500"
    # At 25 a day, from the 20th of March: the 20th day.
    assert "2026-04-08" in row


def test_one_feed_and_one_force_may_be_asked_for(place, upstream):
    assert place.run("collect", "police/forces").code == 0
    assert [entry["path"] for entry in upstream.control.log()] == ["/api/forces"]
    done = place.run("collect", "police", "--only", "force=leicestershire", "--only", "month=2026-01")
    assert done.code == 0, done.text
    asked = [entry["query"] for entry in upstream.control.log() if entry["path"] == "/api/stops-force"]
    assert asked == [{"force": "leicestershire", "date": "2026-01"}]


@pytest.mark.parametrize("only", ["force=atlantis", "month=2023-13"])
def test_what_cannot_be_is_refused_and_an_empty_store_asks_nothing_for_it(place, upstream, only):
    """Acceptance 2 of police."""
    done = place.run("collect", "police", "--only", only)
    assert done.code == 2
    assert only in one_line(done)
    assert upstream.control.log() == []


def test_a_force_that_is_set_and_that_nobody_knows_is_refused_with_its_setting(place, upstream):
    done = place.run("collect", "police", values={"FORCES": "leicestershire,atlantis"})
    assert done.code == 2
    assert "force=atlantis" in one_line(done)
    assert "FORCES" in done.err
    assert upstream.control.log() == []


def test_a_second_collection_asks_for_nothing_that_is_not_due(place, upstream):
    assert place.run("collect", "police").code == 0
    requests = len(upstream.control.log())
    done = place.run("collect", "police")
    assert done.code == 0
    assert "9 not due" in done.out
    assert len(upstream.control.log()) == requests
    assert place.run("collect", "police", "--again").code == 0
    assert len(upstream.control.log()) == 2 * requests


def test_a_persons_own_feeds_are_collected(place):
    with serve_in_thread(Numbers(), clock=FakeClock(NOW)) as numbers:
        place.values = dict(write_feeds(place.folder, numbers.url))
        done = place.run("collect", "feeds:app")
        assert done.code == 0, done.text
        assert place.sql("SELECT letter, count(*) FROM count_numbers GROUP BY letter ORDER BY letter") == [
            (letter, 10) for letter in LETTERS
        ]
        assert place.run("collect", "feeds.py:app", "--only", "letter=c").code == 0
        assert numbers.control.log()[-1]["query"] == {"letter": "c"}
        standing = json.loads(place.run("status", "feeds:app", "--json").out)["data"]
        assert {item["collection"]: item["records"] for item in standing} == {"count/letters": 6, "count/numbers": 60}


def told(done: Ended) -> dict[str, tuple[str, str]]:
    """Setting -> what `catchment settings` says of it, and where that came from."""
    assert done.code == 0, done.text
    lines = [re.split(r" {2,}", re.sub(r"(?<=\S) (?=\S+$)", "  ", line)) for line in done.out.splitlines()]
    return {name: (value, origin) for name, value, origin in lines}


def test_settings_are_those_of_the_apps_too(place):
    (place.folder / ".env").write_text("FORCES=sussex\n")
    found = told(place.run("settings", values={"STOCK_SYMBOLS": "TSLA", "CATCHMENT_UPSTREAM_OTHER": "http://[::1]:9"}))
    assert found["FORCES"] == ("sussex", ".env")
    assert found["STOCK_SYMBOLS"] == ("TSLA", "environment")
    assert found["STOCK_DATATYPE"] == ("json", "default")
    assert found["ALPHAVANTAGE_BUDGET"] == ("1/second,25/day", "default")
    assert found["CATCHMENT_UPSTREAM_OTHER"] == ("http://[::1]:9", "environment")
    assert found["CATCHMENT_PORT"] == ("8000", "default")
    police = told(place.run("settings", "police/stops"))
    assert {name for name in police if not name.startswith("CATCHMENT_")} == {
        "FORCES",
        "POLICE_BUDGET",
        "POLICE_DEDUPE",
    }


SET = {
    "nowhere": ({}, "not set", "-"),
    "to blanks": ({"SHOP_KEY": "  "}, "not set", "-"),
    "as text": ({"SHOP_KEY": "canary-4711"}, "set", "environment"),
    "by a file": ({"SHOP_KEY_FILE": "canary-4711"}, "set", "environment"),
    "by a command": ({"SHOP_KEY_COMMAND": "touch canary-4711"}, "set", "environment"),
}

SHOP = """
from catchment import App, Budget, Feed, Get, HeaderKey, Record, Secret, Setting, Upstream, each, grid, months

class Item(Record):
    id: str

shop = Upstream("my-shop", "https://shop.example", auth=HeaderKey("X-Key", Secret("SHOP_KEY")), budget=Budget("5/hour"))
items = Feed("items", Item, shop, request=Get("/{kind}/{month}", size=Setting("SHOP_SIZE", "9")), key=("id",),
             partitions=grid(each(kind=Setting("SHOP_KINDS", "a,b")), months(count=3)))
app = App("shop", feeds=[items])
"""


@pytest.mark.parametrize(("values", "said", "origin"), SET.values(), ids=SET)
def test_of_a_secret_it_is_said_whether_it_is_set_and_nothing_else(place, values, said, origin):
    (place.folder / "feeds.py").write_text(SHOP)
    done = place.run("settings", "feeds:app", values=values)
    theirs = {name: value for name, value in told(done).items() if not name.startswith("CATCHMENT_")}
    assert theirs == {
        "SHOP_KINDS": ("a,b", "default"),
        "SHOP_SIZE": ("9", "default"),
        "MY_SHOP_BUDGET": ("5/hour", "default"),
        "SHOP_KEY": (said, origin),
    }
    assert "canary" not in done.text
    assert not list(place.folder.glob("canary*"))


def test_private_upstreams_are_not_asked_unless_somebody_allowed_it(place, upstream):
    done = place.run("collect", "police", values={"CATCHMENT_ALLOW_PRIVATE": ""})
    assert done.code == 3
    assert "CATCHMENT_ALLOW_PRIVATE" in done.out  # the next step
    assert upstream.control.log() == []


# -- what a start costs ---------------------------------------------------------------------------------------------


def loaded_by(program: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after this program."""
    line = f"{program}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("program", ["import catchment", "import catchment.cli", "import catchment.apps.stocks"])
def test_importing_loads_neither_web_nor_database(program):
    loaded = loaded_by(program)
    assert "catchment" in loaded
    assert loaded.isdisjoint({"litestar", "aiohttp", "sqlalchemy", "granian", "dotenv"})


def test_the_version_is_said(place: Place):
    done = place.run("--version")
    assert done.code == 0
    assert done.out.startswith("catchment ")


@pytest.mark.sqlite  # on both, whichever is first
def test_a_store_is_copied_backed_up_and_brought_back(place, cluster):
    """What a person types: into a server, from there into a file, and back."""
    url = cluster.url(cluster.database())
    prepare(database_of(f"sqlite:///{place.data}/catchment.sqlite"), [load_app("providers")])
    copied = place.run("copy", "--to", url, "--json")
    assert (copied.code, json.loads(copied.out)["data"][0]["tables"] > 30) == (0, True)
    there = {"CATCHMENT_DATABASE": url}
    assert place.run("backup", "monday.sqlite", values=there).code == 0
    again = place.run("restore", "monday.sqlite", values=there)
    assert (again.code, "is there already" in one_line(again)) == (2, True)
    restored = place.run("restore", "monday.sqlite", "--data", "restored")
    assert (restored.code, "as the checksum says" in restored.out) == (0, True)
