"""Child processes of a command, and the signals that end it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from .errors import CatchmentError

__all__ = ["Children", "Stopped", "end_after_parent", "end_with_parent", "in_loop", "on_stop", "stop_when_asked"]

Made = TypeVar("Made")

STOP_S = 9.0

_WATCHING = "CATCHMENT_ENDS_WITH_STDIN"
"""Set for a child alone: its standard input is a pipe that ends when its parent does, however that comes."""


class Children:
    """Other catchment commands that run beside this one, and end with it. A context manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._children: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        without: Collection[str] = (),
        piped: bool = False,
    ) -> subprocess.Popen[str]:
        """A catchment command as a child. Secrets go to it in the environment only: arguments can be seen by all.

        without: names that it does not get.
        """
        found = {name: text for name, text in {**self._environment, **environment}.items() if name not in without}
        child = subprocess.Popen(  # noqa: S603 (our own command)
            [sys.executable, "-m", "catchment", *arguments],
            env={**found, _WATCHING: "yes"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if piped else None,
            text=True,
            # Ctrl+C reaches the parent alone, which then ends its children in order.
            start_new_session=True,
        )
        self._children.append(child)
        return child

    def ready(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, without: Collection[str] = ()
    ) -> tuple[subprocess.Popen[str], str]:
        """A child that is ready, and the line by which it has said so: the first that it printed."""
        child = self.start(arguments, environment, without=without, piped=True)
        return child, _first_line(child, arguments)

    def all_ready(self, commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> list[str]:
        """The first lines of children that start together, once all of them are ready."""
        started = [self.start(arguments, environment, piped=True) for arguments in commands]
        return [_first_line(child, arguments) for child, arguments in zip(started, commands, strict=True)]


def _first_line(child: subprocess.Popen[str], arguments: Sequence[str]) -> str:
    """What a child printed first, once it has."""
    assert child.stdout is not None
    if not (line := child.stdout.readline()):
        raise CatchmentError(f"catchment {' '.join(arguments)} did not start", hint="its error is above")
    return line.strip()


class Stopped(KeyboardInterrupt):
    """The process is asked to end, and nobody has said what is to be finished first.

    Not the interpreter's own: where that one comes up while a module is being made, the process ends by its signal in
    the end, whoever has caught it.
    """


def stop_when_asked() -> None:
    """From now on SIGINT and SIGTERM raise `Stopped`, so that child processes are ended and no trace is printed."""

    def stop(_number: int, _frame: object) -> NoReturn:
        # What was about to begin does not: nothing to tell a person.
        warnings.filterwarnings("ignore", category=RuntimeWarning, message="coroutine .* was never awaited")
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def in_loop(work: Coroutine[Any, Any, Made]) -> Made:
    """Runs it in an event loop of its own. A wish to end waits while the loop is made: half of one cannot be closed."""
    asked = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    try:
        runner = asyncio.Runner()
        runner.get_loop()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, asked)
    with runner:
        return runner.run(work)


def end_with_parent() -> None:
    """From now on a child of `Children` asks itself to end once its parent is gone, killed ones included.

    Does nothing in a process that somebody else started.
    """
    if os.environ.pop(_WATCHING, None):
        # Nobody writes: what is waited for is the end.
        threading.Thread(target=_end_after, args=(lambda: os.read(0, 1),), daemon=True).start()


def end_after_parent() -> None:
    """From now on a process of `multiprocessing` asks itself to end once its parent is gone, killed ones included."""
    from multiprocessing import parent_process  # whoever has such a process has it loaded

    if parent := parent_process():
        threading.Thread(target=_end_after, args=(parent.join,), daemon=True).start()


def _end_after(wait: Callable[[], object]) -> None:
    wait()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` at the first SIGINT or SIGTERM; a second one ends the process at once.

    Ending at once is safe: nothing that was committed depends on what would come after.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def handle() -> None:
        nonlocal asked
        if asked:
            os._exit(130)
        asked = True
        stop()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
