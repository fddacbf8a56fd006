"""How one partition's answers follow each other: generators that yield requests and are sent answers, without I/O.

A pager returns only where it has proof that nothing follows. Where it has none, or finds that the upstream changed
while it was paged, it raises PagingError, and nothing of the walk is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Literal

from .errors import DeclarationError, PagingError
from .exchange import Request
from .page import Page, links

__all__ = [
    "Again",
    "Pager",
    "Walk",
    "by_cursor",
    "by_header_link",
    "by_link",
    "by_offset",
    "by_page",
    "first_page",
    "single",
    "walk",
]

MOST_PAGES = 10_000
MOST_EMPTY = 3
"""Pages without rows that may follow each other: more lead nowhere."""

Walk = Generator[Request, Page, None]
Pager = Callable[[Request], Walk]
"""From a partition's first request: yields each request, is sent its answer, and returns at the proved end."""

Recheck = Literal["none", "first", "all"]


@dataclass(frozen=True, slots=True)
class Again(Request):
    """A request that is sent a second time on purpose: its answer is compared, and is no page of the partition."""

    @classmethod
    def of(cls, request: Request) -> Again:
        return cls(request.path, request.query, request.headers, request.method)


def walk(pager: Pager, first: Request, *, most_rows: int, most_bytes: int) -> Walk:
    """The pager's walk, as long as each request is new and each answer brings something new.

    most_bytes: of all bodies together.

    Raises:
        PagingError: a loop, no end within bounds, or what the pager itself found.
    """
    asked, said = set[str](), set[bytes]()
    rows = empty = size = 0
    pages = pager(first)
    request = next(pages)
    while True:
        page = yield _new(request, asked)
        is_page = not isinstance(request, Again)
        # `said` is empty at a first page: its rows are not read for this, since most partitions have no second one.
        if is_page and said and page.rows and page.digest in said:
            raise PagingError("loop", f"page {len(asked)} has the rows of an earlier page")
        size += len(page.answer.content)
        if size > most_bytes:
            hint = "split the partition, or raise max_partition_bytes"
            raise PagingError("too-large", f"more than {most_bytes:,} bytes", hint=hint)
        try:
            request = pages.send(page)
        except StopIteration:
            return
        if is_page:
            said.add(page.digest)
            rows += page.rows
            empty = 0 if page.rows else empty + 1
            _check_bounds(rows, empty, most_rows)


def _new(request: Request, asked: set[str]) -> Request:
    """The request, noted as asked."""
    if not isinstance(request, Again):
        if request.fingerprint in asked:
            raise PagingError("loop", f"page {len(asked) + 1} would be a page that was answered already")
        if len(asked) == MOST_PAGES:
            raise PagingError("endless", f"no end within {MOST_PAGES} pages", hint="split the partition")
        asked.add(request.fingerprint)
    return request


def _check_bounds(rows: int, empty: int, most_rows: int) -> None:
    if rows > most_rows:
        raise PagingError(
            "too-many", f"more than {most_rows} records", hint="split the partition, or raise max_partition_records"
        )
    if empty > MOST_EMPTY:
        raise PagingError("endless", f"{empty} pages without rows follow each other, and more are offered")


def single(first: Request) -> Walk:
    """One answer is the whole partition; one that says that there is more is not taken for it."""
    page = yield first
    _check_last(page)


def first_page(first: Request) -> Walk:
    """The first answer is all that is wanted, whatever it says about further pages: `pages=first_page`."""
    yield first


def _check_last(page: Page) -> None:
    if page.more:
        raise PagingError(
            "more",
            f"{page.more} says that there are further pages",
            hint="declare how they follow: pages=by_page(…), by_offset, by_cursor, by_link or by_header_link;"
            " pages=first_page if this answer is all you want",
        )


@dataclass
class _Tally:
    """The pages of one walk so far; their rows are held against the total that the upstream says, if it says one."""

    total: str
    most: int
    pages: int = 0
    rows: int = 0
    said: int = 0

    def add(self, page: Page) -> None:
        self.pages += 1
        if not self.total:
            return
        self.rows += page.rows
        said = page.number(self.total)
        if self.pages > 1 and said != self.said:
            raise PagingError("unstable", f"the total was {self.said}, then {said}")
        self.said = said
        if self.rows > said:
            raise PagingError("unstable", f"{self.rows} rows of a total of {said}")

    @property
    def adds_up(self) -> bool:
        return bool(self.total) and self.rows == self.said

    def go_on(self) -> None:
        """Returns where one page more is allowed."""
        if self.pages >= self.most:
            raise PagingError("endless", f"no end within {self.most} pages", hint="raise most= if there are more")

    def end(self) -> None:
        """Returns where the rows add up."""
        if self.total and not self.adds_up:
            raise PagingError("short", f"{self.rows} rows of a total of {self.said}")


@dataclass(frozen=True)
class _Positional:
    """Pages by their number or by how many rows precede them. While rows come and go, such pages shift."""

    parameter: str
    start: int
    total: str
    short: int
    empty: int
    recheck: Recheck | None
    most: int
    by_rows: bool = field(kw_only=True)

    def __post_init__(self) -> None:
        word = "by_offset" if self.by_rows else "by_page"
        if not (self.total or self.short or self.empty):
            raise DeclarationError(
                word, "does not say how the last page is known", hint='total="member", short=rows or empty=1'
            )
        most_empty = 1 if self.by_rows else MOST_EMPTY  # after an empty page an offset is the same again
        if self.short < 0 or not 0 <= self.empty <= most_empty or self.most < 1:
            raise DeclarationError(word, f"short is at least 0, empty 0 to {most_empty}, most at least 1")
        if self.recheck not in (None, "none", "first", "all"):
            raise DeclarationError(word, "recheck is none, first or all")

    def __call__(self, first: Request) -> Walk:
        tally, seen, place, empty = _Tally(self.total, self.most), list[tuple[Request, bytes]](), self.start, 0
        while True:
            request = first.with_parameter(self.parameter, str(place))
            page = yield request
            tally.add(page)
            seen.append((request, page.digest))
            empty = 0 if page.rows else empty + 1
            if self._ends(page, tally, empty):
                break
            tally.go_on()
            place += page.rows if self.by_rows else 1
        tally.end()
        if len(seen) > 1:  # one answer cannot shift against itself
            yield from _rechecked(seen[: self._rechecks(len(seen))])

    def _rechecks(self, pages: int) -> int:
        """How many pages are asked for once more."""
        wanted = self.recheck or ("none" if self.total else "first")
        return {"none": 0, "first": 1, "all": pages}[wanted]

    def _ends(self, page: Page, tally: _Tally, empty: int) -> bool:
        if page.rows < self.short:
            _check_following(page)
            return True
        if self.empty:
            return empty >= self.empty
        return not self.short and (tally.adds_up or not page.rows)


def _rechecked(seen: Iterable[tuple[Request, bytes]]) -> Walk:
    """Asks for pages again that were answered before: where one has other rows now, rows have moved between pages."""
    for request, digest in seen:
        page = yield Again.of(request)
        if page.digest != digest:
            raise PagingError(
                "unstable", f"{request.target} has other rows now", hint="rows moved while they were paged"
            )


def by_page(
    parameter: str = "page",
    *,
    start: int = 1,
    total: str = "",
    short: int = 0,
    empty: int = 0,
    recheck: Recheck | None = None,
    most: int = MOST_PAGES,
) -> Pager:
    """Pages by number: `by_page("page", total="totalResults")`. How the last one is known has to be said.

    Args:
        start: the number of the first page.
        total: the member that says how many rows there are on all pages; they have to add up to it.
        short: a page of fewer rows than this is the last one. Only for an upstream that is known to fill its pages.
        empty: so many pages without rows, one after the other, are the end.
        recheck: which pages are asked for once more at the end, to see whether rows have moved meanwhile. `first`
            (the default where no total is said) notices what comes and goes on the first page; `all` whatever comes
            and goes, for twice the requests; `none` nothing.
        most: pages. Where there are more, the partition is partial.
    """
    return _Positional(parameter, start, total, short, empty, recheck, most, by_rows=False)


def by_offset(
    parameter: str = "offset",
    *,
    start: int = 0,
    total: str = "",
    short: int = 0,
    empty: int = 0,
    recheck: Recheck | None = None,
    most: int = MOST_PAGES,
) -> Pager:
    """Pages by the number of rows before them: `by_offset("offset", empty=1)`; the rest as for `by_page`.

    It goes on by as many rows as came, not by as many as were asked for.
    """
    return _Positional(parameter, start, total, short, empty, recheck, most, by_rows=True)


def _check_following(page: Page) -> None:
    if page.following:
        raise PagingError("more", f"the page is short, but {page.following} says that there are further pages")


@dataclass(frozen=True)
class _Followed:
    """Pages of which each leads to the next. following: the next request, None where the answer leads nowhere."""

    following: Callable[[Request, Page], Request | None]
    total: str
    most: int

    def __call__(self, first: Request) -> Walk:
        tally, request = _Tally(self.total, self.most), first
        while True:
            page = yield request
            tally.add(page)
            following = self.following(first, page)
            if following is None:
                break
            tally.go_on()
            request = following
        tally.end()


def by_cursor(
    parameter: str = "cursor", member: str = "next_cursor", *, total: str = "", most: int = MOST_PAGES
) -> Pager:
    """Pages by a cursor that each answer gives for the next: `by_cursor("after", "meta.next_cursor")`.

    The page whose member is absent, null or empty is the last. total, most: as for `by_page`.
    """

    def following(first: Request, page: Page) -> Request | None:
        cursor = page.member(member)
        if cursor is None or cursor == "":
            return None
        if isinstance(cursor, bool) or not isinstance(cursor, str | int):
            raise PagingError("shape", f"the member {member} is no cursor")
        return first.with_parameter(parameter, str(cursor))

    _check_most("by_cursor", most)
    return _Followed(following, total, most)


def by_link(member: str = "next", *, total: str = "", most: int = MOST_PAGES) -> Pager:
    """Pages by a link in each body to the next: `by_link("links.next")`, an address in full or from here.

    The page whose member is absent, null or empty is the last. total, most: as for `by_page`.
    """

    def following(_: Request, page: Page) -> Request | None:
        link = page.member(member)
        if link is None or link == "":
            return None
        if not isinstance(link, str):
            raise PagingError("shape", f"the member {member} is no link")
        return page.follow(link)

    _check_most("by_link", most)
    return _Followed(following, total, most)


def by_header_link(*, total: str = "", most: int = MOST_PAGES) -> Pager:
    """Pages by the header `Link` with `rel=next` (RFC 8288). The page without one is the last.

    total, most: as for `by_page`.
    """

    def following(_: Request, page: Page) -> Request | None:
        found = [target for relations, target in links(page.answer.header("link")) if "next" in relations]
        return page.follow(found[0]) if found else None

    _check_most("by_header_link", most)
    return _Followed(following, total, most)


def _check_most(word: str, most: int) -> None:
    if most < 1:
        raise DeclarationError(word, "most is at least 1")
