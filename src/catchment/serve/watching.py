"""What watches the service from elsewhere: spans of requests for OpenTelemetry, faults for Sentry. One hook for both.

Their libraries are extras, imported when something is told for the first time, in the process that serves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

from ..errors import UsageError
from ..settings import Secret, Settings

__all__ = ["OTLP", "SENTRY", "Answered", "Watcher", "Watchers"]

OTLP, SENTRY = "CATCHMENT_OTLP_ENDPOINT", "CATCHMENT_SENTRY_DSN"


@dataclass(frozen=True, slots=True)
class Answered:
    """A request as it is told of. There is no path, query, header or body in it: they may hold what nobody should read.

    trace, span: 32 and 16 hexadecimal digits; span is that of who asked, "" where nobody said one. route: the template
    of its path, "" for none. began_ns: since 1970. fault: what nobody expected.
    """

    request_id: str
    trace: str
    span: str
    method: str
    route: str
    status: int
    began_ns: int
    took_ns: int
    user: str = ""
    fault: BaseException | None = None


class Watcher(Protocol):
    """Takes what was answered; it is not waited for."""

    def tell(self, answered: Answered) -> None: ...

    def close(self) -> None:
        """Returns when all that was told is sent, or cannot be."""
        ...


@dataclass
class Watchers:
    """Those that the settings name. True where there is any."""

    makes: Sequence[Callable[[], Watcher]] = ()
    _made: list[Watcher] | None = field(default=None, init=False)

    @classmethod
    def of(cls, settings: Settings) -> Watchers:
        """UsageError where a library is missing that a setting needs, MissingSecret where a reference leads nowhere."""
        makes: list[Callable[[], Watcher]] = []
        if endpoint := settings.get(OTLP):
            _check(OTLP, "opentelemetry.exporter.otlp.proto.http", "opentelemetry")
            makes.append(lambda: _Spans(endpoint))
        if any(settings.get(SENTRY + suffix) for suffix in ("", "_FILE", "_COMMAND")):
            _check(SENTRY, "sentry_sdk", "sentry")
            dsn = _dsn(Secret(SENTRY).reveal(settings))
            makes.append(lambda: _Faults(dsn))
        return cls(makes)

    def __bool__(self) -> bool:
        return bool(self.makes)

    def tell(self, answered: Answered) -> None:
        """Tells each of them."""
        if self._made is None:
            self._made = [make() for make in self.makes]
        for watcher in self._made:
            watcher.tell(answered)

    def close(self) -> None:
        for watcher in self._made or ():
            watcher.close()


def _check(setting: str, library: str, extra: str) -> None:
    try:
        found = find_spec(library)
    except ModuleNotFoundError:  # of a package above it
        found = None
    if found is None:
        message = f"{setting} is set, and what it needs is not installed"
        raise UsageError(message, hint=f'pip install "catchment[{extra}]", or leave it out')


def _dsn(text: str) -> str:
    from sentry_sdk.utils import BadDsn, Dsn

    try:
        return str(Dsn(text))
    except BadDsn:  # whose words hold the secret
        raise UsageError(f"{SENTRY} is no DSN", hint="copy it from Sentry: https://KEY@HOST/NUMBER") from None


class _Spans:
    """A span for each request, sent in batches by OTLP over HTTP. endpoint: where traces are taken, `…/v1/traces`."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._api = trace
        self._provider = TracerProvider(resource=Resource({"service.name": "catchment"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("catchment")

    def tell(self, answered: Answered) -> None:
        span = self._tracer.start_span(
            f"{answered.method} {answered.route or 'nothing'}",
            context=self._parent(answered),
            kind=self._api.SpanKind.SERVER,
            start_time=answered.began_ns,
            attributes={
                "http.request.method": answered.method,
                "http.route": answered.route,
                "http.response.status_code": answered.status,
                "catchment.request_id": answered.request_id,
                "enduser.id": answered.user,
            },
        )
        if answered.fault is not None:
            span.set_status(self._api.Status(self._api.StatusCode.ERROR, type(answered.fault).__name__))
        span.end(end_time=answered.began_ns + answered.took_ns)

    def _parent(self, answered: Answered) -> Any:
        """Whose span it is part of: where nobody said one, of one that stands for who asked."""
        span = int(answered.span, 16) if answered.span else random.getrandbits(64) or 1
        flags = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        context = self._api.SpanContext(int(answered.trace, 16), span, is_remote=True, trace_flags=flags)
        return self._api.set_span_in_context(self._api.NonRecordingSpan(context))

    def close(self) -> None:
        self._provider.shutdown()


class _Faults:
    """What nobody expected, with its traceback: no local variables, no request, no person."""

    def __init__(self, dsn: str) -> None:
        import sentry_sdk

        self._sdk = sentry_sdk
        self._client = sentry_sdk.Client(
            dsn,
            default_integrations=False,  # they would add the request, and the words of the command
            include_local_variables=False,
        )

    def tell(self, answered: Answered) -> None:
        if answered.fault is None:
            return
        with self._sdk.new_scope() as scope:
            scope.set_client(self._client)
            scope.set_transaction_name(f"{answered.method} {answered.route}")
            scope.set_tag("trace_id", answered.trace)
            scope.set_tag("request_id", answered.request_id)
            scope.capture_exception(answered.fault)

    def close(self) -> None:
        self._client.close(timeout=2.0)
