"""A reader's connection reads, and nothing else: on each engine, and whatever the statement is."""

from __future__ import annotations

from contextlib import closing

import pytest

from catchment.errors import CatchmentError
from catchment.store.engines import mapped

WRITES = {
    "insert": "INSERT INTO _meta VALUES ('x', 'y')",
    "update": "UPDATE shop_things SET value = 9",
    "delete": "DELETE FROM shop_things",
    "of the audit": "DELETE FROM _audit",
    "drop": "DROP TABLE shop_things",
    "create": "CREATE TABLE mine (id integer)",
    "index": "CREATE INDEX mine ON shop_things (value)",
}


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
def test_a_write_by_a_readers_connection_is_refused(here, statement):
    here.collect(("a", 1), ("b", 2))
    before = here.rows("SELECT id, value FROM shop_things ORDER BY id")
    with closing(here.store.database.read()) as sql:
        assert len(sql.execute("SELECT id FROM shop_things").fetchall()) == 2
        with pytest.raises(CatchmentError), mapped():
            sql.execute(statement)
    assert here.rows("SELECT id, value FROM shop_things ORDER BY id") == before == [("a", 1), ("b", 2)]
    assert not {"mine"} & set(here.tables)


@pytest.mark.sqlite
def test_a_readers_connection_reaches_no_other_file(here, tmp_path):
    """Neither one that is there nor one that it would make."""
    (tmp_path / "other.sqlite").write_bytes(here.store.database.path.read_bytes())
    with closing(here.store.database.read()) as sql:
        for name in ("other.sqlite", "new.sqlite"):
            with pytest.raises(CatchmentError), mapped():
                sql.execute(f"ATTACH '{tmp_path / name}' AS other")
        with pytest.raises(CatchmentError), mapped():
            sql.execute("SELECT load_extension('x')")
    assert not (tmp_path / "new.sqlite").exists()
