"""The ledger's schema over time, and what a changed declaration asks of stored tables: shown first, then done."""

from contextlib import closing
from dataclasses import replace

import pytest
from shop import Shop, app, things
from sqlalchemy.dialects import sqlite

from catchment import App, Counter, Record
from catchment.errors import SchemaTooNew, SchemaTooOld, StoreError
from catchment.store.check import check
from catchment.store.engines import Layout, database_of, transaction
from catchment.store.migrate import OURS, steps, stored_schema
from catchment.store.planned import apply, look
from catchment.store.schema import LEDGER, SCHEMA
from catchment.store.store import Store, prepare
from catchment.store.tables import collections_of

LATER = f"{int(SCHEMA) + 1:04}"
NEXT = f'''"""Says of a run why it was begun."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{LATER}", "{SCHEMA}"


def upgrade():
    op.add_column("_run", sa.Column("why", sa.Text, nullable=False, server_default="asked"))
    op.create_index("_run_why", "_run", ["why"])
    op.execute("UPDATE _run SET why = 'it was due' WHERE ended_at IS NULL")
'''


@pytest.fixture
def folders(tmp_path):
    """Where a later catchment has its steps."""
    later = tmp_path / "later"
    later.mkdir()
    (later / "m9999_why.py").write_text(NEXT)
    return (*OURS, later)


@pytest.fixture
def database(here):
    return here.store.database


def ledger(database):
    """The ledger's tables as they are stored, and on a server the words that their indexes were made with."""
    with closing(database.open()) as sql:
        words = "SELECT indexdef FROM pg_indexes WHERE tablename LIKE '\\_%' ORDER BY indexname"
        indexes = sql.execute(words).fetchall() if sql.dialect.name == "postgresql" else []
        return {item.name: item for item in sql.layouts() if item.name[0] == "_"}, [
            text.replace('"', "") for (text,) in indexes if "_pkey" not in text and "_pkc" not in text
        ]


def test_a_fresh_schema_is_what_the_steps_make_of_nothing(new_database):
    fresh, stepped = (database_of(new_database()) for _ in range(2))
    prepare(fresh, [])
    with closing(stepped.open()) as sql, transaction(sql, durable=True):
        made = steps(sql.dialect, "")
        for statement in [statement for step in made for statement in step.statements]:
            sql.execute(statement)
        assert stored_schema(sql) == made[-1].revision == SCHEMA, "schema.SCHEMA is the last step's revision"
    assert ledger(stepped) == ledger(fresh)
    assert set(ledger(fresh)[0]) == set(LEDGER.tables)


def test_what_is_stored_is_what_is_declared(here, database):
    assert look(database, [app]) == []


def test_a_step_is_shown_and_then_done_and_an_older_catchment_refuses_what_it_left(here, database, folders):
    here.store.ledger.begin_run("shop", here.now)
    (planned,) = look(database, [app], until=LATER, folders=folders)
    assert (planned.of, planned.way, planned.says) == (
        "ledger",
        "step",
        f"schema {LATER}: Says of a run why it was begun.",
    )
    assert "why" in planned.statements[0]
    assert here.rows("SELECT version_num FROM _schema") == [(SCHEMA,)], "looking changes nothing"
    with pytest.raises(SchemaTooNew, match=rf"schema {LATER}.*knows {SCHEMA}.*newer catchment"):
        apply(database, [app], [planned])
    assert here.rows("SELECT why FROM _run") == [("it was due",)]
    assert here.rows("SELECT version_num FROM _schema") == [(LATER,)]


def test_a_step_that_fails_leaves_all_as_it_was(here, database, folders):
    (folders[1] / "m9999_why.py").write_text(NEXT + '    op.execute("UPDATE nowhere SET x = 1")\n')
    before = ledger(database)
    with pytest.raises(StoreError, match="nowhere"):
        apply(database, [app], look(database, [app], until=LATER, folders=folders))
    assert ledger(database) == before
    assert here.collect(("a", 1)).verdict == "complete"


def test_an_older_schema_is_refused_in_a_line(here, database):
    here.store._paid.execute("UPDATE _schema SET version_num = '0000'")
    with pytest.raises(SchemaTooOld, match=rf"has schema 0000.*needs {SCHEMA} \(run catchment migrate\)"):
        Store(here.place, [app])
    with pytest.raises(SchemaTooOld):
        check(database, [])
    with pytest.raises(StoreError, match="schema 0000 is none that this catchment knows"):
        look(database, [app])


EARLIER = [step.revision for step in steps(sqlite.dialect(), "")][:-1]


@pytest.mark.parametrize("revision", EARLIER)
def test_a_store_of_an_earlier_schema_becomes_the_present_one_with_all_that_is_in_it(
    revision, here, database, new_database
):
    """What an older catchment left is made of what this one has: all that later steps brought is taken away again."""
    here.collect(("a", 1), ("b", 1), ("c", 1), b'{"id": 7}')
    here.collect(("a", 2), ("b", 1))
    here.collect(("a", 2), ("b", 1), ("c", 1), shelf="two")
    before = here.everything
    older = database_of(new_database())
    with closing(older.open()) as sql, transaction(sql, durable=True):
        for step in steps(sql.dialect, "", until=revision):
            for statement in step.statements:
                sql.execute(statement)
    take_away(here.store._derived, ledger(older)[0], revision)
    assert ledger(database) == ledger(older)
    with pytest.raises(SchemaTooOld):
        Store(here.place, [app])
    planned = look(database, [app])
    assert [item.of for item in planned] == ["ledger"] * (len(EARLIER) - EARLIER.index(revision))
    apply(database, [app], planned)
    assert here.everything == before
    assert look(database, [app]) == []
    assert [text for rule in check(database, collections_of(app)) for text in rule.shown] == []
    with Store(here.place, [app]) as store:
        assert Shop(store, here.place, here.now).collect(("a", 3)).verdict == "complete"


def take_away(sql, older, revision):
    """Leaves of the ledger's tables what an older one has."""
    for layout in [item for item in sql.layouts() if item.name[0] == "_"]:
        if layout.name not in older:
            sql.drop(layout.name)
            continue
        for column in set(sql.columns(layout.name)) - {item.name for item in older[layout.name].columns}:
            sql.execute(f'ALTER TABLE "{layout.name}" DROP COLUMN "{column}"')
    sql.execute("UPDATE _schema SET version_num = ?", (revision,))


def test_of_an_app_that_nothing_is_stored_of_nothing_has_to_change(database):
    assert look(database, [App("other", feeds=[things])]) == []


def test_what_is_older_than_such_notes_is_taken_over(here, open_shop, database):
    here.collect(("a", 1))
    for statement in ("DROP TABLE _schema", "DROP TABLE _kept", "ALTER TABLE _partition DROP COLUMN stamp"):
        here.store._derived.execute(statement)
    assert [item.says for item in look(database, [app])] == [f"schema {SCHEMA} is noted"]
    other = open_shop()
    assert other.rows("SELECT version_num FROM _schema") == [(SCHEMA,)]
    assert other.rows("SELECT stamp, records FROM _partition") == [("", 1)]
    assert other.collect(("a", 2)).verdict == "complete"


# -- collections -----------------------------------------------------------------------------------------------------


class Sized(Record):
    id: str
    size: int = 0


CHANGED = {
    "an index is added": (
        replace(things, indexes=(("value",),)),
        "index",
        "shop_things: + index (value, _key)",
    ),
    "a feed's fields are others": (
        replace(things, record=Sized, indexes=(), counters=()),
        "derived",
        "+ size, - value",
    ),
    "words are looked for": (
        replace(things, search=("id",)),
        "index",
        "shop_things: words of id",
    ),
    "a counter is declared": (
        replace(things, counters=(Counter(by=("id",)),)),
        "made",
        "counters are counted anew",
    ),
    "a feed is new": (replace(things, name="others"), "made", "2 tables"),
}


@pytest.mark.parametrize(("feed", "way", "says"), CHANGED.values(), ids=CHANGED.keys())
def test_a_changed_declaration_is_shown_and_then_done(here, database, feed, way, says):
    here.collect(("a", 1))
    changed = App("shop", feeds=[feed])
    (planned,) = look(database, [changed])
    assert (planned.of, planned.way, planned.says) == (f"shop/{feed.name}", way, says)
    again = apply(database, [changed], [planned])
    assert again == (["shop/things"] if way == "derived" else [])
    assert [item.way for item in look(database, [changed])] == (["derived"] if way == "derived" else [])
    assert here.rows("SELECT id, value FROM shop_things") == [("a", 1)]


def test_an_index_that_nothing_asks_for_any_more_goes(here, database):
    indexed = App("shop", feeds=[replace(things, sort=("-value",))])
    apply(database, [indexed], look(database, [indexed]))
    other = App("shop", feeds=[replace(things, sort=("value", "id"))])
    (planned,) = look(database, [other])
    assert planned.says == "shop_things: + index (value, id, _key), - index (value, _key)"
    apply(database, [other], [planned])
    assert look(database, [other]) == []
    with closing(database.open()) as sql:
        layouts = {item.name: item for item in sql.layouts()}
    assert ("value", "id", "_key") in [index.fields for index in layouts["shop_things"].indexes]


def test_a_layout_is_made_anew_as_it_was(here, database, new_database):
    with closing(database.open()) as sql:
        layouts = sql.layouts()
    assert [Layout.of(layout.table()) for layout in layouts] == layouts
