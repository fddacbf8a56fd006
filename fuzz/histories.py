"""Random histories: an upstream that changes, faults, kills, two collectors, people who write, erasures, replays.

After each step the model of the history and the invariants of what is stored are held against the database; at its end
the upstream rests, and what is stored must be what it says.

    ./run fuzz histories [--engine sqlite|postgresql] [--minutes 10] [--histories 0] [--steps 30] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

import hypothesis
import structlog
from hunted.engines import ENGINES, cluster_of
from hunted.history import TARGET, History, Tally, World
from hunted.wharf import Wharf, app
from hypothesis.stateful import run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))

from forkserver import forks
from harbour import NOW, Berth

from catchment.clock import FakeClock
from catchment.standin import serve_in_thread
from catchment.store.store import prepare

MEMORY = Path("/dev/shm")  # noqa: S108 (folders of our own are made in it)
BATCH = 20
"""Histories that share a seed: what fails is made again from the seed that is printed."""


def hunt(seed: int, histories: int, steps: int, *, engine: str, shrink: bool) -> str:
    """What went wrong in so many histories; "" where nothing did."""
    chosen = hypothesis.settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shrink else [])],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(type("Seeded", (History,), {})), settings=chosen)
    except Exception:  # noqa: BLE001 (whatever it is, it is told with its seed)
        again = f"./run fuzz histories --shrink --engine {engine} --seed {seed}"
        again += f" --histories {histories} --steps {steps}"
        return f"{traceback.format_exc()}\nagain: {again}"
    return ""


def table(tally: Tally, seed: int, seconds: float, failed: int) -> str:
    """All of it, as text."""
    steps = tally.steps.total()
    lines = [
        f"seed {seed}, {tally.histories} histories, {steps} steps, {seconds:.0f} s; failed: {failed}",
        f"{'':12}{'tried':>8}{'fired':>8}{'survived':>10}",
    ]
    lines += [
        f"{what:12}{tally.tried[what]:8}{tally.fired[what]:8}{tally.survived[what]:10}" for what in sorted(tally.tried)
    ]
    requests = ", ".join(f"{tally.requests[what]} {what}" for what in ("asked", "archived", "in flight"))
    lines += [
        f"requests: {requests}",
        "steps: " + ", ".join(f"{what} {times}" for what, times in tally.steps.most_common()),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    parser.add_argument("--minutes", type=float, default=10, help="begin no other batch after so long")
    parser.add_argument("--histories", type=int, default=0, help="so many, in one batch, whatever time they take")
    parser.add_argument("--steps", type=int, default=30, help="of a history, at most")
    parser.add_argument(
        "--shrink", action="store_true", help="make a history that fails as short as can be; takes time"
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    tally, began, batches, said = Tally(), time.monotonic(), 0, ""
    wharf = Wharf()
    with (
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as name,
        cluster_of(options.engine) as cluster,
        forks("harbour", "quay") as server,
        serve_in_thread(wharf, clock=FakeClock(NOW)) as upstream,
    ):
        folder = Path(name)
        empty = Berth(folder / "empty", upstream.url, upstream.control, server, app=app, target=TARGET, cluster=cluster)
        prepare(empty.database, [app])
        History.world = World(folder, wharf, empty, tally)
        while not said and (not batches or (not options.histories and time.monotonic() - began < options.minutes * 60)):
            many, seed = options.histories or BATCH, options.seed + batches
            said = hunt(seed, many, options.steps, engine=options.engine, shrink=options.shrink)
            batches += 1
    sys.stdout.write(
        table(tally, options.seed, time.monotonic() - began, int(bool(said))) + "\n" + said + "\n" * bool(said)
    )
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
