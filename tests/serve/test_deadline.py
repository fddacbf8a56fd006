"""A question that no index serves is cut at its deadline, and the answer says what to declare."""

import pytest
from asgi_client import Client
from demo_feeds import BARS, app
from filled_store import bar

from catchment.serve.app import build
from catchment.store.query import index_for, parse

ROWS = 30_000
URL = "/v1/demo/bars"


@pytest.fixture
def large(store):
    """One bar, and very many that have its fields and keys of their own."""
    store.put(BARS, bar("IBM", "2026-01-01"))
    names = [name for name in store.db.columns(BARS.table) if name not in ("_id", "_key")]
    copied = ", ".join(f'"{name}"' for name in names)
    store.db.execute(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        f" INSERT INTO {BARS.table} (_key, {copied}) SELECT 'S' || i, {copied} FROM n, {BARS.table}"
    )
    return store


def test_a_question_that_takes_too_long_says_which_index_would_serve_it(large, settings, clock):
    hurried = build([app], settings, clock, deadline_s=0.001)
    answer = Client(hurried, "127.0.0.1").get(f"{URL}?volume=7&sort=-open")
    hurried.close()
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/query-too-slow")
    assert "Feed(indexes=[('volume', '-open')])" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0
    patient = build([app], settings, clock, deadline_s=60)
    assert Client(patient, "127.0.0.1").get(f"{URL}?volume=7&sort=-open").json()["meta"]["count"] == 0
    patient.close()


def test_statistics_that_take_too_long_say_which_counter_would_serve_them(large, settings, clock):
    hurried = build([app], settings, clock, deadline_s=0.001)
    asked = "by=symbol,month(date)&of=sum(volume),distinct(open)&close__gt=0"
    answer = Client(hurried, "127.0.0.1").get(f"{URL}/stats?{asked}")
    hurried.close()
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/query-too-slow")
    declared = "Feed(counters=[Counter(by=('symbol', 'month(date)', 'close'), of=('volume',))])"
    assert declared in answer.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({"volume": "7"}, ("volume",)),
        ({"volume": "7", "sort": "-open"}, ("volume", "-open")),
        ({"volume__gte": "7", "sort": "-open"}, ("volume",)),
        ({"sort": "-open,volume"}, ("-open", "volume")),
    ],
    ids=str,
)
def test_the_index_has_what_is_fixed_first(asked, index):
    assert index_for(parse(asked.items(), BARS.columns)) == index
