"""Servers beside each other, each in a process of its own, and clients that load them in one more."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOAD = Path(__file__).parent / "load.py"


def serve(loader: Callable[..., Any], port: int) -> None:
    """Serves what the loader gives until it is told to end: granian with one worker."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    served = Granian(
        "bench", port=port, interface=Interfaces.ASGI, workers=1, websockets=False, log_level=LogLevels.error
    )
    served.serve(target_loader=loader, wrap_loader=False)


@dataclass(frozen=True)
class Server:
    """A server in processes of its own. group: of them."""

    port: int
    group: int

    @property
    def cpu_s(self) -> float:
        """The CPU seconds that its processes have used."""
        ticks = sum(int(values[11]) + int(values[12]) for values in self._stats())
        return ticks / os.sysconf("SC_CLK_TCK")

    @property
    def resident_kib(self) -> int:
        """The memory that the process which serves has."""
        return max(int(values[21]) for values in self._stats()) * os.sysconf("SC_PAGE_SIZE") // 1024

    @property
    def peak_kib(self) -> int:
        """The most memory that one of its processes has had."""
        found = [0]
        for path in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError, ProcessLookupError):  # one that ended meanwhile
                if os.getpgid(int(path.parent.name)) == self.group:
                    lines = path.read_text().splitlines()
                    found += [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        return max(found)

    def _stats(self) -> Iterator[list[str]]:
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # one that ended meanwhile
                values = path.read_text().rpartition(")")[2].split()
                if int(values[2]) == self.group:
                    yield values


@contextmanager
def running(script: str, *arguments: str) -> Iterator[Server]:
    """A server, which is gone afterwards: the script with these arguments and `--port`."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, script, *arguments, "--port", str(port)], start_new_session=True)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the server {' '.join(arguments)} did not start") from None
                time.sleep(0.02)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class Round:
    """What came of some seconds of asking. cpu_ms, client_ms: of the server and of the clients, for one request."""

    rate: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    client_ms: float
    size: int = 0


def load(server: Server, requests: Sequence[str], clients: int, seconds: float, status: int = 200) -> Round:
    before = server.cpu_s
    command = [sys.executable, str(LOAD), *map(str, (server.port, clients, seconds, status))]
    done = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found, used = json.loads(done.stdout), server.cpu_s - before
    number = found["answered"]
    cpu_ms, client_ms = used * 1000 / number, found["cpu"] * 1000 / number
    return Round(number / found["seconds"], found["p50"], found["p95"], cpu_ms, client_ms, found["size"])
