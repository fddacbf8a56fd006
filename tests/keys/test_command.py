"""`catchment keys` as a person runs it."""

import json
import os
import re
import subprocess
import sys

import pytest


@pytest.fixture
def keys(tmp_path):
    """Runs `catchment keys …`, or another command, on a data folder of its own."""

    def run(*arguments: str, command: str = "keys") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "catchment", command, *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "CATCHMENT_DATA": str(tmp_path / "data"), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def test_a_key_is_printed_once_and_then_only_named(keys):
    user = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
    made = keys("create", "--name", "re[b]ports", "--scope", "read", "--scope", "write", "--principal", user.upper())
    assert made.returncode == 0, made.stderr
    assert re.fullmatch(r"ck_[a-z2-7]{8}_[a-z2-7]{40}\n", made.stdout)
    _, identity, secret = made.stdout.strip().split("_")
    assert identity in made.stderr
    assert secret not in made.stderr
    assert keys("create", "--name", "later", "--scope", "operate", "--expires", "90d").returncode == 0
    first, second = json.loads(keys("list", "--json").stdout)["data"]
    assert (first["id"], first["name"], first["principal"]) == (identity, "re[b]ports", user)
    assert (first["scopes"], first["state"], first["expires"], first["last_used"]) == ("read write", "usable", "", "")
    assert second["expires"] > second["created"]
    shown = keys("list").stdout
    assert "re[b]ports" in shown
    assert keys("revoke", identity).returncode == 0
    assert [item["state"] for item in json.loads(keys("list", "--json").stdout)["data"]] == ["revoked", "usable"]
    assert secret not in shown + keys("list", "--json").stdout


def test_the_audit_is_printed_for_people_and_for_scripts(keys):
    assert keys(command="audit").returncode == 2, "there is nothing yet"
    user = "0b9d6a52-9d0c-4d4e-8f3a-0d6f0a6f8a11"
    identity = keys("create", "--name", "reports", "--scope", "read", "--principal", user).stdout.split("_")[1]
    keys("revoke", identity)
    told = json.loads(keys("--json", "--who", user, command="audit").stdout)["data"]
    assert [(item["action"], item["object"], item["principal"]) for item in told] == [
        ("key-revoke", identity, user),
        ("key-create", identity, user),
    ]
    assert "key-revoke" in keys(command="audit").stdout
    assert keys("--denied", command="audit").stdout == "nothing in the audit\n"
    assert (
        json.loads(keys("--json", "--since", told[0]["at"], "--limit", "1", command="audit").stdout)["data"] == told[:1]
    )
    refused = keys("--since", "yesterday", command="audit")
    assert (refused.returncode, "--since yesterday is no moment" in refused.stderr) == (2, True)


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
        assert (answer.returncode, answer.stdout) == (2, ""), case
        assert answer.stderr, case
        assert "Traceback" not in answer.stderr, case
    assert keys("list", "--json").stdout == '{"data":[],"meta":{}}\n'
