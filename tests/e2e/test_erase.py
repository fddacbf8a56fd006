"""`catchment erase` as a person runs it, also where it is killed in the middle."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from commands import NOW, Place
from databases import left_in
from numbers_upstream import FEEDS, Numbers, Switches

from catchment.app import App, load_app
from catchment.clock import FakeClock
from catchment.settings import load_settings
from catchment.standin import Answer, Request, serve_in_thread
from catchment.store.check import check
from catchment.store.tables import collections_of

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client, patient_front

PRIVATE = "Featherstonehaugh-"
TARGET = "feeds:app/numbers"


class Telling(Numbers):
    """As numbers, but one text is nobody's business."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.query.get("letter") != "a":
            return super().answer(request, switches)
        private = {"id": 1, "text": f"{PRIVATE}{switches.generation}"}
        return Answer.json([private, {"id": 2, "text": f"two of generation {switches.generation}"}])


@pytest.fixture(scope="module")
def upstream():
    with serve_in_thread(Telling(), clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def collected(engine, upstream, tmp_path_factory):
    """Two generations of numbers, collected once for all tests."""
    place = Place(tmp_path_factory.mktemp("collected"), {"CATCHMENT_UPSTREAM_NUMBERS": upstream.url, "LETTERS": "a,b"})
    (place.folder / "feeds.py").write_text(FEEDS)
    upstream.control.reset()
    assert place.run("collect", "feeds:app").code == 0
    upstream.control.set(generation=2)
    assert place.run("collect", "feeds:app", "--again").code == 0
    return place


@pytest.fixture
def mine(collected, tmp_path):
    """A copy of that, to be changed."""
    return collected.copy(tmp_path / "mine")


def contradicted(place: Place) -> list[str]:
    """What `catchment check` would tell."""
    found = check(place.database, collections_of(declared(place)))
    return [text for rule in found for text in rule.shown]


def declared(place: Place) -> App:
    sys.modules.pop("feeds", None)
    app = load_app(f"{place.folder}/feeds.py:app")
    sys.modules.pop("feeds", None)
    return app


def holding(place: Place, words: str = PRIVATE) -> list[str]:
    """Where the words are left, in files and rows."""
    files = [path.name for path in place.data.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]
    return files + ["rows"] * (words.encode() in left_in(place.database))


def numbers_of_a(place: Place) -> list[tuple]:
    return place.sql("SELECT id, _version FROM count_numbers WHERE letter = 'a' ORDER BY id")


def test_it_asks_says_what_goes_and_removes_it_for_good(mine, upstream):
    assert holding(mine)
    look = mine.run("erase", TARGET, "a,1", "--dry-run")
    assert look.code == 0, look.text
    assert look.out == (
        "count/numbers: 1 records, 1 older versions and 0 rejects would go;"
        " 2 archived bodies lose their rows, 0 go whole\n"
    )
    with mine.start("erase", TARGET, "a,1") as process:  # nobody is there to answer
        process.communicate(timeout=30)
    assert process.returncode == 3
    assert numbers_of_a(mine) == [(1, 2), (2, 2)]
    done = mine.run("erase", TARGET, "a,1", "--yes")
    assert done.code == 0, done.text
    assert "are gone" in done.out
    assert holding(mine) == []
    for command in (("collect", "feeds:app", "--again"), ("replay", TARGET)):
        assert mine.run(*command).code == 0
        assert holding(mine) == []
        assert numbers_of_a(mine) == [(2, 2)]
    assert [entry["status"] for entry in upstream.control.log()][-1] == 200
    assert mine.run("check", "feeds:app").code == 0


def test_readers_no_longer_see_it_at_any_moment(mine):
    assert mine.run("erase", TARGET, "a,1", "--yes").code == 0
    settings = load_settings(mine.environment, folder=mine.folder)
    with closing(patient_front([declared(mine)], settings, FakeClock(NOW))) as front:
        client = Client(front, "127.0.0.1")
        for path in ("a,1", "a,1/history", "a,1/source", "a,1?as_of=1"):
            assert client.get(f"/v1/count/numbers/{path}").status_code == 404, path
        for path in ("?letter=a", "?letter=a&as_of=1", "/a,2/source/body", "/changes?after=0"):
            assert PRIVATE not in client.get(f"/v1/count/numbers{path}").text, path
        assert client.get("/v1/count/numbers/a,2").status_code == 200


@pytest.mark.parametrize("point", ["erase.marked:1", "erase.body:1"])
def test_killed_in_the_middle_it_is_told_and_goes_on(mine, point):
    log = mine.folder / "points"
    values = {"CATCHMENT_FAILPOINTS": f"{point}:kill", "CATCHMENT_FAILPOINTS_LOG": str(log)}
    process: subprocess.Popen[str] = mine.start("erase", TARGET, "a,1", "--yes", values=values)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert log.read_text() == f"{point}:kill\n"
    assert numbers_of_a(mine) == [(2, 2)]  # nobody reads it from its first commit on
    assert mine.run("collect", "feeds:app", "--again").code == 0
    assert numbers_of_a(mine) == [(2, 2)]
    assert [text for text in contradicted(mine) if "was not erased to the end" in text]
    assert mine.run("erase", TARGET, "a,1", "--yes").code == 0
    assert holding(mine) == []
    assert contradicted(mine) == []


def test_a_collection_that_is_killed_between_answer_and_commit_leaves_nothing_of_it(upstream, tmp_path):
    """Rows that a feed's own function makes cannot be cut out of an answer before it is archived."""
    place = Place(tmp_path, {"CATCHMENT_UPSTREAM_NUMBERS": upstream.url, "LETTERS": "a"})
    made = "rows=lambda body, partition: [shaped(row, partition) for row in body],"
    (place.folder / "feeds.py").write_text(FEEDS.replace("shape=shaped,", made))
    assert place.run("collect", TARGET).code == 0
    assert place.run("erase", TARGET, "a,1", "--yes").code == 3  # a replay cannot derive that answer
    assert holding(place) == []
    values = {"CATCHMENT_FAILPOINTS": "versions.written:1:kill"}
    process = place.start("collect", TARGET, "--again", values=values)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert place.sql("SELECT count(DISTINCT digest) FROM _body") == [(1,)], "the answer was not archived"
    asked = len(upstream.control.log())
    assert place.run("collect", TARGET, "--again").code == 0
    assert len(upstream.control.log()) == asked
    assert place.sql("SELECT id FROM count_numbers") == [(2,)]
    assert place.sql("SELECT count(*) FROM _body") == [(0,)]
    assert contradicted(place) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (TARGET, "nothing of count/numbers is stored under a,77"),
        ("feeds:app", "count is an app"),
        ("feeds:app/none", "count has no collection none"),
    ],
    ids=["an unknown key", "no collection", "an unknown collection"],
)
def test_wrong_use_is_told(mine, target, said):
    ended = mine.run("erase", target, "a,77", "--yes")
    assert ended.code == 2
    assert said in ended.err
    assert numbers_of_a(mine) == [(1, 2), (2, 2)]


USER = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"


def test_a_person_is_erased_by_the_id_of_the_user(place):
    assert place.run("keys", "create", "--name", "theirs", "--principal", USER, "--scope", "write").code == 0
    look = place.run("erase", "--user", USER, "--dry-run")
    assert look.code == 0, look.text
    assert look.out == "1 API keys would go; 1 entries of the audit would stay, without the name\n"
    with place.start("erase", "--user", USER) as process:  # nobody is there to answer
        process.communicate(timeout=30)
    assert process.returncode == 3
    done = place.run("erase", "--user", USER.upper(), "--yes")
    assert done.code == 0, done.text
    assert holding(place, USER) == []
    assert "providers_reviews" not in place.tables()  # no app was begun


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "it is not said what"),
        (("providers/reviews",), "it is not said what"),
        (("--user", "me"), "--user is no UUID"),
        (("--user", USER), f"nothing is stored of user {USER}"),
    ],
    ids=["nothing", "no key", "no user", "an unknown user"],
)
def test_what_is_not_said_is_asked_for(place, arguments, said):
    ended = place.run("erase", *arguments, "--yes")
    assert ended.code == 2
    assert said in ended.err
