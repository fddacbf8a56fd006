"""What every test may ask for, and the line that says what was skipped."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
