"""The report of incidents as it is answered: whole and in pages, small and large, also while a poll commits.

The incidents are those of the stand-in, collected through the whole product. The stand-in and each poll are processes
of their own, as where `catchment up` serves. Each question is asked without its cached answer, but where that is said.
Percentiles are of one run on one machine: compare them inside it; beside them stands what an answer costs of a core.

    ./run bench incidents [--size large] [--rounds 20]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from catchment.apps.incidents import app
from catchment.clock import SystemClock
from catchment.demo import start_standins
from catchment.processes import Children
from catchment.serve.app import build
from catchment.settings import Settings, load_settings

OTHERS = {"whole report": "/incidents", "page of 100 employees": "/incidents?limit=100"}


class Poll:
    """One poll of everything by `catchment collect`, from the request to the commit."""

    def __init__(self, children: Children, settings: Settings) -> None:
        values = {name: text for name, (text, _) in settings.values.items()}
        self._process = children.start(["collect", "incidents", "--again", "--json"], values, piped=True)

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    def wait(self) -> None:
        """Returns when it has ended well."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        assert self._process.wait() == 0, said


class Client:
    """Questions to the service in this process, each one that was not asked before."""

    def __init__(self, settings: Settings) -> None:
        limits = {"CATCHMENT_LIMIT_ANONYMOUS": "off", "CATCHMENT_LIMIT_KEY": "off"}
        self._server = build([app], settings.with_values("bench", limits), SystemClock())
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


class Times:
    """How long answers took, by the clock and by the work of this process."""

    def __init__(self) -> None:
        self._wall: list[float] = []
        self._work: list[float] = []

    def add(self, ask: Callable[[], object]) -> None:
        wall, work = time.perf_counter(), time.process_time()
        ask()
        self._wall.append((time.perf_counter() - wall) * 1e3)
        self._work.append((time.process_time() - work) * 1e3)

    def row(self, name: str) -> str:
        wall = sorted(self._wall)
        high = wall[min(len(wall) - 1, int(len(wall) * 0.99))]
        return (
            f"  {name:<42} p50 {statistics.median(wall):8.1f} ms   p99 {high:8.1f} ms"
            f"   work {statistics.median(self._work):8.1f} ms   n {len(wall)}"
        )


def ask_all(client: Client, note: str, more: Callable[[int], bool]) -> None:
    """Asks for everything in turn while there is more to ask, and prints what it took."""
    found = {name: Times() for name in OTHERS}
    asked = 0
    while more(asked):
        for name, path in OTHERS.items():
            found[name].add(lambda path=path: client.get(path))
        asked += 1
    for name, times in found.items():
        print(times.row(name + note))


def run(children: Children, folder: Path, size: str, rounds: int) -> None:
    settings = load_settings({"CATCHMENT_DATA": str(folder)}, folder=folder, environ={})
    settings = start_standins([app], children, settings, size)
    start = time.perf_counter()
    Poll(children, settings).wait()
    first = time.perf_counter() - start
    client = Client(settings)
    headers = client.get("/incidents").headers
    print(
        f"{headers['x-incidents-total']} incidents of {headers['x-incidents-employees']} employees,"
        f" {int(headers['content-length']) / 1e6:.1f} MB; first load {first:.1f} s"
    )
    client.get("/incidents", cached=True)
    kept = Times()
    for _ in range(rounds):
        kept.add(lambda: client.get("/incidents", cached=True))
    print(kept.row("whole report, kept"))
    ask_all(client, "", lambda asked: asked < rounds)
    poll = Poll(children, settings)
    ask_all(client, ", while a poll runs", lambda asked: not (asked and poll.over))
    poll.wait()
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="large", choices=["tiny", "small", "medium", "large"])
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="catchment-bench-"))
    try:
        with Children(os.environ) as children:
            run(children, folder, options.size, options.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
