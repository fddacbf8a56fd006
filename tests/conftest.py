"""What every test may ask for, and the line that says what was skipped."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one

import databases
from choice import Choice, counts, engine_of, server_there
from databases import ENGINES, Fill, Pool

from catchment.store.engines import Connection
from catchment.testing import Cluster, NoServer

# How fast values are made and examples run is a matter of the machine, and of what else it does.
settings.register_profile("catchment", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("catchment")

CHECKOUT = Path(__file__).resolve().parents[1]

MEMORY, ROOM = Path("/dev/shm"), 2 << 30
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
    # A test of what is durable kills processes, never the machine: nobody has to wait for a disk.
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

STORED = ("apps", "e2e", "explorer", "faults", "keys", "paging", "resources", "serve", "store")
"""Folders of tests that open databases."""

CASES = ("apps", "e2e", "faults")
"""Those of them whose tests are cases: each acceptance case of an app is run on both engines, the others on one."""

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


@pytest.fixture(scope="session")
def pool(cluster: Cluster) -> Pool:
    return Pool(cluster)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of a database engine: what asks for it is run on each of them.

    So is what lasts longer than a test and holds a database: it asks for it too, and is made anew on each.
    """
    if request.param == "postgresql":
        databases.given.pool = request.getfixturevalue("pool")
    return str(request.param)


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    """What a test took is there for the next one; what a module took stays its own."""
    mark = databases.given.mark()
    yield
    databases.given.give_back(mark)


@pytest.fixture
def new_database(engine: str, tmp_path: Path) -> Callable[..., str]:
    """A function that gives the URL of a new database of the engine.

    Where `fill` is given it is a copy of the one of that name which was filled once: so many tables cost little.
    """
    numbers = itertools.count(1)

    def new(template: str = "", fill: Fill | None = None) -> str:
        return databases.given.url(tmp_path / "data" / str(next(numbers)), template, fill)

    return new


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


def pytest_unconfigure() -> None:
    databases.given.close()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """What is in these folders opens databases: unless it says otherwise it is run on every engine."""
    if isinstance(collector, pytest.Module):
        folder = collector.path.relative_to(CHECKOUT / "tests").parts[0]
        if folder in STORED:
            collector.add_marker(pytest.mark.usefixtures("engine"))
        if folder in CASES:
            collector.add_marker(pytest.mark.cases)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    databases.given.engine = engine_of(item)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--every-engine`: for a change to what stands behind a database."""
    parser.addoption("--every-engine", action="store_true", help="each row of each table on every engine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Chooses what is run on which engine: see `CONTRIBUTING.md`."""
    chosen = Choice(every=config.getoption("--every-engine"), server=server_there())
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (kept if chosen.takes(item) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = sorted(kept, key=_turn)


def pytest_collection_finish() -> None:
    """What is there by now stays to the end: nobody walks through it again and again to find what may go."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


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
    """How many tests ran on which engine, and how many were skipped, by reason: nobody takes one for a passed one."""
    if counted := counts(terminalreporter.getreports("passed") + terminalreporter.getreports("failed")):
        terminalreporter.write_line(counted)
    reasons = Counter(skip_reason(report) for report in terminalreporter.getreports("skipped"))
    if reasons:
        each = "; ".join(f"{count} x {reason}" for reason, count in sorted(reasons.items()))
        terminalreporter.write_line(f"skipped {sum(reasons.values())}: {each}")
