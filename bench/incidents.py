"""The report of incidents as it is answered: whole and in pages, small and large, also while a poll commits.

The incidents are those of the stand-in, collected through the whole product; each question is asked without its cached
answer. Percentiles are of one run on one machine: compare them inside it.

    ./run bench incidents [--size large] [--rounds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from catchment.apps.incidents import app
from catchment.apps.incidents.standin import service
from catchment.clock import FakeClock
from catchment.collect import Collector
from catchment.runs import Scope
from catchment.serve.app import build
from catchment.settings import Settings, load_settings
from catchment.standin import Options, serve_in_thread
from catchment.store.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC)


def poll(settings: Settings, clock: FakeClock) -> None:
    """One poll of everything, from the request to the commit."""

    async def run() -> None:
        with Store(settings, [app]) as store:
            async with Collector(app, store, settings, clock) as collector:
                summary = await collector.run(Scope(again=True))
                assert summary.complete

    asyncio.run(run())


class Client:
    """Questions to the service in this process, each one that was not asked before."""

    def __init__(self, settings: Settings, clock: FakeClock) -> None:
        limits = {"CATCHMENT_LIMIT_ANONYMOUS": "off", "CATCHMENT_LIMIT_KEY": "off"}
        self._server = build([app], settings.with_values("bench", limits), clock)
        self._asked = 0

    def get(self, path: str, *, cached: bool = False) -> httpx.Response:
        self._asked += 1
        fresh = "" if cached else f"{'&' if '?' in path else '?'}until={4_000_000_000 + self._asked}"

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._server, client=("127.0.0.1", 5000))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.get(path + fresh)

        answer = asyncio.run(send())
        assert answer.status_code == 200, answer.text
        return answer

    def close(self) -> None:
        self._server.close()


def measured(rounds: int, ask: Callable[[], Any]) -> list[float]:
    """Seconds of each round."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        ask()
        found.append(time.perf_counter() - start)
    return sorted(found)


def row(name: str, seconds: list[float]) -> str:
    high = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
    return f"  {name:<44} p50 {statistics.median(seconds) * 1e3:8.1f} ms   p99 {high * 1e3:8.1f} ms   n {len(seconds)}"


def questions(client: Client, rounds: int, note: str) -> None:
    print(row(f"whole report{note}", measured(rounds, lambda: client.get("/incidents"))))
    print(row(f"page of 100 employees{note}", measured(rounds, lambda: client.get("/incidents?limit=100"))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="large", choices=["tiny", "small", "medium", "large"])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    folder, clock = Path(tempfile.mkdtemp(prefix="catchment-bench-")), FakeClock(START)
    upstream = service(Options(size=options.size, variant=1, samples=None, clock=clock))
    try:
        with serve_in_thread(upstream, clock=clock) as running:
            values = {
                "CATCHMENT_DATA": str(folder),
                "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8",
                "CATCHMENT_UPSTREAM_INCIDENTS": running.url,
                "INCIDENTS_USER": "catchment",
                "INCIDENTS_PASSWORD": "stand-in",
            }
            settings = load_settings(values, folder=folder, environ={})
            start = time.perf_counter()
            poll(settings, clock)
            first = time.perf_counter() - start
            client = Client(settings, clock)
            headers = client.get("/incidents").headers
            print(
                f"{headers['x-incidents-total']} incidents of {headers['x-incidents-employees']} employees,"
                f" {int(headers['content-length']) / 1e6:.1f} MB; first load {first:.1f} s"
            )
            client.get("/incidents", cached=True)
            print(row("whole report, kept", measured(options.rounds, lambda: client.get("/incidents", cached=True))))
            questions(client, options.rounds, "")
            clock.advance(timedelta(minutes=30))
            polling = threading.Thread(target=poll, args=(settings, clock))
            polling.start()
            questions(client, options.rounds, ", a poll commits")
            polling.join()
            client.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
