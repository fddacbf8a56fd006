"""A made-up app: who went through which door. Badges are looked up in the list of their holders, which changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from collecting import Collecting, by_partition

from catchment import CONTENT, RETIRE, App, Derived, Every, Feed, Get, Lookup, Record, Upstream, each
from catchment.clock import FakeClock, render_moment
from catchment.standin import Answer, Request, serve_in_thread

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Holder(Record):
    badge: str
    person: int


class Passage(Record):
    door: str
    badge: str
    minute: int
    person: int | None = None
    known_at: datetime | None = None


def attribute(passage: Passage, lookup: Lookup, before: Passage | None) -> Passage:
    """Who was found once is kept; else who has the badge now."""
    if passage.badge == "boom":
        raise ValueError("no such badge")
    if before and before.person is not None:
        return msgspec.structs.replace(passage, person=before.person, known_at=before.known_at)
    holder = lookup(passage.badge)
    return msgspec.structs.replace(passage, person=holder.person, known_at=lookup.at) if holder else passage


doors_api = Upstream("doors", "https://doors.example", tries=(1,))
holders = Feed(
    "holders",
    Holder,
    doors_api,
    request=Get("/holders"),
    rows=lambda body, _: [{"badge": badge, "person": person} for badge, person in body.items()],
    key=("badge",),
    missing=RETIRE,
    schedule=Every(hours=1),
)
passages = Feed(
    "passages",
    Passage,
    doors_api,
    request=Get("/passages", door="{door}"),
    partitions=each(door=["n", "s"]),
    shape=lambda row, partition: {**row, "door": partition["door"]},
    key=CONTENT,
    missing=RETIRE,
    derived=Derived(holders, attribute, fields=("person", "known_at"), max_age=timedelta(hours=24)),
    schedule=Every(hours=1),
)
APP = App("doors", feeds=[passages, holders])  # in the wrong order: dependence decides

BADGES = ["a", "a", "b"]
EVERYBODY = {"a": 1, "b": 2}
PEOPLE = "SELECT badge, person, _version FROM doors_passages WHERE door = 'n' ORDER BY badge, _key"


@dataclass(frozen=True)
class Switches:
    """holders: who has which badge; None: the list fails. badges: of the north door's passages, the south has none."""

    holders: dict[str, int] | None
    badges: list[str]


class Doors:
    """`/holders` and `/passages?door=n`."""

    name = "doors"

    def switches(self) -> Switches:
        return Switches(EVERYBODY, BADGES)

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.path == "/holders":
            return Answer.json([]) if switches.holders is None else Answer.json(switches.holders)
        badges = switches.badges if request.query["door"] == "n" else []
        return Answer.json([{"badge": badge, "minute": 1} for badge in badges])


@contextmanager
def collecting_doors(folder: Any, **switches: object) -> Iterator[Collecting]:
    clock = FakeClock(NOW)
    with serve_in_thread(Doors(), clock=clock, switches=switches) as running:
        yield Collecting(APP, folder, running.url, running.control, clock, {})


def later(doors: Collecting, by: timedelta = HOUR, **switches: object) -> Any:
    """A run an hour later, of an upstream that says something else."""
    doors.clock.advance(by)
    doors.control.set(**switches)
    return doors.run()


def test_fresh_records_are_filled_before_they_are_stored(tmp_path):
    with collecting_doors(tmp_path) as doors:
        assert doors.run().complete
        assert [entry["path"] for entry in doors.control.log()] == ["/holders", "/passages", "/passages"]
        assert doors.sql(PEOPLE) == [("a", 1, 1), ("a", 1, 1), ("b", 2, 1)]
        assert doors.number("SELECT count(*) FROM doors_passages_version") == 0


def test_stored_records_are_filled_when_the_other_collection_changes_though_their_own_answer_does_not(tmp_path):
    with collecting_doors(tmp_path, holders={"b": 2}) as doors:
        doors.run()
        before = doors.sql("SELECT _key, _exchange FROM doors_passages ORDER BY _key")
        assert doors.sql(PEOPLE) == [("a", None, 1), ("a", None, 1), ("b", 2, 1)]
        revision = doors.revision("passages")
        summary = later(doors, holders=EVERYBODY)
        assert by_partition(summary, "doors/passages")["door=n"].verdict == "unchanged"
        assert doors.sql(PEOPLE) == [("a", 1, 2), ("a", 1, 2), ("b", 2, 1)]
        assert doors.revision("passages") == revision + 1
        assert doors.sql("SELECT _key, _exchange FROM doors_passages ORDER BY _key") == before
        said = render_moment(NOW + HOUR)
        assert doors.sql("SELECT DISTINCT _said_at, known_at FROM doors_passages WHERE badge = 'a'") == [(said, said)]
        ended = doors.sql("SELECT badge, person, _until, _until_revision, _gone FROM doors_passages_version")
        assert ended == [("a", None, said, revision + 1, 0)] * 2


def test_the_attempt_that_filled_is_noted_and_adds_up(tmp_path):
    with collecting_doors(tmp_path, holders={"b": 2}) as doors:
        doors.run()
        later(doors, holders=EVERYBODY)
        ((attempt, run, *counts),) = doors.sql(
            "SELECT id, run, partition, verdict, requests, received, changed, same, reason FROM _attempt WHERE pass = 0"
        )
        assert counts == ["door=n", "complete", 0, 3, 2, 1, "filled from doors/holders"]
        assert run == 2
        assert doors.sql("SELECT attempt FROM _commit WHERE revision = ? AND collection = 'doors/passages'", 2) == [
            (attempt,)
        ]


def test_what_was_found_once_is_kept_when_the_badge_goes_to_somebody_else(tmp_path):
    """New records get the new holder, the old ones keep theirs."""
    with collecting_doors(tmp_path) as doors:
        doors.run()
        later(doors, holders={"a": 7, "b": 2}, badges=[*BADGES, "a"])
        assert doors.sql(PEOPLE) == [("a", 1, 1), ("a", 1, 1), ("a", 7, 1), ("b", 2, 1)]


def test_filled_fields_do_not_identify(tmp_path):
    """The same passages are the same records whoever went through."""
    with collecting_doors(tmp_path, holders={}) as doors:
        doors.run()
        keys = doors.sql("SELECT _key FROM doors_passages ORDER BY _key")
        summary = later(doors, holders=EVERYBODY, badges=[*BADGES, "c"])
        counts = by_partition(summary, "doors/passages")["door=n"].counts
        assert (counts.new, counts.changed, counts.gone) == (1, 3, 0)
        assert set(keys) < set(doors.sql("SELECT _key FROM doors_passages"))


def test_nothing_is_filled_or_raised_where_nothing_changed(tmp_path):
    with collecting_doors(tmp_path) as doors:
        doors.run()
        before = doors.revision("passages"), doors.documents("doors_passages")
        for _ in range(3):
            assert later(doors).complete
        assert (doors.revision("passages"), doors.documents("doors_passages")) == before
        assert doors.number("SELECT count(*) FROM _attempt WHERE pass = 0") == 0


def test_of_a_list_that_fails_the_last_good_one_is_looked_up_until_it_is_too_old(tmp_path):
    with collecting_doors(tmp_path) as doors:
        doors.run()
        later(doors, 23 * HOUR, holders=None, badges=["a", "b", "b"])
        assert doors.sql(PEOPLE) == [("a", 1, 1), ("b", 2, 1), ("b", 2, 1)]
        later(doors, 2 * HOUR, badges=["a", "b", "b", "b"])
        assert doors.sql(PEOPLE) == [("a", 1, 1), ("b", 2, 1), ("b", 2, 1), ("b", None, 1)]
        later(doors, holders=EVERYBODY)  # the same list as ever, but fresh
        assert doors.sql(PEOPLE) == [("a", 1, 1), ("b", 2, 1), ("b", 2, 1), ("b", 2, 2)]


def test_before_the_other_collection_was_ever_collected_nothing_is_found(tmp_path):
    with collecting_doors(tmp_path, holders=None) as doors:
        doors.run()
        assert {person for _, person, _ in doors.sql(PEOPLE)} == {None}
        later(doors, holders=EVERYBODY)
        assert doors.sql(PEOPLE) == [("a", 1, 2), ("a", 1, 2), ("b", 2, 2)]


def test_a_rule_that_raises_fails_the_partition_and_the_filling_and_nothing_else(tmp_path):
    with collecting_doors(tmp_path) as doors:
        doors.run()
        failed = by_partition(later(doors, badges=["boom"]), "doors/passages")["door=n"]
        assert (failed.verdict, failed.reason) == ("failed", "ValueError: no such badge")
        assert doors.sql(PEOPLE) == [("a", 1, 1), ("a", 1, 1), ("b", 2, 1)]


def test_a_feed_that_is_not_asked_is_filled_in_the_next_run(tmp_path):
    with collecting_doors(tmp_path, holders={}) as doors:
        doors.run()
        doors.control.set(holders=EVERYBODY)
        assert doors.run(again=True, feeds=["holders"]).complete
        assert {person for _, person, _ in doors.sql(PEOPLE)} == {None}
        assert doors.run().complete  # nothing of it is due
        assert {person for _, person, _ in doors.sql(PEOPLE)} == {1, 2}
