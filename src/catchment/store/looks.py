"""How contradictions are looked for in what is stored: by a statement, or by an own look where none can tell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import zstandard

from ..decode import from_document
from ..record import stored_values, to_stored
from ..resource import Resource
from .engines import Connection, Rows
from .erasing import erased_of
from .rollups import kept, recomputed
from .tables import Collection

__all__ = [
    "Find",
    "asked",
    "bodies",
    "brought_back",
    "by_sql",
    "came_from",
    "documents",
    "half_erased",
    "integrity",
    "lists",
    "owners",
    "rejects",
    "rollups",
]

Find = Callable[[Connection, Any], Iterable[str]]
"""The contradictions that a rule finds in a collection (None: in the ledger as a whole), in words."""


_STATES = {
    "@neighbours": "(SELECT every.*, lag(_version) OVER w AS before, lag(_hash) OVER w AS hash_before,"
    " lag(_gone) OVER w AS gone_before, lag(_said_at) OVER w AS said_before, lag(_until) OVER w AS until_before,"
    " lag(_until_revision) OVER w AS revision_before FROM @all"
    " WINDOW w AS (PARTITION BY _key ORDER BY _version)) AS neighbours",
    "@all": "(SELECT _key, _version, _hash, _said_at, _revision, _until, _until_revision, _gone FROM @versions"
    " UNION ALL SELECT _key, _version, _hash, _said_at, _revision, NULL, NULL, 0 FROM @rows) AS every",
}
"""Words of the statements below: all versions of a collection, and each beside the one before it."""


def asked(sql: Connection, statement: str, collection: Collection | None) -> Rows:
    """What a statement gives; `@rows` and `@versions` are the collection's tables, `:name` is its name."""
    if collection is None:
        return sql.execute(statement)
    names = {"@rows": f'"{collection.table}"', "@versions": f'"{collection.versions}"'}
    for word, meaning in (_STATES | names).items():
        statement = statement.replace(word, meaning)
    return sql.execute(statement, {"name": collection.name})


def by_sql(statement: str) -> Find:
    """A rule whose contradictions are the rows of a statement, each a text."""

    def find(sql: Connection, collection: Collection | None) -> Iterator[str]:
        yield from (str(text) for (text,) in asked(sql, statement, collection))

    return find


def integrity(sql: Connection, _: Collection | None) -> Iterator[str]:
    """What the database's own check finds."""
    yield from sql.faults()


def bodies(sql: Connection, _: Collection | None) -> Iterator[str]:
    """Bodies that cannot be read back, or are others than their digests say."""
    unpack = zstandard.ZstdDecompressor().decompress
    for (digest,) in sql.execute("SELECT DISTINCT digest FROM _body"):
        chunks = sql.execute(
            "SELECT chunk, size, data FROM _body WHERE digest = ? ORDER BY chunk", (digest,)
        ).fetchall()
        found = hashlib.sha256()
        try:
            for number, (chunk, size, data) in enumerate(chunks):
                piece = unpack(data)
                if (chunk, size) != (number, len(piece)):
                    raise ValueError
                found.update(piece)
        except (zstandard.ZstdError, ValueError):
            yield f"body {digest[:16]} cannot be read back"
            continue
        if found.hexdigest() != digest:
            yield f"body {digest[:16]} is another one"


def documents(sql: Connection, collection: Collection) -> Iterator[str]:
    """Records whose columns are not what their documents say."""
    read, values_of = from_document(collection.feed.record), stored_values(collection.feed.record)
    names = ", ".join(f'"{column.name}"' for column in collection.columns)
    rows = sql.execute(f'SELECT _key, _doc, {names} FROM "{collection.table}"')  # noqa: S608 (declared names)
    for key, doc, *values in rows:
        record = read(doc)
        if record is None:
            continue  # of another declaration, which `status` tells of
        if not doc.startswith(f'{{"_key":"{key}"') or values_of(record) != tuple(values):
            yield f"{key}: its columns are not what its document says"


def lists(sql: Connection, collection: Collection) -> Iterator[str]:
    """Records whose elements, kept apart, are not those of their documents."""
    if not isinstance(collection.feed, Resource):
        return
    read = from_document(collection.feed.record)
    records = {key: read(doc) for key, doc in sql.execute(f'SELECT _key, _doc FROM "{collection.table}"')}  # noqa: S608
    for name, elements in collection.feed.elements.items():
        table = f"{collection.table}__{name}"
        stored: dict[str, list[tuple[Any, ...]]] = {}
        for key, _, *values in sql.execute(f'SELECT * FROM "{table}" ORDER BY _key, _place'):  # noqa: S608
            stored.setdefault(key, []).append(tuple(values))
        for key in records.keys() | stored.keys():
            items = getattr(records.get(key), name, None) or []
            said = [tuple(to_stored(part.kind, getattr(item, part.name, item)) for part in elements) for item in items]
            if said != stored.get(key, []):
                yield f"{key}: its elements of {name} are not those of its document"


def rollups(sql: Connection, collection: Collection) -> Iterator[str]:
    """Groups whose counts and sums are not those that counting anew gives."""
    if not isinstance(collection.feed, Resource):
        return
    for number in range(len(collection.feed.rollups)):
        there, counted = kept(sql, collection, number), recomputed(sql, collection, number)
        for group in sorted(there.keys() | counted.keys()):
            if there.get(group) != counted.get(group):
                yield f"roll-up {number} {group}: is {there.get(group)}, counted anew {counted.get(group)}"


_origins = by_sql(
    "SELECT r._key || ': version ' || r._version || ' has no ' ||"
    " CASE WHEN a.id IS NULL THEN 'attempt ' || r._attempt ELSE 'answer ' || r._exchange END"
    " FROM (SELECT _key, _version, _attempt, _exchange FROM @rows UNION ALL"
    " SELECT _key, _version, _attempt, _exchange FROM @versions) r"
    " LEFT JOIN _attempt a ON a.id = r._attempt AND a.feed = :name"
    " LEFT JOIN _exchange e ON e.id = r._exchange AND e.feed = :name WHERE a.id IS NULL OR e.id IS NULL"
)
_partitions = by_sql(
    "SELECT _key || ': is of partition ' || _partition || ', which there is not' FROM @rows WHERE _partition NOT IN"
    " (SELECT key FROM _partition WHERE feed = :name)"
)
_WITHOUT_AUTHOR = "SELECT _key || ': has no author' FROM @rows WHERE coalesce(_author, '') = ''"


def came_from(sql: Connection, collection: Collection) -> Iterable[str]:
    """Versions without the attempt, or the answer, that brought them."""
    return () if collection.written else _origins(sql, collection)


def owners(sql: Connection, collection: Collection) -> Iterable[str]:
    """Records without an author that have an owner, or of a partition that there is not."""
    if not isinstance(collection.feed, Resource):
        return _partitions(sql, collection)
    somebodys = f' AND "{collection.feed.owner}" IS NOT NULL' if collection.feed.owner else ""
    return by_sql(_WITHOUT_AUTHOR + somebodys)(sql, collection)


def rejects(sql: Connection, _: Collection | None) -> Iterator[str]:
    """Rejects whose bytes are others, or that have no reason."""
    rows = sql.execute("SELECT id, feed, raw, digest, reason FROM _reject")
    for number, feed, raw, digest, reason in rows:
        if not reason or hashlib.sha256(raw).hexdigest() != digest:
            yield f"{feed} reject {number}: {'its bytes are others' if reason else 'has no reason'}"


def brought_back(sql: Connection, collection: Collection) -> Iterator[str]:
    """Keys that were erased and are stored."""
    if not (erased := erased_of(sql, collection)):
        return
    table, versions = collection.table, collection.versions
    for (key,) in sql.execute(f'SELECT _key FROM "{table}" UNION SELECT _key FROM "{versions}"'):  # noqa: S608
        if erased.holds(key):
            yield f"{key}: was erased"


def half_erased(sql: Connection, _: Collection | None) -> Iterator[str]:
    """Erasures that did not come to their end."""
    for name, digest in sql.execute("SELECT collection, hash FROM _erased WHERE done_at IS NULL"):
        yield f"{name} #{digest.hex()[:16]}: was not erased to the end; run the same catchment erase again"
