"""What operators ask the collector for, which feeds they paused, who collects, and who is signed in.

A place among open requests has an end. Nobody holds one while the schema is changed, so that table is made anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from catchment.store.schema import integer, text  # by its whole name: Alembic loads this file by itself

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes four tables, and one anew."""
    op.create_table(
        "_order",
        integer("id", primary_key=True),
        text("feed", nullable=False),
        text("verb", nullable=False),
        text("partition", nullable=False, server_default=""),
        integer("reject", nullable=False, server_default="0"),
        text("principal", nullable=False),
        text("key_id", nullable=False),
        text("at", nullable=False),
        integer("taken", nullable=False, server_default="0"),
        text("taken_by"),
        text("taken_at"),
        integer("tries", nullable=False, server_default="0"),
        text("done_at"),
        integer("good"),
        text("result", nullable=False, server_default=""),
        sa.UniqueConstraint("feed", "verb", "partition", "reject", "taken"),
    )
    op.create_table(
        "_paused",
        text("feed", primary_key=True),
        text("at", nullable=False),
        text("principal", nullable=False),
    )
    op.create_table(
        "_collecting",
        text("app", primary_key=True),
        text("owner", primary_key=True),
        text("at", nullable=False),
    )
    op.create_table(
        "_session",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        text("key_id", nullable=False),
        text("at", nullable=False),
        text("until", nullable=False),
    )
    op.drop_table("_slot")
    op.create_table(
        "_slot",
        text("upstream", primary_key=True),
        integer("number", primary_key=True),
        text("owner", nullable=False),
        text("until", nullable=False),
    )
