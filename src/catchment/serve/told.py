"""What an app's own handlers say of themselves for the API's description: parameters, bodies, answers, refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec
from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec import Parameter as OpenAPIParameter

__all__ = [
    "PROBLEM_ANSWER",
    "Answer",
    "Body",
    "Parameter",
    "by_version",
    "described",
    "in_version",
    "schema_of",
    "schemas_of",
]

Json = dict[str, Any]
Version = tuple[int, int]

PROBLEM_ANSWER = "#/components/responses/Problem"
"""Where the document says what a problem is."""
_ANYWHERE = (400, 401, 403, 406, 414, 422, 429, 431)
"""What a request is refused with before a handler sees it."""
_UNREADABLE = 503
_HEADERS = {
    "ETag": "Strong; for `If-None-Match` and `If-Match`.",
    "Location": "Where it stands.",
    "X-Request-Id": "Yours, if 1 to 64 letters, digits, `-`, `_`; else a new one.",
}


# -- schemas --------------------------------------------------------------------------------------------------------


@dataclass
class _Typed(Schema):
    """The schema of a type, which says itself what it is; `parts`: those that it refers to, by name."""

    told: Json = field(default_factory=dict)
    parts: Json = field(default_factory=dict)

    def to_schema(self) -> Json:
        return self.told


def schema_of(kind: Any) -> _Typed:
    """The JSON Schema of a type. A number with a fraction is a JSON number: what is text says so."""
    (told,), parts = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return _Typed(told=_with_numbers(told), parts=_with_numbers(dict(parts)))


def _with_numbers(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {name: value for name, value in schema.items() if name != "format"} | {"type": "number"}
        return {name: _with_numbers(item) for name, item in schema.items()}
    return [_with_numbers(item) for item in schema] if isinstance(schema, list) else schema


def schemas_of(operation: Operation) -> Json:
    """The schemas that an operation's body and answers refer to, by name."""
    found: Json = {}
    said: list[Any] = [operation.request_body, *(operation.responses or {}).values()]
    for item in said:
        for content in (getattr(item, "content", None) or {}).values():
            found |= getattr(content.schema, "parts", {})
    return found


# -- parameters and answers -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """What the API's description says of a parameter: `Parameter("Of this season.", 1, type="integer", minimum=0)`.

    example: a value that works. several: it may be repeated. place: where it stands; one of the path is known by its
    name. bounds: members of JSON Schema; `kind`, a type, says them all at once.
    """

    words: str
    example: Any
    place: Literal["query", "header"]
    several: bool
    required: bool
    schema: Schema

    def __init__(
        self,
        words: str,
        example: Any = None,
        *,
        place: Literal["query", "header"] = "query",
        several: bool = False,
        required: bool = False,
        kind: Any = None,
        type: str = "string",  # noqa: A002 (the word of JSON Schema)
        **bounds: Any,
    ) -> None:
        schema = Schema(type=OpenAPIType(type), **bounds) if kind is None else schema_of(kind)
        if several and kind is None:
            schema = Schema(type=OpenAPIType.ARRAY, items=schema)
        values = {"words": words, "example": example, "place": place, "several": several}
        for name, value in {**values, "required": required, "schema": schema}.items():
            object.__setattr__(self, name, value)

    def shown(self, name: str) -> OpenAPIParameter:
        """The parameter as it stands in the description."""
        example = [self.example] if self.several and self.example is not None else self.example
        return OpenAPIParameter(
            name, self.place, description=self.words, schema=self.schema, required=self.required, example=example
        )

    def named(self, known: OpenAPIParameter) -> OpenAPIParameter:
        """The framework's parameter of the path with what this one says."""
        schema = self.schema if isinstance(self.schema, _Typed) else known.schema
        return replace(known, description=self.words, example=self.example, schema=schema)


@dataclass(frozen=True)
class Answer:
    """An answer as the description has it: when it is given, the type of its content, and the headers it has."""

    words: str
    kind: Any = None
    headers: Sequence[str] = ("X-Request-Id",)

    def shown(self, status: int) -> OpenAPIResponse:
        """The answer as it stands in the description."""
        headers: dict[str, OpenAPIHeader | Reference] = {
            name: OpenAPIHeader(description=_HEADERS[name], schema=Schema(type=OpenAPIType.STRING))
            for name in self.headers
        }
        if status == 204:
            return OpenAPIResponse(self.words, headers=headers)
        schema = Schema(type=OpenAPIType.OBJECT) if self.kind is None else schema_of(self.kind)
        return OpenAPIResponse(self.words, headers=headers, content={"application/json": OpenAPIMediaType(schema)})


@dataclass(frozen=True)
class Body:
    """A JSON body as the description has it: an example, its type, and whether it may be left out."""

    example: Any
    kind: Any = None
    optional: bool = False

    def shown(self) -> RequestBody:
        """The body as it stands in the description."""
        schema = Schema(type=OpenAPIType.OBJECT) if self.kind is None else schema_of(self.kind)
        content = {"application/json": OpenAPIMediaType(schema, example=self.example)}
        return RequestBody(content=content, required=not self.optional)


# -- operations -----------------------------------------------------------------------------------------------------


def described(
    summary: str,
    parameters: Mapping[str, str | Parameter],
    *,
    body: Any = None,
    answers: Mapping[int, str | Answer] | None = None,
    refuses: Sequence[int] = (),
    security: Sequence[str] = (),
    reads: bool = True,
) -> type[Operation]:
    """What the API's description says of a handler that reads its request itself: `operation_class=`.

    parameters: name -> what it means, of those of the path too. body: the JSON body that it takes, a `Body` or
    just an example; None for none. answers: status -> when it is given; without it the description leaves open how the
    handler answers. refuses: the statuses of its problems, beside those that any request may be refused with.
    security: the schemes of which one is needed. reads: it looks at data, which may not be there, and which the client
    may have already.
    """
    told = {name: Parameter(said) if isinstance(said, str) else said for name, said in parameters.items()}
    anywhere = (*_ANYWHERE, *((_UNREADABLE,) if reads else ()), *((413, 415) if body is not None else ()))
    refused = sorted({*anywhere, *refuses})

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.summary = summary
            # The framework has put those of the path; it knows of none in the query.
            path = {item.name: item for item in self.parameters or () if isinstance(item, OpenAPIParameter)}
            named = [told[name].named(item) if name in told else item for name, item in path.items()]
            self.parameters = [*named, *(item.shown(name) for name, item in told.items() if name not in path)]
            if security:
                self.security = [{name: []} for name in security]
            if body is not None:
                self.request_body = (body if isinstance(body, Body) else Body(body)).shown()
            if answers:
                shown = {status: Answer(said) if isinstance(said, str) else said for status, said in answers.items()}
                given = {str(status): answer.shown(status) for status, answer in shown.items()}
                self.responses = {**given, **{str(status): Reference(PROBLEM_ANSWER) for status in refused}}

    return Described


def by_version(make: Callable[[Version], type[Operation]]) -> type[Operation]:
    """What is said of a handler in `versions` differs between them: `operation_class=by_version(lambda version: …)`."""
    return type("ByVersion", (Operation,), {"make": staticmethod(make)})


def in_version(told: type[Operation], version: Version) -> type[Operation]:
    """What is said of a handler in one version of its contract."""
    make: Callable[[Version], type[Operation]] | None = getattr(told, "make", None)
    return make(version) if make else told
