"""The changes of what people write: what is hidden stays hidden, and what is shown no more is told as gone."""

import json
from contextlib import closing
from dataclasses import replace

import pytest
from market import app, bars, notes, places, reviews
from people import COLLECTIONS, NOW, PLACES, REVIEWS, Market

from catchment import Link
from catchment.app import App
from catchment.clock import FakeClock
from catchment.serve.app import build
from catchment.store.store import Store

REVIEW = {"skill": None, "rating": "4.5", "comment": "canary"}
SECRET = ("comment", "comment_state")


@pytest.fixture
def hiding(database, settings):
    """The market, in which nobody but a moderator reads comments."""
    declared = App("market", feeds=[bars], resources=[places, replace(reviews, hidden=SECRET), notes])
    front = build([declared], settings, FakeClock(NOW))
    yield Market(front, database, FakeClock(NOW))
    front.close()


def changes(market, url, **asked) -> list[dict]:
    answer = market.ask("GET", f"{url}/changes", **asked)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_what_is_hidden_is_in_no_change_and_changes_nothing_for_others(hiding):
    place = hiding.place(1).json()["data"]["_key"]
    review = hiding.ask("POST", REVIEWS, REVIEW | {"place": place}, who=2).json()["data"]["_key"]
    for body in ({"comment": "canary, again"}, {"rating": "2"}):
        assert hiding.ask("PATCH", f"{REVIEWS}/{review}", body, who=2).status_code == 200
    seen = changes(hiding, REVIEWS, who=0)
    assert [(change["position"], change["kind"], change.get("fields")) for change in seen] == [
        ("1:1", "new", None),
        ("3:1", "changed", ["rating"]),
    ]
    assert "canary" not in json.dumps(seen)
    assert not {*SECRET} & {*seen[0]["record"]}
    whole = changes(hiding, REVIEWS, who=3, scopes=("moderate",))
    assert [change.get("fields") for change in whole] == [None, ["comment"], ["rating"]]
    assert whole[1]["record"]["comment"] == "canary, again"


def test_reviews_are_gone_with_what_they_are_about(market):
    there, other = (market.place(1, name=name).json()["data"]["_key"] for name in ("Mill", "Oven"))
    keys = [
        market.ask("POST", REVIEWS, REVIEW | {"place": place}, who=who).json()["data"]["_key"]
        for place, who in ((there, 2), (there, 3), (other, 2))
    ]
    assert market.ask("DELETE", f"{PLACES}/{there}").status_code == 204
    told = changes(market, f"{REVIEWS}")
    assert [(change["position"], change["kind"], change["key"]) for change in told] == [
        *((f"{number}:1", "new", key) for number, key in enumerate(keys, 1)),
        *((f"4:{number}", "gone", key) for number, key in enumerate(sorted(keys[:2]), 1)),
    ]
    page = market.ask("GET", f"{REVIEWS}/changes?after=4:1")
    assert [json.loads(line)["key"] for line in page.text.splitlines()] == [max(keys[:2])]
    listed = market.ask("GET", REVIEWS).json()["data"]
    assert [record["_key"] for record in listed] == [keys[2]]


def test_who_follows_begins_anew_when_a_record_was_erased(market, settings):
    place = market.place(1).json()["data"]["_key"]
    done = market.ask("POST", REVIEWS, REVIEW | {"place": place}, who=2).json()
    with closing(Store(settings, [app])) as store:
        assert store.erasure(COLLECTIONS["reviews"], app, [done["data"]["_key"]]).run(NOW).done
    answer = market.ask("GET", f"{REVIEWS}/changes?after={done['meta']['revision']}")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/history-gone")
    newest = market.ask("GET", REVIEWS).json()["meta"]["revision"]
    assert market.ask("GET", f"{REVIEWS}/changes?after={newest}").text == ""


@pytest.fixture
def retracting(database, settings):
    """The market, in which a place that is deleted is taken back."""
    taken_back = replace(places, retracts=True)
    about = replace(reviews, about=Link(taken_back, "place"))
    front = build([App("market", feeds=[bars], resources=[taken_back, about])], settings, FakeClock(NOW))
    yield Market(front, database, FakeClock(NOW))
    front.close()


@pytest.mark.parametrize("who", [0, 1], ids=["anybody", "its writer"])
def test_what_was_taken_back_is_in_nothing_that_held_before(retracting, who):
    """Its words are told to those alone who may moderate; of what was changed and stays the past is told to all."""
    url = retracting.place(1, note="canary").headers["location"]
    retracting.ask("PATCH", url, {"note": "canary, again"}, content_type="application/merge-patch+json")
    stays = retracting.place(1, name="Oven", note="before").headers["location"]
    retracting.ask("PATCH", stays, {"note": "after"}, content_type="application/merge-patch+json")
    assert retracting.ask("DELETE", url).status_code == 204
    places = [f"{url}/history", f"{url}?as_of=1", f"{PLACES}?as_of=2", f"{PLACES}/diff?from=1&to=2"]
    places += [f"{PLACES}.csv?as_of=2", f"{PLACES}/diff?from=2", f"{PLACES}/stats?by=note&as_of=2"]
    places += [f"{PLACES}?as_of=2&note__contains=canary&count=exact"]
    for place in places:
        answer = retracting.ask("GET", place, who=who)
        assert "canary" not in answer.text, place
        assert answer.status_code == (404 if place.startswith(url) else 200)
        known = {"if_none_match": answer.headers.get("etag", "none")}
        assert "canary" in retracting.ask("GET", place, who=3, scopes=("moderate",), **known).text, place
    told = changes(retracting, PLACES, who=who)
    assert [(change["kind"], change["key"] in url) for change in told] == [
        ("gone", True),
        ("gone", True),
        ("new", False),
        ("changed", False),
        ("gone", True),
    ]
    assert "canary" not in json.dumps(told)
    assert "canary, again" in json.dumps(changes(retracting, PLACES, who=3, scopes=("moderate",)))
    assert len(retracting.ask("GET", f"{stays}/history", who=who).json()["data"]) == 2
