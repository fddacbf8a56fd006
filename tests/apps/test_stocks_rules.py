"""What the stocks app makes of whole answers: sizes that are refused, other symbols' bars, settings, events."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from collecting import collecting, only_result

from catchment.errors import UsageError

# A Saturday noon in New York: nothing becomes due by itself before Monday night.
NOW = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)


def sizes(stocks) -> list[str]:
    return [entry["query"]["outputsize"] for entry in stocks.control.log()]


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_where_full_is_premium_the_last_hundred_bars_are_asked_for_once(tmp_path, datatype):
    """Acceptance 8: one refused call, one compact call; and no refused call again for 90 days."""
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_OUTPUTSIZE": "full", "STOCK_DATATYPE": datatype}
    switches = {"premium_full": True, "per_second": 0, "per_day": 0}
    with collecting("stocks", tmp_path, now=NOW, size="small", switches=switches, **settings) as stocks:
        result = only_result(stocks.run())
        assert (result.verdict, result.counts.new) == ("complete", 100)
        assert sizes(stocks) == ["full", "compact"]
        for _ in range(2):
            stocks.clock.advance(timedelta(days=7))
            assert stocks.run().complete
        assert sizes(stocks) == ["full", "compact", "compact", "compact"]
        stocks.clock.advance(timedelta(days=90))
        assert stocks.run().complete
        assert sizes(stocks)[4:] == ["full", "compact"]


def test_a_refused_size_is_not_paid_for_by_whoever_asks_for_everything_again(tmp_path):
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_OUTPUTSIZE": "full"}
    switches = {"premium_full": True, "per_second": 0, "per_day": 0}
    with collecting("stocks", tmp_path, now=NOW, size="small", switches=switches, **settings) as stocks:
        for _ in range(3):
            assert stocks.run(again=True).complete
        assert sizes(stocks) == ["full", "compact", "compact", "compact"]


@pytest.mark.parametrize("premium", [False, True], ids=["allowed", "refused"])
def test_every_90_days_a_symbol_is_asked_for_in_full(tmp_path, premium):
    """Of what is older than 100 bars a correction is seen then; where that is refused the last 100 go on."""
    switches = {"premium_full": premium, "per_second": 0, "per_day": 0}
    with collecting("stocks", tmp_path, now=NOW, size="small", switches=switches, STOCK_SYMBOLS="IBM") as stocks:
        for _ in range(2):
            assert only_result(stocks.run(again=True)).verdict in ("complete", "unchanged")
            assert stocks.run(only={"symbol": ["IBM"]}).complete
        assert sizes(stocks) == ["compact"] * 4
        asked = []
        for _ in range(7):  # the first full one is that of day 96
            before = len(sizes(stocks))
            stocks.clock.advance(timedelta(days=32))
            assert stocks.run().complete
            asked.append(sizes(stocks)[before:])
        wide = ["full", "compact"] if premium else ["full"]
        assert asked == [["compact"], ["compact"], wide, ["compact"], ["compact"], wide, ["compact"]]
        assert stocks.number("SELECT count(*) > 300 FROM stocks_bars") == (not premium)


def test_a_full_series_that_fails_by_accident_is_asked_for_again(tmp_path):
    """A fault that passes does not use up the one time in 90 days."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        stocks.clock.advance(timedelta(days=91))
        stocks.control.set(error="503")
        assert only_result(stocks.run()).verdict == "failed"
        assert sizes(stocks) == ["compact", *["full"] * 4]
        stocks.control.set(error="none")
        assert stocks.run().complete
        assert sizes(stocks)[-1] == "full"
        stocks.clock.advance(timedelta(days=7))
        stocks.run()
        assert sizes(stocks)[-1] == "compact"


def test_whoever_names_a_symbol_has_it_asked_in_full_again(tmp_path):
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_OUTPUTSIZE": "full"}
    switches = {"premium_full": True, "per_second": 0, "per_day": 0}
    with collecting("stocks", tmp_path, now=NOW, size="small", switches=switches, **settings) as stocks:
        stocks.run()
        stocks.control.set(premium_full=False)
        result = only_result(stocks.run(only={"symbol": ["IBM"]}))
        assert (result.verdict, result.counts.new) == ("complete", 400)
        stocks.clock.advance(timedelta(days=7))
        assert stocks.run().complete
        assert sizes(stocks) == ["full", "compact", "full", "full"]


def test_a_refused_size_is_not_asked_again_by_whoever_goes_on_with_the_symbol(tmp_path):
    """The budget ends between the refused call and the other one: the next day goes on with the second."""
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_OUTPUTSIZE": "full", "ALPHAVANTAGE_BUDGET": "1/day"}
    with collecting("stocks", tmp_path, now=NOW, switches={"premium_full": True}, **settings) as stocks:
        assert only_result(stocks.run()).reason == "budget"
        stocks.clock.advance(timedelta(hours=5, minutes=59))
        stocks.run()
        assert sizes(stocks) == ["full"]


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_what_may_be_had_in_full_is_had_in_full(tmp_path, datatype):
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_OUTPUTSIZE": "full", "STOCK_DATATYPE": datatype}
    with collecting("stocks", tmp_path, now=NOW, size="small", **settings) as stocks:
        assert only_result(stocks.run()).counts.new == 500
        assert sizes(stocks) == ["full"]


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_another_symbols_series_is_refused_whatever_it_says_of_itself(tmp_path, datatype):
    """Acceptance 12: by its own words, and where a CSV has none by the days that are stored already."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", STOCK_DATATYPE=datatype) as stocks:
        stocks.run()
        before = stocks.documents("stocks_bars")
        stocks.control.set(other_symbol="AAPL")
        result = only_result(stocks.run(again=True))
        assert result.verdict == "failed"
        assert result.reason.startswith({"json": "symbol: ", "csv": "guard: 30 of 30 closes are off"}[datatype])
        assert stocks.documents("stocks_bars") == before
        assert stocks.revision("bars") == 1


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_a_series_that_is_cut_off_inside_its_announced_length_is_asked_for_again(tmp_path, datatype):
    find, text = {"json": ("\n    }\n}", ""), "csv": ("\r\n", "")}[datatype]
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", STOCK_DATATYPE=datatype) as stocks:
        stocks.control.faults({"path": "/query", "fault": "replace", "find": find, "text": text, "call": 1})
        assert only_result(stocks.run()).verdict == "complete"
        assert len(stocks.control.log()) == 2
        assert stocks.number("SELECT count(*) FROM stocks_bars") == 30


def test_the_bars_of_the_last_two_weeks_alone(tmp_path):
    settings = {"STOCK_SYMBOLS": "IBM", "STOCK_LOOKBACK_DAYS": "14"}
    with collecting("stocks", tmp_path, now=NOW, **settings) as stocks:
        stocks.run()
        assert stocks.sql("SELECT min(date), max(date) FROM stocks_bars") == [("2026-01-20", "2026-01-30")]


WRONG = {
    "STOCK_OUTPUTSIZE": ("all", "is none of compact, full"),
    "STOCK_DATATYPE": ("xml", "is none of json, csv"),
    "STOCK_FUNCTION": ("weekly", "is none of daily, adjusted"),
    "STOCK_LOOKBACK_DAYS": ("two", "is no number of days"),
    "STOCK_SESSIONS": ("perhaps", "is none of yes, no"),
    "STOCK_QUOTA_ZONE": ("America/Nowhere", "is no time zone"),
    "STOCK_SPLITS": ("IBM", "is none of yes, no"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_cannot_be_is_said_before_any_request(tmp_path, name):
    value, said = WRONG[name]
    with collecting("stocks", tmp_path, now=NOW, **{name: value}) as stocks:
        with pytest.raises(UsageError, match=said) as refused:
            stocks.run()
        assert name in str(refused.value)
        assert stocks.control.log() == []


@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_the_adjusted_function_stores_what_was_traded_and_the_adjusted_close_beside_it(tmp_path, datatype):
    settings = {"STOCK_SYMBOLS": "AAPL", "STOCK_DATATYPE": datatype}
    with collecting("stocks", tmp_path, now=NOW, **settings) as stocks:
        stocks.run()
        raw = stocks.sql("SELECT _key, open, high, low, close, volume FROM stocks_bars ORDER BY _key")
        stocks.values["STOCK_FUNCTION"] = "adjusted"
        assert only_result(stocks.run(again=True)).counts.changed == 30
        assert stocks.control.log()[-1]["query"]["function"] == "TIME_SERIES_DAILY_ADJUSTED"
        assert stocks.sql("SELECT _key, open, high, low, close, volume FROM stocks_bars ORDER BY _key") == raw
        assert stocks.number("SELECT count(*) FROM stocks_bars WHERE adjusted_close IS NULL") == 0
        assert stocks.number("SELECT count(*) FROM stocks_bars WHERE adjusted_close <> close") > 0


def test_splits_and_dividends_are_asked_for_when_they_are_wanted_once_a_week(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SPLITS="yes", STOCK_DIVIDENDS="yes") as stocks:
        assert stocks.run().complete
        functions = [entry["query"]["function"] for entry in stocks.control.log()]
        assert sorted(functions) == ["DIVIDENDS"] * 2 + ["SPLITS"] * 2 + ["TIME_SERIES_DAILY"] * 2
        splits = map(json.loads, stocks.documents("stocks_splits"))
        assert {split["symbol"]: float(split["factor"]) for split in splits} == {"IBM": 1.046, "AAPL": 4}
        stocks.clock.advance(timedelta(days=6))
        stocks.run()
        assert len([entry for entry in stocks.control.log() if entry["query"]["function"] == "SPLITS"]) == 2
        stocks.clock.advance(timedelta(days=1))
        stocks.run()
        assert len([entry for entry in stocks.control.log() if entry["query"]["function"] == "SPLITS"]) == 4


def test_nothing_is_asked_about_events_that_nobody_wants(tmp_path):
    with collecting("stocks", tmp_path, now=NOW) as stocks:
        assert stocks.run().complete
        assert {entry["query"]["function"] for entry in stocks.control.log()} == {"TIME_SERIES_DAILY"}
