"""Statistics, side by side in one run: declared counters, the records themselves, and another service.

    counters   groups that are kept with every commit
    records    the same question of a collection without counters: it is counted when it is asked
    ORM        FastAPI with a response model, and SQLAlchemy: averages of floating numbers, which are not exact
    exact ORM  the same service with the same answer: decimals are texts, which it adds up

Every service is asked in this process as a server would ask it, each question once, so that no answer is kept. What is
compared is the CPU time of all threads; on PostgreSQL, which works in processes of its own, the time by the clock.
Rounds alternate, and the best one of each is the one that others on the machine disturbed least: only ratios inside one
run count.

    ./run bench stats [--symbols 100] [--days 1000] [--questions 40] [--rounds 9] [--engine postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import structlog

from catchment import App, Counter, Feed, Get, Record, Upstream, each
from catchment.clock import SystemClock
from catchment.derive import derive
from catchment.exchange import Answer, Request
from catchment.partitions import Partition
from catchment.plan import State
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.archive import Place
from catchment.store.lease import Outcome
from catchment.store.store import Store
from catchment.store.tables import Collection
from catchment.testing import Cluster

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOLD = "avg(close),sum(volume),count()"
Row = tuple[str, date, Decimal, Decimal, Decimal, Decimal, int]
Ask = Callable[[str, str], bytes]
Found = dict[str, list[float]]
FIRST = date(2020, 1, 1)
SERVICES = ("counters", "records", "ORM", "exact ORM")


class Bar(Record):
    """One trading day of one symbol."""

    symbol: str
    date: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


bars = Feed(
    "bars",
    Bar,
    Upstream("bench", "https://bench.example"),
    request=Get("/bars", symbol="{symbol}"),
    partitions=each(symbol=["S000"]),
    key=("symbol", "date"),
    indexes=[("symbol", "date")],
    public=True,
)
kept = ("close", "volume")
by = (("symbol",), ("month(date)",), ("symbol", "month(date)"))
counted = replace(bars, name="counted", counters=[Counter(by=parts, of=kept) for parts in by])
app = App("bench", feeds=[bars, counted])


def made_up(symbols: int, days: int) -> list[Row]:
    chance = random.Random(1)
    return [
        (
            f"S{symbol:03}",
            FIRST + timedelta(days=day),
            *(Decimal(chance.randint(100_000, 9_999_999)).scaleb(-4) for _ in range(4)),
            chance.randint(10**5, 10**8),
        )  # type: ignore[misc]
        for symbol in range(symbols)
        for day in range(days)
    ]


# -- the services ---------------------------------------------------------------------------------------------------


def load(store: Store, feed: Feed, rows: Sequence[Row]) -> float:
    """The CPU seconds that storing the rows takes, a partition a symbol."""
    began, name = time.process_time(), f"bench/{feed.name}"
    records = store.records(Collection("bench", feed))
    for symbol, some in itertools.groupby(rows, key=lambda row: row[0]):
        partition = Partition((("symbol", symbol),))
        lease = store.ledger.claim(1, name, State(partition), NOW)
        assert lease is not None
        body = msgspec.json.encode([dict(zip(Bar.__struct_fields__, row, strict=True)) for row in some])
        place = Place(name, partition.key, lease.number, lease.attempt)
        page = store.archive.put(place, Request("/bars"), "https://bench.example/bars", Answer(200, body, NOW))
        outcome = derive(feed, lease, [page], records, Outcome("failed", digest=page.digest), NOW)
        assert outcome.verdict == "complete", outcome
    return time.process_time() - began


def product(folder: str, database: str, rows: Sequence[Row]) -> tuple[Any, dict[str, float]]:
    """The product's service, and the seconds that storing without and with counters took."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    settings = Settings().with_values("bench", {
        "CATCHMENT_DATA": folder, "CATCHMENT_DATABASE": database, "CATCHMENT_LIMIT_ANONYMOUS": "off",
    })  # fmt: skip
    with Store(settings, [app]) as store:
        took = {feed.name: load(store, feed, rows) for feed in (bars, counted)}
    return build([app], settings, SystemClock(), deadline_s=60), took


def asking(service: Any) -> Ask:
    """Asks an ASGI application; RuntimeError for any answer other than 200."""
    head = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    head |= {"root_path": "", "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80)}

    async def asked(path: str, query: str) -> bytes:
        scope = {**head, "path": path, "raw_path": path.encode(), "query_string": query.encode(), "state": {}}
        scope["headers"] = [(b"host", b"localhost")]
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await service(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in said[1:])
        if said[0]["status"] != 200:
            raise RuntimeError(f"{path}?{query}: {said[0]['status']} {body[:300]!r}")
        return body

    loop = asyncio.new_event_loop()
    return lambda path, query: loop.run_until_complete(asked(path, query))


# -- measuring ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """by: `symbol` or `month`. one: of one symbol. days: of the first ones alone; 0 for all."""

    by: str
    one: bool
    days: int = 0

    def asked(self, symbol: str, limit: int) -> dict[str, tuple[str, str]]:
        """As each service is asked it. limit: another one each time, above the number of groups."""
        one = f"&symbol={symbol}" if self.one else ""
        since, until = FIRST, FIRST + timedelta(days=self.days)
        ours = f"by={'month(date)' if self.by == 'month' else self.by}&of={TOLD}&limit={limit}{one}"
        theirs = f"by={self.by}&limit={limit}{one}"
        if self.days:
            ours, theirs = f"{ours}&date__gte={since}&date__lt={until}", f"{theirs}&since={since}&until={until}"
        return {
            "counters": ("/v1/bench/counted/stats", ours),
            "records": ("/v1/bench/bars/stats", ours),
            "ORM": ("/stats", theirs),
            "exact ORM": ("/exact", theirs),
        }


QUESTIONS = {
    "a symbol's year, by month": Question("month", one=True, days=366),
    "a symbol, by month": Question("month", one=True),
    "a symbol": Question("symbol", one=True),
    "all, by symbol": Question("symbol", one=False),
    "all, by month": Question("month", one=False),
}


def took_ms(ask: Ask, asked: Sequence[tuple[str, str]], now: Callable[[], float]) -> float:
    began = now()
    for path, query in asked:
        ask(path, query)
    return (now() - began) / len(asked) * 1000


def compared(services: dict[str, Ask], question: Question, number: int, options: argparse.Namespace) -> Found:
    """Milliseconds a question, a round each."""
    symbols, rounds = options.symbols, options.rounds
    now = time.perf_counter if options.engine == "postgresql" else time.process_time
    limits, found = itertools.count(200), {name: list[float]() for name in services}
    for _ in range(rounds):
        asked = [question.asked(f"S{turn % symbols:03}", next(limits)) for turn in range(number)]
        for name, ask in services.items():
            found[name].append(took_ms(ask, [item[name] for item in asked], now))
    return found


def same(services: dict[str, Ask]) -> None:
    """All services mean the same by a question; RuntimeError where one does not."""
    asked = Question("symbol", one=True).asked("S001", 199)
    told = {name: json.loads(ask(*asked[name])) for name, ask in services.items()}
    ours, theirs = told["records"]["data"][0], told["ORM"][0]
    exact = Decimal(told["exact ORM"][0]["avg_close"])
    means = (
        abs(float(ours["avg(close)"]) - theirs["avg_close"]) < 1e-6 and abs(exact - Decimal(ours["avg(close)"])) < 1e-20
    )
    if told["counters"]["data"] != [ours] or not means or ours["sum(volume)"] != theirs["sum_volume"]:
        raise RuntimeError(f"not the same: {told}")


def line(title: str, found: Found) -> str:
    counters, records, orm, exact = (min(found[name]) for name in SERVICES)
    times = f"{counters:10.2f}{records:10.2f}{orm:10.2f}{exact:11.2f}"
    return f"{title:<46}{times}{records / counters:11.1f}x{orm / records:9.2f}x{exact / records:13.2f}x"


def measure(folder: Path, url: str, options: argparse.Namespace) -> None:
    from peers.bars_orm import service

    rows = made_up(options.symbols, options.days)
    ours, took = product(str(folder), url or f"sqlite:///{folder}/product.sqlite", rows)
    theirs = asking(service(url or f"sqlite:///{folder}/bars.sqlite", rows))
    services = dict(zip(SERVICES, (asking(ours), asking(ours), theirs, theirs), strict=True))
    same(services)
    said = f"ms a question on {options.engine}, the best of {options.rounds} rounds"
    print(f"{len(rows):,} bars of {options.symbols} symbols; {said}")
    print(f"{'':<46}{''.join(f'{name:>10}' for name in SERVICES)}  {'counters':>10}{'over ORM':>10}{'over exact':>14}")
    print(f"{'target':<46}{'':>41}{'20.0x':>12}{'1.50x':>10}")
    for title, question in QUESTIONS.items():
        many = options.questions if question.one else max(2, options.questions // 20)
        records = (question.days or options.days) if question.one else len(rows)
        found = compared(services, question, many, options)
        print(line(f"{title} ({records:,} records)", found))
    each = {name: seconds / len(rows) * 1e6 for name, seconds in took.items()}
    print(f"storing: {each['bars']:.1f} µs a record, with three counters {each['counted']:.1f} µs")
    ours.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    options = parser.parse_args()
    if find_spec("fastapi") is None:
        sys.exit("fastapi is not installed: ./run bench stats installs it")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="catchment-bench-")))
        cluster = stack.enter_context(Cluster() if options.engine == "postgresql" else nullcontext())
        measure(folder, cluster.url(cluster.database()) if cluster else "", options)


if __name__ == "__main__":
    main()
