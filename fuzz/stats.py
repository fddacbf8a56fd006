"""Random statistics of a collection while it is collected; every answer is what a plain Python reference says.

A question has groups, stretches of time in a zone, measures, filters, an order, a limit and a point in time. After each
commit the declared counters are held against the records.

    ./run fuzz stats [--questions 10000] [--seed N] [--engine sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx
import msgspec
from hunted.engines import ENGINES, database
from hunted.things import BEGAN, Thing, World, app, things
from queries import TEST, condition, point, spelled

from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.check import check
from catchment.store.counters import answering
from catchment.store.statistics import groups_of, measures_of, parse_statistics

WHOLE = (date(2024, 2, 1), date(2024, 3, 1), date(2025, 1, 1))
"""Where months begin."""
URL = "/v1/hunted/things/stats"
ZONES = ("UTC", "Europe/London", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
GROUPS, MEASURES = groups_of(things.columns), measures_of(things.columns)
KINDS = {column.name: column.kind for column in things.columns}


# -- the reference -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One question. revision: of the state that is meant."""

    revision: int
    by: tuple[str, ...]
    of: tuple[str, ...]
    filters: tuple[tuple[str, str, Any], ...] = ()
    zone: str = ""
    order: tuple[str, ...] = ()
    limit: int = 100
    as_of: str = ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        pairs = [(f"{name}__{test}" if test else name, spelled(asked)) for name, test, asked in self.filters]
        lists = {"by": self.by, "of": self.of, "sort": self.order}
        pairs += [(name, ",".join(texts)) for name, texts in lists.items() if texts]
        pairs += [(name, text) for name, text in (("zone", self.zone), ("as_of", self.as_of)) if text]
        return [*pairs, ("limit", str(self.limit))]


def split(text: str) -> tuple[str, str]:
    """Function and field: `month(day)`, `day`."""
    function, found, field = text.partition("(")
    return (function, field.rstrip(")")) if found else ("", text)


def group_value(thing: Thing, text: str, zone: str) -> Any:
    bucket, name = split(text)
    value = getattr(thing, name)
    if not bucket or value is None:
        return value
    if isinstance(value, datetime):
        value = value.astimezone(ZoneInfo(zone or "UTC"))
        if bucket == "hour":
            return value - timedelta(minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
        value = value.date()
    first = {"week": value - timedelta(days=value.isoweekday() - 1), "day": value, "year": date(value.year, 1, 1)}
    months = {"month": value.month, "quarter": {1: 1, 2: 4, 3: 7, 4: 10}[(value.month + 2) // 3]}
    return first.get(bucket) or date(value.year, months[bucket], 1)


def told(some: Sequence[Thing], text: str) -> Any:
    function, name = split(text)
    values = [getattr(thing, name) for thing in some] if name else [True for _ in some]
    there = [value for value in values if value is not None]
    if function in ("count", "distinct"):
        return len(there) if function == "count" else len(set(there))
    if not there:
        return None
    if function in ("min", "max"):
        return {"min": min, "max": max}[function](there)
    exact = sum(map(Fraction, there))
    exact = exact / len(there) if function == "avg" else exact
    if KINDS[name] == "number":
        return float(exact)
    if function == "sum" and KINDS[name] == "integer":
        return int(exact)
    with localcontext(prec=34 if function == "avg" else 200):
        return Decimal(exact.numerator) / Decimal(exact.denominator)


def reference(state: dict[Any, Thing], asked: Asked) -> list[dict[str, Any]]:
    """All groups, in order."""
    found = [
        thing
        for thing in state.values()
        if all(TEST[test](getattr(thing, name), value) for name, test, value in asked.filters)
    ]
    grouped: dict[tuple[Any, ...], list[Thing]] = {} if asked.by else {(): []}
    for thing in found:
        grouped.setdefault(tuple(group_value(thing, text, asked.zone) for text in asked.by), []).append(thing)
    rows = [
        dict(zip(asked.by, values, strict=True)) | {text: told(some, text) for text in asked.of or ("count()",)}
        for values, some in grouped.items()
    ]
    for name in reversed((*asked.order, *asked.by)):
        text = name.removeprefix("-")
        nulls = [row for row in rows if row[text] is None]
        others = sorted((row for row in rows if row[text] is not None), key=lambda row: row[text], reverse=text != name)
        rows = [*others, *nulls] if text != name else [*nulls, *others]
    return rows


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z") if value.utcoffset() == timedelta(0) else value.isoformat()
    return value.isoformat() if isinstance(value, date) else value


# -- questions -----------------------------------------------------------------------------------------------------


def ask_at_random(world: World) -> Asked:
    drawn = world.drawn
    revision, as_of = point(world) if drawn.random() < 0.4 else (world.revision, "")
    by = tuple(drawn.sample(GROUPS, drawn.choice((0, 1, 1, 2, 3))))
    of = tuple(drawn.sample(MEASURES, drawn.randint(1, 4))) if drawn.random() < 0.9 else ()
    filters = {one[:2]: one for one in (condition(drawn) for _ in range(drawn.choice((0, 0, 1, 2))))}
    zoned = any(split(text)[0] and KINDS[split(text)[1]] == "datetime" for text in by)
    names = [*by, *(of or ("count()",))]
    return Asked(
        revision,
        by,
        of,
        tuple(filters.values()),
        drawn.choice(ZONES) if zoned and drawn.random() < 0.6 else "",
        tuple(drawn.choice(("", "-")) + name for name in drawn.sample(names, drawn.randrange(min(3, len(names) + 1)))),
        drawn.choice((1, 3, 100)),
        as_of,
    )


def ask_what_is_counted(world: World) -> Asked:
    """A question that a declared counter answers, so that there are as many of these."""
    drawn = world.drawn
    counter = drawn.choice(things.counters)
    by = tuple(drawn.sample(counter.by, drawn.randint(0, len(counter.by))))
    by = tuple({"month(day)": drawn.choice(("month(day)", "quarter(day)", "year(day)"))}.get(text, text) for text in by)
    told = ["count()", *(f"{function}({name})" for name in counter.of for function in ("sum", "avg", "count"))]
    fields = [split(text)[1] for text in counter.by]
    filters = [one for one in (condition(drawn) for _ in range(10)) if one[0] in fields]
    filters += [(name, drawn.choice(("gte", "lt")), drawn.choice(WHOLE)) for name in fields if name == "day"]
    drawn.shuffle(filters)
    filters = list({one[:2]: one for one in filters}.values())
    of = tuple(drawn.sample(told, drawn.randint(1, len(told))))
    return Asked(world.revision, by, of, tuple(filters[: drawn.randrange(3)]), limit=drawn.choice((2, 100)))


# -- the hunt ------------------------------------------------------------------------------------------------------


class Hunt:
    """What is asked of the API, and what was wrong with its answers."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world, self.client = world, client
        self.done: Counter[str] = Counter()
        self.said: list[str] = []

    async def question(self) -> None:
        asked = (ask_what_is_counted if self.world.drawn.random() < 0.3 else ask_at_random)(self.world)
        question = f"{URL}?{urlencode(asked.pairs)}"
        answer = await self.client.get(question)
        expected = reference(self.world.states[asked.revision], asked)
        rows = [{name: plain(value) for name, value in row.items()} for row in expected[: asked.limit]]
        counted = answering(self.world.collection, parse_statistics(asked.pairs, things.columns)) is not None
        self.done.update({"questions": 1, "by counters": counted, "groups": len(expected), "then": bool(asked.as_of)})
        if answer.status_code != 200:
            self.said.append(f"{question}: {answer.status_code} {answer.text}")
            return
        content = msgspec.json.decode(answer.content)
        if content["data"] != rows or content["meta"]["groups"] != len(expected):
            self.said.append(f"{question}: {content['data']}, not {rows} of {len(expected)}")

    def collect(self) -> None:
        """One more commit; then the counters have to say what the records do."""
        self.world.collect()
        found = check(self.world.store.database, [self.world.collection])
        self.said += [f"revision {self.world.revision}: {text}" for rule in found for text in rule.shown]
        self.done["commits"] += 1

    async def run(self, questions: int) -> None:
        for _ in range(6):
            self.collect()
        while self.done["questions"] < questions:
            if self.world.drawn.random() < 0.05 and self.world.revision < 120:
                self.collect()
            await self.question()


async def hunt(folder: Path, options: argparse.Namespace, values: dict[str, str]) -> Hunt:
    settings = Settings().with_values("hunt", {"CATCHMENT_DATA": str(folder), **values})
    world = World(folder, settings, random.Random(options.seed))
    front = build([app], settings, FakeClock(BEGAN.astimezone(UTC)), deadline_s=60)  # however busy the machine is
    try:
        transport = httpx.ASGITransport(front, client=("127.0.0.1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = Hunt(world, client)
            await found.run(options.questions)
            return found
    finally:
        front.close()
        world.store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder, database(options.engine) as values:
        found = asyncio.run(hunt(Path(folder), options, values))
    counts = "  ".join(f"{name} {number:,}" for name, number in sorted(found.done.items()))
    print(f"{counts}  {options.engine}, seed {options.seed}, {time.monotonic() - began:.1f} s")
    print(f"  findings {len(found.said)}")
    for text in found.said[:20]:
        print(f"  {text[:900]}")
    return 1 if found.said else 0


if __name__ == "__main__":
    sys.exit(main())
