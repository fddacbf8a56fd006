"""Running a stand-in: beside a test in a thread, or as a process until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from ..clock import Clock, SystemClock
from .control import Control
from .server import Server
from .service import Service
from .state import MovedClock

__all__ = ["Running", "clock_from", "run", "serve_in_thread"]


@dataclass(frozen=True, slots=True)
class Running:
    """A stand-in that answers at `url`, and the hand on its switches."""

    url: str
    control: Control


@contextlib.contextmanager
def serve_in_thread(
    service: Service,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    clock: Clock | None = None,
    switches: Mapping[str, object] | None = None,
) -> Iterator[Running]:
    """A stand-in in a thread of its own, listening when the block begins and gone when it ends."""
    server = Server(service, host, port, clock, switches)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_serve(server, started),), name=f"stand-in {service.name}")
    thread.start()
    try:
        loop, stop = started.result()
        try:
            yield Running(server.url, Control(server.url))
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


async def _serve(server: Server, started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    """Listens until stopped; what prevents listening goes to whoever waits for `started`."""
    stop = asyncio.Event()
    try:
        async with server:
            started.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()
    except Exception as error:
        if started.done():
            raise
        started.set_exception(error)


def run(
    service: Service,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    clock: Clock | None = None,
    switches: Mapping[str, object] | None = None,
    note: Callable[[str], str] = lambda _: "",
) -> None:
    """Serves until SIGTERM or SIGINT; prints a line with the address as soon as it listens, and the note after it.

    note: what else there is to say of a stand-in at this URL.
    """
    asyncio.run(_run(Server(service, host, port, clock, switches), service.name, note))


async def _run(server: Server, name: str, note: Callable[[str], str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with server:
        said = note(server.url)
        sys.stdout.write(f"stand-in {name} on {server.url}\n" + (f"{said}\n" if said else ""))
        sys.stdout.flush()
        await stop.wait()


def clock_from(moment: datetime) -> Clock:
    """A clock that shows `moment` now and runs on from there."""
    clock = MovedClock(SystemClock())
    clock.set(moment)
    return clock
