"""Sources of partitions: what they expand to, in which order, and under which keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import (
    CONTENT,
    DeclarationError,
    Feed,
    Get,
    Partition,
    Record,
    Setting,
    Upstream,
    counted,
    days,
    each,
    grid,
    listed_by,
    months,
    rows_of,
    when,
)
from catchment.chained import check_values, read_value
from catchment.errors import UsageError
from catchment.partitions import Surroundings, once
from catchment.settings import Settings

NOON = datetime(2024, 3, 15, 12, tzinfo=UTC)
police = Upstream("police", "https://police.example")


class Month(Record):
    force: str
    month: str


class Force(Record):
    id: str
    name: str


availability = Feed("availability", Month, police, request=Get("/dates"), key=("month", "force"))
forces = Feed("forces", Force, police, request=Get("/forces"), key=("id",))


def around(now=NOON, rows=(), **values) -> Surroundings:
    """What a source may look at; rows: of whatever feed is asked for, cut down to the fields asked for."""
    settings = Settings({name: (text, "test") for name, text in values.items()})
    return Surroundings(settings, now, lambda _, fields: [{field: row.get(field) for field in fields} for row in rows])


def with_rows(*rows: tuple[str, str]) -> list[dict[str, str]]:
    """The list's rows: (force, month)."""
    return [{"force": force, "month": month} for force, month in rows]


def keys(source, *args, **options) -> list[str]:
    return [item.partition.key for item in source.expand(around(*args, **options))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(once(), [""], id="once"),
        pytest.param(each(symbol=["IBM", "AAPL"]), ["symbol=IBM", "symbol=AAPL"], id="order of the list"),
        pytest.param(each(symbol="IBM"), ["symbol=IBM"], id="one text"),
        pytest.param(each(symbol=["b", "a", "b"]), ["symbol=b", "symbol=a"], id="none twice"),
        pytest.param(each(str.upper, symbol=["ibm", "IBM"]), ["symbol=IBM"], id="form makes them equal"),
        pytest.param(each(symbol=Setting("SYMBOLS", "a,b")), ["symbol=x", "symbol=y"], id="setting"),
        pytest.param(each(symbol=Setting("OTHER", " a, b,,a")), ["symbol=a", "symbol=b"], id="setting's default"),
        pytest.param(each(symbol=[]), [], id="nothing wanted"),
    ],
)
def test_each_gives_a_partition_for_each_value(source, expected):
    assert keys(source, SYMBOLS="x, y") == expected


def test_a_form_may_refuse_a_value():
    with pytest.raises(UsageError, match=r"year: .*x"):
        keys(each(lambda text: str(int(text)), year=["x"]))


@pytest.mark.parametrize(
    ("now", "options", "expected"),
    [
        pytest.param("2024-03-15T12:00Z", {"count": 3}, ["2024-03", "2024-02", "2024-01"], id="newest first"),
        pytest.param("2024-01-31T12:00Z", {"count": 2}, ["2024-01", "2023-12"], id="over the year's end"),
        pytest.param("2024-01-01T00:00Z", {"count": 1, "lag": 1}, ["2023-12"], id="lag over the year's end"),
        pytest.param("2024-02-29T12:00Z", {"count": 1, "lag": 14}, ["2022-12"], id="lag over two years"),
        pytest.param("2024-06-30T23:30Z", {"count": 1, "zone": "Europe/London"}, ["2024-07"], id="summer time"),
        pytest.param("2024-06-30T23:30Z", {"count": 1}, ["2024-06"], id="the same moment in UTC"),
        pytest.param("2024-07-01T03:30Z", {"count": 1, "zone": "America/New_York"}, ["2024-06"], id="west of UTC"),
        pytest.param("2023-12-31T10:00Z", {"count": 1, "zone": "Pacific/Kiritimati"}, ["2024-01"], id="14 hours ahead"),
    ],
)
def test_months_are_calendar_months_of_their_zone(now, options, expected):
    assert keys(months(**options), datetime.fromisoformat(now)) == [f"month={month}" for month in expected]


@pytest.mark.parametrize(
    ("now", "options", "expected"),
    [
        pytest.param("2024-03-01T12:00Z", {"count": 2}, ["2024-03-01", "2024-02-29"], id="leap day"),
        pytest.param("2024-01-01T12:00Z", {"count": 1, "lag": 1}, ["2023-12-31"], id="lag over the year's end"),
        pytest.param("2024-06-30T23:30Z", {"count": 1, "zone": "Europe/London"}, ["2024-07-01"], id="summer time"),
        pytest.param(
            "2024-03-31T23:30Z",
            {"count": 3, "zone": "Europe/London"},
            ["2024-04-01", "2024-03-31", "2024-03-30"],
            id="a day of 23 hours",
        ),
        pytest.param(
            "2024-10-28T00:30Z",
            {"count": 3, "zone": "Europe/London"},
            ["2024-10-28", "2024-10-27", "2024-10-26"],
            id="a day of 25 hours",
        ),
    ],
)
def test_days_are_calendar_days_of_their_zone(now, options, expected):
    assert keys(days(**options), datetime.fromisoformat(now)) == [f"day={day}" for day in expected]


def test_a_grid_is_every_combination_in_the_order_of_its_sources():
    source = grid(each(force=["a", "b"]), months(count=2))
    found = ["force=a,month=2024-03", "force=a,month=2024-02", "force=b,month=2024-03", "force=b,month=2024-02"]
    assert (keys(source), source.names) == (found, ("force", "month"))


def test_a_grid_keeps_why_a_part_of_it_is_held():
    listed = listed_by(availability, force=["a", "b"])
    source = grid(listed, each(kind=["x", "y"]))
    held = {(item.partition["force"], item.reason) for item in source.expand(around(rows=LIST))}
    assert ("b", "not listed") in held
    assert source.feeds == ("availability",)


LIST = [{"force": "a", "month": "2024-01"}, {"force": "a", "month": "2024-02"}, {"force": "b", "month": "2024-01"}]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(
            ["a", "b"],
            [("a", "2024-02", ""), ("b", "2024-02", "not listed"), ("a", "2024-01", ""), ("b", "2024-01", "")],
            id="newest first, unlisted held",
        ),
        pytest.param(["b"], [("b", "2024-02", "not listed"), ("b", "2024-01", "")], id="one"),
        pytest.param(["c"], [("c", "2024-02", "not listed"), ("c", "2024-01", "not listed")], id="one never listed"),
        pytest.param(["b", "b"], [("b", "2024-02", "not listed"), ("b", "2024-01", "")], id="named twice"),
        pytest.param(
            "all",
            [("a", "2024-02", ""), ("b", "2024-02", "not listed"), ("a", "2024-01", ""), ("b", "2024-01", "")],
            id="all that the list has",
        ),
        pytest.param([], [], id="nothing wanted"),
    ],
)
def test_a_list_says_which_partitions_there_are(wanted, expected):
    found = listed_by(availability, force=wanted).expand(around(rows=LIST))
    assert [(item.partition["force"], item.partition["month"], item.reason) for item in found] == expected


def test_an_empty_list_expects_nothing():
    assert keys(listed_by(availability, force="all")) == []
    assert keys(listed_by(availability, force=["a"])) == []


def test_stored_rows_give_a_partition_each_by_parameter_not_by_field():
    rows = [{"id": "x", "name": "X"}, {"id": "y", "name": "Y"}, {"id": "x", "name": "other"}]
    source = rows_of(forces, force="id")
    assert keys(source, rows=rows) == ["force=x", "force=y"]
    assert (source.names, source.feeds) == (("force",), ("forces",))


names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
params = st.lists(st.tuples(names, st.text(max_size=8)), max_size=3).map(tuple)


@given(params, params)
def test_different_partitions_have_different_keys(one, other):
    assert (Partition(one).key == Partition(other).key) == (one == other)


@given(params)
def test_a_key_can_be_taken_apart_again(pairs):
    text = Partition(pairs).key
    parts = [item.partition("=") for item in text.split(",")] if text else []
    assert tuple((name, unquote(value)) for name, _, value in parts) == pairs


def test_the_marks_of_a_key_are_escaped_in_values():
    assert Partition((("q", "a,b=c%2C"),)).key == "q=a%2Cb%3Dc%252C"


def test_a_partition_answers_by_name():
    partition = Partition((("force", "a"), ("month", "2024-01")))
    assert (partition["month"], partition.names) == ("2024-01", ("force", "month"))
    with pytest.raises(KeyError):
        partition["day"]


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ({}, True),
        ({"force": ["a"]}, True),
        ({"force": ["b", "a"], "month": ["2024-01"]}, True),
        ({"force": ["a"], "month": ["2024-02"]}, False),
        ({"day": ["1"]}, False),
        ({"force": []}, False),
    ],
)
def test_a_partition_matches_where_every_named_value_is_wanted(only, found):
    assert Partition((("force", "a"), ("month", "2024-01"))).matches(only) is found


class Loose(Record):
    text: str


@pytest.mark.parametrize(
    ("declare", "words"),
    [
        pytest.param(each, ["each", "one named parameter"], id="each of nothing"),
        pytest.param(lambda: each(a=["x"], b=["y"]), ["each", "one named parameter"], id="each of two"),
        pytest.param(lambda: each(Symbol=["x"]), ["each", "one named parameter"], id="each with a capital"),
        pytest.param(lambda: months(count=0), ["months", "count 0"], id="no months"),
        pytest.param(lambda: months("Month", count=1), ["months", "Month"], id="month's name"),
        pytest.param(lambda: months(count=1, zone="Mars/Base"), ["months", "Mars/Base"], id="zone of months"),
        pytest.param(lambda: months(count=1, zone="../etc"), ["months", "../etc"], id="zone that is a path"),
        pytest.param(lambda: days(count=-1), ["days", "count -1"], id="negative days"),
        pytest.param(lambda: days(count=1, zone=""), ["days", "no time zone"], id="zone of days"),
        pytest.param(lambda: grid(each(a=["x"])), ["grid", "two or more"], id="grid of one"),
        pytest.param(lambda: grid(each(a=["x"]), each(a=["y"])), ["grid", "different"], id="grid of one name"),
        pytest.param(lambda: rows_of(forces), ["rows_of(forces)", "no field"], id="rows of no field"),
        pytest.param(lambda: rows_of(forces, id="imdb_id"), ["rows_of(forces)", "imdb_id", "id, name"], id="rows"),
        pytest.param(lambda: listed_by(availability), ["listed_by(availability)", "names no value"], id="list"),
        pytest.param(lambda: listed_by(availability, town=["x"]), ["listed_by(availability)", "town"], id="list's key"),
        pytest.param(
            lambda: listed_by(Feed("loose", Loose, police, request=Get("/"), key=CONTENT), text=["x"]),
            ["listed_by(loose)", "no key by fields"],
            id="list without key",
        ),
    ],
)
def test_a_wrong_source_says_what_is_wrong(declare, words):
    with pytest.raises(DeclarationError) as caught:
        declare()
    for word in words:
        assert word in str(caught.value)


# -- counted --------------------------------------------------------------------------------------------------------


class Show(Record):
    id: str
    seasons: int | None
    title: str | None


shows = Feed("shows", Show, police, request=Get("/shows"), key=("id",))
SEASONS = counted(rows_of(shows, show="id"), season="seasons", most=3)


def seasons(rows, collected=()) -> list[tuple[str, str, bool]]:
    """Key, reason and whether it is on trial. collected: keys that were collected before."""
    here = around(rows=rows)
    known = Surroundings(here.settings, here.now, here.rows, lambda partition: partition.key in collected)
    return [(item.partition.key, item.reason, item.probe) for item in SEASONS.expand(known)]


def test_a_row_is_counted_up_to_its_number():
    rows = [{"id": "a", "seasons": "2"}, {"id": "b", "seasons": "0"}, {"id": "c", "seasons": "-1"}]
    assert seasons(rows) == [("show=a,season=1", "", False), ("show=a,season=2", "", False)]


def test_a_number_above_the_most_is_cut_and_said():
    found = seasons([{"id": "a", "seasons": "1000000"}])
    assert [reason for _, reason, _ in found] == ["", "", "", "more than 3"]


@pytest.mark.parametrize(
    ("collected", "expected"),
    [
        ([], [("show=a,season=1", "", True)]),
        (["show=a,season=1"], [("show=a,season=1", "", False), ("show=a,season=2", "", True)]),
        ([f"show=a,season={number}" for number in (1, 2, 3)], [(f"show=a,season={n}", "", False) for n in (1, 2, 3)]),
    ],
    ids=["nothing collected", "one collected", "the most collected"],
)
def test_a_row_without_a_number_is_counted_one_further_than_is_known(collected, expected):
    assert seasons([{"id": "a", "seasons": None}], collected) == expected


def test_a_row_that_leaves_a_parameter_null_has_no_partition():
    titles = rows_of(shows, title="title")
    assert keys(titles, rows=[{"title": None}, {"title": "Lost"}]) == ["title=Lost"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (lambda: counted(each(show="a"), season="seasons", most=3), "counts rows_of"),
        (lambda: counted(rows_of(shows, show="id"), season="title", most=3), "title is no whole number of shows"),
        (lambda: counted(rows_of(shows, show="id"), show="seasons", most=3), "a parameter of its rows already"),
        (lambda: counted(rows_of(shows, show="id"), season="seasons", most=0), "at least 1"),
    ],
)
def test_what_cannot_be_counted_is_refused(declared, said):
    with pytest.raises(DeclarationError, match=said):
        declared()


def test_the_stamp_is_another_when_a_row_is():
    source = rows_of(shows, show="id")
    one, other, both = (
        [item.stamp for item in source.expand(around(rows=rows))]
        for rows in (
            [{"id": "a", "_hash": "01"}],
            [{"id": "a", "_hash": "02"}],
            [{"id": "a", "_hash": "02"}, {"id": "a", "_hash": "01"}],
        )
    )
    assert (one, other, both) == (["01"], ["02"], ["01,02"])


# -- an upstream's own list ----------------------------------------------------------------------------------------

YEAR = months("month", count=2, zone="Europe/London")
BY_LIST = listed_by(
    availability,
    months=YEAR,
    known=(each(force=["kent", "gwent"]), rows_of(forces, force="id")),
    force=Setting("FORCES", "kent"),
)
PUBLISHED = with_rows(("kent", "2024-01"), ("kent", "2023-11"), ("gwent", "2023-12"))


def months_of(rows, *, named=None, unread: bool = False, forces: str = "kent") -> list[tuple[str, str, str]]:
    """Month, why it is held and what the list says of it, of one force."""
    here = around(rows=rows, FORCES=forces)
    found = replace(here, named=named or {}, unread=lambda _: unread)
    return [(item.partition["month"], item.reason, item.partition.listing) for item in BY_LIST.expand(found)]


HELD = "not listed"
LISTINGS = {
    "what the list has": (PUBLISHED, {}, [("2024-01", "", ""), ("2023-12", HELD, "unlisted"), ("2023-11", "", "")]),
    "a newer month is named": (
        PUBLISHED,
        {"named": {"month": ["2024-02"]}},
        [("2024-02", HELD, "newer"), ("2024-01", "", ""), ("2023-12", HELD, "unlisted"), ("2023-11", "", "")],
    ),
    "an older month is named": (
        PUBLISHED[:1],
        {"named": {"month": ["2020-01"]}},
        [("2024-01", "", ""), ("2020-01", HELD, "older")],
    ),
    "an old list": (
        PUBLISHED[:1],
        {"unread": True},
        [("2024-03", "", "unknown"), ("2024-02", "", "unknown"), ("2024-01", "", "")],
    ),
    "no list that could be read": ([], {"unread": True}, [("2024-03", "", "unknown"), ("2024-02", "", "unknown")]),
    "no list yet": ([], {}, []),
    "no list yet, a month is named": ([], {"named": {"month": ["2024-02"]}}, [("2024-02", "", "unknown")]),
}


@pytest.mark.parametrize(("rows", "options", "expected"), LISTINGS.values(), ids=LISTINGS)
def test_what_a_list_says_goes_with_the_partition(rows, options, expected):
    assert months_of(rows, **options) == expected


def test_what_the_list_says_is_no_part_of_what_a_partition_is():
    params = (("month", "2024-01"),)
    assert Partition(params) == Partition(params, "older")
    assert len({Partition(params), Partition(params, "older")}) == 1


@pytest.mark.parametrize(
    ("now", "two_before"),
    [
        ("2026-01-31T12:00Z", "2025-11"),
        ("2026-02-28T12:00Z", "2025-12"),
        ("2026-03-31T12:00Z", "2026-01"),
        ("2026-01-01T12:00Z", "2025-11"),
        # 00:30 of British summer time on the first: there it is the new month already.
        ("2026-06-30T23:30Z", "2026-05"),
        ("2026-01-31T23:30Z", "2025-11"),
    ],
)
@pytest.mark.parametrize("source", [YEAR, BY_LIST, grid(each(force=["kent"]), YEAR)], ids=["months", "list", "grid"])
def test_a_month_may_be_named_by_its_distance(now, two_before, source):
    """Acceptance 1 of police."""
    moment = datetime.fromisoformat(now)
    assert read_value(source, "month", "-2", moment) == two_before
    assert read_value(source, "force", "-2", moment) == "-2"


@pytest.mark.parametrize("text", ["2023-13", "2023-1", "2023-00", "2", "-", "-x", "+2", "2023-01-01", "２023-01", ""])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(UsageError, match="is no month"):
        read_value(YEAR, "month", text, NOON)


def test_a_month_that_is_named_is_asked_for_though_it_is_not_among_the_newest():
    found = replace(around(), named={"month": ["2019-01"]})
    assert [item.partition.key for item in YEAR.expand(found)] == ["month=2019-01"]


VALUES = {
    "known besides the list": (["gwent"], "kent", []),
    "in the list alone": (["btp"], "kent", with_rows(("btp", "2024-01"))),
    "a row of another feed": (["new"], "kent", [{"id": "new", **with_rows(("kent", "2024-01"))[0]}]),
}


@pytest.mark.parametrize(("named", "forces", "rows"), VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("before", [True, False])
def test_a_value_is_taken_that_is_known_in_any_way(named, forces, rows, before):
    here = replace(around(rows=rows, FORCES=",".join(named)), named={"force": named})
    check_values(BY_LIST, here, "police/stops", before=before)


@pytest.mark.parametrize(("named", "said"), [({"force": ["atlantis"]}, "by "), ({}, "by, FORCES ")])
def test_a_value_that_nobody_knows_is_refused_before_anything_is_asked(named, said):
    here = replace(around(FORCES="atlantis"), named=named)
    with pytest.raises(UsageError, match=f"force=atlantis is not in the list that police/stops is collected {said}"):
        check_values(BY_LIST, here, "police/stops", before=True)


def test_a_list_alone_is_believed_only_when_it_has_been_asked_for():
    source = listed_by(availability, force=Setting("FORCES", "kent"))
    here = replace(around(rows=with_rows(("kent", "2024-01")), FORCES="new"), named={"force": ["new"]})
    check_values(source, here, "police/stops", before=True)
    with pytest.raises(UsageError, match="force=new is not in the list"):
        check_values(source, here, "police/stops", before=False)


def test_months_that_the_list_does_not_have_are_refused():
    with pytest.raises(DeclarationError, match="day is none of the list's months"):
        listed_by(availability, months=months("day", count=1), force="kent")


def test_a_source_is_on_and_off_by_a_setting():
    source = when(Setting("EVENTS", "no"), each(symbol=Setting("SYMBOLS", "IBM,AAPL")))
    assert list(source.expand(around())) == []
    assert [item.partition.key for item in source.expand(around(EVENTS="yes"))] == ["symbol=IBM", "symbol=AAPL"]
    assert (source.names, source.settings) == (("symbol",), {"symbol": "SYMBOLS"})
    with pytest.raises(UsageError, match="EVENTS=perhaps is neither yes nor no"):
        list(source.expand(around(EVENTS="perhaps")))
