"""Polling: what is asked, how often and by whom; what a fault of one endpoint leaves alone; and the file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from collecting import Collecting, by_partition, finished
from forkserver import Ended, run
from reporting import NOW, TYPES, Reporting, incidents_in, reporting

from catchment.app import App
from catchment.apps.incidents import api, app, identities, incidents
from catchment.clock import FakeClock, FileClock
from catchment.collect import Collector
from catchment.operate import collect_once
from catchment.runs import Scope
from catchment.settings import load_settings
from catchment.store.engines import database_of
from catchment.store.store import Store, prepare

FEED = "incidents/incidents"
PROBING = "/incidents/probing/"


def impatient(seconds: float = 0.3) -> App:
    """The app as it ships, but for a deadline in whose time a test can hang."""
    upstream = replace(api, deadline=timedelta(seconds=seconds))
    people = replace(identities, upstream=upstream)
    assert incidents.derived is not None
    return replace(
        app, feeds=[people, replace(incidents, upstream=upstream, derived=replace(incidents.derived, source=people))]
    )


# -- faults of one endpoint -----------------------------------------------------------------------------------------

FAULTS = {
    "500": ({"fault": "status", "status": 500}, "500"),
    "429": ({"fault": "status", "status": 429}, "429"),
    # As 12 s are to the deadline of 10 s.
    "hang": ({"fault": "late", "pause_s": 0.36}, "deadline"),
    "a page": ({"fault": "html"}, "no list of results"),
    "cut off": ({"fault": "truncate"}, "incomplete"),
    "half a JSON": ({"fault": "status", "status": 200, "body": '{"results":[{"prio'}, "no list of results"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_endpoint_keeps_its_last_good_data_and_six_go_on(tmp_path, name):
    """Acceptance 6."""
    fault, error = FAULTS[name]
    with reporting(tmp_path) as reported:
        if name == "hang":
            reported.collected.app = impatient()
        assert reported.poll(0).complete
        before = [item for item in incidents_in(reported.report()) if item["type"] == "probing"]
        asked = len(reported.collected.asked(PROBING))
        reported.collected.control.faults({"path": PROBING, **fault})
        began = reported.collected.clock.now()
        result = by_partition(reported.poll(), FEED)
        assert {key: item.verdict for key, item in result.items()} == {
            f"type={kind}": "failed" if kind == "probing" else "complete" for kind in TYPES
        }
        assert len(reported.collected.asked(PROBING)) == asked + 4
        waited = reported.collected.clock.now() - began - timedelta(minutes=30)
        assert timedelta(seconds=210) <= waited <= timedelta(seconds=210 * 1.25 + 1)
        after = [item for item in incidents_in(reported.report()) if item["type"] == "probing"]
        assert after == before
        assert int(reported.get().headers["x-age"]) == int(waited.total_seconds()) + 1800
        told = reported.get("/incidents/status").json()["types"]["probing"]
        assert (told["state"], told["records"], told["collected_at"]) == ("failed", 10, "2026-03-10T12:00:00Z")
        assert error in told["error"]
        reported.collected.control.faults()
        assert reported.poll().complete


def test_a_wait_that_is_asked_for_is_kept_up_to_ten_minutes(tmp_path):
    with reporting(tmp_path) as reported:
        fault = {"path": PROBING, "fault": "status", "status": 503, "retry_after": "600", "call": 1}
        reported.collected.control.faults(fault)
        assert reported.poll(0).complete
        assert reported.collected.clock.now() - NOW == timedelta(seconds=600)


def test_what_is_not_found_is_looked_for_at_every_poll(tmp_path):
    with reporting(tmp_path) as reported:
        reported.collected.control.faults({"path": PROBING, "fault": "status", "status": 404})
        for count in (1, 2, 3):
            result = by_partition(reported.poll(0 if count == 1 else 30), FEED)["type=probing"]
            assert (result.verdict, result.reason) == ("refused", "404")
            assert len(reported.collected.asked(PROBING)) == count
        reported.poll(10)
        assert len(reported.collected.asked(PROBING)) == 3
        reported.collected.control.faults()
        assert reported.poll(20).complete


def test_an_empty_list_counts_when_it_is_said_twice(tmp_path):
    with reporting(tmp_path) as reported:
        reported.poll(0)
        reported.collected.control.set(concern="probing", body="empty-list")
        result = by_partition(reported.poll(), FEED)["type=probing"]
        assert result.verdict == "partial"
        assert reported.get("/incidents/status").json()["types"]["probing"]["records"] == 10
        reported.poll(59 / 60)
        assert reported.get("/incidents/status").json()["types"]["probing"]["records"] == 10
        assert by_partition(reported.poll(1 / 60), FEED)["type=probing"].verdict == "complete"
        assert reported.get("/incidents/status").json()["types"]["probing"]["records"] == 0
        assert int(reported.get().headers["x-incidents-total"]) == 60


# -- what is asked --------------------------------------------------------------------------------------------------


def test_two_good_polls_are_sixteen_requests_and_never_more_than_two_at_once(tmp_path):
    """Acceptance 10."""
    with reporting(tmp_path, switches={"late_s": 0.02}) as reported:
        assert reported.poll(0).complete
        assert reported.poll().complete
        log = reported.collected.control.log()
        assert len(log) == 16
        assert reported.collected.control.max_open() == 2
        assert [entry["path"] for entry in (log[0], log[8])] == ["/identities/"] * 2
        assert log[0]["open"] == log[1]["open"] == 1  # the map is there before the first type is asked for
        reported.poll(29)
        assert len(reported.collected.control.log()) == 16


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_with_the_login(tmp_path, status):
    """Acceptance 18."""
    with reporting(tmp_path, switches={"redirect": status}) as reported:
        fault = {"path": PROBING, "fault": "redirect", "status": status, "location": PROBING.rstrip("/"), "call": 1}
        reported.collected.control.faults(fault)
        assert reported.poll(0).complete
        probing = [entry for entry in reported.collected.control.log() if entry["path"].startswith("/incidents/prob")]
        assert [(entry["path"], entry["status"]) for entry in probing] == [
            *((PROBING, status), (PROBING.rstrip("/"), status), (PROBING, 200))
        ]
        assert all("authorization" in entry["headers"] for entry in probing)


def test_a_redirect_to_another_host_is_refused_and_the_login_stays_here(tmp_path):
    """Acceptance 18."""
    with reporting(tmp_path) as reported, reporting(tmp_path / "other") as other:
        reported.collected.control.set(redirect_to=other.collected.url)
        summary = reported.poll(0)
        assert {(result.verdict, result.reason) for result in summary.results} == {("refused", "redirect")}
        assert len(reported.collected.control.log()) == 8
        assert other.collected.control.log() == []  # not even asked


# -- the door is shut -----------------------------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once_and_then_four_times_a_day(tmp_path):
    """Acceptance 11: one alert, by a collector that lives on."""
    with reporting(tmp_path, switches={"password": "another"}) as reported:
        collected = reported.collected
        with structlog.testing.capture_logs() as logged:
            asyncio.run(_polls(collected, 49))
        assert 2 <= len(collected.control.log()) <= 1 + 4
        assert [entry["log_level"] for entry in logged if entry["event"] == "upstream stopped"][:2] == ["error", "info"]
        assert sum(entry["log_level"] == "error" for entry in logged) == 1
        collected.control.set(password="stand-in")
        assert collected.run().complete  # a person has looked


async def _polls(collected: Collecting, count: int) -> None:
    settings = load_settings(collected.environment, folder=collected.folder, environ={})
    with Store(settings, [collected.app]) as store:
        async with Collector(collected.app, store, settings, collected.clock) as collector:
            for _ in range(count):
                await collector.run(Scope(retry=False))
                collected.clock.advance(timedelta(minutes=30))


# -- history --------------------------------------------------------------------------------------------------------


def test_the_report_holds_the_present_week_only(tmp_path):
    """Acceptance 13."""
    with reporting(tmp_path, size="small") as reported:
        for _ in range(3):
            assert reported.poll().complete
            assert reported.get().headers["x-incidents-total"] == "2100"
        assert reported.collected.number("SELECT count(*) FROM incidents_incidents_version") == 2 * 2_100


@pytest.mark.sqlite  # the size of its file; tests/store/test_sweep.py prunes on both
def test_history_is_pruned_at_its_limit_and_the_database_stays_as_large(tmp_path):
    """Acceptance 13: 48 polls, four a day, a history of two days."""
    with reporting(tmp_path, INCIDENTS_HISTORY_DAYS="2") as reported:
        asyncio.run(_kept(reported, 24))
        pages = reported.collected.number("PRAGMA page_count")
        versions = reported.collected.number("SELECT count(*) FROM incidents_incidents_version")
        assert 8 * 70 <= versions <= 10 * 70
        asyncio.run(_kept(reported, 24))
        assert abs(reported.collected.number("SELECT count(*) FROM incidents_incidents_version") - versions) <= 70
        # The ledger notes every poll, a few hundred bytes each; the records' part of the file does not grow.
        assert reported.collected.number("PRAGMA page_count") <= 1.15 * pages
        assert reported.get().headers["x-incidents-total"] == "70"


async def _kept(reported: Reporting, polls: int) -> None:
    """So many polls, six hours apart, by one collector."""
    collected = reported.collected
    settings = load_settings(collected.environment, folder=collected.folder, environ={})
    with Store(settings, [collected.app]) as store:
        async with Collector(collected.app, store, settings, collected.clock) as collector:
            for _ in range(polls):
                collected.clock.advance(timedelta(hours=6))
                assert (await collector.run(Scope(retry=False))).complete


# -- one poller -----------------------------------------------------------------------------------------------------


def test_a_poll_of_forty_minutes_makes_the_next_start_skip(tmp_path):
    """Acceptance 19: what became due meanwhile waits for the slot after."""
    with reporting(tmp_path) as reported:
        assert reported.poll(0).complete
        assert reported.get("/incidents/status").json()["poll"] == {
            "last": "2026-03-10T12:00:00Z",
            "next": "2026-03-10T12:30:00Z",
            "running": False,
            "skipped": 0,
        }
        slow = {"fault": "status", "status": 503, "retry_after": "600"}
        rules = [{"path": path, **slow, "call": call} for path in ("/identities/", PROBING) for call in (1, 2)]
        reported.collected.control.faults(*rules)
        assert reported.poll().complete
        assert timedelta(minutes=70) <= reported.collected.clock.now() - NOW < timedelta(minutes=80)
        asked = len(reported.collected.control.log())
        assert asked == 8 + 8 + 4
        reported.poll(1)
        assert len(reported.collected.control.log()) == asked
        poll = reported.get("/incidents/status").json()["poll"]
        assert (poll["last"], poll["skipped"], poll["running"]) == ("2026-03-10T12:30:00Z", 1, False)
        reported.poll(20)
        assert len(reported.collected.control.log()) == asked + 8


def place_of(collected: Collecting, *, real_time: bool = False) -> dict[str, str]:
    """The environment of a command on the same stand-in and data folder, and at the same moment unless in real time."""
    collected.folder.mkdir(exist_ok=True)
    clock = collected.folder.parent / "clock"
    FileClock(clock).set(collected.clock.now())
    when = {} if real_time else {"CATCHMENT_CLOCK": f"file:{clock}"}
    return {"PATH": os.environ["PATH"], **collected.environment, **when}


def done(collected: Collecting, *arguments: str) -> Ended:
    """`catchment` there, to its end."""
    return run(collected.folder, arguments, place_of(collected))


def command(collected: Collecting, *arguments: str, real_time: bool = False) -> subprocess.Popen[str]:
    """`catchment` there, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "catchment", *arguments],
        env=place_of(collected, real_time=real_time),
        cwd=collected.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_instances_one_polls_and_the_other_takes_over_when_it_is_killed(tmp_path):
    """Acceptance 17."""
    with reporting(tmp_path / "data") as reported:
        control = reported.collected.control
        held = ["/incidents/misuse/", "/incidents/other/"]  # of two places, the last that is asked for is one
        control.post(hold=[{"path": path} for path in held])
        first = command(reported.collected, "collect", "incidents")
        second, clock = None, FileClock(tmp_path / "clock")
        try:
            control.wait_for(8)  # all but these two is committed: else the last would not be asked for yet
            second = command(reported.collected, "collect", "incidents")
            first.kill()
            first.communicate(timeout=60)
            killed_at = clock.now()
            control.release()
            code, out, err = finished(second)
        finally:
            for process in (first, second):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.communicate(timeout=60)
        assert code == 0, out + err
        assert clock.now() - killed_at <= timedelta(seconds=120)
        asked = [entry["path"] for entry in control.log()]
        assert sorted(asked) == sorted(["/identities/", *(f"/incidents/{kind}/" for kind in TYPES), *held])
        assert reported.get().headers["x-incidents-total"] == "70"


def test_two_instances_at_once_are_one_poll(tmp_path):
    """Acceptance 17. In real time: in a file's time whoever waits for the other moves it past the other's lease."""
    with reporting(tmp_path / "data") as reported:
        control = reported.collected.control
        control.hold(f"/incidents/{TYPES[0]}/")
        both = [command(reported.collected, "collect", "incidents", real_time=True) for _ in range(2)]
        control.wait_for(3)  # beside the one that is held another one is asked for
        control.release()
        ended = [finished(process) for process in both]
        assert [code for code, _, _ in ended] == [0, 0], ended
        assert len(control.log()) == 8
        assert control.max_open() == 2


class Standing(FakeClock):
    """Time that passes only where a test says so: who waits for another takes none of the other's time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def test_two_instances_that_live_on_poll_once_an_interval(tmp_path):
    """Acceptance 17: two collectors on one data folder, each looks for what is due as soon as it is."""
    with reporting(tmp_path) as reported:
        asyncio.run(_both(reported.collected, Standing(NOW), intervals=4))


async def _both(collected: Collecting, clock: Standing, intervals: int) -> None:
    settings = load_settings(collected.environment, folder=collected.folder, environ={})
    with Store(settings, [app]) as ours, Store(settings, [app]) as theirs:
        async with Collector(app, ours, settings, clock) as one, Collector(app, theirs, settings, clock) as other:
            for number in range(1, intervals + 1):
                summaries = await asyncio.gather(*(each.run(Scope(retry=False)) for each in (one, other)))
                assert {result.verdict for summary in summaries for result in summary.results} <= {
                    "complete",
                    "unchanged",
                }
                assert len(collected.control.log()) == 8 * number
                assert collected.control.max_open() <= 2
                due = [await each.next_due(Scope(retry=False)) for each in (one, other)]
                assert due == [clock.now() + timedelta(minutes=30)] * 2
                clock.advance(timedelta(minutes=30))


def test_who_waits_for_a_type_that_another_asks_for_asks_for_the_others_meanwhile(tmp_path):
    """Of two places the other has one, and whoever waits for it has none."""
    with reporting(tmp_path) as reported:
        asyncio.run(_beside(reported.collected, Standing(NOW)))


async def _beside(collected: Collecting, clock: Standing) -> None:
    settings, control = load_settings(collected.environment, folder=collected.folder, environ={}), collected.control
    with Store(settings, [app]) as ours, Store(settings, [app]) as theirs:
        async with Collector(app, ours, settings, clock) as one, Collector(app, theirs, settings, clock) as other:
            await one.run(Scope(feeds=["identities"]))
            control.hold(f"/incidents/{TYPES[0]}/")
            first = asyncio.create_task(one.run(Scope(only={"type": TYPES[:1]})))
            await asyncio.to_thread(control.wait_for, 2)
            second = asyncio.create_task(other.run(Scope()))
            await asyncio.to_thread(control.wait_for, 8)  # the first is held, and all the others are asked for
            control.release()
            summaries = await asyncio.gather(first, second)
    assert all(summary.complete for summary in summaries)
    assert by_partition(summaries[1], FEED)[f"type={TYPES[0]}"].verdict == "unchanged"
    assert len(control.log()) == 8
    assert control.max_open() == 2


def test_a_type_that_another_gives_back_unasked_is_asked_for(tmp_path):
    """What was said of it before it was due again is no word on what it is now."""
    with reporting(tmp_path) as reported:
        asyncio.run(_given_back(reported.collected, Standing(NOW)))


async def _given_back(collected: Collecting, clock: Standing) -> None:
    settings, control = load_settings(collected.environment, folder=collected.folder, environ={}), collected.control
    with Store(settings, [app]) as ours, Store(settings, [app]) as theirs:
        async with Collector(app, ours, settings, clock) as one, Collector(app, theirs, settings, clock) as other:
            await one.run(Scope())
            clock.advance(timedelta(minutes=30))
            control.hold(f"/incidents/{TYPES[0]}/")
            before = len(control.log())
            first = asyncio.create_task(one.run(Scope(only={"type": TYPES[:1]})))
            await asyncio.to_thread(control.wait_for, before + 1)
            second = asyncio.create_task(other.run(Scope()))
            await asyncio.to_thread(control.wait_for, before + 8)  # the first is held, and all the others are asked for
            one.cut()
            await first
            control.release()
            summary = await second
    assert summary.complete
    assert by_partition(summary, FEED)[f"type={TYPES[0]}"].verdict == "complete"
    assert len(control.log()) == before + 9, "each once, and the one that was given back again"


# -- the file -------------------------------------------------------------------------------------------------------


def collect(collected: Collecting, *, again: bool = False) -> None:
    """What the command `collect` does, in this process."""
    settings = load_settings(collected.environment, folder=collected.folder, environ={})
    with Store(settings, [app]) as store:
        scopes = [(app, Scope(again=again))]
        (summary,) = asyncio.run(collect_once(scopes, store, settings, collected.clock, lambda _: None)).values()
    assert summary.complete


def test_the_file_is_the_report_after_each_poll_that_changed_something(tmp_path):
    file = tmp_path / "report.json"
    with reporting(tmp_path / "data", switches={"mode": "stable"}, INCIDENTS_FILE=str(file)) as reported:
        collect(reported.collected)
        assert file.read_bytes() == reported.get().content
        before = file.stat()
        collect(reported.collected, again=True)
        assert file.stat().st_mtime_ns == before.st_mtime_ns
        reported.collected.clock.advance(timedelta(days=1))
        collect(reported.collected, again=True)
        assert file.stat().st_ino != before.st_ino  # another file under the name: nobody reads half of it
        assert file.read_bytes() == reported.get().content
        assert [path.name for path in tmp_path.glob("*report*")] + [
            path.name for path in tmp_path.glob(".report*")
        ] == ["report.json"]


@pytest.mark.parametrize("verb", ["collect", "up"])
@pytest.mark.parametrize("place", ["nowhere/report.json", "data"], ids=["no folder", "a folder"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path, verb, place):
    with reporting(tmp_path / "data", INCIDENTS_FILE=str(tmp_path / place)) as reported:
        flags = ["--port", "0"] if verb == "up" else []
        ended = done(reported.collected, verb, "incidents", *flags)
        assert ended.code == 2
        assert ended.err.startswith(f"catchment: INCIDENTS_FILE={tmp_path / place} cannot be written")
        assert "Traceback" not in ended.err
        assert reported.collected.control.log() == []


def test_a_file_that_cannot_be_written_any_more_makes_the_run_incomplete(tmp_path):
    """The folder goes while the poll is under way; what was polled is served."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with reporting(tmp_path / "data", INCIDENTS_FILE=str(gone / "report.json")) as reported:
        collected = reported.collected
        collected.control.hold("/identities/")
        process = command(collected, "collect", "incidents")
        collected.control.wait_for(1)
        gone.rmdir()
        collected.control.release()
        code, out, err = finished(process)
        said = [line for line in (out + err).splitlines() if "incomplete" in line]
        assert code == 3, out + err
        assert "INCIDENTS_FILE=" in said[-1]
        assert "Traceback" not in out + err
        assert reported.get().status_code == 200


def test_an_upstream_that_nobody_named_is_told_in_a_line(tmp_path):
    with reporting(tmp_path / "data") as reported:
        reported.collected.values["CATCHMENT_UPSTREAM_INCIDENTS"] = ""
        ended = done(reported.collected, "collect", "incidents")
        assert ended.code == 2
        assert ended.err.startswith("catchment: CATCHMENT_UPSTREAM_INCIDENTS is not set")


def test_what_the_stand_in_prints_collects_from_it(tmp_path):
    """As it stands, in a shell that has nothing set."""
    process = subprocess.Popen(
        [sys.executable, "-m", "catchment", "standin", "incidents"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        assert lines[0].startswith("stand-in incidents on http://127.0.0.1:")
        words, _, printed = lines[1].partition(": ")
        assert words == "collect from it"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", printed],
            check=True,
            cwd=tmp_path,
            env={"PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert done.stderr == ""
    assert "incidents/identities" in done.stdout


def test_status_says_what_is_due_while_there_is_nothing_at_all(tmp_path):
    with reporting(tmp_path) as reported:
        settings = load_settings(reported.collected.environment, folder=tmp_path, environ={})
        prepare(database_of(settings.database), [app])
        due = reported.get("/incidents/status")
        assert (due.status_code, {item["state"] for item in due.json()["types"].values()}) == (200, {"due"})
        reported.poll(0)
        told = json.loads(reported.get("/incidents/status").content)
        assert list(told["types"]) == list(TYPES)
        assert told["identities"] == {
            "state": "complete",
            "records": 50,
            "collected_at": "2026-03-10T12:00:00Z",
            "age_s": 0,
            "error": None,
        }
