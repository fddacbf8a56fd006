"""What a plan says that the work will take is what it takes, and no window of a budget ever holds more than it may.

The runs are parts of the plans; `./run fuzz budgets` does the whole.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

from collecting import Collecting, collecting, most_within
from rich.console import Console

from catchment.apps.police.standin import PUBLISHERS
from catchment.console import order_lines, plan_table
from catchment.runs import Forecast

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
SATURDAY = datetime(2026, 1, 31, 17, 0, tzinfo=UTC)
SYMBOLS = [f"S{number:03}" for number in range(500)]


def forecast_of(there: Collecting, feed: str) -> Forecast:
    """What `catchment plan` says of a feed."""
    return next(item for item in there.forecasts() if item.plan.feed.name == feed)


def printed(forecast: Forecast) -> list[str]:
    """The words of its row as `catchment plan` prints it."""
    screen = Console(width=120, file=StringIO())
    screen.print(plan_table({"": [forecast]}))
    return screen.file.getvalue().splitlines()[-1].split()


def test_36_months_of_44_forces_at_15_a_second_take_105_seconds(tmp_path):
    switches = {"window": 36, "late": 0, "records": 1}
    with collecting("police", tmp_path, now=NOW, size="medium", switches=switches, FORCES="all") as police:
        police.run(feeds=["forces", "availability"])
        police.clock.advance(timedelta(minutes=1))  # the burst is whole again
        said, start = forecast_of(police, "stops"), police.clock.now()
    assert len(said.plan.due) == 36 * len(PUBLISHERS) == 36 * 44
    assert said.left is None
    assert abs((said.done - start).total_seconds() - (36 * 44 - 10) / 15) < 1
    assert printed(said)[1:8] == ["1,584", "0", "0", "1,584", "unlimited", "2026-03-20", f"{said.done:%H:%M:%S}"]


def test_a_plan_says_in_which_order_it_asks(tmp_path):
    """The newest month first where none was ever collected; then what was asked longest ago."""
    switches = {"window": 3, "late": 0, "records": 1}
    with collecting("police", tmp_path, now=NOW, switches=switches, FORCES="leicestershire") as police:
        police.run(feeds=["forces", "availability"])
        (line,) = order_lines({"police": [forecast_of(police, "stops")]})
        months = ("2026-01", "2025-12", "2025-11")
        first = ", ".join(f"force=leicestershire,month={month} (never collected)" for month in months)
        assert line == f"police/stops in this order: {first}"
        police.run(feeds=["stops"], only={"month": ["2026-01"]})
        police.clock.advance(timedelta(days=40))
        (line,) = order_lines({"police": [forecast_of(police, "stops")]})
        assert line.endswith("month=2025-11 (never collected), force=leicestershire,month=2026-01 (scheduled)")
    with collecting("stocks", tmp_path / "s", now=SATURDAY, STOCK_SYMBOLS=",".join(SYMBOLS)) as stocks:
        (line,) = order_lines({"stocks": [forecast_of(stocks, "bars")]})
        assert line.endswith("symbol=S002 (never collected) and 497 more")


def test_a_run_of_176_months_ends_when_it_was_said_and_keeps_to_15_a_second(tmp_path):
    switches = {"window": 4, "late": 0, "records": 1}
    with collecting("police", tmp_path, now=NOW, size="medium", switches=switches, FORCES="all") as police:
        police.run(feeds=["forces", "availability"])
        police.clock.advance(timedelta(minutes=1))
        said = forecast_of(police, "stops")
        assert police.run(feeds=["stops"]).complete
        times = police.moments("/api/stops-force")
    assert len(times) == len(said.plan.due) == 4 * 44
    assert abs(times[-1] - said.done) < timedelta(seconds=1)
    assert most_within(times, timedelta(seconds=1)) <= 15 + 10
    assert most_within(times, timedelta(seconds=10)) <= 10 * 15 + 10


def test_500_symbols_at_25_a_day_are_done_on_the_20th_day(tmp_path):
    with collecting("stocks", tmp_path, now=SATURDAY, STOCK_SYMBOLS=",".join(SYMBOLS)) as stocks:
        said = forecast_of(stocks, "bars")
    assert (len(said.plan.due), said.left) == (500, 25)
    days = (said.done.astimezone(NEW_YORK).date() - SATURDAY.astimezone(NEW_YORK).date()).days
    assert days + 1 == 500 / 25
    assert printed(said)[1:8] == ["500", "0", "0", "500", "25", "2026-02-19", "05:00:26"]


def test_a_run_over_three_days_of_quota_ends_when_it_was_said_and_never_exceeds_a_day(tmp_path):
    with collecting("stocks", tmp_path, now=SATURDAY, STOCK_SYMBOLS=",".join(SYMBOLS[:60])) as stocks:
        said = forecast_of(stocks, "bars")
        for _ in range(3):
            stocks.run(retry=False)
            midnight = (stocks.clock.now().astimezone(NEW_YORK) + timedelta(days=1)).replace(hour=0, minute=0, second=0)
            stocks.clock.advance(midnight.replace(microsecond=0) - stocks.clock.now())
        times = stocks.moments("/query")
    assert len(times) == len(said.plan.due) == 60
    per_day = Counter(moment.astimezone(NEW_YORK).date() for moment in times)
    assert sorted(per_day.values()) == [10, 25, 25]
    assert most_within(times, timedelta(seconds=1)) == 1
    assert abs(times[-1] - said.done) < timedelta(seconds=2)
