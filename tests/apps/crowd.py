"""Made-up providers and reviews loaded below the API, and how an app's route would look at them."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from databases import database_in
from marketplace import NOW

from catchment.apps.providers import app
from catchment.apps.providers.standin import Extent, fill
from catchment.clock import FakeClock
from catchment.principal import ANONYMOUS
from catchment.serve.data import Data
from catchment.settings import Settings
from catchment.store.engines import Database, database_of, move
from catchment.store.engines.sqlite import Connection, File
from catchment.store.questions import prepared
from catchment.store.reader import Reader
from catchment.store.tables import collections_of

LARGE = ("providers_providers", "providers_reviews")
"""The beginnings of the names of tables that grow with the market."""


@dataclass
class Watched:
    """A view that notes every question. asked: its SQL -> values that it was asked with; times: how often."""

    view: Any
    asked: dict[str, Any] = field(default_factory=dict)
    times: Counter[Any] = field(default_factory=Counter)

    def tables(self, name):
        return self.view.tables(name)

    def state(self, name):
        return self.view.state(name)

    def select(self, statement):
        return self.prepared(statement)()

    def prepared(self, statement):
        question, ask = prepared(statement, Connection.dialect), self.view.prepared(statement)

        def noted(**values):
            self.asked[question.sql] = bound = question.with_values(**values).values
            self.times[question.sql, bound] += 1
            return ask(**values)

        return noted


def load(folder: Path, extent: Extent, clock: FakeClock | None = None) -> Database:
    """The database of that many made-up providers and reviews."""
    fill(folder / "catchment.sqlite", extent, clock or FakeClock(NOW))
    loaded, database = File(folder / "catchment.sqlite"), database_of(database_in(folder))
    if database != loaded:
        move(loaded, database)
    return database


@contextmanager
def looking(database: Database):
    """A view of the database, that notes what it is asked."""
    reader = Reader(database, collections_of(app), deadline_s=60)
    data = Data(reader, Settings(), NOW, ANONYMOUS, app="providers")
    with data.open() as view:
        yield Watched(view)
    reader.close()
