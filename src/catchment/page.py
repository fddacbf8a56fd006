"""One answer as a pager sees it: how many rows it has, what its members say, and where its links lead."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urljoin, urlsplit

import msgspec

from .erased import MARK
from .errors import PagingError
from .exchange import Answer, Request

__all__ = ["Page", "links"]

MASK = "***"
"""What stands in an archived answer where the upstream echoed our key."""

NEXT = frozenset(
    {"next", "nextcursor", "nextlink", "nextoffset", "nextpage", "nextpagetoken", "nextpageurl", "nexttoken"}
    | {"nexturl", "hasmore", "hasnext", "hasnextpage", "continuationtoken", "@odata.nextlink", "@nextlink"}
)
TOTAL = frozenset({"total", "totalcount", "totalresults", "totalitems", "totalrecords", "totalhits", "@odata.count"})
AROUND = frozenset({"links", "paging", "pagination", "pageinfo", "meta", "metadata"})
NOTHING: tuple[Any, ...] = (None, "", False, 0, [], {})
"""Members that upstreams page with, and those that hold such members; as `_word` spells them;
and what stands in them on a last page."""


@dataclass(frozen=True)
class Page:
    """An answer with data, and the request that it answers.

    base: the upstream's base URL. read: gives the bytes of each row; called at most once, and only where a pager
    counts or compares rows. outline: gives what members are read from, the body unless it is said.
    """

    request: Request
    answer: Answer
    base: str = ""
    read: Callable[[], Iterable[bytes]] = field(default=tuple, repr=False)
    outline: Callable[[], bytes] | None = field(default=None, repr=False)

    @property
    def rows(self) -> int:
        """How many rows it has. DecodeError where the body is not of the declared shape."""
        return self._counted[0]

    @property
    def digest(self) -> bytes:
        """A digest of its rows: equal for equal rows in the same order, whatever else the body says.

        Rows that were erased look alike and were not: they make a page equal to none but itself.
        """
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[int, bytes]:
        digest, count = hashlib.sha256(), 0
        for row in self.read():
            digest.update(b"%d:" % len(row))
            digest.update(row)
            if row == MARK:
                digest.update(self.request.fingerprint.encode())
            count += 1
        return count, digest.digest()

    def member(self, path: str) -> Any:
        """The value of a member of the body (`next_cursor`, `meta.next`); None where it is null or absent.

        Raises:
            PagingError: the body, or what the path leads through, is no object.
        """
        raw = self._outlined
        names = [path] if path in self._members else path.split(".")
        for name in names:
            found = _members(raw)
            if found is None:
                raise PagingError("shape", f"there is no member {path} in what is no JSON object")
            raw = bytes(found.get(name, b"null"))
            if raw == b"null":
                return None
        return msgspec.json.decode(raw)

    def number(self, path: str) -> int:
        """The whole number, not below 0, that a member says. PagingError where it says none."""
        if (number := _whole(self.member(path))) is None:
            raise PagingError("shape", f"the member {path} is no whole number")
        return number

    def follow(self, link: str) -> Request:
        """The request that a link of this answer stands for; a key that the upstream echoed in it is left out.

        Raises:
            PagingError: it leads to another scheme, host, port or folder. Nothing is sent there, least of all a key.
        """
        base = urlsplit(self.base)
        try:
            parts = urlsplit(urljoin(self.base + self.request.target, link))
            here = _place(parts) == _place(base) and "@" not in parts.netloc
        except ValueError as error:
            raise PagingError("link", "the next link is no URL") from error
        if not here or not f"{parts.path}/".startswith(f"{base.path}/"):
            raise PagingError(
                "foreign-link", f"the next link leads to {parts.scheme}://{parts.hostname}, not below {self.base}"
            )
        query = tuple(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[1] != MASK)
        return Request(parts.path.removeprefix(base.path) or "/", query, self.request.headers)

    @property
    def following(self) -> str:
        """What in this answer leads on, a header or a member; "" where nothing does."""
        if any("next" in relations for relations, _ in links(self.answer.header("link"))):
            return "the header Link with rel=next"
        return next(
            (f"the member {path}" for path, word, value in self._paging if word in NEXT and value not in NOTHING), ""
        )

    @property
    def more(self) -> str:
        """What in this answer says that it is not all: what leads on, or a total above its rows; "" where nothing."""
        if self.following:
            return self.following
        totals = [(path, _whole(value)) for path, word, value in self._paging if word in TOTAL]
        return next(
            (
                f"the member {path} ({total}, with {self.rows} rows)"
                for path, total in totals
                if total and total > self.rows
            ),
            "",
        )

    @property
    def _paging(self) -> Iterator[tuple[str, str, Any]]:
        """Path, word and value of each member that upstreams page with, at the top or in an object for that."""
        for name, raw in self._members.items():
            if _word(name) in NEXT | TOTAL:
                yield name, _word(name), msgspec.json.decode(raw)
            elif _word(name) in AROUND:
                for inner, value in (_members(bytes(raw)) or {}).items():
                    if _word(inner) in NEXT | TOTAL:
                        yield f"{name}.{inner}", _word(inner), msgspec.json.decode(value)

    @cached_property
    def _members(self) -> Mapping[str, msgspec.Raw]:
        """The body's own members; none where it is no JSON object."""
        return _members(self._outlined) or {}

    @cached_property
    def _outlined(self) -> bytes:
        return (self.outline() if self.outline else self.answer.body).removeprefix(b"\xef\xbb\xbf")


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _members(raw: bytes) -> Mapping[str, msgspec.Raw] | None:
    """The members of a JSON object, undecoded; None for anything else."""
    if raw.lstrip()[:1] != b"{":
        return None
    try:
        return _object.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _word(name: str) -> str:
    return name.replace("_", "").lower()


def _whole(value: Any) -> int | None:
    """95 for 95 and for "95"; None for what is no whole number from 0."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    """Scheme, host and port, so that two spellings of one place are equal."""
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


_LINK = re.compile(r'[\s,]*<([^<>]*)>((?:\s*;\s*[^\s=;,"]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)\s*(?=,|\Z)')
_PARAMETER = re.compile(r';\s*([^\s=;,"]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?')


def links(header: str) -> list[tuple[frozenset[str], str]]:
    """The links of a `Link` header: pairs of relation types in lower case and target, in their order.

    A link about something else than this answer (`anchor`) is left out.

    Raises:
        PagingError: the header cannot be read to its end: a link could be missed.
    Source: RFC 8288, section 3.
    """
    found, at = [], 0
    while header[at:].strip(" \t,"):
        if (link := _LINK.match(header, at)) is None:
            raise PagingError("link", "the header Link cannot be read")
        at = link.end()
        parameters: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(link[2]):
            parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)  # the first `rel` counts
        if "anchor" not in parameters:
            found.append((frozenset(parameters.get("rel", "").lower().split()), link[1]))
    return found
