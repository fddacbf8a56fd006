"""Random questions to a collection while it is collected; every answer is what a plain Python reference says.

A question has filters, an order, a page, fields, a count and a point in time; walks go on while the collector writes.

    ./run fuzz queries [--queries 10000] [--seed N] [--engine sqlite]
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import random
import re
import sys
import tempfile
import time
import typing
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
from hunted.engines import ENGINES, database
from hunted.things import BEGAN, POOL, Known, Thing, World, app, things

from catchment.clock import FakeClock, render_moment
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.query import DEFAULT_LIMIT, fits

URL = "/v1/hunted/things"
WORDS = ("red", "FOX", '"red fox"', '"fox red"', "a", "über", "zz", "'; --red", "a OR", "none*", "-a", "a)", "text:a")
TYPES = typing.get_type_hints(Thing)
TEST: dict[str, Callable[[Any, Any], bool]] = {
    "": lambda value, asked: value is not None and value == asked,
    "ne": lambda value, asked: value is None or value != asked,
    "gt": lambda value, asked: value is not None and value > asked,
    "gte": lambda value, asked: value is not None and value >= asked,
    "lt": lambda value, asked: value is not None and value < asked,
    "lte": lambda value, asked: value is not None and value <= asked,
    "in": lambda value, asked: value is not None and value in asked,
    "nin": lambda value, asked: value is None or value not in asked,
    "contains": lambda value, asked: value is not None and asked in value,
    "startswith": lambda value, asked: value is not None and value.startswith(asked),
    "has": lambda value, asked: value is not None and asked in value,
    "isnull": lambda value, asked: (value is None) == asked,
}


# -- the reference -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One question. revision: of the state that is meant. pairs: as parameters."""

    revision: int
    filters: tuple[tuple[str, str, Any], ...] = ()
    order: tuple[str, ...] = tuple(things.sort)
    limit: int = DEFAULT_LIMIT
    fields: tuple[str, ...] = ()
    count: str = "capped"
    as_of: str = ""
    words: tuple[str, ...] = ()

    @property
    def pairs(self) -> list[tuple[str, str]]:
        pairs = [(f"{name}__{test}" if test else name, spelled(asked)) for name, test, asked in self.filters]
        pairs += [("sort", ",".join(self.order))] if self.order != tuple(things.sort) else []
        pairs += [("fields", ",".join(self.fields))] if self.fields else []
        pairs += [("count", self.count)] if self.count != "capped" else []
        pairs += [("as_of", self.as_of)] if self.as_of else []
        pairs += [("q", " ".join(self.words))] if self.words else []
        return [*pairs, ("limit", str(self.limit))]


def spelled(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(spelled, value))
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def key_of(thing: Thing) -> str:
    return f"{quote(thing.place, safe='')},{thing.number}"


def has_words(text: str | None, words: str) -> bool:
    """Whether these words follow each other in the text, whatever their case."""
    told, wanted = (re.findall(r"\w+", part.lower().replace("_", " ")) for part in (text or "", words))
    return any(told[start : start + len(wanted)] == wanted for start in range(len(told) - len(wanted) + 1))


def reference(state: Known, asked: Asked) -> list[Thing]:
    """All things that match, in order."""

    def compare(left: Thing, right: Thing) -> int:
        for name in (*asked.order, "-" if asked.order and asked.order[-1].startswith("-") else ""):
            field = name.removeprefix("-")
            one, other = ((getattr(item, field) if field else key_of(item)) for item in (left, right))
            if one != other:
                less = other is not None and (one is None or one < other)  # nulls are the smallest
                return -1 if less is not name.startswith("-") else 1
        return 0

    found = [
        thing
        for thing in state.values()
        if all(TEST[test](getattr(thing, name), value) for name, test, value in asked.filters)
        and all(has_words(thing.text, words) for words in asked.words)
    ]
    return sorted(found, key=functools.cmp_to_key(compare))


def wrong(asked: Asked, expected: Sequence[Thing], start: int, answer: Any) -> str:
    """How an answer differs from what the reference says; "" where it does not."""
    page = expected[start : start + asked.limit]
    if [item["_key"] for item in answer["data"]] != [key_of(thing) for thing in page]:
        return f"keys {[item['_key'] for item in answer['data']]}, not {[key_of(thing) for thing in page]}"
    names = asked.fields or tuple(POOL)
    for item, thing in zip(answer["data"], page, strict=True):
        if set(item) != {"_key", *names}:
            return f"fields {sorted(item)}"
        if stray := [n for n in names if msgspec.convert(item[n], TYPES[n]) != getattr(thing, n)]:
            return f"{item['_key']}: {stray[0]} is {item[stray[0]]!r}"
    meta = answer["meta"]
    if meta["count"] != (None if asked.count == "none" else len(expected)):
        return f"count {meta['count']}, not {len(expected)}"
    return "" if (meta["next"] is None) is (start + asked.limit >= len(expected)) else f"next is {meta['next']}"


# -- questions -----------------------------------------------------------------------------------------------------


def ask_at_random(world: World) -> Asked:
    drawn = world.drawn
    revision, as_of = point(world) if drawn.random() < 0.5 else (world.revision, "")
    filters = {one[:2]: one for one in (condition(drawn) for _ in range(drawn.randrange(4)))}  # none is said twice
    names = drawn.sample(sorted(set(POOL) - {"tags"}), drawn.randrange(4))
    return Asked(
        revision,
        tuple(filters.values()),
        tuple(drawn.choice(("", "-")) + name for name in names) or tuple(things.sort),
        drawn.choice((1, 2, 3, 7, 20, 50)),
        tuple(name for name in POOL if drawn.random() < 0.4) if drawn.random() < 0.3 else (),
        drawn.choice(("capped", "exact", "none")),
        as_of,
        tuple(drawn.sample(WORDS, drawn.randint(1, 2))) if not as_of and drawn.random() < 0.2 else (),
    )


def point(world: World) -> tuple[int, str]:
    """Any revision, or any moment: the very one of a commit, one between, one before them all."""
    if world.drawn.random() < 0.5:
        revision = world.drawn.randint(0, world.revision)
        return revision, str(revision)
    said, _ = world.drawn.choice(world.moments)
    moment = said + timedelta(microseconds=world.drawn.choice((0, 0, -1, 1, 10**7, -(10**10))))
    return world.held(moment), render_moment(moment)


def condition(drawn: random.Random) -> tuple[str, str, Any]:
    column = drawn.choice(things.columns)
    test = drawn.choice(fits(column))
    values = [value for value in POOL[column.name] if value is not None]
    if test.takes == "flag":
        return column.name, test.name, drawn.random() < 0.5
    if test.takes == "list":
        return column.name, test.name, tuple(drawn.sample(values, min(len(values), drawn.randint(1, 3))))
    value = drawn.choice(values)
    if test.takes == "element":
        value = drawn.choice(("a", "b", "B", "a%", "none"))
    if test.name in ("contains", "startswith"):
        value = value[: drawn.randint(0, 2)]
    return column.name, test.name, value


# -- the hunt ------------------------------------------------------------------------------------------------------


class Hunt:
    """What is asked of the API, and what was wrong with its answers."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self.world, self.client = world, client
        self.done: Counter[str] = Counter()
        self.said: list[str] = []

    async def get(self, pairs: Sequence[tuple[str, str]], below: str = "") -> Any:
        answer = await self.client.get(f"{URL}{below}?{urlencode(pairs)}")
        self.done["answers"] += 1
        if answer.status_code != 200:
            self.say(pairs, f"{answer.status_code} {answer.text}")
            return None
        return msgspec.json.decode(answer.content)

    def say(self, pairs: Sequence[tuple[str, str]], what: str) -> None:
        self.said.append(f"{urlencode(pairs)}: {what}")

    async def some_pages(self) -> None:
        """The first pages of a question that nothing disturbs."""
        asked = ask_at_random(self.world)
        expected = reference(self.world.states[asked.revision], asked)
        cursor, start = "", 0
        while cursor is not None and start < 3 * asked.limit:
            pairs = [*asked.pairs, *([("cursor", cursor)] if cursor else [])]
            if (answer := await self.get(pairs)) is None:
                return
            if found := wrong(asked, expected, start, answer):
                self.say(pairs, found)
                return
            cursor, start = answer["meta"]["next"], start + asked.limit
        self.done["questions"] += 1

    async def differences(self) -> None:
        """What differs between two revisions, or since one."""
        first, last = sorted(self.world.drawn.choices(range(self.world.revision + 1), k=2))
        before, after = (self.world.states[revision] for revision in (first, last))
        answer = await self.get([("from", str(first)), ("to", str(last)), ("limit", "1000")], "/diff")
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        kinds = {
            key_of(after.get(key) or before[key]): "gone" if key not in after else "changed" if key in before else "new"
            for key in changed
        }
        if answer and {item["_key"]: item["change"] for item in answer["data"]} != kinds:
            self.say([("from", str(first)), ("to", str(last))], f"differs: {answer['data']}")
        self.done["differences"] += 1

    async def walk(self) -> None:
        """All pages of a question, while the collector writes between them."""
        asked = replace(ask_at_random(self.world), limit=self.world.drawn.randint(1, 4), filters=(), words=())
        asked = replace(asked, count="none")
        if not asked.as_of and self.world.drawn.random() < 0.5:
            asked = replace(asked, order=("place", "number"))
        first, seen, cursor = self.world.revision, [], ""
        while cursor is not None:
            pairs = [*asked.pairs, *([("cursor", cursor)] if cursor else [])]
            if (answer := await self.get(pairs)) is None:
                return
            seen += [item["_key"] for item in answer["data"]]
            cursor = answer["meta"]["next"]
            if self.world.drawn.random() < 0.5:
                self.world.collect()
        if found := self._wrong_walk(asked, first, seen):
            self.say(asked.pairs, found)
        self.done["walks"] += 1

    def _wrong_walk(self, asked: Asked, first: int, seen: list[str]) -> str:
        """A state of then is walked as it was. Of now: what stood is there once, in order; a key never moves."""
        if asked.as_of:
            wanted = [key_of(thing) for thing in reference(self.world.states[asked.revision], asked)]
            return "" if seen == wanted else f"walked {seen}, not {wanted}"
        states = [state for revision, state in self.world.states.items() if revision >= first]
        stood = {key: thing for key, thing in states[0].items() if all(state.get(key) == thing for state in states)}
        wanted = [key_of(thing) for thing in reference(stood, asked)]
        if [key for key in seen if key in wanted] != wanted:
            return f"walked {seen} by {len(states)} revisions, where {wanted} stood"
        there = {key_of(thing) for state in states for thing in state.values()}
        twice = asked.order == ("place", "number") and len(set(seen)) < len(seen)
        return f"walked {seen}" if twice or not there.issuperset(seen) else ""

    async def run(self, queries: int) -> None:
        for _ in range(6):
            self.world.collect()
        ways = (self.some_pages, self.some_pages, self.some_pages, self.differences, self.walk)
        while self.done["answers"] < queries:
            if self.world.drawn.random() < 0.05 and self.world.revision < 120:
                self.world.collect()
            way = self.world.drawn.choice(ways)
            await (self.some_pages if way == self.walk and self.world.drawn.random() < 0.8 else way)()


async def hunt(folder: Path, options: argparse.Namespace, values: dict[str, str]) -> tuple[Hunt, int]:
    settings = Settings().with_values("hunt", {"CATCHMENT_DATA": str(folder), **values})
    world = World(folder, settings, random.Random(options.seed))
    front = build([app], settings, FakeClock(BEGAN))
    try:
        transport = httpx.ASGITransport(front, client=("127.0.0.1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            found = Hunt(world, client)
            await found.run(options.queries)
            return found, world.revision
    finally:
        front.close()
        world.store.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="catchment-fuzz-") as folder, database(options.engine) as values:
        found, revision = asyncio.run(hunt(Path(folder), options, values))
    counts = "  ".join(f"{name} {number:,}" for name, number in sorted(found.done.items()))
    print(f"{counts}  revisions {revision}, {options.engine}, seed {options.seed}, {time.monotonic() - began:.1f} s")
    print(f"  findings {len(found.said)}")
    for text in found.said[:20]:
        print(f"  {text[:600]}")
    return 1 if found.said else 0


if __name__ == "__main__":
    sys.exit(main())
