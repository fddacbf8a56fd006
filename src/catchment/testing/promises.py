"""What every database engine keeps: each promise is a function that fails with an AssertionError where it is broken.

Whoever writes an engine runs them against a function that gives the URL of a new, empty database:

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_the_engine_keeps(promise, new_database):
        promise(new_database)

What is to be equal is compared with SQLite, byte by byte, on the same history.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from ..errors import CatchmentError, LeaseLost
from ..store.engines import (
    WORDS,
    Connection,
    Interrupted,
    Misunderstood,
    Taken,
    Words,
    database_of,
    mapped,
    move,
    part,
    transaction,
)
from .life import Life, living
from .values import ASKED, REFUSED, TEXTS, VALUES

__all__ = ["PROMISES", "New"]

New = Callable[[], str]
"""Gives the URL of a new, empty database of the engine."""

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


def _raises(error: type[CatchmentError], step: Callable[[], object]) -> None:
    try:
        with mapped():
            step()
    except error:
        return
    raise AssertionError(f"{error.__name__} is not raised")


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


def equal_values_are_taken_refused_sorted_and_answered_alike(new: New) -> None:
    """NUL, lone surrogates, NaN, 2^63, 0.1 and 0.10, long keys, deep documents, zones, order of text and of null."""
    rows = [row for _, row in VALUES]

    def history(life: Life) -> None:
        life.collect(*rows)
        life.collect(*rows[::-1], *rows[:3], shelf="two")
        life.collect(*rows[: len(rows) // 2])

    _same(new, history)
    with living(new()) as life:
        life.collect(*rows)
        told = {str(raw)[:30] for *_, raw in life.rejects()}  # a long one is told by its beginning
        assert told == {row.decode()[:30] for row in REFUSED}, life.rejects()


def the_same_history_gives_the_same_bytes(new: New) -> None:
    """New, changed, gone and come back, in two partitions; every list, page, version, difference and statistic."""

    def history(life: Life) -> None:
        for step in range(4):
            some = [{"id": f"{text}{step % 2}", "text": text, "whole": step} for text in TEXTS[step::2]]
            life.collect(*some, shelf="one" if step % 2 else "two")

    _same(new, history)


def _same(new: New, history: Callable[[Life], None]) -> None:
    """Lives a history on the engine and on SQLite: all that is told of it is the same."""
    with (
        tempfile.TemporaryDirectory(prefix="catchment-same-") as folder,
        living(new()) as one,
        living(f"sqlite:///{Path(folder) / 'same.sqlite'}") as other,
    ):
        for life in (one, other):
            history(life)
        assert one.told == other.told
        assert one.rejects() == other.rejects()
        assert one.contradictions() == other.contradictions() == []
        for path in ASKED:
            assert one.ask(path) == other.ask(path), path


# -- transactions --------------------------------------------------------------------------------------------------


def a_transaction_is_whole_or_not_at_all(new: New) -> None:
    """So is a part of one."""
    url = new()
    with _tables(url) as sql, closing(database_of(url).open()) as other:

        def fails() -> None:
            with transaction(sql, durable=True):
                sql.execute("INSERT INTO things (name) VALUES ('lost')")
                raise LeaseLost("samples shelf=one")

        _raises(LeaseLost, fails)
        with transaction(sql, durable=True):
            sql.execute("INSERT INTO things (name) VALUES ('kept')")
            _raises(Taken, lambda: _inside_a_part(sql))
            assert _names(other) == []
        assert _names(other) == ["kept"]


def _inside_a_part(sql: Connection) -> None:
    with part(sql):
        sql.execute("INSERT INTO things (name) VALUES ('beside')")
        sql.execute("INSERT INTO things (name) VALUES ('kept')")


def errors_are_told_apart_by_their_kind(new: New) -> None:
    with _tables(new()) as sql:
        sql.execute("INSERT INTO things (name) VALUES ('a')")
        _raises(Taken, lambda: sql.execute("INSERT INTO things (name) VALUES ('a')"))
        _raises(Taken, lambda: sql.insert("things", ("name",), iter([("b",), ("a",)])))
        _raises(Misunderstood, lambda: sql.execute("SELECT * FROM nowhere"))
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

        _raises(Interrupted, asks)
        assert _names(reader) == ["later"]


def a_lease_that_passed_to_another_writes_nothing(new: New) -> None:
    """The fence is inside of the transaction: who slept past its lease is refused, however late it comes."""
    url = new()
    with living(url) as slow, living(url) as other:
        slow.collect({"id": "a", "whole": 1})
        lease = slow.claim()
        assert lease is not None
        assert other.claim() is None
        other.clock.advance(timedelta(hours=2))
        other.collect({"id": "a", "whole": 2})
        before = other.ask("/a")
        _raises(LeaseLost, lambda: slow.merge(lease, [b'{"id":"a","whole":3}']))
        assert other.ask("/a") == before
        assert other.contradictions() == []


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
            _raises(CatchmentError, lambda statement=statement: sql.execute(statement))  # type: ignore[misc]
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


def a_copy_says_the_same(new: New) -> None:
    """Into a file, and from there into another database of the engine."""
    with tempfile.TemporaryDirectory(prefix="catchment-copy-") as folder:
        first, file, last = new(), f"sqlite:///{Path(folder) / 'copy.sqlite'}", new()
        with living(first) as life:
            life.collect(*(row for _, row in VALUES))
            life.collect({"id": "a", "text": "changed"}, shelf="two")
            said = [life.ask(path) for path in ASKED]
        for source, into in ((first, file), (file, last)):
            move(database_of(source), database_of(into))
            with living(into) as life:
                assert [life.ask(path) for path in ASKED] == said, into.partition(":")[0]
                assert life.contradictions() == []


PROMISES: tuple[Callable[[New], None], ...] = (
    values_come_back_as_they_were,
    text_is_ordered_by_its_code_points,
    equal_values_are_taken_refused_sorted_and_answered_alike,
    the_same_history_gives_the_same_bytes,
    a_transaction_is_whole_or_not_at_all,
    errors_are_told_apart_by_their_kind,
    a_snapshot_is_one_moment_and_ends_at_its_deadline,
    a_lease_that_passed_to_another_writes_nothing,
    a_commit_is_noticed_at_once,
    a_view_means_whatever_has_the_name,
    what_only_grows_is_never_changed,
    words_are_found_where_they_are_now,
    a_copy_says_the_same,
)
