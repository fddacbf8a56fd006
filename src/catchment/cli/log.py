"""The lines that a command logs."""

from __future__ import annotations

import sys

from ..errors import UsageError

__all__ = ["configure_log"]

FORMS = ("logfmt", "json")


def configure_log(form: str) -> None:
    """Lines on standard error; tracebacks without local variables, which may hold what nobody should read.

    form: of a line, `logfmt` or `json`. UsageError for any other.
    """
    import structlog

    if form not in FORMS:
        raise UsageError(f"CATCHMENT_LOG={form} is no form of a line", hint=f"write {' or '.join(FORMS)}")
    order = ["timestamp", "level", "event"]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # the ids of the request and of its trace, and its user
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if form == "json"
            else structlog.processors.LogfmtRenderer(key_order=order),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
