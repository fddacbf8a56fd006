"""What people write, by forms that need no script: the API's way into the store, with its problems at the fields."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "resources"))

import market
from people import NOW, PLACE, user

from catchment import explorer
from catchment.bodies import Fault
from catchment.clock import FakeClock
from catchment.explorer.inputs import inputs_of, members_of, with_faults, with_values
from catchment.serve.app import build
from catchment.settings import Settings
from catchment.store.audit import Asked, find
from catchment.store.engines import database_of
from catchment.store.keys import create
from catchment.store.store import prepare

PLACES, REVIEWS = "/explore/_/write/market/places", "/explore/_/write/market/reviews"
MILL = {"name": "Mill", "skills": "milling\nbaking", "cost": "25000", "open.0.from_date": "2026-01-01"}
MILL |= {"open.0.to_date": "2026-12-31", "note": ""}


@pytest.fixture
def stall(tmp_path):
    """The market, with its pages."""
    values = {"CATCHMENT_DATA": str(tmp_path), "CATCHMENT_LIMIT_WRITES": "off", "CATCHMENT_LIMIT_KEY": "off"}
    settings = Settings().with_values("test", values)
    prepare(database_of(settings.database), [market.app])
    front = build([market.app], settings, FakeClock(NOW), pages=explorer.handlers)
    front.database = database_of(settings.database)
    yield front
    front.close()


@pytest.fixture
def sign_in(stall, person_at):
    """A function from a number and rights to somebody who is signed in."""

    def sign_in(number, *scopes):
        somebody = person_at(stall, "192.0.2.7")
        somebody.sign_in(
            create(stall.database, f"key {number}", user(number), set(scopes or ("write", "read")), NOW)[0]
        )
        return somebody

    return sign_in


def press(somebody, url, **fields):
    """Loads a form, changes some of its fields, and sends it."""
    page = somebody.get(url)
    assert page.answer.status_code == 200, page.text
    return somebody.send(url.partition("?")[0], **{**values(page), **fields})


def values(page):
    """What stands in the fields of a page's first form, as a browser would send it."""
    found = {item["name"]: item.get("value", "") for item in page.all("input") if "name" in item}
    areas = page.answer.text.split("<textarea ")[1:]
    for area in areas:
        name = area.split('name="')[1].split('"')[0]
        found[name] = area.partition(">")[2].partition("</textarea>")[0].removeprefix("\n")
    return {name: text for name, text in found.items() if name != "_token"}


def listed(somebody, name="places"):
    page = somebody.page
    found = somebody._ask("GET", f"/v1/market/{name}").answer.json()["data"]
    somebody.page = page
    return found


# -- a form ------------------------------------------------------------------------------------------------------------


def test_who_writes_by_a_form_writes_what_the_api_would_have_written(stall, sign_in):
    ada = sign_in(1)
    page = press(ada, PLACES, **MILL)
    assert page.answer.status_code == 200
    (place,) = listed(ada)
    assert str(page.answer.url).endswith(f"/explore/market/places/{place['_key']}")
    assert "version 1 of 1" in page.text
    assert (place["name"], place["skills"], place["cost"], place["note"]) == (
        "Mill",
        ["milling", "baking"],
        25000,
        None,
    )
    assert place["open"] == [{"from_date": "2026-01-01", "to_date": "2026-12-31"}]
    assert place["owner"] == user(1), "from the key, never from the form"
    tried = find(stall.database.read(), Asked(who=user(1), action="create"))
    assert [(item.object, item.result) for item in tried] == [(f"market/places/{place['_key']}", "allowed")]


def test_what_is_refused_is_said_at_its_field_and_what_was_written_stays(sign_in):
    ada = sign_in(1)
    wrong = {**MILL, "name": "M" * 201, "cost": "a lot", "skills": "milling\n" + "s" * 201}
    page = press(ada, PLACES, **wrong, **{"open.1.from_date": "soon"})
    assert page.answer.status_code == 422
    sent = values(page)
    assert {name: sent[name] for name in ("name", "cost", "skills")} == {
        name: wrong[name] for name in ("name", "cost", "skills")
    }
    assert sent["open.1.from_date"] == "soon"
    wrong_fields = [
        item["aria-describedby"].split()[0]
        for item in (*page.all("input"), *page.all("textarea"))
        if item.get("aria-invalid")
    ]
    assert set(wrong_fields) >= {"in-cost-wrong", "in-name-wrong", "in-skills-wrong"}
    assert "line 2: Expected" in page.text
    assert listed(ada) == []
    page = ada.send(PLACES, **{**sent, **MILL, "open.1.from_date": ""})
    assert [place["name"] for place in listed(ada)] == ["Mill"]


def test_what_is_needed_and_was_left_empty_is_said_to_be_missing(sign_in):
    ada = sign_in(1)
    page = press(ada, PLACES, **{"open.1.from_date": "2026-01-01"})
    assert page.answer.status_code == 422
    wrong = [text.partition("</p>")[0].rpartition(">")[2] for text in page.answer.text.split('class="fault"')[1:]]
    assert wrong == ["is missing", "is missing", "is missing", "row 1: to_date is missing"]


def test_a_rule_that_looks_at_the_whole_is_said_above_the_form(sign_in):
    ada, bob = sign_in(1), sign_in(2)
    press(ada, PLACES, **MILL)
    (place,) = listed(ada)
    own = press(ada, f"{REVIEWS}?place={place['_key']}", rating="5")
    assert (own.answer.status_code, "This place is your own." in own.text) == (403, True)
    no_skill = press(bob, f"{REVIEWS}?place={place['_key']}", rating="4.5", skill="sawing")
    assert (no_skill.answer.status_code, "The place has no such skill." in no_skill.text) == (422, True)
    assert values(no_skill)["rating"] == "4.5"
    bad = press(bob, f"{REVIEWS}?place={place['_key']}", rating="7")
    assert "is 0 to 5" in bad.text
    missing = press(bob, f"{REVIEWS}?place={user(9)}", rating="4")
    assert missing.answer.status_code in (404, 422)
    assert values(missing)["rating"] == "4"
    press(bob, f"{REVIEWS}?place={place['_key']}", rating="4.5", skill="milling")
    (review,) = listed(bob, "reviews")
    assert (review["rating"], review["skill"], review["comment"]) == ("4.5", "milling", None)


def test_a_form_that_is_sent_twice_writes_once(sign_in):
    ada = sign_in(1)
    sent = {**values(ada.get(PLACES)), **MILL}
    token = ada.token
    for _ in range(2):
        ada.send(PLACES, token=token, **sent)
        assert ada.page.answer.status_code == 200
    assert len(listed(ada)) == 1


# -- what is there ---------------------------------------------------------------------------------------------------


def test_a_record_is_changed_and_what_is_not_shown_stays(sign_in):
    ada = sign_in(1)
    press(ada, PLACES, **MILL)
    (place,) = listed(ada)
    url = f"{PLACES}/{place['_key']}"
    assert url in [item["href"] for item in ada.get(f"/explore/market/places/{place['_key']}").all("a")]
    form = values(ada.get(url))
    assert (form["cost"], form["skills"], form["open.0.to_date"]) == ("25000", "milling\nbaking", "2026-12-31")
    page = press(ada, url, cost="30000", note="<b>new</b>", **{"open.0.from_date": "", "open.0.to_date": ""})
    assert "version 2 of 2" in page.text
    (after,) = listed(ada)
    assert (after["cost"], after["note"], after["open"], after["name"]) == (30000, "<b>new</b>", [], "Mill")
    assert "<b>new</b>" not in page.answer.text
    press(ada, url, note="")
    assert listed(ada)[0]["note"] is None


def test_what_a_record_is_about_never_changes(sign_in):
    ada, bob = sign_in(1), sign_in(2)
    press(ada, PLACES, **MILL)
    (place,) = listed(ada)
    press(bob, f"{REVIEWS}?place={place['_key']}", rating="4")
    (review,) = listed(bob, "reviews")
    page = bob.get(f"{REVIEWS}/{review['_key']}")
    assert "stays as it is" in page.text
    assert "place" not in values(page)
    page = press(bob, f"{REVIEWS}/{review['_key']}", rating="3", place=user(9))
    assert listed(bob, "reviews")[0]["rating"] == "3"
    assert listed(bob, "reviews")[0]["place"] == place["_key"]


def test_who_was_overtaken_is_told_and_writes_over_knowingly(sign_in):
    """412: both changed the same version."""
    ada = sign_in(1)
    press(ada, PLACES, **MILL)
    url = f"{PLACES}/{listed(ada)[0]['_key']}"
    first = values(ada.get(url))
    press(ada, url, cost="2")
    ada.get(url)
    page = ada.send(url, **{**first, "cost": "3"})
    assert page.answer.status_code == 412
    assert "Somebody changed this record since you opened it" in page.text
    assert listed(ada)[0]["cost"] == 2
    assert values(page)["cost"] == "3"
    ada.send(url, **values(page))
    assert listed(ada)[0]["cost"] == 3


def test_a_record_is_deleted_and_nobody_deletes_what_has_changed(sign_in):
    ada = sign_in(1)
    press(ada, PLACES, **MILL)
    url = f"{PLACES}/{listed(ada)[0]['_key']}"
    before = values(ada.get(url))["_version"]
    press(ada, url, cost="2")
    ada.get(url)
    refused = ada.send(url, _version=before, _do="delete")
    assert refused.answer.status_code == 412
    page = ada.send(url, _version=values(refused)["_version"], _do="delete")
    assert str(page.answer.url).endswith("/explore/market/places")
    assert listed(ada) == []
    assert ada.get(url).answer.status_code == 404


def test_a_form_needs_the_right_and_the_record_its_owner(sign_in, stall, person_at):
    ada, bob, reader = sign_in(1), sign_in(2), sign_in(3, "read")
    press(ada, PLACES, **MILL)
    key = listed(ada)[0]["_key"]
    nobody = person_at(stall, "192.0.2.7")
    assert nobody.get(PLACES).answer.status_code == 401
    assert f"sign-in?to={PLACES}" in nobody.page.answer.text
    assert reader.get(PLACES).answer.status_code == 403
    assert bob.get(f"{PLACES}/{key}").answer.status_code == 403
    assert "Change or delete it" not in bob.get(f"/explore/market/places/{key}").text
    bob.get(PLACES)
    assert bob.send(f"{PLACES}/{key}", **MILL, _do="save").answer.status_code in (403, 404)
    assert bob.send(f"{PLACES}/{key}", _do="delete").answer.status_code in (403, 404)
    assert listed(ada)[0]["name"] == "Mill"
    ada.get(PLACES)
    assert ada.send(PLACES, token="x", **MILL).answer.status_code == 403
    assert len(listed(ada)) == 1


def test_nobody_writes_to_what_is_collected(sign_in):
    assert sign_in(1).get("/explore/_/write/market/bars").answer.status_code == 404


def test_a_machines_own_visitor_without_a_key_writes_nothing(stall, person_at):
    assert person_at(stall, "127.0.0.1").get(PLACES).answer.status_code == 401


# -- its fields ------------------------------------------------------------------------------------------------------

SHOWN = ["name", "skills", "cost", "open", "note"]


def place_inputs(*, changing=False):
    return inputs_of(market.places, SHOWN, changing=changing)


def test_fields_say_their_types_limits_and_choices():
    found = {item.name: item for item in place_inputs()}
    assert {name: item.way for name, item in found.items()} == {
        "name": "text",
        "skills": "lines",
        "cost": "number",
        "open": "rows",
        "note": "text",
    }
    assert (found["cost"].hint, found["name"].longest) == ("1 to 100000000, a whole number", "200")
    assert (found["note"].empties, found["open"].defaults, found["name"].empties) == (True, True, False)
    assert inputs_of(market.places, ["name"], changing=False)[0].name == "name", "what is hidden has no field"
    review = {
        item.name: item for item in inputs_of(market.reviews, ["place", "rating", "comment_state"], changing=True)
    }
    assert "comment_state" not in review, "what is filled in is not asked for"
    assert review["place"].fixed


@pytest.mark.parametrize(
    "members", [PLACE, {**PLACE, "open": [{"from_date": "2026-01-01", "to_date": "2026-02-01"}], "note": " a\nb "}]
)
def test_what_a_form_shows_is_what_it_sends(members):
    filled = with_values(place_inputs(), members)
    sent = []
    for item in filled:
        sent += [(part.name, part.value) for row in item.parts for part in row] or [(item.name, item.value)]
    assert members_of(place_inputs(), sent, changing=False) == {"open": [], "note": None, **members}


@pytest.mark.parametrize("text", ["1e400", "nan", "٣", "+1", "1 000", "-", "0x1F", "1" * 400, "<script>"])
def test_a_number_that_is_none_is_sent_as_it_is(text):
    assert members_of(place_inputs(), [("cost", text)], changing=False)["cost"] == text.strip()


def test_no_fault_is_lost():
    inputs = with_values(place_inputs(), {"open": [{"from_date": "x"}]})
    pointers = ["/cost", "/skills/1", "/open/0/from_date", "/open", "/elsewhere", ""]
    found, left = with_faults(inputs, [Fault(pointer, "is wrong") for pointer in pointers])
    by_name = {item.name: item for item in found}
    assert by_name["cost"].faults == ["is wrong"]
    assert by_name["skills"].faults == ["line 2: is wrong"]
    assert by_name["open"].parts[0][0].faults == ["is wrong"]
    assert by_name["open"].faults == ["is wrong"]
    assert left == ["/elsewhere: is wrong", "is wrong"]
