"""The databases of tests: each test's on the engine that it is run on, whoever opens them.

`database_in(folder)` is where whoever works in a folder keeps records: the settings of a collector, of a server and of
a command say it. What asks for the fixture `engine` is run on every engine; anything else on SQLite.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from catchment.app import App
from catchment.store.engines import Connection, Database, database_of
from catchment.store.store import prepare
from catchment.store.tables import collections_of, tables_of
from catchment.testing import Cluster

ENGINES = ("sqlite", "postgresql")
FILE = "catchment.sqlite"
EMPTY, COPY = "template1", ""

Fill = Callable[[Database], None]

SHAPE = (
    "SELECT md5(string_agg(said, ',' ORDER BY said)) FROM (SELECT c.relname || '.' || coalesce(a.attname, '') AS said"
    " FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    " WHERE relnamespace = to_regnamespace('public') UNION ALL SELECT tgname FROM pg_trigger) AS found"
)
"""What a database's tables, indexes, views and triggers are, in short."""


class Pool:
    """Databases of one server, used again when a test left nothing in them but rows: making one costs far more."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._free: dict[str, list[str]] = {}
        self._shapes: dict[str, tuple[str]] = {}
        self._rows: dict[str, list[str]] = {}

    def take(self, template: str, fill: Fill | None) -> str:
        if free := self._free.setdefault(template, []):
            return free.pop()
        name = self.cluster.database(self.cluster.template(template, fill) if fill else template)
        if template not in self._shapes:
            with closing(database_of(self.cluster.url(name)).open()) as sql:
                self._shapes[template], self._rows[template] = sql.execute(SHAPE).fetchone(), _filling(sql)
        return name

    def give_back(self, template: str, name: str) -> None:
        with closing(database_of(self.cluster.url(name)).open()) as sql:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            sql.execute(f"SELECT pg_terminate_backend(pid) {others}")
            if as_it_was := sql.execute(SHAPE).fetchone() == self._shapes.get(template):
                self._empty(sql, self._rows[template])
        if as_it_was:
            self._free[template].append(name)
        else:
            self.cluster.drop(name)

    @staticmethod
    def _empty(sql: Connection, filling: Sequence[str]) -> None:
        """filling: statements that give it the rows that it had at first."""
        sequences = sql.execute("SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL").fetchall()
        statements = ["SET session_replication_role = replica", *(f'DELETE FROM "{name}"' for name in sql.tables())]
        statements += [f'ALTER SEQUENCE "{name}" RESTART' for (name,) in sequences]
        sql._together(*statements, *filling)


def _filling(sql: Connection) -> list[str]:
    """For each table with rows a statement that puts them into it again."""
    found = [(name, sql.execute(f'SELECT json_agg(t)::text FROM "{name}" AS t').fetchone()[0]) for name in sql.tables()]
    said = [(name, rows.replace("'", "''")) for name, rows in found if rows]
    return [
        f'INSERT INTO "{name}" SELECT * FROM json_populate_recordset(NULL::"{name}", \'{rows}\')' for name, rows in said
    ]


@dataclass
class Given:
    """Which databases there are, on the engine of the test that runs."""

    engine: str = "sqlite"
    pool: Pool | None = None
    _taken: dict[Path, tuple[str, str]] = field(default_factory=dict)
    """Folder -> template and name of what PostgreSQL has for it, in the order in which it was asked for."""

    def url(self, folder: Path, template: str = "", fill: Fill | None = None) -> str:
        if self.engine == "sqlite":
            file = folder / FILE
            if fill and not file.exists():
                self._copy_file(template, fill, file)
            return f"sqlite:///{file}"
        if folder not in self._taken:
            template = template or EMPTY
            self._taken[folder] = template, self._server.take(template, fill)
        return self._server.cluster.url(self._taken[folder][1])

    @property
    def _server(self) -> Pool:
        assert self.pool, "ask for the fixture `engine`"
        return self.pool

    @cached_property
    def _templates(self) -> Path:
        """A folder for files to be copied."""
        return Path(tempfile.mkdtemp(prefix="catchment-files-"))

    def _copy_file(self, template: str, fill: Fill, file: Path) -> None:
        filled = self._templates / f"{template}.sqlite"
        if not filled.exists():
            fill(database_of(f"sqlite:///{filled}"))
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(filled, file)

    def copy(self, of: Path, folder: Path) -> None:
        if self.engine == "sqlite":
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in of.glob(f"{FILE}*"):
                shutil.copy(path, folder)
        else:
            _, name = self._taken[of]
            self._taken[folder] = COPY, self._server.cluster.database(name)

    def mark(self) -> int:
        return len(self._taken)

    def give_back(self, mark: int) -> None:
        """Gives back what was taken since."""
        for folder in list(self._taken)[mark:]:
            self._server.give_back(*self._taken.pop(folder))

    def close(self) -> None:
        shutil.rmtree(self._templates, ignore_errors=True)


given = Given()
"""Of this session; `conftest.py` says on which engine."""


def database_in(folder: Path, apps: Sequence[App] = ()) -> str:
    """The URL of the database of who works in this folder, the same one for the same folder.

    apps: the database is ready for them. Without, it is as nobody ever used it.
    """
    if not apps:
        return given.url(folder)
    return given.url(folder, _shape(apps), lambda database: prepare(database, apps))


_SHAPES: dict[int, tuple[App, str]] = {}
"""What was found out of an app, which stays, so that no other one is taken for it."""


def _shape(apps: Sequence[App]) -> str:
    """A name for what the databases of these apps look like."""
    for app in apps:
        if id(app) not in _SHAPES:
            _SHAPES[id(app)] = app, _shape_of(app)
    return "of_" + "_".join(_SHAPES[id(app)][1] for app in apps)


def _shape_of(app: App) -> str:
    tables = [table for item in collections_of(app) for table in tables_of(item)]
    said = [
        (
            table.name,
            [f"{column.name} {column.type}" for column in table.columns],
            sorted(str(one.name) for one in table.indexes),
        )
        for table in tables
    ]
    return hashlib.sha256(repr((said, sorted(app.views.items()))).encode()).hexdigest()[:12]


def values_in(folder: Path, apps: Sequence[App] = ()) -> dict[str, str]:
    """The settings that lead there. On SQLite the folder says it all."""
    url = database_in(folder, apps)
    return {"CATCHMENT_DATA": str(folder)} | ({} if given.engine == "sqlite" else {"CATCHMENT_DATABASE": url})


def copied(of: Path, folder: Path) -> None:
    """Has the folder have a copy of another one's database, which nobody is connected to."""
    given.copy(of, folder)


def asked(database: Database, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """What a database says now, to whom only reads."""
    with closing(database.read()) as sql:
        return sql.execute(statement, values).fetchall()


def url_of(database: Database) -> str:
    """Where it is, as a setting says it."""
    return str(getattr(database, "url", "") or f"sqlite:///{database.label}")


def left_in(database: Database) -> bytes:
    """All that it holds: every row of every table, and its files where it has some of its own."""
    with closing(database.read()) as sql:
        rows = [sql.execute(f'SELECT * FROM "{name}"').fetchall() for name in sorted(sql.tables())]
    path = getattr(database, "path", None)
    files = path.parent.glob(f"{path.name}*") if path else ()
    return repr(rows).encode() + b"".join(file.read_bytes() for file in files)
