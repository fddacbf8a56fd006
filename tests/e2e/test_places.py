"""Two collectors on one store have no more requests open than one may; a killed one's places are free."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest
from commands import NOW, Place, ended, killed

from catchment.apps.police.standin import service
from catchment.clock import FakeClock
from catchment.standin import Options, serve_in_thread

STOPS = "/api/stops-force"
FIRST, MONTHS, CONCURRENCY = 2, 9, 4


@pytest.fixture
def police():
    clock = FakeClock(NOW)
    with serve_in_thread(service(Options(size="tiny", variant=1, samples=None, clock=clock)), clock=clock) as running:
        yield running


def planning_stops(process: subprocess.Popen[str]) -> None:
    """Returns when the process has said that it is about to ask for months."""
    assert process.stdout is not None
    assert any(line.startswith("police/stops:") for line in process.stdout)


def test_two_processes_share_the_places_among_open_requests(police, tmp_path):
    place = Place(tmp_path, {"CATCHMENT_UPSTREAM_POLICE": f"{police.url}/api"})
    police.control.hold(STOPS)
    first = place.start("collect", "police")
    police.control.wait_for(FIRST + CONCURRENCY)
    second = place.start("collect", "police")
    planning_stops(second)
    assert len(police.control.log()) == FIRST + CONCURRENCY
    police.control.release()
    assert [ended(process).code for process in (first, second)] == [0, 0]
    assert police.control.max_open() == CONCURRENCY
    asked = Counter(entry["target"] for entry in police.control.log() if entry["path"] == STOPS)
    assert (len(asked), set(asked.values())) == (MONTHS, {1})
    assert place.sql("SELECT * FROM _slot") == []


def test_the_places_of_a_killed_process_are_free_for_the_other(police, tmp_path):
    place = Place(tmp_path, {"CATCHMENT_UPSTREAM_POLICE": f"{police.url}/api"})
    police.control.hold(STOPS)
    first = place.start("collect", "police")
    police.control.wait_for(FIRST + CONCURRENCY)
    second = place.start("collect", "police")
    planning_stops(second)
    killed(first)
    assert place.sql("SELECT count(*) FROM _slot") == [(CONCURRENCY,)]
    police.control.wait_for(FIRST + 2 * CONCURRENCY)
    police.control.release()
    assert ended(second).code == 0
    assert place.sql("SELECT count(*) FROM police_stops") == [(180,)]
