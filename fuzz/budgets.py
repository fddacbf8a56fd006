"""Two plans at their full size, forecast and carried out: what `catchment plan` says, and what the upstream logs.

36 months of 44 police forces at 15 a second, and 500 symbols at 25 a day for 20 days, on a clock that does not wait.

    ./run fuzz budgets [--months 36] [--symbols 500]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "apps"))

from collecting import Collecting, collecting, most_within
from rich.console import Console

from catchment.console import plan_table
from catchment.runs import Forecast

MARCH, SATURDAY = datetime(2026, 3, 20, 4, tzinfo=UTC), datetime(2026, 1, 31, 17, tzinfo=UTC)
SECOND, NEW_YORK = timedelta(seconds=1), ZoneInfo("America/New_York")
RATE, BURST, A_DAY = 15, 10, 25


def forecast_of(there: Collecting, feed: str) -> Forecast:
    """What `catchment plan` says of a feed; it is printed."""
    found = there.forecasts()
    Console(width=120).print(plan_table({there.app.name: found}))
    return next(item for item in found if item.plan.feed.name == feed)


def police(folder: Path, months: int) -> list[str]:
    """What of the plan of so many months of all forces is not as it was said."""
    switches = {"window": months, "late": 0, "records": 1}
    with collecting("police", folder, now=MARCH, size="medium", switches=switches, FORCES="all") as there:
        there.run(feeds=["forces", "availability"])
        there.clock.advance(timedelta(minutes=1))  # the burst is whole again
        said = forecast_of(there, "stops")
        complete = there.run(feeds=["stops"]).complete
        times = there.moments("/api/stops-force")
    bounds = {span: span * RATE + BURST for span in (1, 10, 60)}
    held = {span: most_within(times, span * SECOND) for span in bounds}
    sys.stdout.write(f"police: {len(times):,} requests, the last {times[-1] - said.done} after the forecast;")
    sys.stdout.write(f" most in 1, 10, 60 s: {', '.join(map(str, held.values()))} of {list(bounds.values())}\n")
    wrong = [f"{held[span]} in {span} s" for span in bounds if held[span] > bounds[span]]
    wrong += [] if complete else ["it is not complete"]
    wrong += [] if len(times) == len(said.plan.due) == months * 44 else ["other requests than were planned"]
    return wrong + ([] if abs(times[-1] - said.done) < SECOND else ["it was not done when it was said"])


def stocks(folder: Path, symbols: int) -> list[str]:
    """What of the plan of so many symbols is not as it was said."""
    names = ",".join(f"S{number:03}" for number in range(symbols))
    with collecting("stocks", folder, now=SATURDAY, STOCK_SYMBOLS=names) as there:
        said = forecast_of(there, "bars")
        for _ in range(-(-symbols // A_DAY)):
            there.run(retry=False)
            tomorrow = there.clock.now().astimezone(NEW_YORK) + timedelta(days=1)
            there.clock.advance(tomorrow.replace(hour=0, minute=0, second=0, microsecond=0) - there.clock.now())
        times = there.moments("/query")
    days = Counter(moment.astimezone(NEW_YORK).date() for moment in times)
    sys.stdout.write(f"stocks: {len(times):,} requests in {len(days)} days of New York, at most {max(days.values())};")
    sys.stdout.write(
        f" the last {times[-1] - said.done} after the forecast; most in 1 s: {most_within(times, SECOND)}\n"
    )
    wrong = [f"{number} on {day}" for day, number in days.items() if number > A_DAY]
    wrong += [] if most_within(times, SECOND) == 1 else ["more than one in a second"]
    wrong += [] if len(times) == len(said.plan.due) == symbols else ["other requests than were planned"]
    return wrong + ([] if abs(times[-1] - said.done) < 2 * SECOND else ["it was not done when it was said"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--symbols", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = police(Path(folder) / "police", options.months) + stocks(Path(folder) / "stocks", options.symbols)
    sys.stdout.write("".join(f"wrong: {text}\n" for text in wrong) or "no window was exceeded, no forecast wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
