"""A field's value as text for a page. Pure; digits stay as they were answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from ..record import Column, Kind

__all__ = ["KINDS", "Cell", "cell", "documents", "key_of"]

SHORT, LONG = 90, 4000
"""Characters that a table and a record's own page show of one value."""

KINDS: Mapping[Kind, str] = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "decimal": "decimal",
    "boolean": "yes or no",
    "date": "date",
    "datetime": "moment",
    "json": "list or object",
}

_documents = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_indented = msgspec.json.format


@dataclass(frozen=True, slots=True)
class Cell:
    """One value. full: the whole of it where the text is cut, else "". link: where it leads, if it is an address."""

    text: str
    kind: Kind
    full: str = ""
    empty: bool = False
    link: str = ""


def documents(body: str) -> list[dict[str, msgspec.Raw]]:
    """The records of JSON documents joined by commas, each member in the bytes in which it is answered."""
    return _documents.decode(f"[{body}]")


def key_of(document: Mapping[str, msgspec.Raw]) -> str:
    """The key of a record, as it stands in addresses."""
    return msgspec.json.decode(document["_key"], type=str)


def cell(column: Column, raw: msgspec.Raw | None, *, limit: int = SHORT) -> Cell:
    """The value of a field; raw: None where the document has none."""
    content = bytes(raw) if raw is not None else b"null"
    if content == b"null":
        return Cell("", column.kind, empty=True)
    text = _text(column.kind, content, pretty=limit > SHORT)
    if len(text) <= limit:
        return Cell(text, column.kind, link=text if _is_address(text) else "")
    return Cell(f"{text[: limit - 1]}…", column.kind, full=text[:LONG])


def _text(kind: Kind, content: bytes, *, pretty: bool) -> str:
    if kind == "json":
        return _listed(content) or (_indented(content.decode(), indent=2) if pretty else content.decode())
    text = str(msgspec.json.decode(content)) if content.startswith(b'"') else content.decode()
    return text.replace("T", " ").replace(".000000", "") if kind == "datetime" else text


def _listed(content: bytes) -> str:
    """A list of plain values without its quotes; "" for anything else."""
    found = msgspec.json.decode(content)
    if isinstance(found, list) and all(isinstance(item, str | int) for item in found):
        return ", ".join(str(item) for item in _plain(found))
    return ""


def _plain(items: Sequence[object]) -> Sequence[object]:
    return [str(item).lower() if isinstance(item, bool) else item for item in items]


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not any(mark.isspace() for mark in text)
