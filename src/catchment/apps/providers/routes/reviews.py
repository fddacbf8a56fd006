"""Reviews: everybody's own, those of a provider, and the judgement of their comments."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from catchment.web import (
    Data,
    Done,
    Fault,
    FromPath,
    InvalidRecord,
    QueryError,
    Response,
    Store,
    Version,
    Writes,
    delete,
    demand,
    get,
    patch,
    post,
    respond,
    unstorable,
    version_tag,
)

from .. import answers, asking, said, shapes
from ..rules import folded
from .steps import (
    CAPPED,
    Ask,
    Json,
    body_of,
    document_of,
    id_of,
    meant,
    provider_of,
    query_of,
    wrote,
)
from .told import CHANGE, DECISION, GONE, OPINION, paged, shown, stored, writing

__all__ = ["change_review", "moderate", "own_review", "remove_review", "review", "reviews"]

_STORED = stored(shapes.ShownReview)
_WRITTEN = {
    201: stored(shapes.ShownReview, "As it is stored"),
    200: stored(shapes.ShownReview, "It replaced your earlier one of this provider and skill"),
}
ONLY = ("reviews",)
"""What these routes serve; a process may serve nothing else."""


@post(
    "/service-provider/{provider:str}/review",
    serves=ONLY,
    operation_class=writing("Your review", _WRITTEN, body=OPINION, refuses=[404], replaces=True),
)
async def review(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """The review; a second one of the same provider and skill replaces the first, with 200."""
    demand(store.principal, "write")
    query_of(request)
    members = _about(id_of(provider, "Service provider"), await body_of(request))
    done = await wrote(meant(writes, version).create("reviews", members), "Service provider")
    return _review_answer(store, done, 201 if done.outcome == "created" else 200)


def _about(provider: str, body: Any) -> Any:
    """The members of a review of this provider."""
    if not isinstance(body, dict):
        return body
    _check_members(body, ("rating", "skill", "comment"))
    return body | {"provider": provider}


def _check_members(body: Mapping[str, Any], known: Sequence[str]) -> None:
    faults = list(unstorable(body)) or asking.strangers(body, known)
    if not faults and isinstance(body.get("rating"), str):
        faults = [Fault("/rating", "is text, not a number")]
    if faults:
        raise InvalidRecord(faults)


def _review_answer(store: Data, done: Done, status: int = 200) -> Response[bytes]:
    tag = version_tag(store, "reviews", done.key, generation=done.generation, version=done.version)
    shown = answers.review_of(msgspec.json.decode(done.doc), store.principal)
    return respond(shown, status, headers={"etag": tag})


@get(
    "/service-provider/{provider:str}/reviews",
    serves=ONLY,
    operation_class=paged(
        "Reviews, newest first", ("skill", *asking.PAGING), "reviews", shapes.ShownReview, refuses=[404]
    ),
)
async def reviews(request: Ask, store: Store, provider: FromPath[str], version: Version) -> Response[bytes]:
    """The reviews of a provider. A comment is there once it is published."""
    values = query_of(request, "skill", *asking.PAGING)
    return await asyncio.to_thread(_reviews, store, provider, version, values)


def _reviews(store: Data, provider: str, version: tuple[int, int], values: Json) -> Response[bytes]:
    paging, skill = asking.paging(values), values.get("skill")
    key = None if skill is None else _key_of(skill)
    with store.open() as now:
        provider = provider_of(now, provider)[0]["id"]
        purpose = f"reviews {version} {provider} {key!r}"
        after = now.unseal(purpose, paging.cursor) if paging.cursor else ()
        size = paging.page_size
        found = said.reviews_of(now, provider, key, limit=size + 1, offset=paging.offset, after=after)
        following = now.seal(purpose, found[size - 1].place) if len(found) > size else None
        count = None if paging.count == "none" else said.count_reviews(now, provider, key)
    if count is not None and paging.count == "capped":
        count = min(count, CAPPED)
    items = [answers.review_of(item.document, store.principal) for item in found[:size]]
    return respond(answers.listing(version, "reviews", items, paging, following=following, count=count))


@get(
    "/service-provider/{provider:str}/review",
    serves=ONLY,
    operation_class=shown("Your own review", ["skill"], shapes.ShownReview, own=True),
)
async def own_review(request: Ask, store: Store, provider: FromPath[str]) -> Response[bytes]:
    """The caller's own review."""
    demand(store.principal, "write")
    values = query_of(request, "skill")
    return await asyncio.to_thread(_own_review, store, provider, values.get("skill"))


def _own_review(store: Data, provider: str, skill: str | None) -> Response[bytes]:
    with store.open() as now:
        mine = _mine(store, provider_of(now, provider)[0]["id"], skill)
        found = said.review_by(now, mine["provider"], mine["user_id"], mine["skill_key"])
        if found is None:
            raise answers.absent("Review")
        document, version = document_of(now, "reviews", found)
        generation = now.state("reviews").generation
    tag = version_tag(store, "reviews", document["id"], generation=generation, version=version)
    return respond(answers.review_of(document, store.principal), headers={"etag": tag})


def _key_of(skill: str) -> str:
    """What a skill is compared by. InvalidRecord for one of spaces alone: it would mean the review in general."""
    if not (key := folded(skill)):
        raise InvalidRecord([Fault("/skill", "is empty")])
    return key


def _mine(store: Data, provider: str, skill: str | None) -> dict[str, str]:
    """What the caller's own review of a provider alone has."""
    key = "" if skill is None else _key_of(skill)
    return {"provider": id_of(provider, "Service provider"), "user_id": store.principal.id, "skill_key": key}


@patch(
    "/service-provider/{provider:str}/review",
    serves=ONLY,
    operation_class=writing("Your review, changed", {200: _STORED}, names=["skill"], body=CHANGE, refuses=[404]),
)
async def change_review(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """The caller's own review with some members changed."""
    demand(store.principal, "write")
    values, body = query_of(request, "skill"), await body_of(request)
    if isinstance(body, dict):
        _check_members(body, ("rating", "comment"))
    mine = _mine(store, provider, values.get("skill"))
    writing = meant(writes, version).patch("reviews", mine, body)
    return _review_answer(store, await wrote(writing, "Review"))


@delete(
    "/service-provider/{provider:str}/review",
    serves=ONLY,
    status_code=200,
    operation_class=writing("Your review no longer there", GONE, names=["skill"], refuses=[404]),
)
async def remove_review(
    request: Ask, store: Store, writes: Writes, provider: FromPath[str], version: Version
) -> Response[bytes]:
    """An empty object; the review is gone."""
    demand(store.principal, "write")
    values = query_of(request, "skill")
    mine = _mine(store, provider, values.get("skill"))
    await wrote(meant(writes, version).delete("reviews", mine), "Review")
    return respond({})


_DECISIONS = {"publish": "published", "refuse": "refused"}


@post(
    "/reviews/{review_id:str}/moderation",
    serves=ONLY,
    status_code=200,
    operation_class=writing("A comment published or refused", {200: _STORED}, body=DECISION, refuses=[404]),
)
async def moderate(
    request: Ask, store: Store, writes: Writes, review_id: FromPath[str], version: Version
) -> Response[bytes]:
    """The review with its comment's new state."""
    demand(store.principal, "moderate")
    query_of(request)
    body = await body_of(request)
    if not isinstance(body, dict) or body.keys() != {"decision"} or body["decision"] not in [*_DECISIONS]:
        raise InvalidRecord([Fault("/decision", "is publish or refuse, and alone")])
    # With If-Match only the text that was read is judged: one that its author changes meanwhile waits for another look.
    key, state = id_of(review_id, "Review"), _DECISIONS[body["decision"]]
    try:
        done = await wrote(meant(writes, version).set("reviews", key, comment_state=state), "Review")
    except InvalidRecord as error:
        if any(fault.pointer == "/comment_state" for fault in error.faults):
            raise QueryError("The review has no comment", kind="conflict", status=409) from error
        raise
    return _review_answer(store, done)
