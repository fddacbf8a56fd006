"""The description of the routes by which a collection goes out as a whole: its changes, and files of all of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..store.tables import Collection
from .changes import EVENTS, LINES, MAX_CHANGES, PARAMETERS
from .export import LEFT_OUT
from .forms import FORMATS, Format
from .words import ANYWHERE, MOMENT, TEXT, WITH_KEY, Json, errors, object_of, query

__all__ = ["change_paths", "export_paths"]

_POSITION: Json = {"type": "string", "pattern": "^(0|[1-9][0-9]*)(:[1-9][0-9]*)?$"}
_LAST_EVENT: Json = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "Of events: the position of the last one that came; it goes before `after`. Empty: none came yet.",
    "schema": {"type": "string", "pattern": _POSITION["pattern"].replace("^", "^(").replace("$", ")?$")},
}


def change_paths(collection: Collection) -> Json:
    """The path of a collection's changes."""
    limit: Json = {"type": "integer", "minimum": 1, "maximum": MAX_CHANGES, "default": MAX_CHANGES}
    parameters = [
        query("after", PARAMETERS["after"], dict(_POSITION), "0"),
        query("limit", PARAMETERS["limit"], limit, 10),
        _LAST_EVENT,
    ]
    content: Json = {
        LINES: {"schema": _change(collection)},
        EVENTS: {"schema": TEXT | {"description": "Events `change`, each with such a JSON; `reset`: begin anew."}},
    }
    headers = {
        "X-Position": {"description": "Behind the last change of this page.", "schema": _POSITION},
        "Link": {"description": 'The next page: `rel="next"`.', "schema": TEXT},
    }
    words = "What changed, each change once and in order: lines of JSON, or events"
    return {
        f"/v1/{collection.name}/changes": {
            "get": _operation(collection, "changes", words, parameters, content, headers)
        }
    }


def export_paths(collection: Collection, parameters: Sequence[Json]) -> Json:
    """The paths of a collection's files. parameters: of its list."""
    taken = [item for item in parameters if item["name"] not in LEFT_OUT]
    headers = {"X-Revision": {"description": "Whose state it is.", "schema": {"type": "integer"}}}
    return {
        f"/v1/{collection.name}.{name}": {
            "get": _operation(
                collection,
                f"export_{name}",
                f"All of the list as a file: {form.words}",
                taken,
                {form.media_type: {"schema": _content(collection, form)}},
                headers,
                (501,) if form.library else (),
            )
        }
        for name, form in FORMATS.items()
    }


def _content(collection: Collection, form: Format) -> Json:
    if not form.text:
        return {}  # what is no text is described by its media type alone
    return _record(collection) if form.media_type == LINES else TEXT


def _operation(
    collection: Collection,
    name: str,
    words: str,
    parameters: Sequence[Json],
    content: Json,
    headers: Json,
    more: Sequence[int] = (),
) -> Json:
    public = collection.feed.public
    return {
        "operationId": f"{collection.table}_{name}",
        "tags": [collection.app],
        "summary": f"{collection.feed.name}: {words}",
        "parameters": list(parameters),
        **({} if public else {"security": WITH_KEY}),
        "responses": {
            "200": {"description": words, "headers": headers, "content": content},
            "304": {"description": "The client has it already"},
            **errors(*ANYWHERE, *(() if public else (404,)), 410, *more),
        },
    }


def _change(collection: Collection) -> Json:
    told = object_of(
        position=_POSITION,
        revision={"type": "integer"},
        at=MOMENT,
        kind={"type": "string", "enum": ["new", "changed", "gone", "back"]},
        key={"type": "string", "description": "The record's `_key`."},
    )
    more: Json = {
        "fields": {"type": "array", "items": TEXT, "description": "Of a changed one: which differ."},
        "record": _record(collection),
    }
    return told | {"properties": told["properties"] | more}


def _record(collection: Collection) -> Json:
    return {"$ref": f"#/components/schemas/{collection.table}"}
