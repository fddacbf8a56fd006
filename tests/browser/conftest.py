"""A real Chromium before a real server: what a page asks for, complains of and runs is noted, and has to be nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside the tests

from five_apps import Site, site

INSTALL = "no browser: ./run setup --browser"
WATCH = """
window.ran = [];
for (const name of ["alert", "confirm", "prompt", "print"]) window[name] = () => window.ran.push(name);
document.addEventListener("securitypolicyviolation", (it) => window.ran.push(it.violatedDirective + it.blockedURI));
"""
"""What a page runs that it should not, and what its policy refuses."""
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Visitor:
    """Somebody with a browser, at a new page of it. wrong: what pages did that they must not."""

    site: Site
    context: Any
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self._note(said.type in ("error", "warning"), said.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("dialog", lambda dialog: self._note(True, f"dialog {dialog.message}"))
        here = urlsplit(self.site.url).netloc
        self.page.on("request", lambda asked: self._note(urlsplit(asked.url).netloc != here, f"asked {asked.url}"))

    def _note(self, wrong: bool, words: str) -> None:
        self.wrong += [words] * wrong

    def go(self, path: str) -> Any:
        """The page, once it is there. path: below the site."""
        answer = self.page.goto(f"{self.site.url}{path}")
        assert answer.status == 200, (path, answer.status)
        return self.page

    def settle(self) -> None:
        """Returns when what a page loads behind itself is there."""
        self.page.locator("[hx-get]:visible").first.wait_for(state="hidden")

    def check(self) -> None:
        """Fails for whatever went wrong until now."""
        self.wrong += self.page.evaluate("window.ran || []")
        assert self.wrong == []

    def barriers(self, *rules: str) -> list[str]:
        """What keeps somebody from using this page, as axe finds it; of these rules alone where some are named."""
        import axe_playwright_python

        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
        runs = {"runOnly": list(rules or WCAG), "resultTypes": ["violations"], "preload": False, "iframes": False}
        found = self.page.evaluate("(options) => axe.run(options)", runs)
        return [f"{it['id']}: {node['html'][:160]}" for it in found["violations"] for node in it["nodes"]]


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where the browser is; tests of pages are skipped where there is none."""
    pytest.importorskip("playwright.sync_api", reason=INSTALL)
    from chromium import found

    path = found()
    if path is None:
        pytest.skip(INSTALL)
    return path


@pytest.fixture(scope="module")
def five(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The five apps, served; made only where there is a browser to look at them."""
    with site(tmp_path_factory.mktemp("five")) as served:
        yield served


@pytest.fixture(scope="module")
def browser(chromium: str, five: Site) -> Iterator[Any]:
    """Chromium, without a window. It is driven in a loop of its own: as long as it runs nothing else here has one."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root there is no sandbox to be had; these pages are our own.
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--process-per-site"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def person(browser: Any, five: Site) -> Callable[[Mapping[str, Any]], Any]:
    """A function from options to the browser of somebody who has them: one for all tests that say the same."""
    found: dict[str, Any] = {}

    def person(options: Mapping[str, Any]) -> Any:
        if (name := repr(options)) not in found:
            found[name] = browser.new_context(base_url=five.url, **options)
            found[name].set_default_timeout(10_000)
            found[name].add_init_script(WATCH)
        return found[name]

    return person


@pytest.fixture
def visitor(person: Callable[..., Any], five: Site, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """A visitor of the five apps, with what the test says of his browser; what went wrong fails the test."""
    options = getattr(request, "param", {})
    found = Visitor(five, person(options))
    yield found
    if options.get("java_script_enabled", True):
        found.check()
    found.page.close()
