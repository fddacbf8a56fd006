"""One request, safely: addresses, deadlines, caps, completeness, redaction, and the rule of trying again."""

from __future__ import annotations

from .addresses import Resolver, SystemResolver
from .ask import PATIENCE, Asked, Asker, Purse
from .client import Client
from .limits import Limits
from .redact import redact
from .retry import next_wait, retry_after

__all__ = [
    "PATIENCE",
    "Asked",
    "Asker",
    "Client",
    "Limits",
    "Purse",
    "Resolver",
    "SystemResolver",
    "next_wait",
    "redact",
    "retry_after",
]
