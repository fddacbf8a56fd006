"""In which forms a whole list comes as a file, and how each is made of its records, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from operator import itemgetter
from types import NoneType
from typing import Any

import msgspec

from ..errors import UsageError
from ..record import Column
from ..store.export import Export
from .parquet import MEDIA_TYPE, parquet

__all__ = ["FORMATS", "Format"]

Make = Callable[[Sequence[Column], Export], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Format:
    """A form of file. make: its pieces, from the fields and what is exported; some may be empty.

    text: it is one. library: what it needs beside the base install, and `extra` by which that comes.
    """

    name: str
    media_type: str
    words: str
    make: Make
    text: bool = True
    library: str = ""
    extra: str = ""

    @property
    def there(self) -> bool:
        """Whether it can be made here."""
        return not self.library or find_spec(self.library) is not None

    def check(self) -> None:
        """Returns where it can be made here. UsageError, with the next step, where its library is missing."""
        if not self.there:
            message = f"{self.name} needs {self.library}, which is not installed"
            raise UsageError(message, hint=f'pip install "catchment[{self.extra}]", or take csv or ndjson')


def _lines(_: Sequence[Column], export: Export) -> Iterator[bytes]:
    for documents in export.pieces():
        yield ("\n".join(documents) + "\n").encode()


_QUOTED, _FORMULA = ('"', ",", "\r", "\n"), ("=", "+", "-", "@", "\t", "\r")
_STARTS, _FIRST = frozenset(_FORMULA), itemgetter(0)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")


def _table(columns: Sequence[Column], export: Export) -> Iterator[bytes]:
    """RFC 4180: null is nothing at all, a text without a letter is `""`; lists are JSON.

    A text that a spreadsheet would take for a formula has an apostrophe before it (OWASP, CSV Injection); a number is
    none, also where it is below zero.
    """
    names = ["_key", *(column.name for column in columns)]
    yield (",".join(names) + "\r\n").encode()
    row = msgspec.defstruct("Row", [(name, Any, None) for name in names], gc=False)
    decode, values = msgspec.json.Decoder(row).decode, msgspec.structs.astuple
    for documents in export.pieces():
        columns_of_text = map(_cells, zip(*[values(decode(text)) for text in documents], strict=True))
        yield "".join([",".join(cells) + "\r\n" for cells in zip(*columns_of_text, strict=True)]).encode()


def _cells(values: Sequence[Any]) -> Sequence[str]:
    """A column of some rows. Most hold nothing that needs a quote: that is seen of all at once."""
    kinds = set(map(type, values))
    if NoneType in kinds:
        there = iter(_cells([value for value in values if value is not None]))
        return ["" if value is None else next(there) for value in values]
    if kinds == {str} and _is_plain(values):
        return values
    if kinds in ({int}, {float}):
        return [*map(repr, values)]
    return [*map(_cell, values)]


def _is_plain(texts: Sequence[str]) -> bool:
    """Whether all the texts stand in a table as they are."""
    return all(texts) and _STARTS.isdisjoint(map(_FIRST, texts)) and not _holds("".join(texts))


def _holds(text: str) -> bool:
    return any(sign in text for sign in _QUOTED)


def _cell(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else repr(value)
    return _text(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _text(value: str) -> str:
    if value.startswith(_FORMULA) and not _NUMBER.match(value):
        value = f"'{value}"
    return '"' + value.replace('"', '""') + '"' if not value or _holds(value) else value


FORMATS = {
    item.name: item
    for item in (
        Format("csv", "text/csv", "RFC 4180, with a line of names; formulas are made harmless", _table),
        Format("ndjson", "application/x-ndjson", "a line of JSON each, as the list has it", _lines),
        Format(
            "parquet",
            MEDIA_TYPE,
            "Apache Parquet, with types: exact numbers are decimal(38, 18), moments have a zone",
            parquet,
            text=False,
            library="pyarrow",
            extra="parquet",
        ),
    )
}
"""By the ending of the path."""
