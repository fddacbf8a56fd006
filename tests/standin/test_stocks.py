from __future__ import annotations

import csv
import io
import itertools
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from catchment.apps.stocks.standin import Stocks, Switches, service
from catchment.apps.stocks.standin_says import ERRORS
from catchment.apps.stocks.standin_sessions import sessions
from catchment.clock import FakeClock
from catchment.errors import UsageError
from catchment.standin import Request, serve_in_thread

from .conftest import START, ask, options

DAILY = "TIME_SERIES_DAILY"
ADJUSTED = "TIME_SERIES_DAILY_ADJUSTED"
SERIES = "Time Series (Daily)"


def get(stocks: Stocks, *, at: datetime = START, number: int = 1, switches: dict | None = None, **query: str):
    """The answer of the service, without sockets."""
    query = {"function": DAILY, "symbol": "IBM", "apikey": "k", **query}
    return stocks.answer(Request("GET", "/query", query, {}, b"", at, number), Switches(**(switches or {})))


def body(stocks: Stocks, **more):
    return json.loads(get(stocks, **more).body)


def bars(stocks: Stocks, **more) -> dict[str, dict[str, str]]:
    return body(stocks, **more)[SERIES]


@pytest.fixture
def tiny() -> Stocks:
    return service(options())


def test_a_series_has_the_form_of_the_upstream(tiny):
    said = body(tiny)
    assert said["Meta Data"] == {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": "IBM",
        "3. Last Refreshed": "2026-03-09",
        "4. Output Size": "Compact",
        "5. Time Zone": "US/Eastern",
    }
    assert list(said[SERIES]) == sorted(said[SERIES], reverse=True)
    assert len(said[SERIES]) == 30
    assert list(said[SERIES]["2026-03-09"]) == ["1. open", "2. high", "3. low", "4. close", "5. volume"]


@pytest.mark.parametrize("symbol", ["IBM", "AAPL"])
def test_bars_are_possible_and_their_decimals_uneven(symbol):
    said = bars(service(options("small")), symbol=symbol, outputsize="full")
    assert len(said) == 500
    for bar in said.values():
        opening, high, low, close, volume = (Decimal(text) for text in bar.values())
        assert 0 < low <= min(opening, close) <= max(opening, close) <= high
        assert volume >= 0
    lengths = {len(text.partition(".")[2]) for bar in said.values() for name, text in bar.items() if "vol" not in name}
    assert lengths == {1, 2, 3, 4}
    assert any(int(bar["5. volume"]) > 2**31 for bar in said.values()) is (symbol == "AAPL")


def test_small_has_ten_symbols_and_medium_a_hundred():
    small, medium = service(options("small")), service(options("medium"))
    assert len(small._symbols) == len(set(small._symbols)) == 10
    assert len(set(medium._symbols)) == 100
    assert "Error Message" in body(small, symbol="S010")
    assert len(bars(medium, symbol="S099", outputsize="full")) == 5_000


def test_same_variant_same_bytes_other_variant_other_bytes():
    bodies = [get(service(options(variant=number))).body for number in (1, 1, 2)]
    assert bodies[0] == bodies[1] != bodies[2]


def test_compact_is_a_hundred_bars_and_csv_the_same_bars():
    small = service(options("small"))
    said = bars(small)
    assert len(said) == 100
    rows = list(csv.DictReader(io.StringIO(get(small, datatype="csv").body.decode())))
    assert list(rows[0]) == ["timestamp", "open", "high", "low", "close", "volume"]
    assert {row.pop("timestamp"): list(row.values()) for row in rows} == {
        day: list(bar.values()) for day, bar in said.items()
    }


def test_a_bar_appears_in_the_evening_is_provisional_and_then_final(tiny):
    tuesday = datetime(2026, 3, 10, 20, 29, tzinfo=UTC)  # 16:29 in New York, summer time
    assert max(bars(tiny, at=tuesday)) == "2026-03-09"
    evening, next_day = (bars(tiny, at=tuesday + timedelta(days=days, minutes=1)) for days in (0, 1))
    assert max(evening) == "2026-03-10"
    assert int(evening["2026-03-10"]["5. volume"]) < int(next_day["2026-03-10"]["5. volume"])
    assert len(next_day) == 32


def test_the_past_is_restated_now_and_then():
    small = service(options("small"))
    then = bars(small, outputsize="full", switches={"as_of": "2025-07-15"})
    now = bars(small, outputsize="full", switches={"as_of": "2026-03-09"})
    common = [day for day in then if day in now and day != "2025-07-15"]
    changed = [day for day in common if then[day] != now[day]]
    assert 0 < len(changed) < len(common) / 50
    assert max(then) == "2025-07-15"


def test_a_stand_in_that_starts_later_tells_the_same_past(tiny):
    later = bars(service(options(now=START + timedelta(days=1))))
    earlier = bars(tiny)
    same = [day for day in later if earlier.get(day) == later[day]]
    assert len(same) >= 27


def test_splits_move_prices_and_adjusted_closes_do_not_jump():
    small = service(options("small"))
    factors = {}
    for symbol in ("IBM", "AAPL", "MSFT", "GOOGL", "TSCO.LON"):
        said = bars(small, function=ADJUSTED, symbol=symbol, outputsize="full")
        days = sorted(said)
        split = [day for day in days if Decimal(said[day]["8. split coefficient"]) != 1]
        factors[symbol] = [said[day]["8. split coefficient"] for day in split]
        for day in split:
            before, after = said[days[days.index(day) - 1]], said[day]
            assert abs(float(after["5. adjusted close"]) / float(before["5. adjusted close"]) - 1) < 0.1
    assert factors == {"IBM": ["1.046"], "AAPL": ["4.0"], "MSFT": ["2.0"], "GOOGL": ["7.0"], "TSCO.LON": []}
    closes = [float(bar["4. close"]) for bar in bars(small, symbol="TSCO.LON", outputsize="full").values()]
    jumps = [new / old for old, new in itertools.pairwise(closes)]
    assert max(jumps) > 1.8  # newest first: the halving without a split doubles backwards


def test_adjusted_closes_carry_long_decimals():
    said = bars(service(options("small")), function=ADJUSTED, symbol="AAPL", outputsize="full")
    assert list(said["2026-03-09"]) == [
        "1. open", "2. high", "3. low", "4. close", "5. adjusted close", "6. volume", "7. dividend amount",
        "8. split coefficient",
    ]  # fmt: skip
    assert max(len(bar["5. adjusted close"].partition(".")[2]) for bar in said.values()) == 13
    header = get(service(options()), function=ADJUSTED, datatype="csv").body.split(b"\r\n")[0]
    assert header == b"timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient"


def test_splits_and_dividends_are_functions_of_their_own():
    small = service(options("small"))
    splits = body(small, function="SPLITS", symbol="AAPL")
    assert splits["symbol"] == "AAPL"
    assert [row["split_factor"] for row in splits["data"]] == ["4.0"]
    dividends = body(small, function="DIVIDENDS", symbol="IBM")["data"]
    assert {row["amount"] for row in dividends} == {"0.4150"}
    assert len(dividends) in range(7, 10)
    lines = get(small, function="DIVIDENDS", datatype="csv").body.decode().split("\r\n")
    assert lines[0] == "ex_dividend_date,declaration_date,record_date,payment_date,amount"
    assert len(lines) == len(dividends) + 2


CLASSES = {
    "burst": ("Information", "spreading out your free API requests"),
    "quota": ("Information", "standard API rate limit is 25 requests per day"),
    "throttle": ("Note", "standard API call frequency is 5 calls per minute and 500 calls per day"),
    "demo": ("Information", "API key is for demo purposes only"),
    "premium-size": ("Information", "outputsize=full parameter value is a premium feature"),
    "premium-function": ("Information", "This is a premium endpoint"),
    "bad-key": ("Error Message", "the parameter apikey is invalid or missing"),
    "unknown-function": ("Error Message", "does not exist"),
    "bad-symbol": ("Error Message", "Invalid API call"),
    "other-information": ("Information", "new home"),
    "other-note": ("Note", "change its address"),
    "other-error": ("Error Message", "busy"),
}


@pytest.mark.parametrize("word", ERRORS)
@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_each_error_is_a_sentence_with_status_200(tiny, word, datatype):
    answer = get(tiny, datatype=datatype, switches={"error": word})
    member, text = CLASSES[word]
    said = json.loads(answer.body)
    assert answer.status == 200
    assert list(said) == [member]
    assert text in said[member]
    assert "{" not in said[member]


def test_the_burst_sentence_also_speaks_of_premium_and_the_day(tiny):
    said = body(tiny, switches={"error": "burst"})["Information"]
    assert "premium" in said
    assert "25 requests per day" in said


@pytest.mark.parametrize(
    ("query", "switches", "word"),
    [
        ({"apikey": ""}, {}, "bad-key"),
        ({"apikey": "stolen"}, {"bad_keys": ("stolen",)}, "bad-key"),
        ({"apikey": "demo"}, {"demo_keys": ("demo",)}, "demo"),
        ({"function": "TIME_SERIES_HOURLY"}, {}, "unknown-function"),
        ({"symbol": "NOPE"}, {}, "bad-symbol"),
        ({"symbol": ""}, {}, "bad-symbol"),
        ({"outputsize": "full"}, {"premium_full": True}, "premium-size"),
        ({}, {"premium_daily": True}, "premium-function"),
        ({"function": ADJUSTED}, {"premium_adjusted": True}, "premium-function"),
    ],
)
def test_errors_come_when_they_are_earned(tiny, query, switches, word):
    member, text = CLASSES[word]
    assert text in body(tiny, switches=switches, **query)[member]


def test_premium_full_leaves_compact_alone(tiny):
    assert len(bars(tiny, switches={"premium_full": True}, outputsize="compact")) == 30


@pytest.mark.parametrize(("word", "shape"), [("empty", []), ("no-series", ["Meta Data"])])
def test_answers_without_a_series(tiny, word, shape):
    assert list(body(tiny, switches={"error": word})) == shape


def test_an_error_may_be_for_the_first_calls_only_from_when_it_is_set():
    with serve_in_thread(service(options()), clock=FakeClock(START)) as running:

        def said() -> bool:
            return SERIES in ask(running.url, f"/query?function={DAILY}&symbol=IBM&apikey=k").json()

        assert said()
        for _ in range(2):
            running.control.set(error="other-note", error_calls=2)
            assert [said() for _ in range(4)] == [False, False, True, True]
        running.control.reset()
        assert said()


def test_a_word_that_a_switch_does_not_take_is_told_with_those_that_it_takes():
    with serve_in_thread(service(options()), clock=FakeClock(START)) as running:
        answer = ask(running.url, "/_control", method="POST", body=b'{"switches": {"recorded": "sp5000"}}')
        assert answer.status == 400
        assert "recorded is one of vintages, sp500, none" in answer.json()["error"]


def test_limits_count_each_key_by_second_minute_and_day(tiny):
    def told(key: str, after: float, **switches: int) -> str:
        text = str(body(tiny, apikey=key, at=START + timedelta(seconds=after), switches=switches))
        return next((word for word in ("burst", "throttle", "quota") if CLASSES[word][1][:20] in text), "")

    assert [told("a", 0, per_second=1), told("a", 0.5, per_second=1), told("b", 0.5, per_second=1)] == ["", "burst", ""]
    assert [told("c", second, per_minute=5) for second in range(6)] == [""] * 5 + ["throttle"]
    assert [told("d", 5 * call, per_day=25) for call in range(26)] == [""] * 25 + ["quota"]
    assert told("d", 86_400, per_day=25) == ""
    tiny.reset()
    assert told("d", 150, per_day=25) == ""


def test_limits_are_off_at_tiny_and_on_above():
    assert (service(options()).switches().per_second, service(options()).switches().per_day) == (0, 0)
    assert (service(options("small")).switches().per_second, service(options("small")).switches().per_day) == (1, 25)


def test_the_quota_sentence_echoes_the_key_only_when_told_to(tiny):
    for echo in (True, False):
        said = body(tiny, apikey="canary-key", switches={"error": "quota", "key_echo": echo})["Information"]
        assert ("We have detected your API key as canary-key" in said) is echo


def test_switches_spoil_single_bars(tiny):
    plain = bars(tiny)
    newest = max(plain)
    restated = bars(tiny, switches={"restated_bar": 2})
    assert [day for day in plain if plain[day] != restated[day]] == [sorted(plain)[-2]]
    assert sorted(set(plain) - set(bars(tiny, switches={"missing_bar": 3}))) == [sorted(plain)[-3]]
    bad = bars(tiny, switches={"bad_bar": 1})[newest]
    assert Decimal(bad["2. high"]) < Decimal(bad["3. low"])
    assert "4. last" in bars(tiny, switches={"renamed_field": True})[newest]
    unordered = list(bars(tiny, switches={"unordered": True}))
    assert sorted(unordered, reverse=True) == list(plain) != unordered


def test_a_doubled_day_stands_twice_in_one_object(tiny):
    for differs in (False, True):
        text = get(tiny, switches={"doubled_bar": 1, "doubled_differs": differs}).body
        pairs = json.loads(text, object_pairs_hook=list)[1][1]
        assert [day for day, _ in pairs[:3]] == ["2026-03-09", "2026-03-09", "2026-03-06"]
        assert (pairs[0][1] != pairs[1][1]) is differs


def test_the_newest_day_may_change_or_flap(tiny):
    volumes = [bars(tiny, switches={"newest_changes": True})["2026-03-09"]["5. volume"] for _ in range(3)]
    assert len(set(volumes)) == 3
    tiny.reset()
    assert [len(bars(tiny, switches={"newest_flaps": True})) for _ in range(4)] == [30, 29, 30, 29]


def test_echo_and_refresh(tiny):
    assert body(tiny, symbol="ibm")["Meta Data"]["2. Symbol"] == "ibm"
    assert body(tiny, switches={"lower_echo": True})["Meta Data"]["2. Symbol"] == "ibm"
    other = body(tiny, switches={"other_symbol": "AAPL"})
    assert other["Meta Data"]["2. Symbol"] == "AAPL"
    assert other[SERIES] == bars(tiny, symbol="AAPL")
    refreshed = body(tiny, switches={"refreshed_with_time": True})["Meta Data"]["3. Last Refreshed"]
    assert refreshed == "2026-03-09 16:00:01"


def test_misbehaviour_by_switch_on_the_wire():
    target = "/query?function=TIME_SERIES_DAILY&symbol=IBM&apikey=k"
    with serve_in_thread(service(options()), clock=FakeClock(START)) as running:
        assert len(ask(running.url, target).json()[SERIES]) == 30
        for status in (500, 502, 503):
            running.control.set(error=str(status))
            assert ask(running.url, target).status == status
        running.control.set(error="html")
        assert ask(running.url, target).body.startswith(b"<!DOCTYPE html>")
        running.control.set(error="truncated")
        raw = ask(running.url, target)
        assert len(raw.body) < int(raw.header("Content-Length"))
        running.control.set(error="none", bad_keys=["k"])
        assert "Error Message" in ask(running.url, target).json()
        assert ask(running.url, "/elsewhere").status == 404
        assert running.control.log()[0]["query"]["symbol"] == "IBM"


@pytest.mark.parametrize(
    ("name", "symbol", "function", "recorded"),
    [
        ("vintages/daily_AAPL_2019-09-20.csv", "AAPL", DAILY, "vintages"),
        ("vintages/daily_AAPL_full_2020-05-22.csv", "AAPL", DAILY, "vintages"),
        ("vintages/daily_AAPL_full_2022-04-12.csv", "AAPL", DAILY, "vintages"),
        ("vintages/daily_adjusted_AAPL_2018-07-17.csv", "AAPL", ADJUSTED, "vintages"),
        ("vintages/daily_IBM_2020-07-29.csv", "IBM", DAILY, "vintages"),
        ("vintages/daily_IBM_2022-01-28.csv", "IBM", DAILY, "vintages"),
        ("sp500/AAPL_data.csv", "AAPL", DAILY, "sp500"),
        ("sp500/AMZN_data.csv", "AMZN", DAILY, "vintages"),
        ("sp500/AOS_data.csv", "AOS", DAILY, "vintages"),
        ("sp500/BBY_data.csv", "BBY", DAILY, "vintages"),
        ("sp500/BMY_data.csv", "BMY", DAILY, "vintages"),
        ("sp500/CHD_data.csv", "CHD", DAILY, "vintages"),
    ],
)
@pytest.mark.parametrize("datatype", ["json", "csv"])
def test_each_recorded_file_is_served_with_its_exact_rows(samples, name, symbol, function, recorded, datatype):
    with (samples / "stocks" / name).open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    day = {row.get("timestamp") or row["date"]: row for row in rows}
    stocks = service(options(samples=samples))
    asked = {"symbol": symbol, "function": function, "outputsize": "full", "datatype": datatype}
    answer = get(stocks, switches={"as_of": max(day) if "sp500" not in name else "", "recorded": recorded}, **asked)
    if datatype == "csv":
        served = {row.pop("timestamp"): row for row in csv.DictReader(io.StringIO(answer.body.decode()))}
    else:
        served = {
            bar_day: {key[3:].replace(" ", "_"): value for key, value in bar.items()}
            for bar_day, bar in json.loads(answer.body)[SERIES].items()
        }
    assert len(served) == len(rows)
    for bar_day, bar in served.items():
        assert bar.items() <= day[bar_day].items()


@pytest.mark.parametrize(
    ("as_of", "count", "newest"),
    [("2018-07-17", 4664, "2018-07-17"), ("2019-12-31", 100, "2019-09-20"), ("", 5649, "2022-04-12")],
)
def test_the_newest_recorded_file_not_newer_than_the_date_is_served(samples, as_of, count, newest):
    stocks = service(options(samples=samples))
    said = bars(stocks, symbol="AAPL", outputsize="full", switches={"as_of": as_of})
    assert (len(said), max(said)) == (count, newest)
    assert len(bars(stocks, symbol="AAPL", at=datetime(2021, 1, 1, tzinfo=UTC))) == 100
    assert "Error Message" in body(stocks, symbol="AAPL", switches={"as_of": "2018-07-16"})


def test_recorded_splits(samples):
    stocks = service(options(samples=samples))
    rows = body(stocks, function="SPLITS", symbol="AAPL")["data"]
    assert [row["effective_date"][:4] for row in rows] == ["2014", "2005", "2000"]
    assert SERIES in body(stocks, switches={"recorded": "none"})


def test_generated_sessions_are_those_of_the_exchange(samples):
    stocks = service(options(samples=samples))
    recorded = bars(stocks, symbol="AAPL", outputsize="full")
    assert [day.isoformat() for day in sessions(date(2022, 4, 12))] == sorted(recorded)


@pytest.mark.parametrize("said", [{"as_of": "2026-02-30"}, {"day_zone": "Mars/Base"}, {"error": "brust"}])
def test_a_switch_that_makes_no_sense_is_refused(said):
    with serve_in_thread(service(options())) as running, pytest.raises(UsageError):
        running.control.set(**said)
