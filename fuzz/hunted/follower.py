"""A consumer of changes as somebody would write one: it mirrors a collection into a file of its own.

    python follower.py PORT PATH MIRROR (lines|events) UNTIL

A change and its position are stored together, so that it goes on after any end. A line is printed when it begins and
after each commit; it ends by itself when it stands at the revision UNTIL.
"""

import json
import sqlite3
import sys
from collections.abc import Iterator
from http.client import HTTPConnection

AT_A_TIME = 7
"""Changes of one commit: a kill falls into the middle of pages and of commits."""


def main(port: int, path: str, mirror: str, way: str, until: int) -> None:
    database = sqlite3.connect(mirror, isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, record TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS told (position TEXT PRIMARY KEY, line TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS here (position TEXT)")
    row = database.execute("SELECT position FROM here").fetchone()
    print("here", flush=True)
    changes = {"lines": by_lines, "events": by_events}[way](port, path, row[0] if row else "0", until)
    for some in changes:
        database.execute("BEGIN")
        for position, line in some:
            apply(database, position, line)
        database.execute("COMMIT")
        print(len(some), flush=True)


def apply(database: sqlite3.Connection, position: str, line: str) -> None:
    change = json.loads(line) if line else {"kind": "", "key": ""}
    if line:
        database.execute("INSERT INTO told VALUES (?, ?)", (position, line))  # one that came twice is an error
    if change["kind"] == "gone":
        database.execute("DELETE FROM records WHERE key = ?", (change["key"],))
    elif line:
        record = line[line.index(',"record":') + 10 : -1]
        database.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", (change["key"], record))
    database.execute("DELETE FROM here")
    database.execute("INSERT INTO here VALUES (?)", (position,))


def by_lines(port: int, path: str, position: str, until: int) -> Iterator[list[tuple[str, str]]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    while int(position.partition(":")[0]) < until or ":" in position:
        connection.request("GET", f"{path}?after={position}&limit=50", headers={"Accept": "application/x-ndjson"})
        answer = connection.getresponse()
        lines = answer.read().decode().splitlines()
        assert answer.status == 200, (answer.status, lines)
        told = [(json.loads(line)["position"], line) for line in lines]
        yield from (told[start : start + AT_A_TIME] for start in range(0, len(told), AT_A_TIME))
        position = answer.headers["X-Position"]
        yield [(position, "")]


def by_events(port: int, path: str, position: str, until: int) -> Iterator[list[tuple[str, str]]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Accept": "text/event-stream", "Last-Event-ID": position})
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    found: list[tuple[str, str]] = []
    event: dict[str, str] = {}
    while int(position.partition(":")[0]) < until:
        line = answer.readline().decode().rstrip("\n")
        if line and not line.startswith(":"):
            name, _, event[name] = line.partition(": ")
        elif "data" in event:
            assert event["event"] == "change", event
            position = event["id"]
            found.append((position, event["data"]))
            event = {}
        if len(found) == AT_A_TIME:
            yield found
            found = []
    yield found
    yield from by_lines(port, path, position, until)  # what is left of the last revision


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
