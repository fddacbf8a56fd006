"""Bugs are planted, one at a time, in a copy of the tree; the tests that are named with each have to fail.

./run fuzz bugs [--only WORDS]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hunted.bugs import BUGS, Bug

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "pyproject.toml", "README.md")
FAILED = 1
"""pytest's word for tests that failed; others mean that none was run."""


def parts(tests: str) -> tuple[set[str], str]:
    """The files of some tests, and which of their tests. An `_and_` in the choice is pytest's `and`."""
    names, _, choice = tests.partition(" -k ")
    return set(names.split()), choice.replace("_and_", " and ")


def tested(folder: Path, names: set[str], choice: str) -> int:
    """pytest's exit code, of these tests on the copy."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *sorted(names), "-k", choice],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=900,
    ).returncode


def all_sound(folder: Path, bugs: Sequence[Bug]) -> set[str]:
    """The tests of these bugs, if they pass where nothing is planted; else none: then they are tried one by one."""
    tests = {bug.tests for bug in bugs}
    chosen = [parts(item) for item in sorted(tests)]
    names = {name for names, _ in chosen for name in names}
    return tests if tested(folder, names, " or ".join(f"({choice})" for _, choice in chosen)) == 0 else set()


def caught(folder: Path, bug: Bug, sound: set[str]) -> str:
    """Whether the tests see the bug, in a word: `caught`, or what else became of it. sound: tests known to pass."""
    file = folder / "src" / "catchment" / bug.file
    before = file.read_text()
    if before.count(bug.old) != 1:
        return "not planted: its place has changed"
    if bug.tests not in sound and tested(folder, *parts(bug.tests)) != 0:
        return "its tests fail without it"
    sound.add(bug.tests)
    file.write_text(before.replace(bug.old, bug.new))
    try:
        code = tested(folder, *parts(bug.tests))
    finally:
        file.write_text(before)
    return "caught" if code == FAILED else f"not caught ({code})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="bugs whose name holds this")
    wanted = [bug for bug in BUGS if parser.parse_args().only in bug.name]
    began, missed = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in COPIED:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        sound = all_sound(folder, wanted)
        for bug in wanted:
            said = caught(folder, bug, sound)
            missed += said != "caught"
            sys.stdout.write(f"{bug.name:50} {said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(wanted) - missed} of {len(wanted)} caught, {time.monotonic() - began:.0f} s\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
