"""What a person does with the pages of all five apps, in a real browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

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


# -- who acts ---------------------------------------------------------------------------------------------------------

EPISODES = "episodes/episodes"
COLLECTED = ["police/stops", "stocks/bars", "incidents/incidents", "episodes/episodes"]
PROVIDERS, COMMENTS = "/explore/_/write/providers/providers", "/explore/_/write/episodes/comments"
OWN = pytest.mark.parametrize("visitor", [{"locale": "en-GB"}], indirect=True)
"""With cookies of his own: who is signed in there is so in no other test."""
SCRIPTLESS = pytest.mark.parametrize("visitor", [{"java_script_enabled": False, "locale": "en-IE"}], indirect=True)


def sign_in(visitor, key: str | None = None):
    page = visitor.go("/explore/_/sign-in")
    page.get_by_label("Key").fill(key or visitor.site.key)
    page.locator("main").get_by_role("button", name="Sign in").click()
    return page


def fill(page, **fields: str) -> None:
    for name, text in fields.items():
        page.locator(f"[name='{name.replace('__', '.')}']").fill(text)


@pytest.mark.parametrize("collection", COLLECTED)
def test_an_operator_collects_a_square_again(visitor, collection):
    page = visitor.go(f"/explore/_/operations/{collection}")
    page.locator("a.square").last.click()
    page.get_by_role("button", name="Collect again", exact=True).click()
    page.get_by_text("waits for a collector").first.wait_for()
    assert page.locator("#chosen").count() == 1, "it leads back to the square"
    visitor.site.obey(collection.partition("/")[0])
    page.reload()
    done = page.get_by_role("group", name="What was asked for").locator("tbody tr").first.inner_text()
    assert "collect again" in done
    assert "1 unchanged" in done or "1 complete" in done
    assert visitor.barriers() == []


def test_a_feed_is_paused_and_resumed(visitor):
    page = visitor.go("/explore/_/operations")
    item = page.locator(".standings li", has_text="episodes/series")
    item.locator("summary").click()
    item.get_by_role("button", name="Pause").click()
    page.locator(".standings .tag", has_text="paused").wait_for()
    assert visitor.barriers() == []
    item.locator("summary").click()
    assert item.get_by_role("button", name="Collect all again").count() == 0
    item.get_by_role("button", name="Resume").click()
    page.locator(".standings .tag").wait_for(state="detached")


@OWN
def test_who_signs_in_is_himself_until_he_signs_out(visitor):
    page = sign_in(visitor, "ck_aaaaaaaa_" + "a" * 40)
    page.get_by_text("This key opens nothing").wait_for()
    assert page.get_by_label("Key").input_value() == ""
    assert visitor.barriers() == []
    assert [said for said in visitor.wrong if "401" not in said] == []
    visitor.wrong.clear()  # the browser says of a page that it is a 401
    page = sign_in(visitor)
    page.get_by_text("somebody", exact=True).wait_for()
    assert page.get_by_role("link", name="Operations").count() == 0, "this key may not operate"
    assert visitor.site.key not in page.content()
    assert visitor.site.key not in page.url
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()
    assert page.get_by_role("link", name="Operations").count() == 1, "whoever sits at this machine may"


@OWN
def test_a_listing_is_added_refused_mended_changed_and_deleted(visitor):
    sign_in(visitor)
    page = visitor.go(PROVIDERS)
    fill(page, name="Ada's mill", skills="Milling\nBaking", cost_in_pence="much")
    fill(page, availability__0__from_date="2026-06-01", availability__0__to_date="2026-06-30")
    page.get_by_role("button", name="Add").click()
    fault = page.locator("#in-cost_in_pence-wrong")
    fault.wait_for()
    assert "whole number" in fault.inner_text()
    assert page.get_by_label("cost in pence").input_value() == "much"
    assert page.get_by_label("skills").input_value() == "Milling\nBaking"
    assert page.locator("[name='availability.0.to_date']").input_value() == "2026-06-30"
    assert visitor.barriers() == []
    visitor.wrong.clear()  # the browser says of a page that it is a 422
    page.get_by_label("cost in pence").fill("12000")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Versions").wait_for()
    page.get_by_role("link", name="Change or delete it").click()
    page.get_by_label("cost in pence").fill("13000")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("version 2 of 2").wait_for()
    assert page.locator(".diff del").inner_text() == "12000"
    page.get_by_role("link", name="Change or delete it").click()
    page.get_by_text("Delete this record").click()
    assert visitor.barriers() == []
    page.get_by_role("button", name="Delete it").click()
    page.locator(".count").wait_for()
    assert "Ada's mill" not in page.inner_text("main")


@OWN
@pytest.mark.parametrize(
    ("collection", "first", "wrong", "right", "changed"),
    [
        pytest.param("providers/reviews", {"rating": "9"}, "rating", {"rating": "4"}, {"rating": "2"}, id="a review"),
        pytest.param(
            "episodes/comments",
            {"text": ""},
            "text",
            {"text": "It begins well."},
            {"text": "It began well."},
            id="a comment",
        ),
    ],
)
def test_what_is_written_about_something_is_refused_mended_changed_and_deleted(
    visitor, collection, first, wrong, right, changed
):
    """From the record that it is about; who offers something does not review it himself."""
    about = (
        f"providers/providers/{visitor.site.offer('Reviewed')}" if "reviews" in collection else f"{EPISODES}/{EPISODE}"
    )
    sign_in(visitor, visitor.site.other)
    page = visitor.go(f"/explore/{about}")
    page.get_by_role("link", name=f"Add to {collection.partition('/')[2]}").click()
    fill(page, **first)
    page.get_by_role("button", name="Add").click()
    page.locator(f"#in-{wrong}-wrong").wait_for()
    assert page.locator(f"[name={wrong}]").input_value() == first[wrong]
    assert page.locator(f"[name={wrong}]").get_attribute("aria-invalid") == "true"
    assert visitor.barriers() == []
    assert [said for said in visitor.wrong if "422" not in said] == []
    visitor.wrong.clear()  # the browser says of a page that it is a 422
    fill(page, **right)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Versions").wait_for()
    page.get_by_role("link", name="Change or delete it").click()
    fill(page, **changed)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("version 2 of 2").wait_for()
    assert page.locator(".diff del").first.inner_text() == right[wrong]
    written = page.url.rpartition("/")[2]
    page.get_by_role("link", name="Change or delete it").click()
    page.get_by_text("Delete this record").click()
    page.get_by_role("button", name="Delete it").click()
    page.locator(".count").wait_for()
    assert written not in page.content()


def test_an_operator_derives_again_what_was_rejected(visitor):
    page = visitor.go("/explore/_/operations")
    page.locator("#rejects + .scroll a").first.click()
    page.get_by_role("link", name="whole", exact=False).first.click()
    page.locator(".chosen pre.raw").wait_for()
    assert visitor.barriers() == []
    page.locator(".chosen").get_by_role("button", name="Re-admit").click()
    page.get_by_text("waits for a collector").first.wait_for()
    page = visitor.go("/explore/_/operations/hostile/counts")
    page.get_by_role("button", name="Collect all again").click()
    page.get_by_role("button", name="Derive again").first.click()
    asked = page.get_by_role("group", name="What was asked for").locator("tbody tr")
    assert [name in row for name, row in zip(("derive again", "collect all"), asked.all_inner_texts(), strict=False)]


def test_words_are_looked_for_and_columns_are_chosen(visitor):
    page = visitor.go("/explore/episodes/episodes")
    page.get_by_role("searchbox").fill("winter")
    page.get_by_role("button", name="Find").click()
    page.locator(".chips a", has_text="winter").wait_for()
    assert rows(page) == keys(visitor, "episodes/episodes", ("q", "winter")) != []
    page.get_by_role("button", name="Columns").click()
    for box in page.locator("#columns input[type=checkbox]").all()[2:]:
        box.uncheck()
    page.locator("#columns").get_by_role("button", name="Show").click()
    page.wait_for_url("**fields=**")
    assert page.locator("table.records th").count() == 2
    visitor.settle()


@SCRIPTLESS
def test_people_write_and_operators_act_without_a_script(visitor):
    page = sign_in(visitor)
    page = visitor.go(f"/explore/episodes/episodes/{EPISODE}")
    page.get_by_role("link", name="Add to comments").click()
    page.get_by_role("button", name="Add").click()
    page.locator("#in-text-wrong", has_text="is missing").wait_for()
    fill(page, text="As good as the book.")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("heading", name="Versions").wait_for()
    page.get_by_role("link", name="Change or delete it").click()
    fill(page, text="Nearly as good as the book.")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("version 2 of 2").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page = visitor.go("/explore/_/operations/stocks/bars")
    page.get_by_role("button", name="Retry what failed").click()
    page.get_by_text("waits for a collector").first.wait_for()


@OWN
def test_nothing_that_somebody_writes_is_run(visitor):
    """The corpus of scripts in every field of a form: shown again where it is refused, on pages where it is taken."""
    sign_in(visitor)
    corpus = [text.replace("\r", " ") for text in texts()]
    page = visitor.go(PROVIDERS)
    page.evaluate("document.querySelectorAll('[type=date]').forEach((field) => field.type = 'text')")
    fill(page, name="\n".join(corpus), skills="\n".join(corpus), cost_in_pence=corpus[0].replace("\n", " "))
    for number, name in enumerate(("availability.0.from_date", "availability.0.to_date")):
        page.locator(f"[name='{name}']").fill(corpus[number + 1].replace("\n", " "))
    page.get_by_role("button", name="Add").click()
    page.locator("#in-name-wrong, #in-cost_in_pence-wrong").first.wait_for()
    assert page.locator("[name='availability.0.from_date']").input_value() == corpus[1]
    kept = page.locator("[name=skills]").input_value().split("\n")
    assert len(kept) >= len(corpus)
    assert page.evaluate("window.ran") == []
    visitor.wrong = [said for said in visitor.wrong if "422" not in said]
    for start in range(0, len(corpus), 40):
        page = visitor.go(f"{COMMENTS}?episode={EPISODE}")
        fill(page, text="\n".join(corpus[start : start + 40])[:1900])
        page.get_by_role("button", name="Add").click()
        page.get_by_role("heading", name="Versions").wait_for()
        visitor.check()
    visitor.go("/explore/episodes/comments?limit=50")
    visitor.settle()


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
    "api": "/docs",
    "api operation": "/docs/stocks_bars_stats?_ask=1&by=symbol&of=count()",
    "completeness": "/explore/_/operations/police/stops?partition=force%3Dleicestershire,month%3D2026-01",
    "run": "/explore/_/runs/1",
    "rejects": "/explore/_/rejects/hostile/counts",
    "counts": "/explore/_/counts/police/stops",
    "nothing found": "/explore/stocks/bars?symbol=NONE",
    "as it was": "/explore/stocks/bars?as_of=1&limit=3",
    "sign in": "/explore/_/sign-in",
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
    desk = "/explore/_/operations"
    paths += [desk, f"{desk}/hostile/counts", "/explore/_/rejects/hostile/counts", "/explore/_/runs/1"]
    paths += [f"{sayings}?{urlencode({'said__contains': text, 'id__ne': text})}" for text in texts()[::40]]
    for path in paths:
        page = visitor.go(path)
        visitor.settle()
        visitor.check()
    page = visitor.go(f"{desk}/hostile/counts")
    assert "<script>" in page.inner_text("table.grid"), "a partition is called so"
    page.locator("a.square").first.click()
    page.locator("#chosen").wait_for()
    page = visitor.go("/explore/_/rejects/hostile/counts")
    page.locator("td a[href*='reject=']").first.click()
    page.locator(".chosen pre.raw").wait_for()


def test_nothing_that_an_address_says_is_run(visitor):
    """The corpus where a page says what is wrong with its address."""
    for text in texts()[::40]:
        said = quote(text, safe="")
        for path in (
            f"/explore/{said}/x",
            f"/explore/stocks/bars/{said}",
            f"/explore/stocks/bars?{said}=1",
            f"/docs/{said}",
        ):
            visitor.page.goto(f"{visitor.site.url}{path}")
        visitor.go(f"/explore/_/sign-in?to={said}")
        visitor.go(f"/docs?q={said}")
        visitor.wrong = [said for said in visitor.wrong if "status of 40" not in said]
        visitor.check()
