"""What every route does: who may, what was asked, what was written, in the contract's words."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable
from typing import Any

import msgspec

from catchment.web import (
    Done,
    InvalidRecord,
    QueryError,
    Request,
    View,
    Writing,
    parameters,
    read_members,
)

from .. import answers, asking, said

__all__ = [
    "CAPPED",
    "Ask",
    "Json",
    "body_of",
    "body_or_nothing",
    "document_of",
    "id_of",
    "meant",
    "provider_of",
    "query_of",
    "wrote",
]

Ask = Request[Any, Any, Any]
Json = dict[str, Any]

MAX_BODY = 256 * 2**10
CAPPED = 10_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = re.compile(r'\.[0-9a-f]{8}(?=")')


def query_of(request: Ask, *names: str) -> Json:
    """The typed parameters of the query; no other ones may be there."""
    known = {**asking.LIST, **asking.RECOMMEND, **asking.PAGING, "skill": asking.SKILL}
    return asking.read_query(parameters(request), {name: known[name] for name in names})


async def body_of(request: Ask) -> Any:
    """The value of the JSON body."""
    return await read_members(request, MAX_BODY)


async def body_or_nothing(request: Ask) -> Any:
    """The body's value; an empty object where there is no body."""
    given = {name for name, _ in request.scope["headers"]}
    length = request.headers.get("content-length", "")
    return await body_of(request) if length not in ("", "0") or b"transfer-encoding" in given else {}


def meant(writes: Writing, version: tuple[int, int]) -> Writing:
    """What may be written, to the version that `If-Match` names; from v1_1 on it has to name one."""
    named = dataclasses.replace(writes, if_match=_SHOWN.sub("", writes.if_match))
    return named.by_version() if version >= (1, 1) else named


def id_of(text: str, what: str) -> str:
    """The id that a path's segment is. QueryError: 404 for one that is no UUID."""
    if not _UUID.fullmatch(text.lower()):
        raise answers.absent(what)
    return text.lower()


async def wrote(writing: Awaitable[Done], what: str) -> Done:
    """What was done; not found in the contract's words."""
    try:
        return await writing
    except InvalidRecord as error:
        if any(fault.pointer == "/provider" for fault in error.faults):
            raise answers.absent("Service provider") from error  # it went while its review was on the way
        raise
    except QueryError as error:
        raise answers.absent(what) if error.status == 404 else error from error


def document_of(now: View, name: str, key: str) -> tuple[Json, int]:
    """A record and its version; an empty one for none."""
    table = now.tables(name).current
    rows = now.select(said.columns(table, ("_doc", "_version")).where(table.c["_key"] == key.lower()))
    return (msgspec.json.decode(rows[0][0]), rows[0][1]) if rows else ({}, 0)


def provider_of(now: View, key: str) -> tuple[Json, int]:
    """A provider and its version. QueryError: 404."""
    found = document_of(now, "providers", key)
    if not found[1]:
        raise answers.absent("Service provider")
    return found
