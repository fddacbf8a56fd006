"""Feeds and apps: the request of a partition, the meaning of a status, the order of feeds, and apps by name."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment import Answer, App, Every, Feed, Get, Page, Partition, Record, Setting, Upstream, read_http, rows_of
from catchment.app import in_order, load_app
from catchment.decode import model_digest
from catchment.errors import UsageError
from catchment.exchange import Request
from catchment.paging import single
from catchment.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
api = Upstream("shop", "https://shop.example")


class Thing(Record):
    id: str


def feed(name: str, *needs: Feed) -> Feed:
    options = {"partitions": rows_of(needs[0], thing="id")} if needs else {}
    return Feed(name, Thing, api, request=Get("/"), key=("id",), **options)


@pytest.mark.parametrize(
    ("get", "target"),
    [
        (Get("/query", function="DAILY", symbol="{symbol}"), "/query?function=DAILY&symbol=A%2FB%20%26%3Fc"),
        (Get("/of/{symbol}/list"), "/of/A%2FB%20%26%3Fc/list"),
        (Get("/query", size=Setting("SIZE", "full")), "/query?size=compact"),
        (Get("/query", text="{{symbol}}"), "/query?text=%7Bsymbol%7D"),
        (Get("/{symbol}", **{"from": "{symbol}!"}), "/A%2FB%20%26%3Fc?from=A%2FB%20%26%3Fc%21"),
    ],
)
def test_a_partitions_request_has_its_values_in_their_places(get, target):
    settings = Settings({"SIZE": ("compact", "test")})
    assert get.request(Partition((("symbol", "A/B &?c"),)), settings).target == target


@given(st.text(max_size=12).filter(lambda value: value not in ("", ".", "..")))
def test_a_value_is_one_segment_of_the_path_whatever_is_in_it(value):
    path = Get("/of/{name}/list").request(Partition((("name", value),)), Settings()).target
    assert (path.count("/"), path.isascii(), set("?# ") & set(path)) == (3, True, set())


def test_the_fingerprint_is_of_what_is_asked_not_of_how_it_is_proved():
    one = Request("/x", (("a", "1"),))
    assert one.fingerprint == one.with_headers(("If-None-Match", "x")).fingerprint
    others = [Request("/x", (("a", "2"),)), Request("/y", (("a", "1"),)), Request("/x", (("a", "1"),), method="POST")]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((200, "data"), (304, "data")),
        *((404, "refused"), (400, "refused"), (204, "refused"), (302, "refused")),
        *((401, "auth"), (403, "auth")),
        *((429, "throttled"), (408, "transient"), (500, "transient"), (503, "transient")),
    ],
)
def test_what_a_status_says_by_itself(status, kind):
    assert read_http(Answer(status, b"", NOW), Partition()).kind == kind


def test_one_answer_may_be_the_whole_partition():
    pages = single(Request("/x"))
    assert next(pages) == Request("/x")
    with pytest.raises(StopIteration):
        pages.send(Page(Request("/x"), Answer(200, b"", NOW)))


def test_a_schedule_by_distance_starts_at_the_last_time():
    assert Every(days=1, hours=2, minutes=3).next_after(NOW) == NOW + timedelta(days=1, hours=2, minutes=3)


def test_feeds_come_after_those_whose_rows_they_need():
    series = feed("series")
    seasons = feed("seasons", series)
    episodes = feed("episodes", seasons)
    other = feed("other")
    found = [each.name for each in in_order([episodes, other, seasons, series])]
    assert found == ["series", "seasons", "episodes", "other"]


def test_lists_are_sorted_as_declared_or_by_the_key():
    assert feed("things").order == ("id",)
    assert Feed("things", Thing, api, request=Get("/"), key=("id",), sort=("-id",)).order == ("-id",)


def test_an_app_knows_its_collections_and_handlers():
    things = feed("things")
    assert App("shop", feeds=[things]).collection(things) == "shop/things"
    assert App("shop", feeds=[], routes=["a"]).handlers() == App("shop", feeds=[], routes=lambda: ["a"]).handlers()


@pytest.mark.parametrize("name", ["police", "stocks"])
def test_apps_that_ship_are_named_shortly(name):
    assert load_app(name).name == name


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A person's own folder, as the present one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("target", ["my_own_feeds:app", "my_own_feeds.py:app"])
def test_a_persons_own_app_is_named_by_file_and_name(project, target):
    (project / "my_own_feeds.py").write_text('from catchment import App\napp = App("mine", feeds=[])\n')
    assert load_app(target).name == "mine"


@pytest.mark.parametrize("name", ["json", "catchment", "csv", "my-feeds"])
def test_a_file_may_be_called_as_a_module_that_is_loaded_already(project, name):
    own = 'import json, csv\nfrom catchment import App, Record\nclass Own(Record):\n    id: "str"\n'
    (project / f"{name}.py").write_text(f"{own}assert json.loads('1') == 1\napp = App('mine', feeds=[])\n")
    assert load_app(f"{name}:app").name == "mine"
    assert load_app(f"{name}:app") is not None
    assert json.loads("{}") == {}


def test_two_files_of_one_name_are_two(project):
    for folder in ("one", "two"):
        (project / folder).mkdir()
        (project / folder / "feeds.py").write_text(f"from catchment import App\napp = App('{folder}', feeds=[])\n")
    assert [load_app(f"{folder}/feeds:app").name for folder in ("one", "two", "one")] == ["one", "two", "one"]


def test_a_file_that_broke_is_loaded_anew(project):
    file = project / "mended_feeds.py"
    file.write_text("from catchment import App\napp = App(1 / 0)\n")
    with pytest.raises(UsageError, match=r"ZeroDivisionError.*mended_feeds\.py, line 2"):
        load_app("mended_feeds:app")
    file.write_text("from catchment import App\n\n\napp = App('mine', feeds=[])\n")
    assert load_app("mended_feeds:app").name == "mine"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("polizei", ["no app is called polizei", "police", "stocks"]),
        ("nowhere_at_all:app", ["there is no nowhere_at_all.py here", "looked in"]),
        ("no.where:app", ["there is no no.where.py here"]),
        (":app", ["there is no .py here"]),
        ("json:app", ["app is no App", "json"]),
    ],
)
def test_an_app_that_is_not_there_is_said_with_what_there_is(project, target, words):
    with pytest.raises(UsageError) as caught:
        load_app(target)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_means_another_folder_is_no_part_of_a_path(value):
    request = Get("/orders/{id}")
    with pytest.raises(UsageError, match="cannot stand in a path"):
        request.request(Partition((("id", value),)), Settings())


def sized(body, partition, *, least):
    return [row for row in body if row["size"] >= int(least)]


def test_settings_that_are_bound_to_a_feeds_functions_reach_them_as_text():
    rows = functools.partial(sized, least=Setting("LEAST", "2"))
    declared = Feed("things", Thing, api, request=Get("/"), key=("id",), rows=rows)
    body = [{"size": 1}, {"size": 2}, {"size": 3}]
    assert list(declared.as_set(Settings()).rows(body, Partition())) == body[1:]
    changed = declared.as_set(Settings({"LEAST": ("3", "test")}))
    assert list(changed.rows(body, Partition())) == body[2:]
    assert model_digest(changed) != model_digest(declared.as_set(Settings()))


def test_a_setting_in_a_request_is_read_before_anything_is_asked():
    def no(text):
        raise ValueError("cannot be")

    declared = Feed("things", Thing, api, request=Get("/", size=Setting("SIZE", "x", form=no)), key=("id",))
    with pytest.raises(UsageError, match="SIZE=x cannot be"):
        declared.as_set(Settings())
