"""What the command line says of itself: purposes, examples, exit codes, what a shell completes, one shape of JSON."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from commands import Place
from databases import database_in

from catchment.app import load_app
from catchment.cli import app
from catchment.cli.completion import collections, partitions, targets
from catchment.cli.manual import EXIT_CODES, GROUPS, examples_of

ROOT = typer.main.get_command(app)
COMMANDS = {
    **{name: command for name, command in ROOT.commands.items() if name != "keys"},
    **{f"keys {name}": command for name, command in ROOT.commands["keys"].commands.items()},
}
TABLES = {
    "plan": ["plan", "stocks"],
    "status": ["status", "stocks"],
    "settings": ["settings", "stocks"],
    "rejects": ["rejects", "stocks"],
    "check": ["check", "stocks"],
    "migrate": ["migrate", "stocks"],
    "replay": ["replay", "stocks"],
    "keys list": ["keys", "list"],
    "audit": ["audit"],
    "collect": ["collect", "incidents/identities", "--dry-run"],
    "pause": ["pause", "stocks/bars"],
    "resume": ["resume", "stocks/bars"],
}
"""Every command that prints rows, with words that it takes where nothing was collected yet."""


def page_of(command, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    return command.get_help(typer.Context(command, info_name="catchment"))


@pytest.mark.storeless
@pytest.mark.parametrize(("name", "command"), COMMANDS.items(), ids=COMMANDS)
def test_every_command_says_its_purpose_examples_and_exit_codes(name, command, monkeypatch):
    page = page_of(command, 80, monkeypatch)
    purpose = command.help.partition("\n\n")[0]
    assert purpose.endswith(".")
    assert len(purpose) <= 78, "its line in the list of commands is one line"
    assert command.rich_help_panel in GROUPS
    codes = dict(re.findall(r"^  (\d)  (\S.*)$", page.partition(f"{EXIT_CODES}:")[2], re.MULTILINE))
    assert {"0", "1", "2"} <= set(codes)
    assert examples_of(command)


EXAMPLES = [(name, command, line) for name, command in COMMANDS.items() for line in examples_of(command)]


@pytest.mark.storeless
@pytest.mark.parametrize(("name", "command", "line"), EXAMPLES, ids=[line for *_, line in EXAMPLES])
def test_every_example_is_taken_by_its_command(name, command, line):
    assert f"catchment {name}" in line
    words = shlex.split(line.partition("catchment ")[2].partition(" > ")[0].partition(" >> ")[0].rstrip(')"'))
    assert words[: len(name.split())] == name.split()
    context = command.make_context(name, words[len(name.split()) :])
    assert not context.args


@pytest.mark.storeless
@pytest.mark.parametrize("columns", [40, 80, 120])
def test_pages_keep_within_the_width_of_the_terminal(columns, monkeypatch):
    pages = [page_of(command, columns, monkeypatch) for command in (ROOT, *COMMANDS.values())]
    prose = [line for page in pages for line in page.partition(":\n")[0].splitlines()]
    assert max(map(len, prose)) <= columns
    assert "\x1b" not in "".join(pages), "where nobody looks it is plain"


@pytest.mark.storeless
def test_commands_are_listed_by_what_one_wants_of_them(place):
    done = place.run("--help")
    assert done.code == 0
    assert [word for word in GROUPS if re.search(rf"^{word} \(", done.out, re.MULTILINE)] == list(GROUPS)
    assert all(re.search(rf"^  {name.split()[0]} ", done.out, re.MULTILINE) for name in COMMANDS)
    alone = place.run()
    assert (alone.code, alone.out, "Usage: catchment" in alone.err) == (2, "", True)
    assert not list(place.folder.glob("data*"))


@pytest.fixture(scope="module")
def stored(engine, tmp_path_factory):
    """A place with the tables of stocks, and an upstream of incidents that nobody reaches."""
    place = Place(tmp_path_factory.mktemp("stored"))
    place.values = {"CATCHMENT_UPSTREAM_INCIDENTS": "http://127.0.0.1:9", "ALPHAVANTAGE_API_KEY": "k"}
    place.values |= {"INCIDENTS_USER": "u", "INCIDENTS_PASSWORD": "p"}
    database_in(place.data, [load_app("stocks")])
    return place


@pytest.mark.parametrize("arguments", TABLES.values(), ids=TABLES)
def test_a_table_is_there_for_scripts_in_one_shape(stored, arguments):
    done = stored.run(*arguments, "--json")
    assert done.code in (0, 3), done.text
    said = json.loads(done.out)
    assert set(said) == {"data", "meta"}
    assert isinstance(said["data"], list)
    assert isinstance(said["meta"], dict)
    assert done.out.count("\n") == 1


def test_a_plan_in_json_is_what_its_table_says(place):
    place.values = {"ALPHAVANTAGE_API_KEY": "k"}
    (row,) = [
        row
        for row in json.loads(place.run("plan", "stocks", "--json").out)["data"]
        if row["collection"] == "stocks/bars"
    ]
    assert (row["due"], row["calls"], row["left_today"], row["next_due"]) == (2, 2, 25, None)


@pytest.mark.storeless
def test_a_secret_in_json_is_no_more_than_set(place):
    place.values = {"ALPHAVANTAGE_API_KEY": "do-not-show"}
    done = place.run("settings", "stocks", "--json")
    assert "do-not-show" not in done.text
    (key,) = [row for row in json.loads(done.out)["data"] if row["name"] == "ALPHAVANTAGE_API_KEY"]
    assert key == {"name": "ALPHAVANTAGE_API_KEY", "value": "", "origin": "environment", "secret": True}


NEAR = {
    "a command": (["colect", "police"], "Did you mean 'collect'"),
    "an option": (["collect", "police", "--agian"], "--again"),
    "an app": (["collect", "polcie"], "did you mean police?"),
    "a feed": (["collect", "police/stop"], "did you mean stops?"),
    "a feed to derive again": (["replay", "stocks/bar"], "did you mean bars?"),
    "a collection to erase of": (["erase", "episodes/comment", "x"], "did you mean episodes/comments?"),
    "a list to export": (["export", "stocks/bras"], "did you mean bars?"),
    "a size": (["demo", "--size", "tinny"], "did you mean tiny?"),
    "a name of a partition": (["collect", "police", "--only", "forces=kent"], "did you mean force?"),
}


@pytest.mark.storeless
@pytest.mark.parametrize(("arguments", "said"), NEAR.values(), ids=NEAR)
def test_what_is_nearest_to_a_wrong_word_is_said(place, arguments, said):
    place.values = {"ALPHAVANTAGE_API_KEY": "k"}
    done = place.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 2


# -- what a shell completes ------------------------------------------------------------------------------------------

LINES = {
    "a command": ("catchment comp", ["completion"]),
    "an option": ("catchment collect police --dr", ["--dry-run"]),
    "a feed": ("catchment collect stocks/sp", ["stocks/splits"]),
    "an app in a file": ("catchment collect riv", ["rivers:app"]),
}
WORDS = {
    "apps": (targets("st"), ["stocks"]),
    "feeds behind an app": (targets("police/"), ["police/forces", "police/availability", "police/stops"]),
    "what people write": (collections("episodes/com"), ["episodes/comments"]),
    "nothing of what is none": (targets("nosuch/"), []),
}


@pytest.mark.storeless
@pytest.mark.parametrize(("found", "expected"), WORDS.values(), ids=WORDS)
def test_targets_are_completed_as_far_as_they_go(found, expected):
    assert found == expected


@pytest.mark.storeless
def test_names_of_partitions_are_completed_by_the_targets_before_them():
    context = COMMANDS["collect"].make_context("collect", ["police"], resilient_parsing=True)
    assert partitions(context, "") == ["force=", "month="]


_ASK = """eval "$(catchment completion bash)"
ask() {{
    COMP_WORDS=($1) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _catchment_completion catchment
    echo "${{COMPREPLY[*]}}"
}}
{lines}
"""


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """Line -> what a real bash completes of it, asked with the script that the command prints."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    folder = tmp_path_factory.mktemp("bash")
    (folder / "rivers.py").write_text("app = App('rivers', feeds=[])\nraise SystemExit('it is not run')\n")
    program = _ASK.format(lines="\n".join(f"ask {shlex.quote(line)}" for line, _ in LINES.values()))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [bash, "--norc", "-c", program]
    done = subprocess.run(
        command, cwd=folder, env={"PATH": path}, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    return dict(zip((line for line, _ in LINES.values()), done.stdout.splitlines(), strict=True))


@pytest.mark.storeless
@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_bash_completes(completed, line, expected):
    assert completed[line].split() == expected


@pytest.mark.storeless
@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef catchment"), ("fish", "complete --command catchment")])
def test_other_shells_have_a_script_too(place, shell, word):
    done = place.run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(word)


@pytest.mark.storeless
def test_a_shell_that_is_not_known_is_refused(place):
    done = place.run("completion", "tcsh")
    assert (done.code, done.out) == (2, "")
    assert "bash" in done.err
