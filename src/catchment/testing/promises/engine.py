"""What stands behind a connection: values and their order, transactions, errors, snapshots, tables, words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa

from ...errors import CatchmentError, LeaseLost
from ...store.engines import (
    WORDS,
    Connection,
    Interrupted,
    Misunderstood,
    Taken,
    Words,
    database_of,
    part,
    transaction,
)
from ..values import TEXTS
from .trying import New, raises

__all__ = ["PROMISES"]

_LONG_S = 60.0


@contextmanager
def _tables(url: str) -> Iterator[Connection]:
    """A database with a table of every type that the store uses."""
    columns = (sa.Column("whole", sa.BigInteger), sa.Column("number", sa.Double), sa.Column("raw", sa.LargeBinary))
    table = sa.Table("things", sa.MetaData(), sa.Column("name", sa.Text, primary_key=True), *columns)
    with closing(database_of(url).open()) as sql:
        with transaction(sql, durable=True):
            sql.create([table])
        yield sql


def _names(sql: Connection) -> list[str]:
    return [name for (name,) in sql.execute("SELECT name FROM things ORDER BY name").fetchall()]


# -- what is stored ------------------------------------------------------------------------------------------------


def values_come_back_as_they_were(new: New) -> None:
    """By a statement, by many, and by very many at once."""
    rows = [
        ("", 2**63 - 1, 0.1, b""),
        ("\U0001f600", -(2**63), 5e-324, bytes(range(256))),
        ("k" * 2000, None, -1.7976931348623157e308, None),
        ("a'b\"\\", 0, 1e300, b"\0" * 70_000),
    ]
    many = [(f"x{number}", number, number / 7, b"%d" % number) for number in range(40)]
    with _tables(new()) as sql:
        with transaction(sql, durable=True):
            sql.execute("INSERT INTO things VALUES (?, ?, ?, ?)", rows[0])
            sql.executemany("INSERT INTO things VALUES (?, ?, ?, ?)", rows[1:])
            sql.insert("things", ("name", "whole", "number", "raw"), iter(many))
        found = sql.execute("SELECT * FROM things").fetchall()
        assert sorted(map(repr, map(tuple, found))) == sorted(map(repr, [*rows, *many]))
        assert sql.columns("things") == ["name", "whole", "number", "raw"]


def text_is_ordered_by_its_code_points(new: New) -> None:
    """Whatever the language of the machine: so keysets, ranges and pages agree."""
    with _tables(new()) as sql:
        with transaction(sql, durable=True):
            sql.executemany("INSERT INTO things (name) VALUES (?)", [(text,) for text in TEXTS])
        assert _names(sql) == sorted(TEXTS, key=lambda text: text.encode())
        for text in TEXTS:
            below = sql.execute("SELECT count(*) FROM things WHERE name < ?", (text,)).fetchone()[0]
            assert below == sum(other.encode() < text.encode() for other in TEXTS), text


# -- transactions --------------------------------------------------------------------------------------------------


def a_transaction_is_whole_or_not_at_all(new: New) -> None:
    """So is a part of one."""
    url = new()
    with _tables(url) as sql, closing(database_of(url).open()) as other:

        def fails() -> None:
            with transaction(sql, durable=True):
                sql.execute("INSERT INTO things (name) VALUES ('lost')")
                raise LeaseLost("samples shelf=one")

        raises(LeaseLost, fails)
        with transaction(sql, durable=True):
            sql.execute("INSERT INTO things (name) VALUES ('kept')")
            raises(Taken, lambda: _inside_a_part(sql))
            assert _names(other) == []
        assert _names(other) == ["kept"]


def _inside_a_part(sql: Connection) -> None:
    with part(sql):
        sql.execute("INSERT INTO things (name) VALUES ('beside')")
        sql.execute("INSERT INTO things (name) VALUES ('kept')")


def errors_are_told_apart_by_their_kind(new: New) -> None:
    with _tables(new()) as sql:
        sql.execute("INSERT INTO things (name) VALUES ('a')")
        raises(Taken, lambda: sql.execute("INSERT INTO things (name) VALUES ('a')"))
        raises(Taken, lambda: sql.insert("things", ("name",), iter([("b",), ("a",)])))
        raises(Misunderstood, lambda: sql.execute("SELECT * FROM nowhere"))
        assert "a" in _names(sql)


def a_snapshot_is_one_moment_and_ends_at_its_deadline(new: New) -> None:
    url = new()
    endless = "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more) SELECT count(*) FROM more"
    with _tables(url) as sql, closing(database_of(url).open()) as reader:
        with reader.snapshot(_LONG_S):
            assert _names(reader) == []
            sql.execute("INSERT INTO things (name) VALUES ('later')")
            assert _names(reader) == []
        assert _names(reader) == ["later"]

        def asks() -> None:
            with reader.snapshot(0.05):
                reader.execute(endless).fetchall()

        raises(Interrupted, asks)
        assert _names(reader) == ["later"]


def a_commit_is_noticed_at_once(new: New) -> None:
    """By this process, which answers nobody with what was before."""
    url = new()
    with _tables(url) as sql, closing(database_of(url).open()) as reader:
        watch = database_of(url).watch(reader)
        try:
            before = watch.changes()
            assert watch.changes() == before
            with transaction(sql, durable=True):
                sql.execute("INSERT INTO things (name) VALUES ('new')")
            assert watch.changes() != before
        finally:
            watch.close()


# -- tables --------------------------------------------------------------------------------------------------------


def a_view_means_whatever_has_the_name(new: New) -> None:
    """A generation takes the place of another one by a name."""
    with _tables(new()) as sql:
        with transaction(sql, durable=True):
            sql.execute("INSERT INTO things (name) VALUES ('old')")
            sql.make_view("seen", 'SELECT name FROM "things"')
            sql.execute("CREATE TABLE next (name TEXT)")
            sql.execute("INSERT INTO next VALUES ('new')")
            sql.rename([("things", "before"), ("next", "things")])
        assert sql.execute("SELECT name FROM seen").fetchall() == [("new",)]
        assert set(sql.views()) == {"seen"}
        assert sql.tables() >= {"things", "before"}


def what_only_grows_is_never_changed(new: New) -> None:
    with closing(database_of(new()).open()) as sql:
        sql.execute("CREATE TABLE grows (id BIGINT PRIMARY KEY, said TEXT)")
        sql.only_grows("grows")
        sql.execute("INSERT INTO grows VALUES (1, 'a')")
        for statement in ("UPDATE grows SET said = 'b'", "DELETE FROM grows"):
            raises(CatchmentError, lambda statement=statement: sql.execute(statement))  # type: ignore[misc]
        assert sql.execute("SELECT * FROM grows").fetchall() == [(1, "a")]


def words_are_found_where_they_are_now(new: New) -> None:
    film = sa.Table(
        "film", sa.MetaData(), sa.Column("_id", sa.BigInteger, primary_key=True), sa.Column("title", sa.Text)
    )
    film.info[WORDS] = Words("film__words", ("title",))
    question = 'SELECT rowid FROM "film__words" WHERE "film__words" MATCH ? ORDER BY rowid'
    with closing(database_of(new()).open()) as sql:
        with transaction(sql, durable=True):
            sql.create([film])
            sql.insert("film", ("_id", "title"), iter([(1, "The Wolf"), (2, "A lynx")]))
        with transaction(sql, durable=True):
            sql.execute("UPDATE film SET title = 'A wolf' WHERE _id = 2")
            sql.execute("DELETE FROM film WHERE _id = 1")
        assert sql.execute(question, ('"wolf"',)).fetchall() == [(2,)]
        assert sql.execute(question, ('"lynx"',)).fetchall() == []


PROMISES: tuple[Callable[[New], None], ...] = (
    values_come_back_as_they_were,
    text_is_ordered_by_its_code_points,
    a_transaction_is_whole_or_not_at_all,
    errors_are_told_apart_by_their_kind,
    a_snapshot_is_one_moment_and_ends_at_its_deadline,
    a_commit_is_noticed_at_once,
    a_view_means_whatever_has_the_name,
    what_only_grows_is_never_changed,
    words_are_found_where_they_are_now,
)
