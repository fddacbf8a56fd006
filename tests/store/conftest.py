"""Collectors of the tiny app in `shop`, on one database of each engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside the tests

from shop import START, Shop, app, settings

from catchment.settings import Settings
from catchment.store.store import Store, prepare


@pytest.fixture
def place(new_database: Callable[..., str], tmp_path: Path) -> Settings:
    """The settings that name a database for the shop."""
    url = new_database("shop", lambda database: prepare(database, [app]))
    return settings(tmp_path / "data", CATCHMENT_DATABASE=url)


@pytest.fixture
def open_shop(place: Settings) -> Iterator[Callable[..., Shop]]:
    """A function that opens one more collector on the same database."""
    opened: list[Store] = []

    def open_one(now: datetime = START) -> Shop:
        opened.append(Store(place, [app]))
        return Shop(opened[-1], place, now)

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def here(open_shop: Callable[..., Shop]) -> Shop:
    """One collector."""
    return open_shop()
