"""What the API of the tiny app of `life` is asked, and its pages: all that reads, in ways that engines differ by."""

from __future__ import annotations

import random
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from .asked import Said
from .life import RESOURCES, ROOT, Life
from .values import HOSTILE, POOL, TEXTS

__all__ = ["ASKED", "drawn_of", "everywhere"]

_SORTS = ("text", "-text", "price,text", "-price,-whole", "number,id", "-flag,at", "day,-id", "-at", "whole")
_SUMS = "sum(price),avg(price),sum(whole),avg(whole),count(whole)"
_STATS = (
    *(
        "by=text&of=" + _SUMS,
        "by=price,flag",
        "by=text,month(at)&of=sum(price)&sort=-sum(price)",
        "by=number,flag,price",
    ),
    *("by=week(day)&of=distinct(text),min(text),max(at)", "by=day(at)&zone=Europe/London", "by=tags"),
    *("by=hour(at)&zone=Asia/Kolkata&of=sum(number),avg(number),max(price),distinct(number)&as_of=2", ""),
    "by=number&of=min(day),count(tags)&text__ne=a",
)
ASKED = (
    *(f"?sort={sort}&limit=100" for sort in _SORTS),
    *("?text__gt=A", "?text__lte=%C3%A4", "?text__startswith=a", "?text__contains=%25", "?text__in=a,%C3%A4", "?text="),
    *("?text__ne=a", "?text__nin=a,b", "?text__isnull=true&count=exact", "?text=%00", "?q=fox", "?q=a%20red"),
    *("?price=0.1", "?price__gt=0", "?whole__gte=9223372036854775807", "?whole__gte=0&whole__lt=2147483648"),
    *("?number=0.1", "?number__lte=0.1", "?flag=true", "?flag__ne=false", "?at__gte=2026-01-01T00:00:00Z"),
    *("?day__lt=2026-01-01", "?tags__has=a", "?tags__isnull=false", "?fields=text,price,tags", "?count=exact"),
    *("?as_of=1&limit=100", "?as_of=2&sort=-text", "?as_of=2&tags__has=a&count=exact", "?as_of=2026-01-01T00:02:00Z"),
    *("?limit=0", "?nothing=1", "?sort=nothing", "?as_of=99999", "/nothing", "/nothing/history", "/changes?after=0"),
    *("/diff?from=1", "/diff?from=1&to=2", "/diff?from=2026-01-01T00:01:00Z", "/diff?from=2&to=1"),
    *(f"/stats?{one}" for one in _STATS),
    *(".csv", ".ndjson?sort=-price", ".csv?as_of=1&sort=text", ".ndjson?text__gt=A"),
)
"""Of a collection: lists in orders, filters, words, moments, differences, statistics, exports, and what is refused."""

_ABOUT = ("?count=exact", "?sort=-id", "?as_of=1", "?limit=1", "/changes?after=0", "/diff?from=1", "/stats", ".ndjson")
"""Of what people wrote about something."""

_SERVICE = (
    *("/v1", "/openapi.json", "/health/ready", "/health/data", "/v1/_/plan", "/v1/nothing/here"),
    *(f"/v1/_/{name}" for name in ("feeds", "partitions", "runs", "rejects", "drift", "audit", "budgets", "orders")),
    *("/v1/_/audit?what=samples/offers", "/v1/_/audit?result=denied", "/v1/_/partitions?verdict=complete"),
)
"""Of the service as a whole."""

_BROWSER = {"accept": "text/html", "cookie": f"catchment_session={'s' * 43}"}
"""With a session of its own: what forms have is made of it."""

_WIDE = "text__gt=A&sort=-price"
_PAGES = (
    *("/", "/docs", "/docs?q=samples", "/explore/_/operations", "/explore/_/operations/samples/samples"),
    *("/explore/_/rejects/samples/samples", "/explore/_/runs/1", "/explore/samples/nothing"),
    *(f"/explore/samples/{name}" for name in ("samples", *RESOURCES)),
    *(f"/explore/samples/{name}?{asked}" for name in ("samples", "offers") for asked in (_WIDE, "as_of=1", "q=fox")),
    *(
        f"/explore/_/{what}/samples/{name}"
        for what in ("charts", "counts", "changes")
        for name in ("samples", "offers")
    ),
    *(f"/explore/_/pieces/{what}/samples/{name}" for what in ("count", "counts") for name in ("samples", "offers")),
    *(f"/explore/_/charts/samples/samples?_whole=yes&{asked}" for asked in ("", "x=day&y=price", "x=text", "x=number")),
)
"""What people look at."""


def everywhere(life: Life) -> Iterator[tuple[str, Said]]:
    """Every path that is asked, and what is answered."""
    for name in ("samples", "offers"):
        yield from ((f"{name}{path}", life.ask(f"{ROOT}/{name}{path}")) for path in ASKED)
        for sort in ("text", "-price", "number", "-day,text"):
            yield from _walked(life, f"{ROOT}/{name}?sort={sort}&limit=2")
    for name in RESOURCES[1:]:
        yield from ((f"{name}{path}", life.ask(f"{ROOT}/{name}{path}")) for path in _ABOUT)
    yield from ((path, life.ask(path)) for path in _SERVICE)
    yield from _sheets(life)
    yield from ((path, life.ask(path, _BROWSER)) for path in _PAGES)


def _walked(life: Life, path: str) -> Iterator[tuple[str, Said]]:
    """A list page by page."""
    url = path
    while url:
        said = life.ask(url)
        yield url, said
        following = said.json().get("meta", {}).get("next")
        url = f"{path}&cursor={quote(following)}" if following else ""


def _sheets(life: Life) -> Iterator[tuple[str, Said]]:
    """Every record, with its versions and its bytes, and its page."""
    for name in ("samples", *RESOURCES):
        keys = {item["_key"] for item in life.ask(f"{ROOT}/{name}?limit=1000").json()["data"]}
        for key in sorted(keys | set(life.made.get(name, ()))):
            quoted = quote(key, safe="")
            for end in ("", "/history", "/source", "?as_of=1"):
                yield f"{name}/{key}{end}", life.ask(f"{ROOT}/{name}/{quoted}{end}")
            yield f"page of {key}", life.ask(f"/explore/samples/{name}/{quoted}", _BROWSER)


# -- drawn ---------------------------------------------------------------------------------------------------------


_OPERATORS = ("", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "startswith", "isnull", "has")
_ENDS = ("", "", "", "", ".csv", ".ndjson", "/diff", "/stats", "/changes")


def drawn_of(drawn: random.Random, most: int = 4) -> str:
    """A question that nobody thought of, right or wrong: filters, an order, a moment, fields, a number."""
    end = drawn.choice(_ENDS)
    pairs = [_filter(drawn) for _ in range(drawn.randrange(most))]
    for name, values in _ALSO.items():
        if drawn.random() < 0.25:
            pairs.append((name, drawn.choice(values)))
    if end == "/stats":
        pairs += [("by", drawn.choice(_GROUPS)), ("of", drawn.choice(_MEASURES))]
    if end == "/diff":
        pairs += [("from", drawn.choice(_MOMENTS))]
    drawn.shuffle(pairs)
    return f"{ROOT}/{drawn.choice(('samples', 'offers'))}{end}?{urlencode(pairs, errors='surrogatepass')}"


_MOMENTS = ("0", "1", "2", "3", "5", "2026-01-01T00:03:00Z", "2026-01-01T00:05:30Z", "2026-01-01", "999")
_GROUPS = (
    *(
        "text",
        "price",
        "number",
        "flag",
        "tags",
        "whole",
        "month(at)",
        "day(at),flag",
        "week(day)",
        "quarter(day),text",
    ),
    *("hour(at)", "year(at),price", "text,price,flag"),
)
_MEASURES = (
    *("count()", "sum(price)", "avg(price),min(price),max(price)", "sum(whole),avg(whole)", "sum(number),avg(number)"),
    *("distinct(text),min(text),max(text)", "min(at),max(day)", "count(tags)", "avg(text)"),
)
_ALSO = {
    "sort": (
        "text",
        "-text",
        "price",
        "-price,whole",
        "number",
        "-number,text",
        "at,day",
        "-flag",
        "day,-at",
        "-whole",
    ),
    "limit": ("1", "2", "3", "7", "1000", "1001"),
    "count": ("none", "exact", "capped"),
    "fields": ("text", "price,tags", "id,number,at", "nothing"),
    "as_of": _MOMENTS,
    "q": ("fox", "a", "red a", "é"),
}


def _filter(drawn: random.Random) -> tuple[str, str]:
    name, operator = drawn.choice(list(POOL)), drawn.choice(_OPERATORS)
    values = [*map(_plain, POOL[name])]
    if drawn.random() < 0.1:
        values = [*map(_plain, HOSTILE[name]), *TEXTS[:6]]
    value = drawn.choice(("true", "false") if operator == "isnull" else values)
    return (f"{name}__{operator}" if operator else name), value


def _plain(value: object) -> str:
    """A value as it stands in a query."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
