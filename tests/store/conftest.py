"""Collectors of the tiny app in `shop`, on one SQLite file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside the tests

from shop import START, Shop, app, settings

from catchment.store.store import Store


@pytest.fixture
def open_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """A function that opens one more collector on the same file."""
    opened: list[Store] = []

    def open_one(now: datetime = START) -> Shop:
        opened.append(Store(settings(tmp_path / "data"), [app]))
        return Shop(opened[-1], now)

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def here(open_shop: Callable[..., Shop]) -> Shop:
    """One collector."""
    return open_shop()
