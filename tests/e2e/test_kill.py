"""A collector that is killed at any point loses nothing that was answered, and ends in the same state."""

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from commands import NOW, Place, ended, killed
from numbers_upstream import LETTERS, Numbers, write_feeds
from rivers_upstream import Rivers, write_feed

from catchment.apps.police.standin import service as police_service
from catchment.clock import FakeClock
from catchment.standin import Control, Options, serve_in_thread

STOPS = "/api/stops-force"
FIRST = 2
"""Requests before the months: the forces, and the list of what is published."""
CONCURRENCY = 4

STATE = {
    "records": "SELECT _key, _partition, _hash, _version, _doc FROM {table} ORDER BY _key",
    "versions": "SELECT _key, _version, _doc, _gone FROM {table}_version ORDER BY _key, _version",
    "rows of each commit": (
        "SELECT _partition, count(*), count(DISTINCT _revision) FROM {table} GROUP BY _partition ORDER BY _partition"
    ),
    "partitions": "SELECT key, verdict, records, lease_owner FROM _partition WHERE feed = '{feed}' ORDER BY key",
    "revision": "SELECT revision FROM _collection WHERE name = '{feed}'",
    "commits": "SELECT partition, count(*) FROM _commit WHERE collection = '{feed}' GROUP BY 1 ORDER BY 1",
    "rejects": "SELECT key, reason, count FROM _reject WHERE feed = '{feed}' ORDER BY key",
}


def state(place: Place, feed: str) -> dict[str, list[tuple]]:
    """All that is to be equal after a kill: not the order of commits nor their moments, which are nobody's promise."""
    table = feed.replace("/", "_")
    return {name: place.sql(statement.format(table=table, feed=feed)) for name, statement in STATE.items()}


def asked(control: Control) -> Counter[str]:
    return Counter(entry["target"] for entry in control.log())


# -- the shipped police app -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def police():
    service = police_service(Options(size="tiny", variant=1, samples=None, clock=FakeClock(NOW)))
    with serve_in_thread(service, clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture
def upstream(police):
    """The police stand-in as at its start."""
    police.control.reset()
    yield police
    police.control.reset()


def place_of(folder: Path, url: str) -> Place:
    return Place(folder, {"CATCHMENT_UPSTREAM_POLICE": f"{url}/api"})


@pytest.fixture(scope="module")
def undisturbed(engine, police, tmp_path_factory):
    """What a collector leaves that nobody disturbs."""
    police.control.reset()
    place = place_of(tmp_path_factory.mktemp("undisturbed"), police.url)
    assert place.run("collect", "police").code == 0
    return state(place, "police/stops")


@pytest.mark.parametrize("answered", [0, 4])
def test_killed_while_answers_are_awaited(upstream, undisturbed, tmp_path, answered):
    """Acceptance 12 of police."""
    place = place_of(tmp_path, upstream.url)
    upstream.control.post(hold=[{"path": STOPS, "call": call} for call in range(answered + 1, 10)])
    process = place.start("collect", "police")
    upstream.control.wait_for(FIRST + answered + CONCURRENCY)  # all that may be under way is, the rest is committed
    before = upstream.control.log()
    assert killed(process).code == -signal.SIGKILL
    under_way = {entry["target"] for entry in before if entry["end"] == "open"}
    assert len(under_way) == CONCURRENCY
    assert len(place.sql("SELECT 1 FROM _commit WHERE collection = 'police/stops'")) == answered
    upstream.control.release()
    again = place.run("collect", "police")
    assert again.code == 0, again.text
    assert state(place, "police/stops") == undisturbed
    repeated = {target for target, times in asked(upstream.control).items() if times > 1}
    assert repeated == under_way
    assert max(asked(upstream.control).values()) == 2


@pytest.mark.parametrize("requests", [1, 5, 10])
def test_killed_as_soon_as_so_much_was_asked(upstream, undisturbed, tmp_path, requests):
    """Acceptance 12 of police."""
    place = place_of(tmp_path, upstream.url)
    process = place.start("collect", "police")
    upstream.control.wait_for(requests)
    killed(process)
    archived = {f"/api/stops-force?{url.partition('?')[2]}" for (url,) in archive(place)}
    committed = dict(place.sql("SELECT key, verdict FROM _partition")) if archived else {}
    again = place.run("collect", "police")
    assert again.code == 0, again.text
    assert state(place, "police/stops") == undisturbed
    repeated = {target for target, times in asked(upstream.control).items() if times > 1}
    assert len(repeated) <= CONCURRENCY
    assert repeated.isdisjoint(archived), "an archived answer was asked for again"
    assert max(asked(upstream.control).values()) <= 2
    assert set(committed) <= {key for key, *_ in place.sql("SELECT key FROM _partition")}


def archive(place: Place) -> list[tuple[str]]:
    """The address of every month that was answered and kept."""
    if "_exchange" not in place.tables():
        return []
    return place.sql("SELECT url FROM _exchange WHERE feed = 'police/stops'")


def test_killed_again_and_again(upstream, undisturbed, tmp_path):
    place = place_of(tmp_path, upstream.url)
    for step in range(3):
        upstream.control.post(hold=[{"path": STOPS, "call": call} for call in range(2, 10)])
        process = place.start("collect", "police")
        # Each life gets one month and its list's share, and dies with up to four requests open.
        first = FIRST if step == 0 else 0
        seen = len(upstream.control.log())
        upstream.control.wait_for(seen + first + 1 + min(CONCURRENCY, 9 - step - 1))
        killed(process)
    upstream.control.release()
    again = place.run("collect", "police")
    assert again.code == 0, again.text
    assert state(place, "police/stops") == undisturbed


# -- a person's own feeds, which die where they are told to -----------------------------------------------------------


@pytest.fixture
def numbers():
    with serve_in_thread(Numbers(), clock=FakeClock(NOW)) as running:
        yield running


@pytest.fixture
def mine(numbers, place):
    """A folder with feeds of one's own."""
    place.values.update(write_feeds(place.folder, numbers.url))
    return place


def whole(place: Place) -> bool:
    """Whether all is stored, once."""
    rows = place.sql("SELECT letter, count(*) FROM count_numbers GROUP BY letter ORDER BY letter")
    return rows == [(letter, 10) for letter in LETTERS]


@pytest.mark.parametrize("point", ["between", "archived"])
def test_killed_where_nothing_is_under_way_asks_nothing_twice(mine, numbers, point):
    """Acceptance 12 of police.

    between: two feeds. archived: all that was answered is archived, its rows are not committed."""
    fired = mine.folder / "fired"
    where = "partition.completed:1:kill" if point == "between" else "page.validated:2:kill"
    points = {"CATCHMENT_FAILPOINTS": where, "CATCHMENT_FAILPOINTS_LOG": str(fired)}
    first = mine.run("collect", "feeds:app", values={"NUMBERS_BUDGET": "1000/second", **points})
    assert first.code == -signal.SIGKILL
    assert fired.read_text().splitlines() == [where]
    kept = {key for (key,) in mine.sql("SELECT partition FROM _exchange WHERE feed = 'count/numbers'")}
    stored = {letter for (letter,) in mine.sql("SELECT DISTINCT letter FROM count_numbers")}
    assert bool(kept) == (point != "between")
    assert not stored or point != "archived"
    asked_before = asked(numbers.control)
    again = mine.run("collect", "feeds:app")
    assert again.code == 0, again.text
    assert whole(mine)
    for target in {f"/numbers?letter={key[-1]}" for key in kept} | {"/letters"}:
        assert asked(numbers.control)[target] == asked_before[target] == 1
    assert mine.sql("SELECT count(*) FROM count_numbers_version") == [(0,)]
    assert mine.sql("SELECT count(*) FROM _partition WHERE lease_owner IS NOT NULL") == [(0,)]


def test_killed_while_restating_shows_the_old_or_the_new_and_never_both(mine, numbers):
    assert mine.run("collect", "feeds:app").code == 0
    numbers.control.set(generation=2, each=8)
    (mine.folder / "die-at-c").touch()
    assert mine.run("collect", "feeds:app", "--again").code == -signal.SIGKILL
    shown = mine.sql("SELECT letter, min(text), max(text), count(*) FROM count_numbers GROUP BY letter")
    for letter, least, most, number in shown:
        assert least == most
        assert number == (10 if least == f"{letter} of generation 1" else 8)
    assert ("c", "c of generation 1", "c of generation 1", 10) in shown
    assert mine.run("collect", "feeds:app", "--again").code == 0
    shown = mine.sql("SELECT DISTINCT letter, text FROM count_numbers ORDER BY letter")
    assert shown == [(letter, f"{letter} of generation 2") for letter in LETTERS]
    assert mine.sql("SELECT count(*) FROM count_numbers") == [(6 * 8,)]
    assert mine.sql("SELECT count(*), sum(_gone) FROM count_numbers_version") == [(6 * 10, 6 * 2)]
    assert mine.sql("SELECT max(_version) FROM count_numbers") == [(2,)]


# -- asked to end ---------------------------------------------------------------------------------------------------


def test_asked_to_end_it_finishes_what_is_under_way(upstream, undisturbed, tmp_path):
    place = place_of(tmp_path, upstream.url)
    upstream.control.post(hold=[{"path": STOPS, "call": call} for call in range(2, 10)])
    process = place.start("collect", "police")
    upstream.control.wait_for(FIRST + 1 + CONCURRENCY)
    process.send_signal(signal.SIGINT)
    upstream.control.release()
    first = ended(process)
    assert first.code == 3, first.text
    assert "Traceback" not in first.text
    assert "stopped" in first.out
    assert place.sql("SELECT count(*) FROM _partition WHERE lease_owner IS NOT NULL") == [(0,)]
    assert len(upstream.control.log()) == FIRST + 1 + CONCURRENCY
    assert place.run("collect", "police").code == 0
    assert state(place, "police/stops") == undisturbed
    assert max(asked(upstream.control).values()) == 1


def test_asked_to_end_while_the_upstream_hangs_it_ends_all_the_same(upstream, undisturbed, tmp_path):
    place = place_of(tmp_path, upstream.url)
    upstream.control.hold(STOPS)
    process = place.start("collect", "police")
    upstream.control.wait_for(FIRST + CONCURRENCY)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)
    first = ended(process)
    assert "stopped" in first.out
    assert first.code == 3, first.text
    assert "Traceback" not in first.text
    assert place.sql("SELECT count(*) FROM _partition WHERE lease_owner IS NOT NULL") == [(0,)]
    upstream.control.release()
    assert place.run("collect", "police").code == 0
    assert state(place, "police/stops") == undisturbed


def test_asked_twice_it_ends_at_once(upstream, undisturbed, tmp_path):
    place = place_of(tmp_path, upstream.url)
    upstream.control.hold(STOPS)
    process = place.start("collect", "police")
    upstream.control.wait_for(FIRST + CONCURRENCY)
    for _ in range(100):  # one that comes before the other was taken counts as the same
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=0.05)
            break
        except subprocess.TimeoutExpired:
            continue
    first = ended(process)
    assert first.code == 130
    assert "Traceback" not in first.text
    upstream.control.release()
    assert place.run("collect", "police").code == 0
    assert state(place, "police/stops") == undisturbed


# -- the README's feed, whose partitions have pages -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "asked_before"), [({}, 1), ({"after": "bristol"}, 2), ({"after": "melksham"}, 3)], ids=str
)
def test_killed_between_two_pages_it_goes_on_behind_the_last_answered(place, tmp_path_factory, page, asked_before):
    with serve_in_thread(Rivers(), clock=FakeClock(NOW)) as rivers:
        calm = Place(tmp_path_factory.mktemp("calm"))
        calm.values.update(write_feed(calm.folder, rivers.url))
        assert calm.run("collect", "feeds:app").code == 0
        rivers.control.reset()

        place.values.update(write_feed(place.folder, rivers.url))
        # Page 1 has no cursor, and so would match every page: it is told by its place in the order.
        rivers.control.hold("/rivers/avon/levels", **({"query": page} if page else {"call": 1}))
        process = place.start("collect", "feeds:app", "--only", "river=avon")
        rivers.control.wait_for(asked_before)
        assert killed(process).code == -signal.SIGKILL
        assert place.sql("SELECT count(*) FROM _exchange") == [(asked_before - 1,)]
        assert place.sql("SELECT count(*) FROM rivers_levels") == [(0,)]
        rivers.control.release()
        assert place.run("collect", "feeds:app").code == 0
        held = f"/rivers/avon/levels{'?after=' + page['after'] if page else ''}"
        assert {target for target, times in asked(rivers.control).items() if times > 1} == {held}
        assert state(place, "rivers/levels") == state(calm, "rivers/levels")
