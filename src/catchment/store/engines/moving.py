"""A whole store from one database into a new one, of whatever engine: one moment of it, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from .interface import Connection, Database
from .layout import Layout

__all__ = ["SIGNING", "Moved", "move"]

SIGNING = "cursor-key"
"""The name in `_meta` of what signs cursors: of a store that goes on elsewhere, and of no copy."""

LONG_S = 86_400.0
_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Moved:
    """What was written."""

    tables: int
    rows: int


def move(
    source: Database, into: Database, *, without: str = "", tell: Callable[[str, int], None] = lambda *_: None
) -> Moved:
    """Copies all that is stored, in constant memory, while others read and write.

    What breaks off leaves nothing behind. without: a name in `_meta` that is left out. tell: gets each table's name and
    how many of its rows there are so far.

    Raises:
        UsageError: there is something already.
        StoreError: either database does not do it.
    """
    with closing(source.read()) as reading, reading.snapshot(LONG_S), into.making() as writing:
        found = _ours(reading)
        rows = sum(_fill(reading, writing, layout, without, tell) for layout in found)
        for name, select in reading.views().items():
            writing.make_view(name, select)
        writing.only_grows("_audit")
    return Moved(len(found), rows)


def _ours(sql: Connection) -> list[Layout]:
    """The ledger's tables, and those of what is stored: others may be beside them."""
    names = [name.replace("/", "_", 1).partition("@")[0] for (name,) in sql.execute("SELECT name FROM _collection")]
    begins = ("_", *(f"{name}_" for name in names))
    return [layout for layout in sql.layouts() if layout.name in names or layout.name.startswith(begins)]


def _fill(
    reading: Connection, writing: Connection, layout: Layout, without: str, tell: Callable[[str, int], None]
) -> int:
    """Makes one table with its rows, and gives how many there are. What is looked up by comes when it is full."""
    count = 0

    def rows() -> Iterator[Any]:
        nonlocal count
        for row in reading.stream(f'SELECT {names} FROM "{layout.name}"'):  # noqa: S608 (names of the database)
            if layout.name == "_meta" and row[0] == without:
                continue
            count += 1
            if count % _TOLD == 0:
                tell(layout.name, count)
            yield row

    names = ", ".join(f'"{name}"' for name in layout.names)
    writing.create([layout.table(bare=True)])
    writing.insert(layout.name, layout.names, rows())
    writing.create([layout.table()])
    if layout.numbered and count:
        writing.number_on(layout.name, layout.numbered)
    tell(layout.name, count)
    return count
