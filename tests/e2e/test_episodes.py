"""The episodes app as processes: without a key, killed in the middle, its raw bodies as files."""

import json
import signal
import socket
from datetime import timedelta
from pathlib import Path

import pytest
import zstandard
from commands import NOW, Place, ended, killed
from databases import values_in

from catchment.apps.episodes.standin import service
from catchment.clock import FakeClock
from catchment.standin import Options, serve_in_thread

KEY = "any key"
TABLES = ("series", "seasons", "episodes")


@pytest.fixture(scope="module")
def omdb():
    clock = FakeClock(NOW)
    with serve_in_thread(service(Options(size="small", variant=1, samples=None, clock=clock)), clock=clock) as running:
        yield running


@pytest.fixture
def upstream(omdb):
    omdb.control.reset()
    yield omdb
    omdb.control.reset()


def place_of(folder: Path, url: str, **values: str) -> Place:
    """A machine whose budget of a second is no bound here."""
    given = {"CATCHMENT_UPSTREAM_OMDB": url, "OMDB_API_KEY": KEY, "OMDB_BUDGET": "1000/second,1000/day", **values}
    return Place(folder, given)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def stored(place: Place) -> dict[str, list[tuple]]:
    """All that is to be equal after a kill."""
    rows = {
        name: place.sql(f"SELECT _key, _partition, _hash, _version, _doc FROM episodes_{name} ORDER BY _key")
        for name in TABLES
    }
    rows |= {f"{name} before": place.sql(f"SELECT count(*) FROM episodes_{name}_version") for name in TABLES}
    ledger = "SELECT feed, key, verdict, records, lease_owner FROM _partition ORDER BY feed, key"
    return rows | {"partitions": place.sql(ledger)}


@pytest.fixture(scope="module")
def undisturbed(engine, omdb, tmp_path_factory):
    """A place in which everything was collected without a disturbance."""
    omdb.control.reset()
    place = place_of(tmp_path_factory.mktemp("undisturbed"), omdb.url)
    assert place.run("collect", "episodes").code == 0
    assert len(omdb.control.log()) == 82
    return place


def test_killed_in_the_middle_it_goes_on_there(upstream, undisturbed, tmp_path):
    """Acceptance 7: what was answered is not asked again."""
    place = place_of(tmp_path, upstream.url)
    upstream.control.post(hold=[{"path": "/", "call": call} for call in range(41, 83)])
    process = place.start("collect", "episodes")
    upstream.control.wait_for(42)  # two are open at a time
    assert killed(process).code == -signal.SIGKILL
    before = [entry["target"] for entry in upstream.control.log()]
    upstream.control.release()
    again = place.run("collect", "episodes")
    assert again.code == 0, again.text
    after = [entry["target"] for entry in upstream.control.log()][42:]
    assert len(after) == 42
    assert set(after) & set(before) == set(before[40:])
    assert stored(place) == stored(undisturbed)


def test_a_spent_day_ends_the_run_and_the_next_day_asks_for_the_rest(upstream, undisturbed, tmp_path):
    """Acceptance 6: exit 3 after 40 answers and a refusal (two, where both open requests met it); then the other 42."""
    place = place_of(tmp_path, upstream.url)
    upstream.control.set(per_day=40)
    first = place.run("collect", "episodes")
    assert first.code == 3, first.text
    log = upstream.control.log()
    assert [entry["status"] for entry in log[:41]] == [200] * 40 + [401]
    assert [entry["status"] for entry in log[41:]] in ([], [401])
    # Whoever asks the same day is told so without a request; what was read is there, the rest is due.
    again = place.run("collect", "episodes")
    assert (again.code, len(upstream.control.log())) == (3, len(log))
    assert place.sql("SELECT count(*) FROM episodes_episodes") == [(40 - 9,)]
    assert "budget" in again.text
    place.clock.set(NOW + timedelta(days=1))
    upstream.control.set(per_day=0)
    assert place.run("collect", "episodes").code == 0
    second = [entry["target"] for entry in upstream.control.log()[len(log) :]]
    assert len(second) == 42
    assert not set(second) & {entry["target"] for entry in log[:40]}
    assert stored(place) == stored(undisturbed)


@pytest.mark.parametrize("command", ["collect", "up"])
def test_without_a_key_nobody_is_asked(upstream, tmp_path, command):
    """Fail early: exit 2, and the setting's name."""
    place = place_of(tmp_path, upstream.url, OMDB_API_KEY="", CATCHMENT_PORT=free_port())
    done = place.run(command, "episodes")
    assert done.code == 2
    assert "OMDB_API_KEY" in done.err
    assert "serving" not in done.out
    assert "Traceback" not in done.text
    assert upstream.control.log() == []


def test_without_a_key_it_is_served(tmp_path):
    place = Place(tmp_path, {})
    process = place.start("serve", "episodes", "--port", free_port())
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://" in line
    finally:
        process.send_signal(signal.SIGTERM)
        done = ended(process)
    assert done.code == 0, done.text


@pytest.mark.parametrize("series", ["Game of Thrones", "tt12", "tt0944947,nm0000001"])
def test_what_is_no_id_is_said_in_a_line(upstream, tmp_path, series):
    done = place_of(tmp_path, upstream.url, OMDB_SERIES=series).run("collect", "episodes")
    assert done.code == 2
    assert done.err.startswith("catchment: OMDB_SERIES: ")
    assert upstream.control.log() == []


def test_raw_bodies_are_files_under_the_names_of_the_original(undisturbed):
    folder = undisturbed.folder / "raw"
    done = undisturbed.run("export", "episodes", "--raw", str(folder))
    assert (done.code, done.out.strip()) == (0, f"82 raw bodies of episodes are in {folder}")
    names = {path.name for path in folder.iterdir()}
    assert {"titledata", "seasondata-1", "seasondata-8", "episodedata-tt1480055", "alldata"} <= names
    assert len(names) == 83
    for name, wanted in (
        ("titledata", "i=tt0944947"),
        ("seasondata-3", "Season=3"),
        ("episodedata-tt1480055", "i=tt1480055"),
    ):
        url, digest = undisturbed.sql("SELECT url, digest FROM _exchange WHERE url LIKE ?", f"%{wanted}")[0]
        chunks = undisturbed.sql("SELECT data FROM _body WHERE digest = ? ORDER BY chunk", digest)
        assert (folder / name).read_bytes() == b"".join(zstandard.decompress(data) for (data,) in chunks), url
    whole = json.loads((folder / "alldata").read_bytes())
    assert set(whole) == names - {"alldata"}
    assert whole["titledata"] == json.loads((folder / "titledata").read_bytes())


def test_raw_bodies_go_where_the_setting_says_and_never_hold_an_error(upstream, tmp_path):
    """An error that came after an answer does not take its place; two series stand in folders of their own."""
    place = place_of(tmp_path, upstream.url, OMDB_SERIES="tt0944947")
    assert place.run("collect", "episodes/series").code == 0
    upstream.control.set(error="no-data")
    assert place.run("collect", "episodes/series", "--again").code == 3
    done = place.run("export", "episodes")
    assert (done.code, done.out.strip()) == (0, "1 raw bodies of episodes are in data")
    assert json.loads((place.folder / "data" / "titledata").read_bytes())["Response"] == "True"
    done = place.run("export", "episodes", values={"DATA_DIR": str(tmp_path / "elsewhere")})
    assert (tmp_path / "elsewhere" / "alldata").exists()
    # Nothing is written where there is nothing, or where nobody may write.
    (tmp_path / "file").touch()
    for command, values in (
        (("export", "episodes", "--raw", str(tmp_path / "file")), {}),
        (("export", "police"), {}),
        (("export", "episodes"), values_in(tmp_path / "fresh")),
    ):
        refused = place.run(*command, values=values)
        assert (refused.code, len(refused.err.splitlines()), refused.out) == (2, 2, ""), refused.text
