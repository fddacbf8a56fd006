"""The audit: added to, never changed, and true also when a transaction fails."""

from contextlib import closing
from dataclasses import astuple
from datetime import timedelta

import pytest

from catchment.errors import StoreError
from catchment.store.audit import Asked, Entry, Tried, deny, find, note
from catchment.store.engines import mapped, transaction
from catchment.store.keys import create, revoke, split

USER = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
WRITE = Entry("update", "demo/notes/1", USER, "k", 1, 2, request_id="r1")


@pytest.fixture
def sql(database):
    with closing(database.open()) as connection:
        yield connection


def test_an_entry_is_there_exactly_if_its_transaction_is(sql, now):
    with transaction(sql, durable=True):
        note(sql, WRITE, now)

    def write_and_fail():
        with transaction(sql, durable=True):
            note(sql, Entry("delete", "demo/notes/1", USER), now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert find(sql, Asked()) == [Tried(1, "2026-01-31T12:00:00.000000Z", *astuple(WRITE))]


def test_a_denial_is_kept_without_a_transaction_of_the_caller(database, sql, now):
    deny(database, WRITE, now)
    (entry,) = find(sql, Asked())
    assert (entry.result, entry.before, entry.after, entry.object) == ("denied", None, None, "demo/notes/1")


CHANGES = {
    "update": "UPDATE _audit SET result = 'allowed'",
    "delete": "DELETE FROM _audit",
    "upsert": "INSERT INTO _audit SELECT * FROM _audit WHERE true ON CONFLICT (id) DO UPDATE SET result = ''",
}


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES.keys())
def test_what_is_written_stays(database, sql, now, statement):
    deny(database, WRITE, now)
    with pytest.raises(StoreError), transaction(sql, durable=True):
        sql.execute(statement)
    with pytest.raises(StoreError, match="append-only"), mapped():
        sql.execute(statement)
    assert [entry.result for entry in find(sql, Asked())] == ["denied"]


@pytest.mark.sqlite
def test_what_is_written_is_not_replaced(database, sql, now):
    """Its own `OR REPLACE` removes a row without telling a trigger on DELETE."""
    deny(database, WRITE, now)
    with pytest.raises(StoreError, match="append-only"), mapped():
        sql.execute("INSERT OR REPLACE INTO _audit SELECT * FROM _audit")


def test_keys_are_audited_by_id_alone(database, sql, now):
    text, key = create(database, "reports", USER, {"write"}, now)
    revoke(database, key.id, now)
    revoke(database, key.id, now)  # nothing happens, so nothing is told
    told = find(sql, Asked())
    assert [(entry.action, entry.object, entry.principal) for entry in told] == [
        ("key-revoke", key.id, USER),
        ("key-create", key.id, USER),
    ]
    assert not any(split(text)[1] in str(value) for entry in told for value in astuple(entry))


def test_long_texts_are_cut(database, sql, now):
    deny(database, Entry("POST", "/" + "a" * 10_000), now)
    (entry,) = find(sql, Asked())
    assert len(entry.object) == 512


def test_tries_are_found_by_who_what_and_when(sql, now):
    tries = [
        Entry("create", "demo/notes/1", USER, "k1"),
        Entry("create", "demo/notes/10", "", "k2"),
        Entry("delete", "demo/notes", USER),
    ]
    with transaction(sql, durable=True):
        for number, entry in enumerate(tries):
            note(sql, entry, now + timedelta(seconds=number))

    def found(**asked):
        return [item.id for item in find(sql, Asked(**asked))]

    assert found() == [3, 2, 1]
    assert found(who=USER) == [3, 1]
    assert found(who="k2") == [2]
    assert found(what="demo/notes") == [3, 2, 1]
    assert found(what="demo/notes/1") == [1]
    assert found(action="create", since=now + timedelta(seconds=1)) == [2]
    assert found(until=now + timedelta(seconds=1)) == [1]
    assert found(who="x' OR '1'='1") == []
