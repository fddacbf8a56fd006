"""The service under a hunt, in processes of its own: it is started, killed without a word, and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path

FOLDER = Path(__file__).parents[1]
LIMITS = ("CATCHMENT_LIMIT_ANONYMOUS", "CATCHMENT_LIMIT_KEY", "CATCHMENT_LIMIT_WRITES", "CATCHMENT_LIMIT_FAILED_KEYS")
UNLIMITED = dict.fromkeys((*LIMITS, "PROVIDERS_LIMIT_WRITES", "PROVIDERS_LIMIT_REVIEWS"), "off")


class Service:
    """`catchment serve TARGETS` on one port. `up` is set while it listens. folder: where its modules are.

    database: a file beside which it keeps what it keeps, and its data where no value names another database.
    """

    def __init__(self, database: Path, target: str, folder: Path = FOLDER, **values: str) -> None:
        self._folder = folder
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        where = {"CATCHMENT_DATA": str(database.parent), "CATCHMENT_PORT": str(self.port)}
        self._environment = os.environ | UNLIMITED | where | values
        self._target = target
        self.up = threading.Event()
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "catchment", "serve", *self._target.split()],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = []
        for line in iter(self._process.stdout.readline, ""):
            said.append(line)
            if "serving on" in line:
                # What it says later is read too: a full pipe would hold it up.
                self._listener = threading.Thread(target=self._process.stdout.read)
                self._listener.start()
                self.up.set()
                return
        raise RuntimeError(f"the service did not start: {''.join(said)}")

    def kill(self) -> None:
        """Server and worker are gone, in the middle of whatever they did."""
        self.up.clear()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._gone()

    def stop(self) -> int:
        """The exit status, after it ended by itself."""
        self.up.clear()
        self._process.terminate()
        return self._gone()

    def _gone(self) -> int:
        status = self._process.wait(timeout=30)
        self._listener.join()
        self._process.stdout.close()
        return status


class Caller:
    """One person with one key and one connection."""

    def __init__(self, port: int, key: str = "") -> None:
        self._port = port
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, url: str, body: object = None, **headers: str) -> tuple[int, dict]:
        """Status and JSON of the answer. OSError or HTTPException when there is none."""
        given = {"content-type": "application/json"} | self._headers
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self._connection.request(method, url, None if body is None else json.dumps(body), given)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        except Exception:
            self._connection.close()  # the next request opens another
            raise

    def close(self) -> None:
        self._connection.close()
