"""The feed of changes: each change once and in order, whoever reads it and however often it is broken off."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgi_listener import listening
from demo_feeds import BARS
from filled_store import bar

CHANGES = "/v1/demo/bars/changes"
OPEN = {
    "File": "PRAGMA wal_checkpoint(TRUNCATE)",
    "Server": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'",
}
"""By the kind of database: whether a reader has a transaction open."""


@pytest.fixture
def changed(store):
    """Five revisions: two records come, one changes, one goes, it comes back."""
    store.put(BARS, bar("IBM", "2026-01-01"), revision=1)
    store.put(BARS, bar("IBM", "2026-01-02"), revision=2)
    store.put(BARS, bar("IBM", "2026-01-01", close="140", volume=7), revision=3)
    store.retire(BARS, "IBM,2026-01-02", until="2026-01-31T05:00:00.000000Z", revision=4)
    store.put(BARS, bar("IBM", "2026-01-02"), revision=5)
    return store


def lines(answer) -> list[dict]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def told(answer) -> list[tuple]:
    return [(change["position"], change["kind"], change["key"]) for change in lines(answer)]


def test_what_came_changed_went_and_came_back_is_told_in_its_order(changed, client):
    answer = client.get(CHANGES)
    assert told(answer) == [
        ("1:1", "new", "IBM,2026-01-01"),
        ("2:1", "new", "IBM,2026-01-02"),
        ("3:1", "changed", "IBM,2026-01-01"),
        ("4:1", "gone", "IBM,2026-01-02"),
        ("5:1", "back", "IBM,2026-01-02"),
    ]
    assert answer.headers["x-position"] == "5"
    found = lines(answer)
    assert found[2]["fields"] == ["close", "volume"]
    assert [change.get("record", {}).get("close") for change in found] == ["134", "134", "140", None, "134"]
    assert "record" not in found[3]
    assert client.get(f"/v1/demo/bars/{found[2]['key']}").json()["data"] == found[2]["record"]


def test_an_answer_behind_the_newest_is_empty_and_unchanged(changed, client):
    answer = client.get(f"{CHANGES}?after=5")
    assert (answer.text, answer.headers["x-position"]) == ("", "5")
    again = client.get(f"{CHANGES}?after=5", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    changed.put(BARS, bar("IBM", "2026-01-03"), revision=6)
    assert client.get(f"{CHANGES}?after=5", headers={"if-none-match": answer.headers["etag"]}).status_code == 200


@pytest.mark.parametrize("limit", [2, 3])
def test_pages_follow_each_other_through_a_revision_without_gap_or_double(store, client, limit):
    store.put(BARS, bar("AAA", "2026-01-01"), revision=1)
    for day in range(1, 10):
        store.put(BARS, bar("IBM", f"2026-01-0{day}"), revision=2)
    store.retire(BARS, "AAA,2026-01-01", until="2026-01-31T05:00:00.000000Z", revision=2)
    store.put(BARS, bar("IBM", "2026-01-04", close="1"), revision=3)
    whole = told(client.get(CHANGES))
    assert len(whole) == 1 + (9 + 1) + 1
    found, url = [], f"{CHANGES}?limit={limit}"
    while url:
        answer = client.get(url)
        found += told(answer)
        url = answer.links.get("next", {}).get("url")
        assert answer.headers["x-position"] == (found[-1][0] if url else "3")
    assert found == whole
    for number in range(limit, len(whole), 2):
        assert told(client.get(f"{CHANGES}?after={whole[number - 1][0]}")) == whole[number:]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("after=x", 400),
        ("after=-1", 400),
        ("after=1:0", 400),
        ("after=1:2:3", 400),
        ("limit=0", 400),
        ("limit=1001", 400),
        ("symbol=IBM", 400),
        ("after=6", 410),
        ("after=999999", 410),
    ],
)
def test_what_is_no_position_is_refused(changed, client, query, status):
    answer = client.get(f"{CHANGES}?{query}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_position_before_what_is_kept_is_410_and_a_reset(changed, asgi, client):
    changed.db.execute("UPDATE _collection SET horizon = 3")
    answer = client.get(f"{CHANGES}?after=2")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/history-gone")
    assert "oldest usable position is 3" in answer.json()["detail"]
    assert [kind for _, kind, _ in told(client.get(f"{CHANGES}?after=3"))] == ["gone", "back"]

    async def listen():
        async with listening(asgi, CHANGES, headers={"last-event-id": "2:1"}) as events:
            return await events.rest()

    (event,) = asyncio.run(listen())
    assert (event.kind, event.id) == ("reset", "")
    assert json.loads(event.data)["position"] == "5"


def test_what_is_no_position_is_refused_to_whoever_wants_lines_too(changed, client):
    answer = client.get(f"{CHANGES}?after=0", headers={"last-event-id": "3/q"})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "Last-Event-ID")
    assert told(client.get(CHANGES, headers={"last-event-id": "4"})) == told(client.get(CHANGES))


def test_events_go_on_where_the_last_one_was_and_tell_what_is_new(changed, asgi, client):
    whole = client.get(CHANGES).text.splitlines()

    async def listen():
        async with listening(asgi, CHANGES) as events:
            first = [await events.next() for _ in range(3)]
        async with listening(asgi, f"{CHANGES}?after=0", headers={"last-event-id": first[-1].id}) as events:
            then = [await events.next() for _ in range(2)]
            changed.put(BARS, bar("IBM", "2026-01-09"), revision=6)
            return first + then, await events.next()

    known, new = asyncio.run(listen())
    assert [event.data for event in known] == whole
    assert [event.id for event in known] == ["1:1", "2:1", "3:1", "4:1", "5:1"]
    assert (new.id, json.loads(new.data)["kind"]) == ("6:1", "new")


def test_a_client_that_hears_nothing_new_hears_that(changed, asgi, clock):
    async def listen():
        async with listening(asgi, f"{CHANGES}?after=5") as events:
            assert await events.piece() == b"retry: 1000\n\n"
            clock.advance(timedelta(seconds=15))
            return await events.piece()

    assert asyncio.run(listen()) == b": nothing new\nid: 5\n\n"


def test_a_client_that_takes_nothing_holds_no_snapshot_and_one_page(store, asgi, reader):
    """Of a thousand changes no more is read than is taken, and nothing keeps the file's log from being taken over."""
    store.db.execute("BEGIN")
    for number in range(1000):
        store.put(BARS, bar(f"S{number:04}", "2026-01-01"), revision=1)
    store.db.execute("COMMIT")

    async def listen():
        async with listening(asgi, CHANGES, takes=2) as events:
            await events.full()
            return store.db.execute(OPEN[type(store.database).__name__]).fetchone()[0], len(b"".join(events.taken))

    still_open, taken = asyncio.run(listen())
    assert still_open == 0
    assert 0 < taken < 200 * 400


def test_head_ends_at_once(changed, client):
    answer = client.request("HEAD", CHANGES, headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.content) == (200, b"")
