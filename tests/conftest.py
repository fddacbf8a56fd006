"""What every test may ask for, and the line that says what was skipped."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from catchment.store.engines import Connection, Database, database_of
from catchment.testing import Cluster, NoServer

# How fast values are made and examples run is a matter of the machine, and of what else it does.
settings.register_profile("catchment", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("catchment")

CHECKOUT = Path(__file__).resolve().parents[1]

MEMORY, ROOM = Path("/dev/shm"), 2 << 30
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
    # A test of what is durable kills processes, never the machine: nobody has to wait for a disk.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

LONG = ("docs", "e2e", "typing", "repository", "faults", "apps")
"""Folders of tests that take long: begun first, so that no core waits for another one in the end."""


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of recorded upstream data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("CATCHMENT_SAMPLES") or CHECKOUT.parent / "shared" / "samples")
    if not folder.is_dir():
        pytest.skip("no recorded samples: name their folder by CATCHMENT_SAMPLES")
    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this session's own; tests that need it are skipped where it cannot be started."""
    try:
        found = Cluster()
    except NoServer as error:
        pytest.skip(f"no PostgreSQL: {error}")
    with found:
        yield found


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

    def take(self, template: str, fill: Callable[[Database], None] | None) -> str:
        if free := self._free.setdefault(template, []):
            return free.pop()
        name = self.cluster.database(self.cluster.template(template, fill) if fill else template)
        with closing(database_of(self.cluster.url(name)).open()) as sql:
            self._shapes.setdefault(template, sql.execute(SHAPE).fetchone())
        return name

    def give_back(self, template: str, name: str) -> None:
        with closing(database_of(self.cluster.url(name)).open()) as sql:
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            sql.execute(f"SELECT pg_terminate_backend(pid) {others}")
            if as_it_was := sql.execute(SHAPE).fetchone() == self._shapes[template]:
                self._empty(sql)
        if as_it_was:
            self._free[template].append(name)
        else:
            self.cluster.drop(name)

    @staticmethod
    def _empty(sql: Connection) -> None:
        sequences = sql.execute("SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL").fetchall()
        statements = ["SET session_replication_role = replica", *(f'DELETE FROM "{name}"' for name in sql.tables())]
        statements += [f'ALTER SEQUENCE "{name}" RESTART' for (name,) in sequences]
        sql._together(*statements)


@pytest.fixture(scope="session")
def pool(cluster: Cluster) -> Pool:
    return Pool(cluster)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of a database engine: what asks for it is run on each of them."""
    return str(request.param)


class Files:
    """Files of databases, copies of what was filled once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy(self, template: str, fill: Callable[[Database], None], path: Path) -> None:
        filled = self._folder / f"{template}.sqlite"
        if not filled.exists():
            fill(database_of(f"sqlite:///{filled}"))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(filled, path)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def new_database(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, files: Files
) -> Iterator[Callable[..., str]]:
    """A function that gives the URL of a new database of the engine.

    Where `fill` is given it is a copy of the one of that name which was filled once: so many tables cost little.
    """
    if engine == "sqlite":
        numbers = itertools.count(1)

        def new(template: str = "", fill: Callable[[Database], None] | None = None) -> str:
            path = tmp_path / "data" / f"{next(numbers)}.sqlite"
            if fill:
                files.copy(template, fill, path)
            return f"sqlite:///{path}"

        yield new
        return
    pool: Pool = request.getfixturevalue("pool")
    taken = list[tuple[str, str]]()

    def one(template: str = "template1", fill: Callable[[Database], None] | None = None) -> str:
        taken.append((template, pool.take(template, fill)))
        return pool.cluster.url(taken[-1][1])

    yield one
    for template, name in taken:
        pool.give_back(template, name)


@pytest.fixture
def refusing() -> Callable[[Connection, str, str, str], Callable[[], object]]:
    """A function that has a database refuse, in the words `it is refused`; it gives the one that has it end."""

    def refuse(sql: Connection, event: str, table: str, when: str) -> Callable[[], object]:
        if sql.dialect.name == "sqlite":
            refusal = "SELECT RAISE(ABORT, 'it is refused')"
            sql.execute(f"CREATE TRIGGER refusing {event} ON {table} WHEN {when} BEGIN {refusal}; END")
            return lambda: sql.execute("DROP TRIGGER refusing")
        words = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it is refused'; END $$"
        each = f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refusing()"
        sql.execute(f"CREATE FUNCTION refusing() RETURNS trigger {words}")
        sql.execute(f"CREATE TRIGGER refusing {event} ON {table} {each}")
        return lambda: sql.execute("DROP FUNCTION refusing CASCADE")

    return refuse


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--every-engine`: for a change to what stands behind a database."""
    parser.addoption("--every-engine", action="store_true", help="also what is run on SQLite alone for time's sake")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is about SQLite's own ways is not run on other engines; what takes long, only with --every-engine."""
    names = ("sqlite",) if config.getoption("--every-engine") else ("sqlite", "once")
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        callspec = getattr(item, "callspec", None)
        other = callspec is not None and callspec.params.get("engine", "sqlite") != "sqlite"
        (left if other and any(map(item.get_closest_marker, names)) else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = sorted(kept, key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(CHECKOUT / "tests").parts[0]
    return LONG.index(folder) if folder in LONG else len(LONG)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped, without the place."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many tests were skipped, by reason. Nobody takes a skipped test for a passed one."""
    reasons = Counter(skip_reason(report) for report in terminalreporter.getreports("skipped"))
    if reasons:
        each = "; ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
        terminalreporter.write_line(f"skipped {sum(reasons.values())}: {each}")
