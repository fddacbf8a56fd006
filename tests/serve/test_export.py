"""Whole lists as files: each of one revision, whoever writes meanwhile, and in pieces."""

import asyncio
import csv
import io
import json
import os
from pathlib import Path

import pytest
from asgi_listener import listening
from demo_feeds import BARS, NOTES, Note
from filled_store import bar
from forkserver import Ended, run

from catchment.store.export import AT_A_TIME

EXPORT = "/v1/demo/bars"
MANY = 2 * AT_A_TIME + 1


@pytest.fixture
def many(store):
    store.put_all(BARS, [bar(f"S{number:05}", "2026-01-01") for number in range(MANY)])
    return store


def test_lines_are_the_records_of_the_list(store, client):
    for day in range(1, 6):
        store.put(BARS, bar("IBM", f"2026-01-0{day}", volume=day), revision=day)
    answer = client.get(f"{EXPORT}.ndjson?volume__gt=2&sort=-date&fields=date,close")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["x-revision"] == "5"
    assert answer.headers["content-disposition"] == 'attachment; filename="demo-bars.ndjson"'
    listed = client.get(f"{EXPORT}?volume__gt=2&sort=-date&fields=date,close").json()["data"]
    assert [json.loads(line) for line in answer.text.splitlines()] == listed
    assert client.get(f"{EXPORT}.ndjson?volume__gt=100").text == ""


def test_an_export_of_then_is_what_was_then(store, client):
    store.put(BARS, bar("IBM", "2026-01-01", close="1"), revision=1)
    store.put(BARS, bar("IBM", "2026-01-01", close="2"), revision=2)
    assert json.loads(client.get(f"{EXPORT}.ndjson?as_of=1").text)["close"] == "1"
    assert json.loads(client.get(f"{EXPORT}.ndjson").text)["close"] == "2"
    store.db.execute("UPDATE _collection SET horizon = 2")
    assert client.get(f"{EXPORT}.ndjson?as_of=1").status_code == 410


def test_a_table_is_read_back_as_it_was_and_starts_no_formula(store, client):
    """Advisory A21: a cell that a spreadsheet would take for a formula."""
    texts = ["=1+1", "+44", "-x", "@now", "\tx", "-12.5", "a,b", 'say "x"', "two\r\nlines", "", None, "é"]
    for number, text in enumerate(texts, 1):
        store.put(NOTES, Note(text, -1.5, True, None, ["a", "=b"]), nr=number)
    answer = client.get("/v1/demo/notes.csv?fields=text,score,ok,at,tags")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert head == ["_key", "text", "score", "ok", "at", "tags"]
    safe = ["'=1+1", "'+44", "'-x", "'@now", "'\tx", "-12.5", *texts[6:10], "", "é"]
    assert [row[1] for row in rows] == safe
    assert {tuple(row[2:]) for row in rows} == {("-1.5", "true", "", '["a","=b"]')}
    by_line = answer.text.split("\r\n")
    assert sum(',"",-1.5' in line for line in by_line) == sum(",,-1.5" in line for line in by_line) == 1  # "" and null


def test_what_is_written_meanwhile_is_not_in_it(many, asgi):
    async def listen():
        async with listening(asgi, f"{EXPORT}.ndjson", accept="*/*") as answer:
            found = await answer.piece() + await answer.piece()
            many.put(BARS, bar("S00000", "2026-01-01", close="7"), revision=2)
            many.put(BARS, bar(f"S{MANY - 1:05}", "2026-01-01", close="7"), revision=2)
            many.put(BARS, bar("S99999", "2026-01-01"), revision=2)
            many.retire(BARS, f"S{MANY - 2:05},2026-01-01", until="2026-02-01T00:00:00.000000Z", revision=3)
            while (piece := await answer.piece()) is not None:
                found += piece
            return found.decode()

    records = [json.loads(line) for line in asyncio.run(listen()).splitlines()]
    assert [record["symbol"] for record in records] == [f"S{number:05}" for number in range(MANY)]
    assert {record["close"] for record in records} == {"134"}


def test_a_client_that_leaves_ends_it(many, asgi):
    """The application's task ends, and no more than one piece was read beyond what was taken."""

    async def listen():
        async with listening(asgi, f"{EXPORT}.ndjson", accept="*/*", takes=2) as answer:
            await answer.full()
        return b"".join(answer.taken)

    assert asyncio.run(listen()).count(b"\n") <= 2 * AT_A_TIME


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{EXPORT}.csv?limit=1", 400),
        (f"{EXPORT}.csv?cursor=x", 400),
        (f"{EXPORT}.csv?nothing=1", 400),
        (f"{EXPORT}.csv?as_of=99", 400),
        (f"{EXPORT}.xlsx", 404),
        ("/v1/demo/none.csv", 404),
    ],
)
def test_what_is_no_export_is_refused(store, client, path, status):
    assert client.get(path).status_code == status


def test_head_says_what_it_would_be_and_a_known_one_is_not_sent_again(store, client):
    store.put(BARS, bar("IBM", "2026-01-01"))
    answer = client.request("HEAD", f"{EXPORT}.csv")
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.get(f"{EXPORT}.csv", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_the_command_writes_the_same_file(store, client, tmp_path):
    for day in range(1, 6):
        store.put(BARS, bar("IBM", f"2026-01-0{day}", volume=day), revision=day)

    def export(*arguments: str) -> Ended:
        return run(Path(__file__).parent, ["export", *arguments], os.environ | store.values)

    file = tmp_path / "bars.csv"
    done = export("demo_feeds:app/bars", "--where", "volume__gt=2", "--as-of", "4", "-o", str(file))
    assert (done.code, done.out) == (0, ""), done.err
    assert file.read_bytes() == client.get(f"{EXPORT}.csv?volume__gt=2&as_of=4").content
    assert list(tmp_path.glob("*.part")) == []
    wrong = export("demo_feeds:app/nothing")
    assert (wrong.code, "there are bars, notes" in wrong.err) == (2, True)
