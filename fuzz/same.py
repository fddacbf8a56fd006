"""Random histories driven into both engines: what is collected, written by people, erased and replayed is answered with
the same bytes, by the API and by the pages.

    ./run fuzz same [--histories 50 | --minutes N] [--deeds 14] [--questions 40] [--seed N]

Each history has a seed of its own; one that differs says it, and `--seed N --histories 1` lives it once more.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from catchment.store.store import prepare
from catchment.testing import Cluster
from catchment.testing.histories import drawn_history
from catchment.testing.life import Life, app, living
from catchment.testing.promises.same import differences
from catchment.testing.questions import drawn_of

SHOWN = 20
COUNTED = ("histories", "deeds", "answers", "not 200", "differences", "contradictions")


@dataclass
class Hunt:
    """What was done, and what was found. options: how much of each."""

    cluster: Cluster
    options: argparse.Namespace
    done: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)

    def history(self, seed: int) -> None:
        """Lives one history on both engines, and compares all that is told of it."""
        drawn = random.Random(seed)
        deeds = drawn_history(drawn, self.options.deeds)
        questions = [drawn_of(drawn) for _ in range(self.options.questions)]
        with self.lives() as (one, other):
            for number, deed in enumerate(deeds):
                deed.do(one)
                deed.do(other)
                if one.told[-1:] != other.told[-1:]:
                    self.found(seed, f"deed {number} {deed}: {one.told[-1:]} is {other.told[-1:]}")
                    return
            self.done.update(histories=1, deeds=len(deeds))
            for difference in differences(one, other, drawn=questions, count=self.count):
                self.found(seed, str(difference))

    def count(self, status: int) -> None:
        self.done.update({"answers": 1, "not 200": status != 200})

    def found(self, seed: int, what: str) -> None:
        self.done.update(differences=1)
        self.said.append(f"seed {seed}: {what[:1500]}")

    @contextmanager
    def lives(self) -> Iterator[tuple[Life, Life]]:
        """One on each engine."""
        name = self.cluster.database(self.cluster.template("same", lambda database: prepare(database, [app])))
        with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder:
            try:
                with (
                    living(f"sqlite:///{Path(folder) / 'same.sqlite'}") as one,
                    living(self.cluster.url(name)) as other,
                ):
                    yield one, other
            finally:
                self.cluster.drop(name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--deeds", type=int, default=16)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    began = time.monotonic()
    with Cluster() as cluster:
        hunt = Hunt(cluster, options)
        for number in itertools.count():
            passed = time.monotonic() - began
            if passed > options.minutes * 60 if options.minutes else number >= options.histories:
                break
            hunt.history(options.seed + number)
    print(f"{len(hunt.said)} findings, seed {options.seed}, {time.monotonic() - began:.1f} s")
    for kind in COUNTED:
        print(f"  {kind:<14}{hunt.done[kind]:>9,}")
    for text in hunt.said[:SHOWN]:
        print(f"  {text}")
    return 1 if hunt.said else 0


if __name__ == "__main__":
    sys.exit(main())
