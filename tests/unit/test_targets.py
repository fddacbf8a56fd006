"""What a target on the command line names."""

from __future__ import annotations

import pytest

from catchment.app import load_app
from catchment.cli.arguments import read_scopes, split_target
from catchment.errors import UsageError

TARGETS = {
    "stocks": ("stocks", ""),
    "stocks/bars": ("stocks", "bars"),
    "feeds:app": ("feeds:app", ""),
    "feeds:app/orders": ("feeds:app", "orders"),
    "my/feeds.py:app": ("my/feeds.py:app", ""),
    "./my/feeds.py:app/orders": ("./my/feeds.py:app", "orders"),
}

FILE = """from catchment import App, Feed, Get, Record, Upstream

class Thing(Record):
    id: str

shop = Upstream("shop", "https://shop.example")
app = App("mine", feeds=[Feed("things", Thing, shop, request=Get("/things"), key=("id",))])
"""


@pytest.mark.parametrize(("target", "parts"), TARGETS.items(), ids=TARGETS)
def test_a_target_is_an_app_and_maybe_one_of_its_feeds(target, parts):
    assert split_target(target) == parts


@pytest.mark.parametrize("name", ["below/own_feeds_of_a_test.py", "./below/own_feeds_of_a_test"])
def test_a_file_is_named_by_its_path(tmp_path, monkeypatch, name):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "own_feeds_of_a_test.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    assert load_app(f"{name}:app").name == "mine"
    assert read_scopes([f"{name}:app/things"], None, again=False)["mine"].feeds == ("things",)


def test_a_file_that_is_not_there_is_said_with_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is no gone\.py here"):
        load_app("below/gone.py:app")
