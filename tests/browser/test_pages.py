"""What a person does with the pages of all five apps, in a real browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx
import pytest
from five_apps import EPISODE
from hostile import texts


@dataclass(frozen=True)
class Case:
    """A collection, and what is done with it. sort: a field; keep: field, operator, value; charts: by their names."""

    collection: str
    sort: str
    keep: tuple[str, str, str]
    charts: tuple[str, ...]

    @property
    def filter(self) -> tuple[str, str]:
        name, operator, value = self.keep
        return f"{name}__{operator}" if operator else name, value


CASES = [
    Case("police/stops", "datetime", ("object_of_search", "contains", "drugs"), ("Over time", "By field", "Map")),
    Case("stocks/bars", "close", ("symbol", "", "IBM"), ("Candles", "Over time")),
    Case("incidents/incidents", "timestamp", ("priority", "in", "high,critical"), ("Over time", "Spread")),
    Case("episodes/episodes", "imdb_rating", ("released", "gte", "2011-04-18"), ("By field", "Spread")),
    Case("providers/providers", "cost_in_pence", ("skills", "has", "Plumbing"), ("By field", "Spread")),
]
APPS = [pytest.param(case, id=case.collection.partition("/")[0]) for case in CASES]


@pytest.fixture(scope="module", autouse=True)
def written(five):
    """What people wrote, before anybody looks."""
    for number in range(7):
        five.offer(f"Provider {number}", "Plumbing" if number else "Roofing", f"Skill {number}")


def keys(visitor, collection: str, *pairs: tuple[str, str]) -> list[str]:
    """The keys of a list, as the API answers them."""
    answer = httpx.get(f"{visitor.site.url}/v1/{collection}?{urlencode(pairs)}", timeout=30)
    assert answer.status_code == 200, answer.text
    return [f"/explore/{collection}/{row['_key']}" for row in answer.json()["data"]]


def rows(page) -> list[str]:
    return page.locator("a.open").evaluate_all("(found) => found.map((link) => link.getAttribute('href'))")


# -- each app ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", APPS)
def test_a_collection_is_sorted_filtered_and_turned(visitor, case):
    few, kept = ("limit", "2"), case.filter
    page = visitor.go(f"/explore/{case.collection}?limit=2")
    page.locator("th > div > a").get_by_text(case.sort, exact=True).click()
    page.locator("th[aria-sort=ascending]", has_text=case.sort).wait_for()
    assert rows(page) == keys(visitor, case.collection, ("sort", case.sort), few)
    page.locator("th[aria-sort=ascending] a").click()
    page.locator("th[aria-sort=descending]").wait_for()
    order = ("sort", f"-{case.sort}")
    assert rows(page) == keys(visitor, case.collection, order, few)

    page.get_by_role("button", name=f"Filter by {case.keep[0]}", exact=True).click()
    form = page.locator(f"#by-{case.keep[0]} form")
    form.locator("select[name=_op]").select_option(case.keep[1])
    form.locator("[name=_value]").fill(case.keep[2])
    form.get_by_role("button").click()
    page.locator(".chips a", has_text=case.keep[0]).wait_for()
    found = keys(visitor, case.collection, order, kept, ("limit", "1000"))
    assert 2 <= len(found) < len(keys(visitor, case.collection, ("limit", "1000")))
    assert rows(page) == found[:2]
    page.locator(".chips a").click()
    page.locator(".chips a").wait_for(state="hidden")
    first = rows(page)
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="First page").wait_for()
    assert first + rows(page) == keys(visitor, case.collection, order, ("limit", "4"))


@pytest.mark.parametrize("case", APPS)
def test_a_collection_is_seen_as_it_was_counted_and_taken_along(visitor, case):
    page = visitor.go(f"/explore/{case.collection}?limit=5")
    page.get_by_role("button", name="As it was").click()
    page.locator("#then input[inputmode=numeric]").fill("1")
    page.locator("#then form:last-of-type button").click()
    page.locator(".chips .then").wait_for()
    assert rows(page) == keys(visitor, case.collection, ("as_of", "1"), ("limit", "5"))
    visitor.settle()
    page.get_by_role("button", name="Take along").click()
    address = page.locator("#elsewhere pre").first.inner_text()
    assert len(httpx.get(f"{visitor.site.url}{address}", timeout=30).json()["data"]) == len(rows(page))
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV, all of it").click()
    assert download.value.suggested_filename == case.collection.replace("/", "-") + ".csv"


@pytest.mark.parametrize("case", APPS)
def test_a_collection_has_charts_with_tables_behind_them(visitor, case):
    page = visitor.go(f"/explore/{case.collection}?limit=1")
    page.locator(".tabs a", has_text="Charts").click()
    for name in case.charts:
        page.locator(".kinds a", has_text=name).click()
        page.locator(".charted svg").first.wait_for()
        shapes = page.locator(".charted svg").first.locator("rect, circle, path.line")
        assert shapes.count() > 0, name
        page.locator(".charted summary").focus()
        page.keyboard.press("Enter")
        assert page.locator(".charted tbody tr").first.is_visible(), name


@pytest.mark.parametrize("case", APPS)
def test_a_record_leads_to_where_it_came_from(visitor, case):
    page = visitor.go(f"/explore/{case.collection}?limit=1")
    page.locator("a.open").click()
    page.get_by_role("heading", name="Versions").wait_for()
    assert page.locator(".fields > div").count() > 3
    written = case.collection.startswith("providers")
    assert page.locator("pre.raw mark").count() == (0 if written else 1)


@pytest.mark.parametrize("case", APPS)
def test_what_arrives_is_seen_while_somebody_looks(visitor, case):
    page = visitor.go(f"/explore/_/changes/{case.collection}")
    page.get_by_text("Listening").wait_for()
    visitor.site.news(case.collection.partition("/")[0])
    page.locator("li.fresh").first.wait_for()
    assert page.locator("li.fresh a").first.get_attribute("href").startswith(f"/explore/{case.collection}/")
    page.get_by_text("arrived since this page was opened").wait_for()


# -- what only some have -----------------------------------------------------------------------------------------------


def test_the_first_page_leads_everywhere(visitor):
    page = visitor.go("/")
    for case in CASES:
        assert page.locator(f"a[href='/explore/{case.collection}']").count() == 1
    page.locator("a[href='/explore/episodes/episodes']").click()
    page.locator("table.records").wait_for()


def test_what_arrives_is_text_and_nothing_else(visitor):
    page = visitor.go("/explore/_/changes/providers/providers")
    page.get_by_text("Listening").wait_for()
    name = "<img src=x onerror=alert(1)> & Sons"
    identity = visitor.site.offer(name)
    fresh = page.locator("li.fresh a")
    fresh.wait_for()
    assert fresh.inner_text().startswith(name)
    assert fresh.get_attribute("href") == f"/explore/providers/providers/{identity}"
    assert page.locator("li.fresh b").inner_text() == "new"
    assert "1 arrived" in page.locator("[data-state]").inner_text()


def test_differences_between_versions_are_marked(visitor):
    page = visitor.go("/explore/stocks/bars?symbol=IBM&sort=-date&limit=3")
    page.locator("a.open").last.click()
    page.get_by_role("heading", name="version 2").wait_for()
    before, after = page.locator(".diff del").inner_text(), page.locator(".diff ins").inner_text()
    assert round((float(after) - float(before)) * 100) == 1
    page.get_by_role("link", name="version 1").click()
    page.get_by_text("This is how it was until").wait_for()
    assert before in page.locator(".fields").inner_text()


def test_a_record_shows_what_people_wrote_about_it(visitor):
    visitor.site.write("episodes/comments", episode=EPISODE, text="Winter is here, I say.")
    page = visitor.go(f"/explore/episodes/episodes/{EPISODE}")
    page.get_by_role("link", name="Winter is here, I say.", exact=False).click()
    page.get_by_role("link", name="About episodes").click()
    page.get_by_role("heading", name=EPISODE).wait_for()


def test_counts_narrow_a_table(visitor):
    visitor.page.set_viewport_size(WIDE)
    page = visitor.go("/explore/police/stops?limit=5")
    facet = page.locator(".facet", has_text="gender")
    facet.get_by_role("link", name="Female", exact=False).click()
    page.locator(".chips a", has_text="gender").wait_for()
    assert rows(page) == keys(visitor, "police/stops", ("gender", "Female"), ("limit", "5"))


def test_places_near_each_other_are_entered(visitor):
    page = visitor.go("/explore/_/charts/hostile/sayings?_draw=map")
    spot = page.locator("a:has(.inside)").first
    before = int(spot.locator(".inside").text_content())
    spot.click()
    page.locator(".chips a").first.wait_for()
    page.locator(".charted svg").wait_for()
    found = page.locator(".charted td:first-child").all_text_contents()
    assert sum(map(int, found)) == before
    assert len(found) > 1


@pytest.mark.parametrize("visitor", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True)
def test_a_command_is_copied_in_one_click(visitor):
    page = visitor.go("/explore/stocks/bars?symbol=IBM")
    page.get_by_role("button", name="Take along").click()
    page.locator("#elsewhere .copy", has_text="Python").get_by_role("button").click()
    page.get_by_role("button", name="Copied").wait_for()
    found: dict[str, object] = {}
    exec(page.evaluate("navigator.clipboard.readText()"), found)  # noqa: S102 (what a person would do with it)
    assert {row["symbol"] for row in found["records"]} == {"IBM"}


def test_an_operation_is_found_and_asked_by_keyboard_alone(visitor):
    page = visitor.go("/docs")
    page.keyboard.press("/")
    page.keyboard.type("bars stats")
    page.get_by_text("1 found").wait_for()
    assert page.locator("[data-row]:visible").count() == 1
    page.locator("[data-row]:visible a").focus()
    page.keyboard.press("Enter")
    page.get_by_label("by", exact=True).fill("symbol")
    page.keyboard.press("Enter")
    page.get_by_text("200 OK").wait_for()
    answer = httpx.get(f"{visitor.site.url}/v1/stocks/bars/stats?by=symbol&limit=10", timeout=30)
    assert json.loads(page.locator("[data-body]").inner_text()) == answer.json()
    assert answer.headers["etag"] in page.locator("[data-headers]").text_content()


# -- everybody ---------------------------------------------------------------------------------------------------------

PAGES = {
    "home": "/",
    "table": "/explore/police/stops?gender=Female&sort=-datetime&limit=5",
    "record": "/explore/stocks/bars?symbol=IBM&sort=-date&limit=3",
    "lying bars": "/explore/_/charts/police/stops?_draw=bars&by=gender",
    "histogram": "/explore/_/charts/stocks/bars?_draw=histogram&by=close",
    "candles": "/explore/_/charts/stocks/bars?_draw=candles&symbol=IBM",
    "map": "/explore/_/charts/police/stops?_draw=map",
    "changes": "/explore/_/changes/incidents/incidents",
    "operations": "/explore/_/operations",
    "completeness": "/explore/_/operations/police/stops",
    "api": "/docs",
    "api operation": "/docs/stocks_bars_stats?_ask=1&by=symbol&of=count()",
}
WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 360, "height": 740}


def shown(visitor, name: str):
    """The page of that name, with all that belongs to it."""
    page = visitor.go(PAGES[name])
    if name == "record":
        page.locator("a.open").last.click()
        page.get_by_role("heading", name="Versions").wait_for()
    visitor.settle()
    return page


def test_nobody_is_kept_out(visitor):
    """By axe's rules, in the light and the dark, on a wide screen and on a phone."""
    for name in PAGES:
        visitor.page.emulate_media(color_scheme="light")
        visitor.page.set_viewport_size(WIDE)
        page = shown(visitor, name)
        assert (name, visitor.barriers()) == (name, [])
        page.emulate_media(color_scheme="dark")
        assert (name, visitor.barriers("color-contrast")) == (name, [])
        page.set_viewport_size(PHONE)
        assert (name, page.evaluate("document.documentElement.scrollWidth")) == (name, PHONE["width"])


def test_counts_are_a_sheet_on_a_phone(visitor):
    visitor.page.set_viewport_size(PHONE)
    page = visitor.go(PAGES["table"])
    page.get_by_role("button", name="Counts").click()
    page.locator("#counts .facet").first.wait_for()


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_everything_is_read_without_a_script(visitor):
    page = visitor.go(PAGES["table"])
    page.get_by_role("button", name="Filter by force").click()
    page.locator("#by-force").get_by_role("link", name="Sort down", exact=False).click()
    page.locator("th[aria-sort=descending]").wait_for()
    page.get_by_role("link", name="Count these records by their fields").click()
    assert page.locator(".facet").count() > 3
    page = visitor.go(PAGES["candles"])
    page.get_by_role("link", name="Draw it").click()
    assert page.locator("svg .rising").count() > 0
    assert visitor.go(PAGES["changes"]).locator(".arrivals li").count() > 3
    page = visitor.go("/docs/stocks_bars_list")
    page.get_by_role("button", name="Ask").click()
    assert page.locator("#answer a").get_attribute("href") == "/v1/stocks/bars?limit=10"
    assert visitor.wrong == []


def test_nothing_that_an_upstream_says_is_run(visitor):
    """acceptance: the corpus of scripts in every field, on every page: 0 executed, 0 refused by the policy."""
    sayings = "/explore/hostile/sayings"
    paths = [f"{sayings}?limit=1000", "/explore/_/counts/hostile/sayings", "/explore/_/changes/hostile/sayings"]
    paths += [
        f"/explore/_/charts/hostile/sayings?_draw={draw}" for draw in ("bars&by=said", "map", "histogram&by=price")
    ]
    page = visitor.go(paths[0])
    assert page.locator("a.open").count() == len(texts())
    paths += rows(page)[::32]
    paths += [f"{sayings}?{urlencode({'said__contains': text, 'id__ne': text})}" for text in texts()[::40]]
    for path in paths:
        visitor.go(path)
        visitor.settle()
        visitor.check()
