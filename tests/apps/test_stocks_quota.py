"""A quota of few calls a day: shared by all, kept over restarts, never spent on a refusal that was to be expected."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from collecting import Collecting, by_partition, collecting, finished
from forkserver import Ended, run

from catchment.cli import INCOMPLETE
from catchment.clock import FileClock, render_moment

# A Saturday noon in New York: nothing becomes due by itself before Monday night.
NOW = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)
BARS = "stocks/bars"


def place_of(stocks: Collecting) -> dict[str, str]:
    """The environment of a command on the same stand-in, data folder and moment."""
    clock = stocks.folder / "clock"
    FileClock(clock).set(stocks.clock.now())
    return {"PATH": os.environ["PATH"], **stocks.environment, "CATCHMENT_CLOCK": f"file:{clock}"}


def done(stocks: Collecting, *arguments: str) -> Ended:
    """`catchment` there, to its end."""
    return run(stocks.folder, arguments, place_of(stocks))


def command(stocks: Collecting, *arguments: str) -> subprocess.Popen[str]:
    """`catchment` there, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "catchment", *arguments],
        env=place_of(stocks),
        cwd=stocks.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def symbols(stocks: Collecting) -> list[str]:
    return [entry["query"]["symbol"] for entry in stocks.control.log()]


def test_after_a_refusal_nobody_asks_before_the_day_turns(tmp_path):
    """Acceptance 5: refused after one of two."""
    with collecting("stocks", tmp_path, now=NOW, switches={"per_day": 1}) as stocks:
        first = done(stocks, "collect", "stocks")
        assert first.code == INCOMPLETE == 3
        assert "AAPL" in first.out
        assert symbols(stocks) == ["IBM", "AAPL"]
        # Whoever comes that day, in whatever process, is told without a request.
        for _ in range(2):
            result = by_partition(stocks.run(), BARS)["symbol=AAPL"]
            assert (result.verdict, result.reason) == (None, "budget")
            stocks.clock.advance(timedelta(hours=3))
        last = done(stocks, "collect", "stocks")
        assert last.code == 3
        assert "not before 2026-02-01 05:00 UTC" in last.out, last.text
        assert symbols(stocks) == ["IBM", "AAPL"]
        # The next day only the missed one is asked.
        stocks.clock.advance(timedelta(hours=12))
        assert stocks.run().complete
        assert symbols(stocks) == ["IBM", "AAPL", "AAPL"]
        assert stocks.sql("SELECT symbol, count(*) FROM stocks_bars GROUP BY symbol ORDER BY symbol") == [
            ("AAPL", 30),
            ("IBM", 30),
        ]


def test_our_own_count_ends_before_the_upstream_has_to_say_so(tmp_path):
    """Acceptance 5: a restart keeps the count."""
    budget = "1/second,2/day"
    names = "IBM,AAPL,MSFT,GOOGL,ORCL"
    switches = {"per_day": 2}
    with collecting(
        "stocks", tmp_path, now=NOW, size="small", switches=switches, STOCK_SYMBOLS=names, ALPHAVANTAGE_BUDGET=budget
    ) as stocks:
        for day in range(3):
            for _ in range(2):  # a restart counts on
                summary = stocks.run()
                left = [result for result in summary.results if result.verdict is None]
                assert {result.reason for result in left} <= {"budget"}
                assert summary.complete == (day == 2)
            assert len(stocks.control.log()) == (2, 4, 5)[day]
            stocks.clock.advance(timedelta(days=1))
        assert symbols(stocks) == names.split(",")
        assert stocks.number("SELECT count(*) FROM _attempt WHERE verdict = 'failed'") == 0


def test_two_processes_share_the_count(tmp_path):
    """Acceptance 5."""
    names = "IBM,AAPL,MSFT,GOOGL,ORCL,XOM"
    with collecting(
        *("stocks", tmp_path),
        now=NOW,
        size="small",
        switches={"per_second": 0, "per_day": 0},
        STOCK_SYMBOLS=names,
        ALPHAVANTAGE_BUDGET="4/day",
    ) as stocks:
        halves = (names.split(",")[:3], names.split(",")[3:])
        both = [
            command(stocks, "collect", "stocks", *(f"--only=symbol={symbol}" for symbol in half)) for half in halves
        ]
        assert 3 in [finished(process)[0] for process in both]
        assert len(stocks.control.log()) == 4
        assert len(set(symbols(stocks))) == 4
        assert stocks.sql("SELECT used FROM _budget WHERE name = 'day'") == [(4,)]


def test_a_refusal_at_the_first_call_of_our_day_shuts_it_for_an_hour_only(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, switches={"error": "quota"}) as stocks:
        stocks.run()
        stocks.clock.advance(timedelta(minutes=45))
        stocks.run()
        assert len(stocks.control.log()) == 1
        stocks.control.set(error="none")
        stocks.clock.advance(timedelta(minutes=15))
        assert stocks.run().complete
        assert sorted(symbols(stocks)) == ["AAPL", "IBM", "IBM"]


def test_the_missed_symbol_comes_first_when_there_is_room_again(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, ALPHAVANTAGE_BUDGET="1/day") as stocks:
        stocks.run()
        stocks.clock.advance(timedelta(days=3))  # past Monday night: both are due, one was never collected
        stocks.run()
        assert symbols(stocks) == ["IBM", "AAPL"]


@pytest.mark.parametrize("symbol", ["IBM';--", "A B"])
def test_what_is_no_symbol_is_said_in_a_line(tmp_path, symbol):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS=symbol) as stocks:
        ended = done(stocks, "collect", "stocks")
        assert ended.code == 2
        assert ended.err.startswith("catchment: STOCK_SYMBOLS: ")
        assert "Traceback" not in ended.err
        assert stocks.control.log() == []


def test_moments_are_those_of_the_clock(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.run()
        assert stocks.sql("SELECT DISTINCT _said_at FROM stocks_bars") == [(render_moment(NOW),)]


def test_the_day_turns_in_new_york_wherever_the_machine_stands(tmp_path):
    """Acceptance 16: a clock in UTC+9, one minute before and one after midnight Eastern; dates are not shifted."""
    before = datetime(2026, 1, 31, 4, 59, tzinfo=UTC)  # Friday 23:59 in New York, Saturday 13:59 in Tokyo
    days = []
    with collecting(
        "stocks", tmp_path, now=before, switches={"per_day": 1}, TZ="Asia/Tokyo", ALPHAVANTAGE_BUDGET="1/day"
    ) as stocks:
        for symbol in ("IBM", "AAPL"):
            code, out, err = finished(command(stocks, "collect", "stocks", f"--only=symbol={symbol}"))
            assert code == 0, out + err
            days += stocks.sql("SELECT period, used FROM _budget WHERE name = 'day'")
            stocks.clock.advance(timedelta(minutes=2))
        assert days == [("2026-01-30", 1), ("2026-01-31", 1)]
        assert symbols(stocks) == ["IBM", "AAPL"]
        newest = stocks.sql("SELECT symbol, max(date), count(*) FROM stocks_bars GROUP BY symbol ORDER BY symbol")
        assert newest == [("AAPL", "2026-01-30", 30), ("IBM", "2026-01-30", 30)]
        days = stocks.sql("SELECT DISTINCT date FROM stocks_bars")
        assert {date.fromisoformat(day).isoweekday() for (day,) in days} == {1, 2, 3, 4, 5}
        # The new day is spent: the next one is more than a few minutes away, in New York.
        code, out, _ = finished(command(stocks, "collect", "stocks", "--again"))
        assert (code, "not before 2026-02-01 05:00 UTC" in out) == (INCOMPLETE, True), out


def test_five_hundred_symbols_take_twenty_days(tmp_path):
    """Acceptance 17: said before anything is asked."""
    names = ",".join(f"S{number}" for number in range(500))
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS=names) as stocks:
        ended = done(stocks, "plan", "stocks")
        assert ended.code == 0, ended.err
        assert "2026-02-19 05:00" in ended.out  # that is on the 20th day
        assert stocks.control.log() == []
