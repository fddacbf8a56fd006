"""Types as the API's description says them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar.openapi.spec import Operation, Schema

__all__ = ["Typed", "schema_of", "schemas_of"]

Json = dict[str, Any]


@dataclass
class Typed(Schema):
    """The schema of a type, which says itself what it is; `parts`: those that it refers to, by name."""

    told: Json = field(default_factory=dict)
    parts: Json = field(default_factory=dict)

    def to_schema(self) -> Json:
        return self.told


def schema_of(kind: Any) -> Typed:
    """The JSON Schema of a type. A number with a fraction is a JSON number: what is text says so."""
    (told,), parts = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return Typed(told=_with_numbers(told), parts=_with_numbers(dict(parts)))


def _with_numbers(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {name: value for name, value in schema.items() if name != "format"} | {"type": "number"}
        # Of a tuple: its length says the same, and generators of clients do not know a schema that is false.
        return {name: _with_numbers(item) for name, item in schema.items() if (name, item) != ("items", False)}
    return [_with_numbers(item) for item in schema] if isinstance(schema, list) else schema


def schemas_of(operation: Operation) -> Json:
    """The schemas that an operation's body and answers refer to, by name."""
    found: Json = {}
    said: list[Any] = [operation.request_body, *(operation.responses or {}).values()]
    for item in said:
        for content in (getattr(item, "content", None) or {}).values():
            found |= getattr(content.schema, "parts", {})
    return found
