"""How numbers are spread, which values most records have, and where they are: on every engine."""

from __future__ import annotations

from decimal import Decimal

import pytest
from demo_feeds import BARS
from filled_store import bar

from catchment.errors import QueryError
from catchment.store.query import parse
from catchment.store.spread import bounds, most, placed, spread

COLUMN = {column.name: column for column in BARS.columns}
CLOSES = ["-12.5", "0", "0.1", "3", "3", "100"]


@pytest.fixture
def ask(store, reader):
    """A function from one of the questions, the parameters of a list and what else it takes to its answer."""
    for number, close in enumerate(CLOSES):
        store.put(BARS, bar("IBM" if number % 3 else "AAPL", f"2026-01-{number + 1:02d}", "7.5", close, volume=number))
    store.put(BARS, bar("IBM", "2026-01-30", "8", None, volume=-5))
    store.put(BARS, bar("IBM", "2026-01-06", "7.5", "4", volume=5), revision=2, said_at="2026-02-01T00:00:00.000000Z")

    def ask(question, column, pairs=(), *rest):
        with reader.snapshot() as snapshot:
            return question(snapshot, BARS, column, parse(pairs, BARS.columns), *rest)

    return ask


def test_bounds_are_those_of_the_records_that_match(ask):
    assert ask(bounds, COLUMN["close"]) == (Decimal("-12.5"), Decimal(4))
    assert ask(bounds, COLUMN["volume"], [("symbol", "AAPL")]) == (0, 3)
    assert ask(bounds, COLUMN["close"], [("volume__lt", "0")]) is None
    assert ask(bounds, COLUMN["close"], [("as_of", "1")]) == (Decimal("-12.5"), Decimal(100))


def test_every_value_lies_between_two_edges(ask):
    edges = [Decimal(0), Decimal(3), Decimal("3.5")]
    assert ask(spread, COLUMN["close"], [], edges) == [1, 2, 2, 1]
    assert ask(spread, COLUMN["close"], [("symbol", "IBM")], edges) == [0, 2, 1, 1]
    assert ask(spread, COLUMN["volume"], [], [0, 2, 4]) == [1, 2, 2, 2]
    assert ask(spread, COLUMN["close"], [("as_of", "1")], [Decimal(50)]) == [5, 1]


def test_the_most_frequent_values_come_first_and_no_value_is_one(ask):
    assert ask(most, COLUMN["symbol"], [], 5) == [("IBM", 5), ("AAPL", 2)]
    assert ask(most, COLUMN["close"], [("volume__lt", "1")], 5)[0] == (None, 1)
    assert len(ask(most, COLUMN["volume"], [], 3)) == 3


def test_places_are_counted_once_each(ask):
    axes = (COLUMN["close"], COLUMN["open"])
    found = ask(placed, axes, [], 10)
    assert sorted((one, other, count) for one, other, count, _ in found) == [
        (-12.5, 7.5, 1),
        (0.0, 7.5, 1),
        (0.1, 7.5, 1),
        (3.0, 7.5, 2),
        (4.0, 7.5, 1),
    ]
    assert next(key for one, _, _, key in found if one == 3.0) == "AAPL,2026-01-04"
    assert len(ask(placed, axes, [], 2)) == 2


def test_what_is_no_longer_kept_is_not_counted(ask):
    with pytest.raises(QueryError):
        ask(most, COLUMN["symbol"], [("as_of", "9")], 5)
