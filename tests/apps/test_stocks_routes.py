"""What the stocks app's own routes say of what was collected: coverage, adjusted prices, the newest bar."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from asgi_client import Client, patient_front
from collecting import Collecting, collecting, only_result

from catchment.apps.stocks.adjusting import adjusted, adjustments
from catchment.settings import load_settings

# A Saturday noon in New York: nothing becomes due by itself before Monday night.
NOW = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)
ROWS, AVERAGES, COVERAGE = "/api/financial_data", "/api/statistics", "/api/coverage"


def get(stocks: Collecting, path: str, **query: object):
    """What the API on this data answers to anybody."""
    front = patient_front(
        [stocks.app], load_settings(stocks.environment, folder=stocks.folder, environ={}), stocks.clock
    )
    try:
        return Client(front, "192.0.2.7").get(f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}")
    finally:
        front.close()


def covered(stocks: Collecting, symbol: str) -> dict:
    (found,) = get(stocks, COVERAGE, symbol=symbol).json()["data"]
    return found


def test_coverage_says_that_the_full_series_is_refused(tmp_path):
    """Acceptance 8."""
    settings = {"STOCK_SYMBOLS": "IBM,AAPL", "STOCK_OUTPUTSIZE": "full"}
    switches = {"premium_full": True, "per_second": 0, "per_day": 0}
    with collecting("stocks", tmp_path, now=NOW, size="small", switches=switches, **settings) as stocks:
        stocks.run()
        found = covered(stocks, "IBM")
        assert (found["bars"], found["source"], found["full_refused"], found["gaps"]) == (100, "compact", True, [])
        assert found["last"] == "2026-01-30"
        assert [item["symbol"] for item in get(stocks, COVERAGE).json()["data"]] == ["AAPL", "IBM"]
        stocks.control.set(premium_full=False)
        stocks.run(only={"symbol": ["IBM"]})
        found = covered(stocks, "IBM")
        assert (found["bars"], found["source"], found["full_refused"]) == (500, "full", False)
        # What was collected says it, and not what is set by now.
        stocks.values["STOCK_OUTPUTSIZE"] = "compact"
        assert (covered(stocks, "IBM")["source"], covered(stocks, "AAPL")["source"]) == ("full", "compact")


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_a_day_that_is_no_longer_said_is_a_gap_and_its_bar_stays(tmp_path, datatype):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", STOCK_DATATYPE=datatype) as stocks:
        stocks.run()
        stocks.control.set(missing_bar=5)
        stocks.run(again=True)
        found = covered(stocks, "IBM")
        assert found["gaps"] == [{"first": "2026-01-26", "last": "2026-01-26", "sessions": 1, "reason": "withdrawn"}]
        assert found["bars"] == 30


def test_gaps_are_sessions_without_a_bar(tmp_path, samples):
    """Acceptance 10: two days are missing; storms and half days are no gaps; a bar without a session is a reject."""
    settings = {"STOCK_SYMBOLS": "BMY", "STOCK_OUTPUTSIZE": "full", "STOCK_SESSIONS": "yes"}
    switches = {"recorded": "sp500"}
    now = datetime(2022, 4, 13, 3, 0, tzinfo=UTC)
    with collecting("stocks", tmp_path, now=now, samples=samples, switches=switches, **settings) as stocks:
        stocks.run()
        rejects = dict(stocks.sql("SELECT key, reason FROM _reject"))
        assert rejects["BMY,2021-01-02"] == "date on a weekend"
        assert "date is no session" in rejects.values()
        gaps = [gap for gap in covered(stocks, "BMY")["gaps"] if gap["last"] < "2018"]
        assert [(gap["first"], gap["last"], gap["reason"]) for gap in gaps] == [
            ("2013-04-26", "2013-04-26", "missing"),
            ("2013-06-07", "2013-06-07", "missing"),
        ]


def test_storms_and_half_days_are_no_gaps(tmp_path, samples):
    """Acceptance 10, over the days of a storm."""
    settings = {"STOCK_SYMBOLS": "AAPL", "STOCK_OUTPUTSIZE": "full", "STOCK_SESSIONS": "yes"}
    now = datetime(2020, 5, 23, 3, 0, tzinfo=UTC)
    with collecting("stocks", tmp_path, now=now, samples=samples, **settings) as stocks:
        assert only_result(stocks.run()).counts.rejected == 0
        assert [gap for gap in covered(stocks, "AAPL")["gaps"] if gap["first"] < "2012-12" < gap["last"]] == []
        assert not [gap for gap in covered(stocks, "AAPL")["gaps"] if gap["first"][:7] == "2012-10"]


def test_what_nobody_has_collected_is_covered_by_nothing(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        assert get(stocks, COVERAGE, symbol="XYZ").status_code == 404
        assert get(stocks, COVERAGE, symbool="IBM").status_code == 400
        stocks.values["STOCK_SYMBOLS"] = "IBM,AAPL"
        found = covered(stocks, "AAPL")
        assert (found["first"], found["bars"], found["source"], found["full_refused"]) == (None, 0, None, False)


def test_prices_are_continuous_after_a_split_where_that_is_asked_for(tmp_path):
    """Acceptance 13: raw prices are as they were traded; with `adjust=splits` they are continuous; else 409."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="AAPL") as stocks:
        stocks.run()
        assert get(stocks, ROWS, symbol="AAPL", adjust="splits").status_code == 409
        span = {"symbol": "AAPL", "start_date": "2025-12-01", "end_date": "2026-02-01"}
        plain = get(stocks, AVERAGES, **span).json()
        assert get(stocks, AVERAGES, **span, adjust="splits").status_code == 409
        before_splits = stocks.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        stocks.clock.advance(timedelta(minutes=1))
        stocks.values["STOCK_SPLITS"] = "yes"
        stocks.run()
        for as_of, status in ((before_splits, 409), (stocks.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"), 200)):
            assert get(stocks, AVERAGES, **span, adjust="splits", as_of=as_of).status_code == status
        assert get(stocks, AVERAGES, **span).json() == plain == get(stocks, AVERAGES, **span, adjust="none").json()
        ((day,),) = stocks.sql("SELECT date FROM stocks_splits")
        rows = {
            way: {row["date"]: row for row in get(stocks, ROWS, symbol="AAPL", limit=100, adjust=way).json()["data"]}
            for way in ("none", "splits")
        }
        before = max(date for date in rows["none"] if date < day)
        jump = {
            way: Decimal(found[day]["close_price"]) / Decimal(found[before]["close_price"])
            for way, found in rows.items()
        }
        assert jump["none"] < Decimal("0.4")
        assert Decimal("0.9") < jump["splits"] < Decimal("1.1")
        assert rows["splits"][day] == rows["none"][day]
        assert int(rows["splits"][before]["volume"]) == 4 * int(rows["none"][before]["volume"])
        answer = get(stocks, AVERAGES, **span, adjust="splits").json()
        closes = [Decimal(row["close_price"]) for row in rows["splits"].values()]
        assert abs(Decimal(str(answer["data"]["average_daily_close_price"])) - sum(closes) / len(closes)) < Decimal(
            "1e-6"
        )
        assert answer["info"] == {"error": "", "adjust": "splits"}
        assert get(stocks, ROWS, symbol="AAPL", adjust="all").status_code == 409
        then = get(stocks, ROWS, symbol="AAPL", limit=100, adjust="splits", as_of=1).json()
        assert {row["date"]: row for row in then["data"]} == rows["splits"]


def test_a_revision_is_adjusted_by_what_was_known_while_it_held(tmp_path):
    """Bars and splits have revisions of their own: of one of the bars the last moment counts at which it held."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="AAPL") as stocks:
        for again in (False, True):
            stocks.run(again=again)
            stocks.control.set(restated_bar=3)
            stocks.clock.advance(timedelta(minutes=1))
        stocks.values["STOCK_SPLITS"] = "yes"
        stocks.run()

        def adjusted_rows(**query: object):
            answer = get(stocks, ROWS, symbol="AAPL", limit=100, adjust="splits", **query)
            return answer.json()["data"] if answer.status_code == 200 else answer.status_code

        second = adjusted_rows()
        assert (adjusted_rows(as_of=1), adjusted_rows(as_of=2)) == (409, second)
        stocks.clock.advance(timedelta(minutes=1))
        stocks.control.set(restated_bar=0)
        stocks.run(again=True)
        assert stocks.revision("bars") == 3
        assert adjusted_rows() != second
        assert (adjusted_rows(as_of=1), adjusted_rows(as_of=2)) == (409, second)
        assert adjusted_rows(as_of=3) == adjusted_rows()
        assert adjusted_rows(as_of=4) == 400
        reason = get(stocks, ROWS, adjust="splits", as_of=1).json()["info"]["error"]
        assert reason == "adjust: there are no splits of AAPL; STOCK_SPLITS=yes collects them"


def test_dividends_are_taken_off_what_was_before_them(tmp_path):
    with collecting(
        "stocks",
        tmp_path,
        now=NOW,
        size="small",
        STOCK_SYMBOLS="IBM",
        STOCK_OUTPUTSIZE="full",
        STOCK_SPLITS="yes",
        STOCK_DIVIDENDS="yes",
    ) as stocks:
        stocks.run()
        assert stocks.number("SELECT count(*) FROM stocks_dividends") > 2
        raw, split, whole = (
            get(stocks, ROWS, symbol="IBM", limit=1000, adjust=way).json()["data"] for way in ("none", "splits", "all")
        )
        assert Decimal(whole[0]["close_price"]) < Decimal(split[0]["close_price"]) < Decimal(raw[0]["close_price"])
        assert whole[-1] == raw[-1]


@pytest.mark.parametrize("way", ["splits", "all"])
def test_nothing_is_adjusted_by_what_nobody_has_collected(tmp_path, way):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SPLITS="yes", STOCK_DIVIDENDS="yes") as stocks:
        stocks.control.set(error="500")
        stocks.run(retry=False)
        answer = get(stocks, ROWS, adjust=way)
        assert answer.status_code == 409
        assert answer.json()["info"]["error"].startswith("adjust: there are no splits of AAPL")


def test_an_event_that_is_declared_for_later_changes_no_price_yet(tmp_path):
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_SPLITS": "yes", "STOCK_DIVIDENDS": "yes"}
    later = {
        "SPLITS": {"effective_date": "2026-02-02", "split_factor": "2.0000"},
        "DIVIDENDS": {"ex_dividend_date": "2026-02-03", "amount": "10.00"},
    }
    with collecting("stocks", tmp_path, now=NOW, **settings) as stocks:
        stocks.control.faults(
            *(
                {"query": {"function": name}, "fault": "status", "status": 200, "body": json.dumps(body)}
                for name, body in ((name, {"symbol": "IBM", "data": [row]}) for name, row in later.items())
            )
        )
        assert stocks.run().complete
        assert stocks.sql("SELECT date FROM stocks_splits UNION ALL SELECT date FROM stocks_dividends") == [
            ("2026-02-02",),
            ("2026-02-03",),
        ]

        def rows(way: str, **query: object) -> list[dict]:
            return get(stocks, ROWS, symbol="IBM", limit=100, adjust=way, **query).json()["data"]

        raw = rows("none")
        assert rows("splits") == rows("all") == raw
        assert len(raw) == 30
        stocks.clock.advance(timedelta(days=4))  # the days have come
        stocks.run()
        assert Decimal(rows("all")[0]["close_price"]) < Decimal(rows("splits")[0]["close_price"])
        assert Decimal(rows("splits")[0]["close_price"]) * 2 == Decimal(raw[0]["close_price"])
        assert rows("all", as_of=1) == raw


def test_adjustments_by_hand():
    days = [date(2024, 1, day) for day in (2, 3, 4, 5)]
    by = adjustments([(days[2], Decimal(2))], [(days[3], Decimal(1), Decimal(10))])
    bars = [{"date": day, "open": Decimal(20), "close": Decimal(20), "volume": 3} for day in days]
    found = [adjusted(bar, by) for bar in bars]
    assert [bar["close"] for bar in found] == [Decimal(9), Decimal(9), Decimal(18), Decimal(20)]
    assert [bar["volume"] for bar in found] == [6, 6, 3, 3]


def test_the_newest_bar_is_provisional_until_the_next_day(tmp_path):
    """Acceptance 9: replaced by one version, and then no longer provisional."""

    def provisional(stocks: Collecting) -> list[str]:
        rows = get(stocks, ROWS, limit=100, include="provisional").json()["data"]
        return [row["date"] for row in rows if row["provisional"] == "true"]

    monday = datetime(2026, 2, 3, 3, 45, tzinfo=UTC)  # Monday's bar is out
    with collecting("stocks", tmp_path, now=monday, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        assert provisional(stocks) == ["2026-02-02"]
        stocks.clock.advance(timedelta(days=1))
        counts = only_result(stocks.run()).counts
        assert (counts.new, counts.changed) == (1, 1)
        assert provisional(stocks) == ["2026-02-03"]
        assert stocks.sql("SELECT _key, _version FROM stocks_bars WHERE _version > 1") == [("IBM,2026-02-02", 2)]


def test_the_adjusted_close_is_shown_where_it_was_collected(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="AAPL", STOCK_FUNCTION="adjusted") as stocks:
        stocks.run()
        answer = get(stocks, ROWS, include="adjusted_close")
        assert answer.status_code == 200
        assert all(Decimal(row["adjusted_close"]) > 0 for row in answer.json()["data"])


def table_before(stocks):
    """All of it, as a tool that has the database reads it: our own connections trust no view with a function in it."""
    file = getattr(stocks.database, "path", None)
    with closing(sqlite3.connect(file) if file else stocks.database.open()) as sql:
        return sql.execute(
            "SELECT symbol, date, open_price, close_price, volume FROM financial_data ORDER BY date, symbol"
        ).fetchall()


def test_the_table_of_the_service_before_is_a_view_that_outlives_a_replay(tmp_path):
    """Its rows are those that hold now; the tables below it change their places at the switch."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM,AAPL") as stocks:
        stocks.run()
        rows = get(stocks, ROWS, limit=1000).json()["data"]
        shown = table_before(stocks)
        assert len(shown) == 60
        assert {(type(line[2]), type(line[3])) for line in shown} == {(str, str)}
        assert [(row["symbol"], row["date"], int(row["volume"])) for row in rows] == [
            (symbol, day, volume) for symbol, day, _, _, volume in shown
        ]
        for place, name in ((2, "open_price"), (3, "close_price")):
            assert [Decimal(row[name]) for row in rows] == [Decimal(str(line[place])) for line in shown]
        for generation in (2, 3):
            stocks.replay()
            held = "SELECT generation FROM _collection WHERE name = 'stocks/bars'"
            assert stocks.number(held) == generation
            assert table_before(stocks) == shown
        stocks.control.set(restated_bar=3)
        assert only_result(stocks.run(only={"symbol": ["IBM"]})).counts.changed == 1
        assert len(set(table_before(stocks)) - set(shown)) == 1


def test_coverage_is_new_when_a_size_is_refused_without_any_new_bar(tmp_path):
    """What the ledger says has no revision: a client that keeps the answer is not told that it is the same."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        before = get(stocks, COVERAGE, symbol="IBM")
        stocks.values["STOCK_OUTPUTSIZE"] = "full"
        stocks.control.set(premium_full=True)
        stocks.run(again=True)
        assert stocks.revision("bars") == 1
        after = get(stocks, COVERAGE, symbol="IBM")
        assert (before.json()["data"][0]["full_refused"], after.json()["data"][0]["full_refused"]) == (False, True)
        assert before.headers["etag"] != after.headers["etag"]
