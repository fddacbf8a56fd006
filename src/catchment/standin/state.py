"""What a running stand-in remembers, and how `POST /_control` changes it. Used in the event loop's thread only."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from ..clock import Clock, monotonic, parse_moment, render_moment
from ..errors import UsageError
from .faults import FAULTS, Fault
from .service import Request, Service

__all__ = ["SHAPE", "Entry", "Match", "MovedClock", "State"]


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a fault or a hold is for.

    path: exactly this one, "" for any. query: names that must have these values. call: only the n-th such request,
    counted from 1 since the rule was put. every: each n-th. Neither: all of them.
    """

    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    call: int = 0
    every: int = 0

    def concerns(self, request: Request) -> bool:
        return self.path in ("", request.path) and self.query.items() <= request.query.items()

    def fires(self, count: int) -> bool:
        """Whether it fires on the `count`-th request that it concerns."""
        if self.call:
            return count == self.call
        return count % self.every == 0 if self.every else True


@dataclass(slots=True)
class Rule:
    """A match that counts; `fault` None makes it a hold."""

    match: Match
    fault: Fault | None = None
    seen: int = 0

    def fires(self, request: Request) -> bool:
        if not self.match.concerns(request):
            return False
        self.seen += 1
        return self.match.fires(self.seen)

    def describe(self) -> dict[str, Any]:
        what = {} if self.fault is None else dataclasses.asdict(self.fault)
        name = what.pop("name", None)
        return {**dataclasses.asdict(self.match), **what, "seen": self.seen} | ({"fault": name} if name else {})


@dataclass(slots=True)
class Entry:
    """One line of the request log.

    at: stand-in clock. received_s: monotonic seconds, comparable between processes of one machine. open: requests
    without a finished answer at that moment, this one included. end: `open`, `sent`, `cut` (by the peer) or
    `spoiled` (a fault ended the connection). sent: bytes handed to the socket, headers included.
    """

    number: int
    at: str
    received_s: float
    method: str
    path: str
    target: str
    query: dict[str, str]
    headers: dict[str, str]
    open: int
    status: int = 0
    sent: int = 0
    fault: str = ""
    end: str = "open"


class MovedClock:
    """Another clock, moved by an offset that `set` and `advance` change; it runs, or stands, as that one does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self._offset

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def set(self, moment: datetime) -> None:
        self._offset = moment - self._clock.now()

    def advance(self, by: timedelta) -> None:
        self._offset += by

    def reset(self) -> None:
        self._offset = timedelta(0)


@dataclass(frozen=True, slots=True)
class Order:
    """A whole, checked `POST /_control`; None leaves a thing as it is."""

    reset: bool = False
    switches: Any = None
    clock: datetime | None = None
    advance: timedelta | None = None
    faults: tuple[Rule, ...] | None = None
    hold: tuple[Rule, ...] | None = None
    release: bool = False


SHAPE: Mapping[str, str] = {
    "switches": "{NAME: VALUE}; GET /_control shows them all",
    "faults": "[{fault, path, query, call, every, ...}], in the place of those before: what, to which requests",
    "hold": "[{path, query, call, every}]: these are not answered",
    "release": "true: what is held is answered",
    "clock": "a moment, e.g. 2026-01-31T04:00:00Z",
    "advance": "seconds",
    "reset": "true: first of all everything is as at the start",
}
"""What the body of a `POST /_control` may have; each part may be left out."""


class State:
    """Switches, faults, holds, clock and log of one server."""

    def __init__(self, service: Service, clock: Clock, switches: Mapping[str, object]) -> None:
        self.service = service
        self.clock = MovedClock(clock)
        self._start = turned(service.switches(), switches)
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._gates: list[asyncio.Event] = []
        self._clear()

    def _clear(self) -> None:
        self.switches = self._start
        self.faults: tuple[Rule, ...] = ()
        self.holds: tuple[Rule, ...] = ()
        self.log: list[Entry] = []
        self.open = 0
        self.max_open = 0
        self.clock.reset()
        self.service.reset()

    def receive(self, request: Request) -> Entry:
        """The request's new line in the log; whoever waited for it goes on."""
        self.open += 1
        self.max_open = max(self.max_open, self.open)
        entry = Entry(
            request.number, render_moment(request.at), monotonic(), request.method, request.path, request.target,
            dict(request.query), dict(request.headers), self.open,
        )  # fmt: skip
        self.log.append(entry)
        ready = [future for number, future in self._waiting if number <= len(self.log)]
        self._waiting = [pair for pair in self._waiting if pair[0] > len(self.log)]
        for future in ready:
            if not future.done():
                future.set_result(None)
        return entry

    def finish(self, entry: Entry, end: str) -> None:
        """Closes the entry; one that a reset dropped from the log no longer counts."""
        entry.end = end
        if entry.number <= len(self.log) and self.log[entry.number - 1] is entry:
            self.open -= 1

    def fault_for(self, request: Request) -> Fault | None:
        """The fault of the first rule that fires; every rule counts the request."""
        fired = [rule.fault for rule in self.faults if rule.fires(request)]
        return fired[0] if fired else None

    def gate_for(self, request: Request) -> asyncio.Event | None:
        """What the answer has to wait for, None when it is not held."""
        fired = [rule for rule in self.holds if rule.fires(request)]
        if not fired:
            return None
        gate = asyncio.Event()
        self._gates.append(gate)
        return gate

    def leave(self, gate: asyncio.Event) -> None:
        """Forgets a gate whose peer has gone."""
        if gate in self._gates:
            self._gates.remove(gate)

    def release(self) -> None:
        """Lets every held answer go, and holds no more."""
        self.holds = ()
        for gate in self._gates:
            gate.set()
        self._gates.clear()

    async def wait(self, number: int) -> None:
        """Returns once `number` requests have been received since start or reset."""
        if len(self.log) < number:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((number, future))
            await future

    def order(self, said: object) -> None:
        """Does what a control body says, all of it or, when anything is wrong, nothing. UsageError says what."""
        wish = self._checked(said)
        if wish.reset:
            self.release()
            self._clear()
        self.switches = wish.switches if wish.switches is not None else self.switches
        self.faults = wish.faults if wish.faults is not None else self.faults
        self.holds = wish.hold if wish.hold is not None else self.holds
        if wish.clock is not None:
            self.clock.set(wish.clock)
        if wish.advance is not None:
            self.clock.advance(wish.advance)
        if wish.release:
            self.release()

    def _checked(self, said: object) -> Order:
        if not isinstance(said, dict):
            raise UsageError("a control body is a JSON object")
        known("control name", said, (item.name for item in dataclasses.fields(Order)))
        fresh = self._start if truth(said, "reset") else self.switches
        return Order(
            reset=truth(said, "reset"),
            switches=turned(fresh, said["switches"]) if "switches" in said else None,
            clock=moment(said["clock"]) if "clock" in said else None,
            advance=seconds(said["advance"]) if "advance" in said else None,
            faults=tuple(fault_rule(item) for item in listed(said["faults"])) if "faults" in said else None,
            hold=tuple(hold_rule(item) for item in listed(said["hold"])) if "hold" in said else None,
            release=truth(said, "release"),
        )

    def describe(self) -> dict[str, Any]:
        """The present state, for `GET /_control`."""
        return {
            "name": self.service.name,
            "clock": render_moment(self.clock.now()),
            "switches": dataclasses.asdict(self.switches),
            "faults": [rule.describe() for rule in self.faults],
            "hold": [rule.describe() for rule in self.holds],
            "held": len(self._gates),
            "requests": len(self.log),
        }

    def describe_log(self) -> dict[str, Any]:
        """The complete log, for `GET /_control/log`, oldest first."""
        return {"requests": [dataclasses.asdict(entry) for entry in self.log], "max_open": self.max_open}


def turned(switches: Any, said: object) -> Any:
    """The switches with some of them set anew; UsageError for an unknown name or a wrong value."""
    now = {item.name: getattr(switches, item.name) for item in dataclasses.fields(switches)}
    if not isinstance(said, Mapping):
        raise UsageError("switches is an object of name: value")
    known("switch", said, now)
    return built({**now, **said}, type(switches))


def fault_rule(said: object) -> Rule:
    if not isinstance(said, dict) or "fault" not in said:
        raise UsageError("a fault is an object with at least a member `fault`")
    matching, spoiling = names(Match), names(Fault) - {"name"}
    known("fault", [said["fault"]], FAULTS)
    known("member of a fault", said, {"fault"} | matching | spoiling)
    match = built({name: value for name, value in said.items() if name in matching}, Match)
    told = {name: value for name, value in said.items() if name in spoiling}
    return Rule(match, built({"name": said["fault"], **told}, Fault))


def hold_rule(said: object) -> Rule:
    if not isinstance(said, dict):
        raise UsageError("a hold is an object, {} holds every request")
    known("member of a hold", said, names(Match))
    return Rule(built(said, Match))


def names(shape: Any) -> set[str]:
    return {item.name for item in dataclasses.fields(shape)}


def built(said: Mapping[str, object], shape: type[Any]) -> Any:
    try:
        return msgspec.convert(said, shape)
    except msgspec.ValidationError as error:
        raise UsageError(str(error), hint=_allowed(said, shape)) from error


def _allowed(said: Mapping[str, object], shape: type[Any]) -> str:
    """What may stand in the place of a word that is none of those that a member takes; "" where it takes no words."""
    kinds = get_type_hints(shape)
    words = {name: get_args(kinds[name]) for name in said if get_origin(kinds[name]) is Literal}
    wrong = [name for name, allowed in words.items() if said[name] not in allowed]
    return f"{wrong[0]} is one of {', '.join(map(str, words[wrong[0]]))}" if wrong else ""


def listed(said: object) -> list[object]:
    return said if isinstance(said, list) else [said]


def truth(said: Mapping[str, object], name: str) -> bool:
    if not isinstance(value := said.get(name, False), bool):
        raise UsageError(f"{name} is true or false")
    return value


def moment(said: object) -> datetime:
    try:
        return parse_moment(str(said))
    except ValueError as error:
        raise UsageError(f"clock: {said} is no moment", hint="write e.g. 2026-01-31T04:00:00Z") from error


def seconds(said: object) -> timedelta:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise UsageError("advance is a number of seconds")
    return timedelta(seconds=said)


def known(what: str, said: Iterable[object], allowed: Iterable[str]) -> None:
    """Nothing; UsageError names the first of `said` that is not allowed, and the nearest that is."""
    choices = sorted(allowed)
    for name in said:
        if name not in choices:
            near = get_close_matches(str(name), choices, n=1, cutoff=0.0)
            raise UsageError(f"unknown {what}: {name}", hint=f"nearest is {near[0]}" if near else "")
