"""The routes about the service itself: what there is, whether it lives, how old its data is."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

import msgspec
from litestar import Request, Response, get

from ..errors import QueryError
from ..feed import CONTENT, Feed
from ..partitions import Partition
from ..record import Column
from ..schedule import Cron
from ..settings import Settings
from ..store.seen import Freshness
from ..store.snapshot import Snapshot
from ..store.tables import Collection
from . import freshness, gate
from .data import Data
from .desk import given_of, page_behind, pairs_of
from .front import DATA

__all__ = [
    "HANDLERS",
    "LATELY",
    "Ages",
    "Ask",
    "Feeds",
    "Index",
    "Lately",
    "Live",
    "Partitions",
    "Ready",
    "asked",
    "lately",
    "partitions_of",
]

Ask = Request[Any, Any, Any]


# -- what is answered ----------------------------------------------------------------------------------------------


class Entry(TypedDict):
    """A collection that may be read. about: the first line of what its record type says."""

    name: str
    href: str
    about: str
    public: bool


class Entries(TypedDict):
    """The collections of an app."""

    app: str
    collections: list[Entry]


class Index(TypedDict):
    """What there is, and where more of it stands."""

    data: list[Entries]
    links: dict[str, str]


class Collected(TypedDict):
    """What a feed collects. key: the fields that are it, or `content`."""

    collection: str
    upstream: str
    key: list[str] | Literal["content"]
    fields: list[Column]
    schedule: str
    missing: str
    public: bool


class Behind(TypedDict):
    """Behind which name or key the next page begins."""

    next: str | None


class Feeds(TypedDict):
    """A page of feeds."""

    data: list[Collected]
    meta: Behind


class Collecting(TypedDict):
    """A partition, and how its last attempt ended. instead: of the one that is asked for in its place for now."""

    key: str
    params: list[tuple[str, str]]
    verdict: str | None
    reason: str | None
    checked_at: str | None
    collected_at: str | None
    first_collected_at: str | None
    records: int | None
    failures: int
    instead: dict[str, str]
    instead_until: str | None


class Partitions(TypedDict):
    """A page of the partitions of one collection."""

    data: list[Collecting]
    meta: Behind


class Live(TypedDict):
    """That the process answers."""

    status: Literal["live"]


class Ready(TypedDict):
    """That the data can be read."""

    status: Literal["ready"]


class Moments(TypedDict):
    """When the partition that is the longest ago was collected, and the one that is not."""

    oldest: str | None
    newest: str | None


class Counts(TypedDict):
    """How many partitions there are, missed a round of their schedule, were never collected."""

    all: int
    stale: int
    missing: int


class Aged(TypedDict):
    """How old a collection is."""

    collection: str
    stale: bool
    collected_at: Moments
    partitions: Counts


class Ages(TypedDict):
    """How old all of them are."""

    status: Literal["stale", "fresh"]
    data: list[Aged]


# -- routes --------------------------------------------------------------------------------------------------------


class Lately:
    """What was found out less than a second ago and is not found out again, however often it is asked for."""

    def __init__(self, *, most: int = 64) -> None:
        self._found: dict[Hashable, tuple[datetime, bytes]] = {}
        self._most = most

    def get(self, key: Hashable, now: datetime) -> bytes | None:
        """What was found; None where it was longer ago."""
        at, found = self._found.get(key, (now, None))
        return found if timedelta(0) <= now - at < _SECOND else None

    def put(self, key: Hashable, now: datetime, found: bytes) -> bytes:
        """The same, which is remembered."""
        if len(self._found) >= self._most:
            self._found.clear()
        self._found[key] = now, found
        return found


LATELY = "lately"
"""Where the service's `Lately` stands in the framework's state."""
_SECOND = timedelta(seconds=1)


def asked(request: Ask) -> Data:
    """What a request without parameters may read. QueryError: 400 where it has some."""
    if pairs := gate.pairs(request.scope["query_string"]):
        name = pairs[0][0][:60]
        raise QueryError(f"unknown parameter {name}; there are none", kind="unknown-parameter", parameter=name)
    return _data(request)


def _data(request: Ask) -> Data:
    data: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
    return data


def lately(request: Ask) -> Lately:
    """The service's own."""
    found: Lately = request.app.state[LATELY]
    return found


def _json(content: Any) -> Response[bytes]:
    return _sent(msgspec.json.encode(content))


def _sent(body: bytes) -> Response[bytes]:
    return Response(body, media_type="application/json")


@get("/v1")
async def index(request: Ask) -> Response[bytes]:
    """The apps and their collections, with links."""
    apps: dict[str, list[Entry]] = {}
    for item in asked(request).visible():
        entry: Entry = {
            "name": item.feed.name,
            "href": f"/v1/{item.name}",
            "about": _about(item),
            "public": item.feed.public,
        }
        apps.setdefault(item.app, []).append(entry)
    listed: list[Entries] = [{"app": name, "collections": entries} for name, entries in apps.items()]
    return _json({"data": listed, "links": {"openapi": "/openapi.json", "docs": "/docs", "feeds": "/v1/_/feeds"}})


def _about(collection: Collection) -> str:
    return (collection.feed.record.__doc__ or "").strip().partition("\n")[0]


@get("/v1/_/feeds")
async def feeds(request: Ask) -> Response[bytes]:
    """What is collected, from where, when, and into which fields; by name."""
    data, given = _data(request), pairs_of(request, "/v1/_/feeds")
    named = sorted((item for item in data.visible() if isinstance(item.feed, Feed)), key=_name)
    found, following = page_behind(given, named, _name)
    told = [_feed(item, item.feed, data.settings) for item in found if isinstance(item.feed, Feed)]
    return _json({"data": told, "meta": {"next": following}})


def _name(collection: Collection) -> str:
    return collection.name


def _feed(collection: Collection, feed: Feed, settings: Settings) -> Collected:
    return {
        "collection": collection.name,
        "upstream": feed.upstream.name,
        "key": "content" if feed.key is CONTENT else list(feed.key),
        "fields": list(feed.columns),
        "schedule": _schedule(feed.as_set(settings)),
        "missing": feed.missing.value,
        "public": feed.public,
    }


def _schedule(feed: Feed) -> str:
    schedule = feed.schedule
    if isinstance(schedule, Cron):
        return f"{schedule.expression} {schedule.zone}"
    return f"every {schedule.interval.total_seconds():g} s"


@get("/v1/_/partitions")
async def partitions(request: Ask) -> Response[bytes]:
    """The partitions of one collection, by key: how their last attempt ended, and when."""
    data = _data(request)
    given, names = given_of(request, "/v1/_/partitions")
    if "collection" not in given:
        raise QueryError("collection: name one, e.g. collection=stocks/bars", parameter="collection")
    collection = data.collection(names[0])

    def question() -> list[dict[str, Any]]:
        with data.reader.snapshot() as snapshot:
            return sorted(partitions_of(snapshot, collection, data), key=_key)

    found, following = page_behind(given, await asyncio.to_thread(question), _key)
    return _json({"data": found, "meta": {"next": following}})


def _key(partition: dict[str, Any]) -> str:
    return str(partition["key"])


def partitions_of(snapshot: Snapshot, collection: Collection, data: Data) -> list[dict[str, Any]]:
    """A collection's partitions as they are told, also those that nobody has asked for yet."""
    unknown = freshness.never_asked(snapshot, collection, data.now, data.settings)
    return [*snapshot.partitions(collection), *map(_never_asked, unknown)]


def _never_asked(partition: Partition) -> dict[str, Any]:
    """A partition of which the ledger knows nothing, as it shows others."""
    named = {"key": partition.key, "params": partition.params, "verdict": None, "reason": "never asked for"}
    moments = dict.fromkeys(("checked_at", "collected_at", "first_collected_at", "instead_until"))
    return {**named, **moments, "records": 0, "failures": 0, "instead": {}}


@get("/health/live")
async def live(request: Ask) -> Response[bytes]:
    """That the process answers; it asks nothing."""
    asked(request)
    return _json({"status": "live"})


@get("/health/ready")
async def ready(request: Ask) -> Response[bytes]:
    """Whether the data can be read; a problem if not."""
    data, known_by = asked(request), lately(request)
    known = known_by.get("ready", data.now)
    if known is None:
        data.reader.states()
        known = known_by.put("ready", data.now, msgspec.json.encode(Ready(status="ready")))
    return _sent(known)


@get("/health/data")
async def data_health(request: Ask) -> Response[bytes]:
    """How old each collection is. 200 also when some are stale: old data is served, and said to be old."""
    data, known_by = asked(request), lately(request)
    collected = [item for item in data.visible() if not item.written]
    names = tuple(item.name for item in collected)

    def question() -> bytes:
        with data.reader.snapshot() as snapshot:
            listed = [_health(item, freshness.read(snapshot, item, data.now, data.settings)) for item in collected]
        stale = any(item["stale"] for item in listed)
        return msgspec.json.encode(Ages(status="stale" if stale else "fresh", data=listed))

    known = known_by.get(names, data.now)
    return _sent(known or known_by.put(names, data.now, await asyncio.to_thread(question)))


def _health(collection: Collection, fresh: Freshness) -> Aged:
    return {
        "collection": collection.name,
        "stale": bool(fresh.stale or fresh.missing or fresh.oldest is None),
        "collected_at": {"oldest": fresh.oldest, "newest": fresh.newest},
        "partitions": {"all": fresh.partitions, "stale": fresh.stale, "missing": fresh.missing},
    }


HANDLERS = (index, feeds, partitions, live, ready, data_health)
