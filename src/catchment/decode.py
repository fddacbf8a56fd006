"""The rows of a body to records and rejects; strict, and the same for every engine.

A row whose bytes are known already is passed on by its digest alone, undecoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, MutableMapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec
import xxhash

from .clock import render_moment
from .drift import SAMPLED
from .erased import MARK, NOTHING, Erased
from .errors import DecodeError
from .feed import CONTENT, Feed, Row
from .model import model_digest
from .partitions import Partition
from .record import Record, Stored, columns, content_hash, stored_values
from .split import mended, rows_of, why
from .spool import Content
from .strict import DEPTH, load_json, most_names, too_deep, twice

__all__ = [
    "WRONG",
    "Decoded",
    "Dropped",
    "Entry",
    "Reject",
    "Seen",
    "decode",
    "from_document",
    "key_reader",
    "leniently",
    "load_json",
    "model_digest",
    "render_key",
    "row_digest",
]

# PostgreSQL refuses an indexed text over about 8 kB; a key that long identifies nothing that a person can use.
MAX_KEY_BYTES = 512
MAX_RECORD_BYTES = 2**20


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row that became a record. key: "" where the content is the key. doc: the answer's JSON without its key."""

    key: str
    hash: bytes
    raw: bytes
    values: tuple[Stored, ...]
    doc: str


class Seen(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row whose bytes stood in the last merged answer too; raw: their digest."""

    raw: bytes


class Reject(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row that is no acceptable record: its bytes, why, and where in it (a JSON path, "" for the whole)."""

    raw: bytes
    reason: str
    path: str
    key: str | None


class Dropped(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of a record that was erased: it becomes nothing. marked: only its place is left of it."""

    marked: bool


Decoded = Entry | Seen | Reject | Dropped


def decode(
    feed: Feed,
    partition: Partition,
    body: Content,
    *,
    known: Container[bytes],
    model: str,
    times: MutableMapping[bytes, int] | None = None,
    sample: list[bytes] | None = None,
    erased: Erased = NOTHING,
) -> Iterator[Decoded]:
    """What each row of a body is, in the body's order.

    Args:
        known: the digests of the rows that the store has for this partition.
        model: the digest of the declaration (`model_digest`); rows of another model are never known.
        times: how many times it has each, where equal records are counted; counted down, over all the answers of a
            pass. One time more is decoded: it is a record not stored.
        sample: takes the first rows that are decoded, `SAMPLED` at most.
        erased: the keys whose rows are dropped.
    Raises:
        DecodeError: the body is not of the declared shape; nothing of it may be stored.
    """
    seed = int(model[:16], 16)
    read, key_of = _reader(feed, partition), key_reader(feed, partition) if erased else _no_key
    for raw, row in rows_of(feed, partition, body):
        digest = xxhash.xxh3_128_digest(raw, seed)
        left = digest in known if times is None else times.get(digest, 0)
        if left:
            if times is not None:
                times[digest] = left - 1
            yield Seen(digest)
            continue
        found = Dropped(marked=True) if erased and raw == MARK else read(raw, row, digest)
        if erased and not isinstance(found, Dropped) and erased.holds(_said_key(found, raw, key_of)):
            found = Dropped(marked=False)
        if sample is not None and len(sample) < SAMPLED and not isinstance(found, Dropped):
            sample.append(raw)
        yield found


def _no_key(_: bytes) -> None:
    """Nothing was erased: nobody asks."""


def _said_key(found: Entry | Seen | Reject, raw: bytes, key_of: Callable[[bytes], str | None]) -> str | None:
    """The key by which a row can be erased: also of one that became no record, where its bytes have it."""
    if isinstance(found, Entry):
        return found.key or found.hash.hex()
    return (found.key if isinstance(found, Reject) else None) or key_of(raw)


def key_reader(feed: Feed, partition: Partition) -> Callable[[bytes], str | None]:
    """A function from a row's bytes to its key, also where the rest of the row is no acceptable record; of a feed whose
    key is the content, to the content's hash. None where there is none to be read.
    """
    read, wanted = _reader(feed, partition), _key_fields(feed)

    def key_of(raw: bytes) -> str | None:
        found = read(raw, None, b"")
        if isinstance(found, Entry):
            return found.key or found.hash.hex()
        try:
            row = leniently(raw)
            shaped = feed.shape(row, partition) if feed.shape else row
            parts = [msgspec.convert(shaped[name], kind, strict=feed.strict) for name, kind in wanted]
            return render_key(parts) if parts else None
        except WRONG:
            return None

    return key_of


def leniently(raw: bytes) -> Any:
    """A row's value, also where JSON forbids something in it, or where it names a member twice."""
    readable = mended(raw)
    try:
        return load_json(readable)
    except DecodeError:
        return msgspec.json.decode(readable)


def _key_fields(feed: Feed) -> list[tuple[str, Any]]:
    """The names that the key's fields have in a row, with their types."""
    names = feed.key if isinstance(feed.key, tuple) else ()
    known = {field.name: (field.encode_name, field.type) for field in msgspec.structs.fields(feed.record)}
    return [known[name] for name in names]


def row_digest(raw: bytes, model: str) -> bytes:
    """The digest by which the bytes of a row are known again, by the same declaration."""
    return xxhash.xxh3_128_digest(raw, int(model[:16], 16))


def from_document(record: type[Record]) -> Callable[[str], Any]:
    """A function from a record's JSON, as an `Entry` has it or as it is stored, to the record. It gives None for what
    an older declaration stored and this one cannot read.
    """
    read = msgspec.json.Decoder(record).decode

    def record_of(doc: str) -> Any:
        if doc.startswith(_KEYED):  # the key is percent-encoded: the first quote after it ends it
            doc = doc[doc.index('"', len(_KEYED)) + 2 :]
        try:
            return read("{" + doc)
        except msgspec.MsgspecError:
            return None

    return record_of


_KEYED = '{"_key":"'


def _reader(feed: Feed, partition: Partition) -> Callable[[bytes, Row | None, bytes], Decoded]:
    """The function that makes one row an entry or a reject, with everything that is the same for all rows bound."""
    values_of = stored_values(feed.record)
    direct = msgspec.json.Decoder(feed.record, strict=feed.strict)
    encode = msgspec.json.Encoder().encode
    steady = _steady_positions(feed)
    key_of = _key_maker(feed)
    scope = partition.key
    fields, quotes = _fixed_fields(feed), _fewest_quotes(feed)

    def shaped(row: Row) -> Any:
        return msgspec.convert(_shaped(feed, row, partition), feed.record, strict=feed.strict)

    def read(raw: bytes, row: Row | None, digest: bytes) -> Decoded:
        if b"\\" in raw and _NUL.search(raw):  # a byte alone is looked for much faster than a text
            return Reject(raw, "a text holds the NUL character", "", None)
        if len(raw) > MAX_RECORD_BYTES:
            return Reject(raw, f"longer than {MAX_RECORD_BYTES} bytes", "", None)
        try:
            if row is None and feed.shape is None:
                record = direct.decode(raw)
                values = values_of(record)
                if raw.count(b'"') != quotes(values):
                    _check(raw, fields)
            else:
                _check_depth(raw)
                record = shaped(load_json(raw) if row is None else row)
                values = values_of(record)
            key = key_of(record, values)
            doc = encode(record)[1:].decode()
            reason = feed.refuse(record) if feed.refuse else ""
        except WRONG as error:
            return _reject(raw, error)
        if len(key) > MAX_KEY_BYTES:
            return Reject(raw, f"key longer than {MAX_KEY_BYTES} bytes", "", None)
        if not key and feed.key is not CONTENT:
            return Reject(raw, "key is empty", "", None)
        if reason:
            return Reject(raw, reason, "", key or None)
        content = values if steady is None else tuple([values[position] for position in steady])
        digest_of = content_hash((scope, *content) if feed.key is CONTENT else content)
        return Entry(key, digest_of, digest, values, doc)

    return read


def _shaped(feed: Feed, row: Row, partition: Partition) -> Row:
    """The row in the fields of the feed. DecodeError where the feed's function expects an object, and it is none."""
    try:
        return feed.shape(row, partition) if feed.shape else row
    except (AttributeError, TypeError) as error:
        if not isinstance(row, dict):
            raise DecodeError("is no object") from error
        raise


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The escape itself, not an escaped backslash with `u0000` after it."""

WRONG = (
    msgspec.MsgspecError,
    DecodeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What a record that cannot be read raises, in the decoder or in a function of the feed."""

_AT = re.compile(r" - at `\$?\.?(.*)`\Z")


def _reject(raw: bytes, error: Exception) -> Reject:
    """Why it was not acceptable, as the validator says it, with the path apart."""
    if too_deep(raw):
        return Reject(raw, _TOO_DEEP, "", None)
    reason = why(error)
    at = _AT.search(reason)
    return Reject(raw, _AT.sub("", reason), at[1] if at else "", None)


_TOO_DEEP = f"nested deeper than {DEPTH}"


def _check_depth(raw: bytes) -> None:
    if too_deep(raw):
        raise DecodeError(_TOO_DEEP)


def _check(raw: bytes, fields: int) -> None:
    """DecodeError where a row is nested too deeply, or names a member twice. fields: how many names are certain."""
    _check_depth(raw)
    if most_names(raw) != fields and (name := twice(raw)):  # it has more, or fewer, or one of them twice
        raise DecodeError(f"{name} is named twice in one object")


def _fewest_quotes(feed: Feed) -> Callable[[tuple[Stored, ...]], int]:
    """A function from a row's values to how many quotes its bytes have at least; 0 where that is not known.

    Each field was named, and each text was one in the bytes too. So a row that has no quote more has no other name,
    none twice, and nothing inside another: one count tells that it is as strict as it should be.
    """
    kinds = [column.kind for column in columns(feed.record)]
    fields = 0 if "decimal" in kinds or not feed.strict else _fixed_fields(feed)  # these may be texts, or not
    texts = [column.kind in ("text", "date", "datetime") for column in columns(feed.record)]
    most = 2 * (fields + sum(texts))
    nullable = [place for place, column in enumerate(columns(feed.record)) if texts[place] and column.nullable]
    if not fields or not nullable:
        return lambda _: most if fields else 0
    return lambda values: most - 2 * [values[place] for place in nullable].count(None)


def _fixed_fields(feed: Feed) -> int:
    """How many names a row has that has every field once, and nothing else; 0 where rows of one feed may differ."""
    whole = all(field.required for field in msgspec.structs.fields(feed.record))
    flat = all(column.kind != "json" for column in columns(feed.record))
    return len(columns(feed.record)) if whole and flat else 0


def _steady_positions(feed: Feed) -> tuple[int, ...] | None:
    """Positions of the columns by which an answer's records are equal; None for all. What is derived comes later."""
    left_out = {*feed.volatile, *(feed.derived.fields if feed.derived else ())}
    if not left_out:
        return None
    return tuple(index for index, column in enumerate(feed.columns) if column.name not in left_out)


_PLAIN = re.compile(r"[A-Za-z0-9_.~:-]*").fullmatch
_PLAIN_PARTS = re.compile(r"[A-Za-z0-9_.~:,-]*").fullmatch


def render_key(parts: Iterable[Any]) -> str:
    """The key as it stands in a path: parts percent-encoded and joined by commas (`IBM,2023-01-03`)."""
    texts = [_key_text(part) for part in parts]
    return ",".join(text if _PLAIN(text) else quote(text, safe=":") for text in texts)


def _key_text(part: Any) -> str:
    """Equal values give one text: 1.50 is 1.5, and a moment is one in every zone."""
    if type(part) is str:
        return part
    if isinstance(part, Decimal):
        text = format(part, "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text) if part else "0"
    return render_moment(part) if isinstance(part, datetime) else str(part)


def _key_maker(feed: Feed) -> Callable[[Record, tuple[Stored, ...]], str]:
    """A function from a record and its values to its key, as `render_key` gives it."""
    if not isinstance(feed.key, tuple):
        return lambda *_: ""
    names, kinds = feed.key, {column.name: column.kind for column in feed.columns}
    if any(kinds[name] not in ("text", "integer", "date", "datetime") for name in names):
        return lambda record, _: render_key([getattr(record, name) for name in names])
    places = [list(kinds).index(name) for name in names]
    commas = len(places) - 1

    def key_of(_: Record, values: tuple[Stored, ...]) -> str:
        # As they are stored they are texts, or become ones, as a key has them. Mostly nothing is to be encoded.
        parts = [str(values[place]) for place in places]
        key = ",".join(parts)
        return key if _PLAIN_PARTS(key) and key.count(",") == commas else render_key(parts)

    return key_of
