"""The API's description, OpenAPI 3.1: made from the operator table, the record types and the apps' own handlers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi import OpenAPIConfig

from ..app import App
from ..feed import Feed
from ..principal import LOOPBACK, Principal, may
from ..record import Column, Kind
from ..resource import REPLACE, Resource
from ..store.difference import PARAMETERS as SPAN
from ..store.query import DEFAULT_LIMIT, MAX_LIMIT, PARAMETERS, SEARCH, Operator, fits
from ..store.tables import Collection
from .data import visible_columns
from .outgoing import change_paths, export_paths
from .own import own_routes
from .schemas import schemas_of
from .service import service_paths
from .stats import GROUPS, stats_parameters
from .words import (
    ANYWHERE,
    KEYS,
    MOMENT,
    PROBLEM,
    PROBLEM_RESPONSE,
    TEXT,
    WITH_KEY,
    WRITING,
    Json,
    errors,
    object_of,
    query,
)

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
_SCHEMAS: Mapping[Kind, Json] = {
    "text": {"type": "string", "maxLength": 4096},
    "integer": {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
    "number": {"type": "number"},
    "decimal": {"type": "string", "format": "decimal", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "description": "RFC 3339 with a zone, or a date"},
    "json": {},
}
_GONE = dict.fromkeys(("list", "get", "diff", "source", "stats", "body"), (410,))
"""The routes that may be asked for what is no longer kept."""
_METHODS = ("get", "post", "put", "patch", "delete")
_AGE_HEADERS: Json = {
    "ETag": {
        "description": "Strong; for `If-None-Match`. In a coding it ends in its name: `-gzip`, `-zstd`.",
        "schema": TEXT,
    },
    "X-Request-Id": {"description": "Yours, if 1 to 64 letters, digits, `-`, `_`; else a new one.", "schema": TEXT},
    "X-Collected-At": {"description": "When the oldest partition was last collected.", "schema": TEXT},
    "X-Age": {"description": "Seconds since then.", "schema": {"type": "integer", "minimum": 0}},
    "X-Stale": {"description": "Whether a whole round of the schedule was missed.", "schema": {"type": "boolean"}},
    "X-Missing-Partitions": {"description": "Partitions never collected.", "schema": {"type": "integer", "minimum": 0}},
}

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
            schemas |= _body_schemas(collection, collection.feed)
            for path, operations in _writing_paths(collection, collection.feed).items():
                paths[path] |= operations
    names = {collection.app for collection in collections}
    for app in apps:
        if app.name in names:
            own = _own_routes(app)
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


def _own_routes(app: App) -> Json:
    """What the framework says of the app's handlers."""
    framework = Litestar(
        [own_routes(app)], openapi_config=OpenAPIConfig(app.name, "1", path="/_schema"), logging_config=None
    )
    document: Json = _undeclared_left_open(framework.openapi_schema.to_schema())
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for item in (framework.openapi_schema.paths or {}).values():
        for told in filter(None, (getattr(item, method) for method in _METHODS)):
            schemas |= schemas_of(told)
    for operations in document.get("paths", {}).values():
        for method, operation in operations.items():
            operation["operationId"] = f"{app.name}_{operation['operationId']}"
            operation["tags"] = [app.name]
            if not any(status.startswith("4") for status in operation["responses"]):
                operation["responses"]["default"] = {"description": "What is wrong, in the words of the app"}
            if method == "get" and not {"503", "default"}.isdisjoint(operation["responses"]):  # it may read data
                operation["responses"]["304"] = {"description": "The client has it already"}
    return document


# -- a collection --------------------------------------------------------------------------------------------------


def _undeclared_left_open(document: Json) -> Json:
    """The document. Of JSON of which its handler says nothing the framework says that it is a text, which it is not."""
    for item in document.get("paths", {}).values():
        for operation in item.values():
            for answer in operation.get("responses", {}).values() if isinstance(operation, dict) else ():
                told = answer.get("content", {}).get("application/json")
                if told and told.get("schema") == {"type": "string"}:
                    told["schema"] = {}
    return document


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
    key, as_of, fields = _key_parameter(), _plain("as_of"), _plain("fields")
    version = query("version", "Which version; without it the newest.", {"type": "integer", "minimum": 1}, 1)
    raw = query("raw", "`true`: the bytes themselves.", {"type": "boolean", "default": False}, example=True)
    item_meta = _meta(version={"type": "integer"}, said_at=TEXT)

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
        f"{root}/{{key}}": operation("get", "One record", [key, as_of, fields], _envelope(record, item_meta)),
        f"{root}/diff": operation(
            "diff", "The records that differ between two points in time", _span_parameters(), _span_answer(), link=True
        ),
        f"{root}/{{key}}/history": operation(
            "history",
            "Every version of a record, newest first",
            [key],
            _envelope(_versions(collection, record), _meta()),
        ),
        f"{root}/stats": operation(
            "stats",
            "Counts, sums, means, least and greatest values of groups of records",
            [*stats_parameters(columns, collection.feed.search), *_filters(columns, collection.aliases)],
            _envelope(GROUPS, _meta(groups={"type": "integer", "description": "How many there are."})),
        ),
    }
    described |= change_paths(collection)
    described |= export_paths(collection, _list_parameters(columns, collection.aliases))
    if collection.written:
        return described  # what people write comes from no exchange
    return described | {
        f"{root}/{{key}}/source": operation(
            "source", "The exchange that a version came from", [key, version, raw], _envelope(_EXCHANGE, _meta())
        ),
        f"{root}/{{key}}/source/body": operation(
            "body", "The bytes that a version came from", [key, version], {}, media_type="application/octet-stream"
        ),
    }


# -- what people write ---------------------------------------------------------------------------------------------


def _body_schemas(collection: Collection, resource: Resource) -> Json:
    """What a whole body and a patch may hold: the fields that people write, and no others."""
    whole = resource.drafts.body_type(f"{collection.table}_body", partial=False)
    patch = resource.drafts.body_type(f"{collection.table}_patch", partial=True)
    _, found = msgspec.json.schema_components([whole, patch], ref_template="#/components/schemas/{name}")
    bodies: Json = _with_plain_numbers(found)
    if resource.fixed:  # they need not be said again when a record is replaced
        body = bodies[f"{collection.table}_body"]
        required = [name for name in body.get("required", []) if name not in resource.fixed]
        name = f"{collection.table}_replacement"
        bodies[name] = {**body, "title": name, "required": required}
    return bodies


def _with_plain_numbers(schema: Any) -> Any:
    """The schema, in which an exact number is text as in the answers, or a JSON number."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {**schema, "type": ["string", "number"], "pattern": _SCHEMAS["decimal"]["pattern"]}
        return {name: _with_plain_numbers(item) for name, item in schema.items()}
    return [_with_plain_numbers(item) for item in schema] if isinstance(schema, list) else schema


def _writing_paths(collection: Collection, resource: Resource) -> Json:
    root, schema = f"/v1/{collection.name}", f"#/components/schemas/{collection.table}"
    key, need = _key_parameter(), resource.if_match
    example = resource.example or {}
    free = {name: value for name, value in example.items() if name not in resource.fixed}
    whole = _content(f"{schema}_body", example, "application/json")
    again = _content(f"{schema}_{'replacement' if resource.fixed else 'body'}", free, "application/json")
    patch = _content(
        f"{schema}_patch", dict(list(free.items())[:1]), "application/merge-patch+json", "application/json"
    )
    created = {
        "201": "Created",
        **({"200": "It replaced your earlier one"} if resource.again.value == "replace" else {}),
    }

    def operation(name: str, words: str, answers: Mapping[str, str], parameters: Sequence[Json], body: Json) -> Json:
        return _write_operation(collection, name, words, answers, parameters, body)

    tags = [key, _if_match(need), _ONCE, _USER]
    return {
        root: {"post": operation("create", "A new record of yours", created, [_ONCE, _USER], whole)},
        f"{root}/{{key}}": {
            "put": operation("replace", "The record, replaced as a whole", {"200": "As it is now"}, tags, again),
            "patch": operation("patch", "The record, with members merged in", {"200": "As it is now"}, tags, patch),
            "delete": operation("delete", "The record gone; its versions stay", {"204": "Gone"}, tags, {}),
        },
    }


def _content(reference: str, example: Mapping[str, Any], *media_types: str) -> Json:
    shown = {"example": example} if example else {}
    return {name: {"schema": {"$ref": reference}, **shown} for name in media_types}


def _write_operation(
    collection: Collection, name: str, words: str, answers: Mapping[str, str], parameters: Sequence[Json], body: Json
) -> Json:
    record = {"$ref": f"#/components/schemas/{collection.table}"}
    meta = _meta(version={"type": "integer"}, said_at=TEXT)
    content = {"application/json": {"schema": _envelope(record, meta)}}
    headers = {name: _AGE_HEADERS[name] for name in ("ETag", "X-Request-Id")} | {"Location": {"schema": TEXT}}
    return {
        "operationId": f"{collection.table}_{name}",
        "tags": [collection.app],
        "summary": f"{collection.feed.name}: {words}",
        "parameters": list(parameters),
        "security": WRITING,
        **({"requestBody": {"required": True, "content": body}} if body else {}),
        "responses": {
            **{
                status: {"description": text, **({} if status == "204" else {"headers": headers, "content": content})}
                for status, text in answers.items()
            },
            **errors(*ANYWHERE, *_refused(collection.feed, name), *((408, 413, 415) if body else ())),
        },
    }


def _refused(resource: Resource | Feed, name: str) -> list[int]:
    """What this write is refused with, as the declaration has it, beside what any request is."""
    assert isinstance(resource, Resource)
    creates, alone, replaces = name == "create", resource.one_per_owner is not None, resource.again is REPLACE
    looks = resource.refuse is not None  # at what else is stored, before it is created
    holds = {
        404: not creates or not resource.public or looks,
        # There is such a one already, or what is stored is no longer what is declared.
        409: not creates or alone or looks,
        412: not creates or alone,
        428: resource.if_match and (not creates or (alone and replaces)),
    }
    return [status for status, may_be in holds.items() if may_be]


def _if_match(required: bool) -> Json:
    words = "The ETag of the version that is meant; another one by now is 412."
    return {"name": "If-Match", "in": "header", "required": required, "description": words, "schema": TEXT}


_ONCE: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Your own key for this request: sent again within 24 hours, it writes nothing and answers the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

_USER: Json = {
    "name": "user-id",
    "in": "header",
    "required": False,
    "description": "Who writes, where a trusted gateway says it; who has a key needs none.",
    "schema": {"type": "string", "format": "uuid"},
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
    aged = {name: item for name, item in _AGE_HEADERS.items() if not (collection.written and name in _OF_COLLECTING)}
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
    schema, example = dict(_SCHEMAS[kind]), _EXAMPLES[kind]
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


def _key_parameter() -> Json:
    words = "The record's `_key`: its key fields, each percent-encoded, joined by commas."
    return {"name": "key", "in": "path", "required": True, "description": words, "schema": TEXT}


# -- answers -------------------------------------------------------------------------------------------------------


def _meta(**more: Json) -> Json:
    return object_of(revision={"type": "integer"}, changed_at=MOMENT, **more)


def _envelope(data: Json, meta: Json) -> Json:
    return object_of(data=data, meta=meta)


def _span_answer() -> Json:
    fields: Json = {"type": ["object", "null"], "description": "The fields that differ; of a whole record all."}
    entry = object_of(
        _key=TEXT, change={"type": "string", "enum": ["new", "changed", "gone"]}, before=fields, after=fields
    )
    meta = _meta(next={"type": ["string", "null"], "description": "The cursor of the next page."})
    return _envelope({"type": "array", "items": entry}, meta)


def _list_answer(record: Json) -> Json:
    meta = _meta(
        count={"type": ["integer", "null"]},
        count_exact={"type": "boolean"},
        next={"type": ["string", "null"], "description": "The cursor of the next page."},
    )
    return _envelope({"type": "array", "items": record}, meta)


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
