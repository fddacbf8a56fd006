"""Which questions a declared counter answers."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from catchment import App, Counter, Feed, Get, Record, Upstream
from catchment.store.counters import answering, terms_for
from catchment.store.statistics import parse_statistics
from catchment.store.tables import collection_of


class Bar(Record):
    symbol: str
    date: date
    at: datetime
    close: Decimal | None
    volume: int


bars = Feed(
    "bars",
    Bar,
    Upstream("somewhere", "https://api.example.org"),
    request=Get("/bars"),
    key=("symbol", "date"),
    counters=[
        Counter(by=("symbol", "month(date)"), of=("close",)),
        Counter(by=("symbol",), of=("close",)),
        Counter(by=("hour(at)", "date")),
    ],
)
BARS = collection_of(App("demo", feeds=[bars]), bars)

ANSWERED = {
    "": 1,
    "by=symbol": 1,
    "by=symbol&of=avg(close),sum(close),count(close),count(),count(volume)": 1,
    "by=symbol&symbol__startswith=I&sort=-count()": 1,
    "by=month(date),symbol": 0,
    "by=quarter(date)&symbol__in=IBM,AAPL": 0,
    "by=year(date)": 0,
    "by=week(date)": 2,
    "by=date": 2,
    "by=day(at)": 2,
    "by=hour(at)&date=2024-03-01": 2,
    "by=month(date)&date__gte=2024-03-01&date__lt=2024-06-01&of=sum(close)": 0,
    "at__gte=2024-03-01T12:00:00Z": 2,
    "at__gte=2024-03-01T12:30:00Z": None,
    "by=symbol&date__gte=2024-03-02": None,
    "by=symbol&date__gt=2024-03-01": None,
    "by=day(at)&zone=Europe/London": None,
    "by=at": None,
    "of=sum(volume)": None,
    "of=max(close)": None,
    "of=count(close)&by=date": None,
    "volume=1": None,
    "as_of=1": None,
}


@pytest.mark.parametrize(("asked", "number"), ANSWERED.items(), ids=ANSWERED)
def test_a_question_is_answered_by_the_counter_of_the_fewest_parts_that_tells_it(asked, number):
    pairs = [tuple(part.split("=", 1)) for part in asked.split("&") if part]
    assert answering(BARS, parse_statistics(pairs, BARS.columns)) == number


def test_whole_stretches_of_time_are_compared_as_they_are_kept():
    asked = parse_statistics([("date__gte", "2024-03-01"), ("date__lt", "2025-01-01")], BARS.columns)
    terms = terms_for(BARS, 0, asked.where.terms)
    assert sorted((term.column, term.operator, term.values) for term in terms) == [
        ("date__month", "gte", ("2024-03",)),
        ("date__month", "lt", ("2025-01",)),
    ]
