"""Named places on the way of the data at which a test has the process die, stop, fail or wait.

`CATCHMENT_FAILPOINTS=tx.begun:2:kill` kills the process when it is at `tx.begun` for the second time; several are
separated by commas. Each that fires is written, a line each, into the file `CATCHMENT_FAILPOINTS_LOG`, so that a test
knows that it has. Without the variable a point is a call of an empty function.

`CATCHMENT_FAILPOINTS=later` is for a process that is forked when everything is imported: what happens at its points
is said by `arm`.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import StoreUnavailable, UsageError

__all__ = ["ACTIONS", "LATER", "POINTS", "FailPoint", "arm", "failpoint", "points_from"]

LATER = "later"
VARIABLE, LOG, GATE = "CATCHMENT_FAILPOINTS", "CATCHMENT_FAILPOINTS_LOG", "CATCHMENT_FAILPOINTS_GATE"

POINTS = (
    "run.claimed",
    "request.before",
    "response.headers",
    "body.complete",
    "exchange.kept",
    "page.parsed",
    "page.validated",
    "tx.begun",
    "versions.written",
    "rejects.written",
    "ledger.written",
    "tx.committed",
    "partition.completed",
    "run.closed",
    "rows.filled",
    "rows.swept",
    "rows.carried",
    "erase.taken",
    "erase.marked",
    "erase.body",
    "person.forgotten",
)
"""In the order in which a partition comes by them; then those of filling again, retention, a replay, and erasures."""


class FailPoint(Exception):
    """What the action `raise` raises: nobody expects it."""


@dataclass(frozen=True, slots=True)
class _Armed:
    """What to do at the n-th time (from 1) that the process is at a point."""

    point: str
    hit: int
    action: str


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    """Until somebody has it go on, from outside."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise() -> None:
    raise FailPoint("a fail point was set to raise")


def _io_error() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _locked() -> None:
    raise StoreUnavailable(
        "database: database is locked", hint="another process writes to it: try again when that is done"
    )


def _hold() -> None:
    """Waits until somebody opens the named pipe for writing."""
    Path(os.environ[GATE]).read_bytes()


ACTIONS: Mapping[str, Callable[[], None]] = {
    "kill": _kill,
    "stop": _stop,
    "raise": _raise,
    "io_error": _io_error,
    "locked": _locked,
    "hold": _hold,
}


def points_from(text: str, log: str = "") -> Callable[[str], None]:
    """The function that is called at every point. UsageError for a text that names no point, hit and action."""
    if text == LATER:
        return _what_was_armed
    armed = {_read(part) for part in text.split(",") if part}
    if not armed:
        return _nothing
    hits: Counter[str] = Counter()
    counting = threading.Lock()

    def reached(point: str) -> None:
        with counting:
            hits[point] += 1
            here = [item for item in armed if (item.point, item.hit) == (point, hits[point])]
        for item in here:
            _note(log, item)
            ACTIONS[item.action]()

    return reached


def _read(part: str) -> _Armed:
    point, _, rest = part.partition(":")
    hit, _, action = rest.partition(":")
    if point not in POINTS or not hit.isdecimal() or int(hit) < 1 or action not in ACTIONS:
        raise UsageError(
            f"{VARIABLE}: {part} is no POINT:HIT:ACTION",
            hint=f"points: {', '.join(POINTS)}; actions: {', '.join(ACTIONS)}",
        )
    return _Armed(point, int(hit), action)


def _note(log: str, item: _Armed) -> None:
    if log:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{item.point}:{item.hit}:{item.action}\n")


def _nothing(point: str) -> None:
    """No point is set."""


_reached: list[Callable[[str], None]] = [_nothing]


def _what_was_armed(point: str) -> None:
    _reached[0](point)


def arm(reached: Callable[[str], None]) -> None:
    """From now on this is called at every point of a process that began with `later`."""
    _reached[:] = [reached]


failpoint = points_from(os.environ.get(VARIABLE, ""), os.environ.get(LOG, ""))
