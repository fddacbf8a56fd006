"""The rules about who may do what, as tables."""

import pytest

from catchment.principal import ANONYMOUS, LOOPBACK, SCOPES, Principal, is_user, may

USER = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"

MAY = {
    "nobody": (ANONYMOUS, set()),
    "this machine": (LOOPBACK, {"read", "operate"}),
    "read key": (Principal(USER, "a", frozenset({"read"}), "k", "key"), {"read"}),
    "write key": (Principal(USER, "a", frozenset({"write"}), "k", "key"), {"write"}),
    "moderator": (Principal(USER, "a", frozenset({"moderate"}), "k", "key"), {"moderate"}),
    "operator": (Principal(USER, "a", frozenset({"operate"}), "k", "key"), {"operate"}),
    "all scopes": (Principal(USER, "a", frozenset(SCOPES), "k", "key"), set(SCOPES)),
    "scopes without a user": (Principal(scopes=frozenset(SCOPES)), {"read", "operate"}),
    "user without scopes": (Principal(USER, via="gateway"), set()),
}


@pytest.mark.parametrize(("principal", "allowed"), MAY.values(), ids=MAY.keys())
def test_a_scope_allows_itself_and_nothing_else(principal, allowed):
    assert {action for action in SCOPES if may(principal, action)} == allowed


@pytest.mark.parametrize(
    "text", ["", "x", USER.upper(), USER[:-1], USER + "0", USER + "\n", "{" + USER + "}", USER.replace("-", "")]
)
def test_only_a_canonical_uuid_is_a_user(text):
    assert is_user(USER)
    assert not is_user(text)
