"""A backup that is made while others write is one moment of the store, and comes back as it was."""

from datetime import UTC, datetime

import pytest
from shop import app

from catchment.errors import QueryError, UsageError
from catchment.store.backup import LEAP, backup, restore
from catchment.store.changes import Position
from catchment.store.check import check
from catchment.store.engines import Database, database_of
from catchment.store.engines.sqlite import File
from catchment.store.query import AsOf
from catchment.store.reader import Reader
from catchment.store.tables import collections_of

ROUNDS = 3
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def said(database: Database, sql: str) -> list[tuple]:
    connection = database.read()
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.fixture
def elsewhere(engine, new_database):
    """A function that gives a database of the same engine that is not there yet, or is empty."""
    return lambda: database_of(new_database())


def test_what_signs_cursors_is_not_in_it_and_is_made_anew(here, elsewhere, tmp_path):
    here.collect(("a", 1))
    key = "SELECT value FROM _meta WHERE name = 'cursor-key'"
    ((before,),) = said(here.store.database, key)
    backup(here.store.database, tmp_path / "copy")
    assert before.encode() not in (tmp_path / "copy").read_bytes()
    restored = elsewhere()
    restore(tmp_path / "copy", restored, NOW)
    ((after,),) = said(restored, key)
    assert (len(after), after != before) == (64, True)


@pytest.mark.sqlite
def test_it_is_overwritten_in_the_copy_and_files_are_their_owners_alone(here, tmp_path):
    here.collect(("a", 1))
    ((key,),) = said(here.store.database, "SELECT value FROM _meta WHERE name = 'cursor-key'")
    files = here.store.database.path.parent.glob("*.sqlite*")
    assert key.encode() in b"".join(path.read_bytes() for path in files), "it could not be found: the test says nothing"
    backup(here.store.database, tmp_path / "copy")
    assert key.encode() not in (tmp_path / "copy").read_bytes()
    restored = File(tmp_path / "other" / "catchment.sqlite")
    restore(tmp_path / "copy", restored, NOW)
    assert (restored.path.stat().st_mode & 0o777, (tmp_path / "copy").stat().st_mode & 0o777) == (0o600, 0o600)


def test_nothing_is_overwritten_and_a_damaged_copy_is_refused(here, elsewhere, tmp_path):
    here.collect(("a", 1))
    file, other = tmp_path / "copy", elsewhere()
    backup(here.store.database, file)
    with pytest.raises(UsageError, match="is there already"):
        backup(here.store.database, file)
    with pytest.raises(UsageError, match="is there already"):
        restore(file, here.store.database, NOW)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UsageError, match="not what its checksum says"):
        restore(file, other, NOW)
    with pytest.raises(UsageError, match="cannot be read"):
        restore(tmp_path / "none", other, NOW)
    assert not other.exists()


def test_what_was_given_out_and_lost_is_not_given_out_again(open_shop, elsewhere, tmp_path):
    """A consumer that was ahead of the backup is told to begin anew, also when the revisions have passed it by."""
    here = open_shop()
    here.collect(("a", 1))
    backup(here.store.database, tmp_path / "copy")
    restored = elsewhere()
    restore(tmp_path / "copy", restored, NOW)
    assert [text for rule in check(restored, collections_of(app)) for text in rule.shown] == []
    (things,) = [item for item in collections_of(app) if item.name == "shop/things"]
    reader = Reader(restored, collections_of(app))
    try:
        with reader.snapshot() as snapshot:
            state, changes = snapshot.state(things), snapshot.changes(things)
            assert state.revision == 1 + LEAP
            assert changes.after(Position(1), 10, things.columns).changes == []
            assert [change.key for change in changes.after(Position(0), 10, things.columns).changes] == ["a"]
            for lost in (2, LEAP):
                with pytest.raises(QueryError, match="take the whole collection anew") as refused:
                    changes.after(Position(lost, 1), 10, things.columns)
                assert refused.value.status == 410
                with pytest.raises(QueryError, match="oldest revision") as refused:
                    snapshot.points(things).kept(AsOf(revision=lost))
                assert refused.value.status == 410
            assert snapshot.points(things).kept(AsOf(revision=1)) is not None
            assert snapshot.points(things).held_until(1) is not None, "when the backup's state ended is not known"
    finally:
        reader.close()
