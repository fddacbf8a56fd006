"""Orders, over the API and by the forms of the pages: what is taken, what is refused and why, and who is told."""

import asyncio
from contextlib import closing
from datetime import timedelta

import pytest

from catchment.explorer.operations import TRIES_SHOWN
from catchment.serve.orders import OrderDesk
from catchment.store.audit import Asked
from catchment.store.engines import transaction

OPERATIONS = "/explore/_/operations"
THINGS = f"{OPERATIONS}/shop/things"
FORM = "/explore/_/orders"
API = "/v1/_/orders"
NAMES = ["shop/things", "shop/counted", "shop/priced"]


@pytest.fixture
def operator(person, key):
    """Somebody with a browser, signed in with a key that may operate and read."""
    somebody = person()
    somebody.sign_in(key("operate", "read"))
    return somebody


@pytest.fixture
def ask(person, key):
    """A function that sends an order to the API."""
    somebody = person(**{"x-api-key": key("operate", "read")})

    def ask(collection="shop/things", **order):
        return somebody._ask("POST", API, json={"collection": collection, **order}).answer

    return ask


# -- the API ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "no such collection": ({"collection": "shop/nothing", "verb": "start"}, 404, ""),
    "no name of one": ({"collection": "nothing", "verb": "start"}, 404, ""),
    "no such verb": ({"verb": "burn"}, 422, "/verb"),
    "no verb": ({}, 422, ""),
    "a member too many": ({"verb": "start", "now": True}, 422, ""),
    "no such partition": ({"verb": "collect", "partition": "shelf=nine"}, 404, ""),
    "no partition": ({"verb": "collect"}, 404, ""),
    "a partition of what has none": ({"verb": "pause", "partition": "shelf=one"}, 422, "/partition"),
    "no such reject": ({"verb": "readmit", "reject": 7}, 404, ""),
    "no reject": ({"verb": "readmit"}, 422, "/reject"),
    "a reject beside another verb": ({"verb": "start", "reject": 7}, 422, "/reject"),
}


@pytest.mark.parametrize(("order", "status", "pointer"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_by_name_and_nothing_is_noted(here, ask, order, status, pointer):
    answer = ask(**order)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [fault.get("pointer", "") for fault in answer.json()["errors"]] == ([pointer] if status == 422 else [])
    assert here.store.desk.orders(NAMES) == []


def test_an_order_is_noted_and_told_and_stands_in_the_audit(here, ask, person, key):
    answer = ask(verb="collect", partition="shelf=two")
    assert answer.status_code == 202
    order = answer.json()["data"]
    assert (order["verb"], order["partition"], order["taken_at"], order["done_at"]) == (
        "collect",
        "shelf=two",
        None,
        None,
    )
    assert answer.json()["meta"] == {"collecting": False}
    listed = person(**{"x-api-key": key("operate", "read")})._ask("GET", API).answer.json()
    assert listed == {"data": [order], "meta": {"next": None, "collecting": [], "paused": []}}
    (tried,) = here.store.desk.audit(Asked(action="order-collect"))
    assert (tried.object, tried.result, tried.request_id) == (
        "shop/things/shelf=two",
        "allowed",
        answer.headers["x-request-id"],
    )


def test_a_paused_feed_is_said_to_be_and_asks_for_nothing(ask, visit):
    assert ask(verb="pause").json()["data"]["good"] is True
    refused = ask(verb="start")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/paused")
    assert "resume it first" in refused.json()["detail"]
    paused = visit(f"{API}?collection=shop/things").answer.json()["meta"]["paused"]
    assert [item["collection"] for item in paused] == ["shop/things"]
    assert "This feed is paused" in visit(THINGS).text
    assert ask(verb="resume").status_code == 202
    assert "This feed is paused" not in visit(THINGS).text


def test_two_operators_at_once_give_one_order(here, front, ask):
    """Ten at the same time: each is told of the same one."""
    ask(verb="pause")
    ask(verb="resume")

    async def all_at_once():
        from httpx import ASGITransport, AsyncClient

        way = ASGITransport(front, client=("127.0.0.1", 5000))
        async with AsyncClient(transport=way, base_url="http://localhost") as client:
            order = {"collection": "shop/things", "verb": "start"}
            return await asyncio.gather(*(client.post(API, json=order) for _ in range(10)))

    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert len([order for order in here.store.desk.orders(NAMES) if order.verb == "start"]) == 1


def test_who_collects_is_seen_until_he_dies(here, ask, visit):
    assert "Nobody collects shop just now" in visit(OPERATIONS).text
    here.store.orders.begin("shop", here.now)
    assert ask(verb="start").json()["meta"] == {"collecting": True}
    assert "Nobody collects" not in visit(OPERATIONS).text
    here.store.workers.close()
    assert "Nobody collects shop just now" in visit(OPERATIONS).text


def test_a_desk_that_is_closed_can_be_asked_again(here):
    desk = OrderDesk(here.store.database)
    for _ in range(2):
        assert desk.alive(here.store.workers.me)
        desk.close()


# -- the pages -------------------------------------------------------------------------------------------------------


def test_a_button_gives_the_order_and_leads_back_to_its_page(here, operator):
    here.collect(("a", 1))
    operator.get(f"{THINGS}?partition=shelf%3Done")
    form = {"collection": "shop/things", "verb": "collect", "partition": "shelf=one"}
    page = operator.send(FORM, back=f"{THINGS}?partition=shelf%3Done", **form)
    assert str(page.answer.url).endswith(f"{THINGS}?partition=shelf%3Done")
    assert "collect again shelf=one waits for a collector" in page.text
    (order,) = here.store.desk.orders(NAMES)
    assert (order.verb, order.partition) == ("collect", "shelf=one")
    operator.send(FORM, back="https://elsewhere.example/", **form)
    assert str(operator.page.answer.url) == f"http://localhost{OPERATIONS}"


def test_this_machines_own_operator_needs_no_key_and_his_forms_a_token_all_the_same(here, person):
    somebody = person("127.0.0.1")
    somebody.get(OPERATIONS)
    form = {"collection": "shop/things", "verb": "start"}
    assert somebody.send(FORM, token="", **form).answer.status_code == 403
    assert here.store.desk.orders(NAMES) == []
    somebody.get(OPERATIONS)
    assert somebody.send(FORM, **form).answer.status_code == 200
    assert [order.verb for order in here.store.desk.orders(NAMES)] == ["start"]


@pytest.mark.parametrize(("scopes", "status"), [(["read"], 403), (["write", "moderate"], 403), ([], 401)])
def test_who_may_not_operate_sees_no_button_and_sends_no_form(here, person, key, scopes, status):
    somebody = person()
    if scopes:
        somebody.sign_in(key(*scopes))
    somebody.get("/explore/_/sign-in")
    refused = somebody.send(FORM, collection="shop/things", verb="start")
    assert refused.answer.status_code == status
    assert here.store.desk.orders(NAMES) == []


def test_what_is_refused_is_said_on_a_page(here, operator):
    operator.get(OPERATIONS)
    page = operator.send(FORM, collection="shop/nothing", verb="start")
    assert (page.answer.status_code, "there is no such collection" in page.text) == (404, True)
    operator.get(OPERATIONS)
    page = operator.send(FORM, collection="shop/things", verb="burn")
    assert page.answer.status_code == 422


def test_a_reject_is_shown_whole_and_re_admitted(here, operator):
    here.collect(*(("a", 1), b'{"id": "b", "value": "<b>' + b"x" * 300 + b'</b>"}'))
    page = operator.get("/explore/_/rejects/shop/things")
    assert "Expected `int`, got `str`" in page.text
    (link,) = [item["href"] for item in page.all("a") if "reject=" in item["href"]]
    page = operator.get(link)
    assert '"<b>' + "x" * 300 + '</b>"' in page.text
    number = link.rpartition("=")[2]
    page = operator.send(FORM, collection="shop/things", verb="readmit", reject=number, back=link)
    assert f"re-admit reject {number} waits" in page.text
    (order,) = here.store.desk.orders(NAMES)
    assert (order.partition, order.reject) == ("shelf=one", int(number))
    here.collect(("a", 1))
    assert operator.get(link).answer.status_code == 200
    operator.get(link)
    page = operator.send(FORM, collection="shop/things", verb="readmit", reject=number)
    assert page.answer.status_code == 409, "the last answer has it no more"


def test_a_run_is_told_attempt_by_attempt(here, operator):
    here.collect(("a", 1))
    page = operator.get("/explore/_/runs/1")
    assert "1 of 1 attempt ended well" in page.text
    assert "shop/things shelf=one complete" in page.text
    (tried,) = operator._ask("GET", "/v1/_/attempts?run=1").answer.json()["data"]
    assert (tried["run"], tried["collection"], tried["partition"], tried["new"]) == (1, "shop/things", "shelf=one", 1)
    assert operator.get("/explore/_/runs/99").answer.status_code == 404
    assert operator.get("/explore/_/runs/x").answer.status_code == 400


def test_a_run_of_many_attempts_is_told_in_pages(here, operator):
    here.collect(("a", 1))
    with closing(here.store.database.open()) as sql, transaction(sql, durable=False):
        for _ in range(TRIES_SHOWN + 20):
            sql.execute(
                'INSERT INTO _attempt (run, feed, "partition", pass, started_at, ended_at, verdict)'
                " SELECT run, feed, \"partition\", pass, started_at, ended_at, 'unchanged' FROM _attempt WHERE id = 1"
            )
    page = operator.get("/explore/_/runs/1")
    assert f"{TRIES_SHOWN + 21} of {TRIES_SHOWN + 21} attempts ended well" in page.text
    assert page.text.count("shop/things") == TRIES_SHOWN
    page = operator.get(page.next())
    assert page.text.count("shop/things") == 21
    assert page.text.count("complete") == 1, "the first of them comes last"
    rest = operator._ask("GET", f"/v1/_/attempts?run=1&collection=shop/things&limit={TRIES_SHOWN}").answer.json()
    more = operator._ask("GET", f"/v1/_/attempts?run=1&before={rest['meta']['next']}").answer.json()
    assert ([item["verdict"] for item in more["data"]][-1], len(more["data"])) == ("complete", 21)
    assert more["meta"]["next"] is None
    assert operator._ask("GET", "/v1/_/attempts?run=x").answer.status_code == 400


def test_the_plan_says_what_is_due_and_when_more_is(here, operator):
    here.collect(("a", 1))
    told = {item["collection"]: item for item in operator._ask("GET", "/v1/_/plan").answer.json()["data"]}
    assert (told["shop/things"]["due"], told["shop/things"]["calls"]) == (1, 1)
    assert told["shop/things"]["next"] > "2026-01-01"
    assert told["shop/counted"]["due"] == 2
    here.store.desk.paused(NAMES)
    assert "What is due" in operator.get(OPERATIONS).text
    one = operator._ask("GET", "/v1/_/plan?collection=shop/counted").answer.json()["data"]
    assert [item["collection"] for item in one] == ["shop/counted"]


def test_a_square_says_when_it_is_asked_again(here, visit):
    here.collect(("a", 1))
    assert "asked again in" in visit(f"{THINGS}?partition=shelf%3Done").text
    here.now += timedelta(days=3)
    assert "was due 2 d ago" in visit(f"{THINGS}?partition=shelf%3Done").text
