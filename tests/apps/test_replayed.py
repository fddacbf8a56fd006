"""What comes from rows that are derived again, and answers that were not believed when they came."""

from __future__ import annotations

from dataclasses import replace

from shows import DAY, collecting_shows, episodes, seasons, shows

from catchment import App, Record


class Dated(Record):
    id: str
    season: int
    rating: str
    title: str | None = None


def test_rows_that_are_derived_again_are_no_changed_rows_but_those_that_changed_are(tmp_path):
    """acceptance 15 of episodes: a field more in the model of a season's rows, a replay, and no request for it."""
    dated = App("shows", feeds=[shows, replace(seasons, record=Dated), episodes])
    with collecting_shows(tmp_path) as here:
        here.run()
        here.control.set(rating="9.9")
        here.clock.advance(7 * DAY)
        assert here.run(feeds=["shows", "seasons"]).complete
        requests = len(here.control.log())
        stamps = here.sql("SELECT key, stamp FROM _partition WHERE feed = 'shows/episodes' ORDER BY key")
        done = here.replay(dated)
        assert [item.passes for item in done] == [1, 4, 6]
        assert here.sql("SELECT DISTINCT title FROM shows_seasons") == [(None,)]
        assert len(here.control.log()) == requests
        now = here.sql("SELECT key, stamp FROM _partition WHERE feed = 'shows/episodes' ORDER BY key")
        kept = [before[0] for before, after in zip(stamps, now, strict=True) if before == after]
        assert kept == ["id=1-1"]
        assert here.run(feeds=["episodes"]).complete
        assert [entry["query"]["id"] for entry in here.asked("/episode")[6:]] == ["1-1"]


class Strict(Record):
    id: str
    season: int
    rating: int


def test_an_answer_held_as_drift_is_noted_and_is_read_by_a_replay_once_the_declaration_is_mended(tmp_path):
    """The upstream is asked once; the mended declaration finds what it said then."""
    strict = App("shows", feeds=[shows, replace(seasons, record=Strict), episodes])
    with collecting_shows(tmp_path, told=3) as here:
        here.app = strict
        assert not here.run().complete
        assert here.sql(
            "SELECT DISTINCT verdict, substr(reason, 1, 5) FROM _partition WHERE feed = 'shows/seasons'"
        ) == [("failed", "drift")]
        found = here.sql("SELECT DISTINCT kind, field FROM _drift")
        assert found == [("rejects", "rating")]
        requests = len(here.control.log())
        mended = App("shows", feeds=[shows, seasons, episodes])
        (done,) = [item for item in here.replay(mended) if item.collection == "shows/seasons"]
        assert (done.passes, done.after.records, done.left) == (3, 6, ())
        assert here.sql("SELECT DISTINCT verdict, reason, failures FROM _partition WHERE feed = 'shows/seasons'") == [
            ("complete", "", 0)
        ]
        assert len(here.control.log()) == requests
        assert here.run().complete
        assert len(here.asked("/season")) == 3
        assert len(here.asked("/episode")) == 6
