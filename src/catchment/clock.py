"""The only place that asks the time.

Everything else takes `now` as an argument or holds a `Clock`. Times are aware UTC.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import msgspec

from .errors import UsageError

__all__ = [
    "Clock",
    "FakeClock",
    "FileClock",
    "SystemClock",
    "heartbeat",
    "moment_text",
    "monotonic",
    "open_clock",
    "parse_moment",
    "render_moment",
]


class Clock(Protocol):
    """Now, and waiting for later."""

    def now(self) -> datetime:
        """The moment, aware UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns when `seconds` of this clock have passed; negative or 0 yields once."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class FakeClock:
    """A clock that stands still until `advance`; sleeping moves it on at once.

    `slept` lists every wait asked for, in seconds: tests assert on waits instead of waiting.
    """

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._now += by

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(timedelta(seconds=max(0.0, seconds)))
        await asyncio.sleep(0)


class FileClock:
    """One clock for several processes: the moment stands in a file, written by `set`, and sleeping moves it on.

    A wait moves the file forward to its end unless another process has moved it further already.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        try:
            return parse_moment(self._path.read_text().strip())
        except (OSError, ValueError) as error:
            raise UsageError(
                f"clock file {self._path} holds no moment", hint="write e.g. 2026-01-31T04:00:00Z into it"
            ) from error

    def set(self, moment: datetime) -> None:
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        beside.write_text(render_moment(moment))
        beside.replace(self._path)

    async def sleep(self, seconds: float) -> None:
        end = self.now() + timedelta(seconds=max(0.0, seconds))
        await asyncio.sleep(0)
        if self.now() < end:
            self.set(end)


def open_clock(where: str) -> Clock:
    """The clock that a setting names: "" for the machine's, `file:PATH` for one shared by processes."""
    if not where:
        return SystemClock()
    kind, _, path = where.partition(":")
    if kind != "file" or not path:
        raise UsageError(f"CATCHMENT_CLOCK={where} is no clock", hint="use file:PATH, or leave it out")
    clock = FileClock(Path(path))
    clock.now()
    return clock


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC, always with six decimals, so that text order is time order."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    said = _said(moment)  # in quotes, without decimals where they are zeros; a tenth of the time of `isoformat`
    return f"{said[1:20].decode()}.000000Z" if len(said) == _WHOLE_SECONDS else said[1:-1].decode()


_said = msgspec.json.Encoder().encode
_WHOLE_SECONDS = len('"2026-01-31T04:00:00Z"')
_DAY = len("2026-01-31")


render_moment = lru_cache(maxsize=64)(moment_text)
"""The same, for moments that come again: that of an answer is of each of its records."""


def parse_moment(text: str) -> datetime:
    """The aware UTC moment of an RFC 3339 text, or of a date (its first instant). ValueError if it is neither."""
    if len(text) == _DAY:
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is out of bounds in UTC") from error


async def heartbeat(seconds: float) -> None:
    """Returns after so many seconds of the machine, whatever clock is used: not for waits of the work."""
    await asyncio.sleep(seconds)


def worked() -> float:
    """Seconds that this thread has computed, whoever else was at work meanwhile; for measuring only."""
    return time.thread_time()


def monotonic() -> float:
    """Seconds that never go back; for deadlines of sockets and measuring only, never for what is stored."""
    return time.monotonic()
