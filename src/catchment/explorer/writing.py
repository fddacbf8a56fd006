"""What people write, by forms: the same way into the store as the API's, and its problems at the fields."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, get, post

from ..bodies import Fault, InvalidRecord
from ..errors import QueryError
from ..principal import may
from ..resource import Action, Resource
from ..serve import gate
from ..serve.data import Data
from ..serve.reading import canonical_key, item_tag, no_record
from ..serve.resources import Writing, writer_of
from ..serve.rights import demand
from ..store.seen import Item
from ..store.tables import Collection
from ..store.writes import Done
from .inputs import Input, inputs_of, members_of, with_faults, with_values
from .links import page_of, record_of
from .visiting import Ask, form, named, page, see_other

__all__ = ["HANDLERS", "allowed"]

_SAID_AGAIN = (403, 404, 409, 412, 422, 428, 429, 503)
"""With these the form comes back as it was written; with any other nothing could be mended in it."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A form. key: of the record that it changes, "" for a new one. version: its ETag. once: makes it sent only once.

    problem: why it was not taken, "" where it was not sent yet; meanwhile: somebody else changed the record since.
    """

    collection: Collection
    key: str
    inputs: Sequence[Input]
    version: str
    once: str
    does: frozenset[Action]
    problem: str = ""
    meanwhile: bool = False

    @property
    def about(self) -> str:
        """What such a record is, in a line."""
        return (self.collection.feed.record.__doc__ or "").strip().partition("\n")[0]


# -- what may be done ----------------------------------------------------------------------------------------------


def allowed(data: Data, collection: Collection, document: str) -> frozenset[Action]:
    """What whoever looks may do to this record; nothing where it is not written by people. document: all of it."""
    resource = collection.feed
    if not isinstance(resource, Resource) or not data.principal.id:
        return frozenset()
    try:
        record = msgspec.json.decode(document, type=resource.record)
    except msgspec.ValidationError:  # of an older declaration: the API says what can be done with it
        return frozenset()
    actions: tuple[Action, ...] = ("change", "delete")
    return frozenset(
        item for item in actions if _may(data, resource, item) and resource.allows(item, data.principal, record)
    )


def _may(data: Data, resource: Resource, action: Action) -> bool:
    moderates = action in resource.moderates and may(data.principal, "moderate")
    return may(data.principal, "write") or moderates


def _written(request: Ask) -> tuple[Data, Collection, Resource]:
    """The resource that a form writes. QueryError: 404 for what is collected; 401, 403 for who may not write."""
    data, collection = named(request)
    if not isinstance(collection.feed, Resource):
        raise QueryError("nobody writes to what is collected", kind="not-found", status=404)
    if not may(data.principal, "moderate"):
        demand(data.principal, "write")
    return data, collection, collection.feed


def _item(data: Data, collection: Collection, key: str) -> Item:
    """The record as it is now. QueryError: 404 where there is none."""
    with data.reader.snapshot() as snapshot:
        found = snapshot.item(collection, key)
    if found is None:
        raise no_record()
    return found


# -- pages ---------------------------------------------------------------------------------------------------------


@get("/explore/_/write/{app:str}/{name:str}")
async def new(request: Ask) -> Response[bytes]:
    """The form of a new record. What it is about may stand in the address."""
    data, collection, resource = _written(request)
    given = dict(gate.only(gate.pairs(request.scope["query_string"]), [*resource.fixed]))
    inputs = inputs_of(resource, _shown(data, collection), changing=False)
    sheet = Sheet(collection, "", with_values(inputs, given), "", _once(), frozenset())
    return page("write.html", request, forms=True, sheet=sheet)


@post("/explore/_/write/{app:str}/{name:str}", status_code=200)
async def create(request: Ask) -> Response[bytes]:
    """A new record, and its page; or the form as it was written, with what is wrong."""
    data, collection, resource = _written(request)
    pairs = await form(request)
    inputs = inputs_of(resource, _shown(data, collection), changing=False)
    members = members_of(inputs, pairs, changing=False)
    sheet = Sheet(collection, "", with_values(inputs, members), "", dict(pairs).get("_once", ""), frozenset())
    writing = _writing(request, data, collection, once=sheet.once)
    return await _done(request, sheet, lambda: writing.create(resource.name, members))


@get("/explore/_/write/{app:str}/{name:str}/{key:str}")
async def edit(request: Ask) -> Response[bytes]:
    """The form of a record that is there."""
    data, collection, resource = _written(request)
    key = canonical_key(request.path_params["key"])
    item = await asyncio.to_thread(_item, data, collection, key)
    sheet = _sheet_of(data, collection, resource, key, item)
    if not sheet.does:
        raise QueryError("This record is somebody else's.", kind="forbidden", status=403)
    return page("write.html", request, forms=True, sheet=sheet)


@post("/explore/_/write/{app:str}/{name:str}/{key:str}", status_code=200)
async def change(request: Ask) -> Response[bytes]:
    """The record as the form has it, or gone; or the form again, with what is wrong."""
    data, collection, resource = _written(request)
    key, pairs = canonical_key(request.path_params["key"]), await form(request)
    given = dict(pairs)
    inputs = inputs_of(resource, _shown(data, collection), changing=True)
    members = members_of(inputs, pairs, changing=True)
    item = await asyncio.to_thread(_item, data, collection, key)
    now = _sheet_of(data, collection, resource, key, item)
    version, verb = given.get("_version", ""), given.get("_do", "save")
    writing = _writing(request, data, collection, if_match=version)
    fixed = {name: value for name, value in _members(item).items() if name in resource.fixed}
    sheet = dataclasses.replace(
        now,
        inputs=with_values(inputs, members | fixed) if verb == "save" else now.inputs,
        meanwhile=version != now.version,
    )
    if verb == "delete":
        return await _done(request, sheet, lambda: writing.delete(resource.name, key), gone=True)
    return await _done(request, sheet, lambda: writing.patch(resource.name, key, members))


async def _done(
    request: Ask, sheet: Sheet, write: Callable[[], Awaitable[Done]], *, gone: bool = False
) -> Response[bytes]:
    """Where a write leads; the form again where it is not taken."""
    name = sheet.collection.name
    try:
        done = await write()
    except QueryError as error:
        if error.status not in _SAID_AGAIN:
            raise
        faults: Sequence[Fault] = error.faults if isinstance(error, InvalidRecord) else ()
        inputs, left = with_faults(sheet.inputs, faults)
        said = "; ".join(left) or ("" if faults else error.message) or "Not taken yet: see what is marked below."
        again = dataclasses.replace(sheet, inputs=inputs, problem=said, once=_once())
        return page("write.html", request, error.status, forms=True, sheet=again)
    return see_other(page_of(name) if gone else record_of(name, done.key))


def _sheet_of(data: Data, collection: Collection, resource: Resource, key: str, item: Item) -> Sheet:
    inputs = inputs_of(resource, _shown(data, collection), changing=True)
    tag = item_tag(collection, key, item.state.generation, item.version)
    return Sheet(collection, key, with_values(inputs, _members(item)), tag, "", allowed(data, collection, item.body))


def _members(item: Item) -> Mapping[str, Any]:
    """A record's members; numbers with a fraction as they were written."""
    found: Mapping[str, Any] = json.loads(item.body, parse_float=str)
    return found


def _writing(request: Ask, data: Data, collection: Collection, *, if_match: str = "", once: str = "") -> Writing:
    """What this form may write: what a form of a browser says stands in the place of headers."""
    found = Writing.of(request.scope, writer_of(request.app), collection.app)
    return dataclasses.replace(found, data=data, if_match=if_match, once=once)


def _shown(data: Data, collection: Collection) -> list[str]:
    return [column.name for column in data.columns(collection)]


def _once() -> str:
    return uuid.uuid4().hex


HANDLERS = (new, create, edit, change)
