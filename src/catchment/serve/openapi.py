"""The API's description, OpenAPI 3.1: made from the operator table, the record types and the apps' own handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ..app import App
from ..principal import LOOPBACK, Principal, may
from ..record import Column, Kind
from ..resource import Resource
from ..store.difference import PARAMETERS as SPAN
from ..store.query import DEFAULT_LIMIT, MAX_LIMIT, PARAMETERS, SEARCH, Operator, fits
from ..store.tables import Collection
from .data import visible_columns
from .outgoing import change_paths, export_paths
from .own import describe_own
from .service import service_paths
from .stats import GROUPS, stats_parameters
from .words import (
    AGE_HEADERS,
    ANYWHERE,
    KEYS,
    MOMENT,
    PROBLEM,
    PROBLEM_RESPONSE,
    SCHEMAS,
    TEXT,
    WITH_KEY,
    Json,
    envelope,
    errors,
    key_parameter,
    meta_of,
    object_of,
    query,
)
from .written import body_schemas, writing_paths

__all__ = ["describe"]

_EXAMPLES: Mapping[Kind, Any] = {
    "text": "text",
    "integer": 12,
    "number": 1.5,
    "decimal": "139.78",
    "boolean": True,
    "date": "2024-03-31",
    "datetime": "2024-03-31T12:00:00Z",
    "json": [],
}
_GONE = dict.fromkeys(("list", "get", "diff", "source", "stats", "body"), (410,))
"""The routes that may be asked for what is no longer kept."""
_OF_COLLECTING = ("X-Collected-At", "X-Age")


def describe(
    apps: Sequence[App], collections: Sequence[Collection], *, version: str, reader: Principal = LOOPBACK
) -> Json:
    """The document for a reader who may see these collections; an app's own routes are in it if any of its are.

    What the reader may not do or see is not in it: operating routes, hidden fields.
    """
    operates, moderates = may(reader, "operate"), may(reader, "moderate")
    columns = {item.name: visible_columns(item, moderates=moderates) for item in collections}
    schemas = _record_schemas(collections, columns)
    paths, parts = service_paths(operates=operates, example=collections[0].name if collections else "")
    schemas |= parts
    for collection in collections:
        paths |= _paths(collection, columns[collection.name])
        if isinstance(collection.feed, Resource):
            schemas |= body_schemas(collection, collection.feed)
            for path, operations in writing_paths(collection, collection.feed).items():
                paths[path] |= operations
    names = {collection.app for collection in collections}
    for app in apps:
        if app.name in names:
            own = describe_own(app)
            paths |= own.get("paths", {})
            schemas |= own.get("components", {}).get("schemas", {})
    return {
        "openapi": "3.1.0",
        "info": {"title": "catchment", "version": version, "description": "Other people's APIs, as your own."},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted(names)] + [{"name": "service"}],
        "paths": paths,
        "components": {
            "schemas": schemas | {"Problem": PROBLEM},
            "responses": {"Problem": PROBLEM_RESPONSE},
            "securitySchemes": KEYS,
        },
        "security": [{}, *WITH_KEY],
    }


# -- a collection --------------------------------------------------------------------------------------------------


def _record_schemas(collections: Sequence[Collection], columns: Mapping[str, Sequence[Column]]) -> Json:
    """The record types' schemas, those of nested types, and one by the collection's name with `_key`."""
    types = list(dict.fromkeys(collection.feed.record for collection in collections))
    references, found = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    named: Json = dict(found)
    for collection in collections:
        reference = references[types.index(collection.feed.record)]["$ref"].rpartition("/")[2]
        visible = columns[collection.name]
        if len(visible) < len(collection.columns):
            named.pop(reference, None)
        fields = {column.name: found[reference]["properties"][column.name] for column in visible}
        named[collection.table] = {
            "type": "object",
            "description": found[reference].get("description", ""),
            # Only `_key` is always there: `fields=` chooses the others.
            "required": ["_key"],
            "properties": {"_key": {"type": "string", "description": "What `/{key}` takes."}, **fields},
            "examples": [{"_key": "…", **{column.name: _EXAMPLES[column.kind] for column in visible}}],
        }
    return named


def _paths(collection: Collection, columns: Sequence[Column]) -> Json:
    root, record = f"/v1/{collection.name}", {"$ref": f"#/components/schemas/{collection.table}"}
    key, as_of, fields = key_parameter(), _plain("as_of"), _plain("fields")
    version = query("version", "Which version; without it the newest.", {"type": "integer", "minimum": 1}, 1)
    raw = query("raw", "`true`: the bytes themselves.", {"type": "boolean", "default": False}, example=True)
    item_meta = meta_of(version={"type": "integer"}, said_at=TEXT)

    def operation(name: str, words: str, parameters: Sequence[Json], answer: Json, **options: Any) -> Json:
        return {"get": _operation(collection, name, words, parameters, answer, **options)}

    described = {
        root: operation(
            "list",
            "One page of records",
            [*([_WORDS] if collection.feed.search else []), *_list_parameters(columns, collection.aliases)],
            _list_answer(record),
            link=True,
        ),
        f"{root}/{{key}}": operation("get", "One record", [key, as_of, fields], envelope(record, item_meta)),
        f"{root}/diff": operation(
            "diff", "The records that differ between two points in time", _span_parameters(), _span_answer(), link=True
        ),
        f"{root}/{{key}}/history": operation(
            "history",
            "Every version of a record, newest first",
            [key],
            envelope(_versions(collection, record), meta_of()),
        ),
        f"{root}/stats": operation(
            "stats",
            "Counts, sums, means, least and greatest values of groups of records",
            [*stats_parameters(columns, collection.feed.search), *_filters(columns, collection.aliases)],
            envelope(GROUPS, meta_of(groups={"type": "integer", "description": "How many there are."})),
        ),
    }
    described |= change_paths(collection)
    described |= export_paths(collection, _list_parameters(columns, collection.aliases))
    if collection.written:
        return described  # what people write comes from no exchange
    return described | {
        f"{root}/{{key}}/source": operation(
            "source", "The exchange that a version came from", [key, version, raw], envelope(_EXCHANGE, meta_of())
        ),
        f"{root}/{{key}}/source/body": operation(
            "body", "The bytes that a version came from", [key, version], {}, media_type="application/octet-stream"
        ),
    }


# -- operations ----------------------------------------------------------------------------------------------------


def _operation(
    collection: Collection,
    name: str,
    words: str,
    parameters: Sequence[Json],
    answer: Json,
    *,
    media_type: str = "application/json",
    link: bool = False,
) -> Json:
    # What people write was never collected.
    aged = {name: item for name, item in AGE_HEADERS.items() if not (collection.written and name in _OF_COLLECTING)}
    headers = aged | ({"Link": {"description": 'The next page: `rel="next"`.', "schema": TEXT}} if link else {})
    content = {media_type: {"schema": answer} if answer else {}}
    return {
        "operationId": f"{collection.table}_{name}",
        "tags": [collection.app],
        "summary": f"{collection.feed.name}: {words}",
        "parameters": [*parameters, _IF_NONE_MATCH, _AT_LEAST],
        **({} if collection.feed.public else {"security": WITH_KEY}),
        "responses": {
            "200": {"description": words, "headers": headers, "content": content},
            "304": {"description": "The client has it already", "headers": aged},
            **errors(
                *ANYWHERE,
                *(() if name in ("list", "diff", "stats") and collection.feed.public else (404,)),
                *_GONE.get(name, ()),
            ),
        },
    }


def _list_parameters(columns: Sequence[Column], aliases: Mapping[str, str]) -> list[Json]:
    return [*map(_plain, PARAMETERS), *_filters(columns, aliases)]


def _filters(columns: Sequence[Column], aliases: Mapping[str, str]) -> list[Json]:
    named = {column.name: column for column in columns}
    also = [replace(named[name], name=alias) for alias, name in aliases.items() if name in named]
    return [_filter(column, operator) for column in (*columns, *also) for operator in fits(column)]


def _filter(column: Column, operator: Operator) -> Json:
    words = f"`{column.name}` {operator.words}."
    if operator.takes == "flag":
        words = f"Whether `{column.name}` has no value."
        return query(f"{column.name}{operator.suffix}", words, {"type": "boolean"}, example=True)
    kind = column.items or column.kind
    schema, example = dict(SCHEMAS[kind]), _EXAMPLES[kind]
    if operator.takes == "list":
        several = {"type": "array", "items": schema, "minItems": 1, "maxItems": 200}
        return query(f"{column.name}{operator.suffix}", words, several, example=[example]) | {
            "style": "form",
            "explode": False,
        }
    return query(f"{column.name}{operator.suffix}", words, schema, example)


_PLAIN_SCHEMAS: Mapping[str, tuple[Json, Any]] = {
    "limit": ({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}, 10),
    "count": ({"type": "string", "enum": ["none", "exact", "capped"], "default": "capped"}, "exact"),
    "as_of": (TEXT, "2024-03-31T12:00:00Z"),
}


_WORDS = query("q", SEARCH["q"], {"type": "string", "minLength": 1, "maxLength": 4096}, "winter")


def _plain(name: str) -> Json:
    schema, example = _PLAIN_SCHEMAS.get(name, (TEXT, None))
    return query(name, PARAMETERS[name], dict(schema), example)


def _span_parameters() -> list[Json]:
    found = [query(name, words, *_PLAIN_SCHEMAS.get(name, (TEXT,))) for name, words in SPAN.items()]
    return [found[0] | {"required": True, "example": 1}, *found[1:]]


# -- answers -------------------------------------------------------------------------------------------------------


def _span_answer() -> Json:
    fields: Json = {"type": ["object", "null"], "description": "The fields that differ; of a whole record all."}
    entry = object_of(
        _key=TEXT, change={"type": "string", "enum": ["new", "changed", "gone"]}, before=fields, after=fields
    )
    meta = meta_of(next={"type": ["string", "null"], "description": "The cursor of the next page."})
    return envelope({"type": "array", "items": entry}, meta)


def _list_answer(record: Json) -> Json:
    meta = meta_of(
        count={"type": ["integer", "null"]},
        count_exact={"type": "boolean"},
        next={"type": ["string", "null"], "description": "The cursor of the next page."},
    )
    return envelope({"type": "array", "items": record}, meta)


def _versions(collection: Collection, record: Json) -> Json:
    number: Json = {"type": "integer"}
    optional: Json = {"type": ["integer", "null"]}
    entry = object_of(
        version=number,
        said_at=TEXT,
        until=MOMENT,
        revision=number,
        until_revision=optional,
        gone={"type": "boolean"},
        **({"author": TEXT} if collection.written else {"run": optional, "attempt": number}),
        record=record,
    )
    return {"type": "array", "items": entry}


_EXCHANGE = object_of(
    **{name: {"type": "integer"} for name in ("version", "id", "attempt", "status", "size", "wire")},
    **dict.fromkeys(("partition", "method", "url", "digest", "at", "body"), TEXT),
    headers={"type": "object"},
)
_AT_LEAST: Json = {
    "name": "X-Revision-At-Least",
    "in": "header",
    "required": False,
    "description": "A revision that the client knows of, from whichever server: the answer is not from before it.",
    "schema": {"type": "integer", "minimum": 0},
}
_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags that the client has.",
    "schema": TEXT,
}
