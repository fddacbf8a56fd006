"""The pages of `docs/` as a static site in `build/docs`, of which no link leads nowhere: `./run docs`.

`docs/index.md` is its map: the order of pages is that of the map's links, and a page that it does not name is refused.
Plain files beside each other, with a style sheet of their own; a browser that shows them asks nobody.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

import jinja2
import pygments
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments.formatters import HtmlFormatter
from pygments.lexers import find_lexer_class_by_name
from pygments.util import ClassNotFound

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "src" / "catchment" / "explorer" / "assets"
HERE = Path(__file__).parent
MAP = "docs/index.md"
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:")


class Broken(Exception):
    """The site cannot be built as the pages stand: a line for each thing that is wrong."""


@dataclass(frozen=True)
class Page:
    """One page. path: from the root of the project; headings: (level, text, anchor), the title first."""

    path: str
    tokens: Sequence[Token]
    headings: Sequence[tuple[int, str, str]]

    @property
    def title(self) -> str:
        return self.headings[0][1] if self.headings else self.path

    @property
    def target(self) -> str:
        """Its file in the site: pages of `docs/` stand where they stand there, the others beside them."""
        return str(PurePosixPath(self.path.removeprefix("docs/")).with_suffix(".html"))


def anchor(text: str) -> str:
    """A heading's anchor, as the hosts of repositories make it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def read_page(path: str, root: Path = ROOT) -> Page:
    """A page from its file. Two headings of one text have one anchor, and are refused."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse((root / path).read_text())
    headings = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            opening.attrSet("id", anchor(text))
            headings.append((int(opening.tag[1]), text, anchor(text)))
    return Page(path, tokens, headings)


def links(tokens: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Each link and picture with the name of the attribute that says where it leads."""
    for token in tokens:
        if token.type in ("link_open", "image"):
            yield token, "href" if token.type == "link_open" else "src"
        yield from links(token.children or ())


def local(page: Page) -> Iterator[tuple[Token, str, str, str]]:
    """Each link that stays in the project: its token and attribute, the path from the root, and the anchor."""
    for token, attribute in links(page.tokens):
        target = str(token.attrs[attribute])
        if not ELSEWHERE.match(target):
            path, _, fragment = target.partition("#")
            folder = str(PurePosixPath(page.path).parent)
            yield token, attribute, normpath(f"{folder}/{path}") if path else page.path, fragment


def sections(index: Page) -> list[tuple[str, dict[str, str]]]:
    """The map: (heading, path of a page -> how the map calls it), in their order."""
    found: list[tuple[str, dict[str, str]]] = [("", {index.path: "Overview"})]
    for opening, inline in pairwise(index.tokens):
        if opening.type == "heading_open" and opening.tag == "h2":
            found.append((inline.content, {}))
        elif inline.type == "inline" and len(found) > 1:  # what stands above the first heading is no list of pages
            called = {
                str(token.attrs["href"]): after.content
                for token, after in pairwise(inline.children or ())
                if token.type == "link_open"
            }
            page = Page(index.path, [inline], ())
            found[-1][1].update({path: called[str(token.attrs["href"])] for token, _, path, _ in local(page)})
    return found


def wrong(pages: Mapping[str, Page], root: Path) -> Iterator[str]:
    """What is wrong with the pages together, a line each."""
    there = {f"docs/{file.relative_to(root / 'docs').as_posix()}" for file in (root / "docs").rglob("*.md")}
    yield from (f"{path}: {MAP} does not name it" for path in sorted(there - pages.keys()))
    for page in pages.values():
        for _, _, path, fragment in local(page):
            if path in pages:
                if fragment and fragment not in {name for _, _, name in pages[path].headings}:
                    yield f"{page.path}: {path} has no heading #{fragment}"
            elif path.startswith("..") or not (root / path).is_file():
                yield f"{page.path}: {path} is no page of the site, and no file"
        names = [name for _, _, name in page.headings]
        yield from (f"{page.path}: two headings are #{name}" for name in sorted({*names}) if names.count(name) > 1)


def linked(page: Page, pages: Mapping[str, Page]) -> set[str]:
    """Has the page's links lead to files of the site; the other files that it shows or leads to are given back."""
    files = set()
    for token, attribute, path, fragment in local(page):
        if path in pages:
            target = pages[path].target
        else:
            target = path.removeprefix("docs/")
            files.add(path)
        there = relpath(target, str(PurePosixPath(page.target).parent))
        token.attrSet(attribute, f"{there}#{fragment}" if fragment else there)
    return files


def coloured(code: str, language: str, _attributes: str) -> str:
    """A block of code with classes for its colours; plain where nobody knows its language."""
    try:
        lexer = find_lexer_class_by_name(language)()
    except ClassNotFound:
        return ""
    return pygments.highlight(code, lexer, HtmlFormatter(nowrap=True))


def build(out: Path, root: Path = ROOT) -> list[Page]:
    """Writes the site into `out`, emptied before. Broken, with all that is wrong, before anything is written."""
    order = sections(read_page(MAP, root))
    pages = {path: read_page(path, root) for _, named in order for path in named if (root / path).is_file()}
    if found := list(wrong(pages, root)):
        raise Broken("\n".join(found))
    shutil.rmtree(out, ignore_errors=True)
    files = set().union(*(linked(page, pages) for page in pages.values()))
    template = _template()
    for page in pages.values():
        up = relpath(".", str(PurePosixPath(page.target).parent))
        nav = [
            (heading, [(path, words, f"{up}/{pages[path].target}") for path, words in named.items()])
            for heading, named in order
        ]
        _write(out / page.target, template.render(page=page, up=up, nav=nav, body=rendered(page)))
    for path in files:
        _write(out / path.removeprefix("docs/"), (root / path).read_bytes())
    for asset in (ASSETS / "style.css", ASSETS / "icon.svg", HERE / "docs.css"):
        _write(out / asset.name, asset.read_bytes())
    return list(pages.values())


def rendered(page: Page) -> str:
    """The page's text as HTML. A wide table can be moved by the keyboard too."""
    markdown = MarkdownIt("commonmark", {"highlight": coloured})
    markdown.add_render_rule("fence", _block)
    text: str = markdown.renderer.render(page.tokens, markdown.options, {})
    return text.replace("<table>", '<table tabindex="0">')


def _block(
    renderer: RendererHTML, tokens: Sequence[Token], place: int, options: OptionsDict, environment: EnvType
) -> str:
    """A block of code, below the name of the file that it is."""
    _, _, name = tokens[place].info.partition(" ")
    named = f'<p class="file"><code>{escape(name)}</code></p>' if "." in name else ""
    return named + renderer.fence(tokens, place, options, environment)


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template(
        "page.html"
    )


def _write(file: Path, content: str | bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def main() -> int:
    out = ROOT / "build" / "docs"
    try:
        pages = build(out)
    except Broken as error:
        sys.stderr.write(f"docs: the site is not built\n{error}\n")
        return 1
    sys.stdout.write(f"{len(pages)} pages: {out.relative_to(ROOT)}/index.html\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
