"""`catchment replay` as a person runs it, on feeds of one's own, and what readers see of it."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import NOW, Place
from numbers_upstream import FEEDS, LETTERS, Numbers, write_feeds

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.settings import load_settings
from catchment.standin import serve_in_thread

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client, patient_front

WITH_LENGTH = FEEDS.replace("    text: str\n", "    text: str\n    length: int = 0\n").replace(
    '"letter": partition["letter"]}', '"letter": partition["letter"], "length": len(row["text"])}'
)
EVEN = FEEDS.replace("    sort=(", '    refuse=lambda number: "odd" if number.id == 5 else "",\n    sort=(')


@pytest.fixture(scope="module")
def upstream():
    with serve_in_thread(Numbers(), clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture
def numbers(upstream):
    """The upstream, as it stands after its change."""
    upstream.control.reset()
    upstream.control.set(generation=2, each=8)
    return upstream


@pytest.fixture(scope="module")
def collected(engine, upstream, tmp_path_factory):
    """A folder with feeds of one's own, collected twice, with a change between. Tests work on copies."""
    place = Place(tmp_path_factory.mktemp("collected"))
    place.values.update(write_feeds(place.folder, upstream.url))
    upstream.control.reset()
    assert place.run("collect", "feeds:app").code == 0
    upstream.control.set(generation=2, each=8)
    assert place.run("collect", "feeds:app", "--again").code == 0
    return place


@pytest.fixture
def mine(collected, numbers, tmp_path):
    return collected.copy(tmp_path)


def declare(place: Place, text: str) -> None:
    (place.folder / "feeds.py").write_text(text)


@contextmanager
def served(place: Place) -> Iterator[Client]:
    """The API over what is stored, in this process."""
    sys.modules.pop("feeds", None)
    app = load_app(f"{place.folder}/feeds.py:app")
    sys.modules.pop("feeds", None)
    settings = load_settings(place.environment, folder=place.folder)
    with closing(patient_front([app], settings, FakeClock(NOW))) as front:
        yield Client(front, "127.0.0.1")


def numbers_of(place: Place) -> Any:
    """What the API lists."""
    with served(place) as client:
        return client.get("/v1/count/numbers").json()


def test_a_new_field_is_said_and_filled_by_a_replay_without_a_request(mine, numbers):
    """acceptance 15 of episodes, on made-up feeds."""
    asked = len(numbers.control.log())
    declare(mine, WITH_LENGTH)
    for command in ("collect", "serve", "plan", "status"):
        refused = mine.run(command, "feeds:app")
        assert refused.code == 2
        said, hint = refused.err.splitlines()
        assert said == "catchment: collection count/numbers: the stored fields are not the declared ones (length)"
        assert "run catchment replay feeds:app/numbers" in hint
    done = mine.run("replay", "feeds:app/numbers")
    assert done.code == 0, done.text
    assert done.out.splitlines()[0] == "count/numbers: 12 to derive"
    assert done.out.split()[-8:] == ["count/numbers", "2", "12", "48", "48", "0", "0", "0"]
    assert mine.sql("SELECT DISTINCT letter, length FROM count_numbers WHERE id = 1") == [
        (letter, len("a of generation 2")) for letter in LETTERS
    ]
    assert mine.run("status", "feeds:app").code == 0
    assert len(numbers.control.log()) == asked
    # What was merged last is known again: an unchanged answer is no new version.
    assert mine.run("collect", "feeds:app", "--again").code == 0
    assert mine.sql("SELECT max(_version) FROM count_numbers") == [(2,)]
    assert mine.sql("SELECT DISTINCT verdict FROM _partition") == [("unchanged",)]


def test_a_migration_is_shown_and_then_done_without_a_request(mine, numbers):
    asked = len(numbers.control.log())
    declare(mine, WITH_LENGTH)
    shown = mine.run("migrate", "feeds:app")
    assert (shown.code, shown.out) == (3, "count/numbers: + length (derived again from the archive)\n")
    assert mine.sql("SELECT generation FROM _collection WHERE name = 'count/numbers'") == [(1,)]
    done = mine.run("migrate", "feeds:app", "--yes")
    assert done.code == 0, done.text
    assert mine.sql("SELECT count(*) FROM count_numbers WHERE length > 0") == [(48,)]
    again = mine.run("migrate", "feeds:app", "--json")
    assert (again.code, json.loads(again.out)["data"]) == (0, [])
    assert len(numbers.control.log()) == asked


def test_a_changed_declaration_is_said_until_it_is_replayed(mine):
    line = "48 records were derived by another declaration; catchment replay feeds:app/numbers derives them again"
    declare(mine, EVEN)
    for command in ("collect", "status", "plan"):
        assert line in mine.run(command, "feeds:app").out
    said = json.loads(mine.run("status", "feeds:app", "--json").out)["data"]
    assert {item["collection"]: item["outdated"] for item in said} == {"count/letters": 0, "count/numbers": 48}
    done = mine.run("replay", "feeds:app", "--json")
    assert done.code == 0, done.text
    letters, numbers = json.loads(done.out)["data"]
    assert (letters["after"], letters["passes"]) == ({"records": 6, "rejects": 0}, 1)
    assert numbers["after"] == {"records": 42, "rejects": 6}
    shown = mine.run("rejects", "feeds:app").out
    assert "count/numbers" in shown
    assert '{"id": 5, "text": "f of generation 2"}' in shown  # byte for byte as it came
    listed = json.loads(mine.run("rejects", "--json", "--limit", "2").out)
    assert [(item["reason"], item["count"], item["partitions"]) for item in listed["meta"]["reasons"]] == [
        ("odd", 6, 6)
    ]
    assert len(listed["data"]) == 2
    assert mine.run("rejects", "feeds:app/letters").out == "no rejects\n"
    assert "outdated" not in mine.run("status", "feeds:app").out


def test_killed_in_the_middle_the_old_generation_serves_and_the_next_replay_starts_afresh(mine, numbers):
    asked = len(numbers.control.log())
    rows = "SELECT _key, _version, _doc FROM count_numbers ORDER BY _key"
    before, old = mine.sql(rows), numbers_of(mine)
    declare(mine, WITH_LENGTH)
    (mine.folder / "die-at-d").touch()
    assert mine.run("replay", "feeds:app").code == -signal.SIGKILL
    assert mine.sql("SELECT count(*) > 0 FROM count_numbers__next") == [(1,)]
    assert mine.sql(rows) == before
    declare(mine, FEEDS)
    assert numbers_of(mine) == old
    assert mine.run("collect", "feeds:app", "--again").code == 0
    asked += 1 + len(LETTERS)
    declare(mine, WITH_LENGTH)
    done = mine.run("replay", "feeds:app")
    assert done.code == 0, done.text
    assert mine.sql("SELECT count(*), min(length) FROM count_numbers") == [(48, 17)]
    assert [name for name in mine.tables() if "next" in name or "old" in name] == []
    assert len(numbers.control.log()) == asked
    held = mine.run("check", "feeds:app")
    assert held.code == 0, held.text


def test_a_check_counts_what_it_looked_at_and_ends_with_one_where_something_is_wrong(mine):
    with closing(mine.database.open()) as sql:
        sql.execute("UPDATE count_numbers SET text = 'another' WHERE letter = 'c'")
    done = mine.run("check", "feeds:app")
    assert done.code == 1
    assert "I17 count/numbers c,0: its columns are not what its document says" in done.out
    said = json.loads(mine.run("check", "feeds:app", "--json").out)
    found = {item["says"]: item for item in said["data"]}
    assert said["meta"] == {"holds": False}
    assert (found["columns are what documents say"]["looked"], found["columns are what documents say"]["wrong"]) == (
        54,
        8,
    )
    assert {item["wrong"] for says, item in found.items() if says != "columns are what documents say"} == {0}


def test_what_an_old_generation_gave_out_is_told_apart(mine):
    with served(mine) as client:
        url = "/v1/count/numbers"
        page, item = client.get(f"{url}?limit=2"), client.get(f"{url}/a,1")
        moment = mine.sql("SELECT at FROM _commit WHERE collection = 'count/numbers' ORDER BY revision LIMIT 1")[0][0]
        then = client.get(f"{url}?as_of={moment}&count=exact").json()
        history = client.get(f"{url}/a,1/history").json()["data"]
    declare(mine, EVEN)
    assert mine.run("replay", "feeds:app").code == 0
    old = page.json()["meta"]
    with served(mine) as client:
        gone = [f"{url}?limit=2&cursor={old['next']}", f"{url}?as_of={old['revision']}", f"{url}/a,1?as_of=1"]
        for answer in map(client.get, gone):
            assert answer.status_code == 410
            assert answer.json()["type"].endswith("history-gone")
            assert "the oldest" in answer.json()["detail"]
            assert "1000000" in answer.json()["detail"]
        for answer, again in ((page, f"{url}?limit=2"), (item, f"{url}/a,1")):
            fresh = client.get(again, headers={"if-none-match": answer.headers["etag"]})
            assert fresh.status_code == 200
            assert fresh.json()["data"] == answer.json()["data"]
        assert client.get(f"{url}?as_of={moment}&count=exact").json()["data"] == [
            record for record in then["data"] if record["id"] != 5
        ]
        known = ("version", "said_at", "until", "gone", "run", "attempt", "record")
        now = client.get(f"{url}/a,1/history").json()["data"]
        assert [[version[name] for name in known] for version in now] == [
            [version[name] for name in known] for version in history
        ]
        assert client.get(f"{url}?as_of=2000-01-01T00:00:00Z").json()["data"] == []


def test_wrong_use_is_said_in_a_line(mine):
    for arguments, said in (
        (["replay", "feeds:app/nosuch"], "has no feed nosuch"),
        (["replay", "feeds:app", "--only", "colour=red"], "no partition of count has colour"),
    ):
        done = mine.run(*arguments)
        assert done.code == 2
        assert said in done.err
        assert "Traceback" not in done.text
