"""What is shown while it collects: on a wide screen, a narrow one, and where nobody looks."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from catchment.progress import Reporter
from catchment.runs import Event
from catchment.store.lease import Counts, Outcome

UNTIL = datetime(2026, 11, 22, 5, tzinfo=UTC)
ENDED = Outcome("complete", counts=Counts(new=1234))
PARTIAL = Outcome("partial", counts=Counts(changed=1))


def shown(*events, width=120, terminal=True, left=22):
    """The last frame that a person sees; every line where nobody looks."""
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    with Reporter(console, left=lambda _: left) as reporter:
        for event in events:
            reporter.tell(event)
    return console.file.getvalue().rpartition("\r")[2]


PLANNED = Event("planned", "stocks/bars", total=25)


def test_a_bar_says_how_far_it_is_what_came_and_what_is_left_of_the_budget():
    said = shown(
        PLANNED, Event("ended", "stocks/bars", "symbol=IBM", ENDED), Event("ended", "stocks/bars", "", PARTIAL)
    )
    assert "stocks/bars" in said
    assert " 2/25 " in said
    assert "1,235 records, 1 incomplete, 22 left today" in said


def test_where_no_day_is_counted_nothing_is_said_of_a_budget():
    assert "left today" not in shown(PLANNED, Event("ended", "stocks/bars", "", ENDED), left=None)


def test_while_it_waits_it_says_until_when_and_no_pace():
    said = shown(
        PLANNED,
        Event("ended", "stocks/bars", "", ENDED),
        Event("waiting", "stocks/bars", until=UNTIL, reason="budget"),
    )
    assert "until 2026-11-22 05:00:00 UTC" in said
    assert "/s," not in said


@pytest.mark.parametrize("width", [40, 60, 80, 109, 120])
def test_no_screen_is_too_narrow(width):
    said = shown(PLANNED, Event("waiting", "stocks/bars", until=UNTIL, reason="budget"), width=width)
    assert all(len(line) <= width for line in said.splitlines())
    if width >= 80:
        assert " 0/25" in said
        assert "until 2026-11-22 05:00:00 UTC" in said


def test_where_nobody_looks_a_line_says_what_begins_and_one_what_all_its_partitions_wait_for():
    waits = [Event("waiting", "stocks/bars", until=UNTIL + timedelta(seconds=later), reason="name") for later in (0, 9)]
    short = Event("waiting", "stocks/bars", until=UNTIL, reason="second")
    late = Event("waiting", "stocks/bars", until=UNTIL + timedelta(hours=1), reason="day")
    assert shown(PLANNED, short, *waits, late, terminal=False, width=160).splitlines() == [
        "stocks/bars: 25 to collect, 22 left today",
        "stocks/bars: until 2026-11-22 05:00:00 UTC: to try again: name (nobody knows the host of that name)",
        "stocks/bars: until 2026-11-22 06:00:00 UTC: the next day of the budget",
    ]
