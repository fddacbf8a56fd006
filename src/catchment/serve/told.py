"""What an app's own handlers say of themselves for the API's description: bodies, answers, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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

from .parameter import Parameter
from .schemas import schema_of

__all__ = [
    "PROBLEM_ANSWER",
    "Answer",
    "Body",
    "by_version",
    "described",
    "in_version",
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


# -- answers and bodies ---------------------------------------------------------------------------------------------


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
    parameters: Mapping[str, Parameter],
    *,
    body: Any = None,
    answers: Mapping[int, str | Answer] | None = None,
    refuses: Sequence[int] = (),
    security: Sequence[str] = (),
    reads: bool = True,
) -> type[Operation]:
    """What the API's description says of a handler that reads its request itself: `operation_class=`.

    parameters: those of the query, as the handler reads them, of headers and of the path. body: the JSON body that it
    takes, a `Body` or just an example; None for none. answers: status -> when it is given; without it the description
    leaves open how the handler answers. refuses: the statuses of its problems, beside those that any request may be
    refused with.
    security: the schemes of which one is needed. reads: it looks at data, which may not be there, and which the client
    may have already.
    """
    anywhere = (*_ANYWHERE, *((_UNREADABLE,) if reads else ()), *((408, 413, 415) if body is not None else ()))
    refused = sorted({*anywhere, *refuses})

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            self.summary = summary
            # The framework has put those of the path; it knows of none in the query.
            path = {item.name: item for item in self.parameters or () if isinstance(item, OpenAPIParameter)}
            named = [parameters[name].named(item) if name in parameters else item for name, item in path.items()]
            others = [item.shown(name) for name, item in parameters.items() if name not in path]
            self.parameters = [*named, *itertools.chain.from_iterable(others)]
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
