"""The addresses of pages, and of what they show in the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from .filters import narrowing

__all__ = [
    "HOME",
    "OPERATIONS",
    "SIGN_IN",
    "Tabs",
    "api_of",
    "changes_of",
    "charts_of",
    "completeness_of",
    "counts_of",
    "page_of",
    "piece_of",
    "record_of",
    "rejects_of",
    "run_of",
    "with_query",
    "write_of",
]

HOME, OPERATIONS, SIGN_IN = "/", "/explore/_/operations", "/explore/_/sign-in"

Pairs = Iterable[tuple[str, str]]


def with_query(path: str, pairs: Pairs) -> str:
    """The path with these parameters, if there are any."""
    query = urlencode(list(pairs), quote_via=quote, safe=",:")
    return f"{path}?{query}" if query else path


def page_of(collection: str, pairs: Pairs = ()) -> str:
    """The page of a collection: `/explore/stocks/bars?symbol=IBM`."""
    return with_query(f"/explore/{collection}", pairs)


def record_of(collection: str, key: str) -> str:
    """The page of a record. key: as it is stored, percent-encoded already."""
    return f"/explore/{collection}/{key}"


def write_of(collection: str, key: str = "", pairs: Pairs = ()) -> str:
    """The form of a new record, of what stands in the pairs; or of the one of that key."""
    return with_query(f"/explore/_/write/{collection}{'/' if key else ''}{key}", pairs)


def rejects_of(collection: str, pairs: Pairs = ()) -> str:
    """The page of a collection's rejects."""
    return with_query(f"/explore/_/rejects/{collection}", pairs)


def run_of(number: int) -> str:
    """The page of a run."""
    return f"/explore/_/runs/{number}"


def completeness_of(collection: str) -> str:
    """The page of a collection's partitions."""
    return f"{OPERATIONS}/{collection}"


def charts_of(collection: str, pairs: Pairs = ()) -> str:
    """The page of a collection's charts, of these filters."""
    return with_query(f"/explore/_/charts/{collection}", pairs)


def counts_of(collection: str, pairs: Pairs = ()) -> str:
    """The page that counts a collection's records by their fields, of these filters."""
    return with_query(f"/explore/_/counts/{collection}", pairs)


def changes_of(collection: str) -> str:
    """The page of what is arriving in a collection."""
    return f"/explore/_/changes/{collection}"


def piece_of(page: str, href: str) -> str:
    """The address of a page's own part, without what stands around it on every page."""
    return href.replace(f"/explore/_/{page}/", f"/explore/_/pieces/{page}/", 1)


def api_of(collection: str, pairs: Pairs = ()) -> str:
    """The same in the API."""
    return with_query(f"/v1/{collection}", pairs)


@dataclass(frozen=True, slots=True)
class Tabs:
    """The pages about one collection. pairs: the parameters of the one that is shown; the others keep its filters."""

    collection: str
    pairs: Sequence[tuple[str, str]] = ()

    @property
    def records(self) -> str:
        return page_of(self.collection, narrowing(self.pairs))

    @property
    def charts(self) -> str:
        return charts_of(self.collection, narrowing(self.pairs))

    @property
    def counts(self) -> str:
        """Of the same view: what narrows it keeps its order and its columns."""
        return counts_of(self.collection, self.pairs)

    @property
    def changes(self) -> str:
        return changes_of(self.collection)

    @property
    def completeness(self) -> str:
        return completeness_of(self.collection)
