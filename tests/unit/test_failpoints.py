"""Places at which a test has the process die, fail or wait."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

import catchment
from catchment.errors import StoreUnavailable, UsageError
from catchment.failpoints import GATE, LATER, POINTS, VARIABLE, FailPoint, arm, failpoint, points_from

SOURCE = Path(catchment.__file__).parent


def test_every_point_stands_in_the_source_once():
    said = Counter(
        name for file in SOURCE.rglob("*.py") for name in re.findall(r'\bfailpoint\("([a-z.]+)"\)', file.read_text())
    )
    assert said == dict.fromkeys(POINTS, 1)


def test_without_the_variable_a_point_does_nothing():
    assert failpoint is points_from("")
    for point in POINTS:
        failpoint(point)


def test_only_the_named_hit_of_the_named_point_fires_and_is_noted(tmp_path):
    log = tmp_path / "fired"
    reached = points_from("tx.begun:2:raise,page.parsed:1:io_error", str(log))
    reached("tx.begun")
    assert not log.exists()
    with pytest.raises(FailPoint):
        reached("tx.begun")
    reached("tx.begun")
    with pytest.raises(OSError, match="Input/output") as failed:
        reached("page.parsed")
    assert failed.value.errno == errno.EIO
    assert log.read_text().splitlines() == ["tx.begun:2:raise", "page.parsed:1:io_error"]


def test_a_locked_database_is_told_as_the_store_tells_it():
    with pytest.raises(StoreUnavailable, match="is locked"):
        points_from("tx.begun:1:locked")("tx.begun")


def test_a_held_point_waits_until_it_is_let_go(tmp_path, monkeypatch):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    monkeypatch.setenv(GATE, str(gate))
    passed = threading.Event()

    def work():
        points_from("run.claimed:1:hold")("run.claimed")
        passed.set()

    thread = threading.Thread(target=work)
    thread.start()
    with gate.open("wb"):  # returns when the other side has come to the gate
        assert not passed.is_set()
    thread.join(10)
    assert passed.is_set()


def test_a_killed_process_has_noted_why(tmp_path):
    log = tmp_path / "fired"
    words = {**os.environ, VARIABLE: "run.closed:1:kill", "CATCHMENT_FAILPOINTS_LOG": str(log)}
    code = "from catchment.failpoints import failpoint\nfailpoint('run.closed')\nprint('still here')"
    done = subprocess.run([sys.executable, "-c", code], check=False, env=words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")
    assert log.read_text() == "run.closed:1:kill\n"


def test_points_may_be_armed_later():
    reached, came = points_from(LATER), []
    reached("tx.begun")
    arm(came.append)
    try:
        reached("run.closed")
    finally:
        arm(points_from(""))
    reached("tx.begun")
    assert came == ["run.closed"]


@pytest.mark.parametrize(
    "text", ["nowhere:1:kill", "tx.begun:0:kill", "tx.begun:x:kill", "tx.begun:1:explode", "tx.begun"]
)
def test_what_names_no_point_is_refused(text):
    with pytest.raises(UsageError, match=re.escape(text)):
        points_from(text)
