"""How PostgreSQL's driver writes our values and reads its own: so that both engines give the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import BytesBinaryDumper, StrDumper

__all__ = ["CONTEXT", "types_of"]


class _Number(Loader):
    """A sum of integers is one. Nothing else that we ask for is of this type."""

    def load(self, data: Any) -> float | int:
        text = bytes(data)
        return float(text) if b"." in text else int(text)


class _Integer(Int8Dumper):
    """An integer, or a truth as one, where the driver's own way is not in C: that way writes a truth as a word."""

    def dump(self, obj: int) -> bytes:
        return b"%d" % obj


def _adapters() -> AdaptersMap:
    found = AdaptersMap(psycopg.adapters)
    found.register_dumper(str, StrDumper)  # as text: then no statement has to guess
    integers = _Integer if psycopg.pq.__impl__ == "python" else Int8Dumper
    found.register_dumper(int, integers)  # of one width: then a statement is prepared once
    found.register_dumper(bool, integers)  # as it is stored
    found.register_dumper(bytes, BytesBinaryDumper)  # a body as it is, not in twice as many digits
    found.register_loader("numeric", _Number)
    return found


class _Context:
    """What the driver asks for values' types of."""

    adapters = _adapters()
    connection = None


CONTEXT = _Context()


def types_of(cursor: psycopg.RawCursor[Any], table: str) -> Mapping[str, int]:
    """The types of a table's columns, as the server numbers them."""
    columns = "SELECT attname, CAST(atttypid AS bigint) FROM pg_attribute WHERE attrelid = to_regclass($1)"
    return dict(cursor.execute(columns, (f'"{table}"',)).fetchall())
