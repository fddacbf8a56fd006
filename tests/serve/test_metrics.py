"""What the service says of itself to operators: vital signs, runs, budgets."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from demo_feeds import BARS
from filled_store import COLLECTED, bar
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
LIST = "/v1/demo/bars"
ORDER = ("feed", "collection", "upstream", "state", "verdict", "kind", "route", "method", "status", "le")


def metrics(client) -> dict[str, float]:
    """Name and labels -> value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {
        " ".join([sample.name, *map(sample.labels.get, sorted(sample.labels, key=ORDER.index))]): sample.value
        for sample in samples
    }


@pytest.fixture
def attempted(store):
    """Two attempts: one just ended, one the day before yesterday, each of a run of its own."""
    for number, ended in ((2, COLLECTED), (3, "2026-01-29T04:00:00.000000Z")):
        store.db.execute("INSERT INTO _run (id, app, owner, started_at) VALUES (?, 'demo', 'me', ?)", (number, ended))
        store.db.execute(
            'INSERT INTO _attempt (id, run, feed, partition, pass, started_at, ended_at, verdict, requests, "new",'
            " same, rejected) VALUES (?, ?, 'demo/bars', 'all=1', 1, ?, ?, 'complete', 3, 5, 7, 1)",
            (number, number, ended, ended),
        )
    return store


def test_what_a_day_brought_how_old_it_is_and_what_is_late_is_told(attempted, client, clock):
    attempted.partition(BARS, "all=2", verdict="failed", collected_at=None, first_collected_at=None)
    told = metrics(client)
    assert told["catchment_feed_up demo/bars"] == 0
    assert told["catchment_feed_age_seconds demo/bars"] == 8 * 3600
    assert told["catchment_feed_partitions_late demo/bars missing"] == 1
    assert told["catchment_partitions demo/bars failed"] == told["catchment_partitions demo/bars complete"] == 1
    assert told["catchment_feed_requests_day demo/bars"] == 3
    kinds = {kind: told[f"catchment_feed_records_day demo/bars {kind}"] for kind in ("new", "same", "rejected")}
    assert kinds == {"new": 5, "same": 7, "rejected": 1}
    assert told["catchment_revision demo/bars"] == 1
    attempted.partition(BARS, "all=2")
    clock.advance(timedelta(seconds=1))
    assert metrics(client)["catchment_feed_up demo/bars"] == 1


def test_answers_are_counted_by_route_and_those_from_memory_apart(store, client, clock):
    key = store.put(BARS, bar("IBM", "2026-01-01"))
    for path in (LIST, LIST, f"{LIST}/{key}", f"{LIST}/{key}/history", f"{LIST}/{key}/history", f"{LIST}/none", "/no"):
        client.get(path)
    told = metrics(client)
    requests = {name.partition(" ")[2]: count for name, count in told.items() if name.startswith("catchment_requests")}
    assert requests == {
        "/v1/{app}/{name} GET 200": 2,
        "/v1/{app}/{name}/{key} GET 200": 1,
        "/v1/{app}/{name}/{key}/history GET 200": 2,
        "/v1/{app}/{name}/{key} GET 404": 1,
        "none GET 404": 1,
    }
    hits = [name for name, count in told.items() if name.startswith("catchment_cache_hits") and count]
    assert hits == [f"catchment_cache_hits_total {LIST_ROUTE} GET 200" for LIST_ROUTE in FROM_MEMORY]
    assert told["catchment_request_seconds_count /v1/{app}/{name} GET 200"] == 2
    assert told["catchment_request_seconds_bucket /v1/{app}/{name} GET 200 +Inf"] == 2
    client.request("MADEUP", LIST)
    clock.advance(timedelta(seconds=1))
    assert not any("MADEUP" in name for name in metrics(client)), "a client makes up no labels"


FROM_MEMORY = ("/v1/{app}/{name}", "/v1/{app}/{name}/{key}/history")


def test_only_operators_are_told(store, connect):
    assert connect("192.0.2.7").get("/metrics").status_code == 401
    assert connect("192.0.2.7").get("/v1/_/budgets").status_code == 401


def test_the_dashboard_and_the_documents_name_what_there_is(attempted, client, clock):
    client.get(LIST)
    clock.advance(timedelta(seconds=2))
    told = set(re.findall(r"^# TYPE (\w+)", client.get("/metrics").text, re.MULTILINE))
    documented = set(
        re.findall(r"^\| `(catchment_\w+)`", (ROOT / "docs/reference/metrics.md").read_text(), re.MULTILINE)
    )
    assert documented == told
    dashboard = json.loads((ROOT / "docs/grafana/catchment.json").read_text())
    asked = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    assert {re.sub("_bucket$", "", name) for name in re.findall(r"catchment_\w+", asked)} == told


def test_runs_come_in_pages_newest_first(attempted, client):
    first = client.get("/v1/_/runs?limit=1").json()
    (run,) = first["data"]
    assert (run["id"], run["app"], run["requests"], run["changed"]) == (3, "demo", 3, 5)
    rest = client.get(f"/v1/_/runs?app=demo&before={first['meta']['next']}").json()
    assert ([item["id"] for item in rest["data"]], rest["meta"]["next"]) == ([2], None)
    assert client.get("/v1/_/runs?app=none").status_code == 404
    assert client.get("/v1/_/runs?colour=red").status_code == 400


def test_budgets_say_what_is_left_and_until_when_an_upstream_is_left_alone(store, client):
    upstream = BARS.feed.upstream.name
    later = "2026-02-01T00:00:00.000000Z"
    store.db.execute(
        "INSERT INTO _budget (upstream, name, period, used, until, reason) VALUES (?, 'pause', '', 0, ?, 'asked to')",
        (upstream, later),
    )
    (found,) = [item for item in client.get("/v1/_/budgets").json()["data"] if item["upstream"] == upstream]
    assert (found["paused_until"], found["reason"]) == (later, "asked to")
    assert metrics(client)[f"catchment_upstream_paused {upstream}"] == 1
