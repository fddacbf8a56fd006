"""`catchment keys` as a person runs it."""

import json
import os
import re

import pytest
from databases import values_in
from forkserver import Ended, run


@pytest.fixture
def keys(tmp_path):
    """Runs `catchment keys …`, or another command, on a database of its own."""
    place = {"PATH": os.environ["PATH"], "COLUMNS": "200", **values_in(tmp_path / "data")}

    def ran(*arguments: str, command: str = "keys") -> Ended:
        return run(tmp_path, (command, *arguments), place)

    return ran


def test_a_key_is_printed_once_and_then_only_named(keys):
    user = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
    made = keys("create", "--name", "re[b]ports", "--scope", "read", "--scope", "write", "--principal", user.upper())
    assert made.code == 0, made.err
    assert re.fullmatch(r"ck_[a-z2-7]{8}_[a-z2-7]{40}\n", made.out)
    _, identity, secret = made.out.strip().split("_")
    assert identity in made.err
    assert secret not in made.err
    assert keys("create", "--name", "later", "--scope", "operate", "--expires", "90d").code == 0
    first, second = json.loads(keys("list", "--json").out)["data"]
    assert (first["id"], first["name"], first["principal"]) == (identity, "re[b]ports", user)
    assert (first["scopes"], first["state"], first["expires"], first["last_used"]) == ("read write", "usable", "", "")
    assert second["expires"] > second["created"]
    shown = keys("list").out
    assert "re[b]ports" in shown
    assert keys("revoke", identity).code == 0
    assert [item["state"] for item in json.loads(keys("list", "--json").out)["data"]] == ["revoked", "usable"]
    assert secret not in shown + keys("list", "--json").out


def test_the_audit_is_printed_for_people_and_for_scripts(keys):
    assert keys(command="audit").code == 2, "there is nothing yet"
    user = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
    identity = keys("create", "--name", "reports", "--scope", "read", "--principal", user).out.split("_")[1]
    keys("revoke", identity)
    told = json.loads(keys("--json", "--who", user, command="audit").out)["data"]
    assert [(item["action"], item["object"], item["principal"]) for item in told] == [
        ("key-revoke", identity, user),
        ("key-create", identity, user),
    ]
    assert "key-revoke" in keys(command="audit").out
    assert keys("--denied", command="audit").out == "nothing in the audit\n"
    assert json.loads(keys("--json", "--since", told[0]["at"], "--limit", "1", command="audit").out)["data"] == told[:1]
    refused = keys("--since", "yesterday", command="audit")
    assert (refused.code, "--since yesterday is no moment" in refused.err) == (2, True)


WRONG = {
    "no scope": ("create", "--name", "a"),
    "no name": ("create", "--scope", "read"),
    "unknown scope": ("create", "--name", "a", "--scope", "all"),
    "empty name": ("create", "--name", " ", "--scope", "read"),
    "name with a line": ("create", "--name", "a\nb", "--scope", "read"),
    "no uuid": ("create", "--name", "a", "--scope", "read", "--principal", "ann"),
    "past": ("create", "--name", "a", "--scope", "read", "--expires", "2020-01-31"),
    "no days": ("create", "--name", "a", "--scope", "read", "--expires", "0d"),
    "beyond time": ("create", "--name", "a", "--scope", "read", "--expires", "31-12-2030"),
    "unknown id": ("revoke", "aaaaaaaa"),
    "unknown command": ("make",),
}


def test_wrong_use_is_said_and_changes_nothing(keys):
    for case, arguments in WRONG.items():
        answer = keys(*arguments)
        assert (answer.code, answer.out) == (2, ""), case
        assert answer.err, case
        assert "Traceback" not in answer.err, case
    assert keys("list", "--json").out == '{"data":[],"meta":{}}\n'
