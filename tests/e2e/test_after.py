"""What an app has done after a run that changed something, and what that must not stop."""

import pytest
from commands import NOW, Place
from numbers_upstream import Numbers, write_feeds

from catchment.clock import FakeClock
from catchment.standin import serve_in_thread

AFTER = '''

def told(store):
    """Notes how many numbers there are."""
    with store.open() as now:
        count = now.count("numbers")
    with Path("told").open("a") as file:
        file.write(f"{count}\\n")
    if os.environ.get("BREAK"):
        raise RuntimeError("the disk of somebody else is full")


app = replace(app, after=told)
'''


@pytest.fixture
def feeds(place: Place):
    """A person's own file with an `after`, and the upstream that it asks."""
    with serve_in_thread(Numbers(), clock=FakeClock(NOW)) as running:
        place.values = dict(write_feeds(place.folder, running.url))
        path = place.folder / "feeds.py"
        path.write_text(f"from dataclasses import replace\n{path.read_text()}{AFTER}")
        yield running


def told(place: Place) -> list[int]:
    path = place.folder / "told"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_after_a_run_that_changed_something_the_app_is_called_with_what_there_is(place, feeds):
    assert place.run("collect", "feeds:app").code == 0
    (count,) = place.sql("SELECT count(*) FROM count_numbers")[0]
    assert told(place) == [count]
    assert place.run("collect", "feeds:app", "--again").code == 0
    assert told(place) == [count]  # asked again, and nothing was another


def test_what_it_raises_is_said_and_makes_the_run_incomplete(place, feeds):
    done = place.run("collect", "feeds:app", values={"BREAK": "1"})
    assert done.code == 3, done.text
    assert len(told(place)) == 1
    assert "the disk of somebody else is full" in done.err


def test_it_can_read_and_not_write(place, feeds):
    path = place.folder / "feeds.py"
    path.write_text(
        path.read_text().replace(
            'count = now.count("numbers")',
            'count = now._snapshot._connection.execute("DELETE FROM count_numbers").rowcount',
        )
    )
    done = place.run("collect", "feeds:app")
    assert (done.code, "the database cannot be read just now" in done.err) == (3, True), done.err
    assert place.sql("SELECT count(*) > 0 FROM count_numbers") == [(1,)]
