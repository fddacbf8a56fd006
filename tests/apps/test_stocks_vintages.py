"""Bars as they were really served at different dates: what counts as a version, and what does not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from collecting import Collecting, collecting, only_result
from recorded import of

NOW = datetime(2022, 4, 13, 3, 0, tzinfo=UTC)


@pytest.fixture
def recorded(samples, tmp_path):
    """A function that opens stocks over the recorded files, one symbol, whole series."""

    def open_recorded(symbol: str, *, datatype: str = "json", **switches: object):
        return collecting(
            *("stocks", tmp_path),
            now=NOW,
            samples=samples,
            switches=switches,
            STOCK_SYMBOLS=symbol,
            STOCK_OUTPUTSIZE="full",
            STOCK_DATATYPE=datatype,
        )

    return open_recorded


def counts_of(stocks: Collecting, vintage: str) -> dict[str, int]:
    """What collecting the series as served on that date brought."""
    stocks.control.set(as_of=vintage)
    result = only_result(stocks.run(again=True))
    counts = result.counts
    assert result.verdict == "complete", result.reason
    symbol = stocks.values["STOCK_SYMBOLS"]
    files = [rows for name, rows in of("stocks", "bars").items() if vintage in name and symbol in name]
    assert [counts.received] == files
    assert counts.received == counts.new + counts.changed + counts.same + counts.duplicate + counts.rejected
    return {"new": counts.new, "changed": counts.changed, "same": counts.same, "rejected": counts.rejected}


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_two_years_of_restatements_are_129_versions(recorded, datatype):
    """Acceptance 2."""
    with recorded("AAPL", datatype=datatype) as stocks:
        assert counts_of(stocks, "2020-05-22") == {"new": 5031, "changed": 0, "same": 0, "rejected": 0}
        first = set(stocks.sql("SELECT _key, _doc FROM stocks_bars"))
        assert counts_of(stocks, "2022-04-12") == {"new": 618, "changed": 129, "same": 4902, "rejected": 0}
        assert stocks.number("SELECT count(*) FROM stocks_bars_version") == 129
        assert stocks.number("SELECT count(*) FROM stocks_bars WHERE _version = 2") == 129
        assert stocks.number("SELECT count(*) FROM stocks_bars WHERE _version = 1 AND _revision = 2") == 618
        assert stocks.number("SELECT count(*) FROM stocks_bars WHERE _version = 1 AND _revision = 1") == 4902
        assert stocks.revision("bars") == 2
        # What held before is there as it was: the versions, and the rows that nobody touched.
        before = stocks.sql(
            "SELECT _key, _doc FROM stocks_bars_version"
            " UNION ALL SELECT _key, _doc FROM stocks_bars WHERE _revision = 1"
        )
        assert len(before) == 5031
        assert set(before) == first


# What is different in each restated day, by the field.
FIELDS = {"open": 33, "high": 47, "low": 58, "close": 2, "volume": 1}


def test_the_restated_fields_are_the_ones_that_differ_in_the_files(recorded):
    with recorded("AAPL") as stocks:
        counts_of(stocks, "2020-05-22")
        counts_of(stocks, "2022-04-12")
        differing = {
            name: stocks.number(
                "SELECT count(*) FROM stocks_bars JOIN stocks_bars_version AS old USING (_key)"
                f' WHERE stocks_bars."{name}" <> old."{name}"'
            )
            for name in FIELDS
        }
    assert differing == FIELDS


SPELLINGS = {
    "the same bytes": ({}, [], "unchanged"),
    "other order": ({"unordered": True}, [], "complete"),
    "more zeros": ({}, [{"path": "/query", "fault": "replace", "find": '0", "', "text": '000", "'}], "complete"),
    "other blanks": ({}, [{"path": "/query", "fault": "replace", "find": '": "', "text": '"  :\t"'}], "complete"),
}


@pytest.mark.parametrize(("switches", "faults", "verdict"), SPELLINGS.values(), ids=SPELLINGS)
def test_what_says_the_same_changes_nothing(recorded, switches, faults, verdict):
    """Acceptance 1: loaded twice."""
    with recorded("AAPL", as_of="2020-05-22") as stocks:
        stocks.run()
        before = stocks.sql("SELECT * FROM stocks_bars ORDER BY _key")
        stocks.control.set(**switches)
        stocks.control.faults(*faults)
        result = only_result(stocks.run(again=True))
        assert result.verdict == verdict
        assert (result.counts.new, result.counts.changed) == (0, 0)
        assert stocks.revision("bars") == 1
        assert stocks.number("SELECT count(*) FROM stocks_bars_version") == 0
        assert stocks.sql("SELECT * FROM stocks_bars ORDER BY _key") == before


def test_a_change_of_one_bar_is_one_version(recorded):
    """Acceptance 1: one bar changed."""
    with recorded("AAPL", as_of="2020-05-22") as stocks:
        stocks.run()
        stocks.control.set(restated_bar=7)
        assert counts_of(stocks, "2020-05-22") == {"new": 0, "changed": 1, "same": 5030, "rejected": 0}
        stocks.control.set(restated_bar=0)
        assert counts_of(stocks, "2020-05-22") == {"new": 0, "changed": 1, "same": 5030, "rejected": 0}
        assert stocks.sql("SELECT max(_version), count(*) FROM stocks_bars WHERE _version > 1") == [(3, 1)]


VINTAGES = {
    # symbol, first date, second date: what the second brings
    "AAPL 2019 to 2020": (*("AAPL", "2019-09-20", "2020-05-22"), {"new": 4931, "changed": 99, "same": 1}),
    "AAPL 2018 to 2020": (*("AAPL", "2018-07-17", "2020-05-22"), {"new": 466, "changed": 7, "same": 4558}),
    "IBM with a hole of a year": (*("IBM", "2020-07-29", "2022-01-28"), {"new": 100, "changed": 0, "same": 0}),
}


@pytest.mark.parametrize(("symbol", "first", "second", "expected"), VINTAGES.values(), ids=VINTAGES)
def test_what_other_vintages_bring(recorded, symbol, first, second, expected):
    with recorded(symbol) as stocks:
        counts_of(stocks, first)
        stored = stocks.number("SELECT count(*) FROM stocks_bars")
        assert counts_of(stocks, second) == {**expected, "rejected": 0}
        assert stocks.number("SELECT count(*) FROM stocks_bars") == stored + expected["new"]


def test_famous_restatements_are_both_there(recorded):
    with recorded("AAPL") as stocks:
        counts_of(stocks, "2018-07-17")
        counts_of(stocks, "2020-05-22")
        assert both(stocks, "2017-06-09", "volume") == [648_827, 64_882_700]
        assert [float(close) for close in both(stocks, "2010-05-06", "close")] == [255.97, 246.25]


def both(stocks: Collecting, day: str, field: str) -> list[Any]:
    """What a bar's field was, and what it is."""
    versions = "stocks_bars AS now JOIN stocks_bars_version AS old USING (_key)"
    (documents,) = stocks.sql(f"SELECT old._doc, now._doc FROM {versions} WHERE now.date = ?", day)
    return [json.loads(document)[field] for document in documents]


# File -> the day whose bar cannot be, the rule that says so, and the sessions before and after it. Twelve bars more of
# each file are on weekends.
IMPOSSIBLE = {
    "AOS": ("2014-05-19", "high below open or close", {"2014-05-16", "2014-05-20"}),
    "BBY": ("2016-03-14", "low above open or close", {"2016-03-11", "2016-03-15"}),
    "CHD": ("2014-05-19", "low above open or close", {"2014-05-16", "2014-05-20"}),
}
ROWS = {
    name.removeprefix("sp500/").removesuffix("_data.csv"): rows
    for name, rows in of("stocks", "bars").items()
    if name.startswith("sp500/")
}


@pytest.mark.parametrize("symbol", ROWS)
def test_impossible_bars_are_rejects_and_their_neighbours_are_stored(recorded, symbol):
    """Acceptance 11."""
    day, rule, neighbours = IMPOSSIBLE.get(symbol, ("", "", set()))
    with recorded(symbol, recorded="sp500") as stocks:
        counts = only_result(stocks.run()).counts
        rejects = dict(stocks.sql("SELECT key, reason FROM _reject"))
        stored = {day for (day,) in stocks.sql("SELECT date FROM stocks_bars")}
    assert counts.received == ROWS[symbol] == len(stored) + len(rejects) == counts.new + counts.rejected
    assert rejects.pop(f"{symbol},{day}", "") == rule
    assert len(rejects) == 12
    assert set(rejects.values()) == {"date on a weekend"}
    assert all(key.startswith(f"{symbol},2021-") for key in rejects)
    assert neighbours <= stored
    assert day not in stored


def test_a_reject_that_is_mended_upstream_is_stored_and_no_longer_counted(recorded):
    with recorded("IBM", as_of="2022-01-28", bad_bar=3) as stocks:
        counts = only_result(stocks.run()).counts
        assert (counts.new, counts.rejected) == (99, 1)
        assert stocks.sql("SELECT reason, count FROM _reject") == [("low above open or close", 1)]
        stocks.control.set(bad_bar=0)
        counts = only_result(stocks.run(again=True)).counts
        assert (counts.new, counts.same, counts.rejected) == (1, 99, 0)
        assert stocks.sql("SELECT count FROM _reject") == [(0,)]
