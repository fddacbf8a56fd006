"""The ledger's schema over time: what a stored one has, and the steps by which it becomes the present one.

A new store is made as `schema` says. Alembic only writes the SQL of the steps between two revisions, so what is done
can be shown before it is done, and is done through our own connection, in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..errors import SchemaTooNew, SchemaTooOld, StoreError
from .engines import Connection
from .schema import LEDGER, SCHEMA

__all__ = ["OURS", "Step", "adopt", "check_schema", "steps", "stored_schema"]

OURS = (Path(__file__).parent / "migrations",)
_TABLE = "_schema"


@dataclass(frozen=True, slots=True)
class Step:
    """One revision. says: what it does, in a line. statements: SQL of the engine that it was asked for."""

    revision: str
    says: str
    statements: tuple[str, ...]


def stored_schema(sql: Connection) -> str:
    """The revision of the stored ledger; "" where none is noted."""
    if _TABLE not in sql.tables():
        return ""
    return str((sql.execute(f"SELECT version_num FROM {_TABLE}").fetchone() or ("",))[0])  # noqa: S608 (our own name)


def check_schema(sql: Connection, label: str) -> None:
    """Raises where a stored ledger is none that this catchment may use.

    Raises:
        SchemaTooNew, SchemaTooOld: another catchment wrote it.
    """
    found = stored_schema(sql)
    if found > SCHEMA:
        raise SchemaTooNew(f"{label} has schema {found}, this catchment knows {SCHEMA}", hint="use a newer catchment")
    if found and found < SCHEMA:
        raise SchemaTooOld(f"{label} has schema {found}, this catchment needs {SCHEMA}", hint="run catchment migrate")


def adopt(sql: Connection) -> None:
    """Makes the ledger's tables and notes their revision, where none is noted yet: a store that is new, or older than
    such notes, which lacks what may be null or has a default.
    """
    if stored_schema(sql):
        return
    sql.create(list(LEDGER.sorted_tables))
    partitions = LEDGER.tables["_partition"]
    stored = set(sql.columns(partitions.name))
    for column in partitions.columns:
        if column.name not in stored:
            definition = sa.schema.CreateColumn(column).compile(dialect=sql.dialect)
            sql.execute(f'ALTER TABLE "{partitions.name}" ADD COLUMN {definition}')
    sql.execute(f"INSERT INTO {_TABLE} VALUES (?)", (SCHEMA,))  # noqa: S608 (our own name)


def steps(dialect: sa.Dialect, since: str, *, until: str = "head", folders: Sequence[Path] = OURS) -> list[Step]:
    """The steps from a revision ("": from nothing) to another one, in their order.

    folders: where the revisions' files are.

    Raises:
        StoreError: there is no such revision.
    """
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError

    scripts = ScriptDirectory(str(folders[0]), version_locations=[str(folder) for folder in folders])
    try:
        found = list(scripts.iterate_revisions(until, since or "base"))
    except RevisionError as error:
        raise StoreError(f"schema {since} is none that this catchment knows") from error
    return [
        Step(item.revision, item.doc, _written(scripts, dialect, str(item.down_revision or ""), item.revision))
        for item in reversed(found)
    ]


class _Statements(list[str]):
    """What Alembic writes into: each statement is written by itself."""

    def write(self, text: str) -> None:
        said = text.strip().removesuffix(";")
        if said and not said.startswith("--"):
            self.append(said)

    def flush(self) -> None:
        """Nothing waits."""


def _written(scripts: Any, dialect: sa.Dialect, since: str, until: str) -> tuple[str, ...]:
    """The SQL of one step."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    found = _Statements()
    options = {
        "as_sql": True,
        "output_buffer": found,
        "starting_rev": since or None,
        "script": scripts,
        "fn": lambda heads, _: scripts._upgrade_revs(until, heads),
        "version_table": _TABLE,
        "transactional_ddl": False,
    }
    context = MigrationContext.configure(dialect=dialect, opts=options)
    with Operations.context(context):
        context.run_migrations()
    return tuple(found)
