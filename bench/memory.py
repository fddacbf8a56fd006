"""The most memory that `catchment collect` has, by how many records a partition has.

Each row is a process of its own on a data folder of its own: the first collection, the same records again in other
bytes, and with one in a hundred changed. The limit is what the project promises: 150 MB, whatever the size.

    ./run bench memory [--records 10000 1000000] [--page 1000] [--feeds visits nameless]
    ./run bench memory --feeds made --records 22500 --page 22500    a body of 4 MB for a function of the feed's own
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from catchment import CONTENT, App, Feed, Get, Record, Upstream, by_page, items
from catchment.standin import Answer, Request, serve_in_thread

LIMIT_MB = 150
PROGRAM = """
import atexit, pathlib, sys
def say():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    sys.stderr.write(next(line for line in lines if line.startswith("VmHWM:")) + "\\n")
atexit.register(say)
from catchment.cli import main
main()
"""


class Visit(Record):
    """A record of about 180 bytes."""

    id: int
    person: str
    place: str
    note: str
    minutes: int


many = Upstream("many", "https://many.example", max_body=2**30, deadline=timedelta(minutes=20))
SHAPE = {"request": Get("/visits"), "pages": by_page(total="total"), "rows": items("items")}
visits = Feed("visits", Visit, many, key=("id",), max_partition_records=10**7, **SHAPE)
nameless = Feed("nameless", Visit, many, key=CONTENT, max_partition_records=10**7, **SHAPE)
made = Feed(
    "made", Visit, many, key=("id",), max_partition_records=10**7, **SHAPE | {"rows": lambda body, _: body["items"]}
)
app = App("many", feeds=[visits, nameless, made])


@dataclass(frozen=True)
class Switches:
    """blanks: other bytes for the same records. changed: one in so many is another; 0: none."""

    records: int = 10_000
    page: int = 1_000
    blanks: bool = False
    changed: int = 0


class Many:
    """`/visits?page=1`."""

    name = "many"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        first = (int(request.query["page"]) - 1) * switches.page
        rows = [
            _visit(number, switches.changed) for number in range(first, min(first + switches.page, switches.records))
        ]
        body = msgspec.json.encode({"total": switches.records, "items": rows})
        if switches.blanks:
            body = body.replace(b'{"id":', b'{ "id":')
        return Answer(200, body, (("Content-Type", "application/json"),))


def _visit(number: int, changed: int) -> dict[str, object]:
    mixed = number * 2_654_435_761 % 2**32
    note = f"seen {mixed:08x} at the {mixed % 97}th door, who said {mixed ^ 0x5BD1E995:08x} and went on to the next one"
    minutes = mixed % 600 + (1000 if changed and number % changed == 0 else 0)
    return {
        "id": number,
        "person": f"person {mixed % 50_021}",
        "place": f"place {mixed % 977}",
        "note": note,
        "minutes": minutes,
    }


def peak(folder: Path, url: str, feed: str) -> tuple[float, float]:
    """Megabytes at most, and seconds of the processor."""
    folder.mkdir(exist_ok=True)
    values = {"CATCHMENT_DATA": str(folder), "CATCHMENT_UPSTREAM_MANY": url, "CATCHMENT_ALLOW_PRIVATE": "127.0.0.0/8"}
    begun = os.times()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "collect", f"{__file__}:app/{feed}", "--again"],
        cwd=folder, env={"PATH": os.environ["PATH"], **values}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    ended = os.times()
    seconds = ended.children_user + ended.children_system - begun.children_user - begun.children_system
    (most,) = (int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("VmHWM:"))
    return most / 1024, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--page", type=int, default=1_000)
    parser.add_argument("--feeds", nargs="+", default=["visits", "nameless"])
    options = parser.parse_args()
    most = 0.0
    with tempfile.TemporaryDirectory(prefix="catchment-bench-") as name, serve_in_thread(Many()) as upstream:
        for feed in options.feeds:
            for records in options.records:
                for what, switches in (
                    ("first", {}),
                    ("the same", {"blanks": True}),
                    ("1 % changed", {"changed": 100}),
                ):
                    upstream.control.reset()
                    upstream.control.set(records=records, page=options.page, **switches)
                    began = time.perf_counter()
                    megabytes, seconds = peak(Path(name) / f"{feed}-{records}", upstream.url, feed)
                    took = time.perf_counter() - began
                    print(
                        f"{feed:10}{records:>10,} {what:12}{megabytes:8.0f} MB{seconds:8.1f} s cpu{took:8.1f} s",
                        flush=True,
                    )
                    most = max(most, megabytes)
    print(f"at most {most:.0f} MB of {LIMIT_MB}")
    return most > LIMIT_MB


if __name__ == "__main__":
    sys.exit(main())
