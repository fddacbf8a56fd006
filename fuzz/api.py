"""The description of all five apps against the service itself, by schemathesis: every check, as everybody who may ask.

For each principal the document that it sees is tried: examples, bounds of every schema, random values that are good and
bad, and sequences of operations. An answer of 500 or more, or of a status that its operation does not name, fails.

    ./run fuzz api [--examples 1000] [--as reader writer] [--only stocks_bars_list] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hunted.filled import NOW, fill
from hunted.service import Service

from catchment.apps import episodes, incidents, police, providers, stocks
from catchment.store.engines.sqlite import File
from catchment.store.keys import create
from catchment.store.store import prepare

APPS = [stocks.app, police.app, providers.app, incidents.app, episodes.app]
PRINCIPALS = {
    "anonymous": (),
    "reader": ("read",),
    "writer": ("read", "write"),
    "moderator": ("read", "write", "moderate"),
    "operator": ("read", "operate"),
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
OPERATION = re.compile(r"\n_{5,} (.*?) _{5,}\n")
FAILURE = re.compile(r"- (ST\d+ [^\n]*)\n\n(.*?)(?=\n\nReproduce with|\n- ST|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """What one principal's run found. failures: operation, check, and what is wrong."""

    cases: int
    operations: int
    failures: tuple[str, ...]


def run(service: Service, key: str, options: argparse.Namespace, folder: Path) -> Found:
    """RuntimeError where nothing was tried."""
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
            options.phases,
        ),
        *("--max-examples", str(options.examples), "--seed", str(options.seed), "--continue-on-failure", "--no-color"),
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="of an operation, at most")
    parser.add_argument("--as", dest="who", nargs="*", choices=PRINCIPALS, default=list(PRINCIPALS))
    parser.add_argument("--only", nargs="*", default=[], help="operations by their ids")
    parser.add_argument("--max-time", type=int, default=0, help="seconds for each principal; 0: until it is through")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    if find_spec("schemathesis") is None:
        parser.error("schemathesis is not installed: ./run fuzz api installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service ends with it
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as temporary:
        folder = Path(temporary)
        database = folder / "data" / "catchment.sqlite"
        fill(database.parent, APPS)
        prepare(File(database), APPS)
        keys = {
            name: create(File(database), name, str(uuid.UUID(int=number)), scopes, NOW)[0] if scopes else ""
            for number, (name, scopes) in enumerate(PRINCIPALS.items(), 1)
        }
        said = list[str]()
        service = Service(database, " ".join(app.name for app in APPS))
        try:
            for name in options.who:
                found = run(service, keys[name], options, folder)
                print(f"{name:<10} operations {found.operations}  cases {found.cases:,}", flush=True)
                for failure in found.failures[:20]:
                    print(f"  {failure}", flush=True)
                said += found.failures
        finally:
            service.kill()
    print(f"seed {options.seed}, {time.monotonic() - began:.1f} s")
    print(f"  findings {len(said)}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
