"""The writer: whole writes, one commit for many, sums that are right at any moment."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import app
from people import (
    COLLECTIONS,
    NOW,
    PLACE,
    collect_bar,
    creation,
    deletion,
    patching,
    somebody,
    user,
    writer_of_all,
)

from catchment.bodies import InvalidRecord
from catchment.clock import FakeClock
from catchment.errors import CatchmentError, Concealed, QueryError, StoreUnavailable
from catchment.store.engines.sqlite import File
from catchment.store.rollups import kept, recomputed
from catchment.store.store import prepare
from catchment.store.writes import Once, Write


def review(place, rating="4.5", skill=None, **more):
    return {"place": place, "skill": skill, "rating": rating, **more}


def is_version(expected, _key, _generation, version):
    return version == expected


def check_sums(sql):
    for name in ("places", "reviews"):
        for number in range(len(COLLECTIONS[name].feed.rollups)):
            assert kept(sql, COLLECTIONS[name], number) == recomputed(sql, COLLECTIONS[name], number)
    check_carried(sql)


def check_carried(sql):
    """What is carried is what stands there now; what is there has a row, and what is gone has none without reviews."""
    costs = dict(sql.execute("SELECT _key, cost FROM market_places"))
    for number in (0, 1):
        rows = sql.execute(
            f"SELECT place, cost, _count, _sum, _whole, _mean FROM market_reviews__rollup_{number}"
        ).fetchall()
        assert all(cost == costs.get(place) for place, cost, *_ in rows)
        assert all(whole == int(Decimal(total)) for *_, total, whole, _ in rows)
        assert all(mean == (float(Fraction(total) / count) if count else 0) for _, _, count, total, _, mean in rows)
        assert all(count or (number == 0 and place in costs) for place, _, count, *_ in rows)
        assert number or set(costs) <= {place for place, *_ in rows}


def test_a_record_has_versions_each_with_its_author(writer, sql):
    made = writer.submit(creation("places", PLACE)).result()
    changed = writer.submit(patching("places", made.key, {"cost": 1})).result()
    gone = writer.submit(deletion("places", made.key)).result()
    assert [(d.outcome, d.version, d.revision) for d in (made, changed, gone)] == [
        ("created", 1, 1),
        ("changed", 2, 2),
        ("deleted", 2, 3),
    ]
    rows = "SELECT _version, _author, _revision, _until_revision, _gone, cost FROM market_places_version ORDER BY 1"
    assert sql.execute(rows).fetchall() == [(1, user(1), 1, 2, 0, 25000), (2, user(1), 2, 3, 1, 1)]
    assert sql.execute("SELECT count(*) FROM market_places").fetchone() == (0,)


def test_the_same_again_is_no_version(writer):
    made = writer.submit(creation("places", PLACE)).result()
    again = writer.submit(patching("places", made.key, {"cost": PLACE["cost"]})).result()
    assert (again.outcome, again.version, again.revision, again.doc) == ("same", 1, 1, made.doc)


def test_a_clock_set_back_makes_no_version_before_the_one_that_it_ends(database, sql):
    clock = FakeClock(NOW)
    writer = writer_of_all(database, clock=clock)
    made = writer.submit(creation("places", PLACE)).result()
    clock.advance(timedelta(hours=-1))
    changed = writer.submit(patching("places", made.key, {"cost": 1})).result()
    writer.close()
    assert changed.at == made.at


def test_list_elements_stand_in_rows_of_their_own(writer, sql):
    span = {"from_date": "2024-01-01", "to_date": "2024-02-01"}
    made = writer.submit(creation("places", PLACE | {"open": [span]})).result()
    assert sql.execute("SELECT value FROM market_places__skills ORDER BY _place").fetchall() == [
        ("milling",),
        ("baking",),
    ]
    assert sql.execute("SELECT from_date, to_date FROM market_places__open").fetchall() == [
        ("2024-01-01", "2024-02-01")
    ]
    writer.submit(patching("places", made.key, {"skills": ["x"], "open": None})).exception()
    writer.submit(patching("places", made.key, {"skills": ["x"]})).result()
    assert sql.execute("SELECT value FROM market_places__skills").fetchall() == [("x",)]
    writer.submit(deletion("places", made.key)).result()
    assert (
        sql.execute(
            "SELECT _key, _place FROM market_places__skills UNION SELECT _key, _place FROM market_places__open"
        ).fetchall()
        == []
    )


def test_what_it_is_about_must_be_there_and_what_is_collected_may_go_later(writer, database, sql):
    with pytest.raises(InvalidRecord, match="no such record in places"):
        writer.submit(creation("reviews", review("nowhere"))).result()
    place = writer.submit(creation("places", PLACE)).result().key
    made = writer.submit(creation("reviews", review(place), 2)).result()
    writer.submit(deletion("places", place)).result()
    with pytest.raises(QueryError, match="no such record"):
        writer.submit(patching("reviews", made.key, {"rating": 1}, 2)).result()
    with pytest.raises(InvalidRecord):
        writer.submit(creation("reviews", review(place), 3)).result()
    collect_bar(database)
    note = {"symbol": "IBM", "date": "2026-01-02", "text": "up"}
    kept_note = writer.submit(creation("notes", note)).result()
    sql.execute("DELETE FROM market_bars")
    assert writer.submit(patching("notes", kept_note.key, {"text": "down"})).result().version == 2


def test_one_for_each_owner_is_replaced_or_refused_as_declared(writer, database):
    place = writer.submit(creation("places", PLACE)).result().key
    first = writer.submit(creation("reviews", review(place), 2)).result()
    second = writer.submit(creation("reviews", review(place, "1"), 2)).result()
    assert (second.key, second.outcome, second.version) == (first.key, "changed", 2)
    skilled = writer.submit(creation("reviews", review(place, "1", "milling"), 2)).result()
    assert skilled.key != first.key
    with pytest.raises(QueryError) as caught:  # it would become a second one
        writer.submit(patching("reviews", skilled.key, {"skill": None}, 2)).result()
    assert caught.value.status == 409
    collect_bar(database)
    note = {"symbol": "IBM", "date": "2026-01-02", "text": "up"}
    writer.submit(creation("notes", note)).result()
    with pytest.raises(QueryError) as caught:
        writer.submit(creation("notes", note)).result()
    assert caught.value.status == 409
    assert writer.submit(creation("notes", note, 2)).result().outcome == "created"


class Held:
    """The database's write lock in other hands, so that writes gather in the queue."""

    def __init__(self, database):
        self._sql = database.open()
        self._transaction = self._sql.transaction(durable=False)

    def __enter__(self):
        self._transaction.__enter__()
        return self

    def __exit__(self, *_):
        self._transaction.__exit__(None, None, None)
        self._sql.close()


def test_a_write_that_fails_takes_none_of_its_commit_with_it(writer, database, sql):
    place = writer.submit(creation("places", PLACE)).result().key
    faulty = review(place, "1", comment="fault of the rule")
    writer.submit(creation("reviews", faulty, 9)).result()  # the rule finds it from now on
    with Held(database):
        waiting = [
            writer.submit(item)
            for item in (
                creation("places", PLACE | {"name": "before"}),
                creation("reviews", review(place), 2),  # a declared rule with a fault
                deletion("places", "nowhere"),
                patching("places", place, {"cost": 1}, 5),  # not theirs
                creation("places", PLACE | {"name": "after"}),
            )
        ]
    outcomes = [item.exception() for item in waiting]
    assert [type(item) for item in outcomes] == [type(None), RuntimeError, QueryError, Concealed, type(None)]
    assert [item.status for item in outcomes[2:4]] == [404, 404]
    names = [name for (name,) in sql.execute("SELECT name FROM market_places ORDER BY _id")]
    assert names == ["Mill", "before", "after"]
    # No revision without a change, none skipped.
    assert sql.execute("SELECT revision FROM _collection WHERE name = 'market/places'").fetchone() == (3,)
    assert sql.execute(
        "SELECT group_concat(CAST(revision AS TEXT), ',') FROM _commit WHERE collection = 'market/places'"
    ).fetchone() == ("1,2,3",)
    check_sums(sql)


def test_a_write_that_fails_half_way_is_taken_back_and_the_others_are_written_once(writer, database, sql, refusing):
    """Its list's elements cannot be stored when its row is: so not even its engine's fault leaves anything behind."""
    writer.submit(creation("places", PLACE | {"name": "first"})).result()
    refusing(sql, "BEFORE INSERT", "market_places__skills", "NEW.value = 'fault'")
    with Held(database):
        names = ("before", "faulty", "after")
        waiting = [
            writer.submit(creation("places", PLACE | {"name": name, "skills": ["fault" if name == "faulty" else "x"]}))
            for name in names
        ]
    assert ["it is refused" in str(item.exception()) for item in waiting] == [False, True, False]
    assert [waiting[0].result().revision, waiting[2].result().revision] == [2, 3]
    stored = sql.execute("SELECT name, _revision FROM market_places ORDER BY _id").fetchall()
    assert stored == [("first", 1), ("before", 2), ("after", 3)]
    assert sql.execute("SELECT count(*) FROM _audit").fetchone() == (3,)
    assert sql.execute("SELECT revision FROM _commit ORDER BY revision").fetchall() == [(1,), (2,), (3,)]
    check_sums(sql)


def test_too_many_waiting_are_refused_and_a_closed_writer_answers_all(database, sql):
    writer = writer_of_all(database, capacity=4)
    with Held(database):
        waiting, refused = [], None
        while refused is None:
            try:
                waiting.append(writer.submit(creation("places", PLACE)))
            except QueryError as error:
                refused = error
        assert (refused.status, refused.kind) == (503, "overloaded")
        closing_thread = threading.Thread(target=writer.close)
        closing_thread.start()
    closing_thread.join()
    assert {item.result().outcome for item in waiting} == {"created"}
    assert sql.execute("SELECT count(*) FROM market_places").fetchone() == (len(waiting),)
    with pytest.raises(StoreUnavailable):
        writer.submit(creation("places", PLACE))


def test_who_gave_up_waiting_has_written_nothing(writer, database, sql):
    with Held(database):
        first = writer.submit(creation("places", PLACE))  # it may be at work already
        second = writer.submit(creation("places", PLACE | {"name": "second"}))
        given_up = second.cancel()
    first.result()
    writer.submit(creation("places", PLACE | {"name": "third"})).result()
    names = {name for (name,) in sql.execute("SELECT name FROM market_places")}
    assert names == {"Mill", "third"} | (set() if given_up else {"second"})


def test_who_gave_up_in_an_event_loop_has_written_nothing(database, sql):
    writer = writer_of_all(database, batch=1)  # so that the second one waits until the first is done

    async def give_up():
        with Held(database):
            tasks = [
                asyncio.create_task(writer.done(creation("places", PLACE | {"name": name}))) for name in ("a", "b", "c")
            ]
            await asyncio.sleep(0)  # they are in the queue
            tasks[1].cancel()
            await asyncio.wait(tasks[1:2])
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = asyncio.run(give_up())
    writer.close()
    assert (first.outcome, third.outcome) == ("created", "created")
    assert isinstance(second, asyncio.CancelledError)
    assert sql.execute("SELECT name FROM market_places ORDER BY _id").fetchall() == [("a",), ("c",)]


@pytest.mark.sqlite
def test_a_file_put_in_its_place_is_written_from_then_on(writer, database, tmp_path):
    writer.submit(creation("places", PLACE)).result()
    other = tmp_path / "restored.sqlite"
    prepare(File(other), [app])
    for suffix in ("-wal", "-shm"):
        database.path.with_name(database.path.name + suffix).unlink(missing_ok=True)
    other.replace(database.path)
    writer.submit(creation("places", PLACE | {"name": "restored"})).result()
    with closing(database.open()) as sql:
        assert sql.execute("SELECT name FROM market_places").fetchall() == [("restored",)]


@pytest.mark.sqlite
def test_a_lost_file_is_unavailable(writer, database):
    database.path.unlink()
    with pytest.raises(StoreUnavailable):
        writer.submit(creation("places", PLACE)).result()


# -- a client's own key ---------------------------------------------------------------------------------------------


def test_a_request_sent_again_with_its_key_writes_once(database, sql):
    clock = FakeClock(NOW)
    writer = writer_of_all(database, clock=clock)
    once = Once("k", b"this request")
    first = writer.submit(creation("places", PLACE, once=once)).result()
    assert writer.submit(creation("places", PLACE, once=once)).result() == first
    other = writer.submit(creation("places", PLACE, 2, once=once)).result()
    assert other.key != first.key, "a key is its principal's own"
    with pytest.raises(QueryError) as caught:
        writer.submit(creation("places", PLACE, once=Once("k", b"another"))).result()
    assert caught.value.status == 422
    clock.advance(timedelta(hours=24))
    assert writer.submit(creation("places", PLACE, once=once)).result().key != first.key
    writer.close()
    assert sql.execute("SELECT count(*) FROM market_places").fetchone() == (3,)
    assert sql.execute("SELECT count(*) FROM _idempotency").fetchone() == (1,)


def test_a_request_that_failed_may_be_sent_again_with_its_key(writer):
    once = Once("k", b"request")
    with pytest.raises(CatchmentError):
        writer.submit(creation("reviews", review("nowhere"), once=once)).result()
    assert writer.submit(creation("places", PLACE, once=once)).result().outcome == "created"


# -- many at once ---------------------------------------------------------------------------------------------------


def test_of_two_changes_of_one_version_one_is_made(writer):
    made = writer.submit(creation("places", PLACE)).result()
    for version in range(1, 20):
        matches = partial(is_version, version)
        both = [
            writer.submit(patching("places", made.key, {"cost": 100 * version + n}, matches=matches)) for n in (1, 2)
        ]
        outcomes = [item.exception() for item in both]
        assert sorted(getattr(item, "status", 200) for item in outcomes) == [200, 412]


def test_many_clients_leave_sums_as_counted_anew(database, sql):
    """Two writers on one file, as two processes have, eight clients each with places and reviews of their own."""
    writers = [writer_of_all(database), writer_of_all(database)]
    shared = [writers[0].submit(creation("places", PLACE | {"name": f"p{n}"}, 100)).result().key for n in range(3)]

    def client(number):
        writer, done = writers[number % 2], []
        for turn in range(12):
            place = shared[(number + turn) % 3]
            done.append(
                writer.submit(creation("reviews", review(place, f"{turn % 6 * 0.75:.2f}"), number + 1)).result()
            )
            if turn % 4 == 3:
                writer.submit(deletion("reviews", done[-1].key, number + 1)).result()
        return done

    with ThreadPoolExecutor(8) as pool:
        answers = [item for found in pool.map(client, range(8)) for item in found]
    for writer in writers:
        writer.close()
    check_sums(sql)
    revisions = sorted(item.revision for item in answers)
    assert len(set(revisions)) == len(revisions), "every write has a revision of its own"
    counted = "SELECT _key, count(*), max(_version) FROM (SELECT _key, _version FROM market_reviews UNION ALL"
    counted += " SELECT _key, _version FROM market_reviews_version) AS every GROUP BY _key"
    for _, number, last in sql.execute(counted):
        assert number == last, "versions are numbered without a gap"


ACTIONS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(["write", "delete", "patch"]),
        st.decimals(0, 5, places=2),
        st.sampled_from([None, "milling", "baking"]),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(ACTIONS)
def test_sums_are_exact_after_any_writes(tmp_path_factory, actions):
    database = File(tmp_path_factory.mktemp("sums") / "catchment.sqlite")
    prepare(database, [app])
    writer = writer_of_all(database)
    place = writer.submit(creation("places", PLACE, 9)).result().key
    keys = {}
    for number, action, rating, skill in actions:
        if action == "write":
            made = writer.submit(creation("reviews", review(place, str(rating), skill), number)).result()
            keys[number, skill] = made.key
        elif key := keys.get((number, skill)):
            write = patching("reviews", key, {"rating": str(rating)}, number)
            writer.submit(
                write if action == "patch" else deletion("reviews", keys.pop((number, skill)), number)
            ).result()
    writer.close()
    with closing(database.open()) as sql:
        check_sums(sql)
        total = sql.execute("SELECT _count FROM market_reviews__rollup_2").fetchone()
        assert (total or (0,))[0] == len(keys)


@pytest.mark.parametrize(
    ("scopes", "number", "allowed"), [(("write",), 2, False), (("moderate",), 2, True), (("write",), 1, True)]
)
def test_who_may_delete(writer, scopes, number, allowed):
    place = writer.submit(creation("places", PLACE, 9)).result().key
    made = writer.submit(creation("reviews", review(place), 1)).result()
    write = Write(collection=COLLECTIONS["reviews"], action="delete", principal=somebody(number, *scopes), key=made.key)
    error = writer.submit(write).exception()
    assert (error is None) is allowed
    assert allowed or error.status == 403


def test_a_sum_of_cents_is_not_rounded(writer, sql):
    place = writer.submit(creation("places", PLACE, 99)).result().key
    for number in range(1, 31):
        writer.submit(creation("reviews", review(place, "0.01"), number)).result()
    assert kept(sql, COLLECTIONS["reviews"], 0) == {f'["{place}"]': (30, Decimal("0.30"))}
