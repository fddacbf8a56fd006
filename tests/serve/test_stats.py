"""Statistics over HTTP: what may be asked, in which words it is refused, and what stands in the answer."""

from datetime import UTC, datetime

import pytest
from demo_feeds import BARS, NOTES, Note
from filled_store import bar

from catchment.errors import QueryError
from catchment.store.statistics import FUNCTIONS, PARAMETERS, groups_of, measures_of, parse_statistics
from catchment.store.stretches import beginning, prefix, read_zone

STATS = "/v1/demo/bars/stats"


@pytest.fixture
def bars(store):
    """Four bars of two symbols in two months, one with no close."""
    store.put(BARS, bar("IBM", "2026-01-02", "133.25", "0.1", 2**62))
    store.put(BARS, bar("IBM", "2026-01-30", "133.50", None, 2**62))
    store.put(BARS, bar("IBM", "2026-02-02", "-0.01", "0.2", 10))
    store.put(BARS, bar("AAPL", "2026-02-27", "100", "0.30", 1))
    return store


def told(client, query, path=STATS):
    answer = client.get(f"{path}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


ANSWERED = {
    "": [{"count()": 4}],
    "?by=symbol": [{"symbol": "AAPL", "count()": 1}, {"symbol": "IBM", "count()": 3}],
    "?by=symbol&sort=-count()&limit=1": [{"symbol": "IBM", "count()": 3}],
    "?of=sum(close),count(close),avg(open)": [{"sum(close)": "0.6", "count(close)": 3, "avg(open)": "91.685"}],
    "?of=sum(volume),avg(volume)&date__lt=2026-02-01": [{"sum(volume)": 2**63, "avg(volume)": str(2**62)}],
    "?of=min(open),max(open),min(date),distinct(symbol)": [
        {"min(open)": "-0.01", "max(open)": "133.5", "min(date)": "2026-01-02", "distinct(symbol)": 2}
    ],
    "?by=quarter(date)": [{"quarter(date)": "2026-01-01", "count()": 4}],
    "?by=month(date)&of=avg(close)&symbol=IBM": [
        {"month(date)": "2026-01-01", "avg(close)": "0.1"},
        {"month(date)": "2026-02-01", "avg(close)": "0.2"},
    ],
    "?by=close&sort=-close": [
        {"close": text, "count()": 1} for text in ("0.3", "0.2", "0.1", None)
    ],
    "?symbol=none&of=sum(open),avg(open),max(open),count()": [
        {"sum(open)": None, "avg(open)": None, "max(open)": None, "count()": 0}
    ],
    "?by=symbol&symbol=none": [],
    "?of=avg(open)&date__gt=2026-01-10": [{"avg(open)": "77.83"}],
}  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), ANSWERED.items(), ids=ANSWERED)
def test_what_is_asked_is_answered(bars, client, query, expected):
    assert told(client, query) == expected


def test_a_mean_has_34_digits_rounded_to_even(bars, client):
    assert told(client, "?of=avg(close)&close__isnull=false&symbol=IBM") == [{"avg(close)": "0.15"}]
    bars.put(BARS, bar("X", "2026-03-02", close="1"))
    bars.put(BARS, bar("X", "2026-03-03", close="1"))
    bars.put(BARS, bar("X", "2026-03-04", close="0"))
    assert told(client, "?of=avg(close)&symbol=X") == [{"avg(close)": "0." + "6" * 33 + "7"}]


def test_meta_says_how_many_groups_there_are(bars, client):
    meta = client.get(f"{STATS}?by=date&limit=2").json()["meta"]
    assert (meta["groups"], meta["revision"]) == (4, 1)


def test_it_is_asked_of_then_as_of_now(bars, client):
    before = told(client, "?by=symbol&of=sum(open)")
    bars.put(BARS, bar("IBM", "2026-01-02", "1"), revision=2, said_at="2026-02-01T04:00:00.000000Z")
    assert told(client, "?by=symbol&of=sum(open)") != before
    for then in ("1", "2026-01-31T12:00:00Z"):
        assert told(client, f"?by=symbol&of=sum(open)&as_of={then}") == before
    assert client.get(f"{STATS}?as_of=9").status_code == 400


def test_a_client_that_has_the_answer_is_told_so_until_something_changes(bars, client):
    tag = client.get(f"{STATS}?by=symbol").headers["etag"]
    same = {"if-none-match": tag}
    assert client.get(f"{STATS}?by=symbol", headers=same).status_code == 304
    assert client.get(f"{STATS}?by=date", headers=same).status_code == 200
    bars.put(BARS, bar("IBM", "2026-03-02"), revision=2)
    assert client.get(f"{STATS}?by=symbol", headers=same).status_code == 200


def test_a_record_of_that_name_is_read_with_a_letter_escaped(bars, client):
    assert client.get("/v1/demo/bars/%73tats").json()["type"] == "/problems/not-found"


REFUSED = {
    "by=open_price": "by: 'open_price' is no field and no stretch of time of one; the nearest is open",
    "by=hour(date)": "by: date has no hour: it is a date",
    "by=decade(date)": "by: decade is no stretch of time; there are hour, day, week, month, quarter, year",
    "by=month(symbol)": "by: symbol has no month: it is a text",
    "by=symbol,symbol": "by: names one twice",
    "by=": "by: ''",
    "by=" + ",".join(["symbol"] * 9): "by: more than 8",
    "of=sum(symbol)": "of: 'sum(symbol)' is nothing that is told of a group",
    "of=sum()": "of: 'sum()'",
    "of=median(open)": "of: 'median(open)' is nothing that is told of a group; the nearest is min(open)",
    "by=symbol&sort=open": "sort: 'open' is no part of by or of",
    "zone=Mars/Base&by=month(date)": "zone: 'Mars/Base' is no time zone",
    "zone=../../etc/passwd&by=month(date)": "zone: '../../etc/passwd' is no time zone",
    "zone=Europe/London&by=month(date)": "zone: by has no stretch of time of a moment",
    "limit=0": "limit: '0' is not a whole number from 1 to 10000",
    "cursor=x": "unknown parameter cursor",
    "by=symbol&by=date": "by is given twice",
    "as_of=x": "as_of: 'x'",
    "symbo1=IBM": "unknown parameter symbo1; the nearest is symbol",
}


@pytest.mark.parametrize(("query", "words"), REFUSED.items(), ids=[text[:40] for text in REFUSED])
def test_what_cannot_be_asked_is_told_by_its_parameter(bars, client, query, words):
    answer = client.get(f"{STATS}?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_a_list_makes_no_groups(client):
    assert "tags makes no groups: it is a list" in client.get("/v1/demo/notes/stats?by=tags").json()["detail"]


def test_floating_numbers_add_up_to_the_nearest_in_whatever_order(store, client):
    for number, score in enumerate((1e16, 1.0, -1e16, 0.1, None)):
        store.put(NOTES, Note("a", score, None, None, []), nr=number)
    ((total, mean),) = (row.values() for row in told(client, "?of=sum(score),avg(score)", "/v1/demo/notes/stats"))
    assert (total, mean) == (1.1, 0.275)
    for number in (5, 6):
        store.put(NOTES, Note("huge", 1.7e308, None, None, []), nr=number)
    answer = client.get("/v1/demo/notes/stats?of=sum(score)&text=huge")
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "of")


MOMENTS = ("2024-03-31T00:30:00Z", "2024-03-31T01:30:00Z", "2024-10-26T23:30:00Z", "2024-10-27T00:30:00Z", None)
ZONED = {
    "hour(at)&zone=Europe/London": [
        (None, 1),
        ("2024-03-31T00:00:00Z", 1),
        ("2024-03-31T02:00:00+01:00", 1),
        ("2024-10-27T00:00:00+01:00", 1),
        ("2024-10-27T01:00:00+01:00", 1),
    ],
    "hour(at)&zone=Asia/Kolkata": [
        (None, 1),
        *((f"{text}:00:00+05:30", 1) for text in ("2024-03-31T06", "2024-03-31T07", "2024-10-27T05", "2024-10-27T06")),
    ],
    "day(at)&zone=Europe/London": [(None, 1), ("2024-03-31", 2), ("2024-10-27", 2)],
    "day(at)": [(None, 1), ("2024-03-31", 2), ("2024-10-26", 1), ("2024-10-27", 1)],
    "week(at)&zone=America/New_York": [(None, 1), ("2024-03-25", 2), ("2024-10-21", 2)],
    "quarter(at)&zone=Pacific/Auckland": [(None, 1), ("2024-01-01", 2), ("2024-10-01", 2)],
    "year(at)&zone=UTC": [(None, 1), ("2024-01-01", 4)],
}


@pytest.mark.parametrize(("by", "expected"), ZONED.items(), ids=ZONED)
def test_stretches_of_time_begin_where_the_zone_has_them(store, client, by, expected):
    for number, text in enumerate(MOMENTS):
        at = None if text is None else datetime.fromisoformat(text).astimezone(UTC)
        store.put(NOTES, Note(None, None, None, at, []), nr=number)
    assert [tuple(row.values()) for row in told(client, f"?by={by}", "/v1/demo/notes/stats")] == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Africa/Monrovia", "1971-12-31T23:50:00", "1971-12-31"),  # 44 minutes and 30 seconds behind, until 1972
        ("Africa/Monrovia", "1971-06-02T00:44:29", "1971-06-01"),
        ("Africa/Monrovia", "1971-06-02T00:44:30", "1971-06-02"),
        ("Europe/Amsterdam", "1936-12-31T23:40:27", "1936-12-31"),  # 19 minutes and 32 seconds before, until 1937
        ("Europe/Amsterdam", "1936-12-31T23:40:28", "1937-01-01"),
    ],
    ids=str,
)
def test_zones_that_are_off_by_seconds_are_told_to_the_second(name, text, expected):
    zone = read_zone(name)
    assert "substr(@, 1, 19)" in prefix("day", zone)
    assert beginning("day", zone)(text).isoformat() == expected


@pytest.mark.parametrize("collection", [BARS, NOTES], ids=lambda item: item.name)
@pytest.mark.once
def test_the_description_names_everything_that_may_be_asked(client, collection):
    operation = client.get("/openapi.json").json()["paths"][f"/v1/{collection.name}/stats"]["get"]
    said = {item["name"]: item for item in operation["parameters"] if item["in"] == "query"}
    assert set(PARAMETERS) <= set(said)
    assert said["by"]["schema"]["items"]["enum"] == groups_of(collection.columns)
    assert said["of"]["schema"]["items"]["enum"] == measures_of(collection.columns)
    for text in groups_of(collection.columns):
        assert parse_statistics([("by", text)], collection.columns).by
    for text in measures_of(collection.columns):
        assert parse_statistics([("of", text)], collection.columns).of
    with pytest.raises(QueryError):
        parse_statistics([("of", "count(nothing)")], collection.columns)
    assert all(f"`{function.name}(field)`" in said["of"]["description"] for function in FUNCTIONS)
