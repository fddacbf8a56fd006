"""The files around the code: nothing in them that ties the project to a place, and nothing that is not ours."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LARGEST = 300_000
LOCKS = ("*.lock", "*.lock.json", "requirements*.txt", "package-lock.json")

# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "ghcr" + ".io",
    "docker" + ".io",
    "files." + "python",
]
PLACES = [r"(?<![\w.}*-])/" + word + "/" for word in ("work", "root", "home/[a-z]+", "Users/[A-Za-z]+")]
FORBIDDEN = re.compile("|".join([re.escape(host) for host in REGISTRIES] + PLACES))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files under version control that are there."""
    if not (CHECKOUT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout: which files belong to the project is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True, text=True).stdout
    return [CHECKOUT / name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()]


def test_locks_hold_no_address(tracked: list[Path]) -> None:
    locks = [file for file in tracked if any(file.match(pattern) for pattern in LOCKS)]
    assert CHECKOUT / "requirements.lock" in locks
    assert [file.name for file in locks if "://" in file.read_text()] == []


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("requirements.lock", 21),
        ("requirements-bench.lock", 5),
        ("requirements-browser.lock", 3),
        ("requirements-fuzz.lock", 5),
    ],
)
def test_every_line_of_a_lock_is_hashed(name: str, least: int) -> None:
    entries = (CHECKOUT / name).read_text().replace("\\\n", " ").splitlines()
    assert len(entries) >= least
    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def locked(name: str) -> dict[str, str]:
    """Package -> the version that the lock has."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (CHECKOUT / name).read_text(), re.MULTILINE))


def test_the_locks_hold_every_declared_dependency() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    for lock, declared in (
        ("requirements.lock", [*project["project"]["dependencies"], *groups["dev"]]),
        ("requirements-bench.lock", groups["bench"]),
        ("requirements-browser.lock", groups["browser"]),
        ("requirements-fuzz.lock", groups["fuzz"]),
    ):
        names = {re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in declared}
        assert names - locked(lock).keys() == set()


@pytest.mark.parametrize("name", ["requirements-bench.lock", "requirements-browser.lock", "requirements-fuzz.lock"])
def test_the_locks_agree_on_what_both_hold(name: str) -> None:
    one, other = locked("requirements.lock"), locked(name)
    assert {name for name in one.keys() & other.keys() if one[name] != other[name]} == set()


def test_no_file_names_a_registry_or_a_place_on_a_machine(tracked: list[Path]) -> None:
    found = [
        f"{file.relative_to(CHECKOUT)}: {match.group()}"
        for file in tracked
        if (match := FORBIDDEN.search(file.read_bytes().decode("utf-8", "replace")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "see " + "/work" + "/main",
        "https://" + REGISTRIES[0] + "/simple",
        "(" + "/root" + "/x)",
        "`" + "/home" + "/ann/x`",
    ],
)
def test_the_forbidden_is_recognised(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize("text", ["src/catchment/work/queue.py", "catchment.work", "{base}/work/", "python.org"])
def test_the_ordinary_is_not_forbidden(text: str) -> None:
    assert not FORBIDDEN.search(text)


def test_no_file_is_large(tracked: list[Path]) -> None:
    assert [str(file.relative_to(CHECKOUT)) for file in tracked if file.stat().st_size > LARGEST] == []


def test_no_recorded_sample_is_in_the_project(tracked: list[Path], samples: Path) -> None:
    def digest(file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()

    recorded = [file for file in samples.rglob("*") if file.is_file() and file.stat().st_size]
    sizes = {file.stat().st_size for file in recorded}
    suspects = {digest(file): file for file in tracked if file.stat().st_size in sizes}
    assert [str(suspects[found]) for found in map(digest, recorded) if found in suspects] == []


def test_the_version_is_the_same_everywhere() -> None:
    import catchment

    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## \[?([^\s\]]+)", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest.group(1) == declared
    assert getattr(catchment, "__version__", declared) == declared


def test_links_between_documents_lead_somewhere(tracked: list[Path]) -> None:
    broken = [
        f"{file.relative_to(CHECKOUT)}: {target}"
        for file in tracked
        if file.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text())
        if not (file.parent / target).exists()
    ]
    assert broken == []
