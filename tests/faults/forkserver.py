"""Runs commands of `catchment`, each in a process of its own that is forked where everything is imported already.

As a program it is the server: a JSON line for each order on standard input, a JSON line in answer on standard output.
`Forks` is the hand on it. A process made this way costs some milliseconds, one that imports costs half a second.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from catchment.app import SHIPPED

VARIABLE, LOG = "CATCHMENT_FAILPOINTS", "CATCHMENT_FAILPOINTS_LOG"
PRELOADED = (
    "catchment.cli.commands",
    "catchment.console",
    "catchment.operate",
    "catchment.store.store",
    "pydantic.type_adapter",
    "pydantic.plugin._loader",
    "typer._adapters",
    "typer._click.decorators",
    "rich._emoji_codes",
    "rich._spinners",
    "catchment.progress",
    "catchment.replay",
    "catchment.store.engines.postgresql",
)
"""What a collection imports."""


@dataclass(frozen=True)
class Fork:
    """A command that runs. output: the file of what it prints."""

    server: Forks
    pid: int
    output: Path

    def end(self) -> int:
        """Its exit code, negative for the signal that ended it, once it has ended."""
        return self.server.ask({"wait": self.pid})

    def stopped(self) -> bool:
        """Whether it was stopped, once it was or has ended."""
        return bool(self.server.ask({"wait": self.pid, "until": "stopped"}))

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    @property
    def ended(self) -> bool:
        """Whether it has ended by now, though nobody has waited for it."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    @property
    def text(self) -> str:
        return self.output.read_text()


class Forks:
    """A server that forks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, order: Mapping[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(json.loads(self._process.stdout.readline()))

    def start(
        self,
        folder: Path,
        arguments: Sequence[str],
        values: Mapping[str, str],
        *,
        points: str = "",
        hits: str = "",
        files: int = 0,
        output: Path | None = None,
        errors: Path | None = None,
    ) -> Fork:
        """The command, running in a folder.

        output: the file for what it prints, by default `output` in the folder; errors: the one for what it prints on
        standard error, by default the same. points: as in CATCHMENT_FAILPOINTS, which may be among the values instead.
        hits: a file for how often each point was met. files: how many may be open.
        """
        out = output or folder / "output"
        order = {"folder": str(folder), "arguments": list(arguments), "values": dict(values), "files": files}
        order |= {"output": str(out), "errors": str(errors or ""), "points": points, "hits": hits}
        return Fork(self, self.ask(order), out)


@contextmanager
def forks(*modules: str) -> Iterator[Forks]:
    """A server for as long as the block lasts. modules: what else its processes have imported."""
    process = subprocess.Popen(
        [sys.executable, __file__, *modules],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, VARIABLE: "later"},
    )
    try:
        yield Forks(process)
    finally:
        process.communicate()  # no more orders: it ends


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def run(folder: Path, arguments: Sequence[str], values: Mapping[str, str]) -> Ended:
    """A command in a folder, to its end. values: all of its environment."""
    with tempfile.TemporaryDirectory(prefix="catchment-said-") as said:
        out, err = Path(said, "out"), Path(said, "err")
        code = server().start(folder, arguments, values, output=out, errors=err).end()
        return Ended(code, out.read_text(), err.read_text())


@cache
def server() -> Forks:
    """What `run` forks from, with all that a server and the apps that ship import. It ends with this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(forks("catchment.serve.server", *(f"catchment.apps.{name}" for name in SHIPPED)))


_WRITTEN = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def _work(order: Mapping[str, object]) -> None:
    """The command, in the process that was forked for it; it ends with it."""
    from catchment.cli import main
    from catchment.failpoints import arm, points_from

    folder = Path(str(order["folder"]))
    os.chdir(folder)
    sys.path[0] = str(folder)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(str(order["output"]), _WRITTEN), 1)
    os.dup2(os.open(str(order["errors"]), _WRITTEN) if order["errors"] else 1, 2)
    os.environ.clear()
    os.environ.update(order["values"])
    time.tzset()
    if order["files"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(order["files"]),) * 2)
    sys.argv = ["catchment", *order["arguments"]]
    points = str(order["points"]) or os.environ.get(VARIABLE, "")
    reached = points_from(points, os.environ.get(LOG) or str(folder / "fired"))
    met: Counter[str] = Counter()

    def counted(point: str) -> None:
        met[point] += 1
        reached(point)

    arm(counted if order["hits"] else reached)
    try:
        main()
    finally:
        if order["hits"]:
            Path(str(order["hits"])).write_text(json.dumps(met))


def _forked(order: Mapping[str, object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        _work(order)
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 (as an interpreter does it with what nobody caught)
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _warm() -> None:
    """Has what every process would make for itself, its commands and the words for its tables."""
    from catchment.cli import program
    from catchment.store.engines import database_of
    from catchment.store.store import prepare

    program()
    with tempfile.TemporaryDirectory(prefix="catchment-warm-") as folder:
        prepare(database_of(f"sqlite:///{folder}/catchment.sqlite"), [])


def _serve() -> None:
    for module in (*PRELOADED, *sys.argv[1:]):
        importlib.import_module(module)
    _warm()
    gc.freeze()  # what is imported is not walked through, and so not copied, in every process
    ended: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        print(_waited(order, ended) if "wait" in order else _forked(order), flush=True)


def _waited(order: Mapping[str, object], ended: dict[int, int]) -> int:
    """The exit code of a process, or whether it was stopped. ended: the codes of those that have ended instead."""
    pid, stops = int(str(order["wait"])), "until" in order
    if pid not in ended:
        _, status = os.waitpid(pid, os.WUNTRACED * stops)
        if os.WIFSTOPPED(status):
            return 1
        ended[pid] = os.waitstatus_to_exitcode(status)
    return 0 if stops else ended.pop(pid)


if __name__ == "__main__":
    _serve()
