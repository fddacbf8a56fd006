"""What every test may ask for, and the line that says what was skipped."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from catchment.store.engines import Database
from catchment.testing import Cluster, NoServer

# How fast values are made and examples run is a matter of the machine, and of what else it does.
settings.register_profile("catchment", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("catchment")

CHECKOUT = Path(__file__).resolve().parents[1]


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


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of a database engine: what asks for it is run on each of them."""
    return str(request.param)


@pytest.fixture
def new_database(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function that gives the URL of a new database of the engine.

    Where `fill` is given it may be a copy of the one of that name which was filled once: so many tables cost little.
    """
    if engine == "sqlite":
        numbers = itertools.count(1)
        yield lambda *_: f"sqlite:///{tmp_path / 'data' / f'{next(numbers)}.sqlite'}"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    names = list[str]()

    def one(template: str = "", fill: Callable[[Database], None] | None = None) -> str:
        names.append(cluster.database(cluster.template(template, fill)) if fill else cluster.database())
        return cluster.url(names[-1])

    yield one
    for name in names:
        cluster.drop(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is about SQLite's own ways is not run on other engines."""
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        callspec = getattr(item, "callspec", None)
        other = callspec is not None and callspec.params.get("engine", "sqlite") != "sqlite"
        (left if other and item.get_closest_marker("sqlite") else kept).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


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
