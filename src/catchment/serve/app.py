"""The whole service as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.exceptions import ImproperlyConfiguredException
from litestar.types import ControllerRouterHandler

from .. import __version__
from ..app import App
from ..clock import Clock, monotonic
from ..errors import DeclarationError
from ..principal import ANONYMOUS, LOOPBACK, Principal
from ..settings import Settings
from ..store.engines import database_of
from ..store.reader import DEADLINE_S, Reader
from ..store.store import prepare
from ..store.tables import Collection, collections_of
from ..store.writes import BATCH, Writer
from . import ahead, changes, collections, desk, docs, export, metrics, orders, problems, resources, stats, status
from .cache import CACHE_BYTES, Cache
from .data import Data
from .ending import Ending
from .front import Front, Own, note_fault
from .openapi import describe
from .own import ERRORS, errors_of, own_routes
from .rights import guard
from .traffic import Traffic

__all__ = ["Service", "build"]

MAX_BODY = 2**20


def build(  # noqa: PLR0913 (what a server is made of, each once)
    apps: Sequence[App],
    settings: Settings,
    clock: Clock,
    *,
    tick: Callable[[], float] = monotonic,
    writes_together: int = BATCH,
    deadline_s: float = DEADLINE_S,
    cache_bytes: int = CACHE_BYTES,
    pages: Callable[[], Sequence[Any]] = tuple,
    ending: Ending | None = None,
    keys: Iterator[str] | None = None,
) -> Service:
    """The ASGI application that serves these apps from the database that the settings name.

    The database need not be there yet: until it is, what needs it answers 503. What people write needs no collector
    before it: its tables are made here.
    tick: seconds that never go back, by which limits are counted. writes_together: in one commit, at most.
    deadline_s: how long a question to the data may take. cache_bytes: the room for answers that are kept; 0: none is.
    pages: gives the handlers of what people look at; without it `/` leads to the description.
    ending: says when what goes on for long is to end. keys: what new records are called by; random ones by default.

    Raises:
        DeclarationError: two routes of one path.
        UsageError: a setting of an app that people write in cannot be what it is.
    """
    database, known = database_of(settings.database), [item for app in apps for item in collections_of(app)]
    if writable := [app for app in apps if app.resources]:
        for setting in (setting for app in writable for setting in app.settings):
            setting.text(settings)  # what cannot be is said before anybody writes
        prepare(database, writable)
    reader, writer = (
        Reader.of(settings, known, deadline_s=deadline_s),
        Writer(database, known, clock, settings, batch=writes_together, keys=keys),
    )

    forms, traffic = errors_of(apps), Traffic()
    order_desk = orders.OrderDesk(database)
    known_by: dict[str, Any] = {resources.WRITER: writer, orders.DESK: order_desk, status.LATELY: status.Lately()}
    known_by |= {ERRORS: forms, metrics.TRAFFIC: traffic, changes.TOLD: changes.Told()}
    framework = _routes_of(apps, pages).served(known_by)
    service = resources.Resources(framework, reader.collections, writer)
    paths = [path for app in apps for item in app.handlers() for path in _paths(item)]
    own = Own(apps[0].home if len(apps) == 1 else "", paths, forms)
    return Service(
        *(service, reader, settings, clock),
        cache=Cache(cache_bytes),
        tick=tick,
        own=own,
        traffic=traffic,
        ending=ending,
        order_desk=order_desk,
        described=framework.state[docs.DESCRIBED],
    )


class _Routes:
    """The routes of apps, what answers on them and how they are described; any number of services may have them.

    Raises:
        DeclarationError: two routes of one path.
    """

    def __init__(self, apps: Sequence[App], pages: Callable[[], Sequence[Any]]) -> None:
        self.apps = apps
        known, written = [item for app in apps for item in collections_of(app)], any(app.resources for app in apps)
        handlers = [*_handlers(known, written=written), *(pages() or [docs.to_description])]
        self._framework = _framework([*handlers, *(own_routes(app) for app in apps)])
        self._described = docs.Described(self._description)

    def _description(self, visible: Sequence[Collection], caller: Principal) -> dict[str, Any]:
        return describe(self.apps, visible, version=__version__, reader=caller)

    def served(self, state: Mapping[str, Any]) -> Litestar:
        """A service with these routes and a state of its own. At its end what writes is closed."""
        own = copy(self._framework)
        own.state = State({**state, docs.DESCRIBED: self._described})
        own.on_shutdown = [state[resources.WRITER].close, state[orders.DESK].close]
        own.asgi_router = copy(own.asgi_router)
        own.asgi_router.app = own  # whose beginning and end it tells
        return own


_ROUTES: dict[tuple[object, ...], _Routes] = {}
"""By the apps and pages that they are of: to make them takes far longer than all else that a service is made of."""

_AT_MOST = 32


def _routes_of(apps: Sequence[App], pages: Callable[[], Sequence[Any]]) -> _Routes:
    """Those of these very apps, made once."""
    same = (*map(id, apps), pages)
    if same not in _ROUTES:
        if len(_ROUTES) >= _AT_MOST:
            del _ROUTES[next(iter(_ROUTES))]
        _ROUTES[same] = _Routes(tuple(apps), pages)  # it keeps the apps, so that no other one gets the id of one
    return _ROUTES[same]


def _handlers(known: Sequence[Collection], *, written: bool) -> list[ControllerRouterHandler]:
    """The routes that are the same for every app. written: people write some of these collections."""
    # Those that people write by come first: the framework makes an OPTIONS of its own for a path that has none yet.
    handlers: list[ControllerRouterHandler] = [*(resources.HANDLERS if written else ())]
    handlers += [*collections.HANDLERS, *changes.HANDLERS, *stats.HANDLERS, *status.HANDLERS, *desk.HANDLERS]
    handlers += [*orders.HANDLERS, *ahead.HANDLERS, *metrics.HANDLERS]
    return [*handlers, *export.handlers(known), docs.openapi]


class Service(Front):
    """The front, with the writer and the orders behind it."""

    def __init__(self, *parts: Any, order_desk: orders.OrderDesk, described: docs.Described, **others: Any) -> None:
        super().__init__(*parts, **others)
        self._order_desk = order_desk
        self._described = described

    def warm(self, pages: Callable[[Data], None]) -> None:
        """Returns when what a first request would wait for is made: the description, as strangers and this machine see
        it, and what pages need.
        """
        stranger, ours = (
            Data(self._reader, self._settings, self._clock.now(), principal) for principal in (ANONYMOUS, LOOPBACK)
        )
        self._described.document(stranger)
        self._described.document(ours)
        pages(ours)

    def close(self) -> None:
        self._app.writer.close()
        self._order_desk.close()
        super().close()


def _paths(item: Any) -> list[str]:
    """The paths of a handler, or of a router's."""
    return [route.path for route in item.routes] if isinstance(item, Router) else sorted(item.paths)


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
    note_fault(request.scope, error, problem.status)  # type: ignore[arg-type]  # the framework's type of a scope is closed
    path = str(request.scope["path"])
    media_type, content = problem.told(path, request.app.state[ERRORS])
    return Response(content, status_code=problem.status, media_type=media_type, headers=dict(problem.headers))
