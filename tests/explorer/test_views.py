"""What stands beside a table: counts, charts, what arrives, and what belongs to a record."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta

import pytest
from shop import counted, priced

from catchment.store.engines import transaction

THINGS = "/explore/shop/things"
COUNTS, CHART = "/explore/_/pieces/counts/shop", "/explore/_/pieces/charts/shop"
MANY = [(f"thing-{number:03d}", number % 7) for number in range(60)]


def hrefs(page) -> list[str]:
    return [link["href"] for link in page.all("a")]


# -- counts ------------------------------------------------------------------------------------------------------------


def test_values_are_counted_and_lead_to_their_records(here, visit):
    here.collect(("a", 1), ("a", 1), ("a", 2), ("b", 1), feed=counted)
    page = visit(f"{COUNTS}/counted")
    assert "id a 3 b 1" in page.text
    assert hrefs(page) == ["/explore/shop/counted?id=a", "/explore/shop/counted?id=b"]
    held = visit(f"{COUNTS}/counted?id=a&value__lt=2")
    assert "id a 2" in held.text
    assert hrefs(held) == ["/explore/shop/counted?value__lt=2"]
    assert held.all("a")[0]["aria-current"] == "true"


def test_what_tells_every_record_apart_is_not_counted(here, visit):
    here.collect(*MANY)
    assert "No field has a few values" in visit(f"{COUNTS}/things").text


def test_counts_are_a_page_of_their_own_too(here, visit):
    here.collect(("a", 1), ("a", 1), ("b", 1), ("a", 2), feed=counted)
    page = visit("/explore/_/counts/shop/counted?value__lt=2")
    assert "value < 2 ×" in page.text
    assert "/explore/shop/counted?value__lt=2&id=b" in hrefs(page)


def test_pieces_are_kept_until_something_changes(here, visit):
    here.collect(("a", 1), ("a", 2), ("b", 1), feed=counted)
    first = visit(f"{COUNTS}/counted").answer
    again = visit(f"{COUNTS}/counted").answer
    assert first.headers["etag"] == again.headers["etag"]
    assert "no-store" not in first.headers["cache-control"]
    here.now += timedelta(days=1)
    here.collect(("a", 1), ("a", 2), ("b", 1), ("a", 3), feed=counted)
    assert visit(f"{COUNTS}/counted").answer.headers["etag"] != first.headers["etag"]


# -- charts ------------------------------------------------------------------------------------------------------------


def rows(page) -> list[list[str]]:
    """The table behind a chart."""
    body = page.answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = body.replace("</a>", "").replace("</tr>", "\n").splitlines()
    return [[cell.rpartition(">")[2] for cell in row.split("</td>")[:-1]] for row in cells if row.strip()]


def test_a_histogram_counts_each_record_once(here, visit):
    here.collect(*MANY)
    found = rows(visit(f"{CHART}/things?_draw=histogram&by=value"))
    assert [row[:2] for row in found[:3]] == [["0", "1"], ["1", "2"], ["2", "3"]]
    assert [int(row[2]) for row in found][:7] == [9, 9, 9, 9, 8, 8, 8]
    assert sum(int(row[2]) for row in found) == 60
    few = rows(visit(f"{CHART}/things?_draw=histogram&by=value&value__lt=3"))
    assert few == [["0", "1", "9"], ["1", "2", "9"], ["2", "3", "9"]]


def test_bars_of_a_chart_lead_to_what_they_count(here, visit):
    here.collect(*MANY)
    page = visit(f"{CHART}/things?_draw=bars&by=value")
    assert rows(page)[0] == ["0", "9"]
    assert f"{THINGS}?value=0" in hrefs(page)
    api = next(href for href in hrefs(page) if href.startswith("/v1/"))
    told = json.loads(visit(api).answer.text)["data"]
    assert [[str(row["value"]), str(row["count()"])] for row in told] == rows(page)
    assert visit(f"{CHART}/things?_draw=bars&by=id&of=max(value)").answer.status_code == 200


def test_a_chart_is_of_the_filtered_view_and_of_then(here, visit):
    here.collect(("a", 1), ("b", 1))
    here.collect(("a", 2), ("b", 1), ("c", 2))
    chart = f"{CHART}/things?_draw=bars&by=value"
    assert rows(visit(chart)) == [["2", "2"], ["1", "1"]]
    assert rows(visit(f"{chart}&as_of=1")) == [["1", "2"]]
    assert rows(visit(f"{chart}&id__in=a,b")) == [["1", "1"], ["2", "1"]]


def test_nothing_to_draw_is_said(here, visit):
    here.collect(("a", 1))
    assert "Nothing to draw" in visit(f"{CHART}/things?_draw=histogram&by=value&id=z").text
    assert "Nothing to draw" in visit(f"{CHART}/priced?_draw=histogram&by=price").text


@pytest.mark.parametrize("address", ["_draw=map", "_draw=bars&of=median(value)", "_draw=histogram&by=id", "values=1"])
def test_a_chart_that_cannot_be_is_refused(here, visit, address):
    here.collect(("a", 1))
    assert visit(f"/explore/_/charts/shop/things?{address}&_whole=yes").answer.status_code == 400


def test_the_page_of_a_chart_draws_nothing_until_it_is_asked(here, visit):
    here.collect(*MANY)
    page = visit("/explore/_/charts/shop/things?value__gt=1&_draw=histogram&by=value")
    assert not page.all("rect")
    (piece,) = (attrs["hx-get"] for _, attrs in page.tags if "hx-get" in attrs)
    assert visit(piece).all("rect", "bar-of")
    whole = next(href for href in hrefs(page) if "_whole=yes" in href)
    assert visit(whole).all("rect", "bar-of")
    assert "value > 1 ×" in page.text


# -- what arrives ------------------------------------------------------------------------------------------------------


def test_what_arrived_last_stands_first(here, visit):
    here.collect(("a", 1), ("b", 1))
    here.collect(("a", 2))
    page = visit("/explore/_/changes/shop/things")
    assert (
        "gone b 2026-01-01 00:02:00 changed a · 2 value 2026-01-01 00:02:00 new b · 1 2026-01-01 00:01:00" in page.text
    )
    kinds = [attrs["class"] for tag, attrs in page.tags if tag == "li" and attrs.get("class", "").startswith("is-")]
    assert kinds == ["is-gone", "is-changed", "is-new", "is-new"]
    (stream,) = (attrs["data-changes"] for _, attrs in page.tags if "data-changes" in attrs)
    assert stream == "/v1/shop/things/changes?after=2"
    here.collect(("a", 3))
    (line,) = visit(stream).answer.text.splitlines()
    assert json.loads(line)["key"] == "a"


def test_of_many_changes_at_once_there_is_the_beginning(here, visit):
    here.collect(*MANY)
    page = visit("/explore/_/changes/shop/things")
    assert len([attrs for tag, attrs in page.tags if attrs.get("class") == "is-new"]) == 50
    assert "/v1/shop/things/changes?after=0" in hrefs(page)


def test_a_collection_that_never_changed_says_so(here, visit):
    here.collect(("a", 1))
    assert "Nothing was there to change yet." in visit("/explore/_/changes/shop/counted").text


# -- what belongs to a record ------------------------------------------------------------------------------------------


def test_a_record_leads_to_its_namesakes_and_to_all_of_its_kind(here, visit):
    here.collect(("a", 1))
    here.collect(("a", 1), feed=priced)
    page = visit(f"{THINGS}/a")
    assert "The same in priced a · 1 · 1" in page.text
    assert "/explore/shop/priced/a" in hrefs(page)
    assert "The same in counted" not in page.text


def test_the_first_page_counts_all_when_it_is_asked_to(here, visit):
    here.collect(*MANY)
    assert visit("/explore/_/pieces/count/shop/things").answer.text == "<strong>60</strong>"
    assert visit("/explore/_/pieces/count/shop/things", "192.0.2.7").answer.status_code == 401


def test_the_first_page_draws_what_changed_since_it_was_asked_before(here, visit):
    here.collect(("a", 1), ("b", 1))
    days = [visit("/").answer.text.count("2026-01-01: 2 changes")]
    here.now += timedelta(hours=1)
    here.collect(("a", 2), ("b", 1))
    days += [visit("/").answer.text.count("2026-01-01: 3 changes")]
    here.now += timedelta(days=1)
    days += [visit("/").answer.text.count("2026-01-01: 3 changes")]
    assert days == [1, 1, 1]


def test_what_was_loaded_all_at_once_is_not_told_change_by_change(here, visit):
    here.collect(("a", 1))
    with closing(here.store.database.open()) as sql, transaction(sql, durable=False):
        sql.execute("UPDATE _collection SET revision = 9 WHERE name = 'shop/things'")
    page = visit("/explore/_/changes/shop/things")
    assert page.answer.status_code == 200
    assert "How it came to revision 9 is not kept change by change." in page.text
    assert page.all("ol", "arrivals")[0]["data-changes"] == "/v1/shop/things/changes?after=9"


@pytest.mark.parametrize("page", ["charts", "counts", "changes", "pieces/charts", "pieces/counts"])
def test_a_stranger_is_shown_none_of_it(here, visit, page):
    here.collect(("a", 1))
    refused = visit(f"/explore/_/{page}/shop/things", "192.0.2.7")
    assert refused.answer.status_code == 401
    assert "thing" not in refused.text
