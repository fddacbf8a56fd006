"""A real database with the real tables, filled by plain SQL as a collector would leave it."""

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
import zstandard
from demo_feeds import BARS, NOTES, Bar

from catchment.feed import CONTENT
from catchment.record import Record, stored_values, to_stored
from catchment.store.engines import Database, database_of
from catchment.store.schema import LEDGER
from catchment.store.tables import OWN, Collection, current_table, version_table

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
COLLECTED = "2026-01-31T04:00:00.000000Z"


def tables(collections: Sequence[Collection] = (BARS, NOTES)) -> list[sa.Table]:
    """The ledger's tables and those of the collections."""
    metadata = sa.MetaData()
    own = [table(item, metadata) for item in collections for table in (current_table, version_table)]
    return [*LEDGER.sorted_tables, *own]


def make_tables(database: Database, collections: Sequence[Collection] = (BARS, NOTES)) -> None:
    """Has a database have them."""
    with closing(database.open()) as sql:
        sql.create(tables(collections))


class FilledStore:
    """The store as a collector would leave it, one statement at a time."""

    def __init__(self, url: str, folder: Path, collections: Sequence[Collection] = (BARS, NOTES)) -> None:
        self.database = database_of(url)
        self.values = {"CATCHMENT_DATABASE": url, "CATCHMENT_DATA": str(folder)}
        self.db = self.database.open()
        self.db.create(tables(collections))
        self.db.execute("INSERT INTO _meta VALUES ('cursor-key', ?)", ("ab" * 32,))
        for collection in collections:
            self.db.execute("INSERT INTO _collection VALUES (?, 1, 1, 0, 'm', ?)", (collection.name, COLLECTED))
            self.partition(collection, "all=1")
        self.body(b'[{"symbol": "IBM"}]', "d" * 64)

    def close(self) -> None:
        self.db.close()

    def partition(self, collection: Collection, key: str, **values: object) -> None:
        row = {"verdict": "complete", "collected_at": COLLECTED, "first_collected_at": COLLECTED} | values
        row |= {"feed": collection.name, "key": key, "params": json.dumps([key.split("=")]), "digest": ""}
        row |= {"checked_at": COLLECTED}
        marks = ", ".join("?" * len(row))
        self.db.execute("DELETE FROM _partition WHERE feed = ? AND key = ?", (row["feed"], row["key"]))
        self.db.execute(f"INSERT INTO _partition ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))

    def body(self, content: bytes, digest: str) -> None:
        half = len(content) // 2
        for chunk, data in enumerate((content[:half], content[half:])):
            packed = zstandard.compress(data)
            self.db.execute("INSERT INTO _body VALUES (?, ?, ?, ?)", (digest, chunk, len(data), packed))
        values = (
            "demo/bars",
            "all=1",
            1,
            1,
            "f",
            "GET",
            "/bars",
            200,
            '{"etag":"x"}',
            digest,
            len(content),
            9,
            COLLECTED,
        )
        self.db.execute(
            "INSERT INTO _exchange (feed, partition, pass, attempt, fingerprint, method, url, status, headers, digest,"
            f" size, wire, at) VALUES ({', '.join('?' * 13)})",
            values,
        )
        self.db.execute(
            "INSERT INTO _attempt (id, run, feed, partition, pass, started_at)"
            " VALUES (1, 7, 'demo/bars', 'all=1', 1, '')"
        )

    def put(
        self, collection: Collection, record: Record, *, revision: int = 1, said_at: str = COLLECTED, nr: int = 1
    ) -> str:
        """Stores a record as the current version of its key, moving the one before it to the versions."""
        key = _key(collection, record, nr)
        version = self._retire(collection, key, said_at, revision, gone=0) + 1
        self._insert(collection, [_row(record, key, version, said_at, revision)])
        self.commit(collection, revision, at=said_at)
        return key

    def put_all(self, collection: Collection, records: Sequence[Record]) -> None:
        """Stores many records at once, where there is none yet."""
        rows = [_row(record, _key(collection, record, nr), 1, COLLECTED, 1) for nr, record in enumerate(records)]
        self.db.execute("BEGIN")
        self._insert(collection, rows)
        self.commit(collection, 1)
        self.db.execute("COMMIT")

    def _insert(self, collection: Collection, rows: Sequence[tuple[object, ...]]) -> None:
        self.db.insert(collection.table, [*OWN, *(column.name for column in collection.columns), "_doc"], rows)

    def _retire(self, collection: Collection, key: str, until: str, revision: int, *, gone: int) -> int:
        names = ", ".join(f'"{name}"' for name in [*OWN, *(column.name for column in collection.columns), "_doc"])
        self.db.execute(
            f"INSERT INTO {collection.versions} ({names}, _until, _until_revision, _gone)"
            f" SELECT {names}, ?, ?, ? FROM {collection.table} WHERE _key = ?",
            (until, revision, gone, key),
        )
        self.db.execute(f"DELETE FROM {collection.table} WHERE _key = ?", (key,))
        found = self.db.execute(f"SELECT max(_version) FROM {collection.versions} WHERE _key = ?", (key,)).fetchone()
        return found[0] or 0

    def retire(self, collection: Collection, key: str, *, until: str, revision: int) -> None:
        self._retire(collection, key, until, revision, gone=1)
        self.commit(collection, revision, at=until)

    def commit(self, collection: Collection, revision: int, *, at: str = COLLECTED) -> None:
        self.db.execute("UPDATE _collection SET revision = ? WHERE name = ?", (revision, collection.name))
        self.db.execute(
            "INSERT INTO _commit VALUES (?, 1, ?, ?, '', 1) ON CONFLICT DO NOTHING",
            (collection.name, revision, max(at, COLLECTED)),
        )


def _key(collection: Collection, record: Record, nr: int) -> str:
    """The record's key; nr: which of those that are their content it is."""
    if collection.feed.key is CONTENT:
        return f"{nr:032x}-1"
    texts = [str(to_stored("text", getattr(record, name))) for name in collection.feed.key]
    return ",".join(quote(text, safe=":") for text in texts)


def _row(record: Record, key: str, version: int, said_at: str, revision: int) -> tuple[object, ...]:
    """A record as it is stored."""
    document = '{"_key":' + json.dumps(key) + "," + _json(record)[1:]
    return (key, "all=1", b"", b"", version, said_at, revision, 1, 1, *stored_values(type(record))(record), document)


def _json(record: Record) -> str:
    return msgspec.json.encode(record).decode()


def bar(symbol: str, day: str, price: str = "133.25", close: str | None = "134", volume: int = 1000) -> Bar:
    return Bar(symbol, date.fromisoformat(day), Decimal(price), None if close is None else Decimal(close), volume)
