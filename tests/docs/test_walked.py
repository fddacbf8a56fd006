"""What the documents tell a reader to do is done, and says what they show."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from commands import NOW, Place
from walk import DOCS, NOT_RUN, ROOT, Folder, Walk, blocks

from catchment.clock import FakeClock
from catchment.standin import Answer, Request, serve_in_thread

WALKED = ["apps.md", "collecting.md", "operating.md", "tutorial.md", "writing.md"]


@pytest.mark.parametrize("name", WALKED)
def test_a_page_can_be_followed_from_an_empty_folder(name: str, tmp_path):
    walk = Walk(Folder(tmp_path), ROOT / "docs" / name)
    with walk.open:
        walk.through()


@dataclass(frozen=True)
class Switches:
    """pence: what a book costs."""

    pence: int = 250


class Shop:
    """The shop of docs/collecting.md: three books on two pages, a price for each but the last."""

    name = "shop"

    def switches(self) -> Switches:
        return Switches()

    def reset(self) -> None:
        """It remembers nothing."""

    def answer(self, request: Request, switches: Switches) -> Answer:
        if request.headers.get("x-api-key") != "a-key-of-the-shop":
            return Answer(401)
        if request.path == "/books":
            shown = ["a1", "b2"] if request.query["page"] == "1" else ["c3"]
            return said({"total": 3, "books": [{"id": name, "title": f"Book {name}"} for name in shown]})
        if request.query["book"] == "c3":
            return said({"error": "unknown book"})
        free = {"day": "2026-03-19", "pence": 0}  # a row that is refused
        return said({"prices": [{"day": "2026-03-20", "pence": switches.pence}, free]})


def said(content: object) -> Answer:
    return Answer(200, json.dumps(content, separators=(",", ":")).encode())


def test_the_shop_of_the_guide_is_collected_as_it_says(tmp_path):
    place = Place(tmp_path)
    guide = [block.text for block in blocks(ROOT / "docs" / "collecting.md") if block.language == "python"]
    (tmp_path / "feeds.py").write_text("\n\n".join(guide))
    with serve_in_thread(Shop(), clock=FakeClock(NOW)) as shop:
        place.values.update({"CATCHMENT_UPSTREAM_SHOP": shop.url, "SHOP_KEY": "a-key-of-the-shop"})
        first = place.run("collect", "feeds:app")
        assert first.code == 3, first.text  # one book is unknown to the shop, and it says so
        shop.control.set(pence=3)
        second = place.run("collect", "feeds:app/prices", "--again")
        asked = [entry["query"] for entry in shop.control.log()]
    verdicts = dict(place.sql("SELECT key, verdict FROM _partition"))
    assert verdicts == {"": "complete", "id=a1": "failed", "id=b2": "failed", "id=c3": "refused"}
    assert "fell to less than a fiftieth: a1" in second.text
    assert place.sql("SELECT DISTINCT book, pence FROM shop_prices ORDER BY book") == [("a1", 250), ("b2", 250)]
    assert place.sql("SELECT DISTINCT reason FROM _reject") == [("a price is more than nothing",)]
    assert [query["page"] for query in asked if "page" in query] == ["1", "2"]


def test_what_is_not_run_is_written_here():
    """A block that is left out can go wrong unseen."""
    shown = [(page.relative_to(ROOT / "docs").as_posix(), block) for page in DOCS for block in blocks(page)]
    left = {(page, block.text.split()[0]) for page, block in shown if block.how in NOT_RUN and "reference/" not in page}
    assert left == {
        ("collecting.md", "catchment"),  # of the shop, which has a test of its own
        ("command-line.md", "catchment"),  # jq
        ("command-line.md", "eval"),  # other shells
        ("operating.md", "[Service]"),  # systemd
        ("postgresql.md", "pip"),  # a registry, a server of the reader's own
        ("postgresql.md", "COLLECTOR_PASSWORD=…"),
        ("postgresql.md", "catchment"),
        ("postgresql.md", '@pytest.mark.parametrize("promise",'),  # an engine of the reader's own
        ("secrets.md", "ALPHAVANTAGE_API_KEY_FILE=/etc/catchment/alphavantage"),  # a key service
    }
    run = {page for page, block in shown if block.language in ("sh", "python") and block.how not in NOT_RUN}
    assert run == set(WALKED)
