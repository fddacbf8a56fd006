"""What collecting tells those who watch from elsewhere: a run, its attempts and their requests, as one trace."""

from dataclasses import replace

import pytest
import structlog
from collecting import KEY, collecting
from elsewhere import spans_of, taking
from test_engines import NOW

SYMBOL = "IBM"


def broken(*_):
    raise RuntimeError("canary-error")


def collected(folder, port, *, shape=None, error=None):
    """The spans' settings, one run of the bars of one symbol, and the lines that it logged."""
    endpoint = f"http://127.0.0.1:{port}/v1/traces"
    switches = {"error": error} if error else {}
    values = {"STOCK_SYMBOLS": SYMBOL, "CATCHMENT_OTLP_ENDPOINT": endpoint}
    with collecting("stocks", folder, now=NOW, switches=switches, **values) as stocks:
        if shape:
            bars, *others = stocks.app.feeds
            stocks.app = replace(stocks.app, feeds=[replace(bars, rows=shape), *others])
        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            stocks.run(feeds=["bars"])
    return lines


def said(span):
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def test_a_run_is_a_trace_of_its_attempts_and_their_requests(tmp_path):
    with taking() as (port, came):
        lines = collected(tmp_path, port)
    request, attempt, run = spans_of(came)
    assert [span.name for span in (run, attempt, request)] == [
        "collect stocks",
        "attempt stocks/bars",
        "GET alphavantage",
    ]
    assert run.parent_span_id == b""
    assert (attempt.parent_span_id, request.parent_span_id) == (run.span_id, attempt.span_id)
    assert {span.trace_id for span in (attempt, request)} == {run.trace_id}
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in (run, attempt, request))
    assert said(run) == {"catchment.run": 1}
    assert said(attempt) == {"catchment.attempt": 1, "catchment.verdict": "complete"}
    assert said(request) == {
        "http.request.method": "GET", "server.address": "127.0.0.1", "http.response.status_code": 200,
    }  # fmt: skip
    assert lines == []
    everything = b"".join(body for _, body in came)
    assert not [secret for secret in (KEY, SYMBOL) if secret.encode() in everything], "neither a key nor a partition"


@pytest.mark.parametrize(
    ("fault", "event", "verdict", "status"),
    [
        ({"shape": broken}, "partition failed", "failed", "RuntimeError"),
        ({"error": "bad-key"}, "upstream stopped", "refused", ""),
    ],
    ids=["a-function-that-raises", "a-key-that-is-refused"],
)
def test_what_is_logged_meanwhile_has_the_id_of_its_trace(fault, event, verdict, status, tmp_path):
    with taking() as (port, came):
        lines = collected(tmp_path, port, **fault)
    request, attempt, run = spans_of(came)
    assert [(line["event"], line["trace_id"]) for line in lines] == [(event, run.trace_id.hex())]
    assert (said(attempt)["catchment.verdict"], attempt.status.message) == (verdict, status)
    assert (run.status.message, request.status.message) == ("", "")
    assert b"canary-error" not in b"".join(body for _, body in came)
