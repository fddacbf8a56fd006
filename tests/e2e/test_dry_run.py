"""A dry run asks, compares and says what came, and leaves nothing behind but what it spent."""

from __future__ import annotations

import json

import pytest
import zstandard
from commands import NOW, Place

from catchment.apps.police.standin import service
from catchment.clock import FakeClock
from catchment.standin import Control, Options, serve_in_thread

STOPS = "/api/stops-force"
ONE = ("--only", "force=leicestershire", "--only", "month=-2")  # 2026-01: two months before NOW
MONTH = "force=leicestershire&date=2026-01"
SPENT = ("_budget", "_slot")
MADE = ("_meta", "_schema", "_collection")


@pytest.fixture(scope="module")
def police():
    clock = FakeClock(NOW)
    with serve_in_thread(service(Options(size="tiny", variant=1, samples=None, clock=clock)), clock=clock) as running:
        yield running


@pytest.fixture
def place(police, tmp_path):
    police.control.reset()
    return Place(tmp_path, {"CATCHMENT_UPSTREAM_POLICE": f"{police.url}/api"})


@pytest.fixture
def control(police) -> Control:
    return police.control


def dump(place: Place) -> dict[str, list[tuple]]:
    """Everything that is stored, but what was spent."""
    return {name: sorted(place.sql(f'SELECT * FROM "{name}"'), key=repr) for name in place.tables() - set(SPENT)}


def asked(control: Control) -> int:
    return sum(entry["path"] == STOPS for entry in control.log())


def test_on_an_empty_folder_it_prints_counts_and_the_last_record_and_stores_nothing(place, control):
    """Acceptance 3 of police."""
    done = place.run("collect", "police/stops", *ONE, "--dry-run")
    assert done.code == 0, done.text
    said, record = done.out.splitlines()
    assert said == (
        "police/stops force=leicestershire,month=2026-01: complete,"
        " 20 received, 20 new, 0 changed, 0 same, 0 gone, 0 rejected"
    )
    found = json.loads(record)
    assert (found["force"], found["month"]) == ("leicestershire", "2026-01")
    assert [entry["query"]["date"] for entry in control.log()] == ["2026-01"]
    assert {name: rows for name, rows in dump(place).items() if name not in MADE} == {
        name: [] for name in dump(place) if name not in MADE
    }


def test_beside_what_is_stored_it_compares_and_changes_nothing(place, control):
    """Acceptance 3 of police."""
    assert place.run("collect", "police").code == 0
    before, spent = dump(place), place.sql("SELECT * FROM _budget")
    control.set(changed_since=1)
    done = place.run("collect", "police", *ONE, "--dry-run")
    assert done.code == 0, done.text
    assert "month=2026-01: complete, 20 received, 1 new, 0 changed, 19 same, 1 gone, 0 rejected" in done.out
    assert dump(place) == before
    assert place.sql("SELECT * FROM _budget") != spent
    assert asked(control) == 9 + 1


def test_the_last_record_is_that_of_the_answer(place, control):
    """Acceptance 3 of police: also where every record is stored already."""
    assert place.run("collect", "police").code == 0
    control.set(added_since=1)
    last = place.run("collect", "police", *ONE, "--dry-run").out.splitlines()[-1]
    assert json.loads(last)["operation_name"] == "Added later"
    control.set(added_since=0)
    same = place.run("collect", "police", *ONE, "--dry-run").out
    assert "0 new, 0 changed, 20 same" in same
    assert json.loads(same.splitlines()[-1])["operation_name"] is None


def test_it_says_what_the_run_itself_would(place, control):
    """Also beside rows that cannot be read: what went is retired, and what one of them may be is not."""
    assert place.run("collect", "police").code == 0
    control.set(wrong_type=True, removed_since=1, removed_count=1)
    said = place.run("collect", "police", *ONE, "--dry-run").out.splitlines()[0]
    kept = "(kept, as they may be rows that cannot be read: 1)"
    assert said.endswith(f"complete {kept}, 19 received, 0 new, 0 changed, 18 same, 1 gone, 1 rejected")
    assert place.run("collect", "police", *ONE, "--again").code == 0
    numbers = "SELECT received, new, changed, same, gone, rejected FROM _attempt ORDER BY id DESC LIMIT 1"
    assert place.sql(numbers) == [(19, 0, 0, 18, 1, 1)]


def test_without_records_it_says_so(place, control):
    """Acceptance 3 of police."""
    control.faults({"path": STOPS, "fault": "status", "status": 200, "body": "[]"})
    done = place.run("collect", "police", *ONE, "--dry-run")
    assert done.code == 0, done.text
    assert done.out.splitlines()[-1] == "No records returned"
    assert asked(control) == 1


def test_a_whole_app_is_looked_at_though_its_list_is_not_kept(place, control):
    done = place.run("collect", "police", "--dry-run")
    assert done.code == 0, done.text
    assert done.out.count("complete, 20 received, 20 new") == 9
    assert asked(control) == 9
    assert place.sql("SELECT count(*) FROM police_availability") == [(0,)]


def test_a_month_with_data_that_answers_empty_says_so(place, control):
    """Acceptance 3 of police: the ordinary run would doubt such an answer; a look says what was in it."""
    assert place.run("collect", "police").code == 0
    before = dump(place)
    control.faults({"path": STOPS, "fault": "status", "status": 200, "body": "[]"})
    done = place.run("collect", "police", *ONE, "--dry-run")
    assert done.code == 0, done.text
    said, last = done.out.splitlines()[-2:]
    assert "waits until it is said again" in said
    assert "0 received" in said
    assert last == "No records returned"
    assert dump(place) == before


def test_a_month_that_lost_most_of_its_records_shows_the_last_one(place, control):
    assert place.run("collect", "police").code == 0
    (whole,) = place.sql("SELECT data FROM _body b JOIN _exchange e USING (digest) WHERE e.url LIKE ?", f"%{MONTH}%")
    rows = json.loads(zstandard.decompress(whole[0]))
    control.faults({"path": STOPS, "fault": "status", "status": 200, "body": json.dumps(rows[:5])})
    done = place.run("collect", "police", *ONE, "--dry-run")
    assert done.code == 0, done.text
    said, last = done.out.splitlines()[-2:]
    assert ": partial (" in said
    assert "5 received" in said
    assert json.loads(last)["month"] == "2026-01"


def test_with_nothing_due_it_says_so(place, control):
    assert place.run("collect", "police").code == 0
    asked_before = asked(control)
    done = place.run("collect", "police/stops", "--dry-run")
    assert (done.code, done.out.splitlines()) == (0, ["Nothing is due: nothing was asked"])
    assert asked(control) == asked_before


def test_what_could_not_be_had_is_said_with_its_reason(place, control):
    """The contract's "Exit 0": a look has done what it was asked for, whatever it saw."""
    control.faults({"path": STOPS, "fault": "html"})
    done = place.run("collect", "police", *ONE, "--dry-run")
    assert done.code == 0
    assert ": failed (" in done.out
    assert "No records returned" not in done.out


def test_for_a_script_it_prints_json(place):
    done = place.run("collect", "police/stops", *ONE, "--dry-run", "--json")
    (result,) = json.loads(done.out)["data"]
    assert (result["verdict"], result["counts"]["new"]) == ("complete", 20)
