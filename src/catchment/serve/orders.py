"""What operators ask the collector for: the route that takes an order, and what the pages give one by."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, TypedDict

import msgspec
from litestar import Request, Response, get, post

from ..bodies import Fault, InvalidRecord, typed
from ..errors import QueryError, StoreError
from ..store import orders as store
from ..store.audit import Entry
from ..store.engines import Database, Workers
from ..store.orders import Order, Paused, Verb, Wanted
from ..store.query import DEFAULT_LIMIT, MAX_LIMIT
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from .data import Data
from .desk import data_of, given_of, json_answer, look, number_of
from .members import read_members
from .rights import REQUEST_ID
from .status import partitions_of

__all__ = ["DESK", "HANDLERS", "OrderDesk", "Ordered", "Ordering", "Orders", "desk_of"]

DESK = "order-desk"
"""Where the service's `OrderDesk` stands in the framework's state."""
MAX_ORDER = 4096

Ask = Request[Any, Any, Any]


class Ordering(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An order. partition: its key, for `collect`, and for `replay` of it alone. reject: its id, for `readmit`."""

    collection: Annotated[str, msgspec.Meta(max_length=200, examples=["stocks/bars"])]
    verb: Verb
    partition: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    reject: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


class Ordered(TypedDict):
    """An order as it was noted. collecting: whether a process that is alive takes it at once."""

    data: Order
    meta: Taking


class Taking(TypedDict):
    """Whether somebody collects the order's app."""

    collecting: bool


class Desks(TypedDict):
    """next: before which id the next page begins. collecting: the apps that are collected by somebody who is alive.
    paused: the feeds that an operator has left alone.
    """

    next: int | None
    collecting: list[str]
    paused: list[Paused]


class Orders(TypedDict):
    """A page of orders."""

    data: list[Order]
    meta: Desks


class OrderDesk:
    """Where one server gives orders, and sees whether anybody takes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._workers: Workers | None = None
        self._opening = threading.Lock()

    def alive(self, name: str) -> bool:
        """Whether the worker of that name runs."""
        with self._opening:
            if self._workers is None:
                self._workers = self._database.workers()
            return self._workers.alive(name)

    def close(self) -> None:
        """Nobody is looked at any more."""
        with self._opening, suppress(StoreError):
            if self._workers is not None:
                self._workers.close()
            self._workers = None

    def collecting(self, snapshot: Snapshot) -> list[str]:
        """The apps that somebody collects."""
        return snapshot.desk.collecting(self.alive)

    async def give(self, data: Data, asked: Ordering, request_id: str) -> tuple[Order, bool]:
        """The order, which waits in the ledger from now on, and whether somebody takes it at once.

        Raises:
            QueryError: 404 for a collection, partition or reject that there is not; 409 where it is paused; 422.
        """
        return await asyncio.to_thread(self._give, data, asked, request_id)

    def _give(self, data: Data, asked: Ordering, request_id: str) -> tuple[Order, bool]:
        collection = data.collection(asked.collection if "/" in asked.collection else f"/{asked.collection}")
        with data.reader.snapshot() as snapshot:
            wanted = _wanted(snapshot, data, collection, asked)
            taken = collection.app in self.collecting(snapshot)
        who = data.principal
        entry = Entry("", "", who.id, who.key_id, request_id=request_id)
        order = store.give(self._database, wanted, entry, data.now)
        if order is None:
            raise QueryError(f"{collection.name} is paused: resume it first", kind="paused", status=409)
        return order, taken


def _wanted(snapshot: Snapshot, data: Data, collection: Collection, asked: Ordering) -> Wanted:
    """The order as it is noted: its parts fit each other, and what it names is there."""
    wanted = Wanted(collection.name, asked.verb, asked.partition, asked.reject)
    if collection.written:
        raise _fault("collection", "is written by people: nothing is collected")
    if bool(asked.reject) != (asked.verb == "readmit"):
        raise _fault("reject", "goes with readmit, and readmit with it")
    if asked.partition and asked.verb not in ("collect", "replay"):
        raise _fault("partition", "goes with collect and replay")
    if asked.reject:
        found = snapshot.desk.reject([collection.name], asked.reject)
        if found is None:
            raise QueryError("there is no such reject", kind="not-found", status=404)
        if not found.count:
            raise QueryError("the last answer has no such row any more", kind="conflict", status=409)
        return replace(wanted, partition=found.partition)
    if asked.verb == "collect" or asked.partition:
        _check_partition(snapshot, data, collection, asked.partition)
    return wanted


def _check_partition(snapshot: Snapshot, data: Data, collection: Collection, partition: str) -> None:
    if all(row["key"] != partition for row in partitions_of(snapshot, collection, data)):
        raise QueryError("there is no such partition", kind="not-found", status=404)


def _fault(member: str, message: str) -> InvalidRecord:
    return InvalidRecord([Fault(f"/{member}", message)])


def desk_of(request: Ask) -> OrderDesk:
    """The service's own."""
    found: OrderDesk = request.app.state[DESK]
    return found


# -- routes --------------------------------------------------------------------------------------------------------


@post("/v1/_/orders", status_code=202)
async def order(request: Ask) -> Response[bytes]:
    """Has the collector do something: it is noted, and taken as soon as somebody collects."""
    if request.scope["query_string"]:
        raise QueryError("an order takes no parameters", kind="unknown-parameter")
    asked, faults = typed(await read_members(request, MAX_ORDER), Ordering, "")
    if faults:
        raise InvalidRecord(faults)
    request_id: str = request.scope[REQUEST_ID]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    found, taken = await desk_of(request).give(data_of(request), asked, request_id)
    answer: Ordered = {"data": found, "meta": {"collecting": taken}}
    return Response(msgspec.json.encode(answer), status_code=202, media_type="application/json")


@get("/v1/_/orders")
async def orders(request: Ask) -> Response[bytes]:
    """What operators asked for and what came of it, newest first; what is paused, and what somebody collects."""
    given, names = given_of(request, "/v1/_/orders")
    limit, before = number_of(given, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT), number_of(given, "before", 0) or None
    desk = desk_of(request)

    def page(snapshot: Snapshot) -> Orders:
        found = snapshot.desk.orders(names, before=before, limit=limit + 1)
        following = found[limit - 1].id if len(found) > limit else None
        told: Desks = {
            "next": following,
            "collecting": desk.collecting(snapshot),
            "paused": snapshot.desk.paused(names),
        }
        return {"data": found[:limit], "meta": told}

    return json_answer(await look(request, page))


HANDLERS = (order, orders)
