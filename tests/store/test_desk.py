"""Rejects and drift: noted with the attempt that met them, and asked for by operators."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from shop import START, Shop, app, things

from catchment import DecodeError, Partition, Record
from catchment.choices import new_values
from catchment.clock import FakeClock
from catchment.drift import Drift
from catchment.serve.app import build
from catchment.store.lease import Outcome

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

from asgi_client import Client

ROW = {"id": "a", "value": 1}
MANY = [{"id": str(number), "value": number} for number in range(30)]


def said(*rows: Any) -> list[bytes]:
    return [json.dumps(row).encode() for row in rows]


def drift(there: Shop) -> list[tuple[str, str, str]]:
    return [(item.kind, item.field, item.detail) for item in there.store.desk.drift(["shop/things"])]


@pytest.fixture
def client(here: Shop) -> Iterator[Client]:
    front = build([app], here.place, FakeClock(START))
    yield Client(front, "127.0.0.1")
    front.close()


# -- drift -----------------------------------------------------------------------------------------------------------


def test_what_an_upstream_changed_is_noted_once_with_its_attempt(here):
    here.collect(*said(*MANY))
    assert drift(here) == []
    changed = [{"id": row["id"], "amount": 1} for row in MANY]
    here.collect(*said(*changed))
    found = here.store.desk.drift(["shop/things"])
    assert [(item.kind, item.field, item.partition, item.attempt) for item in found] == [
        ("vanished field", "value", "shelf=one", 2),
        ("new field", "amount", "shelf=one", 2),
    ]
    here.collect(*said(*changed, ROW))
    assert len(drift(here)) == 2


def test_the_first_run_notes_nothing_however_its_partitions_differ(here):
    run = here.store.ledger.begin_run("shop", here.now)
    here.store.ledger.begin_run = lambda *_: run  # both partitions in one run
    here.collect(*said(ROW))
    here.collect(*said({"id": "b", "other": 2}), shelf="two")
    assert drift(here) == []
    del here.store.ledger.begin_run
    here.collect(*said({"id": "b", "third": 2}), shelf="two")
    assert drift(here) == [("new field", "third", "number")]


def test_a_jump_of_volume_is_noted(here):
    here.collect(*said(*MANY))
    here.collect(*said(*MANY[:14]))  # waits until it is said again
    assert drift(here) == []
    here.collect(*said(*MANY[:14]))
    assert drift(here) == [("volume", "", "30 rows, now 14")]


class Chosen(Record):
    id: Literal["a", "b", "c"]
    value: int = 0


chosen = replace(things, record=Chosen)


def test_a_value_that_the_declared_choice_has_not_is_noted_once(here):
    """Its rows are rejects, however few they are among the others."""
    good = [{"id": name, "value": number} for number, name in enumerate("abc" * 10)]
    odd = {"id": "d", "value": 1}
    here.collect(*said(*good, odd), feed=chosen)
    assert drift(here) == [("new value", "id", "d")]
    here.collect(*said(*good[1:], odd, {**odd, "value": 2}), feed=chosen)
    assert drift(here) == [("new value", "id", "d")]
    here.collect(*said(*good, odd, {"id": "e"}, {"id": None}), feed=chosen)
    assert drift(here)[:1] == [("new value", "id", "e")]
    assert len(drift(here)) == 2


def test_a_new_value_is_seen_also_in_an_answer_that_is_held_for_it(here):
    lease = here.claim(feed=chosen)
    page = here.answer(lease, *said(*({"id": str(number)} for number in range(9))))
    with pytest.raises(DecodeError) as caught:
        here.merge(lease, page, feed=chosen)
    assert new_values(chosen, Partition(()), caught.value.sample)[0] == Drift("new value", "id", "0")


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (b'{"id":"a","state":"closed"}', "closed"),
        (b'{"id":"a","state":"open"}', None),
        (b'{"id":"a","state":null}', None),
        (b'{"id":"a"}', None),
        (b'{"id":"a","state":["open"]}', None),
        (b'{"id":"a","state":"%b"}' % (b"x" * 999), "x" * 100),
        (b'{"id":"a","state":"closed","id":"a"}', "closed"),
        (b"[1]", None),
        (b"{broken", None),
    ],
    ids=str,
)
def test_which_values_are_new(row, found):
    class Task(Record):
        id: str
        state: Literal["open", "done"] | None = None

    feed = replace(things, record=Task, counters=())
    shaped = replace(feed, shape=lambda row, _: {"id": row["id"], "state": row["status"]})
    wanted = (Drift("new value", "state", found),) if found else ()
    assert new_values(feed, Partition(()), [row, row]) == wanted
    assert new_values(shaped, Partition(()), [row.replace(b"state", b"status")]) == wanted
    assert new_values(things, Partition(()), [row]) == ()


def test_answers_that_are_held_as_drift_are_noted_with_what_changed_in_them(here):
    here.collect(*said(*MANY))
    lease = here.claim()
    page = here.answer(lease, *said(*({"id": row["id"], "value": "much"} for row in MANY)))
    with pytest.raises(DecodeError) as caught:
        here.merge(lease, page)
    assert caught.value.reason == "drift"
    assert len(caught.value.sample) == 20
    here.store.ledger.finish(lease, Outcome("failed", "drift", sample=caught.value.sample), here.now)
    assert drift(here) == [("type", "value", "number, now text")]


def test_rows_that_are_known_by_their_bytes_are_not_looked_at(here):
    here.collect(*said(*MANY))
    here.store._derived.execute("DELETE FROM _field")
    here.collect(*said(*MANY))
    assert here.rows("SELECT * FROM _field") == []
    here.collect(*said(*MANY, ROW))
    assert here.rows("SELECT name FROM _field ORDER BY name") == [("id",), ("value",)]


def test_drift_is_read_by_operators_newest_first(here, client):
    here.collect(*said(*MANY))
    here.collect(*said({**ROW, "x": 1}, {**ROW, "y": 1}, *MANY))
    first = client.get("/v1/_/drift?limit=1").json()
    assert [item["field"] for item in first["data"]] == ["y"]
    rest = client.get(f"/v1/_/drift?before={first['meta']['next']}&collection=shop/things").json()
    assert [(item["kind"], item["field"], item["detail"]) for item in rest["data"]] == [("new field", "x", "number")]
    assert rest["meta"]["next"] is None
    assert client.get("/v1/_/drift?collection=shop/counted").json()["data"] == []


def test_status_tells_of_drift_for_a_week(here):
    here.collect(*said(*MANY))
    here.collect(*said({**ROW, "x": 1}, *MANY))
    desk, at = here.store.desk, here.now
    assert [item.field for item in desk.drift_since("shop/things", at - timedelta(days=7))] == ["x"]
    assert desk.drift_since("shop/things", at + timedelta(minutes=1)) == []


# -- rejects ---------------------------------------------------------------------------------------------------------


def some_rejects(there: Shop) -> None:
    there.collect(*said(*MANY), b'{"id": "long", "value": "%s"}' % (b"x" * 500), b'{"id": "half \\ud800"}')
    there.collect(*said(ROW, {"id": "b", "value": "1"}), shelf="two")


def test_rejects_are_counted_by_reason_and_place(here, client):
    some_rejects(here)
    body = client.get("/v1/_/rejects").json()
    assert body["meta"]["reasons"][0] == {
        "collection": "shop/things",
        "reason": "Expected `int`, got `str`",
        "path": "value",
        "count": 2,
        "partitions": 2,
    }
    assert len(body["meta"]["reasons"]) == 2
    assert [(item["partition"], item["last_attempt"], item["cut"]) for item in body["data"]] == [
        ("shelf=one", 1, True),
        ("shelf=one", 1, False),
        ("shelf=two", 2, False),
    ]
    assert body["data"][0]["raw"].startswith('{"id": "long", "value": "xxx')
    assert len(body["data"][0]["raw"]) == 200


def test_each_reject_is_reachable_with_all_its_bytes(here, client):
    """Every row that became no record is within reach (I14)."""
    some_rejects(here)
    seen, after = [], 0
    while after is not None:
        page = client.get(f"/v1/_/rejects?limit=1&after={after}").json()
        seen += page["data"]
        after = page["meta"]["next"]
    assert len(seen) == 3
    whole = client.get(f"/v1/_/rejects?id={seen[0]['id']}").json()["data"]
    assert whole[0]["raw"] == '{"id": "long", "value": "%s"}' % ("x" * 500)
    assert client.get("/v1/_/rejects?id=99").json()["data"] == []


def test_what_the_last_answer_no_longer_has_is_not_listed_but_kept(here, client):
    some_rejects(here)
    here.collect(*said(ROW), shelf="two")
    body = client.get("/v1/_/rejects").json()
    assert {item["partition"] for item in body["data"]} == {"shelf=one"}
    assert client.get("/v1/_/rejects?id=3").json()["data"][0]["count"] == 0


WRONG = {
    "an unknown parameter": ("/v1/_/rejects?colour=red", 400, "unknown parameter colour"),
    "one of the other route": ("/v1/_/drift?id=1", 400, "unknown parameter id"),
    "twice": ("/v1/_/rejects?limit=1&limit=2", 400, "given twice"),
    "no number": ("/v1/_/rejects?after=x", 400, "after: is a whole number"),
    "too many": ("/v1/_/rejects?limit=1001", 400, "limit: is a whole number from 1 to 1000"),
    "an unknown collection": ("/v1/_/drift?collection=shop/none", 404, "no such collection"),
    "no app": ("/v1/_/drift?collection=things", 404, "no such collection"),
}


@pytest.mark.parametrize(("url", "status", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_asked_is_said(client, url, status, words):
    answer = client.get(url)
    assert answer.status_code == status
    assert words in answer.text
