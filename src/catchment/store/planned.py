"""What has to change in a stored database for what is declared now: looked at first, so that it can be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..app import App
from ..errors import UsageError
from . import counting
from .engines import Connection, Database, Layout, mapped, transaction
from .migrate import OURS, check_schema, steps, stored_schema
from .schema import SCHEMA
from .store import prepare
from .tables import Collection, collections_of, tables_of
from .widen import unfillable

__all__ = ["Planned", "apply", "look"]

Way = Literal["step", "made", "index", "filled", "derived", "stands"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One change. of: the collection, or "ledger". says: what, in words.

    way: a step of the ledger; tables that are made; indexes that are made anew; fields that are filled in place;
    records that are derived again from the archive; or what stands in the way, and is not done.
    statements: SQL that is run for it.
    """

    of: str
    way: Way
    says: str
    statements: tuple[str, ...] = ()


def look(
    database: Database, apps: Sequence[App], *, until: str = SCHEMA, folders: Sequence[Path] = OURS
) -> list[Planned]:
    """What `apply` would do, in its order. Nothing is changed.

    until, folders: the ledger's revision, and where its steps are.

    Raises:
        StoreUnavailable: there is no data yet.
        SchemaTooNew: a newer catchment wrote it.
        StoreError: its schema is none that this catchment knows.
    """
    with closing(database.read()) as sql, mapped():
        found = _ledger(sql, database, until, folders)
        layouts = {layout.name: layout for layout in sql.layouts()}
        stored = {name.partition("/")[0] for (name,) in sql.execute("SELECT name FROM _collection")}
        for app in [app for app in apps if app.name in stored]:  # of another one there is nothing to change
            for collection in collections_of(app):
                found += _of_collection(sql, collection, layouts)
        return found


def apply(database: Database, apps: Sequence[App], planned: Sequence[Planned]) -> list[str]:
    """Does what was planned, but for what is derived again: the names of those collections are given.

    The ledger's steps and indexes are one transaction, and collections another one.

    Raises:
        UsageError: something stands in the way; nothing was done.
    """
    for item in planned:
        if item.way == "stands":
            raise UsageError(f"{item.of}: {item.says}", hint="take the declaration back, or declare a default")
    with closing(database.open()) as sql, transaction(sql, durable=True):
        for item in planned:
            for statement in item.statements:
                sql.execute(statement)
    prepare(database, apps, replaying=True)
    return [item.of for item in planned if item.way == "derived"]


def _ledger(sql: Connection, database: Database, until: str, folders: Sequence[Path]) -> list[Planned]:
    found = stored_schema(sql)
    if found > until:
        check_schema(sql, database.label)
    if not found:  # older than revisions: it is taken over as it is opened
        return [Planned("ledger", "made", f"schema {SCHEMA} is noted")]
    return [
        Planned("ledger", "step", f"schema {step.revision}: {step.says}", step.statements)
        for step in (steps(sql.dialect, found, until=until, folders=folders) if found < until else ())
    ]


def _of_collection(sql: Connection, collection: Collection, layouts: Mapping[str, Layout]) -> list[Planned]:
    row = sql.execute("SELECT generation FROM _collection WHERE name = ?", (collection.name,)).fetchone()
    declared = [Layout.of(table) for table in tables_of(replace(collection, generation=row[0] if row else 1))]
    if collection.table not in layouts:
        return [Planned(collection.name, "made", f"{len(declared)} tables")]
    pairs = [(layouts.get(layout.name), layout) for layout in declared]
    changed = [_difference(stored, wanted) for stored, wanted in pairs if stored and stored.names != wanted.names]
    missing = [wanted.name for stored, wanted in pairs if stored is None]
    if changed or (missing and collection.written):
        stored = layouts[collection.table].names
        return [_of_fields(collection, stored, changed[0] if changed else f"tables {', '.join(missing)}")]
    made = [Planned(collection.name, "made", f"table {name}") for name in missing]
    if counting.is_stale(sql, collection):
        made.append(Planned(collection.name, "made", "counters are counted anew"))
    return made + [item for stored, wanted in pairs if stored for item in _indexes(collection, stored, wanted)]


def _of_fields(collection: Collection, stored: Sequence[str], says: str) -> Planned:
    """What is done where tables have other columns than their declaration."""
    if not collection.written:
        return Planned(collection.name, "derived", says)
    if standing := unfillable(collection, stored):
        return Planned(collection.name, "stands", f"nothing says what becomes of {', '.join(standing)}")
    return Planned(collection.name, "filled", says)


def _difference(stored: Layout, wanted: Layout) -> str:
    there, declared = set(stored.names), set(wanted.names)
    parts = [f"+ {name}" for name in wanted.names if name not in there]
    parts += [f"- {name}" for name in stored.names if name not in declared]
    return ", ".join(parts) or "another order of the fields"


def _indexes(collection: Collection, stored: Layout, wanted: Layout) -> list[Planned]:
    """Indexes that are made, or that nothing asks for any more; words are followed as the store is opened."""
    stale, missing = stored.indexes - wanted.indexes, wanted.indexes - stored.indexes
    drops = tuple(f'DROP INDEX "{index.name}"' for index in sorted(stale, key=lambda index: index.name))
    said = [f"+ index ({', '.join(index.fields)})" for index in sorted(missing, key=lambda index: index.name)]
    said += [f"- index ({', '.join(index.fields)})" for index in sorted(stale, key=lambda index: index.name)]
    if wanted.words and stored.words != wanted.words:
        said.append(f"words of {', '.join(wanted.words.fields)}")
    return [Planned(collection.name, "index", f"{stored.name}: {', '.join(said)}", drops)] if said else []
