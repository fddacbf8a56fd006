"""What is watched from elsewhere, of serving and of collecting: spans for OpenTelemetry, faults for Sentry. One hook
for both.

Their libraries are extras, imported when something is told for the first time, in the process that tells it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import structlog

from .clock import Clock, monotonic
from .errors import UsageError
from .settings import Secret, Settings

__all__ = ["OTLP", "SENTRY", "Span", "Watcher", "Watchers", "new_id", "note_fault", "spanning"]

OTLP, SENTRY = "CATCHMENT_OTLP_ENDPOINT", "CATCHMENT_SENTRY_DSN"
AWAY_S = 2
"""How long a watcher that is away may hold up the end of a process."""

Role = Literal["server", "internal", "client"]


def new_id(digits: int = 32) -> str:
    """An id of so many hexadecimal digits, not all of them 0: 32 for a trace, 16 for a span."""
    return f"{random.getrandbits(4 * digits) or 1:0{digits}x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took its time, as it is told of. There is no path, query, header, body or key of a partition in
    it: they may hold what nobody should read.

    trace, span, parent: 32 and 16 hexadecimal digits; parent is "" where it is part of nothing else. began_ns: since
    1970. error: the name of what ended it. fault: what nobody expected.
    """

    name: str
    role: Role
    trace: str
    span: str
    parent: str
    began_ns: int
    took_ns: int
    attributes: Mapping[str, str | int]
    error: str = ""
    fault: BaseException | None = None


class Watcher(Protocol):
    """Takes what ended; it is not waited for."""

    def tell(self, span: Span) -> None: ...

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

    def tell(self, span: Span) -> None:
        """Tells each of them."""
        if self._made is None:
            self._made = [make() for make in self.makes]
        for watcher in self._made:
            watcher.tell(span)

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


# -- what goes on, and is part of what -----------------------------------------------------------------------------


@dataclass
class _Open:
    """What has begun and not ended. attributes: so far."""

    watchers: Watchers
    clock: Clock
    trace: str
    span: str
    attributes: dict[str, str | int]
    fault: BaseException | None = None


_open: ContextVar[_Open | None] = ContextVar("catchment.span", default=None)


@contextmanager
def spanning(
    name: str, role: Role = "internal", *, by: tuple[Watchers, Clock] | None = None, **attributes: str | int
) -> Iterator[dict[str, str | int]]:
    """A span around what is done meanwhile, part of the one that is open; nothing where there is none.

    by: who is told of it and of its parts; it then begins a trace, whose id is in the lines of the log. Gives its
    attributes (dots are written `__`), to which may be added until it ends.
    """
    above = _open.get()
    if by:
        here = _Open(*by, new_id(), new_id(16), _dotted(attributes))
        structlog.contextvars.bind_contextvars(trace_id=here.trace)
    elif above:
        here = _Open(above.watchers, above.clock, above.trace, new_id(16), _dotted(attributes))
    else:
        yield {}
        return
    reset, began, began_ns, error = _open.set(here), monotonic(), _ns(here.clock), ""
    try:
        yield here.attributes
    except BaseException as ended:
        error = type(ended).__name__
        raise
    finally:
        _open.reset(reset)
        if by:
            structlog.contextvars.unbind_contextvars("trace_id")
        if here.watchers:
            here.watchers.tell(
                Span(
                    name=name,
                    role=role,
                    trace=here.trace,
                    span=here.span,
                    parent=above.span if above and not by else "",
                    began_ns=began_ns,
                    took_ns=round((monotonic() - began) * 1e9),
                    attributes=here.attributes,
                    error=error,
                    fault=here.fault,
                )
            )


def note_fault(error: BaseException) -> None:
    """Has those who watch hear of an error that nobody expected, with the span that is open."""
    if here := _open.get():
        here.fault = error


def _dotted(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def _ns(clock: Clock) -> int:
    return round(clock.now().timestamp() * 1e9)


# -- who is told ---------------------------------------------------------------------------------------------------


class _Spans:
    """Sends spans in batches by OTLP over HTTP. endpoint: where traces are taken, `…/v1/traces`."""

    def __init__(self, endpoint: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import IdGenerator

        class Given(IdGenerator):
            """The ids that a span has already: children end, and are told of, before their parents."""

            span = trace_of = 0

            def generate_span_id(self) -> int:
                return self.span

            def generate_trace_id(self) -> int:
                return self.trace_of

        self._api, self._ids = trace, Given()
        self._provider = TracerProvider(resource=Resource({"service.name": "catchment"}), id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=AWAY_S)))
        self._tracer = self._provider.get_tracer("catchment")

    def tell(self, span: Span) -> None:
        self._ids.span, self._ids.trace_of = int(span.span, 16), int(span.trace, 16)
        told = self._tracer.start_span(
            span.name,
            context=self._parent(span),
            kind=self._api.SpanKind[span.role.upper()],
            start_time=span.began_ns,
            attributes={name: value for name, value in span.attributes.items() if value != ""},
        )
        if error := type(span.fault).__name__ if span.fault else span.error:
            told.set_status(self._api.Status(self._api.StatusCode.ERROR, error))
        told.end(end_time=span.began_ns + span.took_ns)

    def _parent(self, span: Span) -> Any:
        """The context of whose span it is part of."""
        flags = self._api.TraceFlags(self._api.TraceFlags.SAMPLED)
        above = self._api.INVALID_SPAN
        if span.parent:
            context = self._api.SpanContext(
                int(span.trace, 16), int(span.parent, 16), is_remote=span.role == "server", trace_flags=flags
            )
            above = self._api.NonRecordingSpan(context)
        return self._api.set_span_in_context(above)

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

    def tell(self, span: Span) -> None:
        if span.fault is None:
            return
        with self._sdk.new_scope() as scope:
            scope.set_client(self._client)
            scope.set_transaction_name(span.name)
            scope.set_tag("trace_id", span.trace)
            if request_id := span.attributes.get("catchment.request_id"):
                scope.set_tag("request_id", request_id)
            scope.capture_exception(span.fault)

    def close(self) -> None:
        self._client.close(timeout=float(AWAY_S))
