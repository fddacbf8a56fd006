"""A list answered in pages, in each way in which upstreams page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from .service import Answer, Request

__all__ = ["Paged", "Style"]

Style = Literal["page", "offset", "cursor", "link", "header"]


@dataclass(frozen=True, slots=True)
class Paged:
    """How a list is paged.

    style: by the parameter `page` or `offset`; by `cursor`, said as `next_cursor`; by an address, as the member `next`
    or as the header Link. The last three go on behind the last row shown, whatever came before it meanwhile; the
    first two count from the beginning. size: rows of a page. total: whether each page says how many rows there are.
    key: the member that orders the rows, ascending.
    """

    style: Style
    size: int = 10
    total: bool = False
    key: str = "id"

    def answer(self, request: Request, rows: Sequence[Mapping[str, Any]]) -> Answer:
        """The page that is asked for, as `{"items": […]}`."""
        start = self._start(request.query, rows)
        page = rows[start : start + self.size]
        body: dict[str, Any] = {"items": list(page)} | ({"total": len(rows)} if self.total else {})
        following = str(page[-1][self.key]) if start + self.size < len(rows) else None
        link = f"{request.path}?{urlencode({**request.query, 'after': following})}" if following else None
        if self.style == "cursor":
            body["next_cursor"] = following
        elif self.style == "link":
            body["next"] = link
        answer = Answer.json(body)
        if self.style == "header" and link:
            return Answer(answer.status, answer.body, (*answer.headers, ("Link", f'<{link}>; rel="next"')))
        return answer

    def _start(self, query: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> int:
        """The position of the page's first row."""
        if self.style == "page":
            return (int(query.get("page", "1")) - 1) * self.size
        if self.style == "offset":
            return int(query.get("offset", "0"))
        after = query.get("cursor" if self.style == "cursor" else "after")
        if after is None:
            return 0
        return sum(row[self.key] <= type(row[self.key])(after) for row in rows)
