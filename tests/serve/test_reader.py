"""What is read equals a reference computed in Python."""

import contextlib
import functools
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from demo_feeds import BARS, NOTES, Bar, Note
from filled_store import COLLECTED, FilledStore, bar
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catchment.clock import monotonic
from catchment.errors import QueryError, StoreError, StoreUnavailable
from catchment.store.aggregate import tell
from catchment.store.engines import database_of
from catchment.store.engines.sqlite import File
from catchment.store.query import AsOf, Query, parse
from catchment.store.reader import Reader
from catchment.store.statistics import parse_statistics
from catchment.store.sums import Total

LIGHT = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

MOMENTS = st.sampled_from([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)])
NOTE_RECORDS = st.builds(
    Note,
    text=st.none() | st.sampled_from(["a", "b", "", "é", "a%", "a_"]),
    score=st.none() | st.sampled_from([0.0, -1.5, 0.1, 1e300]),
    ok=st.none() | st.booleans(),
    at=st.none() | MOMENTS,
    tags=st.just([]),
)
ORDERS = st.lists(st.sampled_from(["text", "score", "ok", "at"]), unique=True, max_size=4).flatmap(
    lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names))
)


def compared(order):
    """A comparison of (key, record) pairs: nulls are the smallest, the key runs as the last field does."""

    def compare(left, right):
        for name in order:
            a, b = (getattr(item[1], name.removeprefix("-")) for item in (left, right))
            ranks = (a is not None, a), (b is not None, b)
            if a != b:
                return (-1 if ranks[0] < ranks[1] else 1) * (-1 if name.startswith("-") else 1)
        sign = -1 if order and order[-1].startswith("-") else 1
        return sign * ((left[0] > right[0]) - (left[0] < right[0]))

    return functools.cmp_to_key(compare)


def refill(store: FilledStore, collection, records):
    store.db.execute("BEGIN")
    for table in (collection.table, collection.versions):
        store.db.execute(f"DELETE FROM {table}")
    found = [(store.put(collection, item, nr=number), item) for number, item in enumerate(records, 1)]
    store.db.execute("COMMIT")
    return found


def keys(body: str) -> list[str]:
    import msgspec

    return [item["_key"] for item in msgspec.json.decode(f"[{body}]")]


@LIGHT
@given(records=st.lists(NOTE_RECORDS, max_size=14), order=ORDERS, limit=st.integers(1, 5), as_of=st.booleans())
def test_a_walk_sees_each_record_once_and_in_order(store, reader, records, order, limit, as_of):
    expected = [key for key, _ in sorted(refill(store, NOTES, records), key=compared(order))]
    store.db.execute("UPDATE _collection SET revision = 1")
    if as_of:  # half of what held then holds no more: the walk goes over both tables
        for number in range(1, len(records) + 1, 2):
            store.put(NOTES, Note("later", None, None, None, []), nr=number, revision=2)
    pairs = [("limit", str(limit)), *([("sort", ",".join(order))] if order else [])]
    pairs += [("as_of", "1")] if as_of else []
    seen, cursor = [], None
    while True:
        query = parse([*pairs, *([("cursor", cursor)] if cursor else [])], NOTES.columns)
        with reader.snapshot() as snapshot:
            page = snapshot.page(NOTES, query)
        seen += keys(page.body)
        assert page.count == len(records)
        if (cursor := page.next) is None:
            break
        assert len(keys(page.body)) == limit
    assert seen == expected


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=13) | (
    st.sampled_from(
        [Decimal(0), Decimal("-0.5"), Decimal("99.99"), Decimal("1e30"), Decimal("-123456789012345678901.5")]
    )
)


def total_of(snapshot, name, **pairs):
    asked = parse_statistics([("of", f"count({name}),sum({name})"), *pairs.items()], BARS.columns)
    ((count, total),) = (row.values() for row in tell(snapshot, BARS, asked).rows)
    return Total(count, Decimal(total or 0))


@LIGHT
@given(values=st.lists(st.none() | DECIMALS, max_size=20))
@example(values=[Decimal("-100000000000000.0000000000001")] * 2)
def test_decimals_add_up_exactly(store, reader, values):
    refill(store, BARS, [Bar(f"S{n}", date(2026, 1, 1), Decimal(1), value, 1) for n, value in enumerate(values)])
    there = [value for value in values if value is not None]
    exact = sum((Fraction(value) for value in there), Fraction(0))
    with reader.snapshot() as snapshot:
        total = total_of(snapshot, "close")
    assert (total.count, Fraction(total.sum)) == (len(there), exact)
    if there:
        assert Fraction(total.average(7)) == Fraction(round(exact / len(there) * 10**7), 10**7)


@LIGHT
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_add_up_beyond_64_bits(store, reader, values):
    refill(store, BARS, [Bar(f"S{n}", date(2026, 1, 1), Decimal(1), None, value) for n, value in enumerate(values)])
    with reader.snapshot() as snapshot:
        assert total_of(snapshot, "volume") == Total(len(values), Decimal(sum(values)))


FILTERS = {
    "symbol=IBM": {"IBM"},
    "symbol__ne=IBM": {"AAPL", "a%b", "a_b", "axb"},
    "symbol__in=IBM,AAPL": {"IBM", "AAPL"},
    "symbol__nin=IBM,AAPL": {"a%b", "a_b", "axb"},
    "symbol__contains=a%": {"a%b"},
    "symbol__contains=_": {"a_b"},
    "symbol__startswith=a_": {"a_b"},
    "symbol__startswith=A": {"AAPL"},
    "symbol__contains=' OR 1=1 --": set(),
    "close__isnull=true": {"AAPL"},
    "close__isnull=false": {"IBM", "a%b", "a_b", "axb"},
    "close__ne=10": {"AAPL", "a%b", "a_b", "axb"},
    "close__nin=10,9.50": {"AAPL", "a_b", "axb"},
    "close__lt=10": {"a%b", "axb"},
    "close__gte=9.5": {"IBM", "a%b", "a_b"},
    "close=9.500": {"a%b"},
    "volume__gt=3": {"a_b", "axb"},
    "date__lte=2026-01-02": {"IBM", "AAPL"},
}


@pytest.mark.parametrize(("text", "expected"), FILTERS.items(), ids=FILTERS.keys())
def test_filters_choose(store, reader, text, expected):
    closes = {"IBM": "10", "AAPL": None, "a%b": "9.5", "a_b": "100", "axb": "-10.5"}
    for number, (symbol, close) in enumerate(closes.items(), 1):
        store.put(BARS, bar(symbol, f"2026-01-0{number}", close=close, volume=number))
    name, _, value = text.partition("=")
    with reader.snapshot() as snapshot:
        page = snapshot.page(BARS, parse([(name, value), ("fields", "symbol")], BARS.columns))
    import msgspec

    assert {item["symbol"] for item in msgspec.json.decode(f"[{page.body}]")} == expected
    assert page.count == len(expected)


def test_counts_stop_at_the_cap_or_go_on(store, reader):
    store.put_all(NOTES, [Note(None, None, None, None, [])] * 10_001)
    with reader.snapshot() as snapshot:
        capped, exact, none = (snapshot.page(NOTES, Query(count=way)) for way in ("capped", "exact", "none"))
    assert (capped.count, capped.count_exact) == (10_000, False)
    assert (exact.count, exact.count_exact) == (10_001, True)
    assert none.count is None


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def restated(store):
    """IBM at 1 and then 2, and AAPL gone again."""
    ibm = store.put(BARS, bar("IBM", "2026-01-02", "1"), revision=1, said_at="2026-01-03T00:00:00.000000Z")
    aapl = store.put(BARS, bar("AAPL", "2026-01-02", "5"), revision=2, said_at="2026-01-04T00:00:00.000000Z")
    store.put(BARS, bar("IBM", "2026-01-02", "2"), revision=3, said_at="2026-01-05T00:00:00.000000Z")
    store.retire(BARS, aapl, until="2026-01-06T00:00:00.000000Z", revision=4)
    return ibm, aapl


THEN = {
    "0": {},
    "1": {"IBM": 1},
    "2": {"IBM": 1, "AAPL": 5},
    "3": {"IBM": 2, "AAPL": 5},
    "4": {"IBM": 2},
    "2026-01-02": {},
    "2026-01-03": {"IBM": 1},
    "2026-01-04T23:59:59Z": {"IBM": 1, "AAPL": 5},
    "2026-01-05": {"IBM": 2, "AAPL": 5},
    "2026-01-06": {"IBM": 2},
    "2036-01-06": {"IBM": 2},
}


@pytest.mark.parametrize(("as_of", "expected"), THEN.items(), ids=THEN.keys())
def test_rows_are_as_they_were(restated, reader, as_of, expected):
    point = parse([("as_of", as_of)], BARS.columns).as_of
    with reader.snapshot() as snapshot:
        rows = snapshot.rows(BARS, columns=["symbol", "open"], as_of=point)
        assert {row["symbol"]: int(row["open"]) for row in rows} == expected
        assert snapshot.count(BARS, as_of=point) == len(expected)
        assert total_of(snapshot, "open", as_of=as_of).sum == sum(expected.values())
        item = snapshot.item(BARS, restated[1], as_of=point)
        assert (item is not None) == ("AAPL" in expected)


def test_history_is_newest_first_and_tells_who_brought_it(restated, reader):
    with reader.snapshot() as snapshot:
        new, old = snapshot.history(BARS, restated[0])
        (gone,) = snapshot.history(BARS, restated[1])
    assert (new.version, new.until, new.run) == (2, None, 7)
    assert (old.version, old.until, old.until_revision, old.gone) == (1, "2026-01-05T00:00:00.000000Z", 3, False)
    assert (gone.version, gone.until_revision, gone.gone) == (1, 4, True)
    assert '"open":"1"' in old.record


def test_what_is_not_kept_any_more_is_gone(restated, store, reader):
    store.db.execute("UPDATE _collection SET horizon = 3 WHERE name = ?", (BARS.name,))
    store.db.execute("UPDATE _commit SET at = '2026-01-05T00:00:00.000000Z' WHERE revision = 3")
    for as_of in (AsOf(revision=2), AsOf(moment="2026-01-04T00:00:00.000000Z")):
        with reader.snapshot() as snapshot, pytest.raises(QueryError) as caught:
            snapshot.page(BARS, Query(as_of=as_of))
        assert caught.value.status == 410
        assert "3" in caught.value.message
    with reader.snapshot() as snapshot:
        assert snapshot.page(BARS, Query(as_of=AsOf(revision=3))).count == 2


def test_a_revision_that_never_was_is_refused(restated, reader):
    with reader.snapshot() as snapshot, pytest.raises(QueryError, match="newest revision is 4"):
        snapshot.page(BARS, Query(as_of=AsOf(revision=5)))


# -- faults --------------------------------------------------------------------------------------------------------


def test_a_snapshot_does_not_move_while_somebody_writes(store, reader):
    store.put(BARS, bar("IBM", "2026-01-02"))
    with reader.snapshot() as snapshot:
        before = snapshot.page(BARS, Query())
        store.put(BARS, bar("AAPL", "2026-01-02"), revision=2)
        again = snapshot.page(BARS, Query())
    assert again == before
    with reader.snapshot() as snapshot:
        assert snapshot.page(BARS, Query()).state.revision == 2
    assert reader.states()[BARS.name].revision == 2


def test_a_question_that_takes_too_long_is_cut(store):
    """Advisory A20: whatever is asked, and of however many rows."""
    store.put_all(NOTES, [Note(str(number), None, None, None, []) for number in range(3000)])
    reader = Reader(store.database, [NOTES], deadline_s=0.0)
    with pytest.raises(QueryError) as caught, reader.snapshot() as snapshot:
        snapshot.page(NOTES, parse([("text__contains", "9"), ("sort", "-text")], NOTES.columns))
    assert (caught.value.status, caught.value.kind) == (503, "query-too-slow")
    assert "ask for less" in caught.value.message
    reader.close()


@pytest.mark.sqlite
def test_a_deadline_counts_what_a_question_works_not_what_others_do_meanwhile(store):
    store.put_all(NOTES, [Note(str(number), None, None, None, []) for number in range(500)])
    done = threading.Event()

    def other() -> None:
        end = monotonic() + 0.6
        while monotonic() < end:
            pass
        done.set()

    reader = Reader(store.database, [NOTES], deadline_s=0.5)
    with reader.snapshot() as snapshot:
        threading.Thread(target=other).start()
        assert done.wait(30)
        page = snapshot.page(NOTES, parse([("text__contains", "9"), ("sort", "-text")], NOTES.columns))
    assert page.body
    reader.close()


def test_the_file_cannot_be_written_through_the_reader(store, reader):
    with pytest.raises(StoreUnavailable), reader.snapshot() as snapshot:
        snapshot._connection.execute("DELETE FROM _meta")
    assert store.db.execute("SELECT count(*) FROM _meta").fetchone() == (1,)


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 100], ids=["missing", "empty", "garbage"])
def test_a_file_that_cannot_be_used_says_so(tmp_path, content):
    path = tmp_path / "other.sqlite"
    if content is not None:
        path.write_bytes(content)
    reader = Reader(File(path), [BARS])
    with pytest.raises(StoreUnavailable):
        reader.states()
    with pytest.raises(StoreUnavailable), reader.snapshot():
        pass


@pytest.mark.sqlite
def test_a_file_put_in_its_place_is_read_anew(store, reader, tmp_path):
    assert reader.states()[BARS.name].revision == 1
    (tmp_path / "new").mkdir()
    other = FilledStore(f"sqlite:///{tmp_path / 'new' / 'catchment.sqlite'}", tmp_path)
    other.put(BARS, bar("IBM", "2026-01-02"), revision=9)
    other.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    store.close()
    for end in ("-wal", "-shm"):
        store.database.path.with_name(store.database.path.name + end).unlink(missing_ok=True)
    other.database.path.replace(store.database.path)
    assert reader.states()[BARS.name].revision == 9
    with reader.snapshot() as snapshot:
        assert snapshot.count(BARS) == 1


def test_values_come_back_as_python_has_them(store, reader):
    whole = Note("é", 1.5, True, datetime(2026, 1, 1, 12, tzinfo=UTC), ["x", "y"])
    store.put(NOTES, whole)
    store.put(NOTES, Note(None, None, None, None, []), nr=2)
    with reader.snapshot() as snapshot:
        rows = snapshot.rows(NOTES, sort=["-ok"])
    assert rows[0] == {"text": "é", "score": 1.5, "ok": True, "at": whole.at, "tags": ["x", "y"]}
    assert rows[1]["at"] is None


def test_the_archived_bytes_are_put_together_again(store, reader):
    key = store.put(BARS, bar("IBM", "2026-01-02"))
    with reader.snapshot() as snapshot:
        found = snapshot.source(BARS, key)
        assert snapshot.body(found["digest"]) == b'[{"symbol": "IBM"}]'
        assert snapshot.source(BARS, key, 2) is None
        assert snapshot.body("0" * 64) is None
    assert found["at"] == COLLECTED


UNFINISHED = {
    "no collection yet": ("DELETE FROM _collection", StoreUnavailable),
    "no cursor key": ("DELETE FROM _meta", StoreUnavailable),
    "no table": (f"DROP TABLE {BARS.table}", StoreError),
}


@pytest.mark.parametrize(("statement", "error"), UNFINISHED.values(), ids=UNFINISHED.keys())
def test_an_unfinished_store_is_none(store, reader, statement, error):
    store.db.execute(statement)
    with pytest.raises(error) as caught, reader.snapshot() as snapshot:
        snapshot.page(BARS, Query())
    assert "SELECT" not in str(caught.value)


def test_more_readers_than_are_kept_share_the_file(store, reader):
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(reader.snapshot()).count(BARS) for _ in range(12)]
    assert found == [0] * 12
    assert len(reader._idle) == 8


def test_the_database_is_a_file():
    assert database_of("sqlite:////data/x.sqlite") == File(Path("/data/x.sqlite"))
    assert database_of("sqlite:///./x.sqlite") == File(Path("x.sqlite"))
    for other in ("mysql://localhost/x", "sqlite://", "sqlite:///", "x.sqlite"):
        with pytest.raises(StoreError):
            database_of(other)


def test_an_operator_that_a_field_has_not_is_a_mistake(store, reader):
    with reader.snapshot() as snapshot, pytest.raises(ValueError, match="volume has no contains"):
        snapshot.count(BARS, [("volume", "contains", "1")])
