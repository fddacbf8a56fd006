"""An app's own routes, as the framework takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig

from ..app import App
from .data import Data
from .front import DATA
from .problems import Forms
from .resources import Writing, writer_of
from .schemas import schemas_of
from .words import Json

__all__ = ["ERRORS", "describe_own", "errors_of", "own_routes"]

_METHODS = ("get", "post", "put", "patch", "delete")

ERRORS = "own-errors"
"""Where the forms of errors stand in the application's state."""


def own_routes(app: App) -> Router:
    """The app's handlers.

    Where only some collections are served, a handler is there that names them alone: `@get("/x", serves=["reviews"])`.
    One that reads though its method is POST says so, else it counts as a write: `@post("/search", reads=True)`.
    One whose contract says errors in a form of its own names it: `@get("/x", errors=content_of)`, reason -> content.
    `store: Data` in their arguments is what the request may read of its collections, `writes: Writing` what it may
    write.
    """

    def store(request: Request[Any, Any, Any]) -> Data:
        found: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
        found.app = app.name
        return found

    def writes(request: Request[Any, Any, Any]) -> Writing:
        return Writing.of(request.scope, writer_of(request.app), app.name)

    given = {"store": Provide(store, sync_to_thread=False), "writes": Provide(writes, sync_to_thread=False)}
    handlers = app.handlers()
    if app.only:
        handlers = [found for item in handlers if (found := _without(item, frozenset(app.only)))]
    return Router("/", route_handlers=handlers, dependencies=given)


def errors_of(apps: Sequence[App]) -> Forms:
    """Path of an own route -> how it says why it does not answer; also where its method is none of the route's."""
    handlers = [item for app in apps for item in app.handlers() if not isinstance(item, Router)]
    return {path: form for item in handlers if (form := item.opt.get("errors")) for path in item.paths}


def _without(item: Any, served: frozenset[str]) -> Any:
    """The handler, if it says of what it serves (`serves=`) that it needs these collections alone; a router of such."""
    if not isinstance(item, Router):
        needed = item.opt.get("serves")
        return item if needed is not None and served.issuperset(needed) else None
    handlers = {id(found): found for route in item.routes for found in getattr(route, "route_handlers", ())}
    kept = [found for found in handlers.values() if _without(found, served)]
    if not kept:
        return None
    return Router(
        item.path, route_handlers=kept, dependencies=item.dependencies, exception_handlers=item.exception_handlers
    )


def describe_own(app: App) -> Json:
    """What the framework says of the app's handlers, mended where that is less than they do."""
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


def _undeclared_left_open(document: Json) -> Json:
    """The document. Of JSON of which its handler says nothing the framework says that it is a text, which it is not."""
    for item in document.get("paths", {}).values():
        for operation in item.values():
            for answer in operation.get("responses", {}).values() if isinstance(operation, dict) else ():
                told = answer.get("content", {}).get("application/json")
                if told and told.get("schema") == {"type": "string"}:
                    told["schema"] = {}
    return document
