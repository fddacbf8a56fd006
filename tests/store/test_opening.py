"""Opening: what is made, and one clear error for each file or folder that cannot be used."""

from __future__ import annotations

import multiprocessing
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import app, settings, things

from catchment import App, Record
from catchment.decode import Entry
from catchment.errors import StoreError, StoreUnavailable, UsageError
from catchment.settings import Settings
from catchment.store.engines import database_of, transaction
from catchment.store.engines.sqlite import File
from catchment.store.stage import Stage
from catchment.store.store import Store, prepare

pytestmark = pytest.mark.sqlite  # its file, its locks, its pragmas


def test_file_and_folders_are_readable_by_their_owner_only(here):
    path = here.store.database.path
    places = (path, path.parent, path.parent / "workers")
    assert [place.stat().st_mode & 0o777 for place in places] == [0o600, 0o700, 0o700]


def test_opening_again_changes_nothing(here, open_shop):
    here.collect(("a", 1))
    looks = ("SELECT name, sql FROM sqlite_master", "SELECT * FROM _meta ORDER BY name")
    before = [here.rows(look) for look in looks]
    other = open_shop()
    assert [other.rows(look) for look in looks] == before
    assert other.store.extent(app, things) == (1, 1)


def test_the_database_is_checked_and_written_through(here):
    assert here.rows("PRAGMA journal_mode") == [("wal",)]
    assert here.rows("PRAGMA trusted_schema") == [(0,)]


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_that_raises_leaves_nothing(here, durable):
    def interrupted():
        with transaction(here.store._derived, durable=durable) as sql:
            sql.execute("INSERT INTO _meta VALUES ('x', 'y')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert here.rows("SELECT * FROM _meta WHERE name = 'x'") == []


def test_a_file_of_another_kind_is_refused_by_name(tmp_path):
    path = tmp_path / "catchment.sqlite"
    path.write_bytes(b"this is no database at all, but long enough to be looked at " * 20)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"catchment\.sqlite.*move the file away"):
        Store(settings(tmp_path), [app])
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"data folder .*file/data cannot be written.*--data"):
        Store(settings(tmp_path / "file" / "data"), [app])


def test_a_folder_in_the_place_of_the_file_is_refused_by_name(tmp_path):
    (tmp_path / "catchment.sqlite").mkdir()
    with pytest.raises(StoreUnavailable, match=r"catchment\.sqlite"):
        Store(settings(tmp_path), [app])


def test_a_database_that_is_locked_is_unavailable(here):
    holder = sqlite3.connect(here.store.database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    here.store._derived.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY") as refused:
        here.claim()
    assert refused.value.hint == "another process writes to it: try again when that is done"
    holder.close()
    assert here.claim() is not None


def test_of_two_that_read_first_and_then_write_the_second_reads_what_the_first_wrote(here, open_shop):
    """It waits before it reads: who has read what another changes meanwhile could not be let in any more."""
    first, second = here.store._paid, open_shop().store._paid
    second.execute("PRAGMA busy_timeout = 0")
    first.execute("INSERT INTO _meta VALUES ('count', '0')")
    read = list[str]()

    def count_up(connection):
        (value,) = connection.execute("SELECT value FROM _meta WHERE name = 'count'").fetchone()
        read.append(value)
        yield
        connection.execute("UPDATE _meta SET value = ? WHERE name = 'count'", (str(int(value) + 1),))

    with transaction(first, durable=True):
        steps = count_up(first)
        next(steps)
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"), transaction(second, durable=True):
            list(count_up(second))
        list(steps)
    with transaction(second, durable=True):
        list(count_up(second))
    assert read == ["0", "1"]
    assert here.rows("SELECT value FROM _meta WHERE name = 'count'") == [("2",)]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        pytest.param(lambda shop: shop.store.archive.body("x"), "_body", id="body"),
        pytest.param(lambda shop: shop.store.archive.answered("f", "p", 1), "_exchange", id="answered"),
        pytest.param(lambda shop: shop.store.budgets.counts("shop"), "_budget", id="counts"),
        pytest.param(lambda shop: shop.store.ledger.states("f"), "_partition", id="states"),
    ],
)
def test_no_error_of_the_driver_gets_out(here, ask, words):
    here.store._paid.execute(f"DROP TABLE {words}")
    with pytest.raises(StoreError, match=words):
        ask(here)


def test_a_full_disk_is_unavailable_and_writes_nothing(here):
    pages = here.rows("PRAGMA page_count")[0][0]
    here.store._derived.execute(f"PRAGMA max_page_count = {pages}")
    lease = here.claim()
    page = here.answer(lease, *[(str(number) * 50, number) for number in range(2000)])
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        here.merge(lease, page)
    assert here.store.extent(app, things) == (0, 0)
    here.store._derived.execute("PRAGMA max_page_count = 1000000")
    assert here.merge(lease, page).counts.new == 2000


@pytest.mark.parametrize("url", ["mysql://me:canary-password@host/db", "sqlite:///", "mysql:x", ""])
def test_a_database_of_another_engine_is_refused_without_its_password(url):
    with pytest.raises(StoreError, match="sqlite:///PATH") as caught:
        database_of(url)
    assert "canary" not in str(caught.value)


def test_other_fields_than_the_stored_ones_are_said_not_changed(here):
    class Thing(Record):
        id: str
        size: int = 0

    changed = App("shop", feeds=[replace(things, record=Thing, counters=())])
    with pytest.raises(UsageError, match=r"shop/things.*size, value.*run catchment replay shop/things"):
        Store(here.place, [changed])
    assert here.collect(("a", 1)).counts.new == 1


def test_the_database_may_be_named(tmp_path):
    named = Settings({"CATCHMENT_DATABASE": (f"sqlite:///{tmp_path / 'deep' / 'er' / 'x.db'}", "test")})
    with Store(named, [app]) as store:
        assert store.database.path == tmp_path / "deep" / "er" / "x.db"
        assert store.database.path.is_file()


# -- the stage -------------------------------------------------------------------------------------------------------

stored = st.one_of(st.none(), st.text(max_size=5), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
entries = st.builds(
    Entry,
    key=st.text(max_size=5),
    hash=st.binary(min_size=16, max_size=16),
    raw=st.binary(min_size=16, max_size=16),
    values=st.lists(stored, max_size=4).map(tuple),
    doc=st.text(max_size=10),
)


@given(st.lists(st.tuples(entries, st.integers(0, 9)), max_size=6), st.integers(0, 4), st.randoms())
def test_what_waits_is_read_as_it_came_from_memory_and_from_disk(waiting, in_memory, random):
    with Stage(in_memory) as stage:
        slots = [stage.add(entry, origin) for entry, origin in waiting]
        assert slots == list(range(len(waiting)))
        random.shuffle(slots)
        assert list(stage.read(slots)) == [waiting[slot] for slot in slots]


def test_more_than_a_batch_waits_on_disk():
    with Stage(2) as stage:
        slots = [stage.add(Entry(str(number), b"h", b"r", (number, None), "}"), number) for number in range(4500)]
        assert stage.room._scratch is not None
        for order in (slots, slots[::-1][:50], [4499, 0, 2001, 2002, 2003]):
            assert [entry.values[0] for entry, _ in stage.read(order)] == order


def test_long_documents_wait_on_disk_however_few_they_are():
    long = "x" * 6_000
    with Stage() as stage:
        for number in range(2_200):
            stage.add(Entry(str(number), b"h", b"r", (), f"{number}{long}"), 0)
        assert stage.room._scratch is not None
        assert [entry.key for entry, _ in stage.read([2199, 7, 1048, 1049, 0])] == ["2199", "7", "1048", "1049", "0"]


OPENERS = 4


def _open_at_once(path, start, told):
    start.wait()
    try:
        prepare(File(path), [app])
    except StoreError as error:
        told.put(str(error))
    else:
        told.put("")


def test_processes_that_make_the_database_at_once_wait_for_each_other(tmp_path):
    """Without the lock around the change of mode about one in eight of these is told that the file is locked."""
    context = multiprocessing.get_context("fork")
    for number in range(15):
        start, told = context.Barrier(OPENERS), context.Queue()
        arguments = (tmp_path / str(number) / "catchment.sqlite", start, told)
        openers = [context.Process(target=_open_at_once, args=arguments) for _ in range(OPENERS)]
        for opener in openers:
            opener.start()
        assert [told.get(timeout=30) for _ in openers] == [""] * OPENERS
        for opener in openers:
            opener.join()
