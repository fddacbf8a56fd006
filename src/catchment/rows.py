"""Where in a body its rows are: words for declaring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import DeclarationError
from .partitions import Partition

__all__ = ["Row", "RowsOf", "items", "table"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class items:  # noqa: N801 (a declaring word, as each and months)
    """The rows are the members of a JSON array: the body itself, or the member named.

    They are split and hashed as bytes, so that rows already known are not decoded at all, and a body of any size is
    read record by record.
    """

    member: str = ""


@dataclass(frozen=True, slots=True, init=False)
class table:  # noqa: N801
    """The rows are the lines of a table as text (CSV, RFC 4180), below one that names its columns: `table("id")`.

    Each is an object of texts, read line by line whatever the size of the body; a feed with `strict=False` takes them
    for the numbers that they spell. A line with another number of cells is a reject.

    columns: names that the first line has to have, among others: what has them not is no such table.
    """

    columns: tuple[str, ...]
    delimiter: str

    def __init__(self, *columns: str, delimiter: str = ",") -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "delimiter", delimiter)
        if not columns or not all(columns):
            raise DeclarationError("table", "names no column", hint='by which it is known, e.g. table("id", "name")')
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise DeclarationError("table", "delimiter is one character, and no quote or end of line")


RowsOf = items | table | Callable[[Any, Partition], Iterable[Row]]
