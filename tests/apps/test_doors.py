"""A made-up app: who went through which door. Rules over whole answers, through the whole way of the data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from collecting import Collecting, by_partition

from catchment import CONTENT, RETIRE, App, Confirm, Every, Feed, Get, Record, Setting, Upstream, each
from catchment.clock import FakeClock
from catchment.errors import UsageError
from catchment.standin import Answer, Request, serve_in_thread

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Passage(Record):
    door: str
    badge: str
    minute: int


def of_this_door(met: Any) -> str:
    """An upstream that ignores the parameter answers with all doors."""
    strays = sum(item.record.door != item.record.badge[0] for item in met)
    return f"{strays} passages of another door" if strays else ""


doors_api = Upstream("doors", "https://doors.example", tries=(1,))
passages = Feed(
    "passages",
    Passage,
    doors_api,
    request=Get("/passages", door="{door}"),
    partitions=each(door=["n", "s"]),
    shape=lambda row, partition: {**row, "door": partition["door"]},
    key=CONTENT,
    missing=RETIRE,
    equal=Setting("DOORS_DEDUPE", "count"),
    guard=of_this_door,
    confirm=Confirm(after=DAY, empty=True),
    retention=Setting("DOORS_HISTORY_DAYS", "0"),
    schedule=Every(hours=1),
)
APP = App("doors", feeds=[passages])


@dataclass(frozen=True)
class Switches:
    """each: passages of a door. stray: the south door says what happened at the north one. first:
    the minute of the first passage.
    """

    each: int = 4
    stray: bool = False
    first: int = 1


class Doors:
    """`/passages?door=n`: the badges of a door begin with its letter; two passages are equal."""

    name = "doors"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        door = "n" if switches.stray else request.query["door"]
        minutes = [switches.first + max(number, 1) - 1 for number in range(switches.each)]
        return Answer.json([{"badge": f"{door}{minute}", "minute": minute} for minute in minutes])


@contextmanager
def collecting_doors(folder: Any, values: dict[str, str] | None = None, **switches: object) -> Iterator[Collecting]:
    clock = FakeClock(NOW)
    with serve_in_thread(Doors(), clock=clock, switches=switches) as running:
        yield Collecting(APP, folder, running.url, running.control, clock, values or {})


def verdicts(summary: Any) -> dict[str, str]:
    return {key: result.verdict for key, result in by_partition(summary, "doors/passages").items()}


def test_an_answer_that_the_guard_refuses_fails_alone_and_changes_nothing(tmp_path):
    with collecting_doors(tmp_path) as doors:
        assert doors.run().complete
        before = doors.documents("doors_passages"), doors.revision("passages")
        doors.control.set(stray=True, each=5)
        found = by_partition(doors.run(again=True), "doors/passages")
        assert (found["door=s"].verdict, found["door=s"].reason) == ("failed", "guard: 5 passages of another door")
        assert found["door=n"].verdict == "complete"
        assert [text for text in doors.documents("doors_passages") if '"s' in text] == [
            text for text in before[0] if '"s' in text
        ]
        assert doors.revision("passages") == before[1] + 1


def test_a_shrunken_answer_is_believed_a_day_later(tmp_path):
    with collecting_doors(tmp_path) as doors:
        doors.run()
        doors.control.set(each=1)
        summary = doors.run(again=True)
        assert not summary.complete
        assert verdicts(summary) == {"door=n": "partial", "door=s": "partial"}
        assert doors.number("SELECT count(*) FROM doors_passages") == 8
        doors.clock.advance(DAY / 2)
        assert doors.run(retry=False).results[0].until == NOW + DAY  # it is not asked for before
        doors.clock.advance(DAY / 2)
        assert verdicts(doors.run(retry=False)) == {"door=n": "complete", "door=s": "complete"}
        assert doors.number("SELECT count(*) FROM doors_passages") == 2
        assert len(doors.asked("/passages")) == 6


def test_nothing_at_first_is_pending_and_then_nothing(tmp_path):
    with collecting_doors(tmp_path, each=0) as doors:
        assert verdicts(doors.run()) == {"door=n": "pending", "door=s": "pending"}
        doors.clock.advance(DAY)
        assert verdicts(doors.run()) == {"door=n": "complete", "door=s": "complete"}


@pytest.mark.parametrize(("said", "kept"), [("count", 4), ("collapse", 3)])
def test_the_operator_says_whether_equal_records_are_counted(tmp_path, said, kept):
    with collecting_doors(tmp_path, {"DOORS_DEDUPE": said}) as doors:
        assert doors.run().complete
        assert doors.number("SELECT count(*) FROM doors_passages") == 2 * kept


def test_an_operator_who_says_something_else_is_told_before_anything_is_asked(tmp_path):
    with collecting_doors(tmp_path, {"DOORS_DEDUPE": "some"}) as doors:
        with pytest.raises(UsageError, match="DOORS_DEDUPE=some is none of count, collapse"):
            doors.run()
        assert doors.asked("/passages") == []


@pytest.mark.parametrize(("days", "kept"), [("0", 9), ("3", 4)], ids=["for ever", "three days"])
def test_what_is_no_longer_there_is_kept_as_long_as_the_operator_says(tmp_path, days, kept):
    """Every day all passages are others."""
    with collecting_doors(tmp_path, {"DOORS_HISTORY_DAYS": days}) as doors:
        for day in range(10):
            doors.control.set(first=100 * day)
            assert doors.run().complete
            doors.clock.advance(DAY)
        assert doors.number("SELECT count(*) FROM doors_passages") == 8
        assert doors.number("SELECT count(*) FROM doors_passages_version") == 8 * (kept - 1 if days == "3" else kept)
        for table in ("_run", "_attempt/2", "_exchange/2", "_body/2"):
            name, _, doors_each = table.partition("/")
            assert doors.number(f"SELECT count(*) FROM {name}") <= (kept + 1) * int(doors_each or 1)


def test_days_that_are_no_number_are_refused_before_anything_is_asked(tmp_path):
    with collecting_doors(tmp_path, {"DOORS_HISTORY_DAYS": "a month"}) as doors:
        with pytest.raises(UsageError, match="DOORS_HISTORY_DAYS=a month is no number of days"):
            doors.run()
        assert doors.asked("/passages") == []


@pytest.mark.sqlite  # its plan
def test_what_a_swept_collection_cites_is_found_by_an_index(tmp_path):
    with collecting_doors(tmp_path) as doors:
        doors.run()
        for table, column in [("doors_passages", "_exchange"), ("doors_passages_version", "_attempt")]:
            plan = doors.sql(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = 1")
            assert "USING COVERING INDEX" in plan[0][3]
