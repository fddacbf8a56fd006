"""The episodes app's own routes: episodes with their ratings, and comments, as the service before had them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from catchment.web import (
    Data,
    Done,
    Fault,
    FromPath,
    InvalidRecord,
    Parameter,
    QueryError,
    Request,
    Response,
    Store,
    View,
    Writes,
    Writing,
    delete,
    described,
    get,
    may,
    parameters,
    patch,
    post,
    put,
    read_members,
    read_parameters,
    respond,
)

from . import answers, asking, search
from .asking import COMMENT, EPISODE
from .comments import MAX_BODY, OPEN

__all__ = ["ROUTES"]

Ask = Request[Any, Any, Any]
Json = dict[str, Any]
Found = TypeVar("Found")

MEANT = COMMENT | {"If-Match": Parameter("The ETag of the version that is meant; another one is 412.", place="header")}
PAGE, SHOWN, CREATED = {200: "A page of them"}, {200: "As it is now"}, {201: "As it is stored; `Location` says where"}
ON_EPISODE, ON_ANY = {"text": "Great start"}, {"episode": "tt1480055", "text": "Great start"}


def _given(request: Ask, known: Mapping[str, Parameter] = MappingProxyType({})) -> dict[str, Any]:
    """The query's parameters, none of which may be another than these."""
    return read_parameters(parameters(request), known)


# -- episodes -------------------------------------------------------------------------------------------------------


@get("/episodes", operation_class=described("Episodes", asking.FILTERS, answers=PAGE))
async def episodes(request: Ask, store: Store) -> Response[bytes]:
    """A page of the episodes that match."""
    values = _given(request, asking.FILTERS)
    return await asyncio.to_thread(_episodes, store, asking.asked(values), asking.paging(values))


def _episodes(store: Data, asked: asking.Asked, paging: asking.Paging) -> Response[bytes]:
    with store.open() as now:
        found, count = search.find(now, asked, paging)
    return respond(answers.listing([answers.listed(item) for item in found], count, paging))


@get("/episodes/{episode:str}", operation_class=described("One episode", EPISODE, answers=SHOWN, refuses=[404]))
async def episode(request: Ask, store: Store, episode: FromPath[str]) -> Response[bytes]:
    """All that is known of an episode."""
    _given(request)
    return respond(answers.item(await asyncio.to_thread(_one, store, "episode", search.one, episode)))


def _one(store: Data, what: str, find: Callable[[View, str], Found | None], key: str) -> Found:
    """What is found under a key; not found in the contract's words."""
    with store.open() as now:
        found = find(now, key)
    if found is None:
        raise answers.absent(what)
    return found


@get(
    "/episodes/{episode:str}/ratings",
    operation_class=described("An episode's ratings, oldest first", EPISODE, answers=SHOWN, refuses=[404]),
)
async def ratings(request: Ask, store: Store, episode: FromPath[str]) -> Response[bytes]:
    """What the episode's own body and its season have said of its rating, merged in time."""
    _given(request)
    return await asyncio.to_thread(_ratings, store, episode)


def _ratings(store: Data, key: str) -> Response[bytes]:
    with store.open() as now:
        if not search.is_known(now, key):
            raise answers.absent("episode")
        found = search.ratings_of(now, key)
    return respond(answers.ratings(key, found))


# -- comments: reading ----------------------------------------------------------------------------------------------


@get(
    "/episodes/{episode:str}/comments",
    operation_class=described("An episode's comments, oldest first", asking.OF_EPISODE, answers=PAGE, refuses=[404]),
)
async def comments_of_episode(request: Ask, store: Store, episode: FromPath[str]) -> Response[bytes]:
    """A page of an episode's comments."""
    paging = asking.paging(_given(request, asking.OF_EPISODE))
    return await asyncio.to_thread(_comments, store, episode, paging, known=True)


@get("/comments", operation_class=described("Comments, oldest first", asking.COMMENTS, answers=PAGE))
async def comments(request: Ask, store: Store) -> Response[bytes]:
    """A page of the comments on an episode, or on all."""
    values = _given(request, asking.COMMENTS)
    return await asyncio.to_thread(_comments, store, values["episode"], asking.paging(values))


def _comments(store: Data, episode: str | None, paging: asking.Paging, *, known: bool = False) -> Response[bytes]:
    """known: the episode has to be there."""
    with store.open() as now:
        if known and not search.is_known(now, str(episode)):
            raise answers.absent("episode")
        found, count = search.comments_of(now, episode, paging)
    return respond(answers.listing([answers.comment(item) for item in found], count, paging))


@get("/comments/{comment:str}", operation_class=described("One comment", COMMENT, answers=SHOWN, refuses=[404]))
async def comment(request: Ask, store: Store, comment: FromPath[str]) -> Response[bytes]:
    """The comment; its ETag is its version."""
    _given(request)
    found = await asyncio.to_thread(_one, store, "comment", search.comment_of, comment)
    return _shown(found.document, found.version)


def _shown(document: Mapping[str, Any], version: int, status: int = 200, **headers: str) -> Response[bytes]:
    return respond(answers.comment_members(document, version), status, headers={"etag": _tag(version), **headers})


def _tag(version: int) -> str:
    """The ETag of a comment's version: the number that its body says."""
    return f'"{version}"'


# -- comments: writing ----------------------------------------------------------------------------------------------


@post(
    "/episodes/{episode:str}/comments",
    operation_class=described(
        "A new comment on an episode", EPISODE, body=ON_EPISODE, answers=CREATED, refuses=[404, 409]
    ),
)
async def comment_on_episode(request: Ask, store: Store, writes: Writes, episode: FromPath[str]) -> Response[bytes]:
    """The comment, with an id of its own."""
    _given(request)
    members = await read_members(request, MAX_BODY)
    if isinstance(members, dict):
        if "episode" in members:
            raise InvalidRecord([Fault("/episode", "is in the path already")])
        members = members | {"episode": episode}
    return await _create(store, writes, members, episode)


@post("/comments", operation_class=described("A new comment", {}, body=ON_ANY, answers=CREATED, refuses=[404, 409]))
async def create_comment(request: Ask, store: Store, writes: Writes) -> Response[bytes]:
    """The comment, with an id of its own."""
    _given(request)
    members = await read_members(request, MAX_BODY)
    return await _create(store, writes, members, members.get("episode") if isinstance(members, dict) else None)


async def _create(store: Data, writes: Writing, members: Any, episode: Any) -> Response[bytes]:
    acting = writes.for_nobody() if _is_open(store) and not may(store.principal, "write") else writes
    try:
        done = await acting.create("comments", members)
    except InvalidRecord as error:
        unknown = isinstance(episode, str) and any(fault.pointer == "/episode" for fault in error.faults)
        raise answers.absent("episode") if unknown else error from error
    return _written(done, 201, location=f"/comments/{done.key}")


@put(
    "/comments/{comment:str}",
    operation_class=described(
        "The comment, replaced as a whole", MEANT, body=ON_EPISODE, answers=SHOWN, refuses=[404, 409, 412]
    ),
)
async def replace_comment(request: Ask, store: Store, writes: Writes, comment: FromPath[str]) -> Response[bytes]:
    """The comment as it is now; its episode stays."""
    return await _changed(request, store, writes, comment, Writing.replace)


@patch(
    "/comments/{comment:str}",
    operation_class=described(
        "The comment, with another text", MEANT, body=ON_EPISODE, answers=SHOWN, refuses=[404, 409, 412]
    ),
)
async def change_comment(request: Ask, store: Store, writes: Writes, comment: FromPath[str]) -> Response[bytes]:
    """The comment as it is now."""
    return await _changed(request, store, writes, comment, Writing.patch)


@delete(
    "/comments/{comment:str}",
    status_code=204,
    operation_class=described("No such comment any more", MEANT, answers={204: "Gone"}, refuses=[404, 409, 412]),
)
async def remove_comment(request: Ask, store: Store, writes: Writes, comment: FromPath[str]) -> None:
    """Nothing; the comment is gone, and its versions are moderators' to read."""
    _given(request)
    acting = await asyncio.to_thread(_acting, store, writes, comment)
    await _wrote(acting.tagged(_tag).delete("comments", comment.lower()))


async def _changed(
    request: Ask, store: Data, writes: Writing, key: str, change: Callable[..., Awaitable[Done]]
) -> Response[bytes]:
    """The comment as it is after this change. change: a method of `Writing`."""
    _given(request)
    members = await read_members(request, MAX_BODY)
    acting = await asyncio.to_thread(_acting, store, writes, key)
    return _written(await _wrote(change(acting.tagged(_tag), "comments", key.lower(), members)))


def _is_open(store: Data) -> bool:
    """Whether anybody may write, as in the service that this one replaces."""
    return OPEN.text(store.settings) == "true"


def _acting(store: Data, writes: Writing, key: str) -> Writing:
    """What may be written of this comment: one that is nobody's is everybody's, where the operator lets it be.

    There it is 404 for one that is not there, and no key is asked for: with one it would not be there either.
    """
    if not _is_open(store):
        return writes
    found = _one(store, "comment", search.comment_of, key)
    return writes.for_nobody() if found.document["owner"] is None else writes


async def _wrote(writing: Awaitable[Done]) -> Done:
    """What was done; not found in the contract's words."""
    try:
        return await writing
    except QueryError as error:
        raise answers.absent("comment") if error.status == 404 else error from error


def _written(done: Done, status: int = 200, **headers: str) -> Response[bytes]:
    return _shown(msgspec.json.decode(done.doc), done.version, status, **headers)


ROUTES: Sequence[Any] = (
    *(episodes, episode, ratings, comments_of_episode, comments, comment),
    *(comment_on_episode, create_comment, replace_comment, change_comment, remove_comment),
)
