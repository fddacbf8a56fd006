"""A collection is killed and broken at random points and moments, resumed, and held against an undisturbed one.

Each round copies what the first tide left, breaks the second tide's collection one to three times, looks for a
partition that is half of one tide and half of the other, collects to the end, and compares.

    ./run fuzz kills [--kills 2000] [--real 200] [--minutes 0] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from forkserver import Forks, forks
from harbour import CONCURRENCY, NOW, REQUESTS, Berth, Harbour, State, asked

from catchment.clock import FakeClock
from catchment.standin import Running, serve_in_thread

BREAKS = ("kill", "kill", "kill", "raise", "io_error", "locked")
SHIPS = (1, 2, 3)


@dataclass
class Found:
    """What the rounds came to. tried, fired, survived: by action. wrong: what must never be, by its name."""

    tried: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    repeated: Counter[int] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)


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
        return Berth(self.folder / name, self.upstream.url, self.upstream.control, self.server).after(self.first)


def prepared(folder: Path, upstream: Running, server: Forks) -> Hunt:
    """The first tide collected, and the second one without a fault."""
    first = Berth(folder / "first", upstream.url, upstream.control, server)
    if first.collect() != 0:
        raise SystemExit(first.output)
    calm = Hunt(folder, upstream, server, first, {}, {}, {}).berth("calm")
    hits = folder / "hits"
    if calm.collect(hits=str(hits)) != 0 or calm.wrong():
        raise SystemExit(calm.output)
    boxes = {ship: (first.boxes(ship), calm.boxes(ship)) for ship in SHIPS}
    return Hunt(folder, upstream, server, first, calm.state(), boxes, json.loads(hits.read_text()))


def broken_at_points(hunt: Hunt, berth: Berth, chance: random.Random, found: Found) -> list[str]:
    """Breaks it one to three times at fail points; the actions that fired."""
    fired: list[str] = []
    for _ in range(chance.randint(1, 3)):
        point, action = chance.choice(sorted(hunt.hits)), chance.choice(BREAKS)
        before = len(berth.fired)
        berth.collect(points=f"{point}:{chance.randint(1, hunt.hits[point])}:{action}")
        found.tried[action] += 1
        if len(berth.fired) > before:  # the second and third time there is less to do, and a point may not be met
            found.fired[action] += 1
            fired.append(action)
    return fired


def killed_outside(_: Hunt, berth: Berth, chance: random.Random, found: Found) -> list[str]:
    """Kills it from outside, once so many requests have come."""
    process = berth.start()
    berth.control.wait_for(chance.randint(1, REQUESTS))
    process.kill()
    found.tried["real kill"] += 1
    if process.end() < 0:
        found.fired["real kill"] += 1
        return ["real kill"]
    return []


def wrongs(hunt: Hunt, berth: Berth, actions: list[str], found: Found) -> Counter[str]:
    """What is wrong before and after the collection has come to its end."""
    wrong: Counter[str] = Counter()
    wrong["torn"] += sum(berth.boxes(ship) not in hunt.boxes[ship] for ship in SHIPS)
    wrong["invariants"] += len(berth.wrong())
    archived, before = berth.archived(), asked(berth.control.log())
    wrong["no end"] += berth.collect() != 0
    wrong["invariants"] += len(berth.wrong())
    state = berth.state()
    there, wanted = (Counter(map(repr, said["records of boxes"])) for said in (state, hunt.last))
    wrong["lost"] += (wanted - there).total()
    wrong["invented"] += (there - wanted).total()
    wrong["duplicated"] += sum(times > 1 for times in Counter(key for key, *_ in state["records of boxes"]).values())
    wrong["another state"] += state != hunt.last
    again = {target for target, times in asked(berth.control.log()).items() if times > before[target] > 0}
    found.repeated[len(again)] += 1
    if set(actions) <= {"kill", "real kill"}:  # after an error, its partition is asked anew
        wrong["asked again in vain"] += len(again & archived) + (len(again) > CONCURRENCY)
    return +wrong


def round_of(hunt: Hunt, number: int, seed: int, breaking: Callable[..., list[str]], found: Found) -> None:
    berth = hunt.berth(f"round-{number}")
    actions = breaking(hunt, berth, random.Random(f"{seed}/{number}"), found)
    wrong = wrongs(hunt, berth, actions, found)
    if wrong:
        found.wrong += wrong
        found.shown.append(f"round {number}: {', '.join(berth.fired or actions)}: {dict(wrong)}")
    else:
        found.survived.update(actions)
        shutil.rmtree(berth.folder)


def table(found: Found, seed: int, seconds: float) -> str:
    """All of it, as text."""
    lines = [f"seed {seed}, {seconds:.0f} s", f"{'':12}{'tried':>8}{'fired':>8}{'survived':>10}"]
    for action in sorted(found.tried):
        numbers = f"{found.tried[action]:8}{found.fired[action]:8}{found.survived[action]:10}"
        lines.append(f"{action:12}{numbers}")
    names = ("lost", "duplicated", "torn", "invented", "invariants", "another state", "no end", "asked again in vain")
    lines.append("wrong: " + ", ".join(f"{name} {found.wrong[name]}" for name in names))
    rounds = ", ".join(f"{number}: {found.repeated[number]}" for number in sorted(found.repeated))
    return "\n".join([*lines, f"requests repeated, by rounds: {rounds}", *found.shown])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=2_000, help="kills at fail points; as many other faults come with them"
    )
    parser.add_argument("--real", type=int, default=200, help="kills from outside")
    parser.add_argument("--minutes", type=float, default=0, help="end after so long, however many there were; 0: no")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    found, began, number = Found(), time.monotonic(), 0
    end = began + options.minutes * 60 if options.minutes else float("inf")
    with (
        tempfile.TemporaryDirectory() as folder,
        forks() as server,
        serve_in_thread(Harbour(), clock=FakeClock(NOW)) as upstream,
    ):
        hunt = prepared(Path(folder), upstream, server)
        while time.monotonic() < end and (
            (points := found.fired["kill"] < options.kills) or found.fired["real kill"] < options.real
        ):
            number += 1
            # As many of each kind, in turns, as long as both are wanted.
            outside = found.fired["real kill"] < options.real and (not points or number % 10 == 0)
            round_of(hunt, number, options.seed, killed_outside if outside else broken_at_points, found)
    sys.stdout.write(table(found, options.seed, time.monotonic() - began) + "\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
