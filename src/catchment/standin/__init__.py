"""A programmable upstream: real sockets, recorded or generated answers, and every way to misbehave.

An app's stand-in is a `Service`. `serve_in_thread` runs it beside a test, `run` as a process. While it runs,
`POST /_control` turns its switches, puts faults, holds answers and moves its clock; `GET /_control` shows that;
`GET /_control/log` tells every request; `GET /_control/wait?requests=N` answers when N have been received.
"""

from .control import Control
from .crowd import Crowd
from .faults import FAULTS, Fault
from .limits import Bucket, Daily, Limit, Meter, Sliding
from .paging import Paged
from .running import Running, clock_from, run, serve_in_thread
from .server import Server
from .service import Answer, Options, Request, Service

__all__ = [
    "FAULTS",
    "Answer",
    "Bucket",
    "Control",
    "Crowd",
    "Daily",
    "Fault",
    "Limit",
    "Meter",
    "Options",
    "Paged",
    "Request",
    "Running",
    "Server",
    "Service",
    "Sliding",
    "clock_from",
    "run",
    "serve_in_thread",
]
