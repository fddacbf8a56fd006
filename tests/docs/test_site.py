"""The pages of the documents as a site: whole, of links that lead somewhere, and asking no other host."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import urlsplit

import pytest

from build import Broken, build


class Seen(HTMLParser):
    """Of a page: what it loads, where it leads, its anchors, and its scripts and inline styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.anchors: set[str] = set()
        self.active: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(filter(None, [found.get("id")]))
        self.loads += [found[name] for name in ("src", "srcset", "poster", "data") if name in found]
        (self.loads if tag == "link" else self.leads).extend(filter(None, [found.get("href")]))
        self.active += [tag] * (tag in ("script", "iframe", "object", "style", "form")) + [
            name for name in found if name.startswith("on") or name == "style"
        ]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site") / "docs"
    build(out)
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Seen]:
    return {file.relative_to(site).as_posix(): Seen(file.read_text()) for file in site.rglob("*.html")}


def test_a_page_asks_no_other_host_and_runs_nothing(site: Path, pages: dict[str, Seen]):
    loaded = [(name, url) for name, page in pages.items() for url in page.loads]
    assert len(loaded) > 3 * len(pages)
    assert [(name, url) for name, url in loaded if urlsplit(url).scheme or urlsplit(url).netloc] == []
    assert [name for name, url in loaded if not (site / name).parent.joinpath(url).is_file()] == []
    assert {name: page.active for name, page in pages.items() if page.active} == {}
    assert [
        style.name for style in site.glob("*.css") if "url(" in style.read_text() or "@import" in style.read_text()
    ] == []


def test_every_link_leads_to_a_page_and_a_heading(site: Path, pages: dict[str, Seen]):
    broken = []
    for name, page in pages.items():
        for url in page.leads:
            parts = urlsplit(url)
            if parts.scheme:
                continue
            target = normpath(str(PurePosixPath(name).parent / parts.path)) if parts.path else name
            there = (site / target).is_file() and (not parts.fragment or parts.fragment in pages[target].anchors)
            broken += [] if there else [(name, url)]
    assert broken == []


def test_each_page_is_reached_from_each_other_one(pages: dict[str, Seen]):
    targets = {name: {PurePosixPath(url.partition("#")[0]).name for url in page.leads} for name, page in pages.items()}
    names = {PurePosixPath(name).name for name in pages}
    assert {name for name, found in targets.items() if names - found} == set()


WRONG = {
    "a page that the map does not name": ({"docs/lost.md": "# Lost"}, "docs/lost.md: docs/index.md does not name it"),
    "a page that is not there": (
        {"docs/index.md": "# I\n\n## A\n\n[x](gone.md)"},
        "docs/gone.md is no page of the site",
    ),
    "a heading that is not there": ({"docs/index.md": "# I\n\n[x](#far)"}, "docs/index.md has no heading #far"),
    "a picture that is not there": ({"docs/index.md": "# I\n\n![x](x.png)"}, "docs/x.png is no page of the site"),
    "what is outside": ({"docs/index.md": "# I\n\n[x](../../secret)"}, "../secret is no page of the site"),
    "one anchor twice": ({"docs/index.md": "# I\n\n## A b\n\n## A b"}, "two headings are #a-b"),
}


@pytest.mark.parametrize("files", WRONG.values(), ids=WRONG)
def test_a_site_that_is_wrong_is_not_built(files: tuple[dict[str, str], str], tmp_path: Path):
    written, said = files
    for name, text in {"docs/index.md": "# I", **written}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path.parent / "secret").write_text("outside")
    out = tmp_path / "out"
    with pytest.raises(Broken, match=said.replace("#", r"\#").replace(".", r"\.")):
        build(out, tmp_path)
    assert not out.exists()
