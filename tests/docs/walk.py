"""A page of the documents, walked as its reader would: files written, commands run, answers compared.

What a block of code is for is the word behind its language, which no reader sees:

| word | the block |
|---|---|
| a file's name | is written there; of `diff`, the change is made there |
| none, `sh` | is run, a line after the other; a block of `text` or `json` behind it is what the last line says |
| `beside` | is started in a terminal of its own, and runs until the page ends |
| none, `python` | is run, in one namespace a page |
| `elsewhere` | needs what a test has not: a registry, a container, a cluster |
| `usage`, `shown`, `signature` | is made from the code |

`…` stands for anything.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from commands import Place, ended

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
NOT_RUN = {"elsewhere", "usage", "shown", "signature"}
PORTS = ("8000", "9000")
PROGRAM = Path(sys.executable).with_name("catchment")


@dataclass(frozen=True)
class Block:
    """A block of code of a page. how: the word behind its language. line: where it stands."""

    language: str
    how: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text()
    found = re.finditer(r"^```(\w*) *(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(match[1], match[2], match[3], text.count("\n", 0, match.start()) + 1) for match in found]


class Folder(Place):
    """A reader's own: nothing is set but the clock and the port, so that a page has to say what is needed."""

    @property
    def environment(self) -> dict[str, str]:
        said = super().environment
        return {name: said[name] for name in said if name not in ("CATCHMENT_ALLOW_PRIVATE", "CATCHMENT_DATA")}


@dataclass
class Walk:
    """A reader's folder and terminals. said: what the last command printed."""

    place: Place
    page: Path
    said: str = ""
    names: dict[str, Any] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=lambda: {port: free_port() for port in PORTS})
    open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.place.values["CATCHMENT_PORT"] = self.ports["8000"]

    def through(self) -> None:
        """The whole page."""
        for block in blocks(self.page):
            try:
                self.block(block)
            except Exception as error:
                error.add_note(f"{self.page.relative_to(ROOT)}:{block.line}")
                raise

    def block(self, block: Block) -> None:
        text = self._ours(block.text)
        if block.how in NOT_RUN:
            return
        if block.how == "beside":
            for line in text.splitlines():
                self.open.enter_context(self._running(shlex.split(line)))
        elif block.language == "diff":
            self._changed(self.place.folder / block.how, text)
        elif block.how:
            (self.place.folder / block.how).write_text(text)
        elif block.language == "sh":
            self.place.clock.set(self.place.clock.now() + timedelta(minutes=1))
            self.said = self._ran(text)
        elif block.language == "python":
            exec(compile(text, str(self.page), "exec", dont_inherit=True), self.names)  # noqa: S102 (our own page)
        elif block.language == "json":
            assert matches(json.loads(text), json.loads(self.said)), self.said
        else:
            assert re.fullmatch(pattern(text), tidy(self.said)), f"{self.said}\nis not\n{text}"

    def _changed(self, file: Path, text: str) -> None:
        """Each run of lines that goes is replaced by the run of lines that comes."""
        for goes, comes in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", text, re.MULTILINE):
            before, after = (re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in (goes, comes))
            assert file.read_text().count(before) == 1, before
            file.write_text(file.read_text().replace(before, after))

    def _ran(self, text: str) -> str:
        """What the last line prints. Lines of ours alone are run without a shell, which is much quicker."""
        lines = [re.fullmatch(r"(catchment [^|><&$]*)(?:> (\S+))?", line) for line in text.splitlines()]
        if all(lines):
            return [self._ours_alone(line[1], line[2]) for line in lines if line][-1]
        done = subprocess.run(
            ["sh", "-e", "-c", text],
            cwd=self.place.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _ours_alone(self, line: str, file: str | None) -> str:
        done = self.place.run(*shlex.split(line, comments=True)[1:])
        if file:
            (self.place.folder / file).write_text(done.out)
        return done.text

    @contextmanager
    def _running(self, words: list[str]) -> Iterator[None]:
        """A program in a terminal of its own; it says in a line when it is there."""
        if words[0] == "catchment":
            process = self.place.start(*words[1:])
        else:
            process = subprocess.Popen(
                words,
                cwd=self.place.folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        try:
            assert process.stdout is not None
            assert re.search("(listening|serving|stand-in [a-z]+) on http", process.stdout.readline())
            yield
        finally:
            process.terminate()
            ended(process)

    @property
    def _environment(self) -> dict[str, str]:
        return {**self.place.environment, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}

    def _ours(self, text: str) -> str:
        """With ports that are free in the place of those that the page names."""
        return re.sub(rf"\b(?:{'|'.join(PORTS)})\b", lambda match: self.ports[match[0]], text)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def matches(shown: Any, said: Any) -> bool:
    """Whether an answer is what the page shows of it."""
    if shown == "…":
        return True
    if isinstance(shown, dict) and isinstance(said, dict):
        return shown.keys() == said.keys() and all(matches(shown[name], said[name]) for name in shown)
    if isinstance(shown, list) and isinstance(said, list):
        return len(shown) == len(said) and all(map(matches, shown, said))
    return bool(shown == said)


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def pattern(shown: str) -> str:
    return "(?s)" + ".*".join(map(re.escape, tidy(shown).split("…")))
