"""What is due, in which order, and when a partition is asked again; and the slots of schedules by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import (
    Cron,
    DeclarationError,
    Every,
    Feed,
    Get,
    Partition,
    Record,
    Upstream,
    changed,
    older_than,
    rows_of,
)
from catchment.partitions import Expected
from catchment.plan import AT_ONCE, GOOD, REFUSED_FOR, State, calls, due_at, only, own_age, plan, retry_at
from catchment.upstream import NEVER

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Thing(Record):
    id: str


def feed(**options) -> Feed:
    return Feed("things", Thing, Upstream("shop", "https://shop.example"), request=Get("/"), key=("id",), **options)


def part(name: str) -> Partition:
    return Partition((("shelf", name),))


def state(name: str = "a", verdict="complete", checked: datetime = NOON, **options) -> State:
    return State(part(name), verdict, checked_at=checked, **options)


def planned(states: list[State], now: datetime = NOON, names: str = "abcd", of: Feed | None = None, **options):
    expected = [Expected(part(name)) for name in names]
    return plan(of or feed(), expected, {each.partition.key: each for each in states}, now, **options)


def names(tasks) -> list[tuple[str, str]]:
    return [(task.partition["shelf"], task.why) for task in tasks]


def test_what_was_never_collected_comes_first_and_in_the_order_of_its_source():
    found = planned([state("a", checked=NOON - 3 * DAY), state("c", checked=NOON - 5 * DAY)])
    never, again = "never collected", "scheduled"
    assert names(found.due) == [("b", never), ("d", never), ("c", again), ("a", again)]


def test_what_is_not_due_says_when_it_will_be():
    found = planned([state("a", checked=NOON - 2 * HOUR), state("b", checked=NOON - HOUR)], names="ab")
    assert (found.due, found.good, found.next) == ((), 2, NOON - 2 * HOUR + DAY)


def test_what_the_list_lacks_is_held_with_its_reason():
    missing = Expected(part("a"), "not listed")
    found = plan(feed(), [missing], {}, NOON)
    assert (found.due, found.held, found.next) == ((), (missing,), None)


@pytest.mark.parametrize(
    ("options", "verdict", "why"),
    [
        ({}, "failed", ""),
        ({"retry": True}, "failed", "incomplete"),
        ({"retry": True}, "partial", "incomplete"),
        ({"retry": True}, "complete", ""),
        ({}, "refused", ""),
        ({"retry": True}, "refused", "incomplete"),
        ({"again": True}, "complete", "asked for"),
        ({"again": True}, "refused", "asked for"),
    ],
)
def test_a_person_may_ask_for_what_is_not_due(options, verdict, why):
    found = planned([state("a", verdict, retry_at=NOON + HOUR)], names="a", **options)
    assert names(found.due) == ([("a", why)] if why else [])


def test_nobody_asks_again_for_what_the_upstream_will_not_answer():
    found = planned([state("a", "refused", retry_at=NOON + REFUSED_FOR)], names="a", retry=True)
    assert (found.due, [each.partition for each in found.waiting]) == ((), [part("a")])


settling = feed(settle=timedelta(days=60), reread=Every(days=7), reconcile=Every(days=90), schedule=Cron("0 4 * * *"))


@pytest.mark.parametrize(
    ("of", "known", "due"),
    [
        pytest.param(feed(), State(part("a")), AT_ONCE, id="never tried"),
        pytest.param(feed(), state(), NOON + DAY, id="by distance"),
        pytest.param(feed(schedule=Cron("0 4 * * *")), state(), NOON + 16 * HOUR, id="by the clock"),
        pytest.param(feed(), state(verdict="failed", retry_at=NOON + HOUR), NOON + HOUR, id="after a failure"),
        pytest.param(feed(), state(verdict="pending"), NOON + DAY, id="not published yet"),
        pytest.param(feed(), state(verdict="refused", retry_at=NOON + 30 * DAY), NOON + 30 * DAY, id="refused"),
        pytest.param(feed(), State(part("a"), "pending", "not listed"), AT_ONCE, id="never asked for"),
        pytest.param(settling, state(first_collected_at=NOON - 59 * DAY), NOON + 7 * DAY, id="settling"),
        pytest.param(settling, state(first_collected_at=NOON - 60 * DAY), NOON + 90 * DAY, id="settled"),
        pytest.param(
            settling, state(verdict="unchanged", first_collected_at=NOON - 70 * DAY), NOON + 90 * DAY, id="unchanged"
        ),
        pytest.param(
            settling,
            state(verdict="pending", first_collected_at=NOON - 70 * DAY),
            NOON + 16 * HOUR,
            id="not there",
        ),
        pytest.param(
            feed(settle=timedelta(days=60)), state(first_collected_at=NOON), NOON + DAY, id="settling by the schedule"
        ),
    ],
)
def test_when_a_partition_is_asked_again(of, known, due):
    assert due_at(of, known) == due


@pytest.mark.parametrize(
    ("verdict", "failures", "minutes"),
    [("failed", each, wait) for each, wait in enumerate([1, 2, 4, 8, 16, 32, 60, 60], 1)]
    + [("partial", 1, 1), ("failed", 10_000, 60), ("refused", 0, 30 * 24 * 60), ("refused", 9, 30 * 24 * 60)],
)
def test_waits_after_what_went_wrong(verdict, failures, minutes):
    assert retry_at(verdict, failures, NOON) == NOON + timedelta(minutes=minutes)


@pytest.mark.parametrize("verdict", ["complete", "unchanged", "pending"])
def test_what_went_right_is_left_to_the_schedule(verdict):
    assert retry_at(verdict, 0, NOON) is None


def test_what_the_upstream_says_counts_more():
    assert retry_at("failed", 5, NOON, until=NOON + 7 * HOUR) == NOON + 7 * HOUR


verdicts = st.sampled_from(["complete", "unchanged", "pending", "partial", "refused", "failed"])
moments = st.integers(0, 200).map(lambda hours: NOON - timedelta(hours=hours))
states = st.lists(st.builds(state, st.sampled_from("abcdef"), verdicts, moments), max_size=6)


@given(states, st.booleans(), st.booleans())
def test_a_plan_is_repeatable_and_leaves_nothing_out(known, retry, again):
    one, other = (planned(known, names="abcdef", retry=retry, again=again) for _ in range(2))
    assert one == other
    assert len(one.due) + one.good + len(one.waiting) == 6
    assert not any(each.verdict in GOOD for each in one.waiting)
    moments = [task.state.checked_at for task in one.due if task.state.checked_at]
    assert moments == sorted(moments)
    assert one.next is None or one.next > NOON


def test_naming_a_partition_asks_for_it_also_where_the_list_lacks_it():
    expected = [Expected(part("a"), "not listed"), Expected(part("b"))]
    assert only(expected, {"shelf": ["a"]}, ask=True) == [Expected(part("a"))]
    assert only(expected, {"shelf": ["a"]}, ask=False) == [Expected(part("a"), "not listed")]


# -- schedules by the clock ------------------------------------------------------------------------------------------

ZONES = ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]


def turns(zone: str, year: int) -> list[datetime]:
    """The hours of a year in which the zone's clocks are changed."""
    hours = [datetime(year, 1, 1, tzinfo=UTC) + number * HOUR for number in range(366 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, (before, after) in zip(hours[1:], pairwise(offsets), strict=True) if before != after]


def slots(cron: Cron, start: datetime, end: datetime) -> list[datetime]:
    found = []
    while (start := cron.next_after(start)) < end:
        found.append(start)
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("clock", ["30 0 * * *", "30 1 * * *", "30 2 * * *", "45 1 * * *"])
@pytest.mark.parametrize("year", [2025, 2026])
def test_a_slot_a_day_comes_once_a_day_whatever_the_clocks_do(zone, clock, year):
    cron = Cron(clock, zone=zone)
    changes = turns(zone, year)
    assert len(changes) >= 2
    for change in changes:
        found = slots(cron, change - 2 * DAY, change + 2 * DAY)
        days = [slot.astimezone(ZoneInfo(zone)).date() for slot in found]
        assert len(days) == len(set(days)) == (days[-1] - days[0]).days + 1
        assert all(DAY - HOUR <= after - before <= DAY + HOUR for before, after in pairwise(found))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("clock", ["30 1 * * *", "30 2 * * *", "0 * * * *", "*/20 * * * *"])
def test_the_next_slot_is_one_and_later_from_whatever_moment_one_asks(zone, clock):
    cron = Cron(clock, zone=zone)
    for change in turns(zone, 2026):
        start, end = change - 3 * HOUR, change + 3 * HOUR
        found = slots(cron, start, end + 2 * DAY)
        for minutes in range(0, 360, 10):
            moment = start + timedelta(minutes=minutes)
            assert cron.next_after(moment) == next(slot for slot in found if slot > moment)


@pytest.mark.parametrize(
    ("clock", "zone", "moment", "expected"),
    [
        ("30 22 * * mon-fri", "America/New_York", "2026-01-02T12:00Z", "2026-01-03T03:30Z"),
        ("30 22 * * mon-fri", "America/New_York", "2026-01-03T03:30Z", "2026-01-06T03:30Z"),
        ("0 4 * * *", "Europe/London", "2026-07-01T03:00Z", "2026-07-02T03:00Z"),
        ("0 4 * * *", "Europe/London", "2026-07-01T02:59:59Z", "2026-07-01T03:00Z"),
        ("30 1 * * *", "Europe/London", "2026-10-25T01:10Z", "2026-10-26T01:30Z"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", "2028-02-29T00:00Z"),
    ],
)
def test_slots_are_by_the_clock_of_their_place(clock, zone, moment, expected):
    assert Cron(clock, zone=zone).next_after(datetime.fromisoformat(moment)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("options", "verdict", "until", "why"),
    [
        pytest.param({"retry": True}, "failed", NOON + HOUR, "incomplete", id="our own wait"),
        pytest.param({"retry": True}, "failed", NOON + 24 * HOUR, "", id="parked"),
        pytest.param({"again": True}, "failed", NOON + 24 * HOUR, "asked for", id="parked, named"),
        pytest.param({"retry": True}, "refused", NEVER, "", id="refused forever"),
        pytest.param({"again": True}, "refused", NEVER, "", id="refused forever, named"),
        pytest.param({"again": True}, "refused", NOON + REFUSED_FOR, "asked for", id="refused, named"),
    ],
)
def test_a_person_does_not_ask_for_what_is_to_be_left_alone(options, verdict, until, why):
    found = planned([state("a", verdict, retry_at=until)], names="a", **options)
    assert names(found.due) == ([("a", why)] if why else [])
    assert found.next == (None if why or until == NEVER else until)


# -- due by the row that a partition comes from -------------------------------------------------------------------


def of_rows(due) -> Feed:
    return feed(partitions=rows_of(feed(), shelf="id"), due=due)


def stamped(due, stamp: str, row: str, *, age: timedelta = HOUR, verdict="complete"):
    """What is planned for a partition that was collected for `stamp` so long ago, while its row has `row`."""
    known = state("a", verdict, NOON - age, stamp=stamp, merged=True)
    return plan(of_rows(due), [Expected(part("a"), stamp=row)], {known.partition.key: known}, NOON)


BOTH = changed() | older_than(days=(28, 35))


@pytest.mark.parametrize(
    ("due", "stamp", "row", "age", "why"),
    [
        pytest.param(BOTH, "1", "1", HOUR, "", id="same row, young"),
        pytest.param(BOTH, "1", "2", HOUR, "changed", id="another row"),
        pytest.param(BOTH, "1", "1", 27.99 * DAY, "", id="same row, not yet of age"),
        pytest.param(BOTH, "1", "1", 35 * DAY, "scheduled", id="same row, of age"),
        pytest.param(BOTH, "", "2", HOUR, "", id="stamp not noted"),
        pytest.param(changed(), "1", "1", 3650 * DAY, "", id="no age"),
        pytest.param(older_than(days=2), "1", "2", HOUR, "", id="age alone"),
        pytest.param(older_than(days=2), "1", "1", 2 * DAY, "scheduled", id="age alone, of age"),
    ],
)
def test_a_partition_of_a_row_is_due_when_the_row_is_another_or_at_its_age(due, stamp, row, age, why):
    assert names(stamped(due, stamp, row, age=age).due) == ([("a", why)] if why else [])


def test_what_never_comes_of_age_says_no_time():
    assert stamped(changed(), "1", "1").next is None


def test_a_row_that_changed_waits_for_the_end_of_a_refusal():
    assert stamped(BOTH, "1", "2", verdict="refused").due == ()


@given(st.sets(st.text("abcdefgh", min_size=1), min_size=30, max_size=60))
def test_ages_are_fixed_for_each_partition_and_spread_over_the_span(shelves):
    of = of_rows(BOTH)
    ages = [own_age(of, part(name)) for name in sorted(shelves)]
    assert ages == [own_age(of, part(name)) for name in sorted(shelves)]
    assert all(28 * DAY <= age < 35 * DAY for age in ages)
    assert max(ages) - min(ages) > DAY


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (lambda: older_than(days=(35, 28)), "no span"),
        (lambda: older_than(days=0), "no span"),
        (lambda: older_than(days=1) | older_than(days=2), "two ages"),
        (lambda: feed(due=changed()), "no rows that could change"),
        (lambda: feed(partitions=rows_of(feed(), shelf="id"), due=changed(), settle=DAY), "so does settle"),
    ],
)
def test_a_due_that_cannot_be_is_refused(declared, said):
    with pytest.raises(DeclarationError, match=said):
        declared()


# -- runs that outlast the time between two slots --------------------------------------------------------------------

HALF_HOURS = Cron("*/30 * * * *")


@pytest.mark.parametrize(
    ("began", "minutes", "missed"),
    [
        pytest.param(0, 2, [], id="short"),
        pytest.param(29, 5, [], id="short, over a slot"),
        pytest.param(20, 30, [], id="as long as the interval"),
        pytest.param(0.5, 40, [30], id="longer than the interval"),
        pytest.param(0.5, 29.5, [], id="until just before the next slot would be missed"),
        pytest.param(0.5, 100, [30, 60, 90], id="longer than three"),
    ],
)
def test_slots_are_missed_by_a_run_that_outlasts_the_time_between_them(began, minutes, missed):
    start = NOON + timedelta(minutes=began)
    found = HALF_HOURS.missed(start, start + timedelta(minutes=minutes))
    assert found == [NOON + timedelta(minutes=slot) for slot in missed]


def test_by_distance_nothing_is_missed():
    assert Every(minutes=30).missed(NOON, NOON + DAY) == []


@pytest.mark.parametrize(
    ("pages", "needed"),
    [({}, 4), ({"shelf=a": 7}, 7 + 3 * 7), ({"shelf=a": 7, "shelf=b": 2}, 7 + 2 + 2 * 5), ({"shelf=other": 3}, 12)],
    ids=["none known", "one", "the average, rounded up", "of another"],
)
def test_what_is_due_takes_as_many_calls_as_its_last_pass_took(pages, needed):
    assert calls(planned([]).due, pages) == needed
