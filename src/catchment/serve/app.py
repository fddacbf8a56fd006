"""The whole reading side as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import ImproperlyConfiguredException
from litestar.types import ControllerRouterHandler

from .. import __version__
from ..app import App
from ..clock import Clock, monotonic
from ..errors import DeclarationError
from ..settings import Settings
from ..store.reader import Reader
from ..store.tables import Collection, collection_of
from . import collections, docs, problems, status
from .front import Front
from .openapi import describe
from .own import own_routes
from .rights import guard

__all__ = ["build"]

MAX_BODY = 2**20


def build(apps: Sequence[App], settings: Settings, clock: Clock, *, tick: Callable[[], float] = monotonic) -> Front:
    """The ASGI application that serves these apps from the database that the settings name.

    The database need not be there yet: until it is, what needs it answers 503.
    tick: seconds that never go back, by which limits are counted.

    Raises:
        DeclarationError: two routes of one path.
    """
    reader = Reader.of(settings, [collection_of(app, feed) for app in apps for feed in app.feeds])

    def description(visible: Sequence[Collection], operates: bool) -> dict[str, Any]:
        return describe(apps, visible, version=__version__, operates=operates)

    handlers: list[ControllerRouterHandler] = [*collections.HANDLERS, *status.HANDLERS, *docs.handlers(description)]
    framework = _framework([*handlers, *(own_routes(app) for app in apps)])
    return Front(framework, reader, settings, clock, tick=tick)


def _framework(handlers: Sequence[ControllerRouterHandler]) -> Litestar:
    try:
        return Litestar(
            handlers,
            openapi_config=None,
            exception_handlers={Exception: _problem},
            guards=[guard],
            request_max_body_size=MAX_BODY,
            logging_config=None,
            debug=False,
        )
    except ImproperlyConfiguredException as error:  # two routes of one path, a handler that cannot be called
        raise DeclarationError("routes", error.detail) from error


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    problem = problems.of_error(error)
    body = problem.body(str(request.scope["path"]))
    return Response(body, status_code=problem.status, media_type=problems.MEDIA_TYPE, headers=dict(problem.headers))
