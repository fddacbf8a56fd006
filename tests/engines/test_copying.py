"""A store that is copied into a database of another engine, while it is written to, and with faults on the way."""

import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).parents[1] / "store"))

from shop import Shop, app, settings

from catchment.errors import StoreError, UsageError
from catchment.store.check import check
from catchment.store.engines import database_of, move, transaction
from catchment.store.store import Store, prepare
from catchment.store.tables import collections_of

COPY = "copy.sqlite"
BOTH_WAYS = pytest.mark.parametrize(
    "engine", ["sqlite", "postgresql"], ids=["from a file", "from a server"], indirect=True
)


@pytest.fixture
def into(engine, cluster, tmp_path):
    """A new database of the other engine."""
    name = cluster.database()
    yield database_of(cluster.url(name) if engine == "sqlite" else f"sqlite:///{tmp_path}/{COPY}")
    cluster.drop(name)


@pytest.fixture
def here(new_database, tmp_path):
    url = new_database("shop", lambda database: prepare(database, [app]))
    place = settings(tmp_path, CATCHMENT_DATABASE=url)
    with Store(place, [app]) as store:
        yield Shop(store, place)


def everything(database):
    with closing(database.read()) as sql:
        names = sorted(layout.name for layout in sql.layouts())
        return {name: sorted(map(repr, sql.execute(f'SELECT * FROM "{name}"'))) for name in names}


def contradictions(database):
    return [text for rule in check(database, collections_of(app)) for text in rule.shown]


@BOTH_WAYS
def test_a_copy_has_every_row_and_goes_on(here, into, tmp_path):
    here.collect(("a", 1), ("b", 2))
    here.collect(("a", 2), b'{"id": 7}')
    done = move(here.store.database, into)
    assert everything(into) == everything(here.store.database)
    assert done.rows == sum(map(len, everything(into).values()))
    url = getattr(into, "url", f"sqlite:///{tmp_path}/{COPY}")
    place = settings(tmp_path, CATCHMENT_DATABASE=url)
    with Store(place, [app]) as store:
        other = Shop(store, place, here.now)
        assert other.collect(("a", 3), ("c", 1)).counts.new == 1
    assert contradictions(into) == []


@BOTH_WAYS
def test_what_breaks_off_leaves_nothing_and_is_begun_again(here, into):
    here.collect(("a", 1))
    broken = []

    def tell(table, _rows):
        if table == "shop_things":
            broken.append(table)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(here.store.database, into, tell=tell)
    assert broken, "nothing broke off: the test says nothing"
    assert not into.exists()
    move(here.store.database, into)
    assert everything(into) == everything(here.store.database)


@BOTH_WAYS
def test_nothing_is_copied_over_what_is_there(here, into):
    here.collect(("a", 1))
    prepare(into, [app])
    before = everything(into)
    with pytest.raises(UsageError, match="already"):
        move(here.store.database, into)
    assert everything(into) == before


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_name_that_is_somebody_elses_is_told_and_left_alone(here, into):
    with closing(into.open()) as sql:
        sql.execute("CREATE TABLE _commit (other text)")
    with pytest.raises(StoreError):
        move(here.store.database, into)
    assert not into.exists()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_file_that_cannot_be_made_is_told(here, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        move(here.store.database, database_of(f"sqlite:///{tmp_path}/file/copy.sqlite"))


@BOTH_WAYS
def test_what_is_not_ours_stays_where_it_is(here, into):
    here.collect(("a", 1))
    ours = everything(here.store.database)
    here.store._derived.execute("CREATE TABLE jobs (at timestamp, what json)")
    here.store._derived.execute("INSERT INTO jobs VALUES ('2026-01-01 00:00:00', '{}')")
    move(here.store.database, into)
    assert everything(into) == ours


@BOTH_WAYS
def test_memory_does_not_grow_with_what_is_copied(here, into):
    """24 MB of bodies go through 12 MB."""
    chunk = b"\xff" * 400_000
    with transaction(here.store._paid, durable=False) as sql:
        sql.insert("_body", ("digest", "chunk", "size", "data"), [(f"{n:064}", 0, 1, chunk) for n in range(60)])
    tracemalloc.start()
    try:
        move(here.store.database, into)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12e6
