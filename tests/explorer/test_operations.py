"""What an operator sees: the completeness grid, budgets, runs, rejects and drift."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from catchment.explorer.grid import COLUMNS, MEANINGS, ROWS, counts, grid
from catchment.store.attempts import Attempt
from catchment.store.seen import Due

OPERATIONS = "/explore/_/operations"
THINGS = f"{OPERATIONS}/shop/things"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = Due("2026-02-27T00:00:00.000000Z")
FRESH, OLD = "2026-03-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"


def partition(verdict: str | None, collected: str | None = FRESH, reason: str = "", **params: str) -> dict[str, object]:
    key = ",".join(f"{name}={value}" for name, value in params.items())
    moments = {"collected_at": collected, "first_collected_at": collected}
    return {
        "key": key,
        "params": list(params.items()),
        "verdict": verdict,
        "reason": reason,
        "records": 1200,
        **moments,
    }


def states(lines) -> dict[str, list[str | None]]:
    return {line.name: [item and item.state for item in line.squares] for line in lines}


# -- the grid --------------------------------------------------------------------------------------------------------


def test_partitions_with_a_time_in_their_names_are_laid_out_by_it():
    rows = [
        partition("complete", force="avon", month="2026-01"),
        partition("failed", OLD, "HTTP 503", force="avon", month="2026-02"),
        partition(None, None, "never asked for", force="kent", month="2026-02"),
    ]
    found = grid(rows, [], DUE, NOW)
    assert (found.time, found.columns, found.left_out) == ("month", ["2026-02", "2026-01"], 0)
    assert states(found.lines) == {"avon": ["failed", "complete"], "kent": ["never", None]}
    failed = found.lines[0].squares[0]
    assert failed.partition == "force=avon,month=2026-02"
    assert failed.says == (
        "force=avon,month=2026-02: the last attempt failed: what was there before is kept,"
        " 1\N{NARROW NO-BREAK SPACE}200 records, collected 28 d ago, HTTP 503"
    )


def test_others_are_laid_out_by_the_days_on_which_they_were_asked_for():
    rows = [partition("complete", symbol="IBM"), partition("unchanged", OLD, symbol="AAPL")]
    at = "2026-02-27T09:30:00.000000Z"
    tried = [
        Attempt("symbol=IBM", at, "refused", "HTTP 403", 0, 0, 0, 0),
        Attempt("symbol=IBM", at, "complete", "", 9, 3, 2, 0),
    ]
    found = grid(rows, tried, DUE, NOW)
    assert (found.time, found.columns[:3]) == ("day", ["now", "03-01", "02-28"])
    assert states(found.lines) == {
        "IBM": ["complete", None, None, "complete"] + [None] * 11,
        "AAPL": ["late"] + [None] * 14,
    }
    assert found.lines[0].squares[3].says == "symbol=IBM at 09:30: collected, with proof of the end, 3 new, 2 changed"


def test_of_more_than_fits_the_worst_are_shown():
    rows = [partition("complete", id=str(number)) for number in range(ROWS + 20)] + [partition("partial", id="odd")]
    found = grid(rows, [], DUE, NOW)
    assert (found.lines[0].name, len(found.lines), found.left_out) == ("odd", ROWS, 21)
    assert list(counts(rows, DUE).items()) == [("partial", 1), ("complete", ROWS + 20)]


def test_the_newest_comes_first_and_older_ones_are_behind_a_link():
    months = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)] + ["2026-01"]
    rows = [partition("complete", month=month) for month in months]
    pages, until = [], ""
    while not pages or pages[-1].older:
        pages.append(grid(rows, [], DUE, NOW, until))
        until = pages[-1].older
    assert [column for page in pages for column in page.columns] == months[::-1]
    assert [len(page.columns) for page in pages] == [COLUMNS, COLUMNS, 1]
    assert [page.newer for page in pages] == ["", "2026-01", "2025-01"]
    assert grid(rows, [], DUE, NOW, "1999").columns == pages[0].columns, "a time before all of them is none"


def test_a_row_without_a_square_on_this_page_comes_last():
    rows = [partition("complete", force=str(number), month="2024-01") for number in range(ROWS + 1)]
    rows += [partition("complete", force="new", month=f"2026-{month:02d}") for month in range(1, COLUMNS + 1)]
    assert grid(rows, [], DUE, NOW).lines[0].name == "new"


def test_a_closed_partition_is_late_by_its_own_measure():
    due = Due(DUE.stale, closed="2026-02-15T00:00:00.000000Z", closed_stale="2026-01-01T00:00:00.000000Z")
    assert counts([partition("complete", OLD, month="2026-01")], due) == {"complete": 1}
    assert counts([partition("complete", OLD, month="2026-01")], DUE) == {"late": 1}


def test_no_two_squares_have_one_sign():
    signs = [sign for sign, _ in MEANINGS.values()]
    assert len(set(signs)) == len(signs)


# -- the pages -------------------------------------------------------------------------------------------------------


def test_operators_see_how_everything_stands(here, visit):
    here.collect(*(("a", 1), b'{"id": 7, "value": "many"}'))
    page = visit(OPERATIONS)
    assert "shop/things 1 never, 1 complete …" in page.text
    assert "shop/counted 2 never …" in page.text
    assert "shop no limit declared – – no" in page.text
    assert "Expected `str`, got `int`" in page.text
    assert "Every row" not in page.text
    assert THINGS in [link["href"] for link in page.all("a")]


def test_each_square_leads_to_what_its_partition_was_and_is(here, visit):
    here.collect(("a", 1))
    here.now += timedelta(hours=1)
    here.collect(("a", 2), ("b", 1))
    page = visit(THINGS)
    squares = {link["class"]: link for link in page.all("a") if link.get("class", "").startswith("square")}
    assert set(squares) == {"square is-complete", "square is-never"}
    assert squares["square is-never"]["aria-label"].startswith("shelf=two: wanted, and not collected yet")
    more = visit(THINGS + squares["square is-complete"]["href"].partition("#")[0])
    assert (
        "shelf=one complete : collected, with proof of the end 2 records asked just now collected just now" in more.text
    )
    assert "2026-01-01 01:02 complete 2 1 1 0 2026-01-01 00:01 complete 1 1 0 0" in more.text


def test_what_is_not_there_has_no_grid(here, visit):
    here.collect(("a", 1))
    assert visit(f"{THINGS}?partition=shelf%3Dnine").answer.status_code == 404
    assert visit(f"{THINGS}?shelf=one").answer.status_code == 400
    assert visit(f"{OPERATIONS}/shop/nothing").answer.status_code == 404


def test_a_stranger_operates_nothing(here, visit):
    here.collect(("a", 1))
    for url in (OPERATIONS, THINGS):
        refused = visit(url, "192.0.2.7")
        assert refused.answer.status_code == 401
        assert "shop" not in refused.text
