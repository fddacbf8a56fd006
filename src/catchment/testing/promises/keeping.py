"""What a store is over time and elsewhere: its schema, what a changed declaration asks of it, copies and backups."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ...app import App
from ...errors import SchemaTooNew, SchemaTooOld, UsageError
from ...store.backup import backup, restore
from ...store.check import check
from ...store.engines import Layout, database_of, move, transaction
from ...store.migrate import steps, stored_schema
from ...store.planned import apply, look
from ...store.schema import SCHEMA
from ...store.store import Store, prepare
from ...store.tables import collections_of
from ..asked import Said
from ..beside import Beside, beside
from ..life import START, Life, app, living
from ..questions import everywhere
from ..values import VALUES
from .trying import New, raises

__all__ = ["PROMISES"]


# -- the schema ----------------------------------------------------------------------------------------------------


def a_fresh_schema_is_what_the_steps_make_of_nothing(new: New) -> None:
    fresh, stepped = (database_of(new()) for _ in range(2))
    prepare(fresh, [])
    with closing(fresh.open()) as one, closing(stepped.open()) as other:
        with transaction(other, durable=True):
            made = steps(other.dialect, "")
            for statement in (statement for step in made for statement in step.statements):
                other.execute(statement)
        assert stored_schema(other) == made[-1].revision == SCHEMA, "schema.SCHEMA is the last step's revision"
        layouts = [{item.name: item for item in sql.layouts()} for sql in (one, other)]
        assert layouts[0] == layouts[1]
        assert [Layout.of(layout.table()) for layout in layouts[0].values()] == list(layouts[0].values())


def another_schema_is_refused_and_left_alone(new: New) -> None:
    """A newer one, and an older one that nobody has migrated: by whoever collects, serves, checks or plans."""
    url = new()
    with living(url) as life:
        database, settings = life.store.database, life.settings
        for schema, error in (("0099", SchemaTooNew), ("0000", SchemaTooOld)):
            with closing(database.open()) as sql:
                sql.execute("UPDATE _schema SET version_num = ?", (schema,))
                before = sql.tables()
                more = App("more", feeds=app.feeds)
                raises(error, lambda more=more: Store(settings, [more]))  # type: ignore[misc]
                raises(error, lambda: check(database, []))
                assert sql.tables() == before
        with closing(database.open()) as sql:
            sql.execute("UPDATE _schema SET version_num = ?", (SCHEMA,))
        life.collect({"id": "a"})


def a_changed_declaration_is_planned_and_then_done(new: New) -> None:
    """Planning changes nothing; what was planned is what is done, and then nothing is left to do."""
    with living(new()) as life:
        life.collect({"id": "a", "text": "fox"})
        before = life.get("/a")
        database, feed = life.store.database, app.feeds[0]
        changed = App(app.name, feeds=[replace(feed, sort=("day",), counters=(), indexes=(("at",),))])
        planned = look(database, [changed])
        assert {(item.of, item.way) for item in planned} >= {("samples/samples", "index")}
        assert look(database, [changed]) == planned
        apply(database, [changed], planned)
        assert look(database, [changed]) == []
        apply(database, [app], look(database, [app]))
        assert look(database, [app]) == []
        life.replay()
        assert (life.get("/a").json()["data"], life.contradictions()) == (before.json()["data"], [])


# -- elsewhere -----------------------------------------------------------------------------------------------------


def a_copy_says_the_same(new: New) -> None:
    """Into a file, and from there into another database of the engine: and each goes on where the first one was."""
    with tempfile.TemporaryDirectory(prefix="catchment-copy-") as folder:
        urls = [new(), f"sqlite:///{Path(folder) / 'copy.sqlite'}", new()]
        with living(urls[0]) as life:
            life.collect(*(row for _, row in VALUES))
            life.collect({"id": "a", "text": "changed"}, shelf="two")
            offer = life.write("POST", "offers", {"text": "a", "tags": ["x"]}).json()["data"]["id"]
            life.review(offer, 7, who=2)
            life.write("PATCH", f"offers/{offer}", {"text": "b"})
            said = _said(life)
        for lot, (source, into) in enumerate(itertools.pairwise(urls), start=3):
            move(database_of(source), database_of(into))
            with living(into, life.clock.now(), lot=lot) as other:
                assert [path for path, one in _said(other).items() if one != said[path]] == [], into.partition(":")[0]
                assert other.contradictions() == []
        with living(into, life.clock.now(), lot=5) as other:
            other.collect({"id": "a", "text": "goes on"}, shelf="two")
            assert other.write("POST", "offers", {"text": "goes on"}).status == 201
            assert other.review(offer, 8, who=2).status == 200
            assert other.contradictions() == []


def _said(life: Life) -> dict[str, Said]:
    """All that is answered; what is counted as a server goes on is another server's."""
    return dict(everywhere(life))


def a_copy_made_while_others_write_is_one_moment(new: New) -> None:
    """In the middle of it another process collects and people write: nothing of that is in the copy."""
    with tempfile.TemporaryDirectory(prefix="catchment-copy-") as folder:
        urls = [new(), f"sqlite:///{Path(folder) / 'copy.sqlite'}", new()]
        for number, (source, into) in enumerate(itertools.pairwise(urls)):
            with living(source, lot=3 + number) as life, beside(source) as other:
                life.collect({"id": "first", "whole": number})
                revision = _revision(source)
                met = _meanwhile(source, into, other, number)
                assert met == ["_commit"], "nothing was written meanwhile: the test says nothing"
                assert _revision(source) == revision + 1
            assert _revision(into) == revision
            assert _wrong(into) == []


def _meanwhile(source: str, into: str, other: Beside, number: int) -> list[str]:
    """Copies, and has the other process write when one table was copied; gives that table's name."""
    met = []

    def tell(table: str, _rows: int) -> None:
        if table == "_commit":
            other.do("collect", {"id": "meanwhile", "whole": number}, shelf="two")
            other.do("write", "POST", "offers", {"text": f"meanwhile {number}"})
            met.append(table)

    move(database_of(source), database_of(into), tell=tell)
    return met


def a_backup_made_while_others_write_comes_back(new: New) -> None:
    """Each is one moment of what another process goes on with, and comes back onto the engine and onto SQLite."""
    url, revisions = new(), []
    with tempfile.TemporaryDirectory(prefix="catchment-backup-") as folder, beside(url) as other:
        for number in range(2):
            other.begin("collect_often", "one", 15)
            file = Path(folder) / f"{number}.sqlite"
            done = backup(database_of(url), file)
            assert file.with_name(f"{file.name}.sha256").read_text() == f"{done.digest}  {file.name}\n"
            for into in (new(), f"sqlite:///{Path(folder) / 'back' / str(number)}"):
                restore(file, database_of(into), START)
                assert _wrong(into) == []
                revisions.append(_revision(into))
            raises(UsageError, lambda file=file: restore(file, database_of(url), START))  # type: ignore[misc]
            other.end()
    assert revisions == sorted(revisions)
    assert revisions[0] == revisions[1] < revisions[2] == revisions[3], revisions


def _revision(url: str) -> int:
    with closing(database_of(url).read()) as sql:
        return int(sql.execute("SELECT revision FROM _collection WHERE name = 'samples/samples'").fetchone()[0])


def _wrong(url: str) -> list[str]:
    return [text for rule in check(database_of(url), collections_of(app)) for text in rule.shown]


PROMISES: tuple[Callable[[New], None], ...] = (
    a_fresh_schema_is_what_the_steps_make_of_nothing,
    another_schema_is_refused_and_left_alone,
    a_changed_declaration_is_planned_and_then_done,
    a_copy_says_the_same,
    a_copy_made_while_others_write_is_one_moment,
    a_backup_made_while_others_write_comes_back,
)
