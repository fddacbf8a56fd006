"""Statistics, changes, exports and `as_of` of every collection of all five apps, on every engine: they tell of the same
records.
"""

import csv
import io
import json
from collections import Counter
from contextlib import contextmanager

import pytest
from asgi_client import Client
from collecting import collecting
from marketplace import BODY, GATEWAY, LIMITLESS, NOW, user
from pyarrow import parquet
from test_engines import ACCESS
from test_engines import NOW as COLLECTED

from catchment.app import load_app
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.tables import collections_of

APPS = ("stocks", "police", "episodes", "incidents", "providers")


@contextmanager
def served(name, url, moment, **values):
    front = build(
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
        yield Client(front, "127.0.0.1")


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
        yield Client(front, "127.0.0.1")


@pytest.mark.parametrize("name", APPS)
def test_all_that_is_told_of_a_whole_collection_tells_of_the_same_records(name, engine, new_database, tmp_path):
    living = written if name == "providers" else collected
    with living(name, tmp_path / "data", new_database()) as client:
        counts = {item.name: told_alike(client, item) for item in collections_of(load_app(name))}
    assert sum(counts.values()) >= 4, counts


def told_alike(client, collection):
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
    assert mirrored(client, f"{root}/changes") == records
    return len(records)


def counted_alike(client, root, at, collection, records):
    """The records by a field that everybody reads."""
    name = next(column.name for column in collection.columns if column.kind in ("text", "integer"))
    rows = ask(client, f"{root}/stats?by={name}&limit=10000&{at}").json()["data"]
    assert {row[name]: row["count()"] for row in rows} == Counter(record.get(name) for record in records.values())


def mirrored(client, url):
    """What whoever follows the changes from the beginning holds in the end."""
    held = {}
    while url:
        answer = ask(client, url)
        for change in map(json.loads, answer.text.splitlines()):
            if change["kind"] == "gone":
                del held[change["key"]]
            else:
                held[change["key"]] = change["record"]
        url = answer.links.get("next", {}).get("url")
    return held


def ask(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return answer
