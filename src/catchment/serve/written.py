"""What the API's description says of the routes by which people write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..feed import Feed
from ..resource import REPLACE, Resource
from ..store.tables import Collection
from .words import AGE_HEADERS, ANYWHERE, SCHEMAS, TEXT, WRITING, Json, envelope, errors, key_parameter, meta_of

__all__ = ["body_schemas", "writing_paths"]


def body_schemas(collection: Collection, resource: Resource) -> Json:
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
            return {**schema, "type": ["string", "number"], "pattern": SCHEMAS["decimal"]["pattern"]}
        return {name: _with_plain_numbers(item) for name, item in schema.items()}
    return [_with_plain_numbers(item) for item in schema] if isinstance(schema, list) else schema


def writing_paths(collection: Collection, resource: Resource) -> Json:
    """The operations that write a record, by path and method."""
    root, schema = f"/v1/{collection.name}", f"#/components/schemas/{collection.table}"
    key, need = key_parameter(), resource.if_match
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

    tags = [key, _if_match(need), _ONLY_NEW, _ONCE, _USER]
    return {
        root: {"post": operation("create", "A new record of yours", created, [_ONLY_NEW, _ONCE, _USER], whole)},
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
    meta = meta_of(version={"type": "integer"}, said_at=TEXT)
    content = {"application/json": {"schema": envelope(record, meta)}}
    headers = {name: AGE_HEADERS[name] for name in ("ETag", "X-Request-Id")} | {"Location": {"schema": TEXT}}
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


_ONLY_NEW: Json = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "`*`: only where there is no such record yet; else 412, and nothing is written.",
    "schema": {"type": "string", "enum": ["*"]},
}
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
