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
