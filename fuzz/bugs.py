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
from pathlib import Path

from hunted.bugs import BUGS, Bug

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "pyproject.toml", "README.md")
FAILED = 1
"""pytest's word for tests that failed; others mean that none was run."""


def tested(folder: Path, tests: str) -> int:
    """pytest's exit code, of these tests on the copy. An `_and_` in the choice is pytest's `and`."""
    names, _, choice = tests.partition(" -k ")
    chosen = ["-k", choice.replace("_and_", " and ")] if choice else []
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *names.split(), *chosen],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=300,
    ).returncode


def caught(folder: Path, bug: Bug) -> str:
    """Whether the tests see the bug, in a word: `caught`, or what else became of it."""
    file = folder / "src" / "catchment" / bug.file
    sound = file.read_text()
    if sound.count(bug.old) != 1:
        return "not planted: its place has changed"
    if tested(folder, bug.tests) != 0:
        return "its tests fail without it"
    file.write_text(sound.replace(bug.old, bug.new))
    try:
        code = tested(folder, bug.tests)
    finally:
        file.write_text(sound)
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
        for bug in wanted:
            said = caught(folder, bug)
            missed += said != "caught"
            sys.stdout.write(f"{bug.name:50} {said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(wanted) - missed} of {len(wanted)} caught, {time.monotonic() - began:.0f} s\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
