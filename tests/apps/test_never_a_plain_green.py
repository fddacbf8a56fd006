"""What is incomplete is said in every run, and what a person has mended is asked for at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from collecting import collecting, only_result

NOW = datetime(2026, 1, 31, 17, tzinfo=UTC)


def test_a_refused_symbol_is_incomplete_in_the_next_run_too_though_it_is_not_asked(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM,NOSUCH") as stocks:
        first, second = stocks.run(), stocks.run()
        assert (first.complete, second.complete) == (False, False)
        assert [result.reason for result in second.results] == ["bad symbol"]
        assert second.fresh == {"bars": 1, "splits": 0, "dividends": 0}
        assert len(stocks.control.log()) == 2


def test_a_mended_key_is_tried_at_once_when_a_person_asks(tmp_path):
    with collecting("stocks", tmp_path, now=NOW) as stocks:
        stocks.control.set(error="bad-key")
        assert {result.verdict for result in stocks.run().results} == {"refused", None}
        stocks.control.set(error="none")
        assert stocks.run().complete


def test_a_collector_that_lives_on_asks_a_locked_door_once_in_six_hours(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM,AAPL,MSFT", size="small") as stocks:
        stocks.control.set(error="bad-key")
        for _ in range(12):
            stocks.run(retry=False)
            stocks.clock.advance(timedelta(hours=1))
        assert len(stocks.control.log()) == 2


def test_not_modified_that_nobody_asked_about_is_no_collection(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        stocks.control.faults({"path": "/query", "fault": "status", "status": 304})
        result = only_result(stocks.run())
        assert (result.verdict, result.reason) == ("failed", "304 to a request without a condition")


def test_months_without_their_list_are_no_complete_nothing(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        summary = police.run(feeds=["stops"])
        assert not summary.complete
        assert only_result(summary).reason == "police/availability is not collected yet"
        assert police.control.log() == []


def test_an_empty_series_is_no_series(tmp_path):
    with collecting("stocks", tmp_path, now=NOW, STOCK_SYMBOLS="IBM") as stocks:
        body = '{"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": {}}'
        stocks.control.faults({"path": "/query", "fault": "status", "status": 200, "body": body})
        result = only_result(stocks.run())
        assert (result.verdict, result.reason) == ("failed", "no series")


def test_a_list_of_another_shape_is_said_without_an_accident(tmp_path):
    with collecting("police", tmp_path, now=NOW) as police:
        police.control.faults(
            {"path": "/api/crimes-street-dates", "fault": "status", "status": 200, "body": '[{"date": "2026-09"}]'}
        )
        assert (
            only_result(police.run(feeds=["availability"])).reason == "shape: [0]: a month has a list `stop-and-search`"
        )


@pytest.mark.parametrize("status", [404, 500])
def test_a_listed_month_that_is_not_there_today_is_asked_for_again(tmp_path, status):
    with collecting("police", tmp_path, now=NOW) as police:
        police.control.faults({"path": "/api/stops-force", "fault": "status", "status": status, "every": 1})
        results = [result for result in police.run().results if result.feed == "police/stops"]
        assert {result.verdict for result in results if result.verdict} == {"failed"}
        assert all(result.reason.startswith("resting") for result in results if not result.verdict)
        police.control.faults()
        assert police.run().complete


def test_a_command_is_asked_for_a_secret_once_and_again_after_a_refusal(tmp_path):
    asked = tmp_path / "asked"
    command = tmp_path / "key.sh"
    command.write_text(f"echo asked >> {asked}\necho stand-in\n")
    secret = {"ALPHAVANTAGE_API_KEY": "", "ALPHAVANTAGE_API_KEY_COMMAND": f"sh {command}"}
    with collecting("stocks", tmp_path / "data", now=NOW, **secret) as stocks:
        assert stocks.run().complete
        assert len(stocks.control.log()) == 2
        assert asked.read_text().count("asked") == 2  # to see that there is one, and to use it
