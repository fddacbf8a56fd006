"""Everywhere that a secret could have been left: files, archive, exports, pages, logs, and what neighbours see."""

import re
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import zstandard
from commands import Place, ended
from databases import left_in

from catchment.app import load_app

PAGES = (
    *("/", "/docs", "/openapi.json", "/metrics", "/v1", "/health/ready", "/health/data", "/explore/_/operations"),
    *(f"/v1/_/{what}" for what in ("feeds", "plan", "runs", "budgets", "rejects", "drift", "audit")),
)
MOST = 100
"""How many addresses are asked: the pages of some records, not of all."""


def spellings(*secrets: str) -> set[str]:
    """Each secret as it is, as an address has it, and as JSON may have it."""
    return {
        form
        for secret in secrets
        for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace("/", "\\/"))
    }


def shown(text: str, forms: Iterable[str]) -> set[str]:
    """The forms that the text holds."""
    return {form for form in forms if form in text}


def bodies(place: Place) -> list[bytes]:
    """The archive, unpacked: each body whole."""
    chunks = place.sql("SELECT digest, data FROM _body ORDER BY digest, chunk")
    found: dict[str, bytes] = {}
    for digest, packed in chunks:
        found[digest] = found.get(digest, b"") + zstandard.decompress(packed)
    return list(found.values())


def kept(place: Place, forms: Iterable[str]) -> dict[str, set[str]]:
    """File -> the forms that its bytes hold; also every row, and the archive unpacked."""
    found = {str(path.relative_to(place.data)): path.read_bytes() for path in _files(place.data)}
    found |= {"rows": left_in(place.database), "bodies": b"\n".join(bodies(place))}
    held = {name: {form for form in forms if form.encode() in content} for name, content in found.items()}
    return {name: forms for name, forms in held.items() if forms}


def command_lines() -> list[str]:
    """What anybody on the machine sees of every process."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(errors="replace"))
        except OSError:  # it ended meanwhile
            continue
    return lines


@dataclass(frozen=True)
class Searched:
    """Place -> what is there; a place is `files/…`, `archive/…`, `pages/…`, `exports/…`, `logs/…` or `processes/…`."""

    places: dict[str, str]

    def holding(self, forms: Iterable[str]) -> set[str]:
        """The places that hold one of the forms."""
        return {name for name, text in self.places.items() if shown(text, forms)}


def everywhere(place: Place, *names: str) -> Searched:
    """All that apps which were collected leave behind, and all that a server of theirs shows."""
    apps = [load_app(name) for name in names]
    collections = [(app.name, item.name) for app in apps for item in (*app.feeds, *app.resources)]
    process = place.start("serve", *names, "--port", "0")
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, headers={"accept": "text/html, */*"}, timeout=30) as client:
            client.delete(
                "/v1/refused", headers={"x-api-key": "ck_bad"}
            )  # so there is a line in the log, and in the audit
            roots = [f"/v1/{app}/{name}" for app, name in collections] + [app.example for app in apps]
            roots += [f"/v1/_/partitions?collection={app.name}/{feed.name}" for app in apps for feed in app.feeds]
            found = {f"pages{address}": text for address, text in _pages(client, [*PAGES, *roots]).items()}
        found |= {f"processes/{number}": line for number, line in enumerate(command_lines())}
    finally:
        process.send_signal(signal.SIGTERM)
        logged = ended(process).text
    found["logs/serve"] = logged
    for app, name in collections:
        done = place.run("export", f"{app}/{name}", "--format", "ndjson")
        found[f"exports/{app}/{name}"] = done.text
    for command in ("status", "plan", "rejects", "settings"):
        found[f"logs/{command}"] = place.run(command, *names).text
    found |= {f"files/{path.relative_to(place.data)}": _text(path.read_bytes()) for path in _files(place.data)}
    found["files/rows"] = _text(left_in(place.database))
    return Searched(found | {f"archive/{number}": _text(body) for number, body in enumerate(bodies(place))})


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _text(content: bytes) -> str:
    """The bytes as a text in which each of them can be found."""
    return content.decode("utf-8", errors="backslashreplace")


def _pages(client: httpx.Client, roots: Iterable[str]) -> dict[str, str]:
    """Address -> answer with its headers; those that lead nowhere else, and what pages and lists link to."""
    waiting, found = deque(roots), dict[str, str]()
    seen = {_place(address) for address in waiting}
    while waiting and len(found) < MOST:
        address = waiting.popleft()
        with client.stream("GET", address) as answer:
            assert answer.status_code == 200, f"{address}: {answer.read()!r}"
            text = _text(answer.read())
        found[address] = f"{answer.headers}\n{text}"
        for link in map(unescape, re.findall(r'(?:href|hx-get)="(/[^"#]+)', text)):
            if _place(link) not in seen:
                seen.add(_place(link))
                waiting.append(link)
    return found


def _place(address: str) -> str:
    """An address without its question: a page is asked once."""
    return address.partition("?")[0]
