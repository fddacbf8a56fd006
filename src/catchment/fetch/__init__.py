"""One request, safely: addresses, deadlines, caps, completeness, redaction, and the rule of trying again."""

from __future__ import annotations

from .addresses import Resolver, SystemResolver
from .client import Client, Limits
from .redact import redact
from .retry import Retry, next_wait, retry_after

__all__ = ["Client", "Limits", "Resolver", "Retry", "SystemResolver", "next_wait", "redact", "retry_after"]
