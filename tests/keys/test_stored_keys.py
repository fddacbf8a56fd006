"""Keys as they are made, stored, proved and revoked."""

import sys
from contextlib import closing
from datetime import timedelta

import pytest
from databases import left_in

from catchment.errors import StoreUnavailable, UsageError
from catchment.store import keys
from catchment.store.engines import database_of
from catchment.store.keys import any_usable, create, find, listed, proved, revoke, split, touch, without_keys

USER = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"


def made(database, now, **options):
    return create(database, "reports", USER, {"read"}, now, **options)


def test_a_key_proves_its_user_and_its_scopes(database, now):
    text, key = made(database, now)
    identity, secret = split(text)
    assert text == f"ck_{identity}_{secret}"
    assert (len(identity), len(secret)) == (8, 40)  # base32: 200 random bits
    found = proved(find(database, identity), secret, now)
    assert found is not None
    assert (found.id, found.scopes, found.key_id, found.via) == (USER, {"read"}, key.id, "key")


def test_keys_are_all_different(database, now):
    texts = {made(database, now)[0] for _ in range(20)}
    assert len({split(text)[1] for text in texts}) == 20


@pytest.mark.parametrize("case", ["other secret", "other key's secret", "unknown id", "nothing"])
def test_what_is_not_the_secret_proves_nobody(database, now, case):
    text, key = made(database, now)
    other, _ = made(database, now)
    secret = {
        "other secret": split(text)[1][:-1] + ("a" if text[-1] != "a" else "b"),
        "other key's secret": split(other)[1],
        "unknown id": split(text)[1],
        "nothing": "",
    }[case]
    stored = None if case == "unknown id" else find(database, key.id)
    assert proved(stored, secret, now) is None


def test_a_key_ends_at_its_moment_and_not_before(database, now):
    text, key = made(database, now, expires_at=now + timedelta(days=1))
    stored, secret = find(database, key.id), split(text)[1]
    assert proved(stored, secret, now + timedelta(days=1, microseconds=-1)) is not None
    assert proved(stored, secret, now + timedelta(days=1)) is None


def test_a_revoked_key_proves_nobody_and_stays_listed(database, now):
    text, key = made(database, now)
    assert any_usable(database, now)
    assert revoke(database, key.id, now).revoked_at == now
    assert revoke(database, key.id, now + timedelta(days=1)).revoked_at == now
    assert proved(find(database, key.id), split(text)[1], now) is None
    assert [item.id for item in listed(database)] == [key.id]
    assert not any_usable(database, now)


def test_use_is_noted(database, now):
    _, key = made(database, now)
    assert find(database, key.id).last_used_at is None
    touch(database, key.id, now)
    assert find(database, key.id).last_used_at == now


def test_an_unknown_key_cannot_be_revoked(database, now):
    with pytest.raises(UsageError, match="no key has the id"):
        revoke(database, "aaaaaaaa", now)


def test_the_secret_is_nowhere(database, now):
    text, key = made(database, now)
    secret = split(text)[1]
    with pytest.raises(UsageError) as wrong:
        revoke(database, text, now)  # somebody pastes the key for its id
    assert secret not in f"{wrong.value}{key!r}{find(database, key.id)!r}"
    revoke(database, key.id, now)
    left = left_in(database)
    assert key.id.encode() in left
    assert secret.encode() not in left


def test_without_a_database_there_are_no_keys_and_nobody_is_let_in(new_database, now):
    none, old = database_of(new_database()), database_of(new_database())
    assert not any_usable(none, now)
    with pytest.raises(StoreUnavailable):
        find(none, "aaaaaaaa")
    assert not none.exists()
    with closing(old.open()) as sql:
        sql.execute("CREATE TABLE _meta (name TEXT)")
    with pytest.raises(StoreUnavailable, match="holds no data of ours"):
        find(old, "aaaaaaaa")


@pytest.mark.parametrize(
    "text",
    [
        *("", "ck_", "ck__", "ck_aaaaaaaa", "ck_aaaaaaaa_", "ck_short_" + "a" * 40, "ck_aaaaaaaa_" + "a" * 31),
        *("xx_aaaaaaaa_" + "a" * 40, "ck_aaaaaaaa_" + "A" * 40, "ck_aaaaaaaa_" + "a" * 40 + "\n", "ck_aaaaaaaa_é" * 9),
    ],
)
def test_what_has_not_the_form_of_a_key_has_no_id(text):
    assert split(text) == ("", text)


def test_what_looks_like_a_key_is_blotted_out(database, now):
    text, _ = made(database, now)
    assert without_keys(f"/v1/{text}/x?a={text.upper()}") == "/v1/ck_***/x?a=ck_***"
    assert without_keys("/v1/demo/bars/back_2024_01") == "/v1/demo/bars/back_2024_01"


def test_a_wrong_secret_and_an_unknown_key_cost_the_same_comparison(database, now):
    """No time is measured here: what is called is. Digests of one length are compared in constant time, once."""
    text, _ = made(database, now)
    identity, secret = split(text)
    stored = find(database, identity)
    assert stored is not None
    assert len(stored.digest) == len(keys._NOBODYS) == 32

    def called(stored, secret):
        names = []
        sys.setprofile(lambda _, event, called: names.append(called.__name__) if event == "c_call" else None)
        try:
            proved(stored, secret, now)
        finally:
            sys.setprofile(None)
        return names[: names.index("compare_digest") + 1]

    right = called(stored, secret)
    assert right.count("openssl_sha256") == right.count("digest") == right.count("compare_digest") == 1
    for other, given in ((stored, secret[:-1]), (stored, "a" * 40), (stored, ""), (None, secret), (None, "a" * 5000)):
        assert called(other, given) == right
