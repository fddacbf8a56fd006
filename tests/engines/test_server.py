"""What stands behind PostgreSQL's connection."""

from contextlib import closing

import pytest

from catchment.errors import StoreError, StoreUnavailable
from catchment.store.engines import Broken, Down, Interrupted, Misunderstood, Taken, Undone, database_of, transaction


@pytest.fixture
def sql(database):
    with closing(database.open()) as connection:
        connection.execute("CREATE TABLE one (id BIGINT PRIMARY KEY, said TEXT)")
        yield connection


def test_writers_take_turns(database, sql):
    with closing(database.open()) as other:
        other.execute("SET lock_timeout = 1")
        with (
            transaction(sql, durable=True),
            pytest.raises(StoreUnavailable, match="55P03"),
            transaction(other, durable=True),
        ):
            pass
        with transaction(other, durable=True):
            other.execute("INSERT INTO one VALUES (3, NULL)")


@pytest.mark.parametrize("number", [3, 1000], ids=["few", "many"])
def test_very_many_rows_are_what_few_are(sql, number):
    """However they are sent: whole numbers in a column of others, truths, nulls, quotes, and bytes."""
    sql.execute("CREATE TABLE wide (id bigint, said text, part double precision, raw bytea)")
    rows = [(i, f"a\t'{i}\\ \n", 2.0 if i % 2 else 0.1, bytes([i % 256, 0])) for i in range(number)]
    rows[0], rows[-1] = (True, None, 7, None), (-(2**63), "\U0001f600", 5e-324, b"")
    sql.insert("wide", ("id", "said", "part", "raw"), iter(rows))
    rows[0] = (1, None, 7.0, None)
    found = sql.execute("SELECT id, said, part, raw FROM wide").fetchall()
    assert sorted(found, key=str) == sorted(rows, key=str)


def test_a_connection_heals_when_its_session_was_ended(database, sql):
    (session,) = sql.execute("SELECT pg_backend_pid()").fetchone()
    with closing(database.open()) as other:
        other.execute("SELECT pg_terminate_backend(CAST(? AS int))", (session,))
    with transaction(sql, durable=True):
        sql.execute("INSERT INTO one VALUES (5, '')")
    assert sql.execute("SELECT id FROM one").fetchall() == [(5,)]


def test_a_transaction_whose_session_was_ended_is_told_and_undone(database, sql):
    (session,) = sql.execute("SELECT pg_backend_pid()").fetchone()

    def broken():
        with transaction(sql, durable=True), closing(database.open()) as other:
            sql.execute("INSERT INTO one VALUES (6, '')")
            other.execute("SELECT pg_terminate_backend(CAST(? AS int))", (session,))
            sql.execute("INSERT INTO one VALUES (7, '')")

    with pytest.raises(StoreUnavailable):
        broken()
    assert sql.execute("SELECT id FROM one").fetchall() == []


def test_a_worker_is_alive_as_long_as_its_session(database):
    one, other = database.workers(), database.workers()
    assert one.alive(other.me)
    assert other.alive(one.me)
    assert one.alive(one.me)
    other.close()
    assert not one.alive(other.me)
    one.close()


def test_no_text_of_the_driver_and_no_password_is_told():
    there = database_of("postgresql://me:canary-password@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable) as caught:
        there.open()
    assert "canary" not in f"{caught.value}{there!r}{there.label}"
    with pytest.raises(StoreError, match="cannot be read") as caught:
        database_of("postgresql://me:canary-password@[::bad/none")
    assert "canary" not in str(caught.value)


TOLD = {
    "a full disk": ("53100", Down),
    "a failing disk": ("58030", Down),
    "too many connections": ("53300", Down),
    "the server ends": ("57P01", Down),
    "the deadline": ("57014", Interrupted),
    "a deadlock": ("40P01", Undone),
    "a lock that is not given": ("55P03", Down),
    "a writer that was undone": ("25P03", Down),
    "a key that is there": ("23505", Taken),
    "what is not there": ("42P01", Misunderstood),
    "what is not allowed": ("42501", Broken),
    "a value out of range": ("22003", Broken),
    "a fault of its own": ("XX000", Broken),
}


@pytest.mark.parametrize(("code", "kind"), TOLD.values(), ids=TOLD.keys())
def test_an_error_is_told_by_its_code_and_class(sql, code, kind):
    """F70, F71: whatever its text says, which is not told where it may hold a value."""
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'canary: disk full, database is locked' USING ERRCODE = '{code}'; END $$"

    def fails():
        with transaction(sql, durable=True):
            sql.execute("INSERT INTO one VALUES (1, '')")
            sql.execute(raising)

    with pytest.raises(kind) as caught:
        fails()
    assert code in str(caught.value)
    assert ("canary" in str(caught.value)) is (not code.startswith("22"))
    assert sql.execute("SELECT id FROM one").fetchall() == []
