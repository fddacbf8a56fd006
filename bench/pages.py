"""What each page costs, at full size: a million orders, and what an operator of all apps looks at.

    first    of a server that has just begun to serve: nothing was asked of it before
    warm     the same a second later, when it has made what pages wait for
    again    of one that keeps no answers: the mean of the CPU, the median of the time
    bytes    of the page

CPU is that of all of the server's threads, in ms; beside it is the time that the client waited. What operators look at
is of 44 forces in 36 months and of 500 symbols, each asked for on 30 days: made up, below the API, as the orders are.

    ./run bench pages [--records 1000000] [--rounds 10] [--only WORD] [--data FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from peers.servers import Server, running, serve
from serve import app, fill

from catchment.app import SHIPPED, load_app
from catchment.clock import SystemClock, render_moment
from catchment.settings import Settings
from catchment.store.engines import Connection, database_of
from catchment.store.store import prepare

ORDERS, OPERATIONS = "/explore/bench/orders", "/explore/_/operations"
PIECES = "/explore/_/pieces"
PAGES = {
    "home": "/",
    "home, a count behind it": f"{PIECES}/count/bench/orders",
    "table": ORDERS,
    "table, sorted": f"{ORDERS}?sort=-id",
    "table, filtered": f"{ORDERS}?part=p2&quantity__gte=50",
    "table, as it was": f"{ORDERS}?as_of=1",
    "counts behind it": f"{PIECES}/counts/bench/orders",
    "charts": "/explore/_/charts/bench/orders",
    "a histogram behind it": f"{PIECES}/charts/bench/orders?_draw=histogram&by=quantity",
    "record": f"{ORDERS}/500",
    "changes": "/explore/_/changes/bench/orders",
    "API": "/docs",
    "API, an operation": "/docs/bench_orders_list",
    "operations": OPERATIONS,
    "completeness, 44 forces": f"{OPERATIONS}/police/stops",
    "completeness, symbols": f"{OPERATIONS}/stocks/bars",
    "run": "/explore/_/runs/60",
    "rejects": "/explore/_/rejects/police/stops",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default="", help="the pages with this in their names")
    parser.add_argument("--data", type=Path, help="keep what is made up there, and find it there the next time")
    parser.add_argument("--serve", choices=("kept", "warm", "not kept"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(partial(product, options.data, how=options.serve), options.port)
        return
    with ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="catchment-bench-")))
        if not database_of(place(data).database).exists():
            fill(place(data), options.records)
            operated(place(data))
        measure(data, {name: path for name, path in PAGES.items() if options.only in name}, options.rounds)


def place(data: Path) -> Settings:
    limits = ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY")
    symbols = ",".join(f"SY{number:03d}" for number in range(500))
    named = {"CATCHMENT_DATA": str(data), "STOCK_SYMBOLS": symbols, "ALPHAVANTAGE_API_KEY": "k"}
    return Settings().with_values("bench", {**named, **dict.fromkeys(limits, "off")})


def product(data: Path, *_: Any, how: str) -> Any:
    from catchment import explorer
    from catchment.serve.app import build

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))  # as `catchment serve` does
    room = {"cache_bytes": 0} if how == "not kept" else {}
    apps = [app, *map(load_app, SHIPPED)]
    found = build(apps, place(data), SystemClock(), pages=explorer.handlers, **room)
    if how == "warm":
        found.warm(explorer.warm)
    return found


# -- what is looked at ----------------------------------------------------------------------------------------------


def operated(settings: Settings) -> None:
    """The ledger as two months of collecting left it: a run a day and app, 1 in 10 partitions not as it should be."""
    database = database_of(settings.database)
    prepare(database, [app, *map(load_app, SHIPPED)])
    now, chance = datetime.now(UTC), random.Random(1)
    with closing(database.open()) as sql, sql.transaction(durable=False):
        for run in range(1, 61):
            began = now - timedelta(days=60 - run, hours=2)
            moments = render_moment(began), render_moment(began + timedelta(minutes=50))
            sql.execute("INSERT INTO _run VALUES (?, ?, 'x', ?, ?)", (run, "stocks" if run % 2 else "police", *moments))
        for feed, params in partitions():
            _asked_for(sql, feed, params, now, chance)
        for number in range(3000):
            row = f"force=force-{number % 44},month=2026-01", str(number), f"/field{number % 20}", render_moment(now)
            sql.execute(
                "INSERT INTO _reject (feed, partition, digest, path, at, reason, raw, count, first_attempt,"
                " last_attempt) VALUES ('police/stops', ?, ?, ?, ?, 'Expected `str`, got `int`', x'7b7d', 1, 1, 1)",
                row,
            )
    with closing(database.open()) as sql:
        sql.execute("ANALYZE")


def partitions() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    months = [f"{year}-{month:02d}" for year in (2023, 2024, 2025) for month in range(1, 13)]
    for force in range(44):
        yield from (("police/stops", [("force", f"force-{force}"), ("month", month)]) for month in months)
    for feed in ("stocks/bars", "stocks/splits", "stocks/dividends"):
        yield from ((feed, [("symbol", f"SY{number:03d}")]) for number in range(500))


def _asked_for(sql: Connection, feed: str, params: list[tuple[str, str]], now: datetime, chance: random.Random) -> None:
    key = ",".join(f"{name}={value}" for name, value in params)
    verdict = chance.choices(["complete", "unchanged", "failed", "partial", "refused"], [70, 20, 4, 3, 3])[0]
    reason, at = "" if verdict in ("complete", "unchanged") else "HTTP 503", now - timedelta(hours=chance.randrange(30))
    values = feed, key, json.dumps(params), verdict, reason, *[render_moment(at)] * 3
    sql.execute(
        "INSERT INTO _partition (feed, key, params, verdict, reason, checked_at, collected_at, first_collected_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    days = [render_moment(at - timedelta(days=day)) for day in range(30)]
    sql.executemany(
        'INSERT INTO _attempt (run, feed, "partition", pass, started_at, ended_at, verdict, reason, requests, received,'
        ' "new") VALUES (?, ?, ?, 1, ?, ?, ?, ?, 1, 500, 5)',
        [(60 - day, feed, key, moment, moment, verdict, reason) for day, moment in enumerate(days)],
    )


# -- the table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Of one answer. cpu, waited: ms. size: bytes, as they are sent where nobody asks for less."""

    cpu: float
    waited: float
    size: int


def asked(server: Server, path: str) -> Cost:
    before, began = server.cpu_s, time.perf_counter()
    wanted = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers={"accept": "text/html"})
    with urllib.request.urlopen(wanted, timeout=60) as answer:  # noqa: S310 (our own server)
        size = len(answer.read())
    waited = time.perf_counter() - began
    return Cost((server.cpu_s - before) * 1000, waited * 1000, size)


def measure(data: Path, pages: dict[str, str], rounds: int) -> None:
    parts = ("first", "warm", "again")
    print(f"{'CPU ms, and waited':<26}" + "".join(f"{part:>9}{'':>8}" for part in parts) + f"{'bytes':>10}")
    with running(__file__, "--serve", "not kept", "--data", str(data)) as server:
        for name, path in pages.items():
            with running(__file__, "--serve", "kept", "--data", str(data)) as fresh:
                first = asked(fresh, path)
            with running(__file__, "--serve", "warm", "--data", str(data)) as made:
                warm = asked(made, path)
            asked(server, path)
            again = [asked(server, path) for _ in range(rounds)]
            mean = statistics.mean(cost.cpu for cost in again)  # it is counted in steps of 10 ms
            costs = (first, warm, Cost(mean, statistics.median(cost.waited for cost in again), 0))
            line = "".join(f"{cost.cpu:9.0f}{cost.waited:8.0f}" for cost in costs)
            print(f"{name:<26}{line}{first.size:10,}", flush=True)


if __name__ == "__main__":
    main()
