"""Every refusal that the upstream wraps in a 200, and what a whole answer may still be wrong in."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from collecting import collecting, only_result

from catchment.apps.stocks.answers import read_events, read_series
from catchment.errors import UsageError
from catchment.exchange import Answer
from catchment.partitions import Partition

# A Saturday noon in New York: nothing becomes due by itself before Monday night.
NOW = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)

# What the upstream says -> verdict, reason, requests for one symbol, at least how long it was waited.
ERRORS = {
    "burst": ("failed", "burst", 15, timedelta(minutes=9)),
    "quota": ("failed", "quota", 1, timedelta(0)),
    "throttle": ("failed", "quota", 3, timedelta(minutes=2)),
    "demo": ("refused", "demo key", 1, timedelta(0)),
    "premium-size": ("refused", "premium size", 1, timedelta(0)),
    "premium-function": ("refused", "premium function", 1, timedelta(0)),
    "bad-key": ("refused", "key missing or bad", 1, timedelta(0)),
    "unknown-function": ("refused", "unknown function", 1, timedelta(0)),
    "bad-symbol": ("refused", "bad symbol", 1, timedelta(0)),
    "other-information": (
        *("failed", "unknown message: We are moving to a new home. Please come back tomorrow."),
        *(4, timedelta(seconds=40)),
    ),
    "other-note": ("failed", "unknown message: This endpoint will change its address soon.", 4, timedelta(seconds=40)),
    "other-error": ("failed", "unknown message: The service is busy with itself.", 4, timedelta(seconds=40)),
    "empty": ("failed", "no series", 4, timedelta(seconds=40)),
    "no-series": ("failed", "no series", 4, timedelta(seconds=40)),
    "html": ("failed", "no series", 4, timedelta(seconds=40)),
    "500": ("failed", "500", 4, timedelta(seconds=40)),
    "502": ("failed", "502", 4, timedelta(seconds=40)),
    "503": ("failed", "503", 4, timedelta(seconds=40)),
    "truncated": ("failed", "incomplete", 4, timedelta(seconds=40)),
}


# As CSV is asked for, the upstream says its refusals in the same words; what is broken does not depend on that.
CASES = [(error, "json") for error in ERRORS] + [(error, "csv") for error in ERRORS if not error.startswith("50")]


@pytest.mark.parametrize(("error", "datatype"), CASES, ids=["-".join(case) for case in CASES])
def test_each_refusal_has_its_verdict_and_takes_nothing_away(tmp_path, error, datatype):
    """Acceptance 6: each row of the error table, in JSON and in CSV."""
    verdict, reason, requests, waited = ERRORS[error]
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", STOCK_DATATYPE=datatype) as stocks:
        assert stocks.run().complete
        before = stocks.sql("SELECT * FROM stocks_bars ORDER BY _key")
        assert len(before) == 30
        stocks.control.set(error=error)
        began = stocks.clock.now()
        summary = stocks.run(again=True)
        result = only_result(summary)
        assert (result.verdict, result.reason) == (verdict, reason)
        assert not summary.complete
        assert len(stocks.control.log()) == 1 + requests
        assert stocks.clock.now() - began >= waited
        assert stocks.sql("SELECT * FROM stocks_bars ORDER BY _key") == before
        assert stocks.number("SELECT count(*) FROM stocks_bars_version") == 0
        assert stocks.revision("bars") == 1
        # When the upstream is itself again, so is the collection: asked by name, whatever was said before.
        stocks.control.set(error="none")
        stocks.clock.advance(timedelta(days=1))
        assert only_result(stocks.run(only={"symbol": ["IBM"]})).verdict in ("complete", "unchanged")


# Who is not asked any more after the first symbol's answer.
@pytest.mark.parametrize("error", ["demo", "bad-key", "premium-function", "unknown-function", "quota"])
def test_a_word_about_all_symbols_stops_at_the_first(tmp_path, error):
    with collecting("stocks", tmp_path, now=NOW, switches={"error": error}) as stocks:
        summary = stocks.run()
        assert len(stocks.control.log()) == 1
        assert [result.verdict for result in summary.results] == [ERRORS[error][0], None]


@pytest.mark.parametrize("error", ["bad-symbol", "premium-size", "other-note"])
def test_a_word_about_one_symbol_leaves_the_others_alone(tmp_path, error):
    requests = ERRORS[error][2]
    with collecting("stocks", tmp_path, now=NOW, switches={"error": error, "error_calls": requests}) as stocks:
        summary = stocks.run()
        assert [result.verdict for result in summary.results] == [ERRORS[error][0], "complete"]
        assert stocks.sql("SELECT DISTINCT symbol FROM stocks_bars") == [("AAPL",)]


def test_a_bad_symbol_is_not_asked_again_for_a_month(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="NOSUCH") as stocks:
        assert only_result(stocks.run()).reason == "bad symbol"
        for _ in range(29):
            stocks.clock.advance(timedelta(days=1))
            assert only_result(stocks.run()).until > stocks.clock.now()  # still said, not asked
            assert len(stocks.control.log()) == 1
        stocks.clock.advance(timedelta(days=1))
        assert only_result(stocks.run()).reason == "bad symbol"
        assert len(stocks.control.log()) == 2


def test_a_burst_on_the_first_symbol_is_waited_for_and_nothing_is_lost(tmp_path):
    """Acceptance 4."""
    with collecting("stocks", tmp_path, now=NOW, switches={"error": "burst", "error_calls": 3}) as stocks:
        assert stocks.run().complete
        symbols = [entry["query"]["symbol"] for entry in stocks.control.log()]
        assert symbols == ["IBM", "IBM", "IBM", "IBM", "AAPL"]
        assert sum(stocks.clock.slept) >= 1 + 2 + 4
        assert stocks.sql("SELECT symbol, count(*) FROM stocks_bars GROUP BY symbol ORDER BY symbol") == [
            ("AAPL", 30),
            ("IBM", 30),
        ]


def test_the_upstreams_second_is_kept_so_that_it_never_complains(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, switches={"per_second": 1}) as stocks:
        assert stocks.run().complete
        assert len(stocks.control.log()) == 2


def test_another_symbols_bars_are_told_by_the_answers_own_words(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        before = stocks.documents("stocks_bars")
        stocks.control.set(other_symbol="AAPL")
        result = only_result(stocks.run(again=True))
        assert result.verdict == "failed"
        assert result.reason == "symbol: asked for IBM, answered AAPL"
        assert stocks.documents("stocks_bars") == before


def test_the_echo_of_a_symbol_may_be_spelled_as_it_likes(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, switches={"lower_echo": True}, STOCK_SYMBOLS="ibm") as stocks:
        assert stocks.run().complete
        assert stocks.control.log()[0]["query"]["symbol"] == "IBM"
        assert stocks.sql("SELECT DISTINCT symbol FROM stocks_bars") == [("IBM",)]


def test_a_volume_above_two_to_the_31_is_exact(tmp_path):
    """Acceptance 18, as stored."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="AAPL") as stocks:
        assert stocks.run().complete
        assert stocks.number("SELECT max(volume) FROM stocks_bars") == 3_000_000_000
        volumes = [json.loads(text)["volume"] for text in stocks.documents("stocks_bars")]
        assert max(volumes) == 3_000_000_000


@pytest.mark.parametrize("datatype", ["json", "csv"])
@pytest.mark.parametrize("differs", [False, True], ids=["equal", "different"])
def test_a_day_twice_in_one_answer_is_one_bar_and_the_first_counts_the_other_being_a_reject(
    tmp_path, differs, datatype
):
    switches = {"doubled_bar": 2, "doubled_differs": differs}
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", STOCK_DATATYPE=datatype) as stocks:
        stocks.run()
        before = stocks.documents("stocks_bars")
        stocks.control.set(**switches)
        counts = only_result(stocks.run(again=True)).counts
        assert (counts.received, counts.duplicate, counts.rejected) == (31, not differs, differs)
        assert stocks.documents("stocks_bars") == before


def test_a_day_that_is_no_longer_answered_stays(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        stocks.control.set(missing_bar=5)
        counts = only_result(stocks.run(again=True)).counts
        assert (counts.received, counts.same, counts.gone) == (29, 29, 0)
        assert stocks.number("SELECT count(*) FROM stocks_bars") == 30


def test_a_renamed_member_is_a_changed_upstream_and_takes_nothing_away(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        stocks.control.set(renamed_field=True)
        result = only_result(stocks.run(again=True))
        assert result.verdict == "failed"
        assert result.reason.startswith("drift: 30 of 30 records cannot be read")
        assert stocks.number("SELECT count(*) FROM stocks_bars") == 30


def test_the_newest_bar_that_moves_is_one_version_a_reading(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", switches={"newest_changes": True}) as stocks:
        for _ in range(4):
            stocks.run(again=True)
        assert stocks.sql("SELECT _key, _version FROM stocks_bars WHERE _version > 1") == [("IBM,2026-01-30", 4)]
        assert stocks.revision("bars") == 4


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"Information": "%s"}' % (b"x" * 500), "unknown message: " + "x" * 120),
        (b'{"Note": 7}', "no series"),
        (b'["Note"]', "no series"),
        (b"{", "no series"),
        (b'["Time Series (Daily)"]', "no series"),
        (b'{"Time Series (Daily)": 5}', "no series"),
        (b'{"Time Series (Daily)": ["2026-01-30"]}', "no series"),
        (b'{"Time Series (Daily)": ' + b"[" * 100_000, "truncated"),
        (b'{"Detail": "Our standard API rate limit is 25 requests per day"}', "daily quota"),
    ],
    ids=[
        *("long", "no text", "no object", "no JSON", "a list", "a number as series", "a list as series", "deep"),
        "known words elsewhere",
    ],
)
def test_a_message_that_nobody_has_classified_is_told_as_one(body, reason):
    answer = Answer(200, body, NOW)
    assert read_series(answer, Partition((("symbol", "IBM"),))).reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"symbol": "IBM", "data": []}', ""),
        (b'{"data": {}}', "no series"),
        (b'["data"]', "no series"),
        (b'{"data": 5, "Note": "moved"}', "unknown message: moved"),
        (b'{"symbol": "IBM", "data": [', "truncated"),
    ],
    ids=["empty", "an object", "a list", "a message", "truncated"],
)
def test_events_are_a_list_or_no_events(body, reason):
    found = read_events(Answer(200, body, NOW), Partition((("symbol", "IBM"),)))
    assert (found.kind, found.reason) == ("transient" if reason else "data", reason)


def test_a_day_that_is_no_bar_is_a_reject_and_its_neighbours_are_stored(tmp_path):
    bar = {"1. open": "2", "2. high": "3", "3. low": "1", "4. close": "2", "5. volume": "7"}
    days = {"2026-01-30": bar, "2026-01-29": 5, "2026-01-28": bar, "2026-01-27": None}
    body = {"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": days}
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.control.faults({"path": "/query", "fault": "status", "status": 200, "body": json.dumps(body)})
        result = only_result(stocks.run())
        assert (result.verdict, result.counts.new, result.counts.rejected) == ("complete", 2, 2)
        assert stocks.sql("SELECT date FROM stocks_bars ORDER BY date") == [("2026-01-28",), ("2026-01-30",)]
        assert stocks.sql("SELECT DISTINCT reason FROM _reject") == [("Object missing required field `open`",)]


def test_an_event_that_is_none_is_a_reject_and_its_neighbours_are_stored(tmp_path):
    rows = [{"effective_date": "2026-01-05", "split_factor": "2"}, {"split_factor": "2"}, 5]
    body = {"symbol": "IBM", "data": rows}
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM", STOCK_SPLITS="yes") as stocks:
        stocks.control.faults({"path": "/query", "fault": "status", "status": 200, "body": json.dumps(body)})
        (result,) = stocks.run(feeds=["splits"]).results
        assert (result.verdict, result.counts.new, result.counts.rejected) == ("complete", 1, 2)


def test_symbols_of_every_form_reach_the_upstream_as_they_are(tmp_path):
    """Acceptance 17."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="BRK.B,NYSE:LMT,ibm,^GSPC,EURUSD=X") as stocks:
        stocks.run()
        symbols = [entry["query"]["symbol"] for entry in stocks.control.log()]
        assert symbols == ["BRK.B", "NYSE:LMT", "IBM", "^GSPC", "EURUSD=X"]


@pytest.mark.parametrize("symbol", ["IBM';--", "A B", "Ä", "A" * 21, "IBM&apikey=x", "../x", "\u017ftx", "\u0131bm"])
def test_what_is_no_symbol_is_refused_before_any_request(tmp_path, symbol):
    """Acceptance 17."""
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS=f"IBM,{symbol}") as stocks:
        with pytest.raises(UsageError, match="is no symbol"):
            stocks.run()
        assert stocks.control.log() == []


def test_a_named_symbol_stands_in_the_place_of_the_configured_ones(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, size="small", STOCK_SYMBOLS="IBM") as stocks:
        stocks.run(only={"symbol": ["msft"]})
        assert [entry["query"]["symbol"] for entry in stocks.control.log()] == ["MSFT"]
