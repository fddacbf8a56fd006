"""An app's own routes, as the framework takes them."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router
from litestar.di import Provide

from ..app import App
from .data import Data
from .front import DATA
from .resources import Writing

__all__ = ["own_routes"]


def own_routes(app: App) -> Router:
    """The app's handlers.

    `store: Data` in their arguments is what the request may read of its collections, `writes: Writing` what it may
    write.
    """

    def store(request: Request[Any, Any, Any]) -> Data:
        found: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
        found.app = app.name
        return found

    def writes(request: Request[Any, Any, Any]) -> Writing:
        return Writing.of(request, app.name)

    given = {"store": Provide(store, sync_to_thread=False), "writes": Provide(writes, sync_to_thread=False)}
    return Router("/", route_handlers=list(app.handlers()), dependencies=given)
