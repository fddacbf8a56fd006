"""Requests that wait for one turn of the event loop share a look at the database, and none is told too little."""

import asyncio

import httpx
import pytest
from asgi_client import transport
from demo_feeds import BARS
from filled_store import bar

from catchment.serve.express import Heads, Turn

pytestmark = pytest.mark.once
LIST = "/v1/demo/bars"


def test_all_who_wait_for_a_turn_are_told_what_held_when_the_first_of_them_was_answered(store, reader):
    async def turns() -> list[int]:
        turn, seen = Turn(), []

        async def ask() -> None:
            seen.append(turn.states(reader)[BARS.name].revision)

        async def commit(revision: int) -> None:
            store.put(BARS, bar("IBM", "2026-01-02"), revision=revision)

        await asyncio.gather(ask(), commit(2), ask())  # the second one asked before this was committed
        await asyncio.create_task(ask())
        return seen

    assert asyncio.run(turns()) == [1, 1, 2]


def test_nobody_who_asks_after_a_commit_is_told_what_was_before(store, asgi):
    async def asking() -> list[int]:
        async with httpx.AsyncClient(transport=transport(asgi, "127.0.0.1"), base_url="http://localhost") as client:

            async def ask() -> int:
                return (await client.get(LIST)).json()["meta"]["revision"]

            async def commit_and_ask(revision: int) -> list[int]:
                before = await ask()
                store.put(BARS, bar("IBM", f"2026-01-0{revision}"), revision=revision)
                return [before, await ask(), await asyncio.create_task(ask())]

            return [await commit_and_ask(2), await asyncio.create_task(commit_and_ask(3)), [await ask()]]

    assert asyncio.run(asking()) == [[1, 2, 2], [2, 3, 3], [3]]


def test_a_look_that_no_turn_ended_is_no_ones_on_another_loop(store, reader):
    turn = Turn()

    def look() -> int:
        loop, found = asyncio.new_event_loop(), []

        async def ask() -> None:
            found.append(turn.states(reader)[BARS.name].revision)
            loop.stop()  # at the end of this turn, before what is to be done in the next one

        asked = loop.create_task(ask())
        loop.run_forever()
        loop.close()
        assert asked.done()
        return found[0]

    assert look() == 1
    store.put(BARS, bar("IBM", "2026-01-02"), revision=2)
    assert look() == 2


@pytest.mark.parametrize(
    "other",
    [
        {"raw_path": b"/v1/demo/notes"},
        {"raw_path": b"", "path": "/v1/demo/notes"},
        {"query_string": b"limit=1"},
        {"headers": [(b"host", b"localhost"), (b"accept", b"text/html")]},
        {"headers": [(b"host", b"localhost"), (b"x-api-key", b"ck_a_b")]},
        {"headers": [(b"host", b"localhost"), (b"host", b"localhost")]},
        {"headers": [[b"host", b"localhost"]], "raw_path": b"/health/live"},
    ],
    ids=str,
)
def test_a_head_that_is_remembered_is_no_other_ones(other):
    heads = Heads()
    scope = {"raw_path": b"/v1/demo/bars", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    told = [heads.of(scope | more) for more in ({}, other, {}, other)]
    assert told[2] is told[0]
    assert told[3] == told[1] == Heads().of(scope | other)
    differs = other.get("query_string") is None
    assert (told[1] != told[0]) is differs


def test_no_more_heads_are_remembered_than_have_room():
    heads = Heads()
    scope = {"raw_path": b"/v1/demo/bars", "path": "/", "headers": [(b"host", b"localhost")]}
    first = heads.of(scope | {"query_string": b"0"})
    for number in range(3000):
        heads.of(scope | {"query_string": str(number).encode()})
    assert heads.of(scope | {"query_string": b"0"}) is not first
    long = scope | {"query_string": b"x" * 2000}
    assert heads.of(long) is not heads.of(long)
