"""An upstream with one list in pages that tests may change between two answers, and its feed collected for real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from databases import asked, database_in, values_in

from catchment import RETIRE, App, Feed, Get, Record, Upstream, items
from catchment.clock import FakeClock
from catchment.collect import Collector
from catchment.paging import Pager
from catchment.runs import Result, Scope
from catchment.settings import load_settings
from catchment.standin import Answer, Control, Paged, Request, serve_in_thread
from catchment.store.engines import database_of
from catchment.store.store import Store

NOW = datetime(2026, 3, 20, 4, 0, tzinfo=UTC)


class Book(Record):
    id: int
    title: str = ""


api = Upstream("shelf", "https://shelf.example", tries=())


def books(pages: Pager, **options: Any) -> Feed:
    """The feed of the list."""
    declared = {"request": Get("/books"), "rows": items("items"), "key": ("id",), "missing": RETIRE, **options}
    return Feed("books", Book, declared.pop("upstream", api), pages=pages, **declared)


@dataclass(frozen=True)
class Switches:
    """None: what a test changes, it changes in the list."""


@dataclass
class Shelf:
    """The list. before: (number of the request, from 1) -> what happens just before it is answered.

    twist: (request, answer) -> the answer that is sent.
    """

    paged: Paged
    ids: list[int]
    before: dict[int, Callable[[list[int]], object]] = field(default_factory=dict)
    twist: Callable[[Request, Answer], Answer] = lambda _, answer: answer
    fired: list[int] = field(default_factory=list)
    name: str = "shelf"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers its list."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.number in self.before:
            self.fired.append(request.number)
            self.before[request.number](self.ids)
        rows = [{"id": number, "title": f"book {number}"} for number in self.ids]
        return self.twist(request, self.paged.answer(request, rows))


@dataclass
class Reading:
    """One data folder, and the shelf that is collected into it."""

    folder: Path
    url: str
    control: Control
    shelf: Shelf
    feed: Feed
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    values: Mapping[str, str] = field(default_factory=dict)

    def collect(self, **changes: Any) -> Result:
        """A run by a collector that begins and ends with it; how its one partition stands."""
        return asyncio.run(self._collect(replace(self.feed, **changes)))

    async def _collect(self, feed: Feed) -> Result:
        values = {
            **values_in(self.folder, [App("shop", feeds=[self.feed])]),
            "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8",
            "CATCHMENT_UPSTREAM_SHELF": self.url,
            **self.values,
        }
        settings, app = load_settings(values, folder=self.folder, environ={}), App("shop", feeds=[feed])
        with Store(settings, [app]) as store:
            async with Collector(app, store, settings, self.clock) as collector:
                (result,) = (await collector.run(Scope(again=True))).results
        return result

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return asked(database_of(database_in(self.folder)), statement)

    @property
    def stored(self) -> list[int]:
        return [number for (number,) in self.sql("SELECT id FROM shop_books ORDER BY id")]

    @property
    def asked(self) -> list[str]:
        """The targets asked for, oldest first."""
        return [entry["target"] for entry in self.control.log()]


@contextmanager
def reading(folder: Path, paged: Paged, pages: Pager, ids: range | list[int], **options: Any) -> Iterator[Reading]:
    """A shelf of these ids that listens, and its feed with an empty data folder."""
    shelf = Shelf(paged, list(ids))
    clock = FakeClock(NOW)
    with serve_in_thread(shelf, clock=clock) as running:
        yield Reading(folder, running.url, running.control, shelf, books(pages, **options), clock)
