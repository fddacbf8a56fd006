"""The stocks app's own routes, by their contract."""

import csv
import os
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import msgspec
import pytest
from asgi_client import Client
from filled_store import FilledStore, make_tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catchment.apps.stocks import Bar, app, bars, dividends, splits
from catchment.apps.stocks.routes import price
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.tables import collection_of

pytestmark = pytest.mark.once  # both engines are asked by catchment.testing.promises

BARS = collection_of(app, bars)
SAMPLES = Path(os.environ.get("CATCHMENT_SAMPLES") or Path(__file__).parents[2].parent / "shared" / "samples")
ROWS, AVERAGES = "/api/financial_data", "/api/statistics"
YEAR = "start_date=2026-01-01&end_date=2026-12-31"


@pytest.fixture
def store(new_database, tmp_path):
    every = [BARS, *(collection_of(app, feed) for feed in (splits, dividends))]
    url = new_database("stocks", lambda database: make_tables(database, every))
    filled = FilledStore(url, tmp_path, every)
    yield filled
    filled.close()


@pytest.fixture
def client(store, clock):
    front = build([app], Settings().with_values("test", store.values), clock)
    yield Client(front, "192.0.2.7")  # bars are public
    front.close()


def put(store, symbol, day, opened="133.0", close="139.7799", volume=1000, **options):
    numbers = [Decimal(text) for text in (opened, "200", "1", close)]
    return store.put(BARS, Bar(symbol, date.fromisoformat(day), *numbers, volume), **options)


@pytest.fixture
def week(store):
    for day in range(5, 10):
        for symbol in ("IBM", "AAPL"):
            put(store, symbol, f"2026-01-0{day}", volume=1000 + day)
    return store


PRICES = {
    "133": "133.00",
    "133.0": "133.00",
    "133.0000": "133.00",
    "139.7799": "139.7799",
    "139.50": "139.50",
    "0.1": "0.10",
    "1E+2": "100.00",
    "0.0000000000001": "0.0000000000001",
}


@pytest.mark.parametrize(("value", "text"), PRICES.items())
def test_a_price_has_two_decimals_and_no_idle_zeros(value, text):
    assert price(Decimal(value)) == text


@pytest.mark.parametrize("root", ["/api", "/api/v1"])
def test_rows_are_text_in_order(week, client, root):
    answer = client.get(f"{root}/financial_data?limit=3&page=2")
    assert answer.status_code == 200
    assert answer.json()["data"][0] == {
        "symbol": "IBM",
        "date": "2026-01-06",
        "open_price": "133.00",
        "close_price": "139.7799",
        "volume": "1006",
    }
    assert [(row["date"], row["symbol"]) for row in answer.json()["data"]] == [
        ("2026-01-06", "IBM"),
        ("2026-01-07", "AAPL"),
        ("2026-01-07", "IBM"),
    ]
    assert answer.json()["pagination"] == {"count": 10, "page": 2, "limit": 3, "pages": 4}
    assert answer.json()["info"] == {"error": ""}
    assert {"etag", "x-collected-at", "x-age", "x-stale"} <= set(answer.headers)


def test_a_walk_by_pages_sees_each_row_once(week, client):
    """Acceptance 14."""
    seen = []
    for page in range(1, 5):
        seen += [(r["date"], r["symbol"]) for r in client.get(f"{ROWS}?limit=3&page={page}").json()["data"]]
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) == 10


def test_a_walk_stands_still_under_as_of(week, client):
    """Acceptance 14: a bar is inserted ahead of the position."""
    first = client.get(f"{ROWS}?limit=4&as_of=1").json()
    put(week, "IBM", "2026-01-02", revision=2)
    rest = [client.get(f"{ROWS}?limit=4&as_of=1&page={page}").json() for page in (2, 3)]
    seen = [(row["date"], row["symbol"]) for part in (first, *rest) for row in part["data"]]
    assert len(set(seen)) == len(seen) == 10
    assert client.get(ROWS).json()["pagination"]["count"] == 11


def test_the_page_past_the_end_is_empty_and_true(week, client):
    answer = client.get(f"{ROWS}?page=1000000&limit=1000")
    assert answer.status_code == 200
    assert answer.json()["data"] == []
    assert answer.json()["pagination"] == {"count": 10, "page": 1000000, "limit": 1000, "pages": 1}


def test_more_members_are_added_when_asked_for(week, client):
    first, *_, last = client.get(f"{ROWS}?include=high,low,provisional&symbol=ibm&size=10").json()["data"]
    assert (first["high_price"], first["low_price"], first["provisional"]) == ("200.00", "1.00", "false")
    assert (last["date"], last["provisional"]) == ("2026-01-09", "true")


def test_both_ends_of_a_range_are_included(week, client):
    answer = client.get(f"{ROWS}?start_date=2026-01-06&end_date=2026-01-07&symbol=AAPL").json()
    assert [row["date"] for row in answer["data"]] == ["2026-01-06", "2026-01-07"]


ROW_ERRORS = {
    "limit=0": "limit",
    "limit=-1": "limit",
    "limit=x": "limit",
    "limit=1.5": "limit",
    "limit=1001": "limit",
    "limit=1_0": "limit",
    "limit=%D9%A5": "limit",
    "size=0": "size",
    "page=0": "page",
    "page=1000001": "page",
    "limit=3&size=4": "size",
    "start_date=2023-02-30": "start_date",
    "start_date=2023-1-5": "start_date",
    "end_date=20230105": "end_date",
    "start_date=2023-02-02&end_date=2023-02-01": "start_date",
    "symbol=IBM%27%3B--": "symbol",
    "symbol=": "symbol",
    "symbol=" + "A" * 21: "symbol",
    "symbol=%C5%BFTX": "symbol",
    "symbol=IBM&symbol=IBM": "symbol",
    "symbool=IBM": "symbool",
    "include=volume": "include",
    "adjust=some": "adjust",
    "as_of=never": "as_of",
    "symbol=%ff": "symbol: is not UTF-8",
    "symbol=IBM&limit=%FF": "limit: is not UTF-8",
}


@pytest.mark.parametrize(("query", "name"), ROW_ERRORS.items(), ids=[query[:30] for query in ROW_ERRORS])
def test_wrong_rows_are_400_in_their_own_shape(week, client, query, name):
    """Acceptance 14: the table of errors."""
    answer = client.get(f"{ROWS}?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    content = answer.json()
    assert content["data"] == []
    assert content["pagination"] == {"count": 0, "page": 1, "limit": content["pagination"]["limit"], "pages": 0}
    assert content["pagination"]["limit"] == 5
    assert name in content["info"]["error"]
    assert f"{name}: {name}" not in content["info"]["error"]


@pytest.mark.parametrize(
    ("path", "empty"),
    [
        (ROWS, {"data": [], "pagination": {"count": 0, "page": 1, "limit": 5, "pages": 0}}),
        ("/api/v1/financial_data", {"data": [], "pagination": {"count": 0, "page": 1, "limit": 5, "pages": 0}}),
        (AVERAGES, {"data": {}}),
        ("/api/coverage", {"data": []}),
        ("/api/", {"data": []}),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_method_is_refused_in_the_same_shape(week, client, path, empty, method):
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert answer.json() == {**empty, "info": {"error": "Method Not Allowed"}}
    assert client.request("OPTIONS", path).headers["allow"] == answer.headers["allow"]


REFUSALS = {
    "400": ({"host": "elsewhere.example"}, ""),
    "401": ({"authorization": "Bearer none"}, ""),
    "406": ({"accept": "text/csv"}, ""),
    "414": ({}, f"?symbol={'I' * 17_000}"),
    "431": ({"x-much": "x" * 70_000}, ""),
}


@pytest.mark.parametrize("path", [ROWS, AVERAGES])
def test_what_is_refused_before_its_route_is_refused_in_the_same_shape(week, client, path):
    for status, (headers, query) in REFUSALS.items():
        answer = client.get(f"{path}{query or f'?symbol=IBM&{YEAR}'}", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (int(status), "application/json")
        assert set(answer.json()) == {"data", "info"} | ({"pagination"} if path == ROWS else set())
        assert answer.json()["info"]["error"]
    assert client.get("/v1/stocks/none").headers["content-type"] == "application/problem+json"


def test_too_many_requests_are_refused_in_the_same_shape(week, store, clock):
    values = {**store.values, "CATCHMENT_LIMIT_ANONYMOUS": "1/minute"}
    front = build([app], Settings().with_values("test", values), clock)
    answers = [Client(front, "192.0.2.7").get("/api/coverage") for _ in range(40)]
    front.close()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert set(refused[0].json()) == {"data", "info"}
    assert refused[0].headers["retry-after"]


def test_a_symbol_that_is_configured_and_was_never_asked_for_is_missing(week, client):
    """IBM and AAPL are configured; the ledger knows of neither, and then of one."""
    assert client.get(ROWS).headers["x-missing-partitions"] == "2"
    week.partition(BARS, "symbol=IBM")
    assert client.get(ROWS).headers["x-missing-partitions"] == "1"
    operator = Client(client._app, "127.0.0.1")
    listed = operator.get("/v1/_/partitions?collection=stocks/bars").json()["data"]
    assert [(item["key"], item["reason"]) for item in listed if item["reason"]] == [("symbol=AAPL", "never asked for")]
    health = {item["collection"]: item for item in operator.get("/health/data").json()["data"]}
    assert health["stocks/bars"]["partitions"]["missing"] == 1
    assert health["stocks/splits"]["partitions"]["missing"] == 0  # nobody wants them


def test_what_was_right_stands_beside_what_was_wrong(week, client):
    content = client.get(f"{ROWS}?limit=7&page=0").json()
    assert content["pagination"] == {"count": 0, "page": 1, "limit": 7, "pages": 0}


def test_equal_aliases_are_one(week, client):
    assert client.get(f"{ROWS}?limit=3&size=3").json()["pagination"]["limit"] == 3


def test_an_unknown_symbol_is_404_and_a_known_one_without_bars_is_empty(store, client):
    """Acceptance 14: the table of errors."""
    put(store, "MSFT", "2026-01-05")
    unknown = client.get(f"{ROWS}?symbol=XYZ")
    assert (unknown.status_code, unknown.json()["info"]["error"]) == (404, "unknown symbol: XYZ")
    assert unknown.json()["data"] == []
    for symbol in ("IBM", "ibm"):  # configured, nothing collected
        known = client.get(f"{ROWS}?symbol={symbol}")
        assert (known.status_code, known.json()["data"], known.json()["info"]["error"]) == (200, [], "")
    stored = client.get(f"{ROWS}?symbol=MSFT&start_date=2030-01-01")
    assert (stored.status_code, stored.json()["pagination"]["count"]) == (200, 0)
    assert client.get(f"{AVERAGES}?{YEAR}&symbol=XYZ").json() == {"data": {}, "info": {"error": "unknown symbol: XYZ"}}


@pytest.mark.parametrize("symbol", ["BRK.B", "NYSE:LMT", "brk-b", "%5EGSPC", "TSCO.LON"])
def test_odd_symbols_are_symbols(store, client, symbol):
    """Acceptance 17."""
    assert client.get(f"{ROWS}?symbol={symbol}").status_code == 404


@pytest.mark.parametrize("way", ["splits", "all"])
def test_adjusting_needs_data_that_is_not_there(week, client, way):
    week.partition(BARS, "symbol=IBM")
    assert client.get(f"{ROWS}?adjust={way}").status_code == 409
    assert client.get(f"{AVERAGES}?{YEAR}&symbol=IBM&adjust={way}").status_code == 409
    assert client.get(f"{ROWS}?include=adjusted_close").status_code == 409
    assert client.get(f"{ROWS}?adjust=none").status_code == 200


def test_a_restatement_is_seen_from_its_moment_on(store, client):
    put(store, "IBM", "2026-01-05", "1", said_at="2026-01-06T00:00:00.000000Z")
    put(store, "IBM", "2026-01-05", "2", said_at="2026-01-07T00:00:00.000000Z", revision=2)
    for as_of, expected in (("1", "1.00"), ("2026-01-06T12:00:00Z", "1.00"), ("2", "2.00"), ("2026-01-08", "2.00")):
        assert client.get(f"{ROWS}?as_of={as_of}").json()["data"][0]["open_price"] == expected
    assert client.get(f"{ROWS}?as_of=9").status_code == 400


# -- averages ------------------------------------------------------------------------------------------------------


def test_statistics_name_all_that_is_missing(client):
    """Acceptance 14: the table of errors."""
    answer = client.get(AVERAGES)
    assert (answer.status_code, answer.json()["data"]) == (400, {})
    for name in ("start_date", "end_date", "symbol"):
        assert name in answer.json()["info"]["error"]
    assert "end_date" in client.get(f"{AVERAGES}?symbol=IBM&start_date=2026-01-01").json()["info"]["error"]


def test_statistics_ignore_paging_and_take_the_alias(week, client):
    plain = client.get(f"{AVERAGES}?{YEAR}&symbol=AAPL")
    assert plain.status_code == 200
    assert client.get(f"{AVERAGES}?{YEAR}&symbols=AAPL&size=10&limit=0&page=x").json() == plain.json()
    assert client.get(f"{AVERAGES}?{YEAR}&symbols=AAPL&symbol=AAPL").status_code == 400
    assert client.get(f"{AVERAGES}?{YEAR}&symbol=AAPL&include=high").status_code == 400
    assert client.get(f"/api/v1/statistics?{YEAR}&symbol=AAPL").json() == plain.json()


def test_the_query_of_the_task_is_answered(week, client):
    """Acceptance 19."""
    query = "size=10&symbol=AAPL&start_date=2022-11-11&end_date=2022-11-15"
    put(week, "AAPL", "2022-11-14", opened="148.97", close="148.28")
    averages = client.get(f"{AVERAGES}?{query}")
    assert averages.status_code == 200
    assert averages.json()["data"]["average_daily_close_price"] == 148.28
    rows = client.get(f"{ROWS}?{query}").json()
    assert rows["pagination"] == {"count": 1, "page": 1, "limit": 10, "pages": 1}
    assert [row["date"] for row in rows["data"]] == ["2022-11-14"]


def test_averages_of_nothing_are_null(store, client):
    """Acceptance 15: nothing in the range."""
    data = client.get(f"{AVERAGES}?{YEAR}&symbol=IBM").json()["data"]
    assert data == {
        "start_date": "2026-01-01",
        "end_date": "2026-12-31",
        "symbol": "IBM",
        "average_daily_open_price": None,
        "average_daily_close_price": None,
        "average_daily_volume": None,
    }


def test_averages_are_numbers_without_tails(store, client):
    """Acceptance 15, and 18 as averaged."""
    put(store, "IBM", "2026-01-05", "0.1", "1", volume=3_000_000_000)
    put(store, "IBM", "2026-01-06", "0.2", "3", volume=3_000_000_000)
    text = client.get(f"{AVERAGES}?{YEAR}&symbol=IBM").text
    assert '"average_daily_open_price":0.15,' in text
    assert '"average_daily_close_price":2,' in text
    assert '"average_daily_volume":3000000000}' in text


def by_hand(values: list[Decimal], places: int) -> Decimal:
    return (sum(values, Decimal(0)) / len(values)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


class Exact(msgspec.Struct):
    average_daily_open_price: Decimal
    average_daily_close_price: Decimal
    average_daily_volume: Decimal


class Statistics(msgspec.Struct):
    data: Exact


PRICE = st.decimals(min_value="0.0001", max_value=10**6, places=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(PRICE, PRICE, st.integers(0, 2**40)), min_size=1, max_size=12))
def test_averages_equal_those_made_by_hand(store, client, rows):
    """Acceptance 15."""
    store.db.execute(f"DELETE FROM {BARS.table}")
    revision = store.db.execute("SELECT max(revision) + 1 FROM _collection").fetchone()[0]
    for number, (opened, close, volume) in enumerate(rows):
        day = (date(2026, 1, 1) + timedelta(days=number)).isoformat()
        put(store, "IBM", day, str(opened), str(close), volume, revision=revision)
    answer = client.get(f"{AVERAGES}?{YEAR}&symbol=IBM")
    found = msgspec.json.decode(answer.content, type=Statistics).data
    assert found.average_daily_open_price == by_hand([row[0] for row in rows], 7)
    assert found.average_daily_close_price == by_hand([row[1] for row in rows], 7)
    assert found.average_daily_volume == by_hand([Decimal(row[2]) for row in rows], 2)


def test_a_recorded_series_is_served_as_it_was_recorded(store, client):
    path = SAMPLES / "stocks" / "vintages" / "daily_AAPL_2019-09-20.csv"
    if not path.is_file():
        pytest.skip(f"no recorded series at {path}")
    with path.open(newline="") as file:
        recorded = sorted(csv.DictReader(file), key=lambda line: line["timestamp"])
    store.db.execute("BEGIN")
    for line in recorded:
        numbers = [Decimal(line[name]) for name in ("open", "high", "low", "close")]
        store.put(BARS, Bar("AAPL", date.fromisoformat(line["timestamp"]), *numbers, int(line["volume"])))
    store.db.execute("COMMIT")
    served = client.get(f"{ROWS}?symbol=AAPL&limit=1000").json()["data"]
    assert [row["date"] for row in served] == [line["timestamp"] for line in recorded]
    for row, line in zip(served, recorded, strict=True):
        assert Decimal(row["open_price"]) == Decimal(line["open"])
        assert Decimal(row["close_price"]) == Decimal(line["close"])
        assert row["volume"] == str(int(line["volume"]))
    start, end = recorded[0]["timestamp"], recorded[-1]["timestamp"]
    answer = client.get(f"{AVERAGES}?symbol=AAPL&start_date={start}&end_date={end}")
    found = msgspec.json.decode(answer.content, type=Statistics).data
    assert found.average_daily_close_price == by_hand([Decimal(line["close"]) for line in recorded], 7)


# -- around --------------------------------------------------------------------------------------------------------


def test_own_routes_have_tags_and_304(week, client):
    first = client.get(f"{ROWS}?symbol=IBM")
    again = client.get(f"{ROWS}?symbol=IBM", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert {"etag", "x-collected-at", "x-age", "x-stale"} <= set(again.headers)
    put(week, "IBM", "2026-01-05", "7", revision=2)
    new = client.get(f"{ROWS}?symbol=IBM", headers={"if-none-match": first.headers["etag"]})
    assert (new.status_code, new.json()["data"][0]["open_price"]) == (200, "7.00")


@pytest.mark.sqlite
@pytest.mark.parametrize(("url", "empty"), [(ROWS, []), (f"{AVERAGES}?{YEAR}&symbol=IBM", {})])
def test_without_a_database_the_shape_stays(tmp_path, clock, week, client, url, empty):
    """Acceptance 14: the table of errors."""
    client.get(ROWS)  # something is kept
    week.database.path.rename(tmp_path / "away")
    assert client.get("/api/").status_code == 200  # what there is does not depend on it
    answer = client.get(url)
    assert answer.status_code == 503
    assert answer.json()["data"] == empty
    assert answer.json()["info"]["error"]
    assert "retry-after" in answer.headers


def test_the_root_lists_endpoints_that_answer(week, client):
    answer = client.get("/api/")
    listed = answer.json()["data"]
    assert client.get("/api/v1/").json()["data"] == listed
    assert {"etag", "x-collected-at", "x-age", "x-stale"} <= set(answer.headers)
    assert {ROWS, AVERAGES, "/api/v1/financial_data", "/api/v1/statistics"} <= set(listed)
    for path in listed:
        assert client.get(path).status_code == (400 if "statistics" in path else 200), path


def test_own_routes_are_described(client):
    document = client.get("/openapi.json").json()
    names = {item["name"] for item in document["paths"][ROWS]["get"]["parameters"]}
    assert {"start_date", "end_date", "symbol", "limit", "size", "page", "include", "adjust", "as_of"} == names
