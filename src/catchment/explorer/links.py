"""The addresses of pages, and of what they show in the API."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

__all__ = ["HOME", "OPERATIONS", "api_of", "completeness_of", "page_of", "record_of", "with_query"]

HOME, OPERATIONS = "/", "/explore/_/operations"

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


def completeness_of(collection: str) -> str:
    """The page of a collection's partitions."""
    return f"{OPERATIONS}/{collection}"


def api_of(collection: str, pairs: Pairs = ()) -> str:
    """The same in the API."""
    return with_query(f"/v1/{collection}", pairs)
