"""The invariants of what is stored, each a rule with a name: what it looked at, and what contradicts it.

Nothing is changed, and all is of one moment. Rules that need the upstream beside the data (that the rows are what it
says, that no request was sent too early) are none of these: they hold in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import counting, looks
from .answers import MERGED, other_than_said
from .backup import LEAP, RESTORED
from .engines import Connection, Database, mapped
from .looks import Find, asked, by_sql
from .migrate import check_schema
from .tables import Collection

__all__ = ["LEDGER_RULES", "RULES", "Checked", "Rule", "check"]

SHOWN = 20
"""Contradictions that are told one by one; the rest is counted."""

LONG_S = 86_400.0
"""It may take as long as it takes: who checks waits for it."""


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
        looked += int(asked(sql, rule.looked, collection).fetchone()[0])
        for found in rule.find(sql, collection):
            wrong += 1
            if len(shown) < SHOWN:
                shown.append(f"{collection.name} {found}" if collection else found)
    return Checked(rule.name, rule.says, looked, wrong, tuple(shown))


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
        by_sql("SELECT _key || ': is current ' || count(*) || ' times' FROM @rows GROUP BY _key HAVING count(*) > 1"),
    ),
    Rule(
        "I4",
        "versions of a key are numbered without a gap",
        _COUNT,
        by_sql(
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
        by_sql(
            "SELECT _key || ': version ' || _version || ' is the one before' FROM @neighbours"
            " WHERE _hash = hash_before AND gone_before = 0"
        ),
    ),
    Rule(
        "I4",
        "times and revisions of a key never go back",
        _COUNT,
        by_sql(
            "SELECT _key || ': version ' || _version || ' goes back' FROM @neighbours WHERE _until < _said_at"
            " OR _said_at < until_before OR _said_at < said_before OR _revision < revision_before"
            " OR _until_revision < _revision"
        ),
    ),
    Rule(
        "I7",
        "no version is from a revision that there was not",
        _COUNT,
        by_sql(
            "SELECT _key || ': version ' || _version || ' is of revision ' || CASE WHEN _until_revision > _revision"
            " THEN _until_revision ELSE _revision END FROM @all, (SELECT revision AS last FROM _collection"
            " WHERE name = :name) AS told WHERE _revision > last OR _until_revision > last"
        ),
    ),
    Rule(
        "I9",
        "each version has the attempt that brought it, and the answer that it came from",
        _COUNT,
        looks.came_from,
    ),
    Rule(
        "I13",
        "nothing is retired by an attempt that was not complete",
        "SELECT count(*) FROM @versions WHERE _gone = 1",
        by_sql(
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
        looks.owners,
    ),
    Rule("I7", "nothing that was erased is stored", _COUNT, looks.brought_back),
    Rule("I17", "columns are what documents say", "SELECT count(*) FROM @rows", looks.documents),
    Rule("I17", "elements of lists are what documents say", "SELECT count(*) FROM @rows", looks.lists),
    Rule("I17", "counts and sums are those that counting anew gives", "SELECT count(*) FROM @rows", looks.rollups),
    Rule("I17", "counters say what the records do", "SELECT count(*) FROM @rows", counting.differing),
)
"""The rules for each collection."""

LEDGER_RULES = (
    Rule("file", "the database is whole", "SELECT 1", looks.integrity),
    Rule(
        "I5",
        "bodies are what their digests say",
        "SELECT count(DISTINCT digest) FROM _body",
        looks.bodies,
    ),
    Rule(
        "I7",
        "what was erased is gone from the archive and from the file",
        "SELECT count(*) FROM _erased",
        looks.half_erased,
    ),
    Rule(
        "I8",
        "rows that a complete attempt received add up",
        "SELECT count(*) FROM _attempt WHERE verdict = 'complete'",
        by_sql(
            "SELECT feed || ' attempt ' || id || ': received ' || received || ' rows, accounts for ' ||"
            " (new + changed + back + same + duplicate + conflict + rejected) FROM _attempt WHERE verdict = 'complete'"
            " AND received <> new + changed + back + same + duplicate + conflict + rejected"
        ),
    ),
    Rule(
        "I9",
        "revisions of a collection have one commit each, without a gap",
        "SELECT count(*) FROM _commit",
        by_sql(
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
        by_sql(
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
        by_sql(
            "SELECT feed || ' ' || partition || ': attempt ' || id || ' has ' || coalesce(verdict, 'no verdict')"
            " FROM _attempt WHERE (verdict IS NULL AND ended_at IS NOT NULL AND reason = '')"
            " OR (verdict IS NOT NULL AND ended_at IS NULL)"
        ),
    ),
    Rule(
        "I10",
        "a partition stands as it can stand",
        "SELECT count(*) FROM _partition",
        by_sql(
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
        looks.rejects,
    ),
    Rule(
        "I15",
        "an attempt that was not complete changed nothing",
        "SELECT count(*) FROM _attempt WHERE verdict IS DISTINCT FROM 'complete'",
        by_sql(
            "SELECT feed || ' attempt ' || id || ': was ' || verdict || ' and changed records' FROM _attempt"
            " WHERE verdict <> 'complete' AND (new + changed + back + gone > 0 OR revision > 0"
            # What a replay has read of it stands beside what is read, until the switch makes it a complete one.
            " OR id IN (SELECT attempt FROM _commit WHERE collection = _attempt.feed))"
        ),
    ),
)
"""The rules for the ledger as a whole: a reason is written for the collection that it names."""
