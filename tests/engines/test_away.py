"""F73: the database is away for a while. Nothing is lost, nothing is doubled, and nobody has to be started again."""

import asyncio
import sys
from pathlib import Path

import pytest
import structlog

sys.path.insert(1, str(Path(__file__).parents[1] / "store"))
sys.path.insert(1, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client
from shop import START, Shop, app, settings
from waiting import until

from catchment.clock import FakeClock
from catchment.errors import StoreUnavailable
from catchment.serve.app import build
from catchment.store.check import check
from catchment.store.store import Store
from catchment.store.tables import collections_of
from catchment.testing import Cluster, NoServer


@pytest.fixture(scope="module")
def own_cluster():
    """A server that may be killed: nobody else is on it."""
    try:
        found = Cluster()
    except NoServer as error:
        pytest.skip(f"no PostgreSQL: {error}")
    with found:
        yield found


@pytest.fixture
def here(own_cluster, tmp_path):
    place = settings(tmp_path, CATCHMENT_DATABASE=own_cluster.url(own_cluster.database()))
    with Store(place, [app]) as store:
        yield Shop(store, place)


def contradictions(here):
    return [text for rule in check(here.store.database, collections_of(app)) for text in rule.shown]


def test_who_serves_says_503_while_it_is_away_and_heals_by_itself(own_cluster, here):
    here.collect(("a", 1), ("b", 2))
    front = build([app], here.place, FakeClock(START))
    client = Client(front, "127.0.0.1")
    path = "/v1/shop/things?sort=id"
    before = client.get(path)
    assert before.status_code == 200
    own_cluster.stop()
    until(lambda: not front._reader._watch[0].listens)
    away = [client.get(path), client.get("/v1/shop/things/a"), client.get("/health/ready")]
    assert [answer.status_code for answer in away] == [503] * 3
    assert away[0].json()["type"].endswith("database-unavailable")
    assert not [answer for answer in away if "psycopg" in answer.text or "SELECT" in answer.text]
    own_cluster.start()
    again = client.get(path)
    assert (again.status_code, again.content) == (200, before.content)
    front.close()


@pytest.mark.parametrize("when", ["before the claim", "after the answer"])
def test_who_collects_goes_on_when_it_is_back(own_cluster, here, when):
    here.collect(("a", 1))
    if when == "before the claim":
        own_cluster.stop()
        with pytest.raises(StoreUnavailable):
            here.claim()
        own_cluster.start()
        assert here.collect(("a", 2)).verdict == "complete"
    else:
        lease = here.claim()
        page = here.answer(lease, ("a", 2), ("b", 1))
        own_cluster.stop()
        with pytest.raises(StoreUnavailable):
            here.merge(lease, page)
        own_cluster.start()
        assert here.merge(lease, page).counts.new == 1
    assert here.rows("SELECT id, value, _version FROM shop_things WHERE id = 'a'") == [("a", 2, 2)]
    assert contradictions(here) == []


def test_a_session_that_ends_in_the_middle_of_a_commit_leaves_nothing_of_it(here, refusing):
    """The commit's reply never comes: what was told as not done is not done, and doing it again doubles nothing."""
    here.collect(("a", 1), ("b", 1))
    lease = here.claim()
    page = here.answer(lease, ("a", 2), ("b", 2))
    (session,) = here.rows("SELECT pg_backend_pid()")[0]
    end = refusing(here.store._derived, "BEFORE UPDATE", "shop_things", f"pg_terminate_backend(CAST({session} AS int))")
    with pytest.raises(StoreUnavailable):
        here.merge(lease, page)
    end()
    assert here.rows("SELECT count(*) FROM shop_things_version") == [(0,)]
    assert here.merge(lease, page).counts.changed == 2
    assert contradictions(here) == []


def undoing(sql, code, *, most):
    """Has the server undo transactions that change a record; a sequence counts them, which nobody undoes."""
    said = f"RAISE EXCEPTION 'undone' USING ERRCODE = '{code}'"
    words = f"BEGIN IF nextval('undone') <= {most} THEN {said}; END IF; RETURN NEW; END"
    sql.execute("CREATE SEQUENCE undone")
    sql.execute(f"CREATE FUNCTION undoing() RETURNS trigger LANGUAGE plpgsql AS $$ {words} $$")
    sql.execute("CREATE TRIGGER undoing BEFORE UPDATE ON shop_things FOR EACH ROW EXECUTE FUNCTION undoing()")


CODES = pytest.mark.parametrize("code", ["40001", "40P01"], ids=["serialization failure", "deadlock"])


@CODES
def test_what_the_server_undoes_for_the_sake_of_another_is_done_again_and_counted(here, code):
    """F74: four times, and the fifth try is whole."""
    here.collect(("a", 1))
    lease = here.claim()
    page = here.answer(lease, ("a", 2), ("b", 2))
    undoing(here.store._derived, code, most=4)
    with structlog.testing.capture_logs() as told:
        counts = here.merge(lease, page).counts
    assert (counts.new, counts.changed) == (1, 1)
    assert here.rows("SELECT last_value FROM undone") == [(5,)]
    again = [entry for entry in told if entry["event"] == "compared again"]
    assert [entry["tries"] for entry in again] == [1, 2, 3, 4]
    assert all(code in entry["why"] for entry in again)
    assert here.rows("SELECT id, value, _version FROM shop_things ORDER BY id") == [("a", 2, 2), ("b", 2, 1)]
    assert contradictions(here) == []


@CODES
def test_what_the_server_undoes_each_time_is_given_up_after_five_tries_and_whole_later(here, code):
    here.collect(("a", 1))
    lease = here.claim()
    page = here.answer(lease, ("a", 2), ("b", 2))
    undoing(here.store._derived, code, most=100)
    with pytest.raises(StoreUnavailable, match=f"given up after 5 comparisons: .*{code}"):
        here.merge(lease, page)
    assert here.rows("SELECT last_value FROM undone") == [(5,)]
    here.store._derived.execute("DROP FUNCTION undoing CASCADE")
    assert here.rows("SELECT count(*) FROM shop_things") == [(1,)]
    counts = here.merge(lease, page).counts
    assert (counts.new, counts.changed) == (1, 1)
    assert contradictions(here) == []


UPDATE = "UPDATE _collection SET model = 'x' WHERE name <> ?"
LAST = {
    "one statement": lambda sql: sql.execute(UPDATE, ("",)),
    "many": lambda sql: sql.executemany(UPDATE, [("",), ("none",)]),
    "none of many": lambda sql: (sql.execute(UPDATE, ("",)), sql.executemany(UPDATE, iter(()))),
    "very many rows": lambda sql: sql.insert("_meta", ("name", "value"), ((str(i), "x") for i in range(20))),
}


@pytest.mark.parametrize("last", LAST.values(), ids=LAST.keys())
def test_a_stopped_writer_keeps_nobody_waiting_for_ever(here, last):
    """A process that was stopped inside its transaction is undone by the server after its time, whatever came last."""
    other, verdicts = here.store.database.open(), []
    other.execute("SET idle_in_transaction_session_timeout = 50")

    def stopped():
        with other.transaction(durable=True):
            last(other)
            verdicts.append(here.collect(("a", 1)).verdict)  # waits until the other one is undone
            other.execute("SELECT 1")

    with pytest.raises(StoreUnavailable):
        stopped()
    assert verdicts == ["complete"]
    assert here.rows("SELECT DISTINCT model = 'x' FROM _collection") == [(False,)]
    assert here.rows("SELECT count(*) FROM _meta WHERE value = 'x'") == [(0,)]
    other.close()


def test_many_collectors_at_once_share_one_database(here):
    """Leases, budgets and revisions hold over connections that write at the same time."""
    stores = [Store(here.place, [app]) for _ in range(4)]

    async def all_at_once():
        shops = [Shop(store, here.place) for store in stores]
        return await asyncio.gather(*(asyncio.to_thread(shop.claim) for shop in shops))

    leases = asyncio.run(all_at_once())
    for store in stores:
        store.close()
    assert len([lease for lease in leases if lease is not None]) == 1
