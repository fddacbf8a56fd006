"""The invariants of what is stored, each a rule with a name: what it looked at, and what contradicts it.

Nothing is changed, and all is of one moment. Rules that need the upstream beside the data (that the rows are what it
says, that no request was sent too early) are none of these: they hold in the tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import zstandard

from ..decode import from_document
from ..record import stored_values, to_stored
from ..resource import Resource
from . import counting
from .answers import MERGED, other_than_said
from .backup import LEAP, RESTORED
from .engines import Connection, Database, Rows, mapped
from .erasing import erased_of
from .migrate import check_schema
from .rollups import kept, recomputed
from .tables import Collection

__all__ = ["LEDGER_RULES", "RULES", "Checked", "Rule", "check"]

SHOWN = 20
"""Contradictions that are told one by one; the rest is counted."""

LONG_S = 86_400.0
"""It may take as long as it takes: who checks waits for it."""


Find = Callable[[Connection, Any], Iterable[str]]
"""The contradictions that a rule finds in a collection (None: in the ledger as a whole), in words."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What one rule found. looked: at how many rows. wrong: how many contradict it; shown: the first of them."""

    rule: str
    says: str
    looked: int
    wrong: int
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """An invariant. name: under which it is known. looked: SQL that counts the rows that it looks at."""

    name: str
    says: str
    looked: str
    find: Find = field(repr=False)


def check(database: Database, collections: Sequence[Collection]) -> list[Checked]:
    """What every rule finds in these collections, and in the ledger as a whole.

    Raises:
        StoreUnavailable: the database is not there, or cannot be read.
        SchemaTooNew, SchemaTooOld: another catchment wrote it.
    """
    connection = database.read()
    try:
        with mapped(), connection.snapshot(LONG_S):
            check_schema(connection, database.label)
            names = connection.tables()
            there = [item for item in collections if item.table in names and item.versions in names]
            whole = [_apply(connection, rule, [None]) for rule in LEDGER_RULES]
            return [_apply(connection, rule, there) for rule in RULES] + whole
    finally:
        connection.close()


def _apply(sql: Connection, rule: Rule, collections: Sequence[Collection | None]) -> Checked:
    looked, wrong, shown = 0, 0, list[str]()
    for collection in collections:
        looked += int(_asked(sql, rule.looked, collection).fetchone()[0])
        for found in rule.find(sql, collection):
            wrong += 1
            if len(shown) < SHOWN:
                shown.append(f"{collection.name} {found}" if collection else found)
    return Checked(rule.name, rule.says, looked, wrong, tuple(shown))


_STATES = {
    "@neighbours": "(SELECT every.*, lag(_version) OVER w AS before, lag(_hash) OVER w AS hash_before,"
    " lag(_gone) OVER w AS gone_before, lag(_said_at) OVER w AS said_before, lag(_until) OVER w AS until_before,"
    " lag(_until_revision) OVER w AS revision_before FROM @all"
    " WINDOW w AS (PARTITION BY _key ORDER BY _version)) AS neighbours",
    "@all": "(SELECT _key, _version, _hash, _said_at, _revision, _until, _until_revision, _gone FROM @versions"
    " UNION ALL SELECT _key, _version, _hash, _said_at, _revision, NULL, NULL, 0 FROM @rows) AS every",
}
"""Words of the statements below: all versions of a collection, and each beside the one before it."""


def _asked(sql: Connection, statement: str, collection: Collection | None) -> Rows:
    """What a statement gives; `@rows` and `@versions` are the collection's tables, `:name` is its name."""
    if collection is None:
        return sql.execute(statement)
    names = {"@rows": f'"{collection.table}"', "@versions": f'"{collection.versions}"'}
    for word, meaning in (_STATES | names).items():
        statement = statement.replace(word, meaning)
    return sql.execute(statement, {"name": collection.name})


def _by_sql(statement: str) -> Find:
    """A rule whose contradictions are the rows of a statement, each a text."""

    def find(sql: Connection, collection: Collection | None) -> Iterator[str]:
        yield from (str(text) for (text,) in _asked(sql, statement, collection))

    return find


# -- what an own look in Python needs -------------------------------------------------------------------------------


def _integrity(sql: Connection, _: Collection | None) -> Iterator[str]:
    yield from sql.faults()


def _bodies(sql: Connection, _: Collection | None) -> Iterator[str]:
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


def _documents(sql: Connection, collection: Collection) -> Iterator[str]:
    read, values_of = from_document(collection.feed.record), stored_values(collection.feed.record)
    names = ", ".join(f'"{column.name}"' for column in collection.columns)
    rows = sql.execute(f'SELECT _key, _doc, {names} FROM "{collection.table}"')  # noqa: S608 (declared names)
    for key, doc, *values in rows:
        record = read(doc)
        if record is None:
            continue  # of another declaration, which `status` tells of
        if not doc.startswith(f'{{"_key":"{key}"') or values_of(record) != tuple(values):
            yield f"{key}: its columns are not what its document says"


def _lists(sql: Connection, collection: Collection) -> Iterator[str]:
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


def _rollups(sql: Connection, collection: Collection) -> Iterator[str]:
    if not isinstance(collection.feed, Resource):
        return
    for number in range(len(collection.feed.rollups)):
        there, counted = kept(sql, collection, number), recomputed(sql, collection, number)
        for group in sorted(there.keys() | counted.keys()):
            if there.get(group) != counted.get(group):
                yield f"roll-up {number} {group}: is {there.get(group)}, counted anew {counted.get(group)}"


_origins = _by_sql(
    "SELECT r._key || ': version ' || r._version || ' has no ' ||"
    " CASE WHEN a.id IS NULL THEN 'attempt ' || r._attempt ELSE 'answer ' || r._exchange END"
    " FROM (SELECT _key, _version, _attempt, _exchange FROM @rows UNION ALL"
    " SELECT _key, _version, _attempt, _exchange FROM @versions) r"
    " LEFT JOIN _attempt a ON a.id = r._attempt AND a.feed = :name"
    " LEFT JOIN _exchange e ON e.id = r._exchange AND e.feed = :name WHERE a.id IS NULL OR e.id IS NULL"
)
_partitions = _by_sql(
    "SELECT _key || ': is of partition ' || _partition || ', which there is not' FROM @rows WHERE _partition NOT IN"
    " (SELECT key FROM _partition WHERE feed = :name)"
)
_authors = _by_sql("SELECT _key || ': has no author' FROM @rows WHERE coalesce(_author, '') = ''")


def _came_from(sql: Connection, collection: Collection) -> Iterable[str]:
    return () if collection.written else _origins(sql, collection)


def _owners(sql: Connection, collection: Collection) -> Iterable[str]:
    return (_authors if collection.written else _partitions)(sql, collection)


def _rejects(sql: Connection, _: Collection | None) -> Iterator[str]:
    rows = sql.execute("SELECT id, feed, raw, digest, reason FROM _reject")
    for number, feed, raw, digest, reason in rows:
        if not reason or hashlib.sha256(raw).hexdigest() != digest:
            yield f"{feed} reject {number}: {'its bytes are others' if reason else 'has no reason'}"


def _brought_back(sql: Connection, collection: Collection) -> Iterator[str]:
    if not (erased := erased_of(sql, collection)):
        return
    table, versions = collection.table, collection.versions
    for (key,) in sql.execute(f'SELECT _key FROM "{table}" UNION SELECT _key FROM "{versions}"'):  # noqa: S608
        if erased.holds(key):
            yield f"{key}: was erased"


def _half_erased(sql: Connection, _: Collection | None) -> Iterator[str]:
    for name, digest in sql.execute("SELECT collection, hash FROM _erased WHERE done_at IS NULL"):
        yield f"{name} #{digest.hex()[:16]}: was not erased to the end; run the same catchment erase again"


# -- the rules ------------------------------------------------------------------------------------------------------

_COUNT = "SELECT (SELECT count(*) FROM @rows) + (SELECT count(*) FROM @versions)"

RULES = (
    Rule(
        "I1 I2 I6",
        "what is current is what the last answers say, and nothing of them is missing",
        MERGED,
        other_than_said,
    ),
    Rule(
        "I3",
        "a key has one current record",
        "SELECT count(*) FROM @rows",
        _by_sql("SELECT _key || ': is current ' || count(*) || ' times' FROM @rows GROUP BY _key HAVING count(*) > 1"),
    ),
    Rule(
        "I4",
        "versions of a key are numbered without a gap",
        _COUNT,
        _by_sql(
            "SELECT _key || ': version ' || _version || ' follows ' || coalesce(CAST(before AS TEXT), 'nothing')"
            " FROM @neighbours"
            # Retention takes the first ones away; then the horizon stands inside of the generation.
            " WHERE _version <> before + 1 OR (before IS NULL AND _version <> 1 AND"
            " (SELECT horizon % 1000000 FROM _collection WHERE name = :name) = 0)"
        ),
    ),
    Rule(
        "I4",
        "versions that follow each other differ",
        _COUNT,
        _by_sql(
            "SELECT _key || ': version ' || _version || ' is the one before' FROM @neighbours"
            " WHERE _hash = hash_before AND gone_before = 0"
        ),
    ),
    Rule(
        "I4",
        "times and revisions of a key never go back",
        _COUNT,
        _by_sql(
            "SELECT _key || ': version ' || _version || ' goes back' FROM @neighbours WHERE _until < _said_at"
            " OR _said_at < until_before OR _said_at < said_before OR _revision < revision_before"
            " OR _until_revision < _revision"
        ),
    ),
    Rule(
        "I7",
        "no version is from a revision that there was not",
        _COUNT,
        _by_sql(
            "SELECT _key || ': version ' || _version || ' is of revision ' || CASE WHEN _until_revision > _revision"
            " THEN _until_revision ELSE _revision END FROM @all, (SELECT revision AS last FROM _collection"
            " WHERE name = :name) AS told WHERE _revision > last OR _until_revision > last"
        ),
    ),
    Rule(
        "I9",
        "each version has the attempt that brought it, and the answer that it came from",
        _COUNT,
        _came_from,
    ),
    Rule(
        "I13",
        "nothing is retired by an attempt that was not complete",
        "SELECT count(*) FROM @versions WHERE _gone = 1",
        _by_sql(
            "SELECT v._key || ': was retired by attempt ' || a.id || ', which was ' || coalesce(a.verdict, 'not ended')"
            " FROM @versions v JOIN _commit c ON c.collection = :name AND c.revision = v._until_revision"
            " JOIN _attempt a ON a.id = c.attempt WHERE v._gone = 1"
            " AND a.verdict IS DISTINCT FROM 'complete'"
        ),
    ),
    Rule(
        "I16",
        "what people write has an author, what is collected has a partition of the ledger",
        "SELECT count(*) FROM @rows",
        _owners,
    ),
    Rule("I7", "nothing that was erased is stored", _COUNT, _brought_back),
    Rule("I17", "columns are what documents say", "SELECT count(*) FROM @rows", _documents),
    Rule("I17", "elements of lists are what documents say", "SELECT count(*) FROM @rows", _lists),
    Rule("I17", "counts and sums are those that counting anew gives", "SELECT count(*) FROM @rows", _rollups),
    Rule("I17", "counters say what the records do", "SELECT count(*) FROM @rows", counting.differing),
)
"""The rules for each collection."""

LEDGER_RULES = (
    Rule("file", "the database is whole", "SELECT 1", _integrity),
    Rule(
        "I5",
        "bodies are what their digests say",
        "SELECT count(DISTINCT digest) FROM _body",
        _bodies,
    ),
    Rule(
        "I7",
        "what was erased is gone from the archive and from the file",
        "SELECT count(*) FROM _erased",
        _half_erased,
    ),
    Rule(
        "I8",
        "rows that a complete attempt received add up",
        "SELECT count(*) FROM _attempt WHERE verdict = 'complete'",
        _by_sql(
            "SELECT feed || ' attempt ' || id || ': received ' || received || ' rows, accounts for ' ||"
            " (new + changed + back + same + duplicate + conflict + rejected) FROM _attempt WHERE verdict = 'complete'"
            " AND received <> new + changed + back + same + duplicate + conflict + rejected"
        ),
    ),
    Rule(
        "I9",
        "revisions of a collection have one commit each, without a gap",
        "SELECT count(*) FROM _commit",
        _by_sql(
            "SELECT c.name || ': ' || count(m.revision) || ' commits up to revision ' || c.revision"  # noqa: S608 (own words)
            " FROM _collection c"
            " LEFT JOIN _commit m ON m.collection = c.name AND m.generation = c.generation AND m.revision > c.horizon"
            " GROUP BY c.name HAVING count(m.revision) <> c.revision - c.horizon"
            f" - {LEAP - 1} * count(CASE WHEN m.partition = '{RESTORED}' THEN 1 END)"
            " OR coalesce(max(m.revision), c.revision) <> c.revision"
        ),
    ),
    Rule(
        "I9",
        "each commit and each reject has its attempt",
        "SELECT (SELECT count(*) FROM _commit) + (SELECT count(*) FROM _reject)",
        _by_sql(
            "SELECT collection || ' revision ' || revision || ': there is no attempt ' || attempt FROM _commit"
            " WHERE attempt <> 0 AND attempt NOT IN (SELECT id FROM _attempt) UNION ALL"
            " SELECT feed || ' reject ' || id || ': there is no attempt ' || last_attempt FROM _reject"
            " WHERE last_attempt NOT IN (SELECT id FROM _attempt)"
        ),
    ),
    Rule(
        "I10",
        "an attempt has a verdict when it has ended, and not before",
        "SELECT count(*) FROM _attempt",
        _by_sql(
            "SELECT feed || ' ' || partition || ': attempt ' || id || ' has ' || coalesce(verdict, 'no verdict')"
            " FROM _attempt WHERE (verdict IS NULL AND ended_at IS NOT NULL AND reason = '')"
            " OR (verdict IS NOT NULL AND ended_at IS NULL)"
        ),
    ),
    Rule(
        "I10",
        "a partition stands as it can stand",
        "SELECT count(*) FROM _partition",
        _by_sql(
            "SELECT feed || ' ' || key || ': is ' || coalesce(verdict, 'new') || ' and cannot be' FROM _partition"
            " WHERE verdict NOT IN ('complete', 'unchanged', 'pending', 'partial', 'refused', 'failed')"
            " OR (lease_owner IS NULL) <> (lease_until IS NULL)"
            " OR (verdict IN ('complete', 'unchanged') AND collected_at IS NULL)"
        ),
    ),
    Rule(
        "I14",
        "each reject has its bytes, a reason and a place",
        "SELECT count(*) FROM _reject",
        _rejects,
    ),
    Rule(
        "I15",
        "an attempt that was not complete changed nothing",
        "SELECT count(*) FROM _attempt WHERE verdict IS DISTINCT FROM 'complete'",
        _by_sql(
            "SELECT feed || ' attempt ' || id || ': was ' || verdict || ' and changed records' FROM _attempt"
            " WHERE verdict <> 'complete' AND (new + changed + back + gone > 0 OR revision > 0"
            " OR id IN (SELECT attempt FROM _commit))"
        ),
    ),
)
"""The rules for the ledger as a whole: a reason is written for the collection that it names."""
