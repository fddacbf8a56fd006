"""`./run`: its verbs, what the documents say of them, and how it says no."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
VERBS = {"setup", "demo", "test", "lint", "bench", "fuzz", "docs", "build", "audit", "format", "help"}


def run(
    *arguments: str, script: Path = CHECKOUT / "run", cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [str(script), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=30, check=False)


def verbs_in(document: str) -> set[str]:
    """The verbs in a document's table: lines that begin with a verb of ./run."""
    return set(re.findall(r"^\| `\./run ([a-z]+)` \|", (CHECKOUT / document).read_text(), re.MULTILINE))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A copy of the script with an environment that is made already, whose programs print what they are asked."""
    for name in ("run", "requirements.lock", "pyproject.toml", ".env.example"):
        shutil.copy(CHECKOUT / name, tmp_path)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("catchment", "python"):
        (programs / name).write_text('#!/bin/sh\necho "${0##*/}" "$@"\n')
        (programs / name).chmod(0o755)
    inputs = (CHECKOUT / "requirements.lock").read_bytes() + (CHECKOUT / "pyproject.toml").read_bytes()
    made_from = subprocess.run(["cksum"], input=inputs, capture_output=True, check=True).stdout
    (tmp_path / ".venv" / "made-from").write_bytes(made_from)
    return tmp_path


@pytest.mark.parametrize("script", ["run", ".ci/run"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    shell = "bash" if script.startswith(".ci") else "sh"
    assert os.access(CHECKOUT / script, os.X_OK)
    assert subprocess.run([shell, "-n", CHECKOUT / script], check=False).returncode == 0


def test_help_lists_the_verbs() -> None:
    assert set(re.findall(r"^  ([a-z]+)  ", run("help").stdout, re.MULTILINE)) == VERBS
    assert run().stdout == run("help").stdout


def test_the_document_for_contributors_lists_the_verbs() -> None:
    assert verbs_in("CONTRIBUTING.md") == VERBS


def test_make_has_the_verbs() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert set(targets.group(1).split()) == VERBS


@pytest.mark.parametrize("verb", ["nonsense", "fail", "uv", "tests", "--help", ""])
def test_an_unknown_verb_is_refused_in_one_line(verb: str) -> None:
    answer = run(verb)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert set(answer.stderr.partition("there are: ")[2].split()) == VERBS


def test_arguments_reach_the_program_from_any_folder(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("else where")
    asked = run("demo", "--port", "8 9", script=bare / "run", cwd=elsewhere)
    assert (asked.returncode, asked.stdout) == (0, "catchment demo --port 8 9\n")
    assert run("test", "-k", "lease", script=bare / "run", cwd=elsewhere).stdout.endswith(" -k lease\n")


def test_settings_are_copied_once_and_for_the_owner_only(bare: Path) -> None:
    assert run("setup", script=bare / "run").returncode == 0
    settings = bare / ".env"
    assert settings.read_text() == (CHECKOUT / ".env.example").read_text()
    assert settings.stat().st_mode & 0o077 == 0
    settings.write_text("FORCES=btp\n")
    run("setup", script=bare / "run")
    assert settings.read_text() == "FORCES=btp\n"


@pytest.mark.parametrize(
    ("python", "said"),
    [
        pytest.param(None, "python3 is missing", id="no python"),
        pytest.param(
            'case "$*" in *version_info*) exit 1;; *) echo Python 3.9.2;; esac',
            "Python 3.9.2 is too old",
            id="old python",
        ),
        pytest.param('case "$*" in "-m pip"*) exit 1;; esac', "pip is missing", id="no pip"),
    ],
)
def test_what_is_missing_is_said_in_one_line(bare: Path, python: str | None, said: str) -> None:
    (bare / ".venv" / "made-from").unlink()
    path = bare / "path"
    path.mkdir()
    for tool in ("sh", "dirname", "cat", "cksum", "cp"):
        (path / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is not on this machine"))
    if python:
        (path / "python3").write_text(f"#!/bin/sh\n{python}\n")
        (path / "python3").chmod(0o755)
    answer = run("demo", script=bare / "run", env={"PATH": str(path)})
    assert answer.returncode == 2
    assert [line for line in answer.stderr.splitlines() if said in line] == answer.stderr.splitlines()[-1:]


def test_every_setting_of_the_example_is_a_comment() -> None:
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_example_shows_the_defaults_of_the_code() -> None:
    from catchment.serve.limits import LIMITS
    from catchment.settings import DEFAULTS
    from catchment.watching import SENTRY

    ours = {name: text for name, text in shown_in_example().items() if name.startswith("CATCHMENT_")}
    assert ours.pop(SENTRY) == ""  # a secret: it has no default
    assert {name: text for name, text in ours.items() if not name.startswith("CATCHMENT_UPSTREAM_")} == {
        **DEFAULTS,
        **LIMITS,
    }


def test_the_example_shows_what_the_apps_refer_to(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("catchment")
    # As on a machine where nothing is set: every setting of the apps with its default, every secret without.
    plain = {"PATH": os.environ["PATH"], "COLUMNS": "200", "TERM": "dumb"}
    told = subprocess.run(
        [program, "settings"], capture_output=True, text=True, check=True, env=plain, cwd=tmp_path
    ).stdout
    theirs = dict(re.findall(r"^((?!CATCHMENT_)\S+) +(\S.*?) +\S+$", told, re.MULTILINE))
    theirs = {name: "" if text in ("-", "not set") else text for name, text in theirs.items()}
    example = shown_in_example()
    assert {name: text for name, text in example.items() if not name.startswith("CATCHMENT_")} == theirs


def shown_in_example() -> dict[str, str]:
    """Setting -> the value that stands in the example."""
    return dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))
