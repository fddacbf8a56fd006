"""An app's own routes, as the framework takes them."""

from __future__ import annotations

from typing import Any

from litestar import Request, Router
from litestar.di import Provide

from ..app import App
from .data import Data
from .front import DATA

__all__ = ["own_routes"]


def own_routes(app: App) -> Router:
    """The app's handlers; `store: Data` in their arguments is what the request may read of its collections."""

    def store(request: Request[Any, Any, Any]) -> Data:
        found: Data = request.scope[DATA]  # type: ignore[literal-required]  # a key of our own beside ASGI's
        found.app = app.name
        return found

    return Router(
        "/", route_handlers=list(app.handlers()), dependencies={"store": Provide(store, sync_to_thread=False)}
    )
