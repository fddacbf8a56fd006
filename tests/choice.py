"""What is run on which engine: every test on both, and of its table the first row; each further row on one of them."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from databases import ENGINES

from catchment.testing.cluster import NoServer, programs

ALONE = ("sqlite", "storeless", "once")
"""Marks of what is run on SQLite alone."""


def server_there() -> bool:
    """Whether this machine has what a PostgreSQL is started from."""
    try:
        programs()
    except NoServer:
        return False
    return True


def engine_of(item: pytest.Item) -> str:
    """The engine that a test is run on."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.params.get("engine", "sqlite")) if callspec else "sqlite"


@dataclass
class Choice:
    """every: each row is run on every engine. server: there is a PostgreSQL; otherwise SQLite has every row."""

    every: bool
    server: bool
    _first: dict[str, str] = field(default_factory=dict)
    """Test -> the first row of its table."""

    def takes(self, item: pytest.Item) -> bool:
        """Whether a test is run on the engine that it is about. To be asked in the order of the tests."""
        callspec = getattr(item, "callspec", None)
        if callspec is None or "engine" not in callspec.params:
            return True
        engine = engine_of(item)
        if any(map(item.get_closest_marker, ALONE)):
            return engine == "sqlite"
        test, row = item.nodeid.partition("[")[0], _row(callspec.id)
        item.user_properties.append(("row", f"{test}[{row}]"))
        item.user_properties.append(("engine", engine))
        if self.every or item.get_closest_marker("both") or self._first.setdefault(test, row) == row:
            return True
        # By its name, so that a row that is added moves no other one.
        return engine == (ENGINES[zlib.crc32(f"{test}[{row}]".encode()) % 2] if self.server else "sqlite")


def _row(name: str) -> str:
    """The name of a row without its engine's."""
    return "-".join(part for part in name.split("-") if part not in ENGINES)


def counts(reports: Iterable[pytest.TestReport]) -> str:
    """A line on how many tests ran where; nothing where none asks for an engine."""
    rows = defaultdict[str, set[str]](set)
    for report in reports:
        said = dict(report.user_properties)
        if report.when == "call" and "row" in said:
            rows[str(said["row"])].add(str(said["engine"]))
    where = Counter("both" if len(engines) > 1 else engines.pop() for engines in rows.values())
    return (
        f"{where['both']} tests on both engines, {where['sqlite']} on SQLite and {where['postgresql']} on PostgreSQL"
        * bool(rows)
    )
