"""What is run on which engine: every test on both, and of its table the first row; each further row on one of them.

A module that is marked `cases` is a table itself, and so is each acceptance case of an app: their rows are tests. Most
of the further ones are run on SQLite: they collect, which costs twice as much where a server is asked.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from databases import ENGINES

from catchment.testing.cluster import NoServer, programs

ALONE = ("sqlite", "storeless", "once")
"""Marks of what is run on SQLite alone."""


FURTHER_CASES = 8
"""Of so many further cases one is run on PostgreSQL."""

_ACCEPTANCE = re.compile(r"acceptance ((?:\d+(?:, | and )?)+)(?: of (\w+))?", re.IGNORECASE)


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
        test, cases = item.nodeid.partition("[")[0], item.get_closest_marker("cases")
        row = f"{test}[{_row(callspec.id)}]"
        item.user_properties.append(("row", row))
        item.user_properties.append(("engine", engine))
        firsts = [self._first.setdefault(table, row) for table in (_cases(item) if cases else [test])]
        if self.every or item.get_closest_marker("both") or row in firsts:
            return True
        # By its name, so that a row that is added moves no other one.
        chosen = zlib.crc32(row.encode()) % (FURTHER_CASES if cases else 2) == 1
        return engine == ("postgresql" if chosen and self.server else "sqlite")


def _cases(item: pytest.Item) -> list[str]:
    """The acceptance cases that its docstring says it is a test of; otherwise the module is its table."""
    said = _ACCEPTANCE.findall(getattr(getattr(item, "function", None), "__doc__", None) or "")
    app = item.path.stem.split("_")[1]  # test_police_months
    return [f"{of or app} {number}" for numbers, of in said for number in re.findall(r"\d+", numbers)] or [
        item.path.name
    ]


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
