"""A whole list as an Apache Parquet file: columns with types, a group of rows at a time.

The libraries that it needs are an extra, and are imported when the first file is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import msgspec

from ..errors import StoreError
from ..record import Column, Kind
from ..store.export import Export

__all__ = ["FRACTION", "GROUP_BYTES", "GROUP_ROWS", "MEDIA_TYPE", "WHOLE", "parquet"]

MEDIA_TYPE = "application/vnd.apache.parquet"
GROUP_ROWS, GROUP_BYTES = 2**15, 2**22
"""A group of rows ends where either is reached: its rows are held in memory, and bytes of JSON say how much that is."""
WHOLE, FRACTION = 20, 18
"""Digits of an exact number before its point and behind it: what all readers take is 38 in all."""

_TEXTS: frozenset[Kind] = frozenset({"text", "decimal", "date", "datetime"})
"""What is a text in JSON. All else is taken as it is written there."""
_LISTED: Mapping[Kind, Any] = {"text": list[str], "integer": list[int], "boolean": list[bool], "date": list[str]}
_NOTHING = (b"", b"null")


def parquet(columns: Sequence[Column], export: Export) -> Iterator[bytes]:
    """The pieces of the file, empty ones while a group of rows is being gathered.

    Raises:
        StoreError: a stored value is not of its field's type: another declaration wrote it.
    """
    import pyarrow as pa
    from pyarrow import parquet as files

    # The default one keeps what was freed for itself: in a server that would be for ever.
    pa.set_memory_pool(pa.system_memory_pool())
    long = export.digits([column.name for column in columns if column.kind == "decimal"])
    texts = {name for name, digits in long.items() if digits.whole > WHOLE or digits.fraction > FRACTION}
    schema = _schema(columns, texts)
    into, rows = _Sink(), _rows(columns, schema)
    with files.ParquetWriter(into, schema, compression="zstd") as writer:
        batches: list[Any] = []
        held = count = 0
        for documents in export.pieces():
            batches.append(rows(documents))
            held, count = held + sum(map(len, documents)), count + len(documents)
            if held >= GROUP_BYTES or count >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(batches))
                batches, held, count = [], 0, 0
            yield into.taken()
        if batches:
            writer.write_table(pa.Table.from_batches(batches))
    yield into.taken()


def _schema(columns: Sequence[Column], texts: set[str]) -> Any:
    """The columns' types. texts: decimals with more digits than readers take."""
    import pyarrow as pa

    fields = [pa.field(column.name, _type(column, as_text=column.name in texts)) for column in columns]
    return pa.schema([pa.field("_key", pa.string(), nullable=False), *fields])


def _type(column: Column, *, as_text: bool) -> Any:
    import pyarrow as pa

    if column.items:
        return pa.list_(_plain_types()[column.items])
    return pa.string() if as_text else _plain_types()[column.kind]


@cache
def _plain_types() -> Mapping[Kind, Any]:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "decimal": pa.decimal128(WHOLE + FRACTION, FRACTION),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "datetime": pa.timestamp("us", tz="UTC"),
        "json": pa.string(),
    }


def _rows(columns: Sequence[Column], schema: Any) -> Callable[[list[str]], Any]:
    """A function from records' JSON to a batch of rows."""
    import pyarrow as pa

    decode = msgspec.json.Decoder(_row_type(columns)).decode
    makes = [_values_of(column) for column in columns]

    def batch(documents: list[str]) -> Any:
        try:
            keys, *rest = zip(*(msgspec.structs.astuple(decode(text)) for text in documents), strict=True)
            arrays = [make(values, kind) for make, values, kind in zip(makes, rest, schema.types[1:], strict=True)]
        except (msgspec.ValidationError, pa.ArrowInvalid) as error:
            raise StoreError(f"a stored value has no place in its column: {error}", hint="take it as ndjson") from error
        return pa.RecordBatch.from_arrays([_read(keys, pa.string()), *arrays], schema=schema)

    return batch


def _row_type(columns: Sequence[Column]) -> type[msgspec.Struct]:
    """A record as it is read back: every field may be missing, as in what an older declaration wrote."""
    fields: list[Any] = [("_key", str)]
    for column in columns:
        if column.items or column.kind in _TEXTS:
            fields.append((column.name, (_LISTED[column.items] if column.items else str) | None, None))
        else:
            fields.append((column.name, msgspec.Raw, msgspec.Raw()))
    return msgspec.defstruct("Row", fields, gc=False)


def _values_of(column: Column) -> Callable[[Sequence[Any], Any], Any]:
    """A function from a column's values, and its type, to the column."""
    if column.items:
        return _lists
    return _read if column.kind in _TEXTS else _written


def _read(values: Iterable[str | bytes | None], kind: Any) -> Any:
    """Values from their texts, exactly: nothing is rounded on the way."""
    from pyarrow.lib import StringBuilder  # `pyarrow.array` imports pandas where that is installed: 55 MB

    builder = StringBuilder()
    builder.append_values(values)
    return builder.finish().cast(kind)


def _written(values: Sequence[msgspec.Raw], kind: Any) -> Any:
    return _read([None if text in _NOTHING else text for text in map(bytes, values)], kind)


def _lists(values: Sequence[Sequence[Any] | None], kind: Any) -> Any:
    """Lists from their elements in a row, and the places where they begin."""
    import pyarrow as pa

    ends = [0, *accumulate(len(value or ()) for value in values)]
    begins = [None if value is None else str(begin) for value, begin in zip(values, ends, strict=False)]
    elements = [str(element) for value in values for element in value or ()]
    return pa.ListArray.from_arrays(_read([*begins, str(ends[-1])], pa.int32()), _read(elements, kind.value_type))


class _Sink(io.RawIOBase):
    """A file that is taken away piece by piece while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._size += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
