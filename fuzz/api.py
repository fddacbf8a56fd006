"""The description of all five apps against the service itself, by schemathesis: every check, as everybody who may ask.

For each principal the document that it sees is tried. `fuzzing`: as many random requests of each operation, good and
bad ones, in this process, several operations at a time. The other phases (examples, bounds of every schema, sequences
of operations) are schemathesis' own and ask a server. An answer of 500 or more, or of a status that its operation does
not name, fails.

    ./run fuzz api [--examples 1000] [--as reader writer] [--only stocks_bars_list] [--phases fuzzing] [--jobs 2]
        [--resume FILE] [--seed N]
"""

from __future__ import annotations

import argparse
import functools
import logging
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog
from hunted.filled import NOW, fill
from hunted.service import UNLIMITED, Service

from catchment.apps import episodes, incidents, police, providers, stocks
from catchment.clock import SystemClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.store import prepare

if TYPE_CHECKING:
    from hunted.described import Described, Tried

APPS = [stocks.app, police.app, providers.app, incidents.app, episodes.app]
PRINCIPALS = {
    "anonymous": (),
    "reader": ("read",),
    "writer": ("read", "write"),
    "moderator": ("read", "write", "moderate"),
    "operator": ("read", "operate"),
    "everything": ("read", "write", "moderate", "operate"),
}
"""Who asks, with the rights of the key."""
LEFT_OUT = "positive_data_acceptance"
"""A check that is not made: a cursor, a revision or a pair of bounds is judged by more than its schema."""
CONFIG = """
[checks]
max_response_time = 60.0
negative_data_rejection.expected-statuses = [
    400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 422, 428, 429, 431,
]
"""
BELOW_US = re.compile(r"\[(414|431)\] [A-Za-z ]+:\s+<EMPTY>")
"""What the HTTP server refuses before it is a request: it has a status and no body."""
AROUND = re.compile(r"Invalid component: parameter `Last-Event-ID` in header .*\[(200|410)\]", re.DOTALL)
"""White space around the value of a header is no part of it, and an empty one says nothing."""
TO_COME = "/problems/revision-not-there"
"""Somebody asked by `X-Revision-At-Least` for what may be committed yet: 503, as the description says."""
SEQUENCES = 100
"""Examples of what comes in sequences, at most."""
OPERATION = re.compile(r"\n_{5,} (.*?) _{5,}\n")
FAILURE = re.compile(r"- (ST\d+ [^\n]*)\n\n(.*?)(?=\n\nReproduce with|\n- ST|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """What one principal's run found. failures: operation, check, and what is wrong."""

    cases: int
    operations: int
    failures: tuple[str, ...]


def run(service: Service, key: str, phases: Sequence[str], options: argparse.Namespace, folder: Path) -> Found:
    """What schemathesis finds by its own phases, asking a server. RuntimeError where nothing was tried."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    # Behind a gateway nobody is this machine, which reads without a key.
    headers = ["-H", "Via: 1.1 hunt", *(("-H", f"X-API-Key: {key}") if key else ())]
    limits = ["--max-time", str(options.max_time)] if options.max_time else []
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"),
        *(
            f"http://127.0.0.1:{service.port}/openapi.json",
            "--checks",
            "all",
            "--exclude-checks",
            LEFT_OUT,
            "--phases",
            ",".join(phases),
        ),
        *(
            "--max-examples",
            str(min(options.examples, SEQUENCES)),
            "--seed",
            str(options.seed),
            "--continue-on-failure",
            "--no-color",
        ),
        *("--workers", "2", "--generation-database", "none", "--warnings", "off", "--request-timeout", "60"),
        *("--suppress-health-check", "all", "--output-sanitize", "true", *headers, *limits),
        *(part for name in options.only for part in ("--include-operation-id", name)),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    counted = re.search(r"Tested: (\d+).*?(\d+) generated", done.stdout, re.DOTALL)
    if not counted:
        raise RuntimeError(f"schemathesis tried nothing: {(done.stdout + done.stderr)[-2000:]}")
    return Found(int(counted.group(2)), int(counted.group(1)), tuple(failures(done.stdout)))


def failures(said: str) -> Iterator[str]:
    """What is wrong, by operation."""
    parts = OPERATION.split(said)
    for operation, text in zip(parts[1::2], parts[2::2], strict=True):
        for name, what in FAILURE.findall(text):
            if not BELOW_US.search(text) and not AROUND.search(what) and TO_COME not in what:
                yield f"{operation}: {name}: {' '.join(what.split())[:400]}"


# -- random requests, in several processes -------------------------------------------------------------------------


@functools.cache
def _described(folder: Path, who: str, key: str) -> Described:
    """The description as a principal sees it, served in this process of a database of its own."""
    from hunted.described import Described

    return Described(_served(folder), who, key)


@functools.cache
def _served(folder: Path) -> object:
    own = folder / f"of-{os.getpid()}"
    shutil.copytree(folder / "data", own)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    settings = Settings().with_values("hunt", {"CATCHMENT_DATA": str(own), **UNLIMITED})
    return build(APPS, settings, SystemClock())


def operations(folder: Path, who: str, key: str) -> list[str]:
    return _described(folder, who, key).operations


def one(job: tuple[Path, str, str, str, int, int]) -> Tried:
    folder, who, key, operation, examples, seed = job
    return _described(folder, who, key).tried(operation, examples, seed)


def fuzz(folder: Path, keys: dict[str, str], options: argparse.Namespace) -> list[str]:
    """What was found, after each operation was told of."""
    from hunted.described import Tried

    before = options.resume.read_bytes().splitlines() if options.resume and options.resume.exists() else []
    done = [msgspec.json.decode(line, type=Tried) for line in before]
    known = {(tried.who, tried.operation) for tried in done}
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        jobs = [
            (folder, who, keys[who], operation, options.examples, options.seed)
            for who in options.who
            for operation in pool.apply(operations, (folder, who, keys[who]))
            if (who, operation) not in known and (not options.only or operation in options.only)
        ]
        random.Random(options.seed).shuffle(jobs)  # so that a part of them is a part of every kind
        for tried in pool.imap_unordered(one, jobs):
            done.append(tried)
            told = "  ".join(f"{status} {number:,}" for status, number in sorted(tried.statuses.items()))
            print(f"  {tried.who:<10} {tried.operation:<40} {tried.seconds:6.1f} s  {told}", flush=True)
            for failure in tried.failures:
                print(f"    {failure}", flush=True)
            if options.resume:
                with options.resume.open("ab") as file:
                    file.write(msgspec.json.encode(tried) + b"\n")
    for who in options.who:
        _tell(who, [tried for tried in done if tried.who == who])
    return [failure for tried in done for failure in tried.failures]


def _tell(who: str, tried: Sequence[Tried]) -> None:
    statuses = sum((Counter(item.statuses) for item in tried), Counter[str]())
    told = "  ".join(f"{status} {number:,}" for status, number in sorted(statuses.items()))
    cases = sum(item.cases for item in tried)
    print(f"{who:<10} fuzzing: operations {len(tried)}  cases {cases:,}  {told}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="of an operation, at most")
    parser.add_argument("--as", dest="who", nargs="*", choices=PRINCIPALS, default=list(PRINCIPALS))
    parser.add_argument("--only", nargs="*", default=[], help="operations by their ids")
    parser.add_argument(
        "--max-time", type=int, default=0, help="seconds for each principal's other phases; 0: no limit"
    )
    parser.add_argument("--phases", default="fuzzing,examples,coverage,stateful")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes that ask at random")
    parser.add_argument("--resume", type=Path, help="keeps there what was tried at random; that is not tried again")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    if find_spec("schemathesis") is None:
        parser.error("schemathesis is not installed: ./run fuzz api installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service ends with it
    began, phases = time.monotonic(), options.phases.split(",")
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as temporary:
        folder = Path(temporary)
        database = folder / "data" / "catchment.sqlite"
        fill(database.parent, APPS)
        prepare(File(database), APPS)
        keys = {
            name: create(File(database), name, str(uuid.UUID(int=number)), scopes, NOW)[0] if scopes else ""
            for number, (name, scopes) in enumerate(PRINCIPALS.items(), 1)
        }
        said = fuzz(folder, keys, options) if "fuzzing" in phases else []
        if others := [name for name in phases if name != "fuzzing"]:
            said += serve(folder, keys, others, options)
    print(f"seed {options.seed}, {time.monotonic() - began:.1f} s")
    print(f"  findings {len(said)}")
    return 1 if said else 0


def serve(folder: Path, keys: dict[str, str], phases: Sequence[str], options: argparse.Namespace) -> list[str]:
    """What was found by the phases that ask a server."""
    said = list[str]()
    service = Service(folder / "data" / "catchment.sqlite", " ".join(app.name for app in APPS))
    try:
        for name in options.who:
            found = run(service, keys[name], phases, options, folder)
            print(f"{name:<10} {','.join(phases)}: operations {found.operations}  cases {found.cases:,}", flush=True)
            for failure in found.failures[:20]:
                print(f"  {failure}", flush=True)
            said += found.failures
    finally:
        service.kill()
    return said


if __name__ == "__main__":
    sys.exit(main())
