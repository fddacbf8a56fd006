"""All five apps in one data folder, as some days of collecting and writing left them, and a server of them."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "apps"))
sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from collecting import Collecting, collecting
from commands import NOW, Place, killed

from catchment.collect import Collector
from catchment.orders import Orders
from catchment.settings import load_settings
from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.store import Store

FOLDER = Path(__file__).parent
VALUES = {
    "police": {"FORCES": "avon-and-somerset,leicestershire"},
    "stocks": {"STOCK_SYMBOLS": "IBM,AAPL"},
    "incidents": {"INCIDENTS_USER": "catchment", "INCIDENTS_PASSWORD": "stand-in"},
    "episodes": {"OMDB_SERIES": "tt0944947"},
}
LIMITLESS = dict.fromkeys(
    ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES", "PROVIDERS_LIMIT_REVIEWS"), "off"
)
HOSTILE = f"{FOLDER / 'hostile.py'}:app"
SECOND_DAY = {"stocks": {"restated_bar": 3}, "incidents": {}, HOSTILE: {"turn": 1}}
"""What is asked again on the second day, and how the stand-in is switched before."""
EPISODE = "tt1480055"


NEWS: Mapping[str, tuple[Mapping[str, str], Mapping[str, object]]] = {
    "police": ({"FORCES": "avon-and-somerset,leicestershire,cambridgeshire"}, {}),
    "stocks": ({}, {"newest_changes": True}),
    "incidents": ({}, {}),
    "episodes": ({}, {"ratings": {EPISODE: "1.5"}}),
}
"""What is set, and how the stand-in is switched, for something new to be there."""


@dataclass
class Site:
    """The server, two people who write, and who collects. url: its address, without a slash behind it."""

    url: str
    key: str
    other: str
    collected: Mapping[str, Collecting]

    def news(self, app: str) -> None:
        """Returns when something new was collected, or written."""
        if app == "providers":
            self.offer("Somebody new")
            return
        here, (values, switches) = self.collected[app], NEWS[app]
        here.values.update(values)
        here.control.set(**switches)
        here.clock.advance(timedelta(hours=12))
        # A browser is driven in a loop of this thread: collecting has one of its own.
        with ThreadPoolExecutor(1) as other:
            other.submit(here.run, again=True).result()

    def obey(self, app: str) -> None:
        """Returns when somebody who collects the app has done what operators asked for."""
        here = self.collected[app]

        async def obey() -> None:
            settings = load_settings(here.environment, folder=here.folder, environ={})
            with Store(settings, [here.app]) as store:
                async with Collector(here.app, store, settings, here.clock) as collector:
                    await Orders(here.app, store, settings, here.clock, collector.run, asyncio.Event()).obey()

        with ThreadPoolExecutor(1) as other:
            other.submit(asyncio.run, obey()).result()

    def write(self, collection: str, **members: object) -> str:
        """The id of a new record."""
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.post(f"{self.url}/v1/{collection}", json=members, headers=headers, timeout=30)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    def offer(self, name: str, *skills: str) -> str:
        """The id of a new provider."""
        free = [{"from_date": "2026-01-01", "to_date": "2026-12-31"}]
        return self.write(
            "providers/providers", name=name, skills=skills or ["Plumbing"], cost_in_pence=25000, availability=free
        )


@contextmanager
def all_collected(folder: Path) -> Iterator[Mapping[str, Collecting]]:
    """Two days of collecting; on the second a bar of each symbol is restated, and incidents are those of a new week.

    The upstreams stay there.
    """
    with ExitStack() as upstreams:
        found = {}
        for app, values in {**VALUES, HOSTILE: {}}.items():
            here = upstreams.enter_context(collecting(app, folder, now=NOW - timedelta(days=2), **values))
            here.run()
            here.clock.advance(timedelta(days=1))
            here.control.set(**SECOND_DAY.get(app, {}))
            here.run(again=app in SECOND_DAY)
            found[app] = here
        yield found


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """The five apps, collected, and served by a process of its own."""
    place = Place(folder, LIMITLESS)
    with all_collected(place.data) as collected:
        process = place.start("serve", *VALUES, "providers", HOSTILE, "--port", "0")
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "http://" in line, killed(process)
            database = File(place.data / "catchment.sqlite")
            keys = [
                create(database, name, str(uuid.UUID(int=number)), {"read", "write"}, NOW)[0]
                for number, name in enumerate(("somebody", "a critic"), 7)
            ]
            yield Site(line.split()[-1], *keys, collected)
        finally:
            killed(process)
