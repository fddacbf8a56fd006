"""Limits as arithmetic: time is an argument, and nobody waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import TooManyWrites, UsageError
from catchment.principal import ANONYMOUS, LOOPBACK, Principal
from catchment.rate import Rate, parse_rate
from catchment.serve.limits import LIMITS, Buckets, Limits
from catchment.serve.problems import of_error
from catchment.settings import Settings

USER = Principal("u", scopes=frozenset({"write"}), via="gateway")
KEY = Principal("u", scopes=frozenset({"read"}), key_id="k", via="key")


def test_a_burst_then_the_rate():
    buckets = Buckets(Rate(10, 50))
    assert [buckets.take("a", 0.0) for _ in range(50)] == [0.0] * 50
    assert buckets.take("a", 0.0) == pytest.approx(0.1)
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.05) == pytest.approx(0.05)
    assert buckets.take("a", 0.1) == 0.0
    assert buckets.take("a", 0.1) > 0
    assert [buckets.take("a", 5.1) for _ in range(50)] == [0.0] * 50
    assert buckets.take("a", 5.1) > 0


@given(st.lists(st.integers(0, 5000), max_size=80), st.integers(1, 20), st.integers(1, 10))
def test_it_is_a_token_bucket(moments, rate, burst):
    buckets, tokens, last = Buckets(Rate(rate, burst)), burst * 1000, 0
    for moment in sorted(moments):  # in milliseconds, tokens in thousandths: whole numbers
        tokens, last = min(burst * 1000, tokens + (moment - last) * rate), moment
        taken = buckets.take("a", moment / 1000) == 0.0
        assert taken is (tokens >= 1000)
        tokens -= 1000 * taken


def test_memory_is_bounded_whoever_asks():
    buckets = Buckets(Rate(1, 1), max_clients=100)
    for number in range(1000):
        buckets.take(str(number), 0.0)
    assert len(buckets) == 100
    assert buckets.take("999", 0.0) > 0


def test_a_fresh_install_has_every_limit_on():
    """Advisory A14: limits that are off until somebody turns them on."""
    limits = Limits(Settings())
    shown = [limits._anonymous.limit, limits._known.limit, limits._writes.limit, limits._failed.limit]
    assert shown == [Rate(10, 50), Rate(50, 100), Rate(5, 20), Rate(5 / 60, 5)]


COUNTS = {"nobody": (ANONYMOUS, 50), "a key": (KEY, 100), "a user": (USER, 100)}


@pytest.mark.parametrize(("principal", "allowed"), COUNTS.values(), ids=COUNTS.keys())
def test_each_kind_of_caller_has_its_limit(principal, allowed):
    limits = Limits(Settings(), lambda: 0.0)
    for _ in range(allowed):
        assert limits.refusal(principal, "p") is None
    refused = limits.refusal(principal, "p")
    assert refused is not None
    assert refused.status == 429
    headers = dict(refused.headers)
    assert int(headers["retry-after"]) >= 1
    assert f"q={allowed}" in headers["ratelimit-policy"]


def test_only_who_may_write_is_counted_as_writing():
    limits = Limits(Settings(), lambda: 0.0)
    for _ in range(200):
        limits.count_write(ANONYMOUS)
        limits.count_write(KEY)
    for _ in range(20):
        limits.count_write(USER)
    with pytest.raises(TooManyWrites) as refused:
        limits.count_write(USER)
    headers = dict(of_error(refused.value).headers)
    assert int(headers["retry-after"]) >= 1
    assert "q=20" in headers["ratelimit-policy"]


def test_this_machine_reads_as_much_as_it_likes():
    limits = Limits(Settings(), lambda: 0.0)
    assert [limits.refusal(LOOPBACK, "p") for _ in range(1000)] == [None] * 1000


def test_a_setting_changes_a_limit_and_only_off_lifts_it():
    assert parse_rate("X", "2/minute") == Rate(2 / 60, 2)
    assert parse_rate("X", "100/hour,7") == Rate(100 / 3600, 7)
    assert parse_rate("X", "off") is None
    none = Limits(Settings().with_values("test", dict.fromkeys(LIMITS, "off")), lambda: 0.0)
    assert [none.refusal(ANONYMOUS, "p") for _ in range(100)] == [None] * 100
    assert none.failure("p") is None


@pytest.mark.parametrize(
    "text", ["0/second", "1", "1/day", "-1/second", "1/second,0", "1/second,", "OFF", "1e3/second"]
)
def test_a_misspelt_limit_stops_the_start(text):
    with pytest.raises(UsageError, match="CATCHMENT_LIMIT_KEY"):
        Limits(Settings().with_values("test", {"CATCHMENT_LIMIT_KEY": text}))
