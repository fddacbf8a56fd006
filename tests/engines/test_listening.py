"""Whether something was committed: told by the server, known of oneself at once, and asked for while nobody tells."""

import sys
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

sys.path.insert(1, str(Path(__file__).parents[1] / "store"))
sys.path.insert(1, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client
from shop import START, Shop, app, settings
from waiting import PATIENCE_S, until

from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.store.engines import database_of, transaction
from catchment.store.engines.listening import Listening
from catchment.store.store import Store

LISTENERS = "FROM pg_stat_activity WHERE query = 'LISTEN catchment' OR query = 'SELECT 1'"


@pytest.fixture
def other(database):
    """A connection that this process takes for another one's: its URL is another."""
    with closing(database_of(f"{database.url}&application_name=other").open()) as connection:
        connection.execute("CREATE TABLE one (id bigint)")
        yield connection


@pytest.fixture
def asked(database, other):
    """A watch, and how often the database was asked by it."""
    questions = []
    with closing(database.open()) as connection:

        def ask():
            questions.append(1)
            return connection.execute("SELECT CAST(pg_current_snapshot() AS text)").fetchone()

        with closing(Listening(database.url, database.connect, ask)) as watch:
            until(lambda: watch.listens)
            yield watch, questions


def commit(connection):
    with transaction(connection, durable=False) as sql:
        sql.execute("INSERT INTO one VALUES (1)")


def test_what_another_process_commits_is_told(asked, other):
    watch, questions = asked
    before, questions[:] = watch.changes(), []
    commit(other)
    until(lambda: watch.changes() != before)
    assert questions == []


def test_what_is_written_without_a_transaction_is_told_too(asked, other):
    watch, _ = asked
    before = watch.changes()
    other.execute("INSERT INTO one VALUES (1)")
    until(lambda: watch.changes() != before)


def test_a_transaction_that_changed_nothing_tells_nothing(database, other):
    """What is told comes in the order of the commits: whatever they told stands before the last word."""
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute("LISTEN catchment")
        with transaction(other, durable=False) as sql:
            sql.execute("SELECT 1")
        with suppress(KeyError), transaction(other, durable=False) as sql:
            sql.execute("INSERT INTO one VALUES (1)")
            raise KeyError
        commit(other)
        other.execute("NOTIFY catchment, 'the last word'")
        heard = []
        for notice in listener.notifies(timeout=PATIENCE_S):
            heard.append(notice.payload)
            if notice.payload:
                break
    assert heard == ["", "the last word"]


def test_what_this_process_commits_is_known_at_once(database, other):
    """Nobody tells and nobody may be asked: whoever wrote here reads it here."""
    connection = database.open()
    with closing(database.open()) as here, closing(database.watch(connection)) as watch:
        until(lambda: watch.listens)
        connection.close()
        for _ in range(20):
            before = watch.changes()
            commit(here)
            assert watch.changes() != before


def test_while_nobody_tells_the_database_is_asked(database, other):
    def away():
        raise psycopg.OperationalError

    with closing(database.open()) as connection:
        exact = lambda: connection.execute("SELECT CAST(pg_current_snapshot() AS text)").fetchone()  # noqa: E731
        with closing(Listening(database.url, away, exact)) as watch:
            assert not watch.listens
            for _ in range(20):
                before = watch.changes()
                assert watch.changes() == before
                commit(other)
                assert watch.changes() != before


def test_a_session_that_ended_is_opened_again_and_what_it_missed_is_seen(asked, other):
    watch, _ = asked
    before = watch.changes()
    (ended,) = other.execute(f"SELECT count(pg_terminate_backend(pid)) {LISTENERS}").fetchone()
    assert ended == 1, "nobody was cut off: the test says nothing"
    commit(other)
    until(lambda: watch.changes() != before)
    until(lambda: watch.listens)
    before = watch.changes()
    commit(other)
    until(lambda: watch.changes() != before)


def test_a_server_process_answers_what_another_one_committed(cluster, tmp_path):
    """An answer that is kept is given no more, and nobody has to ask the database whether it still holds."""
    url = cluster.url(cluster.database())
    place = settings(tmp_path, CATCHMENT_DATABASE=f"{url}&application_name=collector")
    with Store(place, [app]) as store:
        here = Shop(store, place)
        here.collect(("a", 1))
        front = build([app], settings(tmp_path, CATCHMENT_DATABASE=url), FakeClock(START))
        with closing(front):
            client, path = Client(front, "127.0.0.1"), "/v1/shop/things?sort=id"
            assert [row["value"] for row in client.get(path).json()["data"]] == [1]
            until(lambda: front._reader._watch[0].listens)
            etag = client.get(path).headers["etag"]
            assert client.get(path, headers={"if-none-match": etag}).status_code == 304
            here.collect(("a", 2), ("b", 3))
            until(lambda: client.get(path, headers={"if-none-match": etag}).status_code == 200)
            assert [row["value"] for row in client.get(path).json()["data"]] == [2, 3]


def test_a_revision_that_somebody_knows_of_is_not_missed(cluster, tmp_path):
    """Here nobody is told: what is committed behind the product's back says nothing."""
    url = cluster.url(cluster.database())
    place = settings(tmp_path, CATCHMENT_DATABASE=url)
    with Store(place, [app]) as store:
        Shop(store, place).collect(("a", 1))
    with closing(build([app], place, FakeClock(START))) as front, psycopg.connect(url, autocommit=True) as behind:
        client, path = Client(front, "127.0.0.1"), "/v1/shop/things"
        assert client.get(path).json()["meta"]["revision"] == 1
        until(lambda: front._reader._watch[0].listens)
        client.get(path)
        behind.execute("UPDATE _collection SET revision = 2 WHERE name = 'shop/things'")
        assert client.get(path).json()["meta"]["revision"] == 1, "it was told: the test says nothing"
        assert client.get(path, headers={"x-revision-at-least": "1"}).json()["meta"]["revision"] == 1
        assert client.get(path, headers={"x-revision-at-least": "2"}).json()["meta"]["revision"] == 2
        assert client.get(path).json()["meta"]["revision"] == 2
        late = client.get(path, headers={"x-revision-at-least": "3"})
        assert (late.status_code, late.json()["type"]) == (503, "/problems/revision-not-there")
        wrong = client.get(path, headers={"x-revision-at-least": "-1"})
        assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (400, "X-Revision-At-Least")
