"""The ledger as it is from the first release on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from catchment.store.schema import integer, text  # by its whole name: Alembic loads this file by itself

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes every table. It stands for itself: what `schema` says later on is for the steps that follow."""
    op.create_table("_meta", text("name", primary_key=True), text("value", nullable=False))
    op.create_table(
        "_collection",
        text("name", primary_key=True),
        integer("generation", nullable=False),
        integer("revision", nullable=False),
        integer("horizon", nullable=False),
        text("model", nullable=False),
        text("changed_at"),
    )
    op.create_table(
        "_partition",
        text("feed", primary_key=True),
        text("key", primary_key=True),
        text("params", nullable=False),
        text("verdict"),
        text("reason", nullable=False, server_default=""),
        text("checked_at"),
        text("collected_at"),
        text("first_collected_at"),
        text("retry_at"),
        integer("failures", nullable=False, server_default="0"),
        integer("pass", nullable=False, server_default="1"),
        text("etag", nullable=False, server_default=""),
        text("last_modified", nullable=False, server_default=""),
        text("digest", nullable=False, server_default=""),
        text("model", nullable=False, server_default=""),
        integer("records", nullable=False, server_default="0"),
        text("stamp", nullable=False, server_default=""),
        text("doubted_at"),
        text("doubted_digest", nullable=False, server_default=""),
        text("instead", nullable=False, server_default=""),
        text("instead_until"),
        text("lease_owner"),
        integer("lease_token", nullable=False, server_default="0"),
        text("lease_until"),
    )
    op.create_table(
        "_filled",
        text("feed", primary_key=True),
        text("source", nullable=False),
        integer("generation", nullable=False),
        integer("revision", nullable=False),
        text("at"),
        text("model", nullable=False),
    )
    op.create_table(
        "_shared",
        text("collection", primary_key=True),
        text("key", primary_key=True),
        text("partition", primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "_run",
        integer("id", primary_key=True),
        text("app", nullable=False),
        text("owner", nullable=False),
        text("started_at", nullable=False),
        text("ended_at"),
    )
    op.create_table(
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
    )
    op.create_table(
        "_exchange",
        integer("id", primary_key=True),
        text("feed", nullable=False),
        text("partition", nullable=False),
        integer("pass", nullable=False),
        integer("attempt", nullable=False),
        text("fingerprint", nullable=False),
        text("method", nullable=False),
        text("url", nullable=False),
        integer("status", nullable=False),
        text("headers", nullable=False),
        text("digest", nullable=False),
        integer("size", nullable=False),
        integer("wire", nullable=False),
        text("at", nullable=False),
    )
    op.create_table(
        "_body",
        text("digest", primary_key=True),
        integer("chunk", primary_key=True),
        integer("size", nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "_reject",
        integer("id", primary_key=True),
        text("feed", nullable=False),
        text("partition", nullable=False),
        text("digest", nullable=False),
        text("key"),
        text("reason", nullable=False),
        text("path", nullable=False, server_default=""),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        integer("count", nullable=False),
        integer("first_attempt", nullable=False),
        integer("last_attempt", nullable=False),
        text("at", nullable=False),
        sa.UniqueConstraint("feed", "partition", "digest"),
    )
    op.create_table(
        "_erased",
        text("collection", primary_key=True),
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        text("at", nullable=False),
        text("done_at"),
    )
    op.create_table(
        "_drift",
        integer("id", primary_key=True),
        text("feed", nullable=False),
        text("partition", nullable=False),
        integer("attempt", nullable=False),
        text("kind", nullable=False),
        text("field", nullable=False),
        text("detail", nullable=False),
        text("at", nullable=False),
    )
    op.create_table(
        "_field",
        text("feed", primary_key=True),
        text("name", primary_key=True),
        text("kinds", nullable=False),
        integer("steady", nullable=False),
        integer("gone", nullable=False),
    )
    op.create_table(
        "_budget",
        text("upstream", primary_key=True),
        text("name", primary_key=True),
        text("period", nullable=False, server_default=""),
        integer("used", nullable=False, server_default="0"),
        text("until"),
        text("reason", nullable=False, server_default=""),
    )
    op.create_table(
        "_slot",
        text("upstream", primary_key=True),
        integer("number", primary_key=True),
        text("owner", nullable=False),
    )
    op.create_table(
        "_commit",
        text("collection", primary_key=True),
        integer("generation", primary_key=True),
        integer("revision", primary_key=True),
        text("at", nullable=False),
        text("partition", nullable=False),
        integer("attempt", nullable=False),
    )
    op.create_table(
        "_api_key",
        text("id", primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        text("name", nullable=False),
        text("principal", nullable=False),
        text("scopes", nullable=False),
        text("created_at", nullable=False),
        text("expires_at"),
        text("last_used_at"),
        text("revoked_at"),
    )
    op.create_table(
        "_audit",
        integer("id", primary_key=True),
        text("at", nullable=False),
        text("principal", nullable=False),
        text("key_id", nullable=False),
        text("action", nullable=False),
        text("object", nullable=False),
        integer("before"),
        integer("after"),
        text("result", nullable=False),
        text("request_id", nullable=False),
    )
    op.create_table(
        "_idempotency",
        text("principal", primary_key=True),
        text("key", primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        text("at", nullable=False),
    )
    op.create_table(
        "_taken",
        integer("id", primary_key=True),
        text("name", nullable=False),
        text("principal", nullable=False),
        sa.Column("free_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "_kept",
        text("app", primary_key=True),
        text("name", primary_key=True),
        text("value", nullable=False),
        text("at", nullable=False),
    )
    op.create_table(
        "_spelling",
        text("app", primary_key=True),
        text("name", primary_key=True),
        text("key", primary_key=True),
        text("text", nullable=False),
    )
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)


INDEXES = (
    ("_shared_by", "_shared", ["collection", "partition"]),
    ("_attempt_of", "_attempt", ["feed", "partition", "id"]),
    ("_attempt_in", "_attempt", ["run"]),
    ("_exchange_of", "_exchange", ["feed", "partition", "pass"]),
    ("_exchange_digest", "_exchange", ["digest"]),
    ("_drift_of", "_drift", ["feed", "id"]),
    ("_idempotency_at", "_idempotency", ["at"]),
    ("_taken_by", "_taken", ["name", "principal", "free_at"]),
    ("_taken_free", "_taken", ["free_at"]),
)
