"""One provider: written by its owner, read by anybody."""

from __future__ import annotations

import asyncio

import msgspec

from catchment.web import (
    Data,
    Done,
    FromPath,
    Response,
    Store,
    Version,
    View,
    Writes,
    delete,
    demand,
    get,
    post,
    put,
    respond,
    version_tag,
)

from .. import answers, judging, shapes
from ..desk import Desk
from .steps import Ask, Json, body_of, meant, provider_of, query_of, wrote
from .told import GONE, OFFER, shown, stored, writing

__all__ = ["create", "read", "remove", "replace"]

_STORED = stored(shapes.OneProvider)
_MADE = stored(shapes.OneProvider, "As it is stored", "Location")


@post(
    "/service-provider",
    operation_class=writing("A new provider of yours", {201: _MADE}, body=OFFER),
)
async def create(request: Ask, store: Store, writes: Writes, version: Version) -> Response[bytes]:
    """The provider, with an id of its own."""
    demand(store.principal, "write")
    query_of(request)
    done = await wrote(writes.create("providers", await body_of(request)), "Service provider")
    place = f"/v{version[0]}_{version[1]}/service-provider/{done.key}"
    return await asyncio.to_thread(_written, store, Desk.of(request, store), done, 201, place)


@get("/service-provider/{provider:str}", operation_class=shown("One provider", (), shapes.OneProvider))
async def read(request: Ask, store: Store, provider: FromPath[str]) -> Response[bytes]:
    """The provider with its rating."""
    query_of(request)
    return await asyncio.to_thread(_read, store, Desk.of(request, store), provider)


@put(
    "/service-provider/{provider:str}",
    operation_class=writing("The provider, replaced as a whole", {200: _STORED}, body=OFFER, refuses=[404]),
)
async def replace(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """The provider as it is now; its id, its owner and its reviews stay."""
    demand(store.principal, "write")
    query_of(request)
    writing = meant(writes, version).replace("providers", provider.lower(), await body_of(request))
    return await asyncio.to_thread(
        _written, store, Desk.of(request, store), await wrote(writing, "Service provider"), 200
    )


@delete(
    "/service-provider/{provider:str}",
    status_code=200,
    operation_class=writing("No such provider any more", GONE, refuses=[404]),
)
async def remove(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """An empty object; the provider is gone, its versions stay."""
    demand(store.principal, "write")
    query_of(request)
    await wrote(meant(writes, version).delete("providers", provider.lower()), "Service provider")
    return respond({})


def _read(store: Data, desk: Desk, provider: str) -> Response[bytes]:
    with store.open() as now:
        document, version = provider_of(now, provider)
        tag = version_tag(
            store, "providers", document["id"], generation=now.state("providers").generation, version=version
        )
        return _shown(now, desk, store, document, tag)


def _written(store: Data, desk: Desk, done: Done, status: int, place: str = "") -> Response[bytes]:
    tag = version_tag(store, "providers", done.key, generation=done.generation, version=done.version)
    with store.open() as now:
        answer = _shown(now, desk, store, msgspec.json.decode(done.doc), tag, status)
    if place:
        answer.headers["location"] = place
    return answer


def _shown(now: View, desk: Desk, store: Data, document: Json, tag: str, status: int = 200) -> Response[bytes]:
    """One provider as an answer."""
    key = document["id"]
    by_skill = judging.skill_ratings(now, key, document["skill_keys"])
    found = answers.provider_of(document, judging.rated_of(now, key), desk.prior(now, store))
    body: shapes.OneProvider = {**found, "skill_ratings": answers.skill_ratings_of(document, by_skill)}
    return respond(body, status, headers={"etag": answers.item_tag(tag, body)})
