"""The server process: granian around `build`, quiet, and gone within ten seconds of being asked to go."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..app import App, load_app
from ..clock import SystemClock, open_clock
from ..errors import CatchmentError, UsageError
from ..processes import end_after_parent
from ..settings import Settings
from ..store.engines import database_of
from ..store.keys import any_usable
from . import gate
from .data import Data

__all__ = ["check_address", "check_port", "run"]

STOP_TIMEOUT_S = 8
TURN_S = 0.001
"""How long one answer in the making may keep the others waiting for their turn: a fifth of what Python does itself."""
WARM_S = 1.0
"""After so long what the first page would wait for is made: a server that is asked at once is not kept busy by it."""
Pages = Callable[[], Sequence[Any]]
"""Gives the handlers of what people look at; a function of a module, since it travels to the worker by its name."""
Warm = Callable[[Data], None]
"""Makes what the first of them would wait for; a function of a module too."""
_BUFFER = 128 * 2**10  # room for headers that we then refuse with 431 ourselves


def _nothing(_data: Data) -> None:
    """There are no pages."""


def check_address(settings: Settings) -> None:
    """Returns if the address is this machine's own, or if there is a key for those who may come from others.

    Raises:
        UsageError: it is neither. CATCHMENT_WITHOUT_KEYS=yes takes the decision over: what is public is read by
            anybody who reaches the address then, and nobody writes.
    """
    host = settings.host
    if _is_own(host) or settings.get("CATCHMENT_WITHOUT_KEYS") == "yes":
        return
    now = open_clock(settings.get("CATCHMENT_CLOCK")).now()
    if not any_usable(database_of(settings.database), now):
        raise UsageError(
            f"{host} can be reached from other machines, and there is no key yet",
            hint="make one with catchment keys create --name NAME --scope read, or serve on 127.0.0.1",
        )


def _is_own(host: str) -> bool:
    """Whether only this machine reaches the address. A name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_port(host: str, port: int) -> int:
    """The port, if somebody may listen there; for 0 a free one. UsageError, naming the port, if not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is in use" if error.errno == 98 else f"cannot be used on {host}: {error.strerror}"
            raise UsageError(f"port {port} {reason}", hint="choose another with --port") from error
        return int(probe.getsockname()[1])


def _say(line: str) -> None:
    """Prints a line at once: whoever started us through a pipe waits for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(
    targets: Sequence[str],
    settings: Settings,
    *,
    only: Sequence[str] = (),
    say: Callable[[str], None] = _say,
    pages: Pages = tuple,
    warm: Warm = _nothing,
) -> None:
    """Serves the apps until SIGTERM or SIGINT, then returns.

    targets: as on the command line (`stocks`, `feeds:app`). only: the collections that are served, of those of all
    targets; `()` for all. say: takes the two lines that a person sees. pages: as of `build`; warm: of them.
    Raises:
        UsageError: the port is in use, a target is no app, or the address is open to others and there is no key.
    """
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from .app import build

    build(_apps(targets, only), settings, SystemClock(), pages=pages)  # what is wrong is told before the start
    check_address(settings)
    header_ms = int(gate.timeout_s(settings, "HEADER") * 1000)
    # What listens does not tell where: a free port is chosen before, to be announced.
    settings = settings.with_values("flag", {"CATCHMENT_PORT": str(check_port(settings.host, settings.port))})
    server = Granian(
        "catchment",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=1,
        websockets=False,
        log_access=False,
        log_level=LogLevels.error,
        http1_settings=HTTP1Settings(header_read_timeout=header_ms, max_buffer_size=_BUFFER),
        workers_kill_timeout=STOP_TIMEOUT_S,
    )
    ended = threading.Event()
    threading.Thread(target=_announce, args=(settings, ended, say), daemon=True).start()
    try:
        server.serve(
            target_loader=_Loader(tuple(targets), tuple(only), settings, str(Path.cwd()), pages, warm),
            wrap_loader=False,
        )
    except SystemExit as error:
        # Ctrl+C reaches the worker too: that it ends at once is no fault then.
        if not server.interrupt_signal:
            raise CatchmentError("the server's process died", hint="its error is above") from error
    finally:
        ended.set()
    say("stopped")


def _apps(targets: Sequence[str], only: Sequence[str]) -> list[App]:
    """The apps, and of what they have the part that is served."""
    apps = [load_app(target) for target in targets]
    return [app.serving(only) for app in apps] if only else apps


def _announce(settings: Settings, ended: threading.Event, say: Callable[[str], None]) -> None:
    """Says where we serve as soon as that is true: granian tells of its start before its worker listens."""
    while not ended.wait(0.02):
        with contextlib.suppress(OSError), socket.create_connection((settings.host, settings.port), timeout=1):
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            say(f"serving on http://{host}:{settings.port}")
            return


class _Loader:
    """Makes the application inside the worker process; it travels there by its arguments."""

    def __init__(
        self,
        targets: tuple[str, ...],
        only: tuple[str, ...],
        settings: Settings,
        folder: str,
        pages: Pages,
        warm: Warm,
    ) -> None:
        self._targets = targets
        self._only = only
        self._settings = settings
        self._folder = folder
        self._pages = pages
        self._warm = warm

    def __call__(self, *_: Any) -> Any:
        from .app import build
        from .ending import Ending

        end_after_parent()
        sys.setswitchinterval(TURN_S)
        if self._folder not in sys.path:
            sys.path.insert(0, self._folder)
        clock = self._settings.get("CATCHMENT_CLOCK")
        apps = _apps(self._targets, self._only)
        found = build(apps, self._settings, open_clock(clock), pages=self._pages, ending=Ending(watches=True))
        timer = threading.Timer(WARM_S, found.warm, (self._warm,))
        timer.daemon = True
        timer.start()
        return found
