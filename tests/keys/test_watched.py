"""Who watches the service from elsewhere: a collector of spans and a collector of faults, on real sockets."""

import json
import os
import subprocess
import sys

import pytest
from elsewhere import spans_of, taking
from many_people import GATEWAY, USER

from catchment.errors import UsageError
from catchment.serve.tracing import ids_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
CANARY = "canary-of-a-query"


def watched(service, **values):
    """The service with these settings, in the place of the one that there was."""
    front = service.start(values | {"CATCHMENT_LIMIT_ANONYMOUS": "off"})
    service.fronts.insert(0, front)
    return front


@pytest.mark.parametrize(
    ("request_id", "traceparent", "request_is", "trace_is", "span_is"),
    [
        ("", PARENT, TRACE, TRACE, SPAN),
        ("mine", PARENT, "mine", TRACE, SPAN),
        (TRACE, "", TRACE, TRACE, ""),
        ("mine", "", "mine", None, ""),
        ("", "", None, None, ""),
        ("", PARENT.upper(), None, None, ""),
        ("", f"ff-{TRACE}-{SPAN}-01", None, None, ""),
        ("", f"01-{TRACE}-{SPAN}-01-more", TRACE, TRACE, SPAN),
        ("", f"00-{'0' * 32}-{SPAN}-01", None, None, ""),
        ("", f"00-{TRACE}-{'0' * 16}-01", None, None, ""),
        ("", f"00-{TRACE}-{SPAN}", None, None, ""),
    ],
)
def test_the_ids_of_a_request_are_those_that_came_or_new(request_id, traceparent, request_is, trace_is, span_is):
    one, other = (ids_of(request_id, traceparent) for _ in range(2))
    assert (one.request, one.trace) == (request_is or one.trace, trace_is or one.trace)
    assert (one.span, len(one.trace), int(one.trace, 16) > 0) == (span_is, 32, True)
    assert (one.trace == other.trace) is (trace_is is not None)


def test_the_trace_that_a_request_is_part_of_is_in_its_answer(service):
    for path in ("/v1/demo/bars", "/v1/demo/bars", "/nothing"):  # the whole way, from memory, a problem
        answer = service.ask(path, traceparent=PARENT)
        assert answer.headers["x-request-id"] == TRACE
    assert answer.json()["trace_id"] == TRACE


def test_every_request_is_a_span_of_its_trace_without_what_nobody_should_read(service):
    with taking() as (port, came):
        front = watched(service, CATCHMENT_OTLP_ENDPOINT=f"http://127.0.0.1:{port}/v1/traces")
        key = service.key("read")
        for _ in range(2):
            service.ask(f"/v1/demo/bars?symbol={CANARY}", key, traceparent=PARENT)
        service.ask("/own/broken", peer=GATEWAY, user_id=USER)
        front.close()
    spans = list(spans_of(came))
    assert [span.name for span in spans] == ["GET /v1/{app}/{name}"] * 2 + ["GET /own/broken"]
    assert [span.trace_id.hex() == TRACE for span in spans] == [True, True, False]
    assert [span.parent_span_id.hex() == SPAN for span in spans] == [True, True, False]
    said = [{item.key: item.value for item in span.attributes} for span in spans]
    assert [item["http.response.status_code"].int_value for item in said] == [200, 200, 500]
    assert {item["enduser.id"].string_value for item in said} == {USER}
    assert [span.status.message for span in spans] == ["", "", "RuntimeError"]
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in spans)
    everything = b"".join(body for _, body in came)
    assert not [secret for secret in (CANARY, key, key.split("_")[2]) if secret.encode() in everything]


def test_a_fault_that_nobody_expected_is_told_with_its_place_and_no_more(service):
    with taking() as (port, came):
        front = watched(service, CATCHMENT_SENTRY_DSN=f"http://canarydsn@127.0.0.1:{port}/1")
        key = service.key("read")
        service.ask(f"/own/broken?word={CANARY}", key, traceparent=PARENT)
        service.ask("/nothing", key)
        front.close()
    assert [path for path, _ in came] == ["/api/1/envelope/"]
    event = json.loads(came[0][1].splitlines()[2])
    (fault,) = event["exception"]["values"]
    assert (fault["type"], fault["value"]) == ("RuntimeError", "canary-error")
    assert [frame["function"] for frame in fault["stacktrace"]["frames"]][-1] == "broken"
    assert not [frame for frame in fault["stacktrace"]["frames"] if "vars" in frame]
    assert event["tags"] == {"trace_id": TRACE, "request_id": TRACE}
    assert "request" not in event
    assert "user" not in event
    assert not [secret for secret in (CANARY, key, USER) if secret.encode() in came[0][1]]


@pytest.mark.parametrize(
    ("setting", "value", "library", "extra"),
    [
        ("CATCHMENT_OTLP_ENDPOINT", "http://127.0.0.1:1/v1/traces", "opentelemetry", "opentelemetry"),
        ("CATCHMENT_SENTRY_DSN", "http://canarydsn@127.0.0.1:1/1", "sentry_sdk", "sentry"),
    ],
)
def test_where_a_library_is_missing_the_start_says_what_to_install(
    service, monkeypatch, setting, value, library, extra
):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)  # as where the extra is not installed
    with pytest.raises(UsageError) as refused:
        watched(service, **{setting: value})
    assert setting in refused.value.message
    assert f'pip install "catchment[{extra}]"' in refused.value.hint
    assert "canarydsn" not in str(refused.value)


def test_what_is_no_dsn_is_refused_without_being_shown(service):
    with pytest.raises(UsageError, match=r"CATCHMENT_SENTRY_DSN is no DSN \(copy it"):
        watched(service, CATCHMENT_SENTRY_DSN="canary-dsn")


def test_a_watcher_that_is_away_holds_up_nobody(service):
    front = watched(service, CATCHMENT_SENTRY_DSN="http://canarydsn@127.0.0.1:9/1")
    assert service.ask("/own/broken").status_code == 500
    assert service.ask("/v1/demo/bars").status_code == 200
    front.close()


PROGRAM = """
import structlog
from catchment.cli.arguments import read_settings
read_settings("")
structlog.contextvars.bind_contextvars(request_id="r", trace_id="t", user="u")
try:
    secret = "canary-local"
    raise RuntimeError("broken")
except RuntimeError:
    structlog.get_logger().exception("happened", feed="demo/bars")
"""


def test_a_line_of_the_log_is_json_where_that_is_asked_for(tmp_path):
    def run(form):
        environment = os.environ | {"CATCHMENT_LOG": form}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    line = json.loads(run("json").stderr)
    assert {name: line[name] for name in ("event", "level", "feed", "request_id", "trace_id", "user")} == {
        "event": "happened", "level": "error", "feed": "demo/bars", "request_id": "r", "trace_id": "t", "user": "u",
    }  # fmt: skip
    assert "RuntimeError: broken" in line["exception"]
    assert "canary-local" not in line["exception"].replace('secret = "canary-local"', "")
    assert "CATCHMENT_LOG=xml is no form of a line" in run("xml").stderr
