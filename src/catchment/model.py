"""The digest of a declaration: all of it that decides what a body becomes."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import xxhash

from .feed import CONTENT, Feed

__all__ = ["model_digest"]


def model_digest(feed: Feed) -> str:
    """A digest of all that decides what a body becomes: the record's schema, the key, and the code of the feed's
    functions. Another digest means: what is stored was derived by another declaration.
    """
    schema = msgspec.json.encode(msgspec.json.schema(feed.record), order="deterministic")
    key = "CONTENT" if feed.key is CONTENT else ",".join(feed.key)
    said = [feed.missing.value, feed.conflict.value, str(feed.equal), repr(feed.strict)]
    parts = [schema.decode(), key, *said, *feed.volatile]
    functions: list[Any] = [feed.rows, feed.shape, feed.refuse]
    if feed.derived:
        parts += [feed.derived.source.name, *feed.derived.fields]
        functions.append(feed.derived.attribute)
    parts += [_code_of(function) for function in functions if function is not None]
    return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())


def _code_of(function: Any, seen: frozenset[types.CodeType] = frozenset()) -> str:
    """The function's bytecode and constants, what is bound to it, the data that it reads from its module, and the same
    of its own module's functions that it calls. seen: the code of those that call it.
    """
    if isinstance(function, functools.partial):
        bound = [*function.args, *function.keywords.items()]
        return "\n".join([_code_of(function.func, seen), *(_value_text(item, seen) for item in bound)])
    code = getattr(function, "__code__", None)
    if code is None:
        return _steady(function)
    if code in seen:
        return ""
    seen |= {code}
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    bound = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items(), *cells]
    used = [function.__globals__.get(name) for name in _names_in(code)]
    own = [item for item in used if isinstance(item, _DATA) or _is_own(item, function.__module__)]
    return "\n".join([_code_text(code), *(_value_text(item, seen) for item in (*bound, *own))])


_DATA = (
    *(str, bytes, int, float, Decimal, date, time, timedelta, tzinfo, Enum),
    *(list, tuple, set, frozenset, Mapping, re.Pattern, functools.partial),
)
"""What a function may read from its module that decides what it gives: tables, patterns, numbers."""


def _is_own(item: Any, module: str) -> bool:
    return hasattr(item, "__code__") and item.__module__ == module


def _names_in(code: types.CodeType) -> Iterator[str]:
    """The names that code uses, with those of the comprehensions and functions inside it."""
    yield from code.co_names
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            yield from _names_in(item)


def _code_text(code: types.CodeType) -> str:
    constants = [_code_text(item) if isinstance(item, types.CodeType) else _steady(item) for item in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names}"


def _value_text(value: Any, seen: frozenset[types.CodeType]) -> str:
    """The value's text, with the code of the functions that stand in it."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_value_text(key, seen)}: {_value_text(item, seen)}' for key, item in value.items())}}}"
    if type(value) in (list, tuple):
        return f"[{', '.join(_value_text(item, seen) for item in value)}]"
    return _code_of(value, seen) if callable(value) and not isinstance(value, type) else _steady(value)


_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def _steady(value: Any) -> str:
    """The value's text, the same in every process: the order of a set is not, nor is an address."""
    text = str(sorted(map(repr, value))) if isinstance(value, set | frozenset) else repr(value)
    return _ADDRESS.sub("", text)
