"""Statistics, changes, exports and `as_of` of every collection of all five apps, on every engine: they tell of the same
records, and so does what operators are told.
"""

import asyncio
import csv
import io
import json
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from asgi_client import Client, patient_front
from asgi_listener import listening
from collecting import collecting
from marketplace import BODY, GATEWAY, LIMITLESS, NOW, user
from prometheus_client.parser import text_string_to_metric_families
from pyarrow import parquet
from test_engines import ACCESS
from test_engines import NOW as COLLECTED

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.feed import Feed
from catchment.settings import Settings
from catchment.store.tables import collections_of

ZONE = "Australia/Lord_Howe"
"""Half an hour beside the others, and half of one in summer."""
APPS = ("stocks", "police", "episodes", "incidents", "providers")


@contextmanager
def served(name, url, moment, **values):
    front = patient_front(
        [load_app(name)], Settings().with_values("test", {"CATCHMENT_DATABASE": url, **values}), FakeClock(moment)
    )
    try:
        yield front
    finally:
        front.close()


@contextmanager
def collected(name, folder, url):
    with collecting(name, folder, now=COLLECTED, CATCHMENT_DATABASE=url, **ACCESS) as there:
        there.run()
    with served(name, url, COLLECTED) as front:
        yield front


@contextmanager
def written(name, folder, url):
    """Three offers, of which one changed and one went, and reviews of the others."""
    with served(name, url, NOW, CATCHMENT_TRUSTED_GATEWAYS=GATEWAY, **LIMITLESS) as front:
        people = Client(front, GATEWAY)

        def write(method, path, who, **body):
            options = {"json": body} if body else {}
            answer = people.request(method, f"/v1/providers/{path}", headers={"user-id": user(who)}, **options)
            assert answer.status_code < 300, answer.text
            return answer.json()["data"]["_key"] if body else ""

        offers = [write("POST", "providers", who, **BODY | {"name": f"Offer {who}"}) for who in (1, 2, 3)]
        write("PATCH", f"providers/{offers[0]}", 1, cost_in_pence=100)
        write("POST", "reviews", 2, provider=offers[0], skill=None, rating="4.5")
        write("POST", "reviews", 1, provider=offers[1], skill=None, rating="3")
        write("DELETE", f"providers/{offers[2]}", 3)
        yield front


@pytest.mark.both
@pytest.mark.parametrize("name", APPS)
def test_all_that_is_told_of_a_whole_collection_tells_of_the_same_records(name, engine, new_database, tmp_path):
    living = written if name == "providers" else collected
    with living(name, tmp_path / "data", new_database()) as front:
        client, collections = Client(front, "127.0.0.1"), collections_of(load_app(name))
        counts = {item.name: told_alike(client, front, item) for item in collections}
        operated_alike(client, collections, counts)
    assert sum(counts.values()) >= 4, counts


def told_alike(client, front, collection):
    """How many records a collection has, of which everything told the same."""
    root = f"/v1/{collection.name}"
    lines = ask(client, f"{root}.ndjson")
    then = f"as_of={lines.headers['x-revision']}"
    documents = lines.text.splitlines()
    records = {json.loads(line)["_key"]: json.loads(line) for line in documents}
    for at in (then, ""):
        assert ask(client, f"{root}.ndjson?{at}").text.splitlines() == documents
        table = list(csv.DictReader(io.StringIO(ask(client, f"{root}.csv?{at}").text, newline="")))
        assert [row["_key"] for row in table] == list(records)
        typed = parquet.read_table(io.BytesIO(ask(client, f"{root}.parquet?{at}").content))
        assert typed["_key"].to_pylist() == list(records)
        assert typed.column_names == list(table[0]) if table else True
        assert ask(client, f"{root}/stats?{at}").json()["data"] == [{"count()": len(records)}]
        counted_alike(client, root, at, collection, records)
    held, lines = mirrored(client, f"{root}/changes")
    assert held == records
    assert asyncio.run(heard(front, f"{root}/changes", len(lines))) == lines
    return len(records)


def counted_alike(client, root, at, collection, records):
    """The records by a field that everybody reads."""
    name = next(column.name for column in collection.columns if column.kind in ("text", "integer"))
    rows = ask(client, f"{root}/stats?by={name}&limit=10000&{at}").json()["data"]
    assert {row[name]: row["count()"] for row in rows} == Counter(record.get(name) for record in records.values())
    kinds = {column.name: column.kind for column in collection.columns if column.kind in ("date", "datetime")}
    for name in sorted(kinds, key=kinds.get, reverse=True)[:1]:
        zone = f"&zone={ZONE}" if kinds[name] == "datetime" else ""
        rows = ask(client, f"{root}/stats?by=day({name})&limit=10000&{at}{zone}").json()["data"]
        days = Counter(day(record.get(name)) for record in records.values())
        assert {row[f"day({name})"]: row["count()"] for row in rows} == days


def day(text):
    """A date's own, a moment's in the zone."""
    return text and (str(datetime.fromisoformat(text).astimezone(ZoneInfo(ZONE)).date()) if "T" in text else text)


def operated_alike(client, collections, counts):
    """Operators are told of as many records, partitions and revisions."""
    answer = ask(client, "/metrics")
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    lists = ("feeds", "runs", "rejects", "drift", "budgets", "plan", "orders", "audit")
    found = {name: ask(client, f"/v1/_/{name}").json()["data"] for name in lists}
    feeds = [item for item in collections if isinstance(item.feed, Feed)]
    assert [item["collection"] for item in found["feeds"]] == sorted(item.name for item in feeds)
    assert {item["upstream"] for item in found["budgets"]} == {item.feed.upstream.name for item in feeds}
    for item in found["budgets"]:
        assert told.get(("catchment_budget_left", item["upstream"])) == item["left"]
        assert told["catchment_upstream_paused", item["upstream"]] == (item["paused_until"] is not None)
    requests = sum(told.get(("catchment_feed_requests_day", item.name), 0) for item in feeds)
    assert requests == sum(item["requests"] for item in found["runs"])
    assert sum(item["changed"] for item in found["runs"]) == sum(counts[item.name] for item in feeds)
    for item in collections:
        assert told["catchment_revision", item.name] == ask(client, f"/v1/{item.name}").json()["meta"]["revision"]
    for item in feeds:
        partitions = ask(client, f"/v1/_/partitions?collection={item.name}&limit=1000").json()["data"]
        verdicts = Counter(partition["verdict"] or "none" for partition in partitions)
        assert {key[2]: told[key] for key in told if key[:2] == ("catchment_partitions", item.name)} == verdicts
        assert told.get(("catchment_feed_records_day", item.name, "new"), 0) == counts[item.name]
        assert told["catchment_feed_up", item.name] == 1


async def heard(front, url, many):
    """As many lines as there are, from the events."""
    async with listening(front, url) as events:
        found = [await events.next() for _ in range(many)]
    assert [event.id for event in found] == [json.loads(event.data)["position"] for event in found]
    return [event.data for event in found]


def mirrored(client, url):
    """What whoever follows the changes from the beginning holds in the end, and their lines."""
    held, lines = {}, []
    while url:
        answer = ask(client, url)
        lines += answer.text.splitlines()
        for change in map(json.loads, answer.text.splitlines()):
            if change["kind"] == "gone":
                del held[change["key"]]
            else:
                held[change["key"]] = change["record"]
        url = answer.links.get("next", {}).get("url")
    return held, lines


def ask(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer
