"""The ledger's tables, the same in every database: partitions, runs, attempts, the archive, budgets, keys, the audit.

Moments are texts in UTC of fixed width, so that their order as text is their order in time. The names of the ledger's
tables begin with an underscore, those of a collection's never (`tables`).
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["INTEGER", "LEDGER", "SCHEMA", "TEXT", "integer", "text"]

SCHEMA = "0002"
"""The last revision in `migrations`: a change below comes with one that brings stored ledgers there."""

LEDGER = sa.MetaData()


def _ledger(name: str, *parts: sa.Column[object] | sa.Constraint | sa.Index) -> sa.Table:
    return sa.Table(name, LEDGER, *parts)


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text sorts by its characters' numbers, on every engine and in every place of the world."""

INTEGER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def text(name: str, **options: object) -> sa.Column[object]:
    """A column of text."""
    return sa.Column(name, TEXT, **options)  # type: ignore[arg-type]  # passed through as given


def integer(name: str, **options: object) -> sa.Column[object]:
    """A column of integers of 64 bits."""
    return sa.Column(name, INTEGER, **options)  # type: ignore[arg-type]


_ledger("_schema", sa.Column("version_num", sa.String(32), primary_key=True))  # the revision; Alembic has it so

_ledger("_meta", text("name", primary_key=True), text("value", nullable=False))

_ledger(
    "_collection",
    text("name", primary_key=True),  # app/feed
    integer("generation", nullable=False),
    integer("revision", nullable=False),
    integer("horizon", nullable=False),  # the oldest revision that can still be read
    text("model", nullable=False),  # digest of the declaration that derived the rows
    text("changed_at"),
)

_ledger(
    "_partition",
    text("feed", primary_key=True),  # app/feed
    text("key", primary_key=True),  # force=leicestershire,month=2024-03
    text("params", nullable=False),  # the same as JSON
    text("verdict"),  # of the last attempt; null while there was none
    text("reason", nullable=False, server_default=""),
    text("checked_at"),  # end of the last attempt
    text("collected_at"),  # end of the last attempt that was complete or unchanged
    text("first_collected_at"),
    text("retry_at"),  # not before, after a failure
    integer("failures", nullable=False, server_default="0"),  # in a row
    integer("pass", nullable=False, server_default="1"),
    text("etag", nullable=False, server_default=""),
    text("last_modified", nullable=False, server_default=""),
    text("digest", nullable=False, server_default=""),  # of the answers that were last merged
    text("model", nullable=False, server_default=""),  # of the declaration that merged them
    integer("records", nullable=False, server_default="0"),
    text("stamp", nullable=False, server_default=""),  # of the row for which it was last collected
    text("doubted_at"),  # when an answer was first said that still waits to be said again
    text("doubted_digest", nullable=False, server_default=""),  # of that answer
    text("instead", nullable=False, server_default=""),  # the parameters with which it is asked instead, JSON
    text("instead_until"),
    text("lease_owner"),
    integer("lease_token", nullable=False, server_default="0"),
    text("lease_until"),
)

_ledger(
    "_filled",  # what the stored records of a feed with derived fields were last filled from
    text("feed", primary_key=True),  # app/feed
    text("source", nullable=False),  # the collection that was looked up
    integer("generation", nullable=False),
    integer("revision", nullable=False),
    text("at"),  # when that was last collected
    text("model", nullable=False),  # of the declaration that filled them
)

_ledger(
    "_shared",  # records that a partition serves and that belong to another one, which serves them too
    text("collection", primary_key=True),
    text("key", primary_key=True),
    text("partition", primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),  # of what this partition said last
    sa.Column("raw", sa.LargeBinary, nullable=False),  # of the bytes of that
    sa.Index("_shared_by", "collection", "partition"),
)

_ledger(
    "_run",
    integer("id", primary_key=True),
    text("app", nullable=False),
    text("owner", nullable=False),
    text("started_at", nullable=False),
    text("ended_at"),
)

_ledger(
    "_attempt",
    integer("id", primary_key=True),
    integer("run", nullable=False),
    text("feed", nullable=False),
    text("partition", nullable=False),
    integer("pass", nullable=False),
    text("started_at", nullable=False),
    text("ended_at"),
    text("verdict"),
    text("reason", nullable=False, server_default=""),
    *(
        integer(name, nullable=False, server_default="0")
        for name in (
            *("requests", "bytes", "received", "new", "changed", "back", "same"),
            *("duplicate", "conflict", "rejected", "gone", "revision"),
        )
    ),
    sa.Index("_attempt_of", "feed", "partition", "id"),
    sa.Index("_attempt_in", "run"),
)

_ledger(
    "_exchange",
    integer("id", primary_key=True),
    text("feed", nullable=False),
    text("partition", nullable=False),
    integer("pass", nullable=False),
    integer("attempt", nullable=False),
    text("fingerprint", nullable=False),
    text("method", nullable=False),
    text("url", nullable=False),  # without secrets
    integer("status", nullable=False),
    text("headers", nullable=False),  # chosen ones, JSON
    text("digest", nullable=False),  # of the body; "" for none
    integer("size", nullable=False),
    integer("wire", nullable=False),
    text("at", nullable=False),  # when the answer was complete
    sa.Index("_exchange_of", "feed", "partition", "pass"),
    sa.Index("_exchange_digest", "digest"),
)

_ledger(
    "_body",
    text("digest", primary_key=True),  # sha256 of the decoded body, hex
    integer("chunk", primary_key=True),
    integer("size", nullable=False),  # of the chunk, decoded
    sa.Column("data", sa.LargeBinary, nullable=False),  # zstd
)

_ledger(
    "_reject",
    integer("id", primary_key=True),
    text("feed", nullable=False),
    text("partition", nullable=False),
    text("digest", nullable=False),  # of the raw record
    text("key"),  # where it could be read
    text("reason", nullable=False),
    text("path", nullable=False, server_default=""),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    integer("count", nullable=False),  # how many equal ones the last answer had; 0: no longer there
    integer("first_attempt", nullable=False),
    integer("last_attempt", nullable=False),
    text("at", nullable=False),
    sa.UniqueConstraint("feed", "partition", "digest"),
)

_ledger(
    "_erased",  # keys that a person had erased: nothing brings their records back
    text("collection", primary_key=True),
    sa.Column("hash", sa.LargeBinary, primary_key=True),  # of the key (`erased`)
    text("at", nullable=False),
    text("done_at"),  # null while the archive may still hold what was erased
)

_ledger(
    "_drift",
    integer("id", primary_key=True),
    text("feed", nullable=False),
    text("partition", nullable=False),
    integer("attempt", nullable=False),
    text("kind", nullable=False),
    text("field", nullable=False),
    text("detail", nullable=False),
    text("at", nullable=False),
    sa.Index("_drift_of", "feed", "id"),
)

_ledger(
    "_field",  # what is known of the fields of an upstream's rows
    text("feed", primary_key=True),
    text("name", primary_key=True),
    text("kinds", nullable=False),  # of its values in JSON, joined by `|`
    integer("steady", nullable=False),  # 1: no sampled row was ever without it
    integer("gone", nullable=False),  # 1: it was steady, and the last sample had none
)

_ledger(
    "_budget",
    text("upstream", primary_key=True),
    text("name", primary_key=True),  # second, minute, hour, day; or pause
    text("period", nullable=False, server_default=""),  # the day that is counted
    integer("used", nullable=False, server_default="0"),
    text("until"),  # theoretical arrival time of the next request; or the pause's end
    text("reason", nullable=False, server_default=""),
)

_ledger(
    "_slot",
    text("upstream", primary_key=True),
    integer("number", primary_key=True),  # from 0
    text("owner", nullable=False),  # the worker that may have a request open
    text("until", nullable=False),  # free from then on, where its owner does not say otherwise
)

_ledger(
    "_commit",
    text("collection", primary_key=True),
    integer("generation", primary_key=True),
    integer("revision", primary_key=True),
    text("at", nullable=False),
    text("partition", nullable=False),
    integer("attempt", nullable=False),
)

_ledger(
    "_api_key",
    text("id", primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),  # sha256 of the secret, which is stored nowhere
    text("name", nullable=False),
    text("principal", nullable=False),  # the user's UUID
    text("scopes", nullable=False),  # words, split by blanks
    text("created_at", nullable=False),
    text("expires_at"),
    text("last_used_at"),  # to the minute
    text("revoked_at"),
)

_ledger(
    "_audit",  # append-only: triggers refuse anything else (store/audit.py)
    integer("id", primary_key=True),
    text("at", nullable=False),
    text("principal", nullable=False),
    text("key_id", nullable=False),
    text("action", nullable=False),
    text("object", nullable=False),
    integer("before"),  # versions of a record
    integer("after"),
    text("result", nullable=False),  # allowed, denied
    text("request_id", nullable=False),
)

_ledger(
    "_idempotency",
    text("principal", primary_key=True),
    text("key", primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),  # of the request that the key was first sent with
    sa.Column("answer", sa.LargeBinary, nullable=False),  # what was written then
    text("at", nullable=False),
    sa.Index("_idempotency_at", "at"),
)


_ledger(
    "_taken",  # writes that still count against what somebody may write
    integer("id", primary_key=True),
    text("name", nullable=False),  # the limit's setting
    text("principal", nullable=False),
    sa.Column("free_at", sa.Double(), nullable=False),  # seconds since 1970: when it counts no more
    sa.Index("_taken_by", "name", "principal", "free_at"),
    sa.Index("_taken_free", "free_at"),
)

_ledger(
    "_kept",  # what an app's own routes counted and go by for a while, in every process
    text("app", primary_key=True),
    text("name", primary_key=True),
    text("value", nullable=False),  # JSON
    text("at", nullable=False),
)

_ledger(
    "_spelling",  # texts that several records share, as they were first written
    text("app", primary_key=True),
    text("name", primary_key=True),
    text("key", primary_key=True),  # equal for all ways to write it
    text("text", nullable=False),
)

_ledger(
    "_order",  # what operators asked the collector for
    integer("id", primary_key=True),
    text("feed", nullable=False),  # app/feed
    text("verb", nullable=False),
    text("partition", nullable=False, server_default=""),  # its key; "" for the whole feed
    integer("reject", nullable=False, server_default="0"),  # its id, where it is about one
    text("principal", nullable=False),
    text("key_id", nullable=False),
    text("at", nullable=False),
    integer("taken", nullable=False, server_default="0"),  # 0 while it waits, then its id: of equal ones only one waits
    text("taken_by"),  # the worker that does it
    text("taken_at"),
    integer("tries", nullable=False, server_default="0"),  # how often it was taken
    text("done_at"),
    integer("good"),  # 1: it was done as asked; 0: not
    text("result", nullable=False, server_default=""),
    sa.UniqueConstraint("feed", "verb", "partition", "reject", "taken"),
)

_ledger(
    "_paused",  # feeds that nobody collects until an operator resumes them
    text("feed", primary_key=True),
    text("at", nullable=False),
    text("principal", nullable=False),
)

_ledger(
    "_collecting",  # workers that collect what becomes due, and take orders
    text("app", primary_key=True),
    text("owner", primary_key=True),
    text("at", nullable=False),
)

_ledger(
    "_session",  # who is signed in to the pages
    sa.Column("digest", sa.LargeBinary, primary_key=True),  # sha256 of what the browser has, which is stored nowhere
    text("key_id", nullable=False),
    text("at", nullable=False),
    text("until", nullable=False),
)
