"""Charts as shapes: scales, marks and places, as pure functions of numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catchment.errors import QueryError
from catchment.explorer import choices, drawing, places
from catchment.explorer.drawing import Point
from catchment.explorer.places import Place
from catchment.record import Column

COLUMNS = [
    Column("symbol", "text", nullable=False),
    Column("date", "date", nullable=False),
    *(Column(name, "decimal", nullable=False) for name in choices.PRICES),
    Column("volume", "integer", nullable=True),
]


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("low", "high", "count", "found"),
    [
        pytest.param(0, 100, 5, [0, 20, 40, 60, 80, 100], id="round already"),
        pytest.param(3, 97, 5, [0, 20, 40, 60, 80, 100], id="outwards"),
        pytest.param(-1.2, 1.1, 5, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5], id="around nothing"),
        pytest.param(7, 7, 5, [6, 8], id="one value"),
        pytest.param(0, 0, 5, [0, 0.2], id="nothing"),
    ],
)
def test_marks_are_round_and_span_the_values(low, high, count, found):
    marks = drawing.steps(low, high, count)
    assert marks == pytest.approx(found)
    assert marks[0] <= low <= high <= marks[-1]


@pytest.mark.parametrize(
    ("value", "words"), [(0.1 + 0.2, "0.3"), (12500, "12\N{NARROW NO-BREAK SPACE}500"), (-0.0, "0"), (2.5e6, "2.5 M")]
)
def test_a_mark_is_said_in_few_signs(value, words):
    assert drawing.figure(value) == words


def test_a_line_is_broken_where_there_is_no_value():
    points = [Point(day(1), 0), Point(day(2), 10), Point(day(3), None), Point(day(4), 5)]
    picture = drawing.lines([("", points)], from_0=True)
    assert picture.lines[0].path.count("M") == 2
    assert picture.lines[0].path.count("L") == 1
    low, high = picture.lines[0].dots[0][1], picture.lines[0].dots[1][1]
    assert (low, high) == (drawing.HEIGHT - drawing.BOTTOM, drawing.TOP)


def test_bars_are_as_long_as_what_they_say():
    picture = drawing.rows([("a", 10, "a: 10", "/a"), ("b", 5, "b: 5", "/b"), ("c", -5, "c: -5", "/c")])
    full, half, below = picture.bars
    assert full.width == pytest.approx(2 * half.width, abs=0.2)
    assert below.x < full.x == pytest.approx(below.x + below.width, abs=0.2)


def test_a_histogram_stands_between_its_edges():
    picture = drawing.columns([(4, "4", ""), (0, "0", ""), (2, "2", "")], ["0", "1", "2", "3"])
    assert [bar.height for bar in picture.bars] == [280, 0, 140]
    assert picture.bars[0].x < picture.bars[1].x < picture.bars[2].x
    assert [tick.words for tick in picture.across] == ["0", "1", "2", "3"]


def test_a_candle_says_all_four_prices():
    (up, down) = drawing.candles([(day(1), 2, 4, 1, 3, ""), (day(2), 3, 4, 1, 2, "")]).candles
    assert (up.rising, down.rising) == (True, False)
    assert up.high < up.top < up.top + up.height < up.low
    assert (up.top, up.height) == (down.top, down.height)


# -- places ------------------------------------------------------------------------------------------------------------


def test_near_places_are_one_spot_and_nothing_is_lost():
    found = [Place(51 + number / 1000, -1 + number / 1000, 3, str(number)) for number in range(40)]
    found.append(Place(55.0, -3.0, 2, "far"))
    clusters = places.clusters(found, places.frame(found))
    assert [cluster.count for cluster in clusters] == [120, 2]
    near = clusters[0]
    assert (near.south, near.west, near.north, near.east) == (51, -1, 51.039, -0.961)
    assert clusters[1].key == "far"


def test_spots_keep_their_distance():
    found = [Place(50 + number % 20 / 10, number // 20 / 10, 1, "") for number in range(400)]
    spots = [(cluster.x, cluster.y) for cluster in places.clusters(found, places.frame(found))]
    apart = min(abs(x - a) + abs(y - b) for x, y in spots for a, b in spots if (x, y) != (a, b))
    assert len(spots) > 20
    assert apart >= places.CELL


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([Place(51.5, -0.1, 1, "")], id="one place"),
        pytest.param([Place(-80, -170, 1, ""), Place(80, 170, 1, "")], id="the world"),
        pytest.param([Place(10, 0, 1, ""), Place(60, 0, 1, "")], id="high"),
    ],
)
def test_every_place_is_on_the_sheet(found):
    shown = places.frame(found)
    assert places.FLAT <= shown.height <= places.TALL
    for place in found:
        assert 0 <= shown.across.at(place.longitude) <= drawing.WIDTH
        assert 0 <= shown.up.at(place.latitude) <= shown.height
    assert places.degrees(shown.across, 6)


def test_a_place_has_two_fields():
    numbers = [Column("lat", "number", nullable=True), Column("lng", "decimal", nullable=True)]
    assert places.axes(numbers) == ("lat", "lng")
    assert places.axes([Column("lat", "text", nullable=True), numbers[1]]) is None


# -- what is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "drawn"),
    [
        pytest.param([], ("candles", "date", "", "", "count()"), id="what tells most"),
        pytest.param(
            [("_draw", "time"), ("by", "symbol,week(date)"), ("of", "avg(close)")],
            ("time", "date", "week", "symbol", "avg(close)"),
            id="a line each",
        ),
        pytest.param([("_draw", "bars")], ("bars", "symbol", "", "", "count()"), id="the first field"),
        pytest.param(
            [("_draw", "histogram"), ("by", "volume")], ("histogram", "volume", "", "", "count()"), id="numbers"
        ),
    ],
)
def test_an_address_asks_for_a_chart_and_is_its_own(address, drawn):
    choice = choices.read([("volume__gt", "1"), *address], COLUMNS)
    assert (choice.draw, choice.on, choice.step, choice.split, choice.of) == drawn
    assert choice.where == (("volume__gt", "1"),)
    assert choices.read(choice.pairs, COLUMNS) == choice


def test_a_form_is_led_to_the_address_of_statistics():
    form = [("_draw", "time"), ("_on", "date"), ("_step", "month"), ("_split", "symbol"), ("_of", "sum(volume)")]
    assert choices.asked(form) == [("_draw", "time"), ("by", "symbol,month(date)"), ("of", "sum(volume)")]
    assert choices.asked([("_draw", "time"), ("_on", "date"), ("_step", ""), ("_of", "count()")]) == [
        ("_draw", "time"),
        ("by", "date"),
    ]


@pytest.mark.parametrize(
    "address",
    [
        [("_draw", "pie")],
        [("_draw", "map")],
        [("_draw", "time"), ("by", "volume")],
        [("_draw", "time"), ("by", "minute(date)")],
        [("_draw", "time"), ("by", "close,date")],
        [("_draw", "bars"), ("of", "median(close)")],
        [("_draw", "bars"), ("by", "a,b,symbol")],
    ],
    ids=lambda address: " ".join(value for _, value in address),
)
def test_what_these_fields_do_not_make_is_refused(address):
    with pytest.raises(QueryError):
        choices.read(address, COLUMNS)


def test_fields_offer_the_charts_that_they_make():
    assert choices.offered([Column("day", "date", nullable=False)]) == {"time": ["day"], "bars": ["day"]}
