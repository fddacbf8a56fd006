"""The API's description as pages: what can be asked, and each operation with a form that asks. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec

from ..errors import QueryError
from .links import with_query

__all__ = ["Field", "Operation", "Reference", "Section", "operation", "reference"]

ASKED = "_ask"
"""The parameter of a page that says that its form was sent."""

MAX_ENUM = 60
"""Values that a list to choose from has at most; of more only the type is told."""

Json = Mapping[str, Any]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One operation in the list of all. words: what it can be found by."""

    name: str
    method: str
    path: str
    summary: str

    @property
    def words(self) -> str:
        return f"{self.method} {self.path} {self.summary}".lower()


@dataclass(frozen=True, slots=True)
class Section:
    """The operations about one thing: a collection, an app's own routes, the service."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Reference:
    """All that can be asked, or what some words are in. q: these words."""

    apps: Mapping[str, Sequence[Section]]
    q: str

    @property
    def count(self) -> int:
        return sum(len(section.lines) for sections in self.apps.values() for section in sections)


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. place: path, query or header. value: as it was sent, or what a first try has."""

    name: str
    place: str
    words: str
    required: bool
    example: str
    choices: Sequence[str]
    value: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. groups: the filters of each field of a list. asks: whether a page may send it: it only reads.

    address: what was asked for, "" where nothing was, or something is missing.
    """

    name: str
    app: str
    method: str
    path: str
    summary: str
    words: str
    fields: Sequence[Field]
    groups: Mapping[str, Sequence[Field]]
    headers: Sequence[Field]
    answers: Sequence[tuple[str, str]]
    body: str
    body_type: str
    keyed: bool
    address: str = ""

    @property
    def asks(self) -> bool:
        return self.method == "GET"

    def curl(self, host: str) -> str:
        """A command of a shell that asks for it; where nothing was filled in, with the names of what is to be."""
        parts = ["curl"] if self.asks else ["curl", "-X", self.method]
        if self.keyed:
            parts += ["-H", shlex.quote("Authorization: Bearer KEY")]
        if self.body:
            parts += ["-H", shlex.quote(f"Content-Type: {self.body_type}"), "-d", shlex.quote(self.body)]
        return " ".join([*parts, shlex.quote(f"http://{host}{self.address or self.path}")])


def reference(document: Json, q: str) -> Reference:
    """What can be asked, by app and by what it is about; with words, what has all of them."""
    wanted = q.lower().split()
    apps: dict[str, dict[str, list[Line]]] = {tag["name"]: {} for tag in document["tags"]}
    for path, method, found in _operations(document):
        line = Line(found["operationId"], method.upper(), path, _summary(found))
        if all(word in line.words for word in wanted):
            app = found["tags"][0]
            apps[app].setdefault(_about(app, path), []).append(line)
    shown = {
        app: [Section(title, lines) for title, lines in sections.items()] for app, sections in apps.items() if sections
    }
    return Reference(shown, q)


def _operations(document: Json) -> Iterable[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            yield path, method, found


def _about(app: str, path: str) -> str:
    """What a path is about: the collection, or `own routes`."""
    parts = path.split("/")
    if parts[1:3] == ["v1", app] and len(parts) > 3:
        return parts[3].partition(".")[0]
    return "of the service" if app == "service" else "its own routes"


def _summary(found: Json) -> str:
    """The summary without the collection's name, which stands above it."""
    summary = found.get("summary") or ""
    name, colon, rest = summary.partition(": ")
    return rest if colon and " " not in name else summary


def operation(document: Json, name: str, pairs: Pairs, key: Callable[[str], str]) -> Operation:
    """The operation of that name, with what its form was sent.

    key: collection -> the key of a record of it, for a first try; "" where there is none. QueryError: 404 where there
    is no operation of that name.
    """
    for path, method, found in _operations(document):
        if found["operationId"] == name:
            return _asked(_described(document, path, method, found, key), pairs)
    raise QueryError(f"There is no operation {name[:60]}.", kind="not-found", status=404)


def _described(document: Json, path: str, method: str, found: Json, key: Callable[[str], str]) -> Operation:
    first = key("/".join(path.split("/")[2:4])) if "{key}" in path else ""
    every = [_field(item, first) for item in found.get("parameters", ())]
    filters = _filters([field for field in every if field.place == "query"])
    filtered = {field.name for fields in filters.values() for field in fields}
    media, body = _body(found)
    return Operation(
        name=found["operationId"],
        app=found["tags"][0],
        method=method.upper(),
        path=path,
        summary=found.get("summary") or "",
        words=found.get("description") or "",
        fields=[field for field in every if field.place != "header" and field.name not in filtered],
        groups=filters,
        headers=[field for field in every if field.place == "header"],
        answers=_answers(found["responses"]),
        body=body,
        body_type=media,
        keyed={} not in found.get("security", document.get("security", [{}])),
    )


def _field(parameter: Json, key: str) -> Field:
    schema = parameter.get("schema", {})
    choices = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    example = _written(parameter.get("example", ""))
    place, required = parameter["in"], bool(parameter.get("required"))
    first = example or (key if parameter["name"] == "key" else "") if required or parameter["name"] == "limit" else ""
    return Field(
        parameter["name"],
        place,
        parameter.get("description") or "",
        required,
        example,
        choices if len(choices) <= MAX_ENUM else (),
        first,
    )


def _written(example: object) -> str:
    """An example as it stands in an address."""
    if isinstance(example, list):
        return ",".join(map(_written, example))
    return str(example).lower() if isinstance(example, bool) else str(example)


def _filters(fields: Sequence[Field]) -> dict[str, list[Field]]:
    """Field of a record -> its filters: parameters of which there are others behind the same name."""
    found: dict[str, list[Field]] = {}
    for field in fields:
        found.setdefault(field.name.partition("__")[0], []).append(field)
    return {name: members for name, members in found.items() if len(members) > 2}


def _answers(responses: Json) -> list[tuple[str, str]]:
    """Status and what it means; problems together."""
    said = [(status, answer["description"]) for status, answer in responses.items() if "$ref" not in answer]
    problems = sorted(status for status, answer in responses.items() if "$ref" in answer)
    return said + [(", ".join(problems), "A problem (RFC 9457), which says what is wrong")] * bool(problems)


def _body(found: Json) -> tuple[str, str]:
    """The type of what is sent, and an example of it."""
    for media, content in found.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            return media, msgspec.json.encode(content["example"]).decode()
    return "", ""


def _asked(found: Operation, pairs: Pairs) -> Operation:
    """The operation with the values that were sent, and the address that they make."""
    if not any(name == ASKED for name, _ in pairs):
        return found
    given = {name: value for name, value in pairs if value and name != ASKED}

    def filled(fields: Sequence[Field]) -> list[Field]:
        return [replace(field, value=given.get(field.name, "")) for field in fields]

    fields, groups = filled(found.fields), {name: filled(members) for name, members in found.groups.items()}
    every = [*fields, *(field for members in groups.values() for field in members)]
    missing = any(field.required and not field.value for field in every)
    return replace(found, fields=fields, groups=groups, address="" if missing else _address(found.path, every))


def _address(path: str, fields: Sequence[Field]) -> str:
    for field in fields:
        if field.place == "path":
            # A key comes percent-encoded, part by part, as `_key` says it: it is not encoded once more.
            safe = ",%" if field.name == "key" else ""
            path = path.replace(f"{{{field.name}}}", quote(field.value, safe=safe))
    return with_query(path, [(field.name, field.value) for field in fields if field.place == "query" and field.value])
