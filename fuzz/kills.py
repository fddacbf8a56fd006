"""A collection is killed and broken at random points and moments, resumed, and held against an undisturbed one.

Each round copies what the first tide left and breaks the second tide's collection again and again. After each break
it looks for a partition that is half of one tide and half of the other; then it collects to the end, and compares.
On PostgreSQL the server also falls under two collectors, and comes up again; and collectors are stopped, and go on when
their leases have ended and another one has done their work (SQLite lets nobody write while one that writes is stopped).

    ./run fuzz kills [--engine sqlite|postgresql] [--kills 2000] [--real 200] [--restarts 20] [--stops 10] [--jobs 1]
                     [--minutes 0] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from forkserver import Fork, Forks, forks
from harbour import NOW, REQUESTS, Berth, Harbour, State, asked
from hunted.engines import ENGINES, cluster_of

from catchment.clock import FakeClock
from catchment.standin import Running, serve_in_thread
from catchment.store.ledger import LEASE
from catchment.testing import Cluster

BREAKS = (*("kill",) * 12, "raise", "io_error", "locked")
BROKEN = 15
"""How often a collection may be broken until it comes to its end."""

KILLS = {"kill", "real kill"}
PATIENCE = 15
"""How often a collector begins anew that is not let in: what one that was stopped holds is free after a minute."""

TOLD = 25
"""Rounds after which it says how far it is."""

SHIPS = (1, 2, 3)
MEMORY = Path("/dev/shm")  # noqa: S108 (folders of our own are made in it)
"""Where files wait for no disk, on most systems: a killed process loses nothing that it has written there."""


@dataclass
class Found:
    """What the rounds came to. tried, fired, survived: by action. wrong: what must never be, by its name. requests:
    asked, in flight when it was killed, and repeated, in the rounds that were only killed.
    """

    rounds: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    fenced: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Takes what another job found."""
        self.rounds += other.rounds
        self.fenced += other.fenced
        for name in ("tried", "fired", "survived", "wrong", "requests"):
            getattr(self, name).update(getattr(other, name))
        self.shown += other.shown


@dataclass(frozen=True)
class Hunt:
    """What stays the same over all rounds. hits: how often an undisturbed collection comes by each point."""

    folder: Path
    upstream: Running
    server: Forks
    first: Berth
    last: State
    boxes: dict[int, tuple[list[tuple[object, ...]], ...]]
    hits: dict[str, int]

    def berth(self, name: str) -> Berth:
        """A fresh folder, on the upstream as at its start, with what the first tide left."""
        self.upstream.control.reset()
        made = Berth(
            *(self.folder / name, self.upstream.url, self.upstream.control, self.server), cluster=self.first.cluster
        )
        return made.after(self.first)


def prepared(folder: Path, upstream: Running, server: Forks, cluster: Cluster | None) -> Hunt:
    """The first tide collected, and the second one without a fault."""
    first = Berth(folder / "first", upstream.url, upstream.control, server, cluster=cluster)
    if first.collect() != 0:
        raise SystemExit(first.output)
    calm = Hunt(folder, upstream, server, first, {}, {}, {}).berth("calm")
    hits = folder / "hits"
    if calm.collect(hits=str(hits)) != 0 or calm.wrong():
        raise SystemExit(calm.output)
    boxes = {ship: (first.boxes(ship), calm.boxes(ship)) for ship in SHIPS}
    return Hunt(folder, upstream, server, first, calm.state(), boxes, json.loads(hits.read_text()))


@dataclass
class Round:
    """One collection that is broken again and again. actions: what fired."""

    hunt: Hunt
    berth: Berth
    chance: random.Random
    found: Found
    actions: list[str] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)

    def at_points(self) -> None:
        """Breaks it at fail points as long as there is something left: at first anywhere, then in the resume."""
        for number in range(self.chance.randint(1, BROKEN)):
            point, action = self.chance.choice(sorted(self.hunt.hits)), self.chance.choice(BREAKS)
            most = self.hunt.hits[point] if number == 0 else 1
            before = len(self.berth.fired)
            with self._watched():
                code = self.berth.collect(points=f"{point}:{self.chance.randint(1, most)}:{action}")
            self._tried(action, fired=len(self.berth.fired) > before)
            if code == 0:
                return

    def from_outside(self) -> None:
        """Kills it from outside, once so many requests have come."""
        with self._watched():
            process = self.berth.start()
            self.berth.control.wait_for(self.chance.randint(1, REQUESTS))
            process.kill()
            code = process.end()
        self._tried("real kill", fired=code < 0)

    def fallen(self) -> None:
        """The database falls under two collectors, once so many requests have come, and comes up again."""
        cluster = self.berth.cluster
        assert cluster is not None
        both = [self.berth.start(), self.berth.start(output="other")]
        self.berth.control.wait_for(self.chance.randint(1, REQUESTS))
        cluster.stop()
        running = [not process.ended for process in both]
        cluster.start()
        for process in both:
            self._told(process)
        self._tried("restart", fired=any(running))

    def stopped(self) -> None:
        """A collector is stopped somewhere for longer than its leases, and so is one that took over; another one does
        all there is to do; then both go on.
        """
        both = list[tuple[Fork, bool]]()
        for output in ("output", "other"):
            point = self.chance.choice(sorted(self.hunt.hits))
            hit = self.chance.randint(1, self.hunt.hits[point])
            process = self.berth.start(points=f"{point}:{hit}:stop", output=output)
            both.append((process, process.stopped()))
            self.berth.later(2 * LEASE)
        self._to_the_end()
        for process, stood in both:
            if stood:
                process.kill(signal.SIGCONT)
            self._told(process)
            self.found.fenced += "is held by another worker" in process.text
            self._tried("stop", fired=stood)

    def _told(self, process: Fork) -> None:
        """Waits for its end. Whatever happened to it, it says so in a line."""
        process.end()
        self.wrong["a trace"] += "Traceback" in process.text

    def _to_the_end(self) -> None:
        """Collects until nothing is due any more."""
        for _ in range(PATIENCE):
            if self.berth.collect() == 0:
                return
        self.wrong["no end"] += 1

    def _tried(self, action: str, *, fired: bool) -> None:
        self.found.tried[action] += 1
        if fired:
            self.found.fired[action] += 1
            self.actions.append(action)
            self.wrong["torn"] += self._torn()
            self.wrong["invariants"] += len(self.berth.wrong())

    def _torn(self) -> int:
        """How many ships have boxes of both tides, of one moment."""
        there = {ship: list[tuple[object, ...]]() for ship in SHIPS}
        for ship, *row in self.berth.sql("SELECT ship, id, weight, _version FROM harbour_boxes ORDER BY ship, id"):
            there[ship].append(tuple(row))
        return sum(boxes not in self.hunt.boxes[ship] for ship, boxes in there.items())

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Counts what is asked meanwhile. What was asked before and is not archived was in flight: only that may be
        asked again. After an error its partition is asked anew, whatever is archived.
        """
        archived, before = self.berth.archived(), asked(self.berth.control.log())
        flying = before.keys() - archived
        yield
        now = asked(self.berth.control.log())
        again = {target for target, times in now.items() if times > before[target] > 0}
        if set(self.actions) <= KILLS:
            self.requests.update({"asked": (now - before).total(), "repeated": len(again), "in flight": len(flying)})
            self.wrong["asked again in vain"] += len(again - flying) + max(
                0, (now - before - Counter(set(now))).total()
            )

    def end(self) -> None:
        """Collects to the end; nothing is to tell that anything was in its way."""
        with self._watched():
            self.wrong["no end"] += self.berth.collect() != 0
        self.wrong["invariants"] += len(self.berth.wrong())
        state = self.berth.state()
        there, wanted = (Counter(map(repr, said["records of boxes"])) for said in (state, self.hunt.last))
        self.wrong["lost"] += (wanted - there).total()
        self.wrong["invented"] += (there - wanted).total()
        keys = Counter(key for key, *_ in state["records of boxes"])
        self.wrong["duplicated"] += sum(times > 1 for times in keys.values())
        self.wrong["another state"] += state != self.hunt.last


def go_round(hunt: Hunt, number: int, seed: str, found: Found, way: Callable[[Round], None]) -> None:
    this = Round(hunt, hunt.berth(f"round-{number}"), random.Random(f"{seed}/{number}"), found)
    way(this)
    this.end()
    found.rounds += 1
    if set(this.actions) <= KILLS:
        found.requests += this.requests
    if +this.wrong:
        found.wrong += this.wrong
        what = f"seed {seed}, round {number}: {', '.join([*this.actions, *this.berth.fired])}: {dict(+this.wrong)}"
        found.shown.append(what)
        sys.stderr.write(f"{what}\n{this.berth.output}\n")
    else:
        found.survived.update(this.actions)
    this.berth.remove()


def table(found: Found, seed: int, seconds: float) -> str:
    """All of it, as text."""
    lines = [f"seed {seed}, {found.rounds} rounds, {seconds:.0f} s", f"{'':12}{'tried':>8}{'fired':>8}{'survived':>10}"]
    for action in sorted(found.tried):
        numbers = f"{found.tried[action]:8}{found.fired[action]:8}{found.survived[action]:10}"
        lines.append(f"{action:12}{numbers}")
    lines.append(f"fenced, of those that were stopped: {found.fenced}")
    names = ("lost", "duplicated", "torn", "invented", "invariants", "another state", "no end", "a trace")
    names = (*names, "asked again in vain")
    lines.append("wrong: " + ", ".join(f"{name} {found.wrong[name]}" for name in names))
    requests = ", ".join(f"{found.requests[name]} {name}" for name in ("asked", "in flight", "repeated"))
    return "\n".join([*lines, f"requests of rounds with kills only: {requests}", *found.shown])


WAYS: Mapping[str, Callable[[Round], None]] = {
    "kill": Round.at_points,
    "real kill": Round.from_outside,
    "restart": Round.fallen,
    "stop": Round.stopped,
}
"""What is done in a round, by what it is counted as."""


@dataclass(frozen=True)
class Wanted:
    """How often what is to fire (see `WAYS`), on which engine. seconds: after them it ends anyway."""

    engine: str
    times: Mapping[str, int]
    seconds: float

    def next(self, fired: Counter[str], number: int) -> Callable[[Round], None] | None:
        """What to do in a round: kills at points, in every fourth what else is wanted still; None: nothing."""
        left = [way for way, times in self.times.items() if fired[way] < times]
        if not left:
            return None
        others = [way for way in left if way != "kill"]
        return WAYS[others[number // 4 % len(others)] if others and (number % 4 == 0 or "kill" not in left) else "kill"]


def hunted(seed: str, wanted: Wanted) -> Found:
    """What all that is wanted came to, in this process."""
    found, end, number = Found(), time.monotonic() + wanted.seconds, 0
    if MEMORY.exists():
        tempfile.tempdir = str(MEMORY)
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster_of(wanted.engine) as cluster,
        forks("harbour", "quay") as server,
        serve_in_thread(Harbour(), clock=FakeClock(NOW)) as upstream,
    ):
        hunt = prepared(Path(folder), upstream, server, cluster)
        while time.monotonic() < end and (way := wanted.next(found.fired, number)):
            number += 1
            go_round(hunt, number, seed, found, way)
            if number % TOLD == 0:
                sys.stderr.write(
                    f"seed {seed}: {number} rounds, fired {dict(found.fired)}, wrong {dict(found.wrong)}\n"
                )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--kills", type=int, default=2_000, help="at fail points; as many other faults come with them")
    parser.add_argument("--real", type=int, default=200, help="kills from outside")
    parser.add_argument("--restarts", type=int, default=20, help="of PostgreSQL, at once, under load")
    parser.add_argument("--stops", type=int, default=10, help="of collectors, past their leases, on PostgreSQL")
    parser.add_argument("--jobs", type=int, default=1, help="processes that hunt side by side")
    parser.add_argument("--minutes", type=float, default=0, help="end after so long, however many there were; 0: no")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    found, began, jobs = Found(), time.monotonic(), options.jobs
    times = {"kill": options.kills, "real kill": options.real}
    if options.engine == "postgresql":
        times |= {"restart": options.restarts, "stop": options.stops}
    share = {way: -(-number // jobs) for way, number in times.items()}
    wanted = Wanted(options.engine, share, options.minutes * 60 or float("inf"))
    seeds = [f"{options.seed}/{number}" for number in range(jobs)]
    if jobs == 1:
        found = hunted(seeds[0], wanted)
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for job in [pool.submit(hunted, seed, wanted) for seed in seeds]:
                found.add(job.result())
    sys.stdout.write(table(found, options.seed, time.monotonic() - began) + "\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
